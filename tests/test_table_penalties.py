"""Penalties on the rows in a batch: their extremes and invariances, and their effect."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from collapse.measures.dimensions import participation_ratio
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config
from collapse.training.models.table_penalties import spectral, table_penalty, uniformity, vicreg

seeds = st.integers(0, 999)


def batch(seed: int, B: int = 40, N: int = 3, K: int = 4) -> Tensor:
    return torch.randn(B, N, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed: int, K: int = 4) -> Tensor:
    Q: Tensor = torch.linalg.qr(batch(seed, K, 1, K)[:, 0])[0]
    return Q


def low_rank(seed: int) -> Tensor:
    return batch(seed)[:, :, :1] * batch(seed + 1)[:1]


@given(seed=seeds, scale=st.floats(0.01, 100))
def test_spectral_is_the_inverse_of_the_participation_ratio(seed: int, scale: float) -> None:
    e = batch(seed)
    exact = [1 / participation_ratio(np.linalg.svd(e[:, i].numpy(), compute_uv=False)) for i in range(3)]
    assert float(spectral(scale * e)) == pytest.approx(np.mean(exact), rel=1e-9)
    assert float(spectral(e @ rotation(seed))) == pytest.approx(np.mean(exact), rel=1e-9)
    assert 1 / 4 <= float(spectral(e)) <= 1


@given(seed=seeds)
def test_extremes(seed: int) -> None:
    """Rank one gives the maximum; equal singular values and zero covariance give the minimum."""
    assert float(spectral(low_rank(seed))) == pytest.approx(1)
    orthogonal = torch.linalg.qr(batch(seed, 40, 1, 4)[:, 0])[0][:, None]
    assert float(spectral(orthogonal)) == pytest.approx(1 / 4)
    centred = orthogonal - orthogonal.mean(0)
    white = torch.linalg.qr(centred[:, 0])[0][:, None]
    # The hinge is at the root of 1 + 1e-4, the covariance at rounding.
    assert float(vicreg(white)) == pytest.approx(0, abs=0.02)
    assert float(vicreg(low_rank(seed))) > 0.3
    same = torch.ones(40, 3, 4, dtype=torch.float64)
    assert float(uniformity(same)) == pytest.approx(0, abs=1e-6)
    assert float(uniformity(batch(seed))) < -0.5


@given(seed=seeds, scale=st.floats(0.1, 10))
def test_scale_and_order_of_rows(seed: int, scale: float) -> None:
    e = batch(seed)
    order = torch.randperm(len(e), generator=torch.Generator().manual_seed(seed))
    for penalty in (spectral, vicreg, uniformity):
        assert float(penalty(scale * e)) == pytest.approx(float(penalty(e)), rel=1e-4)
        assert float(penalty(e[order])) == pytest.approx(float(penalty(e)), rel=1e-9)


@pytest.mark.parametrize("penalty", [spectral, vicreg, uniformity])
def test_no_scale_is_pushed(penalty: object) -> None:
    """The gradient of a scale-free penalty is orthogonal to the embeddings, so it does not change the scale."""
    e = batch(0).requires_grad_()
    (gradient,) = torch.autograd.grad(penalty(e), e)  # type: ignore[operator]
    along = float((gradient * e.detach()).sum() / (gradient.norm() * e.detach().norm()))
    assert along == pytest.approx(0, abs=1e-6)


def test_uniformity_is_its_formula() -> None:
    e = batch(0, B=7)
    u = e / e.norm(dim=-1, keepdim=True)
    means = [
        math.log(
            np.mean([math.exp(-2 * float((u[a, i] - u[b, i]).square().sum())) for a in range(7) for b in range(7)])
        )
        for i in range(3)
    ]
    assert float(uniformity(e)) == pytest.approx(np.mean(means), rel=1e-6)


@pytest.mark.parametrize("penalty", [spectral, vicreg, uniformity])
def test_a_field_of_one_value_or_of_zeros(penalty: object) -> None:
    """The value and its gradient are finite."""
    for e in (torch.zeros(9, 2, 4), torch.ones(9, 2, 4), batch(0, 1).float()):
        leaf = e.clone().requires_grad_()
        value = penalty(leaf)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(value, leaf)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["spectral", "vicreg", "uniformity"])
@pytest.mark.parametrize("sets", [1, 2])
def test_descending_it_raises_abundance(kind: str, sets: int) -> None:
    """Through the model's own penalty, with sparse gradients: rows outside the batch do not change."""
    torch.manual_seed(0)
    config = model_config("dnn-4", sets=sets, table_penalty=kind, table_penalty_weight=1.0)
    model = MultiEmbeddingModel([30, 20], config)
    with torch.no_grad():
        model.embedding.weight.mul_(torch.tensor([1.0, 0.3, 0.1, 0.05] * sets))
    ids = torch.stack([torch.randint(0, 20, (256,)), torch.randint(0, 15, (256,))], 1).int()
    before = model.embedding.weight.detach().clone()

    def participation() -> float:
        sigma = torch.linalg.svdvals(model.embedding.weight.detach()[:20, :4]).numpy()
        return float(participation_ratio(sigma))

    start = participation()
    for _ in range(200):
        model.zero_grad()
        penalty = model.penalty(ids)
        assert penalty is not None
        penalty.backward()  # type: ignore[no-untyped-call]
        gradient = model.embedding.weight.grad
        assert gradient is not None
        with torch.no_grad():
            model.embedding.weight.sub_(0.02 * gradient / (gradient.norm() + 1e-12))
    assert participation() > start + 0.2
    assert torch.equal(model.embedding.weight[20:30], before[20:30])


def test_without_one_nothing_is_added() -> None:
    model = MultiEmbeddingModel([30, 20], model_config("dnn-4"))
    assert model.penalty(torch.zeros(3, 2, dtype=torch.int32)) is None


def test_sets_are_summed() -> None:
    a, b = batch(0).float(), batch(1).float()
    assert float(table_penalty("spectral", (a, b))) == pytest.approx(float(spectral(a) + spectral(b)))
