"""The penalties of Evidence III and of Figure 10. N fields, K columns, M sets."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from collapse.errors import CollapseError
from collapse.training.models.interactions.dcnv2 import CrossConfig, CrossNetwork
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config
from collapse.training.models.regularisers import alignment_penalty, block_norms, unitary_penalty

sizes = st.integers(1, 4)


def unitary_multiples(N: int, K: int) -> tuple[Tensor, Tensor]:
    """Return a matrix whose blocks are sqrt(lambda_ij) times orthogonal matrices, and lambda."""
    lambda_NN = torch.rand(N, N, dtype=torch.float64) + 0.1
    U_NNKK = torch.linalg.qr(torch.randn(N, N, K, K, dtype=torch.float64)).Q
    blocks = lambda_NN.sqrt()[..., None, None] * U_NNKK
    return blocks.transpose(1, 2).reshape(N * K, N * K), lambda_NN


@given(N=sizes, K=sizes, seed=st.integers(0, 99))
def test_unitary_multiples_cost_nothing(N: int, K: int, seed: int) -> None:
    torch.manual_seed(seed)
    W, lambda_NN = unitary_multiples(N, K)
    assert unitary_penalty(W, lambda_NN).item() < 1e-24


@given(N=sizes, K=st.integers(2, 4), seed=st.integers(0, 99), size=st.floats(1e-3, 1))
def test_anything_else_costs(N: int, K: int, seed: int, size: float) -> None:
    """One changed entry of one block, or a wrong lambda, is enough."""
    torch.manual_seed(seed)
    W, lambda_NN = unitary_multiples(N, K)
    changed = W.clone()
    changed[-1, -1] += size
    changed[-1, -2] += 2 * size
    assert unitary_penalty(changed, lambda_NN).item() > 1e-12
    assert unitary_penalty(W, lambda_NN + size).item() == pytest.approx(N * N * K * size**2)


@given(N=sizes, K=sizes, seed=st.integers(0, 99))
def test_the_penalty_is_its_formula(N: int, K: int, seed: int) -> None:
    """Computed pair by pair. With lambda = 1 it equals the penalty of W W^T, which the paper's code has."""
    torch.manual_seed(seed)
    W, lambda_NN = torch.randn(N * K, N * K, dtype=torch.float64), torch.rand(N, N, dtype=torch.float64)
    one = torch.eye(K, dtype=torch.float64)
    blocks = [(j, i, W[j * K : (j + 1) * K, i * K : (i + 1) * K]) for j in range(N) for i in range(N)]
    text = sum(torch.linalg.matrix_norm(b.T @ b - lambda_NN[j, i] * one) ** 2 for j, i, b in blocks)
    code = sum(torch.linalg.matrix_norm(b @ b.T - one) ** 2 for _, _, b in blocks)
    torch.testing.assert_close(unitary_penalty(W, lambda_NN), text)
    torch.testing.assert_close(unitary_penalty(W, torch.ones_like(lambda_NN)), code)


@given(N=sizes, K=sizes, M=st.integers(2, 3), seed=st.integers(0, 99))
def test_gradients_agree_with_finite_differences(N: int, K: int, M: int, seed: int) -> None:
    torch.manual_seed(seed)
    W_sets = [torch.randn(N * K, N * K, dtype=torch.float64, requires_grad=True) for _ in range(M)]
    lambda_NN = torch.rand(N, N, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unitary_penalty, (W_sets[0], lambda_NN))
    assert torch.autograd.gradcheck(lambda *W: alignment_penalty(list(W), N), tuple(W_sets))


