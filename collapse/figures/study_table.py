"""A table of the paper made from a study: every number as CSV, and what is printed as Markdown and LaTeX."""

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
    """A table and what is said of it."""

    name: str
    """Such as ``table-1``: the stem of its files."""
    numbers: pd.DataFrame
    """Every number, unrounded."""
    text: pd.DataFrame
    """What is printed, as text."""
    caption: str
    """What the numbers are of."""

    def save(self, folder: Path) -> list[Path]:
        """Write the table, each file whole or not at all.

        Parameters
        ----------
        folder : Path
            Where to; made if it is not there.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        CollapseError
            If one cannot be written.
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
    """Write differences with their signs; nothing where there is none."""
    return values.map(f"{{:+.{digits}f}}".format).where(values.notna(), "").to_list()


def _latex(text: str) -> str:
    return one_line(text).replace("`", "").translate(_IN_LATEX)
