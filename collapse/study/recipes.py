"""Which runs each figure and table of the paper is made of.

A recipe is a function from a profile to runs. Items share runs: a sweep of several trains each once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collapse.errors import CollapseError
from collapse.study.profiles import Profile
from collapse.training.models.config import ModelConfig
from collapse.training.runs.config import RunConfig

Runs = tuple[RunConfig, ...]

EQUAL_STEPS = 0.1
"""Of the training rows, where fewer rows are compared at as many steps."""
CURED = 4
"""How many times the base size, where cures are compared."""


@dataclass(frozen=True)
class Recipe:
    """The runs of one of the paper's items."""

    item: str
    """The figure's number, or ``table-1``."""
    content: str
    """What it shows."""
    runs: Callable[[Profile], Runs]
    """Its runs under a profile."""


def _sizes(profile: Profile, model: str, factors: Sequence[float] = (), **settings: object) -> list[ModelConfig]:
    """SE at every factor, by default the profile's, and ME with as many sets where that is several."""
    factors = factors or profile.factors
    single = [profile.single(model, factor, **settings) for factor in factors]
    return single + [profile.multi(model, int(factor), **settings) for factor in factors if factor > 1]


def _single(profile: Profile, models: Sequence[str], **settings: object) -> list[ModelConfig]:
    return [profile.single(model, factor, **settings) for model in models for factor in profile.factors]


def _table_1(profile: Profile) -> Runs:
    models = [model for name in profile.models for model in _sizes(profile, name)]
    return profile.runs(*models, repeats=profile.repeats)


def _six_single(profile: Profile) -> Runs:
    return profile.runs(*_single(profile, profile.models), data=profile.data[:1], repeats=profile.repeats)


def _six_multi(profile: Profile) -> Runs:
    models = [profile.multi(name, int(sets)) for name in profile.models for sets in profile.factors]
    return profile.runs(*models, data=profile.data[:1], repeats=profile.repeats)


def _of_data(n: int) -> Callable[[Profile], Runs]:
    """Take Table 1's runs on the n-th data set, if there is one."""

    def runs(profile: Profile) -> Runs:
        return tuple(run for run in _table_1(profile) if run.data in profile.data[n : n + 1])

    return runs


def _once(*models: Callable[[Profile], ModelConfig]) -> Callable[[Profile], Runs]:
    """Take some models once, on the first data set."""

    def runs(profile: Profile) -> Runs:
        return profile.runs(*(model(profile) for model in models), data=profile.data[:1])

    return runs


def _at_sizes(factors: Callable[[Profile], Sequence[float]]) -> Callable[[Profile], Runs]:
    """Take DCNv2 at some sizes once, on the first data set."""

    def runs(profile: Profile) -> Runs:
        models = [profile.single("dcnv2", factor) for factor in factors(profile)]
        return profile.runs(*models, data=profile.data[:1])

    return runs


def _compared(*models: Callable[[Profile], list[ModelConfig]]) -> Callable[[Profile], Runs]:
    """Take models on the first data set, as often as the profile repeats what is compared."""

    def runs(profile: Profile) -> Runs:
        of_all = [config for of in models for config in of(profile)]
        return profile.runs(*of_all, data=profile.data[:1], repeats=profile.repeats)

    return runs


def _table_2(profile: Profile) -> Runs:
    models = [*(profile.single("dcnv2", factor) for factor in profile.halves), profile.multi("dcnv2", 4)]
    return tuple(
        run for share in profile.shares for run in profile.runs(*models, data=profile.data[:1], train_share=share)
    )


def steps_alike(profile: Profile, share: float) -> int:
    """Return the epochs on a share of the rows that have as many steps as a run along its training has on all."""
    return round(min(profile.epochs, profile.epochs_along) / share)


def _along(profile: Profile) -> Runs:
    return profile.runs(profile.single("dcnv2"), repeats=profile.repeats, along=profile.epochs_along)