@given(N=sizes, K=sizes, M=st.integers(2, 4), seed=st.integers(0, 99))
def test_alignment_is_zero_for_equal_norms_and_only_then(N: int, K: int, M: int, seed: int) -> None:
    """A rotation of a block keeps its norm, and one block with a larger norm does not."""
    torch.manual_seed(seed)
    W = torch.randn(N * K, N * K, dtype=torch.float64)
    norms = block_norms(W, N)
    torch.testing.assert_close(norms.square().sum(), W.square().sum())
    W_NNKK = W.view(N, K, N, K).transpose(1, 2)
    U_MNNKK = torch.linalg.qr(torch.randn(M, N, N, K, K, dtype=torch.float64)).Q
    rotated = [(U @ W_NNKK).transpose(1, 2).reshape(N * K, N * K) for U in U_MNNKK]
    assert alignment_penalty(rotated, N).item() < 1e-24
    rotated[0][:K, :K] *= 2
    expected = norms[0, 0].item() ** 2 * (1 - 1 / M)
    assert alignment_penalty(rotated, N).item() == pytest.approx(expected)


@pytest.mark.parametrize("given", [0.0, 0.02])
@pytest.mark.parametrize(("regularised", "own"), [("lambda", 1e-3), ("factor", 1e-5)])
def test_the_model_adds_both_penalties_over_all_layers_and_sets(
    regularised: str, own: float, given: float
) -> None:
    """Each form has its own default weight."""
    torch.manual_seed(0)
    config = model_config(
        embedding_size=3,
        sets=2,
        cross_layers=3,
        regularised=regularised,
        penalty_weight=given,
        interactions="aligned",
        alignment_weight=0.1,
    )
    model = MultiEmbeddingModel([4, 5], config)
    weights = [[model.get_parameter(f"interactions.{m}.layers.{n}.weight") for n in range(3)] for m in range(2)]
    targets = [[torch.ones(2, 2) for _ in range(3)] for _ in range(2)]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "factors" in name:
                parameter.uniform_(0.5, 2)
    if regularised == "lambda":
        targets = [[model.get_parameter(f"interactions.{m}.lambdas.{n}").data for n in range(3)] for m in range(2)]
    unitary = sum(unitary_penalty(weights[m][n], targets[m][n]) for m in range(2) for n in range(3))
    expected = (given or own) * unitary + 0.1 * sum(alignment_penalty(effective(model, n), 2) for n in range(3))
    torch.testing.assert_close(model.penalty(), expected)


def effective(model: MultiEmbeddingModel, layer: int) -> list[Tensor]:
    """Return n_ij W_ij of one layer in every set, or W_ij if there is no n_ij."""
    found, parameters = [], dict(model.named_parameters())
    for m in range(2):
        n_NN = parameters.get(f"interactions.{m}.factors.{layer}", torch.ones(2, 2))
        found.append(parameters[f"interactions.{m}.layers.{layer}.weight"] * torch.kron(n_NN, torch.ones(3, 3)))
    return found


def test_lambda_starts_at_its_best_value() -> None:
    """No other lambda makes the penalty of the initial W smaller."""
    torch.manual_seed(0)
    network = CrossNetwork(3, 4, CrossConfig(regularised="lambda"))
    W, lambda_NN = network.get_parameter("layers.0.weight").detach(), network.get_parameter("lambdas.0")
    (gradient,) = torch.autograd.grad(unitary_penalty(W, lambda_NN), lambda_NN)
    torch.testing.assert_close(gradient, torch.zeros(3, 3), atol=1e-5, rtol=0)


def test_alignment_needs_projections() -> None:
    with pytest.raises(CollapseError, match="dnn"):
        model_config("dnn", sets=2, interactions="aligned")


@pytest.mark.parametrize("which", ["unitary", "alignment"])
def test_gradients_are_those_of_finite_differences(which: str) -> None:
    """In float64, for W and lambda."""
    torch.manual_seed(0)
    W_sets = [torch.randn(6, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    lambda_NN = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    if which == "unitary":
        assert torch.autograd.gradcheck(unitary_penalty, (W_sets[0], lambda_NN))
    else:
        assert torch.autograd.gradcheck(lambda *sets: alignment_penalty(sets, 3), W_sets)
