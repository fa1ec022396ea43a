# The public names, each from the module that holds it. lazy_loader reads this file when the package is imported.

from .analysis.activation_monitor import ActivationMonitor
from .analysis.several import compare
from .analysis.settings import AnalysisSettings
from .analysis.diagnosis import diagnose
from .analysis.diversity import set_diversity
from .analysis.dynamics import dynamics
from .analysis.explanation import Explanation
from .analysis.factorised import FactoredTables, factorise
from .analysis.split_gradient import split_gradient
from .measures.angles import diversity, principal_angles, principal_cosines
from .measures.dimensions import effective_rank, participation_ratio, stable_rank
from .measures.random_matrix import random_abundance
from .measures.spectra import singular_values
from .measures.spectral_state import SpectralState, gram_state, merge, spectrum
from .analysis.interaction_patterns import interaction_patterns
from .io.load import load
from .io.readers.selection import Selection
from .analysis.spectrum_monitor import SpectrumMonitor
from .analysis.sub_embeddings import co_influence, sub_embedding_abundance
from .analysis.toy_experiment import toy_experiment
from .analysis.toy_settings import ToySettings
from .api import Truncation, drift, explain, figure, information_abundance, plot, report, segments, train, truncate
from .errors import CollapseError
from .figures.checkpoint_display import CheckpointDisplay
from .figures.report.page import Report
from .io.formats.sample import Format
from .io.readers.state import State
from .paper.catalogue import Entry
from .study.study import Study, StudyRun
from .io.tables import EmbeddingTable, TableSet
from .training.models.config import InteractionConfig, MLPConfig
from .training.models.interaction import Interaction

__version__: str

__all__ = [
    "ActivationMonitor", "AnalysisSettings", "CheckpointDisplay", "CollapseError", "EmbeddingTable", "Entry", "Explanation",
    "FactoredTables", "Format", "Interaction", "InteractionConfig", "MLPConfig", "Report", "Selection", "SpectralState", "SpectrumMonitor",
    "State", "Study", "StudyRun", "TableSet", "ToySettings", "Truncation", "co_influence",
    "compare", "diagnose", "diversity", "drift", "dynamics", "effective_rank", "explain", "factorise", "figure", "gram_state", "information_abundance",
    "interaction_patterns", "load", "merge", "participation_ratio", "plot", "principal_angles", "principal_cosines",
    "random_abundance", "report", "segments", "set_diversity", "singular_values", "spectrum", "split_gradient", "stable_rank",
    "sub_embedding_abundance", "toy_experiment", "train", "truncate",
]  # fmt: skip
