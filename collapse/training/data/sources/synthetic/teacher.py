"""Synthetic data with a known teacher: which directions a field has, and which of them its partners let through.

Shapes: N fields, D_i values of field i, R directions of the teacher, B rows of a block.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special
from tqdm import tqdm

from collapse.training.data.sources.synthetic.settings import SHAPES, SyntheticSettings
from collapse.training.data.store.prepared import PreparedData, open_prepared
from collapse.training.data.store.writing import new_prepared, write_ids

BLOCK_ROWS = 1 << 16
"""Rows that are drawn together. Another number makes another data set: each block has its own random stream."""
LABEL = "the teacher's coin shows heads"
GROUPS = ("free", "low", "bound")


class Teacher:
    """A factorization machine of three groups of fields, which draws the labels.

    Field i has a table with normal numbers in the first r_i of R directions, and zeros in the rest. Fields are
    assigned to the groups in turn, in the order of their cardinalities:

    - **free** fields have all R directions and interact with each other;
    - **low** fields have `low_rank` directions and interact with the bound fields;
    - **bound** fields have all R directions too, but interact only with low fields.

    The logit is b + c (sum of <u_i, u_j> over the interacting pairs), with standard deviation `signal`, and the
    label is drawn from its sigmoid. A free and a bound field have equal tables, but the gradient of a bound
    field's embedding lies in the span of its partners' embeddings (Section 4.1), which has `low_rank` directions.
    Only that many of its R directions affect a label, while all R directions of a free field do. This known number
    is the ``useful_rank`` in the manifest.

    The data can show whether a model's tables have more directions where the labels do, whether a field that
    interacts with low-rank fields is learned in as few directions as these have, and how close a model comes to
    the best possible AUC, which is the teacher's. It cannot show what drives real data: its fields are
    independent, rare values matter as much as frequent ones, interactions have only two fields, and no field has
    an effect of its own.

    Parameters
    ----------
    settings : SyntheticSettings
        Settings of the data set.

    Attributes
    ----------
    values : (N,) array of int
        Number of values of every field, one less than the rows of its table.
    names, groups : list of str
        Name (F01 and so on) and group of every field.
    ranks, useful_ranks : list of int
        r_i, and the number of directions of field i that affect a label.
    best_auc : float
        AUC of the teacher's own probabilities, over rows drawn for this purpose.
    """

    def __init__(self, settings: SyntheticSettings) -> None:
        self.settings = settings
        # One row of a table is the out-of-vocabulary row, which no value uses.
        self.values = np.array(settings.cardinalities) - 1
        self.names = [f"F{i:02d}" for i in range(1, len(self.values) + 1)]
        self.groups = [GROUPS[i % len(GROUPS)] for i in range(len(self.values))]
        self.ranks = [settings.low_rank if group == "low" else settings.rank for group in self.groups]
        self.useful_ranks = [settings.rank if group == "free" else settings.low_rank for group in self.groups]
        generator = np.random.default_rng([settings.seed, 0])
        self._tables = [
            generator.standard_normal((D, settings.rank), dtype=np.float32) * (np.arange(settings.rank) < rank)
            for D, rank in zip(self.values, self.ranks, strict=True)
        ]
        # The scale and the constant come from rows that are drawn only for this.
        raw = self._raw(self.ids(np.random.default_rng([settings.seed, 1]), BLOCK_ROWS))
        self._mean, self._factor = float(raw.mean()), settings.signal / float(raw.std())
        self._constant = _constant(self._scaled(raw), SHAPES[settings.shape].positive)
        self.best_auc = _expected_auc(special.expit(self._scaled(raw) + self._constant))

    def ids(self, generator: np.random.Generator, rows: int) -> NDArray[np.int32]:
        """Draw values from 0 by Zipf's law, P(x <= k) = log(k + 2) / log(D + 1), shape (rows, N)."""
        exponent = generator.random((rows, len(self.values))) * np.log(self.values + 1)
        return np.asarray(np.minimum(np.exp(exponent) - 1, self.values - 1), dtype=np.int32)

    def table(self, i: int) -> NDArray[np.float32]:
        """Return field i's table, shape (D_i, R). Its directions from `ranks[i]` on are zero."""
        return self._tables[i]

    def logits(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the logit of every row, shape (B,)."""
        return self._scaled(self._raw(ids)) + self._constant

    def _raw(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """Sum <u_i, u_j> over the interacting pairs, through the sums of groups."""
        sums = {group: np.zeros((len(ids), self.settings.rank)) for group in GROUPS}
        squares = np.zeros(len(ids))
        for i, group in enumerate(self.groups):
            u = self._tables[i][ids[:, i]]
            sums[group] += u
            if group == "free":
                squares += np.square(u, dtype=np.float64).sum(1)
        within = (np.square(sums["free"]).sum(1) - squares) / 2
        return np.asarray(within + (sums["low"] * sums["bound"]).sum(1), dtype=np.float64)

    def _scaled(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return (raw - self._mean) * self._factor

    def description(self) -> dict[str, object]:
        """Return the teacher's properties for the manifest."""
        return {
            "groups": dict(zip(self.names, self.groups, strict=True)),
            "rank": dict(zip(self.names, self.ranks, strict=True)),
            "useful_rank": dict(zip(self.names, self.useful_ranks, strict=True)),
            "interacting_groups": [["free", "free"], ["low", "bound"]],
            "singular_values": "equal in expectation, in each of a field's directions",
            "best_auc": self.best_auc,
        }


def prepare_synthetic(settings: SyntheticSettings, out: Path, *, overwrite: bool = False) -> PreparedData:
    """Generate a synthetic data set.

    Parameters
    ----------
    settings : SyntheticSettings
        Settings of the data set.
    out : Path
        The folder to write.
    overwrite : bool
        Replace an existing prepared data set.

    Returns
    -------
    PreparedData
        The prepared data set. The same settings give the same rows, and fewer rows are the first of more.

    Raises
    ------
    CollapseError
        If `out` cannot be written.
    """
    teacher = Teacher(settings)
    columns = zip(teacher.names, teacher.groups, teacher.ranks, strict=True)
    with new_prepared(out, overwrite=overwrite) as folder:
        write_ids(
            folder,
            drawn_blocks(teacher),
            fields={name: f"{group}, rank {rank}" for name, group, rank in columns},
            values=[int(D) for D in teacher.values],
            name=settings.name,
            label=LABEL,
            options=asdict(settings) | {"rows": settings.drawn_rows},
            known={"teacher": teacher.description()},
        )
    return open_prepared(out)


def drawn_blocks(teacher: Teacher) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
    """Yield blocks of values from 0, shape (B, N), and labels, shape (B,)."""
    settings = teacher.settings
    with tqdm(total=settings.drawn_rows, desc=settings.name, unit="rows", unit_scale=True, disable=None) as bar:
        for number, start in enumerate(range(0, settings.drawn_rows, BLOCK_ROWS)):
            # Whole blocks with a generator each, so that the first rows do not depend on the number of rows.
            generator = np.random.default_rng([settings.seed, 2, number])
            ids = teacher.ids(generator, BLOCK_ROWS)
            labels = generator.random(BLOCK_ROWS) < special.expit(teacher.logits(ids))
            there = min(BLOCK_ROWS, settings.drawn_rows - start)
            yield ids[:there], labels[:there].astype(np.uint8)
            bar.update(there)


def _constant(logits: NDArray[np.float64], positive: float) -> float:
    """Return the constant that gives the sigmoids of logits a given mean."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if special.expit(logits + middle).mean() > positive else (middle, high)
    return middle


def _expected_auc(probabilities: NDArray[np.float64]) -> float:
    """Return the expected AUC of the true probabilities, which no model exceeds except by chance."""
    p = np.sort(probabilities)
    # The fraction of pairs of a positive and a negative row in which the positive one has the higher logit.
    negatives_below = np.cumsum(1 - p) - (1 - p)
    return float((p * negatives_below).sum() / (p.sum() * (1 - p).sum() - (p * (1 - p)).sum()))
