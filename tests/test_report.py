"""The report of a checkpoint, also in a real browser."""

import base64
import html
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

import collapse as api
from tests.browser import accessibility_faults, complaints, needs_browser, seen_as
from tests.conftest import Collapse

if TYPE_CHECKING:
    from selenium import webdriver

ENTER = "\ue007"
"""The key's code in WebDriver."""


@pytest.fixture(scope="module")
def page(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert told("report", trained["dcnv2-4"], "-o", path).startswith(f"wrote {path}\nnext: collapse ")
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


def test_it_says_first_what_matters(page: Path) -> None:
    """Title with the model, date and versions; then the verdict, the advice and the table, in this order."""
    text = page.read_text()
    assert re.search(r"<h1>DCNv2 SE 4 on .+</h1>", text)
    assert re.search(r"Report of \d{4}-\d\d-\d\d, made with embedding-collapse [\d.]+, NumPy ", text)
    places = [text.index(f'id="{part}"') for part in ("verdict", "todo", "fields", "figures", "read")]
    assert places == sorted(places)
    for column in ("near 0", "random", "IA/random", "adjusted", "k99", "spectrum", "verdict"):
        assert f"<dt>{column}</dt>" in text


def test_several_checkpoints(trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
    """What changed since the first, and charts of each; fields that only one has do not matter."""
    names = ["dcnv2-4", "dcnv2-4x2"]
    words = ["report", *(trained[name] for name in names), "-o", tmp_path / "r.html"]
    assert collapse(*words)[0] == 0
    text = (tmp_path / "r.html").read_text()
    assert text.count('<svg class="lines"') == text.count('<svg class="cells"') == 2
    assert "Compared with DCNv2 SE 4, " in text
    report = api.report([trained[name] for name in names])
    frames = [api.diagnose(trained[name]).set_index("field")["ia_adjusted"] for name in names]
    changes = report.changes
    assert changes is not None
    (held,) = re.findall(r'id="data">(.*?)</script>', report.html, re.DOTALL)
    assert len(json.loads(held)["fields"]) == sum(map(len, frames))
    assert len(json.loads(held)["changes"]) == len(changes)
    found = changes.set_index("field")["adjusted_change"]
    assert found.to_dict() == pytest.approx((frames[1] - frames[0]).to_dict())
    assert list(found) == sorted(found)
    code, _, err = collapse("report", trained["dcnv2-4"], trained["dcnv2-4"], "-o", tmp_path / "r.html")
    assert (code, "same file" in err) == (2, True)


def test_checkpoints_without_common_fields(tmp_path: Path, collapse: Collapse) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", **{name: np.eye(5, 3)})  # type: ignore[arg-type]
    code, _, err = collapse("report", tmp_path / "a.npz", tmp_path / "b.npz")
    assert (code, "no field in common" in err) == (2, True)
    assert not (tmp_path / "report.html").exists()


def test_a_field_that_collapsed_since(tmp_path: Path) -> None:
    """A sentence names it; a wrapper's prefix does not hide it; a table that did not change has residue 0."""
    random = np.random.default_rng(0)
    same, before = random.standard_normal((60, 4)), random.standard_normal((50, 4))
    now = np.outer(before[:, 0], np.ones(4))
    report = api.report([{"same": same, "user": before}, {"module.same": same, "module.user": now}])
    assert "1 field has a worse degree (user)" in repr(report)
    named = api.report([{"a": same}, {"a": before}], labels=["monday", "tuesday"])
    assert "Compared with monday, " in repr(named)
    with pytest.raises(api.CollapseError, match="1 labels for 2 checkpoints"):
        api.report([{"a": same}, {"a": before}], labels=["monday"])
    changes = report.changes
    assert changes is not None
    of = changes.set_index("field")
    assert of[["degree_before", "degree"]].to_dict("index")["user"] == {
        "degree_before": "spread out",
        "degree": "collapsed",
    }
    assert of["drift_residue"].to_dict()["same"] == pytest.approx(0, abs=1e-7)


def test_a_notebook_shows_the_page() -> None:
    """In a frame, which keeps styles apart, below the verdict as text."""
    report = api.report({"user": np.eye(9, 4), "<i>": np.ones((9, 4))})
    shown = report._repr_html_()
    assert shown.startswith("<p>1 of 2 fields is collapsed: &lt;i&gt; ")
    (page,) = re.findall(r'<iframe srcdoc="([^"]*)"', shown)
    assert html.unescape(page) == report.html


HOSTILE = "</script><script>document.title='run'</script>"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of another library's file, with a name that is a script."""
    folder = tmp_path_factory.mktemp("foreign")
    torch.manual_seed(0)
    names = ["user", HOSTILE, "city_" * 20]
    tables = {f"embedding_dict.{name}.weight": torch.randn(40, 4) for name in names}
    tables["embedding_dict.city.weight"] = torch.randn(40, 1) @ torch.ones(1, 4)
    tables["embedding_dict.half.weight"] = torch.randn(400, 8) * 0.7 ** torch.arange(8)
    torch.save({**tables, "mlp.weight": torch.ones(3, 3)}, folder / "a.pt")
    told("report", folder / "a.pt", "--skip", "nothing")
    return folder / "report.html"


@pytest.fixture(scope="module")
def several(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of two checkpoints."""
    path = tmp_path_factory.mktemp("several") / "report.html"
    told("report", trained["dcnv2-4"], trained["dcnv2-4x2"], "-o", path)
    return path


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
    assert page.count("<tr data-n=") == 1000
    assert page.index('data-n="199"') < page.index('<template id="rest">') < page.index('data-n="200"')
    assert len(page) < 5_000_000


@needs_browser
class TestInABrowser:
    @pytest.mark.parametrize("width", [1200, 380])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("which", ["page", "foreign", "several"])
    def test_no_complaints(
        self, which: str, scheme: str, width: int, driver: "webdriver.Chrome", request: pytest.FixtureRequest
    ) -> None:
        """No console message, broken picture or sideways scrolling, on a desktop and a phone, light and dark."""
        path = request.getfixturevalue(which)
        seen_as(driver, width=width, scheme=scheme)
        assert complaints(driver, f"file://{path}") == []
        assert accessibility_faults(driver) == []
        small = driver.execute_script(
            "return [...document.querySelectorAll('main *')].filter(each => each.checkVisibility()"
            " && [...each.childNodes].some(of => of.nodeType === 3 && of.textContent.trim())"
            " && !each.closest('sub, sup') && parseFloat(getComputedStyle(each).fontSize) < 11).length"
        )
        assert small == 0
        assert "run" not in driver.title.split()
        # The body is as dark as was asked for.
        back = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 200) == (scheme == "dark")

    def test_sorting_by_keyboard(self, page: Path, driver: "webdriver.Chrome") -> None:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.get(f"file://{page}")
        for number, name in ((1, "D"), (0, "field")):
            head = driver.find_elements("css selector", "#table thead th")[number]
            button = head.find_element("tag name", "button")
            assert button.text == name
            for order in ("ascending", "descending"):
                button.send_keys(ENTER)
                assert head.get_attribute("aria-sort") == order
                cells = driver.find_elements("css selector", f"#table tbody tr > :nth-child({number + 1})")
                values = [cell.get_attribute("data-value") or "" for cell in cells]
                expected = sorted(values, key=int) if number else sorted(values)
                assert values == (expected if order == "ascending" else expected[::-1])

    def test_searching(self, foreign: Path, driver: "webdriver.Chrome") -> None:
        driver.get(f"file://{foreign}")
        search = driver.find_element("id", "search")
        search.send_keys("CITY collapsed")
        assert shown(driver) == ["city"]
        assert driver.find_element("id", "count").text == "1 of 5 fields"
        search.clear()
        search.send_keys(" ")
        assert driver.find_element("id", "count").text == "5 of 5 fields"
        for box in driver.find_elements("css selector", "input[name=degree]"):
            if box.get_attribute("value") != "partly collapsed":
                box.click()
        assert shown(driver) == ["half"]

    def test_a_degree_is_that_degree(self, foreign: Path, driver: "webdriver.Chrome") -> None:
        """Typing "collapsed" does not find what is partly collapsed."""
        driver.get(f"file://{foreign}")
        search = driver.find_element("id", "search")
        for words, fields in (("collapsed", ["city"]), ("partly collapsed", ["half"]), ("half", ["half"])):
            search.clear()
            search.send_keys(words)
            assert shown(driver) == fields

    def test_one_field_is_highlighted_everywhere(self, several: Path, driver: "webdriver.Chrome") -> None:
        """Its rows, bar, lines and names; a cell of the heatmap is read with the arrow keys."""
        driver.get(f"file://{several}")
        button = driver.find_elements("css selector", "#table button.name")[1]
        button.click()
        name = button.text
        assert button.get_attribute("aria-pressed") == "true"
        picked = driver.execute_script("return [...document.querySelectorAll('.picked')].map(e => e.tagName)")
        assert sorted(picked) == sorted(["TR", "TR", "LI", *["polyline"] * 2, *["SPAN"] * 4])
        option = "return document.getElementById('pick').selectedOptions[0].text"
        assert driver.execute_script(option) == name
        assert accessibility_faults(driver) == []
        driver.find_element("css selector", ".cells").send_keys("\ue015")
        said = driver.find_element("id", "cell").text
        assert re.fullmatch(r".+ as .+ meets it: information abundance \d+\.\d\d", said)

    def test_downloads(self, foreign: Path, driver: "webdriver.Chrome", tmp_path: Path) -> None:
        """CSV of the fields that are shown, and JSON of everything."""
        behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        driver.get(f"file://{foreign}")
        driver.find_element("id", "search").send_keys("city_")
        for kind in ("csv", "json"):
            driver.find_element("id", kind).click()
            for _ in range(100):
                if (tmp_path / f"fields.{kind}").exists():
                    break
                time.sleep(0.1)
        fields = api.diagnose(foreign.parent / "a.pt")
        table = pd.read_csv(tmp_path / "fields.csv")
        assert table["field"].tolist() == ["city_" * 20]
        assert table["ia"][0] == pytest.approx(fields.set_index("field")["ia"]["city_" * 20])
        assert set(fields) <= set(table)
        assert len(json.loads((tmp_path / "fields.json").read_text())["fields"]) == 5

    def test_more_fields_than_at_once(self, tmp_path: Path, driver: "webdriver.Chrome") -> None:
        """The rest enters the page when it is scrolled to, and is searched and sorted from the start."""
        random = np.random.default_rng(0)
        many = {f"f{n}": random.standard_normal((5, 2)) for n in range(450)}
        path = api.report(many).save(tmp_path / "many.html")
        driver.get(f"file://{path}")
        assert len(shown(driver)) == 200
        driver.find_element("id", "search").send_keys("f44")
        assert len(shown(driver)) == 11
        driver.find_element("id", "search").clear()
        driver.find_element("id", "search").send_keys(" ")
        driver.execute_script("document.querySelector('#more button').click()")
        assert len(shown(driver)) == 450

    def test_printing(self, page: Path, driver: "webdriver.Chrome") -> None:
        driver.get(f"file://{page}")
        printed = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
        assert printed.startswith(b"%PDF")
        assert len(printed) > 10_000


def shown(driver: "webdriver.Chrome") -> list[str]:
    """Return the fields in the table."""
    names = driver.execute_script(
        "return [...document.querySelectorAll('#table tbody tr')].map(row => row.cells[0].dataset.value)"
    )
    return [str(name) for name in names]
