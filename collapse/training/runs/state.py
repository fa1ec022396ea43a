"""What binds a saved state to its run: nothing is loaded that is not this run's, whole and of the right shapes."""

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
    """All that the next step depends on, beside the model's weights."""

    epochs_done: Index
    """Whole epochs behind it."""
    best_epoch: Index
    """The epoch of the best validation AUC; 0 for none."""
    best_auc: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """That AUC."""
    steps_done: Index
    """Steps of the epoch that was begun."""
    losses_sum: float
    """Sum of their losses."""
    penalties_sum: float
    """Sum of their penalties."""
    optimiser: dict[str, Any]
    """Adam's state dict."""
    random: Any
    """The state of the CPU's random numbers."""
    random_cuda: Any
    """The state of the GPU's; None without one."""


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Name every setting in which two configurations differ; the path of the data is left out.

    Parameters
    ----------
    theirs, ours : mapping
        Nested plain values, as `RunConfig.as_dict` returns them.

    Returns
    -------
    list of str
        A setting with both values each.
    """
    a, b = flat_config(theirs), flat_config(ours)
    differing = [key for key in dict.fromkeys([*a, *b]) if key != "data" and a.get(key) != b.get(key)]
    return [f"{key} is {a.get(key)!r} there and {b.get(key)!r} here" for key in differing]


def check_same_run(path: Path, checkpoint: Checkpoint, config: RunConfig, data_hash: str) -> None:
    """Refuse a checkpoint of another run.

    Parameters
    ----------
    path : Path
        Its file.
    checkpoint : Checkpoint
        What is in it.
    config : RunConfig
        The run's settings.
    data_hash : str
        The hash of the run's data.

    Raises
    ------
    CollapseError
        If settings or data differ; the sentence names every difference.
    """
    found = differences(checkpoint.config, config.as_dict())
    if (theirs := str(checkpoint.data.get("sha256"))) != data_hash:
        found.append(f"the data's hash is {theirs[:12]} there and {data_hash[:12]} here")
    if found:
        raise CollapseError(f"{path} is of another run ({'; '.join(found)}): put this run's file back")


def checked_state(
    path: Path,
    checkpoint: Checkpoint,
    model: Mapping[str, Tensor],
    optimiser: Mapping[str, Any],
    parameters: Sequence[Tensor],
) -> TrainingState:
    """Check weights and training state of a checkpoint against those of a run that was just set up.

    Parameters
    ----------
    path : Path
        Its file.
    checkpoint : Checkpoint
        What is in it.
    model : mapping of str to Tensor
        The state dict of the run's model.
    optimiser : mapping
        The state dict of its optimiser.
    parameters : sequence of Tensor
        The optimiser's parameters, in its order.

    Returns
    -------
    TrainingState
        What can be loaded.

    Raises
    ------
    CollapseError
        If a key, shape or type is not the run's: an optimiser that is given other shapes reads and writes past its
        tensors.
    """
    try:
        state = msgspec.convert(checkpoint.training_state, TrainingState)
        _check_tensors(checkpoint.state_dict, model, "")
        _check_optimiser(state.optimiser, optimiser, parameters)
        for name in ("losses_sum", "penalties_sum"):
            if not math.isfinite(getattr(state, name)):
                raise ValueError(f"its {name} is {getattr(state, name)}")
        if state.best_epoch > state.epochs_done:
            raise ValueError(f"its best epoch is {state.best_epoch} of {state.epochs_done}")
        for name in ("random", "random_cuda"):
            _check_bytes(getattr(state, name), name, optional=name == "random_cuda")
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise CollapseError(
            f"{path} does not hold the state of this run ({error}): put the file back, or start anew in another "
            "--out"
        ) from error
    return state


def _check_optimiser(state: Mapping[str, Any], own: Mapping[str, Any], parameters: Sequence[Tensor]) -> None:
    if set(state) != set(own) or state["param_groups"] != own["param_groups"]:
        raise ValueError("its optimiser has other settings")
    found = state["state"]
    numbers = range(len(parameters))
    if not isinstance(found, Mapping) or (found and set(found) != set(numbers)):
        raise ValueError(f"its optimiser has no state of {len(parameters)} parameters")
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
                f"its {where}{name} is {dtype} of shape {tuple(shape or ())}, not {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}"
            )


def _check_bytes(value: Any, name: str, *, optional: bool) -> None:
    if optional and value is None:
        return
    expected = torch.get_rng_state()
    same = isinstance(value, Tensor) and value.dtype == torch.uint8 and value.dim() == 1
    if not same or (not optional and value.shape != expected.shape):
        raise ValueError(f"its {name} is no state of random numbers")
