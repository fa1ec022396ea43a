"""All sets of a small batch at once: the numbers of one set after another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from collapse.training.models import model as module
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config, model_names

CARDINALITIES = [5, 3, 8, 2]


def outputs(model: MultiEmbeddingModel, ids_BN: Tensor, monkeypatch: pytest.MonkeyPatch, few: int) -> list[Tensor]:
    """Return logits, gradients and running statistics of a step."""
    monkeypatch.setattr(module, "_FEW_ROWS", few)
    model.zero_grad()
    logits_B = model(ids_BN)
    logits_B.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    return [logits_B.detach(), *gradients, *(buffer.clone() for buffer in model.buffers())]


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("training", [True, False])
def test_at_once_and_one_by_one(name: str, training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_ = {"dropout": 0.0} if hasattr(model_config(name).interaction, "dropout") else {}
    config = model_config(name, embedding_size=2, sets=3, **settings_)
    ids_BN = torch.stack([torch.randint(D, (7,)) for D in CARDINALITIES], dim=1).int()
    found = []
    for few in (0, 1024):
        torch.manual_seed(1)
        model = MultiEmbeddingModel(CARDINALITIES, config).double().train(training)
        found.append(outputs(model, ids_BN, monkeypatch, few))
    assert len(found[0]) == len(found[1])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@settings(max_examples=20)
@given(
    sets=st.integers(2, 4),
    size=st.integers(1, 5),
    regularised=st.sampled_from(["no", "lambda", "factor"]),
    interactions=st.sampled_from(["separate", "aligned", "shared"]),
    width=st.sampled_from([1, 10_000]),
)
def test_cross_networks(sets: int, size: int, regularised: str, interactions: str, width: int) -> None:
    """Every variant, with stacked weights and without."""
    from collapse.training.models.interactions import dcnv2

    config = model_config(
        "dcnv2", embedding_size=size, sets=sets, regularised=regularised, interactions=interactions, dropout=0.0
    )
    ids_BN = torch.stack([torch.randint(D, (9,)) for D in CARDINALITIES], dim=1).int()
    found = []
    for few in (0, 1024):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dcnv2, "_STACKED_WIDTH", width)
            torch.manual_seed(2)
            model = MultiEmbeddingModel(CARDINALITIES, config).double()
            found.append(outputs(model, ids_BN, patch, few))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_hooks_are_called_for_every_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches the layers sees every one of them."""
    model = MultiEmbeddingModel(CARDINALITIES, model_config("dcnv2-2x3"))
    ids_BN = torch.zeros(4, 4, dtype=torch.int32)
    called: list[int] = []
    for m, each in enumerate(model.interactions):
        each.register_forward_hook(lambda *_, m=m: called.append(m))
    model(ids_BN)
    assert called == [0, 1, 2]
