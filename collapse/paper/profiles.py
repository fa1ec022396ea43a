"""Sizes of studies: the data, base size, epochs and repetitions that recipes are filled with."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta

from collapse.bounds import Fraction, Seed
from collapse.errors import CollapseError
from collapse.printable import counted
from collapse.settings import Settings, parse_word, require
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import interaction_class, model_config, model_settings
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds, with_settings

PATIENCE = RunConfig.patience
SIX = ("dnn", "ipnn", "nfwfm", "xdeepfm", "dcnv2", "finalmlp")
"""Models of Table 1."""
FUSION_HEADS = "finalmlp,fusion_heads=50"
"""FinalMLP's setting in studies of few steps, after which it is worse than a constant with one head (see
`FinalMLP`)."""


Few = Annotated[int, Meta(ge=1, le=1000)]
Many = Annotated[int, Meta(ge=1, le=1_000_000)]
Multiple = Annotated[float, Meta(gt=0, le=1_000_000, description="greater than 0 and at most 1,000,000")]


@dataclass(frozen=True, kw_only=True)
class Profile(Settings):
    """The size of a study."""

    name: str
    """Name of the profile."""
    content: str
    """Description, for help and captions."""
    data: tuple[str, ...]
    """The data sets. Items about one data set use the first."""
    base_size: Many | None = None
    """Embedding size K at 1x; None for the paper's 10, or the model's own."""
    repeats: Few = 1
    """Initialisations of every run whose test AUC is compared."""
    epochs: Many = 50
    """Maximum number of epochs; early stopping may end a run before."""
    batch_size: Many = 2048
    """Rows per step."""
    rows: Fraction = 1.0
    """Largest fraction of the training rows that any run uses."""
    models: tuple[str, ...] = SIX
    """Models of Table 1 and of figures of several models."""
    multiples: tuple[Multiple, ...] = (1, 2, 3, 4, 10)
    """Sizes relative to the base size, in Table 1 and most figures; the last is "enlarged"."""
    halves: tuple[Multiple, ...] = (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4)
    """Sizes relative to the base size, in Table 2 and Figure 15: K = 5 to 40 for a base size of 10."""
    fractions: tuple[Multiple, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    """Fractions of the training rows in Table 2."""
    epochs_along: Many = 20
    """Epochs of the runs that are measured during training."""
    items: tuple[str, ...] = ()
    """Items that ``all`` means; empty for every figure and table."""
    settings: tuple[str, ...] = ()
    """Other settings of every run, each as ``key=value``, such as ``precision=bf16``."""
    model_settings: tuple[str, ...] = ()
    """Settings of single models, each as ``model,key=value``."""
    initialisations: tuple[Seed, ...] = ()
    """Seeds of the initialisations; empty for 0, 1, and so on."""
    enlarged: Few | None = None
    """Size of an enlarged model relative to the base size; None for the largest of `multiples`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("data", "models", "multiples", "halves", "fractions"):
            require(bool(getattr(self, name)), f"{name} must not be empty")

    @property
    def largest(self) -> int:
        """Size of an enlarged model relative to the base size, and its number of sets in ME."""
        return self.enlarged or max(int(self.multiples[-1]), 1)

    @property
    def is_inferred(self) -> bool:
        """Whether the profile describes runs that are there, rather than runs to train."""
        return not self.name

    @property
    def summary(self) -> str:
        """Description of the size for captions."""
        base = f"K = {self.base_size}" if self.base_size else "the paper's K"
        repeats = (
            "one initialisation" if self.repeats == 1 else f"{self.repeats} initialisations of each compared run"
        )
        rows = f"{self.rows:.3g} of the training rows, " if self.rows < 1 else ""
        steps = f"at most {counted(self.epochs, 'epoch')} of batches of {self.batch_size}"
        sizes = f"enlarged {self.largest}x" if self.largest > 1 or not self.is_inferred else "no size enlarged"
        settings = "".join(f", {word}" for word in self.settings)
        name = f" (profile {self.name})" if self.name else f"; {self.content}".rstrip("; ")
        return f"{base} at 1x, {sizes}, {rows}{steps}, {repeats}{settings}{name}"

    def single(self, model: str, factor: float = 1, **settings: object) -> ModelConfig:
        """Return a single-embedding (SE) model: one set of a multiple of the base size."""
        size = max(round(self._base(model) * factor), 1)
        return model_config(model, embedding_size=size, **{**self._settings(model), **settings})

    def multi(self, model: str, sets: int, **settings: object) -> ModelConfig:
        """Return a multi-embedding (ME) model: several sets of the base size; SE for one set."""
        of_model = {**self._settings(model), **settings}
        return model_config(model, embedding_size=self._base(model), sets=sets, **of_model)

    def runs(
        self,
        *models: ModelConfig,
        data: tuple[str, ...] | None = None,
        repeats: Few = 1,
        train_share: float = 1.0,
        along: int | None = None,
    ) -> tuple[RunConfig, ...]:
        """Return the runs of some models on every data set, with several initialisations.

        With `along`, runs do that many epochs without early stopping.
        """
        # Runs that are measured along the way never stop early.
        words = [word for word in self.settings if not (along and word.startswith("patience="))]
        return tuple(
            with_settings(
                RunConfig(
                    data=of,
                    model=model,
                    optimiser=OptimiserConfig(batch_size=self.batch_size),
                    epochs=along or self.epochs,
                    patience=along or PATIENCE,
                    train_share=train_share * self.rows,
                    seeds=Seeds(initialisation=seed),
                ),
                words,
            )
            for of in (data or self.data)
            for model in models
            for seed in (self.initialisations or range(repeats))[:repeats]
        )

    def _settings(self, model: str) -> dict[str, Any]:
        known = model_settings(interaction_class(model))
        words = (word.split(",", 1) for word in self.model_settings)
        return dict(parse_word(known, setting, of=model) for name, setting in words if name == model)

    def _base(self, model: str) -> int:
        return self.base_size or interaction_class(model).config_class.base_size


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="smoke",
            content="every item once: 5 % of the flights and a set of Avazu's shape, K = 4 at 1x",
            data=("flights:0.05", "synthetic-avazu:0.0003"),
            base_size=4,
            epochs=2,
            # Collapse grows with the steps: 204 steps of 64 rows show what 51 of 256 hardly do, in about the same
            # time.
            batch_size=64,
            multiples=(1, 4, 10),
            halves=(0.5, 1, 2, 4),
            fractions=(0.1, 0.3, 1.0),
            epochs_along=8,
            model_settings=(FUSION_HEADS,),
        ),
        Profile(
            name="small",
            content="10 % of the flights and a set of Criteo's shape, K = 4 at 1x, five initialisations",
            data=("flights:0.1", "synthetic-criteo:0.001"),
            base_size=4,
            repeats=5,
            epochs=2,
            batch_size=64,
            multiples=(1, 2, 4, 10),
            model_settings=(FUSION_HEADS,),
        ),
        Profile(
            name="flights",
            content="all flights at the paper's settings: DCNv2 and DNN, 1x and 4x, five initialisations",
            data=("flights",),
            repeats=5,
            models=("dnn", "dcnv2"),
            multiples=(1, 4),
            halves=(0.5, 1, 2, 4),
            fractions=(0.1, 0.3, 1.0),
            epochs_along=4,
            # Everything that the runs of the findings show, and items with a few more cheap runs.
            items=(
                "findings",
                "1a",
                "1b",
                "2",
                "3",
                "4",
                "5a",
                "6a",
                "6b",
                "7",
                "8a",
                "8b",
                "9",
                "10a",
                "10b",
                "10c",
                "10d",
                "11",
                "12",
                "15",
                "16",
                "17b",
                "table-1",
                "table-4",
                "table-5",
                "along-training",
            ),
        ),
        Profile(
            name="paper",
            content="the paper's grid on Criteo and Avazu, prepared in data/criteo and data/avazu",
            data=("data/criteo", "data/avazu"),
            repeats=3,
        ),
    )
}


def profile_of(
    name: str,
    *,
    data: tuple[str, ...] = (),
    repeats: Few | None = None,
    base_size: Many | None = None,
    rows: Fraction | None = None,
    epochs: Many | None = None,
    batch_size: Many | None = None,
    settings: tuple[str, ...] = (),
) -> Profile:
    """Return a profile with some settings changed.

    Parameters
    ----------
    name : str
        ``smoke``, ``small``, ``flights`` or ``paper``.
    data : tuple of str
        Data sets to use instead of the profile's.
    repeats, base_size : int, optional
        Numbers to use instead of the profile's.
    rows : float, optional
        Fraction of the training rows to use instead of the profile's.
    epochs, batch_size : int, optional
        Most epochs and rows per step, instead of the profile's.
    settings : tuple of str
        Other settings of every run, each as ``key=value``.

    Raises
    ------
    CollapseError
        If the profile does not exist, or a number is out of bounds.
    """
    if name not in PROFILES:
        raise CollapseError(f"unknown profile {name!r}: the profiles are {', '.join(PROFILES)}")
    asked: dict[str, Any] = {"data": data or None, "repeats": repeats, "base_size": base_size, "rows": rows}
    usual = PROFILES[name]
    asked |= {"epochs": epochs, "batch_size": batch_size, "settings": settings or None}
    asked["epochs_along"] = None if epochs is None else min(epochs, usual.epochs_along)
    profile = replace(usual, **{key: value for key, value in asked.items() if value is not None})
    with_settings(RunConfig(), profile.settings)
    return profile
