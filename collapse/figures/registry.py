"""The figures that there are, by their number in the paper."""

from collapse.errors import CollapseError
from collapse.figures.abundance import AbundanceDisplay
from collapse.figures.abundance_per_k import AbundancePerKDisplay
from collapse.figures.along_training import AlongTrainingDisplay
from collapse.figures.auc_by_size import (
    DeepAndCrossAucDisplay,
    DeepAndCrossSetsDisplay,
    FirstDataDisplay,
    MultiDisplay,
    RegularisedAucDisplay,
    SecondDataDisplay,
    SingleDisplay,
    VariantAucDisplay,
)
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.comparison import DeepAndCrossDisplay, RegularisationDisplay, SetsDisplay
from collapse.figures.display import Display
from collapse.figures.diversity import DiversityDisplay, VariantDiversityDisplay
from collapse.figures.heatmaps import HeatmapsDisplay
from collapse.figures.marginals import MarginalsDisplay
from collapse.figures.patterns import PatternDisplay
from collapse.figures.regularisation import DynamicsDisplay
from collapse.figures.schematic import SchematicDisplay
from collapse.figures.spectrum import SpectrumDisplay
from collapse.figures.sub_embeddings import (
    FFMDisplay,
    HeatmapDisplay,
    SourceSumsDisplay,
    SubEmbeddingDisplay,
    TargetSumsDisplay,
)
from collapse.figures.text_model import TextModelDisplay
from collapse.figures.toy import ToyDisplay

DISPLAYS: dict[str, type[CheckpointDisplay]] = {
    display.number: display
    for display in (
        SpectrumDisplay,
        AbundanceDisplay,
        SubEmbeddingDisplay,
        HeatmapDisplay,
        SourceSumsDisplay,
        TargetSumsDisplay,
        ToyDisplay,
        RegularisationDisplay,
        DeepAndCrossDisplay,
        SetsDisplay,
        MarginalsDisplay,
        DiversityDisplay,
        PatternDisplay,
        VariantDiversityDisplay,
        TextModelDisplay,
        FFMDisplay,
        AbundancePerKDisplay,
        HeatmapsDisplay,
    )
}
"""Those of checkpoints."""
STUDY_DISPLAYS: dict[str, type[Display]] = {
    display.number: display
    for display in (
        SingleDisplay,
        DynamicsDisplay,
        SchematicDisplay,
        DeepAndCrossAucDisplay,
        MultiDisplay,
        VariantAucDisplay,
        FirstDataDisplay,
        SecondDataDisplay,
        RegularisedAucDisplay,
        DeepAndCrossSetsDisplay,
        AlongTrainingDisplay,
    )
}
"""Those of many runs, and the schematic, which a study shows without any."""


def display_of(number: str) -> type[CheckpointDisplay]:
    """Find the display of a figure of checkpoints.

    Parameters
    ----------
    number : str
        The figure's number, such as ``1b``.

    Returns
    -------
    type of Display
        Its class.

    Raises
    ------
    CollapseError
        If there is none; the sentence lists those that there are.
    """
    if number in STUDY_DISPLAYS:
        raise CollapseError(
            f"figure {number} is of many runs: `collapse figures STUDY --figure {number}` draws it"
        )
    if number not in DISPLAYS:
        listed = "; ".join(f"{known} ({display.content})" for known, display in DISPLAYS.items())
        raise CollapseError(f"there is no figure {number!r}; there are {listed}")
    return DISPLAYS[number]
