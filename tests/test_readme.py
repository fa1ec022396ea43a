"""The README's commands work as it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from collapse.paper.catalogue import CATALOGUE
from tests.conftest import Collapse

ROOT = Path(__file__).parent.parent
OWN = (ROOT / "docs" / "tasks" / "add-a-model.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command(name: str) -> str:
    """Return the shell commands after a marker."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def python_examples(text: str = README) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.install
def test_the_main_command_works_in_a_fresh_environment(tmp_path: Path) -> None:
    """Install, train the smallest study, where collapse is visible, then one model with the paper's settings."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".git", ".venv", ".*cache*", "__pycache__", "dist", "build")

    def unwanted(folder: str, names: list[str]) -> set[str]:
        # A user's runs lie at the root alone; the package has a folder of that name.
        return ignored(folder, names) | ({"runs"} if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted)
    environment = {**os.environ, "COLLAPSE_CACHE": str(tmp_path / "cache")}
    environment.pop("OMP_NUM_THREADS", None)
    environment.pop("PYTHONPATH", None)

    def run(name: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", command(name)],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        return done.stdout

    run("main")
    figures = copy / "runs" / "smoke" / "figures"
    page = (figures / "index.html").read_text()
    assert "runs are missing" not in page
    items = re.findall(r'<(?:section|dialog|h2) id="(findings|table-\w+|cures|along-training|\d+[a-d]?)"', page)
    assert sorted(items) == sorted(CATALOGUE)
    fields = pd.read_csv(figures / "figure-8b.csv").assign(
        of_random=lambda table: table["ia"] / table["ia_random"]
    )
    single, multi = fields.groupby("label", sort=False)["of_random"].mean()
    assert single < 0.7
    assert multi > single + 0.05

    environment["PATH"] = f"{copy / '.venv' / 'bin'}:{environment['PATH']}"
    said = run("first")
    assert "dcnv2-10 on flights: 261,876 training rows" in said
    test_auc = re.search(r"test AUC (0\.\d+)", said)
    assert test_auc is not None
    assert 0.78 < float(test_auc.group(1)) < 0.83
    assert re.search(r"of 31 fields (is|are) collapsed", said)
    for number in ("1b", "2", "3"):
        for end in ("png", "pdf", "csv"):
            assert (copy / "runs" / "first" / f"figure-{number}.{end}").stat().st_size > 1000
    for example in python_examples():
        subprocess.run([".venv/bin/python", "-c", example], cwd=copy, env=environment, check=True)


def test_the_model_of_ones_own_trains(
    small_data: Path, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the commands in the README."""
    (own,) = (example for example in python_examples(OWN) if "class Pooled" in example)
    (tmp_path / "mine.py").write_text(own)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = re.search(r"collapse train (--model mine:Pooled .*) --out runs/mine", OWN)
    assert words is not None
    code, out, err = collapse("train", "--data", small_data, "--epochs", 1, *words.group(1).split(), "--out", "a")
    assert (code, err) == (0, "")
    assert out.startswith("mine:Pooled-10x4,power=3.0,epochs=1 on small")
    assert collapse("analyze", "a/best.pt")[0] == 0
    assert len(own.splitlines()) <= 30


def test_the_numbers_of_the_data_section_are_those_of_the_data() -> None:
    """Flights, fields, and the sum of cardinalities."""
    from collapse.training.data.load import load_data

    data = load_data("flights")
    total = sum(data.schema.cardinalities)
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert f"{data.rows:,}" in page
    assert f"{data.rows:,}" in README
    assert f"{len(data.schema.fields)} categorical fields, sum of cardinalities {total:,}" in page
    assert f"{100 * data.labels.mean():.1f} % do" in page
