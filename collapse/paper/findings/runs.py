"""The finished runs of a study on one data set, by model."""

from dataclasses import dataclass, field

from collapse.paper.profiles import Profile
from collapse.paper.recipes import steps_alike
from collapse.study.finder import Finder
from collapse.study.study import StudyRun
from collapse.training.models.config import ModelConfig
from collapse.training.runs.config import RunConfig


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs that the claims compare."""

    finder: Finder
    """Finds runs in the study."""
    profile: Profile
    """Profile of the study."""
    data: str
    """The data set, one of the profile's."""
    asked: list[RunConfig] = field(default_factory=list)
    """All runs of the profile."""
    used: list[StudyRun] = field(default_factory=list)
    """The finished runs that were returned, which may occur several times."""

    def of(self, *models: ModelConfig) -> list[tuple[StudyRun, ...]]:
        """Return the finished runs of some models, one tuple per initialisation that all of them have.

        Returns
        -------
        list of tuple of StudyRun
            In the order of the initialisations, each in the order of `models`.
        """
        return self.at(*((model, 1.0) for model in models))

    def at(self, *wanted: tuple[ModelConfig, float]) -> list[tuple[StudyRun, ...]]:
        """Return the same for pairs of models and fractions of the training rows."""
        return self._finished(
            list(zip(*(self._configs(model, fraction) for model, fraction in wanted), strict=True))
        )

    def at_equal_steps(self, model: ModelConfig, fraction: float) -> list[tuple[StudyRun, ...]]:
        """Return a model trained on all rows, and on a fraction of them for as many more epochs, as `at` does."""
        epochs = steps_alike(self.profile, fraction)
        pairs = zip(self._configs(model, 1.0), self._configs(model, fraction, epochs), strict=True)
        return self._finished(list(pairs))

    def along(self, model: ModelConfig) -> list[StudyRun]:
        """Return the finished runs of a model that were measured during training."""
        return [
            run
            for (run,) in self._finished(
                [(config,) for config in self._configs(model, 1.0, self.profile.epochs_along)]
            )
        ]

    def _configs(self, model: ModelConfig, fraction: float, along: int | None = None) -> tuple[RunConfig, ...]:
        repeats = self.profile.repeats
        return self.profile.runs(model, data=(self.data,), repeats=repeats, train_share=fraction, along=along)

    def _finished(self, by_seed: list[tuple[RunConfig, ...]]) -> list[tuple[StudyRun, ...]]:
        self.asked.extend(config for configs in by_seed for config in configs)
        # Where no size is larger than 1x, an enlarged model is the one that it would be compared with.
        by_seed = [configs for configs in by_seed if len(set(configs)) == len(configs)]
        planned = [self.finder.find(configs) for configs in by_seed]
        found = [
            tuple(StudyRun(run.path) for run in runs)
            for runs in planned
            if all(run.state == "finished" for run in runs)
        ]
        self.used.extend(run for together in found for run in together)
        return found
