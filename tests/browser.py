"""A real browser for pages on this machine."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urldefrag
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from selenium import webdriver

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
_IS_THERE = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver: `apt install chromium chromium-driver`"
)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1200,900",
)


def needs_browser(test: Any) -> Any:
    """Mark a test, or a class of tests, that needs a browser."""
    return pytest.mark.browser(_IS_THERE(test))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Ignore a picture that the browser no longer wants."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine during the block; yield its address."""
    server = _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def browser(profile: Path) -> "Iterator[webdriver.Chrome]":
    """Run Chromium without a window during the block."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(CHROMEDRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def complaints(driver: "webdriver.Chrome", root: str, *, widths: Sequence[int] = ()) -> list[str]:
    """Open a page and all pages that it links to on this machine, and return the problems.

    These are console messages, pictures that do not load, pages wider than the window, also at other widths, and
    dead links.
    """
    waiting, pages, found = [root], {root}, []
    links: list[tuple[str, str, str]] = []
    anchors: dict[str, set[str]] = {}
    while waiting:
        page = waiting.pop()
        driver.get(page)
        found += _on_page(driver, page)
        for width in widths:
            seen_as(driver, width=width)
            found += [f"{page} is too wide at {width}"] if _is_too_wide(driver) else []
        if widths:
            driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        anchors[page] = set(driver.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)"))
        for address in driver.execute_script("return [...document.querySelectorAll('a[href]')].map(e => e.href)"):
            target, anchor = urldefrag(address)
            if not target.startswith(root.rsplit("/", 1)[0]):
                continue
            links.append((page, target, anchor))
            if target not in pages and target.endswith((".html", "/")):
                pages.add(target)
                waiting.append(target)
    for page, target, anchor in dict.fromkeys(links):
        if target in pages and anchor and anchor not in anchors[target]:
            found.append(f"{page} leads to {target}#{anchor}, which is not there")
    for target in {target for _, target, _ in links} - pages:
        with suppress(HTTPError), urlopen(target) as answer:
            if answer.status == HTTPStatus.OK:
                continue
        found.append(f"{target} is not there")
    return found


def accessibility_faults(driver: "webdriver.Chrome") -> list[str]:
    """Return what axe-core finds wrong with the open page."""
    driver.execute_script((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then(of => done(of.violations.map(each => `${each.id}: ${each.nodes[0].html.slice(0, 200)}`)))"
    )
    return [str(each) for each in found]


def seen_as(driver: "webdriver.Chrome", *, width: int, scheme: str = "light") -> None:
    """Show pages on a screen of some width, a phone's below 500, in light or dark mode."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _on_page(driver: "webdriver.Chrome", page: str) -> list[str]:
    # Pictures that load when they come into view are asked for at once.
    driver.execute_script("document.querySelectorAll('img').forEach(each => { each.loading = 'eager'; })")
    broken = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "Promise.all([...document.images].map(each => each.decode().then(() => null, () => each.src)))"
        ".then(found => done(found.filter(Boolean)))"
    )
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    said = [entry["message"] for entry in messages if entry["level"] in ("SEVERE", "WARNING")]
    wide = [f"{page} is too wide"] if _is_too_wide(driver) else []
    return [*said, *(f"{each} is not shown" for each in broken), *wide]


def _is_too_wide(driver: "webdriver.Chrome") -> bool:
    return bool(driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth + 1"))
