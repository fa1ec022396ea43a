"""Adam as torch has it, with less to do around its kernel in every step."""

from typing import Any

import torch
from torch import Tensor


class Adam(torch.optim.Adam):
    """torch's fused Adam, exact for every row of every table, for parameters that all have gradients.

    In every step torch gathers its lists, checks them, groups them by device, and counts the steps of each
    parameter, which takes longer than the kernel if the model is small. Here the lists are kept, and the
    parameters share one counter. The numbers and the form of the state are those of `torch.optim.Adam`.

    Parameters
    ----------
    parameters : list of Tensor
        Parameters of one device and type.
    lr, weight_decay : float
        Learning rate, and the coupled L2 penalty.
    """

    def __init__(self, parameters: list[Tensor], *, lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        self._parameters = parameters
        self._kept: tuple[list[Tensor], list[Tensor], list[Tensor]] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the state, as `torch.optim.Adam` does, with a counter for each parameter."""
        found = super().state_dict()
        # A parameter that never had a gradient has no state.
        states = {
            key: {**state, "step": state["step"].clone()} if state else state
            for key, state in found["state"].items()
        }
        return {**found, "state": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, as `torch.optim.Adam` does."""
        self._kept = None
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update all parameters."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._kept is None or len(gradients) < len(self._parameters):
            # torch makes the state in its first step, and leaves out parameters without a gradient.
            self._share_nothing()
            super().step()
            self._keep([self.state[parameter] for parameter in self._parameters])
            return
        means, squares, steps = self._kept
        group = self.param_groups[0]
        beta1, beta2 = group["betas"]
        steps[0].add_(1)
        torch._fused_adam_(
            self._parameters, gradients, means, squares, [], steps,
            lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
            amsgrad=False, maximize=False,
        )  # fmt: skip

    def _keep(self, states: list[dict[str, Tensor]]) -> None:
        """Keep the lists, if all parameters have done the same number of steps, which they then count together."""
        if not all(states) or len({float(state["step"]) for state in states}) > 1:
            return
        for state in states:
            state["step"] = states[0]["step"]
        means, squares, steps = ([state[key] for state in states] for key in ("exp_avg", "exp_avg_sq", "step"))
        self._kept = means, squares, steps

    def _share_nothing(self) -> None:
        if self._kept is not None:
            for parameter in self._parameters:
                self.state[parameter]["step"] = self.state[parameter]["step"].clone()
            self._kept = None
