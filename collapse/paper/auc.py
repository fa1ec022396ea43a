"""Test AUC of an item's runs by size, next to the paper's printed values."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from collapse.paper.item import Item
from collapse.paper.printed_values import read_printed
from collapse.paper.profiles import Profile
from collapse.study.study import StudyRun
from collapse.study.sweep import Planned
from collapse.training.runs.config import RunConfig

PRINTED = {"table-1": {5: 0, 6: 1}, "table-5": {5: 0}, "table-6": {6: 1}, "table-3": {3: 0}, "table-7": {7: 0}}
"""Tables of the paper with an item's values, each with the index of its data set among the profile's. The values
of Table 1 are in Tables 5 and 6, with their deviations."""


def auc_of_runs(item: Item) -> pd.DataFrame:
    """Read the test AUC of an item's finished runs.

    Returns
    -------
    pandas.DataFrame
        One row per run: ``data`` (name), ``order`` (index of the data set among the profile's), ``model`` (with
        settings that differ from their defaults), ``variant`` (SE or ME), ``factor`` (times the base size),
        ``seed`` (of the initialisation), ``test_auc``, ``test_logloss``, ``constant_logloss`` (of predicting the
        mean label of the test rows; NaN without stored predictions), and ``unitary_distance`` (mean distance of
        the projections from unitary ones; NaN if it was not recorded).
    """
    rows = [{**described, **_tested(StudyRun(run.path))} for run, described in described_runs(item)]
    return pd.DataFrame(rows, columns=[*_OF_RUN, *_TESTED])


_OF_RUN = ("data", "order", "model", "variant", "factor", "seed")
_TESTED = ("test_auc", "test_logloss", "constant_logloss", "unitary_distance")


def _tested(run: StudyRun) -> dict[str, float]:
    test, kept = run.manifest["test"], run.predictions
    fraction = float("nan") if kept is None else float(kept.labels.mean())
    constant = -(fraction * np.log(fraction) + (1 - fraction) * np.log1p(-fraction))
    return dict(zip(_TESTED, (test["auc"], test["logloss"], float(constant), run.unitary_distance), strict=True))


def curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Begin every line of ME with SE at 1x, because one set is the same model whatever the interactions.

    Returns
    -------
    pandas.DataFrame
        The same runs, and those of SE at 1x once more as ME for every model that has ME. SE itself is left out if
        a model has it only at 1x.
    """
    at_base = runs[(runs["variant"] == "SE") & (runs["factor"] == 1)]
    several = runs[runs["variant"] == "ME"]
    begun = [
        at_base[at_base["model"] == _single_of(model)].assign(model=model, variant="ME")
        for model in several["model"].unique()
    ]
    larger = runs.loc[(runs["variant"] == "SE") & (runs["factor"] != 1), "model"].unique()
    single = runs[(runs["variant"] == "SE") & (runs["model"].isin(larger) | (len(several) == 0))]
    return pd.concat([single, *begun, several], ignore_index=True)