def _findings(profile: Profile) -> Runs:
    """Take what the claims compare, on every data set, as often as the profile repeats it."""
    largest = profile.largest
    compared = [
        *(profile.single(model, factor) for model in profile.models for factor in (1, largest)),
        *(profile.multi(model, largest) for model in profile.models),
        *(profile.single("dcnv2", factor) for factor in profile.factors[1:-1]),
        _large_regularised(profile),
        *(profile.multi("dcnv2", 4, interactions=kind) for kind in ("shared", "aligned")),
    ]
    of_shares = [profile.single("dcnv2", 4), profile.multi("dcnv2", 4)]
    subsets = [
        run
        for share in profile.shares
        for run in profile.runs(*of_shares, repeats=profile.repeats, train_share=share)
    ]
    alike = profile.runs(
        of_shares[0],
        repeats=profile.repeats,
        train_share=EQUAL_STEPS,
        along=steps_alike(profile, EQUAL_STEPS),
    )
    return (*profile.runs(*compared, repeats=profile.repeats), *subsets, *alike, *_along(profile))


def _table_3(profile: Profile) -> list[ModelConfig]:
    # The paper does not say how much is added: twice the cross layers, and two more layers of the MLP.
    more: tuple[dict[str, object], ...] = ({}, {"cross_layers": 8}, {"depth": 5})
    return [profile.single("dcnv2", factor, **settings) for settings in more for factor in (1, 2, 4)]


def _variants(profile: Profile) -> list[ModelConfig]:
    kinds = ("shared", "aligned")
    sets = [int(factor) for factor in profile.factors]
    variants = [profile.multi("dcnv2", M, interactions=kind) for kind in kinds for M in sets if M > 1]
    return [*(profile.multi("dcnv2", M) for M in sets), *variants]


def _cures(profile: Profile) -> Runs:
    """Take single- and multi-embedding of one number of columns, and what is said to help a single one."""
    penalised = [
        profile.single("dcnv2", CURED, table_penalty=kind, table_penalty_weight=weight)
        for kind in ("spectral", "vicreg", "uniformity")
        for weight in (0.01, 0.1)
    ]
    models = [
        profile.single("dcnv2", CURED),
        profile.multi("dcnv2", CURED),
        *(profile.single("dcnv2", CURED, regularised=kind) for kind in ("lambda", "factor")),
        *penalised,
    ]
    return profile.runs(*models, repeats=profile.repeats)


def _none(_: Profile) -> Runs:
    """Take nothing: the item is not made of runs."""
    return ()


def _plain(p: Profile) -> ModelConfig:
    return p.single("dcnv2")


def _large(p: Profile) -> ModelConfig:
    return p.single("dcnv2", p.largest)


def _large_multi(p: Profile) -> ModelConfig:
    return p.multi("dcnv2", p.largest)


def _large_regularised(p: Profile) -> ModelConfig:
    return p.single("dcnv2", p.largest, regularised="lambda")


