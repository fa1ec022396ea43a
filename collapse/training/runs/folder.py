"""The files of a run's folder."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from collapse.checkpoint import flat_config
from collapse.errors import CollapseError
from collapse.files import PARTIAL_SUFFIX, atomic_write, explained, read_json, write_json
from collapse.training.runs.config import RunConfig


class RunLocked(CollapseError):
    """Another process is training in the run's folder."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its configuration, metrics, checkpoints and manifest."""

    path: Path
    """The folder."""

    @property
    def config(self) -> Path:
        """The run's configuration: written first, so a folder with it holds a run."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """One row an epoch."""
        return self.path / "metrics.csv"

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation AUC."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """The latest state, to resume from."""
        return self.path / "last.pt"

    @property
    def manifest(self) -> Path:
        """What the run is, what it ran on, and what the test gave."""
        return self.path / "manifest.json"

    def read_config(self, *, own_model: str | None = None) -> RunConfig:
        """Read the configuration of the run that is here.

        Parameters
        ----------
        own_model : str, optional
            The one ``module:Class`` that may be imported if the run is of it.

        Returns
        -------
        RunConfig
            The configuration.

        Raises
        ------
        CollapseError
            If there is no run here, or it does not fit this version.
        """
        if not self.config.exists():
            raise CollapseError(f"{self.path} holds no run to resume: leave out --resume to start one")
        return read_config(self.config, own_model=own_model)

    def read_manifest(self) -> dict[str, Any]:
        """Read the manifest; empty where there is none yet."""
        return dict(read_json(self.manifest)) if self.manifest.exists() else {}

    def write_manifest(self, content: dict[str, Any]) -> None:
        """Write the manifest, whole or not at all."""
        write_json(self.manifest, content)

    def read_metrics(self) -> list[dict[str, str]]:
        """Read the rows of the metrics as text; empty where there are none yet."""
        return read_rows(self.metrics)

    def write_metrics(self, rows: list[dict[str, str]]) -> None:
        """Write all rows of the metrics, whole or not at all."""
        write_rows(self.metrics, rows)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Make the folder and hold it for this process, so that no two train in it.

        Raises
        ------
        RunLocked
            If another process holds it.
        CollapseError
            If it cannot be written.
        """
        with explained("write to", self.path):
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
    """Read a table's rows as text; none where there is no file."""
    if not path.exists():
        return []
    with explained("read", path), path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """Write a table with every column that a row has, whole or not at all."""
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def read_config(path: Path, *, own_model: str | None = None) -> RunConfig:
    """Read a run's `config.json`.

    Parameters
    ----------
    path : Path
        The file.
    own_model : str, optional
        The one ``module:Class`` that may be imported if the run is of it.

    Returns
    -------
    RunConfig
        The configuration.

    Raises
    ------
    CollapseError
        If the file cannot be read or holds no such configuration.
    """
    plain = read_json(path)
    try:
        return RunConfig.from_dict(plain, own_model=own_model)
    except CollapseError as error:
        raise CollapseError(f"cannot take the run's settings from {path}: {error}") from error


def difference(theirs: RunConfig, ours: RunConfig) -> str | None:
    """Name the first setting in which two configurations differ.

    Parameters
    ----------
    theirs : RunConfig
        What is there.
    ours : RunConfig
        What was asked for.

    Returns
    -------
    str or None
        The setting with both values; None if there is no difference.
    """
    a, b = flat_config(theirs.as_dict()), flat_config(ours.as_dict())
    differing = (key for key in [*a, *b] if a.get(key) != b.get(key))
    return next((f"{key} is {a.get(key)!r} there and {b.get(key)!r} here" for key in differing), None)
