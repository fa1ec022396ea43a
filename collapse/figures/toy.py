"""Figure 4: IA(E_1) during the toy experiment, with a low-rank and a full-rank partner."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.toy_experiment import toy_experiment
from collapse.analysis.toy_settings import ToySettings
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay, Keep, computed


class ToyDisplay(CheckpointDisplay):
    """IA(E_1) by iteration, one colour per case: the mean over the seeds and their range."""

    columns = ("case", "cardinality_3", "seed", "iteration", "ia", "ia_random")
    size = (style.COLUMN, 2.6)

    @classmethod
    def from_checkpoints(
        cls,
        checkpoints: Sequence[FactoredTables],  # noqa: ARG003
        keep: Keep = computed,  # noqa: ARG003
    ) -> "ToyDisplay":
        """Run the experiment with Appendix G's settings, whatever the checkpoints are."""
        return cls.without_runs()

    @classmethod
    def without_runs(cls) -> "ToyDisplay":
        """Run the experiment with Appendix G's settings."""
        settings = ToySettings()
        return cls.from_table(toy_experiment(settings), settings)

    @classmethod
    def from_table(cls, table: pd.DataFrame, settings: ToySettings) -> "ToyDisplay":
        """Take the measurements of an experiment.

        Parameters
        ----------
        table : pandas.DataFrame
            Result of `toy_experiment`.
        settings : ToySettings
            Settings of the experiment, for the caption.

        Returns
        -------
        ToyDisplay
            The figure, ready to be drawn.
        """
        return cls(table.assign(**{f"setting_{key}": value for key, value in vars(settings).items()}))

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:  # noqa: ARG003
        """Run the experiment with Appendix G's settings."""
        return toy_experiment()

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return mean, minimum and maximum of IA over the seeds."""
        grouped = self.table.groupby(["case", "cardinality_3", "iteration"], sort=False)["ia"]
        return {"seeds": grouped.agg(["mean", "min", "max"]).reset_index()}

    @property
    def here(self) -> str:
        """Where the two cases end."""
        last = self.derived["seeds"].groupby("cardinality_3", sort=False)["mean"].last()
        ends = " and ".join(f"{mean:.2f} with D_3 = {D_3}" for D_3, mean in last.items())
        random = self.table["ia_random"].iloc[0]
        return f"IA(E_1) ends at {ends}; random tables have {random:.2f}"

    @property
    def provenance(self) -> str:
        """Meaning of lines and bands, and the settings."""
        settings = self.table.filter(regex="^setting_").iloc[0]
        return (
            "lines are means over the seeds, and bands reach from the smallest to the largest value\n"
            + ", ".join(f"{str(name).removeprefix('setting_')} {value:g}" for name, value in settings.items())
        )

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a line and a band per case, and the level of random tables."""
        (ax,) = axes
        cases = list(self.derived["seeds"].groupby(["case", "cardinality_3"], sort=False))
        handles = []
        for ((case, D_3), of_case), colour in zip(cases, style.colours(len(cases)), strict=True):
            x = of_case["iteration"]
            ax.fill_between(x, of_case["min"], of_case["max"], color=colour, alpha=0.2, lw=0)
            handles += ax.plot(x, of_case["mean"], color=colour, label=f"{case}: $D_3$ = {D_3}")
        handles.append(
            ax.axhline(
                self.table["ia_random"].iloc[0], color=style.REFERENCE, ls="--", lw=0.8, label="random table"
            )
        )
        ax.set(xlabel="iteration", ylabel=r"$\mathrm{IA}(E_1)$", xlim=(0, self.table["iteration"].max()))
        ax.grid(visible=True)
        style.legend_above(ax, handles, columns=3)
