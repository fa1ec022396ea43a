"""The documentation: its examples run, and the site and a study's page work in a browser."""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import collapse
from collapse.paper.item import item_of, record_profile
from collapse.paper.page import write_page
from collapse.paper.profiles import Profile
from collapse.paper.render import render
from collapse.training.runs.run import Run
from tests.browser import accessibility_faults, browser, complaints, needs_browser, seen_as, served
from tests.conftest import Collapse
from tests.test_readme import python_examples

if TYPE_CHECKING:
    from selenium import webdriver

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    words = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-d",
        folder / "doctrees",
        DOCS,
        folder / "site",
    ]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@needs_browser
def test_the_site_in_a_browser(site: Path, tmp_path: Path) -> None:
    """No dead link, no console message, every picture loads, and no page scrolls sideways."""
    with served(site) as address, browser(tmp_path) as driver:
        assert complaints(driver, f"{address}index.html", widths=(380, 1920)) == []
        for page in ("index", "quickstart", "gallery", "gallery/figure-8b", "faq", "tasks/notebook", "commands"):
            driver.get(f"{address}{page}.html")
            found = accessibility_faults(driver)
            # The theme's button outside all landmarks, and the empty corner of pandas' tables.
            assert [each for each in found if not each.startswith(("region: ", "empty-table-header: "))] == []
        driver.get(f"{address}gallery.html")
        assert driver.execute_script("return document.querySelectorAll('.sd-card img').length") >= 25
        driver.get(f"{address}measures.html")
        assert driver.execute_script("return document.querySelectorAll('math').length") >= 20


