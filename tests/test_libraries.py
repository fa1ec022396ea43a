"""Files written by other libraries: every table is found, with the library's numbers."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from collapse import load
from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.io.readers.field_sizes import read_field_sizes
from collapse.io.readers.selection import Selection
from tests.conftest import Collapse

pytestmark = pytest.mark.libraries

SCRIPTS = Path(__file__).parent / "libraries"
LIBRARIES = {
    "deepctr": ("deepctr_torch", "DeepCTR-Torch"),
    "fuxictr_dcnv2": ("fuxictr", "FuxiCTR"),
    "pytorch_fm": ("torchfm", "the paper's code or pytorch-fm"),
    "pytorch_fm_ffm": ("torchfm", "the paper's code or pytorch-fm"),
    "rechub": ("torch_rechub", "torch-rechub"),
    "recbole_dcnv2": ("recbole", "RecBole"),
    "transformers_bert": ("transformers", "Hugging Face"),
    "transformers_t5": ("transformers", "Hugging Face"),
}


def abundance(E: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float:
    sigma = np.linalg.svd(E.astype(np.float64), compute_uv=False)
    return float(sigma.sum() / sigma[0])


def test_every_script_is_run() -> None:
    assert {path.stem for path in SCRIPTS.glob("[a-z]*.py")} == set(LIBRARIES)


@pytest.fixture(scope="module", params=LIBRARIES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the family's name and the folder of a file that the library wrote in a separate process."""
    package, family = LIBRARIES[request.param]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: `pip install -e '.[libraries]'`")
    folder = tmp_path_factory.mktemp(request.param)
    script = SCRIPTS / f"{request.param}.py"
    ran = subprocess.run([sys.executable, script, folder], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (folder / "model").rename(folder / ("model.safetensors" if "bert" in request.param else "model.pth"))
    return family, folder


def test_every_table_is_found_with_its_numbers(written: tuple[str, Path]) -> None:
    family, folder = written
    (path,) = folder.glob("model.*")
    truth = dict(np.load(folder / "truth.npz"))
    W = truth.pop("W", None)
    fields = folder / "fields.json"
    selection = Selection(fields=read_field_sizes(fields) if fields.exists() else None)
    tables = load(path, selection=selection)
    assert tables.description["read as"] == family
    assert tables.fields == tuple(truth)
    factored = factorise(tables, AnalysisSettings())
    found = diagnose_factored(factored)["ia"]
    assert found.tolist() == pytest.approx([abundance(E) for E in truth.values()], rel=1e-6)
    if W is not None:
        pairs = sub_embedding_abundance(factored).set_index(["source", "target"])["ia"]
        ends = dict(zip(truth, np.cumsum([E.shape[1] for E in truth.values()]), strict=True))
        for i, E in truth.items():
            for j in truth:
                block = W[ends[j] - truth[j].shape[1] : ends[j], ends[i] - E.shape[1] : ends[i]]
                assert pairs[i, j] == pytest.approx(abundance(E @ block.T), rel=1e-4)


def test_the_command_line_tells_what_it_took(written: tuple[str, Path], collapse: Collapse) -> None:
    family, folder = written
    (path,) = folder.glob("model.*")
    told = json.loads(collapse("analyze", path, "--json")[1])["checkpoints"][0]
    assert told["read as"] == family
    assert told["taken"]
    assert all(reason.endswith(")") for reason in told["skipped"])
