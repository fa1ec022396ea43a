"""The gradient split of Section 4.1 sums to autograd's gradient."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse.analysis.split_gradient import split_gradient
from collapse.errors import CollapseError
from collapse.measures.gradients import gradient_split
from tests.test_analysis import table_set


@given(
    cardinalities=st.lists(st.sampled_from([1, 2, 7, 600]), min_size=1, max_size=4),
    K=st.integers(1, 6),
    B=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_it_sums_to_autograds_gradient(cardinalities: list[int], K: int, B: int, seed: int) -> None:
    """Under FM with the mean binary cross-entropy, for a batch in which a row occurs among others."""
    generator = np.random.default_rng(seed)
    E_1 = torch.from_numpy(generator.standard_normal((3, K))).requires_grad_()
    tables = {f"f{i}": generator.standard_normal((D, K)) for i, D in enumerate(cardinalities)}
    ids = {name: generator.integers(len(E), size=B) for name, E in tables.items()}
    x_1, labels = (
        torch.from_numpy(generator.integers(3, size=B)),
        torch.from_numpy(generator.integers(2, size=B) * 1.0),
    )
    logits = sum((E_1[x_1] * torch.from_numpy(E[ids[name]])).sum(1) for name, E in tables.items())
    assert isinstance(logits, torch.Tensor)
    torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()  # type: ignore[no-untyped-call]
    assert E_1.grad is not None
    residuals = ((torch.sigmoid(logits) - labels) / B).detach().numpy()
    for row in range(3):
        of_row = (x_1 == row).numpy()
        terms = gradient_split(tables, {name: each[of_row] for name, each in ids.items()}, residuals[of_row])
        total = sum(term.theta for term in terms.values())
        np.testing.assert_allclose(total, E_1.grad[row].numpy(), atol=1e-12)


def test_alpha_knows_nothing_of_sigma() -> None:
    """Scaling the directions of a table changes sigma but not alpha, as the paper argues."""
    generator = np.random.default_rng(0)
    U, V = np.linalg.qr(generator.standard_normal((700, 4))).Q, np.linalg.qr(generator.standard_normal((4, 4))).Q
    ids, residuals = generator.integers(700, size=50), generator.standard_normal(50)
    flat, steep = (
        gradient_split({"f": U * sigma @ V.T}, {"f": ids}, residuals)["f"]
        for sigma in (np.array([4.0, 3, 2, 1]), np.array([4.0, 1e-1, 1e-2, 1e-3]))
    )
    np.testing.assert_allclose(np.abs(steep.alpha), np.abs(flat.alpha), rtol=1e-6)
    np.testing.assert_allclose(steep.sigma, [4, 1e-1, 1e-2, 1e-3], rtol=1e-9)
    along = np.abs(steep.V.T @ steep.theta)
    np.testing.assert_allclose(along, np.abs(steep.alpha) * steep.sigma)


def test_a_direction_that_is_lacking_has_no_alpha() -> None:
    term = gradient_split({"f": np.outer([1.0, 2, 3], [1.0, 0])}, {"f": np.array([0, 2])}, np.array([0.1, 0.2]))[
        "f"
    ]
    assert term.alpha[1] == 0
    np.testing.assert_allclose(term.theta, [0.1 + 0.6, 0])


def test_ids_outside_of_a_table_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows"):
        gradient_split({"f": np.ones((3, 2))}, {"f": np.array([3])}, np.ones(1))


class TestOverACheckpoint:
    """Under FM, on a batch, the terms sum to autograd's gradient."""

    @pytest.mark.parametrize("sets", [1, 3])
    def test_it_sums_to_autograds_gradient(self, sets: int) -> None:
        tables = table_set([3, 9, 700], 4, sets, seed=0)
        generator = np.random.default_rng(1)
        ids = np.stack([generator.integers(table.cardinality, size=50) for table in tables], axis=1)
        labels = generator.integers(2, size=50)
        weights = [torch.tensor(table.E, dtype=torch.float64, requires_grad=True) for table in tables]
        e = [weight[ids[:, i]] for i, weight in enumerate(weights)]
        logits = torch.stack([(a * b).sum(1) for a, b in combinations(e, 2)]).sum(0)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).double())
        loss.backward()  # type: ignore[no-untyped-call]
        field = tables.fields[0]
        for row in range(3):
            frame = split_gradient(tables, ids, labels, field=field, row=row)
            assert weights[0].grad is not None
            np.testing.assert_allclose(frame.attrs["gradient"], weights[0].grad[row].numpy(), atol=1e-8)
            assert set(frame["field"]) == set(tables.fields) - {field}
            np.testing.assert_allclose(frame["weight"], frame["alpha"] * frame["sigma"])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"field": "beauty"}, "has no field 'beauty'"),
            ({"row": 3}, "has 3 rows, but no row 3"),
            ({"ids": np.zeros((5, 2), int)}, "do not fit 3 fields"),
            ({"ids": np.array([[0, 9, 0]] * 5)}, "is out of range"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, change: dict[str, Any], message: str) -> None:
        tables = table_set([3, 9, 700], 4, 1, seed=0)
        usual: dict[str, Any] = {"ids": np.zeros((5, 3), int), "field": tables.fields[0], "row": 0, **change}
        with pytest.raises(CollapseError, match=message):
            split_gradient(tables, usual["ids"], np.zeros(5), field=usual["field"], row=usual["row"])