@pytest.fixture(scope="module")
def study_page(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a trained study: findings, figures with and without claims, tables, a missing item."""
    study = tmp_path_factory.mktemp("studies") / "study"
    profile = Profile(name="smoke", content="", data=(str(small_data),), base_size=2, epochs=1)
    record_profile(study, profile)
    for run in item_of(study, "6b").runs:
        Run(run.config, run.path, "cpu").train()
    names = ["findings", "6b", "7", "table-5", "10a"]
    return write_page(list(render(study, names, study / "figures")), study / "figures", profile)


@needs_browser
class TestPageOfAStudy:
    @pytest.mark.parametrize("width", [1200, 380])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_no_complaints(self, width: int, scheme: str, study_page: Path, driver: "webdriver.Chrome") -> None:
        seen_as(driver, width=width, scheme=scheme)
        with served(study_page.parent.parent) as address:
            assert complaints(driver, f"{address}figures/{study_page.name}") == []
        assert accessibility_faults(driver) == []

    def test_findings_come_first_and_lead_to_their_figures(
        self, study_page: Path, driver: "webdriver.Chrome"
    ) -> None:
        """A finding has a picture of its interval, and links to its figure, which opens, and to its runs."""
        driver.get(f"file://{study_page}")
        heads = [head.text for head in driver.find_elements("css selector", "main > h2")]
        assert heads == ["Findings", "Figures", "Tables", "Missing"]
        finding = driver.find_element("css selector", ".findings > li:has(svg):has(a[href='#6b'])")
        runs = finding.find_elements("css selector", "details a")
        assert len(runs) >= 2
        address = runs[0].get_attribute("href")
        assert address is not None
        assert Path(unquote(address.removeprefix("file://")), "config.json").exists()
        finding.find_element("css selector", "a[href='#6b']").click()
        shown = driver.find_element("css selector", "dialog[open]")
        assert shown.get_attribute("id") == "6b"
        assert shown.find_element("css selector", "summary").text.startswith("How to reproduce")
        shown.find_element("css selector", ".badge").click()
        assert driver.find_elements("css selector", "dialog[open]") == []
        assert (
            driver.execute_script("return decodeURIComponent(location.hash)") == f"#{finding.get_attribute('id')}"
        )

    def test_thumbnails_open(self, study_page: Path, driver: "webdriver.Chrome") -> None:
        driver.get(f"file://{study_page}")
        driver.find_element("css selector", "[data-open='7']").click()
        assert driver.find_element("css selector", "dialog[open]").get_attribute("id") == "7"
        driver.refresh()
        assert driver.find_element("css selector", "dialog[open]").get_attribute("id") == "7"

    def test_filtering_and_sorting(self, study_page: Path, driver: "webdriver.Chrome") -> None:
        driver.get(f"file://{study_page}")
        for box in driver.find_elements("css selector", "input[name=verdict]"):
            box.click()
        assert not any(each.is_displayed() for each in driver.find_elements("css selector", ".findings > li"))
        heads = driver.find_elements("css selector", "#table-5 thead th")
        number = next(n for n, head in enumerate(heads) if head.text == "runs")
        for order in (1, -1):
            heads[number].find_element("css selector", "button").click()
            cells = driver.find_elements("css selector", f"#table-5 tbody td:nth-child({number + 1})")
            values = [float(cell.get_attribute("data-value") or "nan") for cell in cells]
            assert values == sorted(values, key=lambda value: order * value)


@needs_browser
def test_the_complaints_are_heard(tmp_path: Path) -> None:
    """A page with one problem of every kind."""
    (tmp_path / "page.html").write_text(
        "<!doctype html><link rel=icon href='data:,'><div style='width: 3000px'>wide</div><img src='none.png'>"
        "<a href='gone.html'>gone</a><a href='#nowhere'>x</a><script>console.error('oh')</script>"
    )
    with served(tmp_path) as address, browser(tmp_path / "profile") as driver:
        found = "\n".join(complaints(driver, f"{address}page.html"))
    for word in ("oh", "none.png is not shown", "too wide", "page.html#nowhere", "gone.html"):
        assert word in found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_exists(page: Path) -> None:
    """The command accepts each option of each `collapse ..` line."""
    from collapse.cli import group

    lines = re.findall(r"^(?:\.venv/bin/)?collapse (\w+) ?([^#\n]*)", page.read_text(), re.MULTILINE)
    for name, words in lines:
        known = group.get_command(None, name)  # type: ignore[arg-type]
        assert known is not None, name
        commands = [known, *getattr(known, "commands", {}).values()]
        options = {
            option for each in commands for item in each.params for option in (*item.opts, *item.secondary_opts)
        }
        words_alone = re.sub(r"\S+\.\S+|> \S+|\"[^\"]*\"", "", words)
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", words_alone)) <= options, (name, words)


def script(name: str) -> ModuleType:
    """Import a script of the documentation."""
    spec = spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_their_help() -> None:
    """`python docs/make_commands.py` writes it again."""
    module = script("make_commands")
    assert module.PAGE.read_text(encoding="utf-8") == module.page()


def test_the_reference_has_every_public_name() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"auto\w+:: collapse\.(\w+)", page)) == set(dir(collapse))


@pytest.mark.docs
def test_the_examples_run(
    small_data: Path, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python example of the documentation, in a folder with the runs that it uses."""
    monkeypatch.chdir(tmp_path)
    words = ["--data", small_data, "--epochs", 1]
    assert collapse("train", *words, "--out", "runs/first")[0] == 0
    assert collapse("train", *words, "--sets", 2, "--out", "runs/smoke/me")[0] == 0
    examples = [example for page in PAGES for example in python_examples(page.read_text())]
    assert len(examples) >= 5
    for example in examples:
        done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
        assert done.returncode == 0, example + done.stderr


def test_the_gallery_has_every_item() -> None:
    """Each example has its page with commands; every picture and file of numbers exists, and none is unused."""
    from collapse.paper.catalogue import CATALOGUE

    pages = {path: path.read_text() for path in (DOCS / "gallery").glob("*.md")}
    shown = {name for text in pages.values() for name in re.findall(r"collapse figures \S+ --figure (\S+)", text)}
    assert shown == set(CATALOGUE) - {"findings"}
    index = (DOCS / "gallery.md").read_text()
    assert set(re.findall(r"^gallery/(\S+)$", index, re.MULTILINE)) == {path.stem for path in pages}
    files = {path.name for path in (DOCS / "gallery").iterdir() if path.suffix != ".md"}
    used = {name for text in pages.values() for name in re.findall(r"\]\((.*?)\)|\{download\}`(.*?)`", text)}
    assert {name for pair in used for name in pair if name} == files
    assert set(re.findall(r":img-top: gallery/(.*)", index)) == {name for name in files if name.endswith(".png")}


def test_pictures_of_the_gallery_keep_their_colours(tmp_path: Path) -> None:
    """Each pixel, whether or not the colours fit into a palette: colours must match the legend."""
    make = script("make_gallery")
    for colours in (200, 5000):
        pixels = np.random.default_rng(0).integers(0, 256, (colours, 3), np.uint8)[np.arange(10_000) % colours]
        drawn = pixels.reshape(100, 100, 3)
        Image.fromarray(drawn).save(tmp_path / "figure.png")
        make._smaller(tmp_path / "figure.png", tmp_path / "gallery.png")
        with Image.open(tmp_path / "gallery.png") as shown:
            assert (np.asarray(shown.convert("RGB")) == drawn).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """Links and pictures between files, as they are followed in a copy of the repository."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []
