"""The runs of the paper's items: each recipe is a function from a profile to runs."""

from collections.abc import Callable, Sequence

from collapse.paper.profiles import Profile
from collapse.training.models.config import ModelConfig
from collapse.training.runs.config import RunConfig

Runs = tuple[RunConfig, ...]

EQUAL_STEPS = 0.1
"""Fraction of the training rows, for comparing fewer rows at equal steps."""
CURES_FACTOR = 4
"""Size at which remedies are compared, relative to the base size."""


def sizes(profile: Profile, model: str, multiples: Sequence[float] = (), **settings: object) -> list[ModelConfig]:
    """Return SE at every factor (by default the profile's), and ME with as many sets for factors above 1."""
    multiples = multiples or profile.multiples
    single = [profile.single(model, factor, **settings) for factor in multiples]
    return single + [profile.multi(model, int(factor), **settings) for factor in multiples if factor > 1]


def single(profile: Profile, models: Sequence[str], **settings: object) -> list[ModelConfig]:
    """Return SE of some models at every factor of the profile."""
    return [profile.single(model, factor, **settings) for model in models for factor in profile.multiples]


def table_1(profile: Profile) -> Runs:
    """Return SE and ME of the profile's models at every size, on every data set."""
    models = [model for name in profile.models for model in sizes(profile, name)]
    return profile.runs(*models, repeats=profile.repeats)


def six_single(profile: Profile) -> Runs:
    """Return SE of the six models at every size, on the first data set."""
    return profile.runs(*single(profile, profile.models), data=profile.data[:1], repeats=profile.repeats)


def six_multi(profile: Profile) -> Runs:
    """Return ME of the six models with every number of sets, on the first data set."""
    models = [profile.multi(name, int(sets)) for name in profile.models for sets in profile.multiples]
    return profile.runs(*models, data=profile.data[:1], repeats=profile.repeats)


def of_data(n: int) -> Callable[[Profile], Runs]:
    """Return Table 1's runs on the data set with index n, if there is one."""

    def runs(profile: Profile) -> Runs:
        return tuple(run for run in table_1(profile) if run.data in profile.data[n : n + 1])

    return runs


def once(*models: Callable[[Profile], ModelConfig]) -> Callable[[Profile], Runs]:
    """Return single runs of some models on the first data set."""

    def runs(profile: Profile) -> Runs:
        return profile.runs(*(model(profile) for model in models), data=profile.data[:1])

    return runs


def at_sizes(multiples: Callable[[Profile], Sequence[float]]) -> Callable[[Profile], Runs]:
    """Return single runs of DCNv2 at some sizes on the first data set."""

    def runs(profile: Profile) -> Runs:
        models = [profile.single("dcnv2", factor) for factor in multiples(profile)]
        return profile.runs(*models, data=profile.data[:1])

    return runs


def compared(*models: Callable[[Profile], list[ModelConfig]]) -> Callable[[Profile], Runs]:
    """Return runs of models on the first data set, repeated as the profile says."""

    def runs(profile: Profile) -> Runs:
        of_all = [config for of in models for config in of(profile)]
        return profile.runs(*of_all, data=profile.data[:1], repeats=profile.repeats)

    return runs


def table_2(profile: Profile) -> Runs:
    """Return DCNv2 at several sizes on fractions of the rows."""
    models = [*(profile.single("dcnv2", factor) for factor in profile.halves), profile.multi("dcnv2", 4)]
    return tuple(
        run
        for fraction in profile.fractions
        for run in profile.runs(*models, data=profile.data[:1], train_share=fraction)
    )


def steps_alike(profile: Profile, fraction: float) -> int:
    """Return the epochs on a fraction of the rows with as many steps as a run that is measured during training."""
    return round(min(profile.epochs, profile.epochs_along) / fraction)


def along(profile: Profile) -> Runs:
    """Return DCNv2 at its base size, measured during training."""
    return profile.runs(profile.single("dcnv2"), repeats=profile.repeats, along=profile.epochs_along)


def findings(profile: Profile) -> Runs:
    """Return the runs that the claims compare, on every data set, repeated as the profile says."""
    largest = profile.largest
    compared = [
        *(profile.single(model, factor) for model in profile.models for factor in (1, largest)),
        *(profile.multi(model, largest) for model in profile.models),
        *(profile.single("dcnv2", factor) for factor in profile.multiples[1:-1]),
        large_regularised(profile),
        *(profile.multi("dcnv2", 4, interactions=kind) for kind in ("shared", "aligned")),
    ]
    of_fractions = [profile.single("dcnv2", 4), profile.multi("dcnv2", 4)]
    subsets = [
        run
        for fraction in profile.fractions
        for run in profile.runs(*of_fractions, repeats=profile.repeats, train_share=fraction)
    ]
    alike = profile.runs(
        of_fractions[0],
        repeats=profile.repeats,
        train_share=EQUAL_STEPS,
        along=steps_alike(profile, EQUAL_STEPS),
    )
    return (*profile.runs(*compared, repeats=profile.repeats), *subsets, *alike, *along(profile))


def table_3(profile: Profile) -> list[ModelConfig]:
    """Return DCNv2 with more cross layers, and with a deeper MLP, at three sizes."""
    # The paper does not say how many are added: here twice the cross layers, and two more layers of the MLP.
    more: tuple[dict[str, object], ...] = ({}, {"cross_layers": 8}, {"depth": 5})
    return [profile.single("dcnv2", factor, **settings) for settings in more for factor in (1, 2, 4)]


def variants(profile: Profile) -> list[ModelConfig]:
    """Return ME with separate, shared and aligned interactions."""
    kinds = ("shared", "aligned")
    sets = [int(factor) for factor in profile.multiples]
    variants = [profile.multi("dcnv2", M, interactions=kind) for kind in kinds for M in sets if M > 1]
    return [*(profile.multi("dcnv2", M) for M in sets), *variants]


def cures(profile: Profile) -> Runs:
    """Return single- and multi-embedding models with equal numbers of columns, and remedies."""
    penalised = [
        profile.single("dcnv2", CURES_FACTOR, table_penalty=kind, table_penalty_weight=weight)
        for kind in ("spectral", "vicreg", "uniformity")
        for weight in (0.01, 0.1)
    ]
    models = [
        profile.single("dcnv2", CURES_FACTOR),
        profile.multi("dcnv2", CURES_FACTOR),
        *(profile.single("dcnv2", CURES_FACTOR, regularised=kind) for kind in ("lambda", "factor")),
        *penalised,
    ]
    return profile.runs(*models, repeats=profile.repeats)


def none(_: Profile) -> Runs:
    """Return no runs."""
    return ()


def plain(p: Profile) -> ModelConfig:
    """Return DCNv2 at its base size."""
    return p.single("dcnv2")


def large(p: Profile) -> ModelConfig:
    """Return DCNv2 at the profile's largest size."""
    return p.single("dcnv2", p.largest)


def large_multi(p: Profile) -> ModelConfig:
    """Return ME of DCNv2 with the profile's largest number of sets."""
    return p.multi("dcnv2", p.largest)


def large_regularised(p: Profile) -> ModelConfig:
    """Return regularised DCNv2 at the profile's largest size."""
    return p.single("dcnv2", p.largest, regularised="lambda")
