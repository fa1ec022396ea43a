"""The documentation: its examples run, and the site and a study's page work in a browser."""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import collapse
from collapse.paper.item import item_of, record_profile
from collapse.paper.profiles import Profile
from collapse.paper.render import render, write_page
from tests.browser import browser, complaints, needs_browser, served
from tests.conftest import Collapse
from tests.pretended import pretend
from tests.test_readme import python_examples

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
        assert complaints(driver, f"{address}index.html") == []
        driver.get(f"{address}gallery.html")
        assert driver.execute_script("return document.images.length") >= 25
        driver.get(f"{address}measures.html")
        assert driver.execute_script("return document.querySelectorAll('math').length") >= 20
        driver.set_window_size(400, 800)
        assert complaints(driver, f"{address}index.html") == []


@needs_browser
def test_the_page_of_a_study_in_a_browser(small_data: Path, tmp_path: Path) -> None:
    """With a table, a figure, and missing items."""
    study = tmp_path / "study"
    profile = Profile(name="smoke", content="", data=(str(small_data),), base_size=2, epochs=1)
    record_profile(study, profile)
    pretend(item_of(study, "table-7"))
    write_page(list(render(study, ["table-7", "7", "8a"], study / "figures")), study / "figures", profile)
    with served(study / "figures") as address, browser(tmp_path / "profile") as driver:
        assert complaints(driver, f"{address}index.html") == []
        assert driver.execute_script("return document.images.length") == 1
        assert driver.execute_script("return document.querySelectorAll('section').length") == 3


@needs_browser
def test_the_complaints_are_heard(tmp_path: Path) -> None:
    """A page with one problem of every kind."""
    (tmp_path / "page.html").write_text(
        "<!doctype html><link rel=icon href='data:,'><div style='width: 3000px'>wide</div><img src='none.png'>"
        "<a href='gone.html'>gone</a><a href='#nowhere'>x</a><script>console.error('oh')</script>"
    )
    with served(tmp_path) as address, browser(tmp_path / "profile") as driver:
        found = "\n".join(complaints(driver, f"{address}page.html"))
    for word in ("oh", "none.png is no picture", "too wide", "page.html#nowhere", "gone.html"):
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
    """Every picture on the page exists, and no file is unused."""
    from collapse.paper.catalogue import CATALOGUE

    text = (DOCS / "gallery.md").read_text()
    shown = set(re.findall(r"collapse figures \S+ --figure (\S+)", text))
    assert shown == set(CATALOGUE) - {"findings"}
    pictures = {path.name for path in (DOCS / "gallery").iterdir()}
    assert set(re.findall(r"\(gallery/(.*?)\)", text)) == pictures


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
