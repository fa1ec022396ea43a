"""The training loop: steps, epochs, early stopping, and the state for resuming."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.io.checkpoint.schema import Checkpoint
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.split import Split
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.runs.adam import Adam
from collapse.training.runs.batches import DeviceRows, batch_bounds, batches, epoch_order, rows_on_device
from collapse.training.runs.config import RunConfig
from collapse.training.runs.evaluate import evaluate
from collapse.training.runs.state import checked_state

_CHECK_EVERY = 64
"""Steps between two reads of the loss, each of which waits for a GPU to finish."""


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One row of `metrics.csv`."""

    epoch: int
    """Number of the epoch, from 1."""
    train_loss: float
    """Mean binary cross-entropy over the epoch's steps, with dropout and without penalties, in nats."""
    penalty: float
    """Mean penalty of the model over the epoch's steps, without weight decay; 0 if there is none."""
    validation_auc: float
    """AUC on the validation rows after the epoch."""
    validation_logloss: float
    """Logloss on the validation rows after the epoch, in nats."""
    rows_per_second: float
    """Training rows per second, without the evaluation."""
    seconds: float
    """Wall-clock seconds of training; only of the last part if the epoch was resumed."""


class Trainer:
    """A model in training, with everything that decides its next step.

    Parameters
    ----------
    config : RunConfig
        Configuration of the run.
    data : PreparedData
        The data set.
    split : Split
        Rows for training, validation and test.
    device : torch.device
        Device to train on.
    """

    def __init__(self, config: RunConfig, data: PreparedData, split: Split, device: torch.device) -> None:
        self.config, self.data, self.split, self.device = config, data, split, device
        torch.manual_seed(config.seeds.initialisation)
        self.model = MultiEmbeddingModel(list(data.schema.cardinalities), config.model).to(device)
        self._forward = torch.compile(self.model) if config.compiled else self.model
        self.optimiser = Adam(
            list(self.model.parameters()),
            lr=config.optimiser.learning_rate,
            weight_decay=config.optimiser.weight_decay,
        )
        self.epochs_done = 0
        self.best_epoch = 0
        self.best_auc = 0.0
        self.is_best = False
        """Whether the last epoch is the best so far."""
        self._steps_done = 0
        self._losses_sum = 0.0
        self._penalties_sum = 0.0
        self._pending: list[tuple[Tensor, Tensor | None]] = []

    @cached_property
    def _there(self) -> DeviceRows | None:
        """The rows in the memory of a GPU, if they fit next to the weights, gradients and moments."""
        if self.device.type != "cuda":
            return None
        weights = sum(parameter.nbytes for parameter in self.model.parameters())
        return rows_on_device(self.data, self.device, free=torch.cuda.mem_get_info(self.device)[0] - 3 * weights)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the validation AUC has not improved for `patience` epochs."""
        waited = self.epochs_done - self.best_epoch
        return self.epochs_done >= self.config.epochs or waited >= self.config.patience

    @property
    def step(self) -> int:
        """Number of steps since the run began."""
        return self.epochs_done * self._steps_an_epoch + self._steps_done

    def train_epoch(self, after_step: Callable[[], None]) -> EpochResult:
        """Train one epoch, or the rest of an unfinished one, and evaluate.

        Parameters
        ----------
        after_step : Callable[[], None]
            Called between steps. It may save the state, and may raise an exception to stop.

        Returns
        -------
        EpochResult
            The metrics. `is_best` says whether they are the best so far.

        Raises
        ------
        CollapseError
            If the loss or a prediction is not finite.
        """
        epoch = self.epochs_done + 1
        bounds = batch_bounds(len(self.split.train), self.config.optimiser.batch_size)
        first_row = bounds[self._steps_done][0] if self._steps_done < len(bounds) else len(self.split.train)
        start = time.perf_counter()
        for _ in self._steps(epoch, bounds):
            after_step()
        seconds = time.perf_counter() - start
        validation = evaluate(self.model, self.data, self.split.validation, self.device, split="validation")
        result = EpochResult(
            epoch=epoch,
            train_loss=self._losses_sum / len(bounds),
            penalty=self._penalties_sum / len(bounds),
            validation_auc=validation.auc,
            validation_logloss=validation.logloss,
            rows_per_second=(len(self.split.train) - first_row) / seconds,
            seconds=seconds,
        )
        self.epochs_done, self._steps_done = epoch, 0
        self._losses_sum = self._penalties_sum = 0.0
        adopted = epoch == self.best_epoch and validation.auc == self.best_auc
        self.is_best = adopted or self.best_epoch == 0 or validation.auc > self.best_auc
        if self.is_best:
            self.best_epoch, self.best_auc = epoch, validation.auc
        return result

    def _steps(self, epoch: int, bounds: list[tuple[int, int]]) -> Iterator[None]:
        rows = epoch_order(self.split.train, self.config.seeds.order, epoch)
        self.model.train()
        remaining = bounds[self._steps_done :]
        with tqdm(
            desc=f"epoch {epoch}",
            total=len(rows),
            initial=len(rows) - sum(stop - start for start, stop in remaining),
            unit="rows",
            unit_scale=True,
            leave=False,
            disable=None,
        ) as bar:
            for ids_BN, labels_B in batches(self.data, rows, remaining, self.device, self._there):
                self._pending.append(self._step(ids_BN, labels_B))
                self._steps_done += 1
                if self._steps_done % _CHECK_EVERY == 0 or self._steps_done == len(bounds):
                    self._add_losses()
                    bar.set_postfix(self._means(), refresh=False)
                bar.update(len(labels_B))
                yield

    def _step(self, ids_BN: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Train on one batch, and return the loss and the penalty."""
        self.model.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            logits_B = self._forward(ids_BN)
        loss = F.binary_cross_entropy_with_logits(logits_B.float(), labels_B)
        penalty = self.model.penalty(ids_BN)
        (loss if penalty is None else loss + penalty).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach(), None if penalty is None else penalty.detach()

    def _means(self) -> dict[str, str]:
        means = {"loss": f"{self._losses_sum / self._steps_done:.4f}"}
        if self._penalties_sum:
            means["penalty"] = f"{self._penalties_sum / self._steps_done:.3g}"
        return means

    def _add_losses(self) -> None:
        # Losses are fetched several steps at a time, because each fetch makes a GPU wait.
        found = [_numbers(each) for each in zip(*self._pending, strict=True)]
        losses = list(zip(*found, strict=True))
        self._pending.clear()
        for step, (loss, penalty) in enumerate(losses, start=self._steps_done - len(losses) + 1):
            if not math.isfinite(loss + penalty):
                what = f"training loss is {loss}" if not math.isfinite(loss) else f"penalty is {penalty}"
                raise CollapseError(
                    f"the {what} at step {step} of epoch {self.epochs_done + 1}, so the run has diverged: lower "
                    f"the learning rate ({self.config.optimiser.learning_rate})"
                )
            self._losses_sum += loss
            self._penalties_sum += penalty

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, except the weights, as plain values and tensors."""
        self._add_losses()
        return {
            "epochs_done": self.epochs_done,
            "best_epoch": self.best_epoch,
            "best_auc": self.best_auc,
            "steps_done": self._steps_done,
            "losses_sum": self._losses_sum,
            "penalties_sum": self._penalties_sum,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, path: Path, checkpoint: Checkpoint) -> None:
        """Restore a state that `state` returned.

        Parameters
        ----------
        path : Path
            The file it is from.
        checkpoint : Checkpoint
            The weights at that time, with the state.

        Raises
        ------
        CollapseError
            If the state does not fit the run; see `collapse.training.runs.state`.
        """
        own, parameters = self.optimiser.state_dict(), list(self.model.parameters())
        state = checked_state(path, checkpoint, self.model.state_dict(), own, parameters)
        if state.epochs_done > self.config.epochs or state.steps_done > self._steps_an_epoch:
            raise CollapseError(
                f"{path} does not contain the state of this run: it is at step {state.steps_done} of epoch "
                f"{state.epochs_done + 1}, but the run has {self.config.epochs} epochs of "
                f"{self._steps_an_epoch} steps"
            )
        self.model.load_state_dict(dict(checkpoint.state_dict))
        self.optimiser.load_state_dict(state.optimiser)
        self.epochs_done, self.best_epoch, self.best_auc = state.epochs_done, state.best_epoch, state.best_auc
        self._steps_done = state.steps_done
        self._losses_sum, self._penalties_sum = state.losses_sum, state.penalties_sum
        torch.set_rng_state(state.random)
        if self.device.type == "cuda" and state.random_cuda is not None:
            torch.cuda.set_rng_state(state.random_cuda, self.device)

    def adopt_best(self, epoch: int, auc: float) -> None:
        """Adopt a best epoch that is later than the state, because the run was killed in between.

        The epoch is trained again. On a CPU it gives the same bits. On a GPU it may differ, and then has to be
        better than what is saved to replace it.
        """
        if epoch > self.epochs_done and (self.best_epoch == 0 or auc > self.best_auc):
            self.best_epoch, self.best_auc = epoch, auc

    @property
    def _steps_an_epoch(self) -> int:
        return len(batch_bounds(len(self.split.train), self.config.optimiser.batch_size))


def _numbers(tensors: Sequence[Tensor | None]) -> list[float]:
    """Return scalars as numbers; 0 for a penalty that a model does not have."""
    there = [tensor for tensor in tensors if tensor is not None]
    return torch.stack(there).tolist() if there else [0.0] * len(tensors)
