"""Files in a run's folder."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import filelock
import msgspec

from collapse.errors import CollapseError
from collapse.files.atomic import PARTIAL_SUFFIX, atomic_write
from collapse.files.json_file import read_json, write_json
from collapse.files.opening import explain_os_errors, open_file
from collapse.training.runs.config import RunConfig
from collapse.training.runs.metrics import Evaluation

T = TypeVar("T")
TIMINGS = ("rows_per_second", "seconds")
_MEASURED = ("train_loss", "validation_auc", "validation_logloss", "rows_per_second")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Parts of a manifest that others read, with their types."""

    status: str = ""
    model: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int = 0
    validation: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Summary of a finished run."""

    model: str
    """The model with its size."""
    best_epoch: int
    """Epoch with the best validation AUC, whose weights are in `best.pt`."""
    validation: Evaluation
    """Validation metrics of the best epoch."""
    test: Evaluation
    """Test metrics of the best epoch's weights."""
    already: bool = True
    """Whether the run was already finished, so that nothing was trained."""


class RunLocked(CollapseError):
    """Another process is training in this folder."""


def default_folder(config: RunConfig) -> Path:
    """Return the default folder of a run, runs/DATA-LABEL."""
    return Path("runs") / f"{Path(config.data).name}-{config.label}".replace(":", ".")


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, with its configuration, metrics, checkpoints and manifest."""

    path: Path
    """Path of the folder."""

    @property
    def config(self) -> Path:
        """Configuration of the run. It is written first, so a folder that has it contains a run."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """Metrics, one row per epoch."""
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        """Predictions of the best epoch's weights for the test rows: the arrays ``labels`` and ``logits``."""
        return self.path / "test.npz"

    @property
    def best(self) -> Path:
        """Checkpoint with the best validation AUC."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """Latest state, for resuming."""
        return self.path / "last.pt"

    @property
    def manifest(self) -> Path:
        """Description of the run, the machine and the test results."""
        return self.path / "manifest.json"

    def read_config(self, *, own_model: str | None = None) -> RunConfig:
        """Read the configuration of the run in this folder.

        Parameters
        ----------
        own_model : str, optional
            The only ``module:Class`` that may be imported, if the run uses it.

        Raises
        ------
        CollapseError
            If there is no run, or it does not fit this version.
        """
        if not self.config.exists():
            raise CollapseError(f"{self.path} contains no run to resume: leave out --resume to start one")
        return read_config(self.config, own_model=own_model)

    def check_whole(self) -> None:
        """Refuse a run whose configuration is missing, because its other files are then meaningless.

        Raises
        ------
        CollapseError
            If there are files of a run but no ``config.json``.
        """
        if self.config.exists():
            return
        for path in (self.last, self.best, self.metrics, self.manifest):
            if path.exists():
                raise CollapseError(
                    f"{self.path} has {path.name} but no {self.config.name}: restore it, or choose another --out"
                )

    def read_manifest(self) -> dict[str, Any]:
        """Read the manifest; empty if there is none yet.

        Raises
        ------
        CollapseError
            If it cannot be read, or is not a manifest.
        """
        if not self.manifest.exists():
            return {}
        plain = read_json(self.manifest)
        self._as(Manifest, plain)
        return dict(plain)

    def read_result(self) -> RunResult | None:
        """Read the summary of a finished run; None if it is not finished.

        Raises
        ------
        CollapseError
            If the manifest cannot be read, or is incomplete for a finished run.
        """
        manifest = self.read_manifest()
        return self._as(RunResult, manifest) if manifest.get("status") == "finished" else None

    def _as(self, kind: type[T], plain: Any) -> T:
        """Convert the manifest to a declared type."""
        try:
            return msgspec.convert(plain, kind)
        except msgspec.ValidationError as error:
            raise CollapseError(
                f"{self.manifest} is not a manifest of a run ({error}): "
                + (
                    "delete it to test the run again"
                    if self.last.exists()
                    else "restore it, or train again elsewhere"
                )
            ) from error

    def write_manifest(self, content: dict[str, Any]) -> None:
        """Write the manifest. A failure leaves the old one unchanged."""
        write_json(self.manifest, content)

    def read_metrics(self) -> list[dict[str, str]]:
        """Read the rows of the metrics as text, one per epoch; empty if there are none yet.

        Raises
        ------
        CollapseError
            If the file cannot be read, or a row is incomplete, not numeric, or not that of its epoch.
        """
        rows = read_rows(self.metrics)
        for epoch, row in enumerate(rows, start=1):
            try:
                numbers = {key: float(row[key]) for key in ("epoch", *_MEASURED)}
            except (KeyError, TypeError, ValueError) as error:
                raise CollapseError(
                    f"{self.metrics}, line {epoch + 1}: this is not a complete row of metrics ({error!r}): "
                    "restore the file"
                ) from error
            if numbers["epoch"] != epoch or None in row or None in row.values():
                raise CollapseError(
                    f"{self.metrics}, line {epoch + 1}: this is not epoch {epoch}: restore the file"
                )
        return rows

    def check_tables(self, kept: Mapping[str, str], *, epochs: int, step: int) -> None:
        """Refuse tables that differ from what the run had written by its last state.

        Parameters
        ----------
        kept : mapping of str to str
            Digests of the rows of each table, by file name.
        epochs, step : int
            Position of the last state; later rows are ignored.

        Raises
        ------
        CollapseError
            If a table is missing, truncated or edited.
        """
        for name, digest in kept.items():
            path = self.path / Path(str(name)).name
            rows = read_rows(path)
            try:
                until = rows[:epochs] if path == self.metrics else [r for r in rows if int(r["step"]) <= step]
            except (KeyError, TypeError, ValueError):
                until = []
            if digest_of(until) != digest:
                what = "differs from what the run wrote" if path.exists() else "is missing"
                raise CollapseError(f"{path} {what}: restore the file, or start again in another --out")

    def write_metrics(self, rows: list[dict[str, str]]) -> None:
        """Write all rows of the metrics. A failure leaves the old file unchanged."""
        write_rows(self.metrics, rows)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Make the folder and lock it for this process, so that no other process trains in it.

        Raises
        ------
        RunLocked
            If another process has locked it.
        CollapseError
            If it cannot be written.
        """
        with explain_os_errors("write to", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / ".lock")
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout as error:
                raise RunLocked(
                    f"another process is training in {self.path}: wait for it, or choose another --out"
                ) from error
        try:
            for abandoned in self.path.glob(f".*{PARTIAL_SUFFIX}"):
                abandoned.unlink(missing_ok=True)
            yield
        finally:
            lock.release()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a table as text; empty if there is no file."""
    if not path.exists():
        return []
    try:
        with open_file(path) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            return list(csv.DictReader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CollapseError(f"{path} is not a table of a run: {error}") from error


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """Write a table with all columns that any row has. A failure leaves the old file unchanged."""
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def digest_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of a table's rows without empty cells and timings, which is equal for equal runs."""
    plain = [
        {key: value for key, value in row.items() if value not in ("", None) and key not in TIMINGS}
        for row in rows
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def read_config(path: Path, *, own_model: str | None = None) -> RunConfig:
    """Read the `config.json` of a run.

    Parameters
    ----------
    path : Path
        The file.
    own_model : str, optional
        The only ``module:Class`` that may be imported, if the run uses it.

    Raises
    ------
    CollapseError
        If the file cannot be read or does not contain a configuration.
    """
    plain = read_json(path)
    try:
        return RunConfig.from_dict(plain, own_model=own_model)
    except CollapseError as error:
        raise CollapseError(f"cannot read the settings of a run from {path}: {error}") from error
