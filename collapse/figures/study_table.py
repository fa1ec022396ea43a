"""A table of the paper made from a study: all numbers as CSV, and the printed table as Markdown and LaTeX."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from collapse.figures.markdown import markdown_table
from collapse.files.atomic import atomic_write
from collapse.files.csv_cells import write_csv
from collapse.files.opening import explain_os_errors
from collapse.printable import one_line

_IN_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


@dataclass(frozen=True, kw_only=True)
class StudyTable:
    """A table with its caption."""

    name: str
    """Stem of its files, such as ``table-1``."""
    numbers: pd.DataFrame
    """All numbers, unrounded."""
    text: pd.DataFrame
    """The printed table, as text."""
    caption: str
    """The caption."""

    def save(self, folder: Path) -> list[Path]:
        """Write the table. No file is left half-written.

        Parameters
        ----------
        folder : Path
            Folder of the files, which is created if needed.

        Raises
        ------
        CollapseError
            If a file cannot be written.
        """
        with explain_os_errors("write to", folder):
            folder.mkdir(parents=True, exist_ok=True)
        label = f"tab:{self.name}"
        printed = self.text.rename(columns=one_line).map(one_line)
        contents = {
            "md": f"{markdown_table(self.text)}\n\n{one_line(self.caption)}\n",
            "tex": printed.to_latex(index=False, escape=True, caption=_latex(self.caption), label=label),
        }
        numbers, *paths = (folder / f"{self.name}.{suffix}" for suffix in ("csv", *contents))
        write_csv(numbers, self.numbers)
        for path, content in zip(paths, contents.values(), strict=True):
            with atomic_write(path) as file:
                file.write(content.encode())
        return [numbers, *paths]


def signed(values: "pd.Series[float]", digits: int) -> list[str]:
    """Format differences with their signs; empty for NaN."""
    return values.map(f"{{:+.{digits}f}}".format).where(values.notna(), "").to_list()


def _latex(text: str) -> str:
    return one_line(text).replace("`", "").translate(_IN_LATEX)
