"""What a study's folder has of one of the paper's items: its runs, those that are missing, and their test AUC."""

import shlex
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from collapse.errors import CollapseError
from collapse.files import explained, read_json, write_json
from collapse.study.profiles import Profile
from collapse.study.recipes import runs_of
from collapse.study.sweep import Planned, plan
from collapse.training.data.catalogue import load_data
from collapse.training.runs.config import RunConfig
from collapse.training.runs.folder import RunFolder

RECORD = "study.json"
PRINTED = {"table-1": {5: 0, 6: 1}, "table-5": {5: 0}, "table-6": {6: 1}, "table-3": {3: 0}, "table-7": {7: 0}}
"""The paper's tables that hold an item's values, each with the place of its data set among the profile's; those of
Table 1 stand, with their deviations, in 5 and 6."""


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

    @property
    def finished(self) -> int:
        """How many of them are."""
        return sum(run.state == "finished" for run in self.runs)

    @property
    def command(self) -> str:
        """The command that trains the others."""
        data = [word for name in self.profile.data for word in ("--data", name)]
        words = ["collapse", "sweep", self.name, "--profile", self.profile.name, *data, "--out", str(self.folder)]
        return shlex.join(words)


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
    if (folder / RECORD).exists():
        if (there := read_profile(folder)) != profile:
            names = [name for name, value in asdict(profile).items() if value != asdict(there)[name]]
            what = f"{names[0]} is {getattr(there, names[0])!r} there and {getattr(profile, names[0])!r} here"
            raise CollapseError(f"{folder} is a study of other settings ({what}): choose another --out")
        return
    with explained("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RECORD, asdict(profile))


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
    try:
        plain = read_json(path)
        return Profile(**{**plain, "data": tuple(plain["data"])})
    except (TypeError, KeyError) as error:
        raise CollapseError(f"{path} does not fit this version: {error}") from error


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


def auc_of_runs(item: Item) -> pd.DataFrame:
    """Read the test AUC of an item's finished runs.

    Parameters
    ----------
    item : Item
        The item.

    Returns
    -------
    pandas.DataFrame
        A row a run: ``data`` (name), ``order`` (of the data set among the profile's, from 0), ``model`` (with the
        settings that are not its defaults), ``variant`` (SE or ME), ``factor`` (times the base size), ``seed`` (of
        the initialisation) and ``test_auc``.
    """
    names = {data: load_data(data).schema.name for data in item.profile.data}
    rows = [
        {
            "data": names[run.config.data],
            "order": item.profile.data.index(run.config.data),
            **_place(run.config, item.profile),
            "seed": run.config.seeds.initialisation,
            "test_auc": float(RunFolder(run.path).read_manifest()["test"]["auc"]),
        }
        for run in item.runs
        if run.state == "finished"
    ]
    return pd.DataFrame(rows, columns=["data", "order", "model", "variant", "factor", "seed", "test_auc"])


def auc_by_size(item: Item) -> pd.DataFrame:
    """Put an item's test AUC beside what the paper printed.

    Parameters
    ----------
    item : Item
        The item.

    Returns
    -------
    pandas.DataFrame
        A row a model, variant and factor: ``data``, ``order``, ``model``, ``variant``, ``factor``; ``runs`` and
        the ``auc`` and ``std`` (of the sample, over initialisations) of them; ``gain`` over the same model at 1x;
        and for items of `PRINTED` ``printed_data``, ``printed``, ``printed_std``, ``printed_gain`` and
        ``difference``.
        NaN where a run is missing or nothing was printed.

    Notes
    -----
    The n-th data set stands beside the n-th of the paper's tables. On other data than the paper's the difference
    tells of the data; the gains can be compared.
    """
    keys = ["order", "data", "model", "variant", "factor"]
    runs = auc_of_runs(item)
    means = runs.groupby(keys, sort=False)["test_auc"].agg(["size", "mean", "std"]).reset_index()
    means.columns = pd.Index([*keys, "runs", "auc", "std"])
    means = _with_gain(means, "auc", "gain")
    if item.name not in PRINTED:
        return means.sort_values(keys[:1], kind="stable").reset_index(drop=True)
    printed = _printed(item.name)
    whole = printed.merge(means, on=["order", "model", "variant", "factor"], how="outer", sort=False)
    # Models in the order of the recipe, each with SE before ME.
    in_order = dict.fromkeys([*printed["model"], *runs["model"]])
    whole["place"] = whole["model"].map({model: n for n, model in enumerate(in_order)})
    known = dict(zip(runs["order"], runs["data"], strict=True))
    whole["data"] = whole["data"].fillna(whole["order"].map(known))
    whole["difference"] = whole["auc"] - whole["printed"]
    whole["single"] = (whole["variant"] != "SE").astype(int)
    ordered = whole.sort_values(["order", "place", "single", "factor"], kind="stable").reset_index(drop=True)
    return ordered.drop(columns=["place", "single"])


def _place(config: RunConfig, profile: Profile) -> dict[str, Any]:
    model = config.model
    base = profile.single(model.model).embedding_size
    settings = ",".join(model.name.split(",")[1:])
    return {
        "model": model.model + (f",{settings}" if settings else ""),
        "variant": "ME" if model.sets > 1 else "SE",
        "factor": float(model.sets if model.sets > 1 else round(model.embedding_size / base, 3)),
    }


def _with_gain(frame: pd.DataFrame, value: str, name: str) -> pd.DataFrame:
    """Add how far each lies above SE at 1x of its model and data set."""
    at_base = frame[(frame["variant"] == "SE") & (frame["factor"] == 1)].set_index(["order", "model"])[value]
    base = pd.MultiIndex.from_frame(frame[["order", "model"]]).map(at_base.to_dict())
    return frame.assign(**{name: frame[value] - np.asarray(base, dtype=float)})


def _printed(name: str) -> pd.DataFrame:
    content = files("collapse.study").joinpath("printed_auc.csv")
    with content.open() as file:
        table = pd.read_csv(file)
    order = PRINTED[name]
    table = table[table["table"].isin(order)]
    table = table.assign(order=table["table"].map(order), factor=table["factor"].astype(float))
    table = table.rename(columns={"data": "printed_data", "auc": "printed", "std": "printed_std"})
    return _with_gain(table, "printed", "printed_gain").drop(columns="table")
