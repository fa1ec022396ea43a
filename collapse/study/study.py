"""A folder of runs, which are read when needed."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.diagnosis import diagnose
from collapse.analysis.dynamics import dynamics
from collapse.analysis.factorised import FactoredTables, factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.errors import CollapseError
from collapse.files.json_file import read_json
from collapse.io.load import load
from collapse.io.tables import TableSet
from collapse.study.result_cache import cached_result
from collapse.training.models.registry import class_of
from collapse.training.runs.config import RunConfig
from collapse.training.runs.folder import RunFolder
from collapse.training.runs.paired import Predictions, read_predictions


class StudyRun:
    """A run of a study. Its parts are read when first needed.

    Parameters
    ----------
    path : Path
        Folder of the run.

    Raises
    ------
    CollapseError
        If its configuration cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = ""
        """Label that distinguishes the run from others of the study."""
        self._folder = RunFolder(path)

    def __repr__(self) -> str:
        state = f"test AUC {self.test_auc:.5f}" if self.finished else "not finished"
        return f"<StudyRun {self.path}: {self.label or self.config.label}, {state}>"

    @cached_property
    def config(self) -> RunConfig:
        """Configuration of the run. A class of your own is not imported from a file, and raises an error."""
        return self._folder.read_config()

    @cached_property
    def _plain(self) -> dict[str, Any]:
        plain = read_json(self._folder.config)
        if not isinstance(plain, dict) or not isinstance(plain.get("model"), dict):
            raise CollapseError(f"{self._folder.config} does not have the settings of a run")
        return plain

    @property
    def own_label(self) -> str:
        """The model's name and all other settings that differ from their defaults."""
        if class_of(str(self.settings["model"])):
            return str(self.manifest.get("label") or self.path.name)
        return self.config.label

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All settings by name, as `flat_settings` returns them. No class of your own is imported."""
        return {**flat_settings(self._plain), "data": self.data}

    @property
    def results(self) -> dict[str, float]:
        """Results of the run by name: test and validation AUC and logloss, and others; NaN for what is missing."""
        found = {**self.manifest, "train_rows": self.manifest.get("data", {}).get("rows", {}).get("train")}
        for part in ("test", "validation"):
            found |= {f"{part}_{key}": value for key, value in self.manifest.get(part, {}).items()}
        return defaultdict(lambda: math.nan, {key: value for key, value in found.items() if _is_number(value)})

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """Description and test results of the run; empty if it never began."""
        return self._folder.read_manifest()

    @property
    def finished(self) -> bool:
        """Whether the run ended and was tested."""
        return self.manifest.get("status") == "finished"

    @property
    def checkpoint(self) -> Path:
        """Checkpoint of the best epoch."""
        return self._folder.best

    @property
    def test_auc(self) -> float:
        """AUC of the best epoch's weights on the test rows; NaN if the run is not finished."""
        return float(self.manifest["test"]["auc"]) if self.finished else float("nan")

    @cached_property
    def predictions(self) -> Predictions | None:
        """Predictions of the best epoch's weights for the test rows; None for runs of early versions."""
        return read_predictions(self._folder.predictions)

    @property
    def data(self) -> str:
        """Name of the data set."""
        recorded = self.manifest.get("data", {}).get("name")
        return str(recorded or Path(str(self._plain.get("data", ""))).name)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per epoch, as `collapse.analysis.dynamics.dynamics` reads it."""
        return dynamics(self.path)

    @property
    def unitary_distance(self) -> float:
        """Mean distance of the best epoch's projections from unitary ones; NaN if it was not recorded."""
        metrics = self.metrics.set_index("epoch")
        recorded = metrics.get("unitary_distance")
        return float("nan") if recorded is None else float(recorded.get(self.manifest["best_epoch"], np.nan))

    @cached_property
    def tables(self) -> TableSet:
        """Tables and field maps of the best epoch."""
        return load(self._folder.best)

    def factored(self, settings: AnalysisSettings | None = None) -> FactoredTables:
        """Compute the spectra of the tables, without storing them."""
        return factorise(self.tables, settings or AnalysisSettings())

    def fields(self, settings: AnalysisSettings | None = None) -> pd.DataFrame:
        """Diagnose every field, or read the stored diagnosis; the columns are those of `diagnose`."""
        chosen = settings or AnalysisSettings()
        return self.cached_result("fields", vars(chosen), lambda: diagnose(self.tables, settings=chosen))

    def cached_result(
        self, name: str, settings: Mapping[str, Any], compute: Callable[[], pd.DataFrame]
    ) -> pd.DataFrame:
        """Return a result that is stored next to the best checkpoint, or compute and store it."""
        return cached_result(self._folder.best, name, settings, compute)


