"""The example notebook runs from beginning to end."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.docs
def test_the_notebook_runs() -> None:
    """A cell that fails raises; each part shows something, as in the notebook that is stored."""
    nbformat = pytest.importorskip("nbformat")
    spec = spec_from_file_location("make_notebook", DOCS / "make_notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made, stored = module.run_notebook(), nbformat.read(module.NOTEBOOK, as_version=4)
    kinds = [
        [[sorted(output.get("data", {})) for output in cell.get("outputs", [])] for cell in each.cells]
        for each in (made, stored)
    ]
    assert kinds[0] == kinds[1]
    *_, report = [cell for cell in made.cells if cell.cell_type == "code"]
    assert "<iframe srcdoc=" in report.outputs[0].data["text/html"]
    assert sum("image/png" in output for cell in kinds[0] for output in cell) == 3
