"""Geometry of the report's charts: spectra, abundance next to random tables, and heatmaps of sub-embeddings.

They are drawn by the page itself, not by Matplotlib, so that text keeps its size on a phone, colours follow the
reader's light or dark mode, and a line can be highlighted. Coordinates run from 0 to 100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.factorised import FactoredTable, FactoredTables
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.measures.abundance import normalised_spectrum
from collapse.measures.precision import ABOVE_NOISE

_POINTS = 48
"""Most points of a line: more would not be seen at the width of a page."""
_FLOOR = 1e-4
"""Lowest value of the axis of singular values; smaller ones say only that a direction is not used."""
LEVELS = 32
"""Steps of the heatmap's colours, each a class of the page's style sheet."""
_ROCKET = ("#03051a", "#30173a", "#611f53", "#971c5b", "#cb1b4f", "#ec4c3e", "#f58860", "#f6bc99", "#faebdd")
"""Seaborn's perceptually uniform colour map rocket at nine equal steps: dark is low."""


@dataclass(frozen=True, kw_only=True)
class SpectraAxes:
    """Common axes of all spectra of a page: sigma_k / sigma_1 on a logarithmic scale, by k."""

    floor: float
    """Lowest value."""
    columns: int
    """Largest k."""

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Heights and labels of the powers of ten."""
        powers = range(int(-np.log10(self.floor) + 1e-9) + 1)
        return [(float(self.height(np.array([10.0**-n]))[0]), f"{10.0**-n:g}") for n in powers]

    def height(self, sigma: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return heights from 0 (top, sigma_1) to 100."""
        heights: NDArray[np.floating] = 100 * np.log(np.maximum(sigma, self.floor)) / np.log(self.floor)
        return heights

    def points(self, table: FactoredTable) -> str:
        """Return the points of a table's line, down to its rounding noise."""
        sigma = _drawn(table)
        if not len(sigma):
            return ""
        k = np.arange(len(sigma))
        if len(k) > _POINTS:
            k = np.unique(np.geomspace(1, len(sigma), _POINTS).round().astype(int)) - 1
        x = 100 * k / max(self.columns - 1, 1)
        # One point makes no line.
        ends = [*zip(x, self.height(sigma[k]), strict=True)] * (2 if len(k) == 1 else 1)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in ends)


def spectra_axes(checkpoints: Sequence[FactoredTables]) -> SpectraAxes:
    """Choose axes that fit the spectra of all checkpoints."""
    lowest, columns = 0.1, 1
    for table in (table for each in checkpoints for table in each):
        lowest = min(lowest, float(_drawn(table).min(initial=1)))
        columns = max(columns, len(table.spectrum.values))
    return SpectraAxes(floor=max(_FLOOR, lowest / 1.5), columns=columns)


def _drawn(table: FactoredTable) -> NDArray[np.floating]:
    """Return sigma_k / sigma_1 down to the rounding noise."""
    values = table.spectrum.values
    return normalised_spectrum(values)[values > ABOVE_NOISE * table.noise]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A field's abundance in every checkpoint next to random tables, as fractions of the axis in percent."""

    n: int
    """Number of the field, 0 for the most collapsed."""
    field: str
    """Name of the field."""
    ia: float
    """Information abundance in the last checkpoint."""
    ia_random: float
    """Mean of random tables, for the last checkpoint."""
    places: tuple[tuple[int, float], ...]
    """Number of each checkpoint that has the field, and the place of its abundance."""
    random: float
    """Place of the random mean."""


def bars(fields: pd.DataFrame, earlier: Sequence[Mapping[str, float]], most: int) -> list[Bar]:
    """Return the abundance of the most collapsed fields.

    Parameters
    ----------
    fields : pandas.DataFrame
        Diagnosis of the last checkpoint, in the page's order.
    earlier : sequence of mapping of str to float
        Abundance by field in the earlier checkpoints, the earliest first.
    most : int
        Most fields to return.
    """
    shown = fields.head(most)
    names = set(shown["field"])
    values = [value for of in earlier for name, value in of.items() if name in names]
    end = max([float(shown["ia_random"].max()), float(shown["ia"].max()), *values]) or 1.0
    found = []
    for n, row in enumerate(shown.to_dict("records")):
        before = [(number, of[row["field"]]) for number, of in enumerate(earlier) if row["field"] in of]
        places = [*before, (len(earlier), row["ia"])]
        found.append(
            Bar(
                n=n,
                field=row["field"],
                ia=row["ia"],
                ia_random=row["ia_random"],
                places=tuple((number, 100 * value / end) for number, value in places),
                random=100 * row["ia_random"] / end,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """IA(E_i^{->j}) of pairs of fields: rows are fields i and columns fields j, both by abundance."""

    numbers: list[int]
    """Numbers of the fields."""
    fields: list[str]
    """Their names."""
    ia: list[list[float | None]]
    """The abundance; None if the model has no E_i^{->j}."""
    levels: list[list[int | None]]
    """Its colour, from 0 to `LEVELS` - 1."""
    low: float
    """Abundance of the first colour."""
    high: float
    """Abundance of the last colour."""


def heatmap(checkpoint: FactoredTables, numbers: Mapping[str, int], most: int) -> Heatmap:
    """Compute the heatmap of a checkpoint with interaction weights.

    Parameters
    ----------
    checkpoint : FactoredTables
        The checkpoint.
    numbers : mapping of str to int
        Numbers of the fields on the page.
    most : int
        Most fields; of more, the least abundant ones are shown.
    """
    pairs = sub_embedding_abundance(checkpoint, layer=checkpoint.settings.layer)
    by_abundance = pairs.drop_duplicates("source").sort_values("ia_source", kind="stable")["source"]
    names = [name for name in by_abundance if name in numbers][:most]
    matrix = pairs.pivot_table(index="source", columns="target", values="ia", dropna=False)
    ia = matrix.reindex(index=names, columns=names).to_numpy(dtype=float)
    low, high = float(np.nanmin(ia)), float(np.nanmax(ia))
    scaled = (ia - low) / (high - low if high > low else 1) * (LEVELS - 1)
    return Heatmap(
        numbers=[numbers[name] for name in names],
        fields=names,
        ia=[[round(value, 3) if np.isfinite(value) else None for value in row] for row in ia.tolist()],
        levels=[[round(value) if np.isfinite(value) else None for value in row] for row in scaled.tolist()],
        low=low,
        high=high,
    )


def heat_colours() -> list[str]:
    """Return the heatmap's colours, from low to high, as CSS."""
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in _ROCKET], dtype=float)
    places = np.linspace(0, len(stops) - 1, LEVELS)
    channels = [np.interp(places, range(len(stops)), stops[:, channel]) for channel in range(3)]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.stack(channels, axis=1).round().astype(int).tolist()]