RECIPES = {
    recipe.item: recipe
    for recipe in (
        Recipe("1a", "test AUC against size, SE, six models", _six_single),
        Recipe("1b", "singular values of DCNv2 at every size", _at_sizes(lambda p: p.factors)),
        Recipe("2", "abundance of the enlarged DCNv2 against random", _once(_large)),
        Recipe("3", "sub-embeddings of DCNv2", _once(_plain)),
        Recipe("4", "the toy experiment", _none),
        Recipe("5a", "abundance, standard against regularised DCNv2", _once(_large, _large_regularised)),
        Recipe("5b", "test AUC and dynamics, standard against regularised DCNv2", _compared(
            lambda p: _single(p, ["dcnv2"]), lambda p: _single(p, ["dcnv2"], regularised="lambda"))),
        Recipe("6a", "abundance, DNN against DCNv2", _once(lambda p: p.single("dnn", p.largest), _large)),
        Recipe("6b", "test AUC against size, DNN and DCNv2", _compared(lambda p: _single(p, ["dnn", "dcnv2"]))),
        Recipe("7", "single- and multi-embedding, a schematic", _none),
        Recipe("8a", "test AUC against size, ME, six models", _six_multi),
        Recipe("8b", "abundance, SE against ME", _once(_large, _large_multi)),
        Recipe("9", "co-influence, SE against ME", _once(_large, _large_multi)),
        Recipe("10a", "diversity of sets, SE split, ME and random", _once(_large, _large_multi)),
        Recipe("10b", "interaction patterns of ME", _once(lambda p: p.multi("dcnv2", 4))),
        Recipe("10c", "test AUC against size, separate, shared and aligned interactions", _compared(_variants)),
        Recipe("10d", "diversity of sets, separate, shared and aligned interactions", _once(
            lambda p: p.multi("dcnv2", 4),
            lambda p: p.multi("dcnv2", 4, interactions="shared"),
            lambda p: p.multi("dcnv2", 4, interactions="aligned"),
            lambda p: p.single("dcnv2", 4))),
        Recipe("11", "singular values of a text model and of DCNv2", _once(_plain)),
        Recipe("12", "test AUC against size, SE and ME, first data set", _of_data(0)),
        Recipe("13", "test AUC against size, SE and ME, second data set", _of_data(1)),
        Recipe("14", "sub-embeddings of FFM", _once(lambda p: p.single("ffm"))),
        Recipe("15", "abundance per column against size, DCNv2", _at_sizes(lambda p: p.halves)),
        Recipe("16", "sub-embeddings, standard against regularised DCNv2", _once(
            _plain, lambda p: p.single("dcnv2", regularised="lambda"))),
        Recipe("17a", "test AUC against size, SE and ME of regularised DCNv2", _compared(
            lambda p: _sizes(p, "dcnv2", regularised="lambda"))),
        Recipe("17b", "test AUC against size, SE and ME of DNN and DCNv2", _compared(
            lambda p: _sizes(p, "dnn"), lambda p: _sizes(p, "dcnv2"))),
        Recipe("table-1", "test AUC of six models at every size, SE and ME, all data sets", _table_1),
        Recipe("table-2", "mean abundance against the share of the data and the size", _table_2),
        Recipe("table-3", "test AUC with more cross layers and a deeper MLP", _compared(_table_3)),
        Recipe("table-4", "what the data sets hold", _none),
        Recipe("table-5", "Table 1 with deviations, first data set", _of_data(0)),
        Recipe("table-6", "Table 1 with deviations, second data set", _of_data(1)),
        Recipe("table-7", "test AUC of AutoInt, SE and ME, to 4x", _compared(
            lambda p: _sizes(p, "autoint", p.factors[:-1]))),
        Recipe("along-training", "abundance and co-influence by epoch, DCNv2; not in the paper", _along),
        Recipe("cures", "cures against collapse: abundance, test AUC, time; not in the paper", _cures),
        Recipe("findings", "the paper's claims, each checked on the runs", _findings),
    )
}  # fmt: skip
"""The recipes by item."""

NEED_NO_RUNS = ("4", "7", "table-4")
"""Items that a study shows without any run."""


def all_items(profile: Profile) -> tuple[str, ...]:
    """Return what ``all`` stands for in a profile, in the paper's order."""
    return tuple(name for name in RECIPES if name in (profile.items or RECIPES))


def runs_of(items: Sequence[str], profile: Profile) -> Runs:
    """Return the runs of some items, each once.

    Parameters
    ----------
    items : sequence of str
        Items of `RECIPES`; ``all`` stands for those of the profile.
    profile : Profile
        The size of the study.

    Returns
    -------
    tuple of RunConfig
        In the order of the items.

    Raises
    ------
    CollapseError
        If there is no such item.
    """
    wanted = [item for word in items for item in (all_items(profile) if word == "all" else (word,))]
    for item in wanted:
        if item not in RECIPES:
            raise CollapseError(f"there is no item {item!r}: it is one of {', '.join(RECIPES)}, or all")
    return tuple(dict.fromkeys(run for item in wanted for run in RECIPES[item].runs(profile)))