def auc_by_size(item: Item) -> pd.DataFrame:
    """Return an item's test AUC next to the paper's printed values.

    Returns
    -------
    pandas.DataFrame
        One row per model, variant and factor: ``data``, ``order``, ``model``, ``variant``, ``factor``; the number
        of ``runs``, their ``auc`` and ``std`` (of the sample, over initialisations); ``gain`` over the same model
        at 1x; and for items of `PRINTED` ``printed_data``, ``printed``, ``printed_std``, ``printed_gain`` and
        ``difference``. NaN if a run is missing or nothing was printed.

    Notes
    -----
    A printed value appears only next to a data set of that name, because AUC cannot be compared between data sets.
    """
    keys = ["order", "data", "model", "variant", "factor"]
    runs = auc_of_runs(item)
    means = runs.groupby(keys, sort=False)["test_auc"].agg(["size", "mean", "std"]).reset_index()
    means.columns = pd.Index([*keys, "runs", "auc", "std"])
    means = _with_gain(means, "auc", "gain")
    if item.name not in PRINTED:
        return means.sort_values(keys[:1], kind="stable").reset_index(drop=True)
    printed = printed_auc(item.name)
    names = {order: name.lower() for order, name in enumerate(item.data_names.values())}
    printed = printed[printed["printed_data"].str.lower() == printed["order"].map(names)]
    whole = printed.merge(means, on=["order", "model", "variant", "factor"], how="outer", sort=False)
    # Models in the order of the recipe, with SE before ME.
    in_order = dict.fromkeys([*printed["model"], *runs["model"]])
    whole["place"] = whole["model"].map({model: n for n, model in enumerate(in_order)})
    known = dict(zip(runs["order"], runs["data"], strict=True))
    whole["data"] = whole["data"].fillna(whole["order"].map(known))
    whole["difference"] = whole["auc"] - whole["printed"]
    whole["single"] = (whole["variant"] != "SE").astype(int)
    ordered = whole.sort_values(["order", "place", "single", "factor"], kind="stable").reset_index(drop=True)
    return ordered.drop(columns=["place", "single"])


def described_runs(item: Item) -> Iterator[tuple[Planned, dict[str, Any]]]:
    """Yield the finished runs, each with its description."""
    for run in item.finished_runs:
        yield (
            run,
            {
                "data": item.data_names[run.config.data],
                "order": item.profile.data.index(run.config.data),
                **_place(run.config, item.profile),
                "seed": run.config.seeds.initialisation,
            },
        )


def _place(config: RunConfig, profile: Profile) -> dict[str, Any]:
    model = config.model
    base = profile.single(model.model).embedding_size
    settings = ",".join(model.name.split(",")[1:])
    return {
        "model": model.model + (f",{settings}" if settings else ""),
        "variant": "ME" if model.sets > 1 else "SE",
        "factor": float(model.sets if model.sets > 1 else round(model.embedding_size / base, 3)),
    }


def _single_of(model: str) -> str:
    """Name the model without the setting that only several sets have."""
    name, *settings = model.split(",")
    return ",".join([name, *(word for word in settings if not word.startswith("interactions="))])


def _with_gain(frame: pd.DataFrame, value: str, name: str) -> pd.DataFrame:
    """Add the gain over SE at 1x of the same model and data set."""
    at_base = frame[(frame["variant"] == "SE") & (frame["factor"] == 1)].set_index(["order", "model"])[value]
    base = pd.MultiIndex.from_frame(frame[["order", "model"]]).map(at_base.to_dict())
    return frame.assign(**{name: frame[value] - np.asarray(base, dtype=float)})


def printed_auc(name: str) -> pd.DataFrame:
    """Read the paper's printed values of an item of `PRINTED`, with ``printed_gain`` over SE at 1x.

    Returns
    -------
    pandas.DataFrame
        ``order``, ``printed_data``, ``model``, ``variant``, ``factor``, ``printed``, ``printed_std`` and
        ``printed_gain``.
    """
    table = read_printed("auc")
    order = PRINTED[name]
    table = table[table["table"].isin(order)]
    table = table.assign(order=table["table"].map(order), factor=table["factor"].astype(float))
    table = table.rename(columns={"data": "printed_data", "auc": "printed", "std": "printed_std"})
    return _with_gain(table, "printed", "printed_gain").drop(columns="table")


def auc_by_model(item: Item) -> pd.DataFrame:
    """Read every run's test AUC for a figure with one line per model. Lines of ME begin with SE at 1x.

    Returns
    -------
    pandas.DataFrame
        The result of `curves`, with the columns ``line`` and ``panel``.
    """
    runs = curves(auc_of_runs(item))
    return runs.assign(line=runs["model"], panel="")


def auc_by_variant(item: Item) -> pd.DataFrame:
    """Read the same for a figure with one panel per model, and one line each for SE and ME."""
    runs = curves(auc_of_runs(item))
    return runs.assign(line=runs["variant"], panel=runs["model"])
