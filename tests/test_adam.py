"""Our Adam gives the numbers of torch's, whatever gradients are missing and wherever it is continued."""

import copy

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from collapse.training.runs.adam import Adam

MISSING = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6)


@given(
    missing=MISSING, reload_at=st.integers(0, 5), decay=st.sampled_from([0.0, 1e-6, 0.1]), seed=st.integers(0, 99)
)
def test_the_same_numbers_as_torch(missing: list[list[bool]], reload_at: int, decay: float, seed: int) -> None:
    """Bit by bit, with parameters without gradients in some steps, and a state that is saved and loaded."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(5, 3), (4,), ()]
    ours = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    theirs = [each.detach().clone().requires_grad_() for each in ours]
    own = Adam(list(ours), lr=0.01, weight_decay=decay)
    usual = torch.optim.Adam(theirs, lr=0.01, weight_decay=decay, fused=True)
    for step, without in enumerate([[False] * 3, *missing, [False] * 3, [False] * 3]):
        for mine, other, left_out in zip(ours, theirs, without, strict=True):
            gradient = torch.randn(mine.shape, generator=generator)
            mine.grad, other.grad = (None, None) if left_out else (gradient.clone(), gradient.clone())
        own.step()
        usual.step()
        if step == reload_at:
            state = copy.deepcopy(own.state_dict())
            own = Adam(list(ours), lr=0.01, weight_decay=decay)
            own.load_state_dict(state)
        for mine, other in zip(ours, theirs, strict=True):
            assert torch.equal(mine, other)
    for mine, other in zip(own.state_dict()["state"].values(), usual.state_dict()["state"].values(), strict=True):
        assert mine.keys() == other.keys()
        for key, value in other.items():
            number: Tensor = mine[key]
            assert torch.equal(number, value), key