def flat_settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run's ``config.json`` in one level.

    Returns
    -------
    dict
        All settings by name, with ``name`` (the model with its size), ``variant`` (SE or ME) and ``columns``, the
        embedding size times the number of sets.
    """
    flat = {
        key: value
        for part in (plain, *(each for each in plain.values() if isinstance(each, Mapping)))
        for key, value in part.items()
        if not isinstance(value, Mapping)
    }
    interaction = plain.get("model", {}).get("interaction", {})
    K, M = flat.get("embedding_size", 0), flat.get("sets", 1)
    flat["name"] = f"{flat.get('model')}-{K}" + (f"x{M}" if M > 1 else "")
    return {**flat, **interaction, "variant": "ME" if M > 1 else "SE", "columns": K * M}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Study:
    """The runs in a folder and its subfolders.

    Parameters
    ----------
    folder : str or Path
        The folder. A run is a folder with a ``config.json`` that a run wrote.

    Raises
    ------
    CollapseError
        If the folder does not exist, or a run's configuration cannot be read.

    Examples
    --------
    >>> import collapse
    >>> collapse.Study("runs").results.sort_values("test_auc")  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CollapseError(f"{self.folder} is not a folder: a study is a folder with runs in it")

    def __repr__(self) -> str:
        return f"<Study {self.folder}: {len(self)} runs, {len(self.finished)} finished>"

    def _repr_html_(self) -> str:
        shown = self.results[["label", "data", "embedding_size", "sets", "test_auc", "test_logloss"]]
        return f"<p>{escape(repr(self))}</p>{shown.to_html(index=False)}"

    @cached_property
    def runs(self) -> tuple[StudyRun, ...]:
        """The runs in the order of their folders, each with a distinct label."""
        runs = tuple(StudyRun(path.parent) for path in sorted(self.folder.rglob("config.json")))
        short = [run.own_label for run in runs]
        several = len({run.data for run in runs}) > 1
        for run, label in zip(runs, short, strict=True):
            run.label = f"{label} on {run.data}" if several else label
        twice = {label for label, count in Counter(run.label for run in runs).items() if count > 1}
        for run in runs:
            if run.label in twice:
                run.label += f" ({run.path.relative_to(self.folder)})"
        return runs

    def __iter__(self) -> Iterator[StudyRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def finished(self) -> tuple[StudyRun, ...]:
        """The finished runs."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def results(self) -> pd.DataFrame:
        """One row per finished run, with its settings and results.

        ``label``, ``data``, ``data_hash``, ``model`` (without its size), ``name`` (with it), ``embedding_size``,
        ``sets``, the seeds ``split``, ``initialisation`` and ``order``, ``train_rows``, ``epochs``,
        ``best_epoch``, ``validation_auc``, ``test_auc``, ``test_logloss``, ``rows_per_second``, ``parameters`` and
        ``path``.
        """
        return pd.DataFrame([_record(run) for run in self.finished], columns=_COLUMNS)

    @property
    def epochs(self) -> pd.DataFrame:
        """One row per run and epoch: ``label`` and the columns of the metrics."""
        begun = [run for run in self.runs if (run.path / "metrics.csv").exists()]
        frames = [run.metrics.assign(label=run.label) for run in begun]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["label", "epoch"])


_COLUMNS = (
    "label", "data", "data_hash", "model", "name", "embedding_size", "sets", "split", "initialisation", "order",
    "train_rows", "epochs", "best_epoch", "validation_auc", "test_auc", "test_logloss", "rows_per_second",
    "parameters", "path",
)  # fmt: skip


def _record(run: StudyRun) -> dict[str, Any]:
    manifest, settings = run.manifest, run.settings
    return {
        "label": run.label,
        "data": run.data,
        "data_hash": manifest["data"]["sha256"],
        "model": settings["model"],
        "name": manifest["model"],
        "embedding_size": settings["embedding_size"],
        "sets": settings["sets"],
        **manifest["seeds"],
        "train_rows": manifest["data"]["rows"]["train"],
        "epochs": manifest["epochs"],
        "best_epoch": manifest["best_epoch"],
        "validation_auc": manifest["validation"]["auc"],
        "test_auc": manifest["test"]["auc"],
        "test_logloss": manifest["test"]["logloss"],
        "rows_per_second": manifest["rows_per_second"],
        "parameters": manifest["parameters"],
        "path": str(run.path),
    }
