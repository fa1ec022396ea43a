"""What a study's folder has of one of the paper's items: its runs, those that are missing, and their test AUC."""

import shlex
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import msgspec
from filelock import FileLock

from collapse.errors import CollapseError, shortened
from collapse.files.json_file import read_json, write_json
from collapse.files.opening import explain_os_errors
from collapse.paper.catalogue import CATALOGUE, runs_of
from collapse.paper.profiles import PROFILES, Profile
from collapse.study.study import StudyRun
from collapse.study.sweep import Planned, plan
from collapse.training.data.load import data_name

RECORD = "study.json"
_FORMER_KEYS = {"factors": "multiples", "shares": "fractions"}
"""Names of a profile's settings as earlier studies have them."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One of the paper's items in a study."""

    name: str
    """The figure's number, or ``table-1``."""
    folder: Path
    """The study's folder."""
    profile: Profile
    """What the study is filled with."""
    runs: tuple[Planned, ...]
    """Its runs, finished or not."""

    @cached_property
    def finished_runs(self) -> tuple[Planned, ...]:
        """Those that are finished when this is first asked for."""
        return tuple(run for run in self.runs if run.state == "finished")

    @property
    def finished(self) -> int:
        """How many of them are."""
        return len(self.finished_runs)

    @cached_property
    def data_names(self) -> dict[str, str]:
        """The name of each data set, as its finished runs recorded it, or as its folder does."""
        names = {data: data_name(data) for data in self.profile.data}
        for run in {run.config.data: run for run in self.finished_runs}.values():
            names[run.config.data] = StudyRun(run.path).data
        return names

    @property
    def can_be_made(self) -> bool:
        """Whether there is a run to make it of, or none is needed."""
        return bool(self.finished_runs) or not CATALOGUE[self.name].needs_runs

    @property
    def lacks_data(self) -> bool:
        """Whether it is of a second data set and the study has one: then there is nothing to train."""
        return not self.runs and CATALOGUE[self.name].needs_runs

    def with_finished_runs(self) -> Self:
        """Return the item itself if it can be made.

        Raises
        ------
        CollapseError
            If it has none; the sentence names the command that trains them.
        """
        if self.lacks_data:
            raise CollapseError(
                f"{self.name} shows a second data set, and {self.folder} has one: name two with --data"
            )
        if not self.can_be_made:
            raise CollapseError(f"{self.folder} has no finished run of {self.name}: {self.command}")
        return self

    @property
    def summary(self) -> str:
        """What captions say: how many of its runs there are, of what, and the command that trains the others."""
        missing = "" if self.finished == len(self.runs) else f" (the others: `{self.command}`)"
        data = ", ".join(dict.fromkeys(self.data_names[run.config.data] for run in self.runs))
        return f"{self.finished} of {len(self.runs)} runs{missing} on {data}; {self.profile.summary}"

    @property
    def command(self) -> str:
        """The command that trains the others."""
        profile, usual = self.profile, PROFILES.get(self.profile.name)
        words = ["collapse", "sweep", self.name, "--profile", profile.name]
        words += [word for name in profile.data for word in ("--data", name)]
        if usual is None or profile.repeats != usual.repeats:
            words += ["--seeds", str(profile.repeats)]
        if profile.base_size and (usual is None or profile.base_size != usual.base_size):
            words += ["--base-size", str(profile.base_size)]
        if profile.rows < 1:
            words += ["--rows", str(profile.rows)]
        return shlex.join([*words, "--out", str(self.folder)])


def record_profile(folder: Path, profile: Profile) -> None:
    """Write down what a study is filled with, so that its folder tells it; one folder has one profile.

    Parameters
    ----------
    folder : Path
        The study's folder; made if it is not there.
    profile : Profile
        The profile.

    Raises
    ------
    CollapseError
        If the folder is a study of other settings, or cannot be written.
    """
    if not (folder / RECORD).exists():
        with explain_os_errors("write", folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Two sweeps of different profiles may begin in one folder at one time.
            with FileLock(folder / ".lock"):
                if not (folder / RECORD).exists():
                    write_json(folder / RECORD, asdict(profile))
    if (there := read_profile(folder)) != profile:
        names = [name for name, value in asdict(profile).items() if value != asdict(there)[name]]
        what = f"{names[0]} is {getattr(there, names[0])!r} there and {getattr(profile, names[0])!r} here"
        raise CollapseError(f"{folder} is a study of other settings ({what}): choose another --out")


def read_profile(folder: Path) -> Profile:
    """Read what a study is filled with.

    Parameters
    ----------
    folder : Path
        The study's folder.

    Returns
    -------
    Profile
        What `record_profile` wrote.

    Raises
    ------
    CollapseError
        If the folder is no study of ``collapse sweep``.
    """
    path = folder / RECORD
    if not path.exists():
        raise CollapseError(f"{folder} is no study of `collapse sweep`: it has no {RECORD}")
    plain = read_json(path)
    if isinstance(plain, dict):
        plain = {_FORMER_KEYS.get(key, key): value for key, value in plain.items()}
    try:
        profile = msgspec.convert(plain, Profile)
    except msgspec.ValidationError as error:
        raise CollapseError(f"{path} does not fit this version: {error}") from error
    except CollapseError as error:
        raise CollapseError(f"{path}: {error}") from error
    if unknown := set(plain) - set(asdict(profile)):
        raise CollapseError(f"{path} does not fit this version: it has the key {shortened(min(unknown))}")
    return profile


def item_of(folder: Path, name: str) -> Item:
    """Look up an item in a study.

    Parameters
    ----------
    folder : Path
        The study's folder.
    name : str
        The item.

    Returns
    -------
    Item
        Its runs, finished or not.

    Raises
    ------
    CollapseError
        If the folder is no study, or there is no such item.
    """
    profile = read_profile(folder)
    return Item(name=name, folder=folder, profile=profile, runs=tuple(plan(runs_of([name], profile), folder)))
