"""Tables of test AUC by size, with the paper's values beside ours: CSV, Markdown and LaTeX."""

from pathlib import Path

import pandas as pd

from collapse.figures.markdown import markdown_table
from collapse.files import atomic_write
from collapse.study.item import Item, auc_by_size

HEADINGS = {
    "data": "data",
    "model": "model",
    "variant": "",
    "factor": "size",
    "printed": "paper",
    "auc": "ours",
    "difference": "difference",
    "printed_gain": "paper, over 1x",
    "gain": "ours, over 1x",
    "runs": "runs",
}
"""What is printed of `auc_by_size`, under which heading."""


def auc_table(item: Item) -> pd.DataFrame:
    """Write an item's test AUC as text, as it is printed.

    Parameters
    ----------
    item : Item
        A table of test AUC.

    Returns
    -------
    pandas.DataFrame
        Text under `HEADINGS`: five digits, deviations behind ±, an empty cell where there is nothing.
    """
    table = auc_by_size(item)
    texts = pd.DataFrame(
        {
            "data": [_both(*pair) for pair in zip(table["printed_data"], table["data"], strict=True)],
            "model": table["model"],
            "variant": table["variant"],
            "factor": [f"{factor:g}x" for factor in table["factor"]],
            "printed": _with_deviation(table["printed"], table["printed_std"]),
            "auc": _with_deviation(table["auc"], table["std"]),
            "difference": _signed(table["difference"]),
            "printed_gain": _signed(table["printed_gain"]),
            "gain": _signed(table["gain"]),
            "runs": [f"{int(runs)}" if pd.notna(runs) else "0" for runs in table["runs"]],
        }
    )
    return texts.rename(columns=HEADINGS)


def save_auc_table(item: Item, folder: Path) -> list[Path]:
    """Write an item's table: every number as CSV, and what is printed as Markdown and LaTeX.

    Parameters
    ----------
    item : Item
        A table of test AUC.
    folder : Path
        Where to; it exists.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    CollapseError
        If one cannot be written.
    """
    text = auc_table(item)
    caption = caption_of(item)
    contents = {
        "csv": auc_by_size(item).to_csv(index=False, lineterminator="\n"),
        "md": f"{markdown_table(text)}\n\n{caption}\n",
        "tex": text.to_latex(index=False, escape=True, caption=_plain(caption), label=f"tab:{item.name}"),
    }
    paths = [folder / f"{item.name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        with atomic_write(path) as file:
            file.write(content.encode())
    return paths


def caption_of(item: Item) -> str:
    """Say what an item's numbers are of: runs, data, profile, and the command that makes what is missing."""
    profile = item.profile
    base = f"K = {profile.base_size}" if profile.base_size else "the paper's K"
    missing = "" if item.finished == len(item.runs) else f" The others: `{item.command}`."
    return (
        f"Test AUC; {item.finished} of {len(item.runs)} runs, {base} at 1x, at most {profile.epochs} epochs of "
        f"batches of {profile.batch_size}, on {', '.join(profile.data)} (profile {profile.name}). The paper's "
        f"values are of its own data: across data sets compare the gains.{missing}"
    )


def _both(printed: object, ours: object) -> str:
    return " / ".join(name for name in (printed, ours) if isinstance(name, str))


def _with_deviation(values: "pd.Series[float]", deviations: "pd.Series[float]") -> list[str]:
    known, several = values.notna(), deviations.notna()
    texts = values.map("{:.5f}".format) + deviations.map(" ± {:.5f}".format).where(several, "")
    return texts.where(known, "").to_list()


def _signed(values: "pd.Series[float]") -> list[str]:
    return values.map("{:+.5f}".format).where(values.notna(), "").to_list()


def _plain(text: str) -> str:
    return text.replace("`", "").replace("_", r"\_")
