"""The toy experiment: its gradient is autograd's, and its settings are checked."""

import numpy as np
import pytest
import torch

from collapse.analysis.toy_experiment import _draw, toy_experiment
from collapse.analysis.toy_settings import ToySettings
from collapse.errors import CollapseError

SMALL = ToySettings(cardinality=12, small=2, large=9, embedding_size=4, iterations=20, measure_every=10, seeds=2)


@pytest.mark.parametrize(("case", "D_3"), [("small", 2), ("large", 9)])
def test_it_is_gradient_descent_on_every_pair(case: str, D_3: int) -> None:
    """The slow reference computes row by row with autograd."""
    for seed in (0, 1):
        E_1, E_2, E_3, x_3, y = map(torch.from_numpy, _draw(D_3, seed, SMALL))
        E_1.requires_grad_()
        a, b = (grid.flatten() for grid in torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij"))
        for _ in range(SMALL.iterations):
            e_1, e_2, e_3 = E_1[a], E_2[b], E_3[x_3[a, b]]
            logits = (e_1 * e_2).sum(1) + (e_1 * e_3).sum(1) + (e_2 * e_3).sum(1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[a, b])
            (gradient,) = torch.autograd.grad(loss, E_1)
            E_1 = (E_1 - SMALL.learning_rate * gradient).detach().requires_grad_()
        sigma = np.linalg.svd(E_1.detach().double().numpy(), compute_uv=False)
        found = toy_experiment(SMALL).query("case == @case and seed == @seed and iteration == 20").iloc[0]
        assert found["ia"] == pytest.approx(sigma.sum() / sigma[0], rel=1e-4)
        assert found["cardinality_3"] == D_3


def test_rows_and_columns() -> None:
    frame = toy_experiment(SMALL)
    assert len(frame) == 2 * 2 * 3
    assert sorted(frame["iteration"].unique()) == [0, 10, 20]
    assert (frame.query("iteration == 0").groupby("seed")["ia"].nunique() == 1).all()
    assert frame.equals(toy_experiment(SMALL))


def test_a_low_rank_partner_lowers_the_abundance() -> None:
    """The claim of Figure 4, with Appendix G's sizes and fewer steps."""
    frame = toy_experiment(ToySettings(iterations=500, seeds=2)).query("iteration == 500")
    assert frame.query("case == 'small'")["ia"].max() < frame.query("case == 'large'")["ia"].min()


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"measure_every": 0}, {"learning_rate": 0.0}, {"small": -1}])
def test_settings_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(CollapseError, match=next(iter(wrong))):
        ToySettings(**wrong)
