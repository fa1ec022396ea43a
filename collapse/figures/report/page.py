"""The report: verdict, what to do, a table of the fields, figures, what was read, and what the words mean."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape as escaped
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.changes import changes, changes_sentence
from collapse.analysis.diagnosis import COLUMNS, registered_measures
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.json_report import as_json, records
from collapse.analysis.segments import affected
from collapse.analysis.several import labels, readable
from collapse.analysis.todo import todo
from collapse.analysis.verdicts import Degree
from collapse.analysis.words import heading, model_warning, sentences, untouched_text, worst_first, zero_rows
from collapse.figures.report.charts import Heatmap, SpectraAxes, bars, heat_colours, heatmap, spectra_axes
from collapse.figures.templating import first_upper, page_templates
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors
from collapse.glossary import glossary

_BARS, _LINES, _CELLS, _ROWS = 60, 200, 60, 200
"""Most fields in the chart of abundance, lines in a chart of spectra, fields of a heatmap, and rows of the table
before it is scrolled. More would be neither legible nor fast."""
_PANELS = 6
"""Most checkpoints with charts of their own."""
_NAMED, _ADVISED = 8, 40
"""Most fields that a group of advice names, and lists."""
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
_INLINE = 640
"""Height of the page in a notebook, in pixels."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Report:
    """A report on one or several checkpoints, which notebooks show and `save` writes as a page."""

    checkpoints: tuple[FactoredTables, ...]
    """The checkpoints, the earliest first. The page describes the last, and what changed since the others."""
    frames: tuple[pd.DataFrame, ...]
    """Their diagnoses."""
    names: tuple[str, ...] | None = None
    """Names of the checkpoints; None to derive them from the models and their settings."""
    segments: pd.DataFrame | None = None
    """Result of `collapse.analysis.segments.diagnose_segments` for the last."""
    command: str = ""
    """Command that makes the page again."""

    @property
    def fields(self) -> pd.DataFrame:
        """Diagnosis of the last checkpoint, one row per field."""
        return self.frames[-1]

    @cached_property
    def changes(self) -> pd.DataFrame | None:
        """What changed since the first checkpoint (`collapse.analysis.changes.changes`); None for one."""
        return changes(self.checkpoints, self.frames) if len(self.checkpoints) > 1 else None

    @cached_property
    def html(self) -> str:
        """The page."""
        return page_templates().get_template("report/page.html").render(self._content())

    def save(self, path: str | Path) -> Path:
        """Write the page.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        CollapseError
            If it cannot be written.
        """
        path = Path(path)
        with explain_os_errors("write", path), atomic_write(path) as file:
            file.write(self.html.encode("utf-8", "backslashreplace"))
        return path

    def __repr__(self) -> str:
        return f"<Report on {', '.join(self._labels)}: {' '.join(f'{each}.' for each in self._sentences)}>"

    def _repr_html_(self) -> str:
        # A frame keeps the page's styles and names apart from the notebook's. Where frames are removed, as on
        # GitHub, the verdict remains.
        return (
            f"<p>{escaped(' '.join(f'{each}.' for each in self._sentences))}</p>"
            f'<iframe srcdoc="{escaped(self.html)}" title="report" width="100%" height="{_INLINE}" '
            'style="border:1px solid #8888; border-radius:4px"></iframe>'
        )

    @cached_property
    def _labels(self) -> list[str]:
        return list(self.names) if self.names else labels([each.tables for each in self.checkpoints])

    @property
    def _latest(self) -> list[tuple[str, FactoredTables]]:
        """The checkpoints that have charts of their own, with their labels."""
        return list(zip(self._labels, self.checkpoints, strict=True))[-_PANELS:]

    @property
    def _sentences(self) -> list[str]:
        found = list(sentences(self.fields))
        if self.changes is not None:
            found.append(first_upper(changes_sentence(self.changes, self._labels[0])))
        return found

    def _content(self) -> Mapping[str, Any]:
        last, tables = self.checkpoints[-1], self.checkpoints[-1].tables
        fields = worst_first(self.fields, ())
        numbers = {name: n for n, name in enumerate(fields["field"])}
        axes = spectra_axes(self.checkpoints)
        source, depends = heading(last)
        own = registered_measures()
        earlier = [dict(zip(frame["field"], frame["ia"], strict=True)) for frame in self.frames[:-1]]
        return {
            "title": _title(last),
            "tables": tables,
            "heading": source,
            "depends": depends,
            "sentences": self._sentences,
            "warning": model_warning(tables),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "versions": {
                "embedding-collapse": version("embedding-collapse"),
                "NumPy": np.__version__,
                "Python": platform.python_version(),
            },
            "todo": todo(last, self.fields),
            "named": _NAMED,
            "advised": _ADVISED,
            "rows": _rows(last, fields, axes),
            "at_first": _ROWS,
            "numbers": numbers,
            "columns": {**COLUMNS, **dict.fromkeys(own, "a measure of another package")},
            "own": list(own),
            "has_seen": bool(fields["rows_trained"].notna().any()),
            "checkpoints": (overview := self._overview()),
            "degrees": list(overview[-1]["degrees"].items()),
            "seen": [str(degree) for degree in Degree if any(each["degrees"][str(degree)] for each in overview)],
            "changes": [] if self.changes is None else records(self.changes),
            "bars": bars(fields, earlier, _BARS),
            "axes": axes,
            "panels": self._panels(axes, numbers),
            "heatmaps": self._heatmaps(numbers),
            "heat_colours": heat_colours(),
            "segments": [] if self.segments is None else records(self.segments),
            "affected": None if self.segments is None else affected(self.segments),
            "zero": zero_rows(last),
            "untouched": untouched_text(last),
            "settings": vars(last.settings),
            "terms": {term: text for term, text in glossary().items() if term in _TERMS},
            "command": self.command,
            "json": self._json(),
        }

    def _overview(self) -> list[dict[str, Any]]:
        """Return a line per checkpoint: its name and means."""
        return [
            {
                "label": label,
                "source": each.tables.source,
                "fields": len(frame),
                "degrees": {str(degree): int((frame["degree"] == degree).sum()) for degree in Degree},
                "ia": float(frame["ia"].mean()),
                "ia_normalised": float(frame["ia_normalised"].mean()),
                "ia_adjusted": float(frame["ia_adjusted"].mean()),
            }
            for label, each, frame in zip(self._labels, self.checkpoints, self.frames, strict=True)
        ]

    def _panels(self, axes: SpectraAxes, numbers: Mapping[str, int]) -> list[tuple[str, list[tuple[int, str]]]]:
        """Return the lines of every chart of spectra: the fields' numbers with their points."""
        found = []
        for label, each in self._latest:
            of_number = {numbers[table.field]: table for table in each if table.field in numbers}
            lines = [(n, axes.points(of_number[n])) for n in sorted(of_number)[:_LINES]]
            found.append((label, lines))
        return found

    def _heatmaps(self, numbers: Mapping[str, int]) -> list[tuple[str, Heatmap]]:
        return [
            (label, heatmap(each, numbers, _CELLS))
            for label, each in self._latest
            if each.tables.layer(each.settings.layer)
        ]

    def _json(self) -> str:
        """Return the numbers for programs."""
        # Models in memory may have the same name.
        frames = [
            frame.assign(checkpoint=each.tables.source)[["checkpoint", *frame]]
            for each, frame in zip(self.checkpoints, self.frames, strict=True)
        ]
        together = pd.concat(frames, ignore_index=True)
        together.attrs = self.frames[-1].attrs
        text = as_json(self.checkpoints, together, None, self.segments, changes=self.changes, indent=None)
        # Nothing in the JSON may end the element that contains it.
        return text.replace("<", "\\u003c")


def _title(checkpoint: FactoredTables) -> str:
    """Return the model's name, with its data if they are known."""
    name, data = readable(checkpoint.tables.name), checkpoint.tables.description.get("data", "unknown")
    return name if data == "unknown" else f"{name} on {data}"


def _rows(checkpoint: FactoredTables, fields: pd.DataFrame, axes: SpectraAxes) -> list[dict[str, Any]]:
    of_field = {table.field: table for table in checkpoint}
    return [{**record, "points": axes.points(of_field[record["field"]])} for record in records(fields)]
