"""The Python API: one function for each thing that the command line does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.drift import drift_table
from collapse.analysis.explain import explain as explain_factored
from collapse.analysis.explanation import Explanation
from collapse.analysis.factorised import FactoredTables, factorise
from collapse.analysis.segments import by_labels, by_lookups, diagnose_segments
from collapse.analysis.settings import PAPER, AnalysisSettings
from collapse.analysis.side import read_side
from collapse.analysis.truncation import Bits, by_field
from collapse.analysis.truncation import truncate as truncate_tables
from collapse.errors import CollapseError
from collapse.extras import require
from collapse.io.load import load
from collapse.io.low_rank import Truncated, check_can_write, save_factors
from collapse.io.tables import TableSet
from collapse.measures import abundance
from collapse.measures.row_stream import unreadable_kind

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from collapse.figures.checkpoint_display import CheckpointDisplay
    from collapse.figures.report.page import Report
    from collapse.study.study import StudyRun


@overload
def information_abundance(  # type: ignore[overload-overlap] # text counts as an array, which it is not here
    source: "str | PathLike[str] | Mapping[str, Any] | TableSet",
) -> "pd.Series[float]": ...


@overload
def information_abundance(  # type: ignore[overload-overlap] # an embedding layer is a module of one table
    source: "torch.nn.Embedding | torch.nn.EmbeddingBag | torch.Tensor | ArrayLike",
    *,
    weights: "NDArray[Any] | None" = None,
) -> float: ...


@overload
def information_abundance(source: "torch.nn.Module") -> "pd.Series[float]": ...


def information_abundance(source: Any, *, weights: "NDArray[Any] | None" = None) -> "float | pd.Series[float]":
    """Information abundance, IA(E) = ||sigma||_1 / ||sigma||_inf, of one table or of every field.

    Parameters
    ----------
    source : (D, K) array or object
        One table: an array, a tensor on any device, a memory-mapped file, an ``nn.Embedding``, or any object with
        a shape whose rows can be sliced. Or the tables of a checkpoint, a model or a mapping, as `load` takes
        them. All rows of a table are used, as in the definition.
    weights : (D,) array, optional
        Non-negative weights of the rows of one table.

    Returns
    -------
    float or pandas.Series
        For one table, a number from 1 (rank one) to min(D, K) (all singular values equal), or 0 if the table is
        zero. For several tables, a series indexed by field.

    Raises
    ------
    ValueError
        If one table is not a matrix of floating-point numbers, or a row holds NaN or infinity.
    CollapseError
        If no tables can be read from `source`, or one of them holds NaN or infinity.

    References
    ----------
    Definition 3.1 of Guo et al., On the Embedding Collapse When Scaling Up Recommendation Models, ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import collapse
    >>> round(collapse.information_abundance(np.eye(4)), 6)
    4.0
    >>> round(collapse.information_abundance(np.ones((4, 4))), 6)
    1.0
    >>> collapse.information_abundance({"user": np.eye(4), "item": np.ones((4, 4))}).round(6).to_dict()
    {'user': 4.0, 'item': 1.0}
    """
    one = getattr(source, "weight", None) if hasattr(source, "num_embeddings") else source
    if isinstance(one, list | tuple) or unreadable_kind(one) is not None or hasattr(one, "shape"):
        return abundance.information_abundance(one, weights=weights)
    if weights is not None:
        raise CollapseError("weights apply to one table: pass an array, or use collapse.diagnose with settings")
    factored = factorise(source, PAPER)
    values = {table.field: float(abundance.abundance_of_spectrum(table.spectrum.values)) for table in factored}
    return pd.Series(values, name="ia", dtype=float)


def explain(
    source: Any,
    field: str | None = None,
    *,
    settings: AnalysisSettings | None = None,
    side: "str | PathLike[str] | pd.DataFrame | None" = None,
) -> Explanation:
    """Explain why a field collapsed and what to do.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint or model, as `load` takes it.
    field : str, optional
        Name of the field. May be omitted if there is only one.
    settings : AnalysisSettings, optional
        Which rows are used, and which layer's field maps.
    side : path or pandas.DataFrame, optional
        A description of the field's rows. Directions are tested for following one of its columns.

    Returns
    -------
    Explanation
        The diagnosis, directions, sizes, partners, history and advice. ``print`` shows it as text.

    Raises
    ------
    CollapseError
        If no tables can be read from `source`, or the field does not exist.

    Examples
    --------
    >>> import collapse
    >>> print(collapse.explain("runs/first/best.pt", "tailnum"))  # doctest: +SKIP
    """
    factored = factorise(source, settings)
    names = factored.tables.fields
    if field is None and len(names) > 1:
        raise CollapseError(
            f"field is missing: it must be one of {', '.join(names[:8])}{', ..' * (len(names) > 8)}"
        )
    rows = read_side(Path(side)) if isinstance(side, str | PathLike) else side
    return explain_factored(factored, names[0] if field is None else field, side=rows)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Truncation:
    """Tables of a checkpoint, cut to the directions that hold a fraction of their energy."""

    tables: tuple[Truncated, ...]
    """One entry per field and set, with factors ``left`` (D, k) and ``right`` (k, K)."""
    source: TableSet
    """The tables that were cut."""
    energy: float
    """The fraction of the energy sum sigma^2 to keep."""

    @property
    def fields(self) -> pd.DataFrame:
        """One row per field: the directions kept and the bytes saved, as `collapse truncate` prints them."""
        return by_field(self.tables)

    def save(self, path: str | Path) -> Path:
        """Write the factors to a ``.safetensors`` file, or with torch to a ``.pt`` file.

        Parameters
        ----------
        path : str or Path
            The file to write. `load` and ``collapse analyze`` can read it.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        CollapseError
            If the file cannot be written.
        """
        path = Path(path)
        check_can_write(path)
        save_factors(path, self.tables, source=self.source, energy=self.energy)
        return path

    def __repr__(self) -> str:
        before, after = (sum(getattr(each, name) for each in self.tables) for name in _BYTES)
        kept, columns = (sum(getattr(each, name) for each in self.tables) for name in ("k", "columns"))
        return (
            f"<Truncation of {self.source.name} to {self.energy:.4g} of the energy: {kept:,} of {columns:,} "
            f"directions, {before:,} -> {after:,} bytes>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.fields.to_html(index=False)}"


_BYTES = ("bytes_before", "bytes_after")


def truncate(source: Any, energy: float = 0.99, *, bits: Bits | None = None) -> Truncation:
    """Cut every table to the fewest directions that hold a fraction of its energy.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint or model, as `load` takes it.
    energy : float
        Fraction of the energy sum sigma^2 to keep, above 0 and at most 1.
    bits : {16, 8, 4}, optional
        Store rows as float16, or as codes of 8 or 4 bits with a scale and a bias per row, as FBGEMM stores them.

    Returns
    -------
    Truncation
        The factors, what they save, and a method ``save``.

    Raises
    ------
    CollapseError
        If no tables can be read from `source`, a table holds NaN or infinity, or the fraction is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import collapse
    >>> collapse.truncate({"user": np.outer(np.arange(1.0, 101), np.ones(8))})
    <Truncation of a state dict to 0.99 of the energy: 1 of 8 directions, 6,400 -> 864 bytes>
    """
    tables = load(source)
    return Truncation(tables=tuple(truncate_tables(tables, energy, bits=bits)), source=tables, energy=energy)


def drift(source: Any, before: Any, *, settings: AnalysisSettings | None = None) -> pd.DataFrame:
    """Measure how far the tables of a checkpoint have moved since an earlier one.

    Parameters
    ----------
    source, before : str, Path or object
        The checkpoints or models, as `load` takes them. Row n of a table is matched with row n.
    settings : AnalysisSettings, optional
        Which rows are used.

    Returns
    -------
    pandas.DataFrame
        One row per common field: ``field``, and the columns ``drift_overlap`` and so on that
        ``collapse analyze --against`` describes.

    Raises
    ------
    CollapseError
        If no tables can be read, or a table holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> import collapse
    >>> E = np.random.default_rng(0).standard_normal((90, 4))
    >>> moved = collapse.drift({"user": 2 * E[:, ::-1]}, {"user": E})
    >>> moved[["drift_overlap", "drift_norm_change"]].round(6).to_dict("records")
    [{'drift_overlap': 1.0, 'drift_norm_change': 1.0}]
    """
    now, then = factorise(source, settings), factorise(before, settings)
    return drift_table(now, then, (diagnose_factored(now), diagnose_factored(then)))


def segments(
    source: Any, by: "str | Mapping[str, Any]" = "lookups", *, settings: AnalysisSettings | None = None
) -> pd.DataFrame:
    """Diagnose segments of the rows of every table.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint or model, as `load` takes it.
    by : str or mapping of str to (D,) array
        ``lookups`` for the head, middle and tail of the lookups, or a label of every row by field.
    settings : AnalysisSettings, optional
        Which rows are used.

    Returns
    -------
    pandas.DataFrame
        One row per field and segment: ``field``, ``segment``, ``rows``, ``lookups`` and the columns of `diagnose`.

    Raises
    ------
    CollapseError
        If row counts are needed and unknown, or labels do not fit a table.

    Examples
    --------
    >>> import numpy as np
    >>> import collapse
    >>> E = np.vstack([np.eye(40, 4), np.ones((40, 4))])
    >>> found = collapse.segments({"user": E}, {"user": ["old"] * 40 + ["new"] * 40})
    >>> found[["segment", "ia"]].round(6).values.tolist()
    [['new', 1.0], ['old', 4.0]]
    """
    if by != "lookups" and isinstance(by, str):
        raise CollapseError(f"by must be 'lookups' or labels by field, got {by!r}")
    return diagnose_segments(factorise(source, settings), by_lookups if isinstance(by, str) else by_labels(by))


def report(
    source: Any,
    path: str | Path | None = None,
    *,
    labels: Sequence[str] | None = None,
    settings: AnalysisSettings | None = None,
) -> "Report":
    """Report on one or several checkpoints: verdict, advice, all fields, and figures.

    Parameters
    ----------
    source : str, Path or object, or a list of them
        A checkpoint or model, as `load` takes it. Several are compared, the earliest first.
    path : str or Path, optional
        Write the report to this file, as one HTML page that needs no network.
    labels : sequence of str, optional
        Names of several checkpoints. The default is made from the models and the settings in which they differ.
    settings : AnalysisSettings, optional
        Which rows are used, and which layer's field maps.

    Returns
    -------
    Report
        Notebooks show it as the page. ``fields`` is the diagnosis, ``changes`` what changed since the first
        checkpoint, ``html`` the page, and ``save(path)`` writes it.

    Raises
    ------
    CollapseError
        If no tables can be read from `source`, several checkpoints have no field in common, or the page cannot be
        written.

    Examples
    --------
    >>> import numpy as np
    >>> import collapse
    >>> collapse.report({"user": np.eye(40, 4), "item": np.ones((30, 4))})
    <Report on a state dict: 1 of 2 fields is collapsed: item (adjusted abundance 0.00). Mean IA is 2.50, on \
