"""Finding runs in a folder by what they are, whoever made them and whatever their folders are called."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from collapse.errors import CollapseError
from collapse.study.execute import folder_name
from collapse.study.sweep import Planned
from collapse.training.data.load import data_hash, is_prepared
from collapse.training.runs.config import RunConfig
from collapse.training.runs.folder import RunFolder


class Finder:
    """The runs in a folder and its subfolders, by configuration.

    Parameters
    ----------
    folder : Path
        The folder. Its runs are read when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, configs: Iterable[RunConfig]) -> list[Planned]:
        """Find a run for every configuration.

        Parameters
        ----------
        configs : iterable of RunConfig
            The configurations. Their data need not be there.

        Returns
        -------
        list of Planned
            The runs in the same order. A run that a sweep made is at its place; any other run of the same
            configuration serves too, if it was not trained on other rows than the data set has now. A missing run
            has the folder that a sweep would give it.
        """
        return [Planned(config=config, path=self._path(config)) for config in configs]

    def _path(self, config: RunConfig) -> Path:
        there = is_prepared(config.data)
        planned = self.folder / folder_name(config) if there else None
        if planned is not None and RunFolder(planned).config.exists():
            return planned
        for path in self._by_config.get(config, ()):
            if not there or _hash_of(path) in ("", data_hash(config.data)):
                return path
        return planned or self.folder / "not-prepared" / config.label

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """The configurations of the runs in the folder, each once."""
        return tuple(self._by_config)

    @cached_property
    def _by_config(self) -> dict[RunConfig, list[Path]]:
        found: dict[RunConfig, list[Path]] = {}
        for path, config in self._readable():
            found.setdefault(config, []).append(path)
        return found

    def _readable(self) -> Iterator[tuple[Path, RunConfig]]:
        """Yield the runs whose model may be imported: that of another run's own class may not."""
        for path in sorted(self.folder.rglob("config.json")):
            try:
                yield path.parent, RunFolder(path.parent).read_config()
            except CollapseError:
                continue


def _hash_of(folder: Path) -> str:
    """Return the hash of the data that a run was trained on; empty if it did not record one."""
    try:
        data = RunFolder(folder).read_manifest().get("data", {})
    except CollapseError:
        return ""
    return str(data.get("sha256", ""))
