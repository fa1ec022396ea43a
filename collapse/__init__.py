"""Spectral diagnostics for the embedding tables of recommender models.

The measures, the two functions that most people need, and what a model of one's own is made of are here; the rest
is in `collapse.analysis`, `collapse.training` and `collapse.figures`. Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collapse.analysis.choices import Choices
    from collapse.analysis.diagnosis import diagnose
    from collapse.analysis.measures.abundance import information_abundance
    from collapse.analysis.measures.angles import diversity, principal_angles, principal_cosines
    from collapse.analysis.measures.random_matrix import random_abundance
    from collapse.analysis.measures.spectra import singular_values
    from collapse.analysis.readers import load
    from collapse.analysis.spectrum_monitor import SpectrumMonitor
    from collapse.errors import CollapseError
    from collapse.training.models.config import InteractionConfig, MLPConfig
    from collapse.training.models.interaction import Interaction

_HOMES = {
    "Choices": "collapse.analysis.choices",
    "CollapseError": "collapse.errors",
    "Interaction": "collapse.training.models.interaction",
    "InteractionConfig": "collapse.training.models.config",
    "MLPConfig": "collapse.training.models.config",
    "SpectrumMonitor": "collapse.analysis.spectrum_monitor",
    "diagnose": "collapse.analysis.diagnosis",
    "diversity": "collapse.analysis.measures.angles",
    "information_abundance": "collapse.analysis.measures.abundance",
    "load": "collapse.analysis.readers",
    "principal_angles": "collapse.analysis.measures.angles",
    "principal_cosines": "collapse.analysis.measures.angles",
    "random_abundance": "collapse.analysis.measures.random_matrix",
    "singular_values": "collapse.analysis.measures.spectra",
}

__all__ = [
    "Choices",
    "CollapseError",
    "Interaction",
    "InteractionConfig",
    "MLPConfig",
    "SpectrumMonitor",
    "diagnose",
    "diversity",
    "information_abundance",
    "load",
    "principal_angles",
    "principal_cosines",
    "random_abundance",
    "singular_values",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'collapse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
