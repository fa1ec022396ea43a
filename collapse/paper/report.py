"""The report on a checkpoint: one HTML page without other files or network access."""

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import NDArray

from collapse.analysis.advice import NOTHING, advice
from collapse.analysis.diagnosis import COLUMNS, registered_measures
from collapse.analysis.explanation import causes_text
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.segments import affected
from collapse.analysis.verdicts import Degree
from collapse.analysis.words import heading, model_warning, summary, untouched_text, worst_first, zero_rows
from collapse.figures.svg import picture
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors
from collapse.glossary import glossary
from collapse.measures.abundance import normalised_spectrum
from collapse.paper.making import display_of

_ADVISED = 12
"""Most fields that get advice; the table has all."""
_WIDTH, _HEIGHT = 100, 22
"""Size of a small spectrum."""
_TERMS = (
    "Information abundance",
    "IA / random",
    "Adjusted abundance",
    "Collapsed",
    "Direction",
    "Set",
    "Sub-embedding",
)
"""The terms that the page explains, as in the glossary."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the page."""

    title: str
    """Its title."""
    said: str
    """What to read off it."""
    figure: str
    """Its number in the paper."""
    source: str = ""
    """Its ``data:`` URL, once it is drawn."""


_ABUNDANCE = Picture(
    figure="2",
    title="Information abundance compared with random tables",
    said="A point is the information abundance of a field: the sum of its table's singular values divided by "
    "the largest. The grey level above it is the mean of random tables of the same shape. The longer the "
    "line between them, the more collapsed the field.",
)
_SPECTRA = Picture(
    figure="1b",
    title="Singular values of every field",
    said="One line per field. A line that falls steeply belongs to a table with few directions that matter, "
    "whatever its number of columns.",
)
_HEATMAP = Picture(
    figure="3a",
    title="Sub-embeddings",
    said="How much abundance is left when field i interacts with field j, with fields in the order of "
    "abundance. A dark column is a field j that reduces the abundance of all others.",
)


def write_report(
    factored: FactoredTables,
    fields: pd.DataFrame,
    path: Path,
    *,
    command: str,
    json: str,
    segments: pd.DataFrame | None = None,
) -> Path:
    """Write the page.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    fields : pandas.DataFrame
        Its diagnosis.
    path : Path
        The file to write.
    command : str
        Command that makes the page again.
    json : str
        The numbers for programs, which are embedded in the page.
    segments : pandas.DataFrame, optional
        Result of `collapse.analysis.segments.diagnose_segments`.

    Raises
    ------
    CollapseError
        If the page cannot be written, or a figure cannot be drawn.
    """
    page = Environment(
        loader=PackageLoader("collapse.figures"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page.filters["code"] = _code
    tables = factored.tables
    first, depends = heading(factored)
    ordered = worst_first(fields, ())
    text = page.get_template("report.html").render(
        tables=tables,
        heading=first,
        depends=depends,
        sentence=summary(fields),
        rows=_rows(factored, ordered),
        terms={term: text for term, text in glossary().items() if term in _TERMS},
        has_seen=bool(fields["rows_trained"].notna().any()),
        warning=model_warning(tables),
        todo=(todo := _todo(factored, ordered))[:_ADVISED],
        left_out=max(0, len(todo) - _ADVISED),
        zero=zero_rows(factored),
        untouched=untouched_text(factored),
        pictures=_pictures(factored),
        segments=[] if segments is None else _segments(segments),
        affected=None if segments is None else affected(segments),
        columns={**COLUMNS, **dict.fromkeys(own := registered_measures(), "a measure of another package")},
        own=list(own),
        settings=vars(factored.settings),
        command=command,
        # Nothing in the JSON may end the element that contains it.
        json=json.replace("<", "\\u003c"),
        version=version("embedding-collapse"),
    )
    with explain_os_errors("write", path), atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return path


def _rows(factored: FactoredTables, fields: pd.DataFrame) -> list[dict[Hashable, Any]]:
    spectra = {table.field: normalised_spectrum(table.spectrum.values) for table in factored}
    records = fields.astype(object).where(fields.notna(), None).to_dict("records")
    return [{**record, "spectrum": _small(spectra[record["field"]])} for record in records]


def _segments(segments: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return segments.astype(object).where(segments.notna(), None).to_dict("records")


def _todo(factored: FactoredTables, fields: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Return every field that needs advice, with its abundance without each possible cause."""
    of_field = {table.field: table for table in factored}
    found = []
    for record in fields.to_dict("records"):
        table = of_field[record["field"]]
        diagnosis = {str(name): value for name, value in record.items()}
        lines = advice(diagnosis, factored.tables, columns=table.columns)
        if lines != [NOTHING] and record["degree"] != Degree.NOT_JUDGED:
            found.append({**record, "causes": causes_text(record), "advice": lines})
    return found


def _code(text: str) -> Markup:
    """Return a sentence with text between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704, escaped


def _small(spectrum: NDArray[np.floating]) -> str:
    """Return the points of a small spectrum."""
    x = np.linspace(0, _WIDTH, len(spectrum)) if len(spectrum) > 1 else np.array([0.0])
    y = 1 + (1 - spectrum) * (_HEIGHT - 2)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _pictures(factored: FactoredTables) -> list[Picture]:
    wanted = [_ABUNDANCE, _SPECTRA]
    if factored.tables.layer(factored.settings.layer):
        wanted.append(_HEATMAP)
    return [replace(each, source=picture(display_of(each.figure).from_checkpoints([factored]))) for each in wanted]