average 77% of random.>
    """
    from collapse.figures.report.page import Report

    sources = _several(source)
    factored = tuple(factorise(each, settings) for each in sources)
    paths = [str(each) for each in sources if isinstance(each, str | PathLike)]
    given = repr(paths[0] if len(paths) == 1 else paths)
    command = f"collapse.report({given}, {str(path)!r})" if path and len(paths) == len(sources) else ""
    if labels is not None and len(labels) != len(sources):
        raise CollapseError(f"there are {len(labels)} labels for {len(sources)} checkpoints")
    frames = tuple(map(diagnose_factored, factored))
    names = None if labels is None else tuple(labels)
    made = Report(checkpoints=factored, frames=frames, names=names, command=command)
    if path is not None:
        made.save(path)
    return made


def figure(source: Any, number: str = "2", *, settings: AnalysisSettings | None = None) -> "CheckpointDisplay":
    """Compute a figure of the paper for one or several checkpoints, with its numbers.

    Parameters
    ----------
    source : str, Path or object, or a list of them
        Checkpoints or models, each as `load` takes it.
    number : str
        Number of the figure: ``"1b"`` shows singular values, ``"2"`` the abundance of every field, ``"3"`` the
        sub-embeddings. `collapse analyze --help` lists all figures.
    settings : AnalysisSettings, optional
        Which rows are used, and how the random tables are drawn.

    Returns
    -------
    CheckpointDisplay
        The figure, which notebooks show. ``table`` has its numbers, ``plot(axes)`` draws it, and ``save(folder)``
        writes PNG, PDF and CSV files.

    Raises
    ------
    CollapseError
        If the figure does not exist, or cannot be drawn from these checkpoints.

    Examples
    --------
    >>> import collapse
    >>> collapse.figure("runs/first/best.pt", "3").save("pictures")  # doctest: +SKIP
    """
    from collapse.paper.making import display_of

    kind = display_of(str(number))
    checkpoints = [factorise(each, settings) for each in _several(source)]
    if kind.needs_text_model:
        from collapse.io.readers.token_table import read_token_table

        checkpoints.append(factorise(read_token_table()))
    return kind.from_checkpoints(checkpoints)


def plot(
    source: Any,
    number: str = "2",
    *,
    ax: "Axes | Sequence[Axes] | None" = None,
    settings: AnalysisSettings | None = None,
) -> Any:
    """Draw a figure of the paper from one or several checkpoints with Matplotlib.

    Parameters
    ----------
    source : str, Path or object, or a list of them
        Checkpoints or models, each as `load` takes it.
    number : str
        Number of the figure, as for `figure`.
    ax : Axes or sequence of Axes, optional
        The axes to draw on, one per panel. Without them, pyplot makes a figure, so that notebooks show it.
    settings : AnalysisSettings, optional
        Which rows are used, and how the random tables are drawn.

    Returns
    -------
    Axes or array of Axes
        The axes of a figure with one panel, or an array with one per panel.

    Raises
    ------
    CollapseError
        If the figure does not exist, cannot be drawn from these checkpoints, or has another number of panels than
        there are axes.

    Examples
    --------
    >>> import collapse
    >>> ax = collapse.plot("runs/first/best.pt", "2")  # doctest: +SKIP
    >>> ax.set_title("Before the change")  # doctest: +SKIP
    """
    return figure(source, number, settings=settings).on_axes(ax)


def _several(source: Any) -> Sequence[Any]:
    """Return a list of sources; a list of numbers is one table, not several sources."""
    several = isinstance(source, list | tuple) and all(
        isinstance(each, str | PathLike | Mapping | TableSet | FactoredTables)
        or hasattr(each, "named_modules")
        or len(getattr(each, "shape", ())) == 2
        for each in source
    )
    return source if several else [source]


def train(
    model: str = "dcnv2",
    data: str | Path = "flights",
    *,
    out: str | Path | None = None,
    device: str = "auto",
    resume: bool = False,
    monitors: Sequence[str] = ("abundance",),
    **settings: Any,
) -> "StudyRun":
    """Train one model and save its best checkpoint, as ``collapse train`` does.

    Parameters
    ----------
    model : str
        Name of a model, optionally with its size and settings: ``"dcnv2"``, ``"dcnv2-10x4"`` (four sets of K =
        10), ``"dcnv2-10,cross_layers=8"``, or ``"module:Class"`` for your own.
    data : str or Path
        A built-in data set, such as ``"flights"`` or ``"flights:0.1"``, or the folder of a prepared one.
    out : str or Path, optional
        Folder of the run. The default is ``runs/DATA-LABEL``, where LABEL names the settings that differ from the
        defaults.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    resume : bool
        Continue the run in the folder.
    monitors : sequence of str
        Measurements to record during training: ``"abundance"``, ``"co-influence"``, ``"patterns"``.
    **settings
        Settings of the run (``epochs``, ``patience``, ``train_share``, ``precision``), the optimiser
        (``learning_rate``, ``weight_decay``, ``batch_size``), the seeds (``split``, ``initialisation``, ``order``)
        or the model (``sets``, ``embedding_size``, ``cross_layers``, ..).

    Returns
    -------
    StudyRun
        The finished run, with ``test_auc``, ``metrics`` by epoch, ``checkpoint`` and ``fields()``, the diagnosis
        of every field. `plot`, `diagnose` and the other functions accept it.

    Raises
    ------
    CollapseError
        If a setting is unknown or out of bounds, the data cannot be opened, or the training diverges.

    Examples
    --------
    >>> import collapse
    >>> run = collapse.train("dcnv2-10x4", "flights", epochs=2)  # doctest: +SKIP
    >>> run.fields().nsmallest(3, "ia_normalised")  # doctest: +SKIP
    """
    require("torch", "collapse.train")
    require("polars", "collapse.train")
    from collapse.analysis.monitors import MONITORS
    from collapse.study.study import StudyRun
    from collapse.training.models.registry import model_config
    from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds
    from collapse.training.runs.folder import default_folder
    from collapse.training.runs.run import Run

    unknown = sorted(set(monitors) - set(MONITORS))
    if unknown:
        raise CollapseError(f"unknown monitor {unknown[0]!r}: the monitors are {', '.join(MONITORS)}")
    parts = {
        kind: {each.name: settings.pop(each.name) for each in fields(kind) if each.name in settings}
        for kind in (OptimiserConfig, Seeds)
    }
    own = {each.name for each in fields(RunConfig)} & settings.keys()
    config = RunConfig(
        data=str(data),
        optimiser=OptimiserConfig(**parts[OptimiserConfig]),
        seeds=Seeds(**parts[Seeds]),
        **{name: settings.pop(name) for name in own},
    )
    config = replace(config, model=model_config(model, **settings))
    folder = default_folder(config) if out is None else Path(out)
    Run(config, folder, device, monitors=[MONITORS[name]() for name in monitors]).train(resume=resume)
    return StudyRun(folder)
