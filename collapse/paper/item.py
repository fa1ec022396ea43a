"""An item of the paper in a study: its runs, the missing ones, and its profile."""

import shlex
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec
from filelock import FileLock

from collapse.errors import CollapseError, shortened
from collapse.files.json_file import read_json, write_json
from collapse.files.opening import explain_os_errors
from collapse.paper.catalogue import CATALOGUE, all_items, catalogue, runs_of
from collapse.paper.inferred import infer_profile
from collapse.paper.profiles import FUSION_HEADS, PROFILES, Profile
from collapse.printable import counted
from collapse.study.finder import Finder
from collapse.study.study import StudyRun
from collapse.study.sweep import Planned
from collapse.training.data.load import data_name
from collapse.training.models.config import ModelConfig
from collapse.training.runs.config import as_options

RECORD = "study.json"
_NAMED = 3
"""Most missing models that a message names."""
_FORMER_KEYS = {"factors": "multiples", "shares": "fractions"}
"""Former names of a profile's settings, as in earlier studies."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item of the paper in a study."""

    name: str
    """Number of the figure, or ``table-1``."""
    folder: Path
    """Folder of the study."""
    profile: Profile
    """Profile of the study."""
    runs: tuple[Planned, ...]
    """Its runs, finished or not."""

    @cached_property
    def finished_runs(self) -> tuple[Planned, ...]:
        """Runs that were finished when this was first asked for."""
        return tuple(run for run in self.runs if run.state == "finished")

    @property
    def finished(self) -> int:
        """Number of finished runs."""
        return len(self.finished_runs)

    @cached_property
    def data_names(self) -> dict[str, str]:
        """Name of each data set, as its finished runs recorded it, or as its folder does."""
        names = {data: data_name(data) for data in self.profile.data}
        for run in {run.config.data: run for run in self.finished_runs}.values():
            names[run.config.data] = StudyRun(run.path).data
        return names

    @property
    def can_be_made(self) -> bool:
        """Whether there is a finished run, or none is needed.

        Of runs that no profile made, there must be models to compare, and two settings of them if the item
        compares several.
        """
        entry = catalogue()[self.name]
        if not self.profile.is_inferred or not entry.needs_runs:
            return bool(self.finished_runs) or not entry.needs_runs
        there, needed = ([run.config.model for run in runs] for runs in (self.finished_runs, self.runs))
        if entry.of_one or len(set(there)) < 2:
            return entry.of_one and bool(there)
        kinds_there, kinds_needed = ({_kind(model) for model in models} for models in (there, needed))
        return entry.of_any_two or len(kinds_there) >= min(2, len(kinds_needed))

    @property
    def lacks_data(self) -> bool:
        """Whether the item is about a second data set, which the study does not have."""
        return not self.runs and catalogue()[self.name].needs_runs

    def with_finished_runs(self) -> Self:
        """Return the item itself if it can be made.

        Raises
        ------
        CollapseError
            If there are no finished runs. The message has the command that trains them.
        """
        if self.lacks_data:
            raise CollapseError(
                f"{self.name} shows a second data set, but {self.folder} has only one: pass --data twice"
            )
        if not self.can_be_made:
            few = "too few finished runs" if self.profile.is_inferred else "no finished run"
            raise CollapseError(f"{self.folder} has {few} of {self.name}: {self.command}")
        return self

    @property
    def summary(self) -> str:
        """Text for captions: the number of runs, the data, and the command that trains the missing runs."""
        whole = self.finished == len(self.runs) or self.profile.is_inferred
        missing = "" if whole else f" (the others: `{self.command}`)"
        data = ", ".join(dict.fromkeys(self.data_names[run.config.data] for run in self.runs))
        of = f"{self.finished} of {len(self.runs)} runs"
        count = counted(self.finished, "run") if self.profile.is_inferred else of
        return f"{count}{missing} on {data}; {self.profile.summary}"

    @property
    def command(self) -> str:
        """Command that trains the missing runs; for runs that no profile made, the models that are missing."""
        if self.profile.is_inferred:
            missing = [run.config.model.name for run in self.runs if run.state != "finished"]
            names = list(dict.fromkeys(missing))
            more = f" and {len(names) - _NAMED} more models" if len(names) > _NAMED else ""
            return f"it needs {', '.join(names[:_NAMED])}{more}"
        profile, usual = self.profile, PROFILES.get(self.profile.name)
        words = ["collapse", "sweep", self.name, "--profile", profile.name]
        words += [word for name in profile.data for word in ("--data", name)]
        if usual is None or profile.repeats != usual.repeats:
            words += ["--seeds", str(profile.repeats)]
        if profile.base_size and (usual is None or profile.base_size != usual.base_size):
            words += ["--base-size", str(profile.base_size)]
        if profile.rows < 1:
            words += ["--rows", str(profile.rows)]
        if usual is not None:
            words += ["--epochs", str(profile.epochs)] if profile.epochs != usual.epochs else []
            words += ["--batch-size", str(profile.batch_size)] if profile.batch_size != usual.batch_size else []
        words += as_options(profile.settings)
        return shlex.join([*words, "--out", str(self.folder)])


