"""Figure 10b: interaction patterns ||W_{i->j}^{(m)}||_F, one heatmap per set."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.interaction_patterns import interaction_patterns
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.display import PanelLayout, in_rows

_ACROSS = 2


class PatternDisplay(CheckpointDisplay):
    """||W_{i->j}^{(m)}||_F of every pair, with a common colour scale for all sets."""

    columns = ("set", "source", "target", "norm", "divergence")
    size = (style.PAGE, 2.2)
    takes_one = True

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the norm of every map."""
        frame = interaction_patterns(checkpoint.tables, layer=checkpoint.settings.layer)
        return frame.assign(divergence=frame.attrs["divergence"])

    @property
    def here(self) -> str:
        """How much the sets' patterns differ."""
        divergence = float(self.table["divergence"].iloc[0])
        return (
            f"their norms deviate between the sets by {divergence:.1%} of the mean norm"
            if divergence >= 0
            else "all norms are 0"
        )

    def layout(self) -> PanelLayout:
        """Return several sets per row."""
        sets = [str(each) for each in self.table["set"].unique()]
        mosaic = in_rows(sets, _ACROSS)
        return PanelLayout(mosaic=mosaic, size=(3.4 * len(mosaic[0]), 3.4 * len(mosaic) + 0.3))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one heatmap per set."""
        fields = list(self.table["source"].unique())
        low, high = self.table["norm"].min(), self.table["norm"].max()
        for number, (ax, (m, of_set)) in enumerate(zip(axes, self.table.groupby("set", sort=True), strict=True)):
            matrix = of_set.pivot_table(index="target", columns="source", values="norm", dropna=False)
            sns.heatmap(
                matrix.loc[fields, fields],
                ax=ax,
                cmap=style.HEAT,
                vmin=low,
                vmax=high,
                square=True,
                xticklabels=1,
                yticklabels=1 if number % _ACROSS == 0 else [],
                cbar=False,
            )
            ax.tick_params(labelsize=5, length=1)
            ax.set(
                xlabel="field i", ylabel="field j" if number % _ACROSS == 0 else "", title=f"set {int(str(m)) + 1}"
            )
        label = r"$\|W_{i\to j}^{(m)}\|_F$"
        style.colour_bar(axes, axes[0].collections[0], rows=len(self.layout().mosaic), label=label)
