"""The example notebook runs from beginning to end."""

import pytest

from tests.test_site import script


@pytest.mark.docs
def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that fails raises; each part shows something, as in the notebook that is stored."""
    # Commands that ran in this process set it, and the kernel would then show no pictures.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nbformat = pytest.importorskip("nbformat")
    module = script("make_notebook")
    made, stored = module.run_notebook(), nbformat.read(module.NOTEBOOK, as_version=4)
    kinds = [
        [[sorted(output.get("data", {})) for output in cell.get("outputs", [])] for cell in each.cells]
        for each in (made, stored)
    ]
    assert kinds[0] == kinds[1]
    *_, report = [cell for cell in made.cells if cell.cell_type == "code"]
    assert "<iframe srcdoc=" in report.outputs[0].data["text/html"]
    assert sum("image/png" in output for cell in kinds[0] for output in cell) == 3