def _kind(model: ModelConfig) -> str:
    """Return the name of a model without its size."""
    _, *settings = model.name.split(",")
    return ",".join([model.model, *settings])


def record_profile(folder: Path, profile: Profile) -> None:
    """Record the profile of a study in its folder. A folder has only one profile.

    Parameters
    ----------
    folder : Path
        Folder of the study, which is created if needed.
    profile : Profile
        The profile.

    Raises
    ------
    CollapseError
        If the folder is a study with other settings, or cannot be written.
    """
    if not (folder / RECORD).exists():
        with explain_os_errors("write", folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Two sweeps with different profiles may begin in one folder at the same time.
            with FileLock(folder / ".lock"):
                if not (folder / RECORD).exists():
                    write_json(folder / RECORD, asdict(profile))
    if (there := read_profile(folder)) != profile:
        names = [name for name, value in asdict(profile).items() if value != asdict(there)[name]]
        what = f"{names[0]} is {getattr(there, names[0])!r} there and {getattr(profile, names[0])!r} here"
        raise CollapseError(f"{folder} is a study with other settings ({what}): choose another --out")


class PaperStudy:
    """A folder of runs, as the paper's items see it.

    Parameters
    ----------
    folder : Path
        The folder of a sweep, or any folder with runs.

    Raises
    ------
    CollapseError
        If the folder has no runs, or the record of its profile cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.finder = Finder(folder)
        self.profile = read_profile(folder) if (folder / RECORD).exists() else self._inferred()
        """The recorded profile, or one that describes the runs."""
        self._found: dict[str, Item] = {}

    def item(self, name: str) -> Item:
        """Look up an item with its runs, finished or not, as they were when it was first looked up.

        Raises
        ------
        CollapseError
            If the item does not exist.
        """
        if name not in self._found:
            runs = tuple(self.finder.find(runs_of([name], self.profile)))
            self._found[name] = Item(name=name, folder=self.folder, profile=self.profile, runs=runs)
        return self._found[name]

    @property
    def items(self) -> tuple[str, ...]:
        """The items that ``all`` means: those of the profile, or those that the runs can make."""
        names, known = all_items(self.profile), catalogue()
        others = tuple(name for name, entry in known.items() if name not in CATALOGUE and entry.needs_runs)
        if self.profile.is_inferred:
            return tuple(name for name in names + others if known[name].needs_runs and self.item(name).can_be_made)
        return names + tuple(name for name in others if self.item(name).can_be_made)

    def _inferred(self) -> Profile:
        if self.finder.configs:
            return infer_profile(self.finder.configs)
        if not any(self.folder.rglob("config.json")):
            raise CollapseError(f"{self.folder} has no runs: make some with `collapse sweep` or `collapse train`")
        return Profile(name="", content="no run has a model of this package", data=("none",))


def read_profile(folder: Path) -> Profile:
    """Read the recorded profile of a study.

    Raises
    ------
    CollapseError
        If there is none, or it cannot be read.
    """
    path = folder / RECORD
    if not path.exists():
        raise CollapseError(f"{folder} is not a study of a profile: it has no {RECORD}")
    plain = read_json(path)
    if isinstance(plain, dict):
        plain = _renamed(plain)
    try:
        profile = msgspec.convert(plain, Profile)
    except msgspec.ValidationError as error:
        raise CollapseError(f"{path} does not fit this version: {error}") from error
    except CollapseError as error:
        raise CollapseError(f"{path}: {error}") from error
    if unknown := set(plain) - set(asdict(profile)):
        raise CollapseError(f"{path} does not fit this version: unknown key {shortened(min(unknown))}")
    return profile


def _renamed(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a record of an earlier version with the names of this one."""
    plain = {_FORMER_KEYS.get(key, key): value for key, value in plain.items()}
    if (heads := plain.pop("fusion_heads", 1)) != 1:
        plain["model_settings"] = [f"{FUSION_HEADS.partition('=')[0]}={heads}"]
    return plain


def item_of(folder: Path, name: str) -> Item:
    """Look up an item in a study; see `PaperStudy`."""
    return PaperStudy(folder).item(name)
