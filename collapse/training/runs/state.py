"""Checks that a saved state belongs to a run: nothing is loaded unless it is complete and has the right shapes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor

from collapse.bounds import Index
from collapse.errors import CollapseError
from collapse.io.checkpoint.schema import Checkpoint, flat_config
from collapse.training.runs.config import RunConfig


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Everything that the next step depends on, except the weights."""

    epochs_done: Index
    """Number of finished epochs."""
    best_epoch: Index
    """Epoch with the best validation AUC; 0 if there is none."""
    best_auc: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """Best validation AUC."""
    steps_done: Index
    """Number of steps of the unfinished epoch."""
    losses_sum: float
    """Sum of the losses of these steps."""
    penalties_sum: float
    """Sum of the penalties of these steps."""
    optimiser: dict[str, Any]
    """State dict of Adam."""
    random: Any
    """State of the CPU's random numbers."""
    random_cuda: Any
    """State of the GPU's random numbers; None without a GPU."""


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """List the settings in which two configurations differ, without the path of the data.

    Parameters
    ----------
    theirs, ours : mapping
        Nested plain values, as `RunConfig.as_dict` returns them.

    Returns
    -------
    list of str
        One entry per setting, with both values.
    """
    a, b = flat_config(theirs), flat_config(ours)
    differing = [key for key in dict.fromkeys([*a, *b]) if key != "data" and a.get(key) != b.get(key)]
    return [f"{key} is {a.get(key)!r} there and {b.get(key)!r} here" for key in differing]


def check_same_run(path: Path, checkpoint: Checkpoint, config: RunConfig, data_hash: str) -> None:
    """Refuse a checkpoint of another run.

    Raises
    ------
    CollapseError
        If settings or data differ. The message lists all differences.
    """
    found = differences(checkpoint.config, config.as_dict())
    if (theirs := str(checkpoint.data.get("sha256"))) != data_hash:
        found.append(f"the data's hash is {theirs[:12]} there and {data_hash[:12]} here")
    if found:
        raise CollapseError(f"{path} is from another run ({'; '.join(found)}): restore this run's file")


def checked_state(
    path: Path,
    checkpoint: Checkpoint,
    model: Mapping[str, Tensor],
    optimiser: Mapping[str, Any],
    parameters: Sequence[Tensor],
) -> TrainingState:
    """Check the weights and the training state of a checkpoint against those of a new run.

    Parameters
    ----------
    path : Path
        File of the checkpoint.
    checkpoint : Checkpoint
        The checkpoint.
    model : mapping of str to Tensor
        State dict of the run's model.
    optimiser : mapping
        State dict of its optimiser.
    parameters : sequence of Tensor
        Parameters of the optimiser, in order.

    Returns
    -------
    TrainingState
        A state that can be loaded.

    Raises
    ------
    CollapseError
        If a key, shape or type differs. An optimiser that loads other shapes reads and writes beyond its tensors.
    """
    try:
        state = msgspec.convert(checkpoint.training_state, TrainingState)
        _check_tensors(checkpoint.state_dict, model, "")
        _check_optimiser(state.optimiser, optimiser, parameters)
        for name in ("losses_sum", "penalties_sum"):
            if not math.isfinite(getattr(state, name)):
                raise ValueError(f"its {name} is {getattr(state, name)}")
        if state.best_epoch > state.epochs_done:
            raise ValueError(f"its best epoch is {state.best_epoch}, but it has {state.epochs_done} epochs")
        for name in ("random", "random_cuda"):
            _check_bytes(getattr(state, name), name, optional=name == "random_cuda")
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise CollapseError(
            f"{path} does not contain the state of this run ({error}): restore the file, or start again in "
            "another --out"
        ) from error
    return state


def _check_optimiser(state: Mapping[str, Any], own: Mapping[str, Any], parameters: Sequence[Tensor]) -> None:
    if set(state) != set(own) or state["param_groups"] != own["param_groups"]:
        raise ValueError("its optimiser has other settings")
    found = state["state"]
    numbers = range(len(parameters))
    if not isinstance(found, Mapping) or (found and set(found) != set(numbers)):
        raise ValueError(f"its optimiser does not have {len(parameters)} parameters")
    for number in numbers if found else ():
        parameter = parameters[number]
        shapes = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
        _check_tensors(found[number], shapes, f"optimiser's {number} ")


def _check_tensors(found: Any, expected: Mapping[str, Tensor], where: str) -> None:
    if not isinstance(found, Mapping) or set(found) != set(expected):
        raise ValueError(f"its {where}tensors are not {', '.join(list(expected)[:3])}, ..")
    for name, tensor in expected.items():
        value = found[name]
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if not isinstance(value, Tensor) or shape != tensor.shape or dtype != tensor.dtype:
            raise ValueError(
                f"its {where}{name} is {dtype} of shape {tuple(shape or ())} instead of {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}"
            )


def _check_bytes(value: Any, name: str, *, optional: bool) -> None:
    if optional and value is None:
        return
    expected = torch.get_rng_state()
    same = isinstance(value, Tensor) and value.dtype == torch.uint8 and value.dim() == 1
    if not same or (not optional and value.shape != expected.shape):
        raise ValueError(f"its {name} is not a state of random numbers")
