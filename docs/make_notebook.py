"""Run the example notebook and store its outputs: ``python docs/make_notebook.py``."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent / "tasks" / "notebook.ipynb"
_TIMEOUT = 600
"""Seconds for one cell."""


def run_notebook(path: Path = NOTEBOOK) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of all its cells.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=_TIMEOUT, kernel_name="python3", coalesce_streams=True).execute()
    for cell in notebook.cells:
        # Times of execution differ in every run.
        cell.metadata.pop("execution", None)
    return notebook


if __name__ == "__main__":
    nbformat.write(run_notebook(Path(*sys.argv[1:]) if sys.argv[1:] else NOTEBOOK), NOTEBOOK)
