"""AUC and logloss of a model on a split."""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.training.data.store.prepared import PreparedData
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.runs.batches import batch_bounds, batches
from collapse.training.runs.metrics import Evaluation
from collapse.training.runs.paired import Predictions

_BATCH = 8192
"""Rows that are evaluated together. Without gradients there is memory for more than in training."""


def evaluate(
    model: MultiEmbeddingModel, data: PreparedData, rows: NDArray[np.int64], device: torch.device, *, split: str
) -> Evaluation:
    """Predict every row of a split, and compute the exact AUC and logloss."""
    return predict(model, data, rows, device, split=split).evaluation


def predict(
    model: MultiEmbeddingModel, data: PreparedData, rows: NDArray[np.int64], device: torch.device, *, split: str
) -> Predictions:
    """Predict every row of a split.

    Parameters
    ----------
    model : MultiEmbeddingModel
        The model, which is put into evaluation mode.
    data : PreparedData
        The data set.
    rows : (n,) array
        The rows of the split.
    device : torch.device
        Device of the model.
    split : str
        Name of the split, for the error message.

    Raises
    ------
    CollapseError
        If a prediction is not finite.
    """
    model.eval()
    with torch.inference_mode():
        bounds = batch_bounds(len(rows), _BATCH)
        progress = tqdm(
            batches(data, rows, bounds, device), desc=split, total=len(bounds), leave=False, disable=None
        )
        parts = [model(ids_BN) for ids_BN, _ in progress]
        logits = torch.cat(parts).float().cpu().numpy()
    if not np.isfinite(logits).all():
        row = int(rows[np.flatnonzero(~np.isfinite(logits))[0]])
        raise CollapseError(
            f"the prediction for {split} row {row} is not finite, so the run has diverged: lower the learning rate"
        )
    return Predictions(labels=np.asarray(data.labels[rows]), logits=logits)
