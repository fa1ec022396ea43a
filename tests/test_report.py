"""The report of a checkpoint, also in a real browser."""

import base64
import html
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tests.browser import browser, complaints, needs_browser
from tests.conftest import Collapse

if TYPE_CHECKING:
    from selenium import webdriver

ENTER = "\ue007"
"""The key's code in WebDriver."""


@pytest.fixture(scope="module")
def page(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert told("report", trained["dcnv2-4"], "-o", path) == f"wrote {path}\n"
    return path


def told(*words: object) -> str:
    command = [sys.executable, "-m", "collapse", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_needs_nothing_else(page: Path) -> None:
    """It refers to no other machine or file that a browser would fetch."""
    text = page.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_it_holds_the_numbers_of_analyze(page: Path, trained: dict[str, Path], collapse: Collapse) -> None:
    (held,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert json.loads(held) == json.loads(collapse("analyze", trained["dcnv2-4"], "--json")[1])


def test_it_tells_how_to_make_it_again(page: Path, collapse: Collapse) -> None:
    (command,) = re.findall(r"<code>(collapse .*?)</code></pre>", page.read_text())
    before = page.read_bytes()
    assert collapse(*shlex.split(html.unescape(command))[1:])[0] == 0
    assert page.read_bytes() == before


def test_pictures_are_vectors(page: Path) -> None:
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', page.read_text())
    assert len(pictures) == 3
    for each in pictures:
        text = base64.b64decode(each).decode()
        assert text.startswith("<svg")
        assert "prefers-color-scheme:dark" in text


HOSTILE = "</script><script>document.title='run'</script>"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of another library's file, with a name that is a script."""
    folder = tmp_path_factory.mktemp("foreign")
    torch.manual_seed(0)
    names = ["user", HOSTILE, "city_" * 20]
    tables = {f"embedding_dict.{name}.weight": torch.randn(40, 4) for name in names}
    tables["embedding_dict.city.weight"] = torch.randn(40, 1) @ torch.ones(1, 4)
    torch.save({**tables, "mlp.weight": torch.ones(3, 3)}, folder / "a.pt")
    told("report", folder / "a.pt", "--skip", "nothing")
    return folder / "report.html"


def test_what_was_skipped_stands_in_it(foreign: Path) -> None:
    text = foreign.read_text()
    assert "mlp.weight (its name does not suggest a table)" in text
    assert "interaction weights" in text
    assert "--skip nothing" in text
    assert HOSTILE not in text


def test_bad_input_is_a_sentence(tmp_path: Path, collapse: Collapse) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 3, 3)))
    code, _, err = collapse("report", tmp_path / "a.npy")
    assert (code, "Traceback" in err) == (2, False)
    np.save(tmp_path / "a.npy", np.ones((3, 3)))
    code, _, err = collapse("report", tmp_path / "a.npy", "-o", tmp_path / "no" / "a.html")
    assert (code, "cannot write" in err) == (2, True)


@pytest.mark.slow
def test_a_thousand_fields(tmp_path: Path, collapse: Collapse) -> None:
    random = np.random.default_rng(0)
    names = [f"field_{n}" for n in range(1000)]
    np.savez(tmp_path / "wide.npz", **{name: random.standard_normal((5, 2)) for name in names})  # type: ignore[arg-type]
    assert collapse("report", tmp_path / "wide.npz", "-o", tmp_path / "wide.html")[0] == 0
    page = (tmp_path / "wide.html").read_text()
    assert page.count("<polyline") == 1000
    assert len(page) < 5_000_000


@needs_browser
class TestInABrowser:
    @pytest.fixture(scope="class")
    @staticmethod
    def driver(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[webdriver.Chrome]":
        with browser(tmp_path_factory.mktemp("profile")) as driver:
            yield driver

    @pytest.mark.parametrize("width", [1200, 390])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("which", ["page", "foreign"])
    def test_no_complaints(
        self, which: str, scheme: str, width: int, driver: "webdriver.Chrome", request: pytest.FixtureRequest
    ) -> None:
        """No console message, broken picture or sideways scrolling, on a desktop and a phone, light and dark."""
        path = request.getfixturevalue(which)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert complaints(driver, f"file://{path}") == []
        assert "run" not in driver.title.split()
        # The body is as dark as was asked for.
        back = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) == (scheme == "dark")

    def test_sorting_by_keyboard(self, page: Path, driver: "webdriver.Chrome") -> None:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.get(f"file://{page}")
        for number, name in ((1, "D"), (0, "field")):
            head = driver.find_elements("css selector", "thead th")[number]
            button = head.find_element("tag name", "button")
            assert button.text == name
            for order in ("ascending", "descending"):
                button.send_keys(ENTER)
                assert head.get_attribute("aria-sort") == order
                cells = driver.find_elements("css selector", f"tbody td:nth-child({number + 1})")
                values = [cell.get_attribute("data-value") or "" for cell in cells]
                expected = sorted(values, key=int) if number else sorted(values)
                assert values == (expected if order == "ascending" else expected[::-1])

    def test_searching(self, foreign: Path, driver: "webdriver.Chrome") -> None:
        driver.get(f"file://{foreign}")
        search = driver.find_element("id", "search")
        search.send_keys("CITY collapsed")
        rows = driver.find_elements("css selector", "tbody tr")
        assert [row.find_element("tag name", "td").text for row in rows if row.is_displayed()] == ["city"]
        assert driver.find_element("id", "count").text == "1 of 4 fields"
        search.clear()
        search.send_keys(" ")
        assert driver.find_element("id", "count").text == "4 of 4 fields"

    def test_printing(self, page: Path, driver: "webdriver.Chrome") -> None:
        driver.get(f"file://{page}")
        printed = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
        assert printed.startswith(b"%PDF")
        assert len(printed) > 10_000
