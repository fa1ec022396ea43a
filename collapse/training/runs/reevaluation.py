"""Testing the model of a checkpoint with other tables, to measure the cost of changing them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.io.checkpoint.file import load_checkpoint
from collapse.training.data.load import load_data
from collapse.training.data.store.split import split_of
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.runs.config import RunConfig
from collapse.training.runs.evaluate import predict
from collapse.training.runs.machine import torch_device
from collapse.training.runs.paired import Predictions

_SEED = 0
"""Seed of the validation rows that are drawn if there are more than are needed."""


class Reevaluator:
    """The model of a checkpoint with its validation and test rows.

    Parameters
    ----------
    path : Path
        The checkpoint.
    data : str or Path
        The data that it was trained on, by name or folder.
    device : str
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises
    ------
    CollapseError
        If the data does not exist or is other data, the model does not exist in this version, or its fields have
        sizes of their own.
    """

    def __init__(self, path: Path, data: str | Path, device: str = "auto") -> None:
        self._checkpoint = checkpoint = load_checkpoint(path, verify=False)
        try:
            config = RunConfig.from_dict(checkpoint.config)
        except CollapseError as error:
            raise CollapseError(f"{path} cannot be tested: {error}") from error
        if config.model.field_sizes:
            raise CollapseError(
                f"{path} was trained with --field-sizes, and only whole tables can be cut and tested"
            )
        self._device = torch_device(device)
        self._data = load_data(data)
        if checkpoint.data.get("sha256") != self._data.data_hash:
            raise CollapseError(
                f"{path} was trained on {checkpoint.data['name']} with another hash than {data}: pass the data "
                "that it was trained on"
            )
        self._split = split_of(self._data, config.seeds.split)
        self._model = MultiEmbeddingModel(list(checkpoint.cardinalities), config.model).to(self._device)
        try:
            self._model.load_state_dict(dict(checkpoint.state_dict))
        except RuntimeError as error:
            raise CollapseError(f"the weights of {path} do not fit the model {config.model.name}") from error
        self._state = self._model.state_dict()

    def predict(
        self,
        tables: Mapping[tuple[int, int], NDArray[Any]],
        *,
        split: Literal["validation", "test"] = "test",
        most: int | None = None,
    ) -> Predictions:
        """Predict with some tables replaced.

        Parameters
        ----------
        tables : mapping of (int, int) to (D, K) array
            Tables by field and set. All others are those of the checkpoint.
        split : str
            Rows to predict.
        most : int, optional
            Draw this many rows if there are more, the same ones in every call.

        Raises
        ------
        CollapseError
            If a prediction is not finite.
        """
        for key in self._checkpoint.layout.tables:
            part = self._state[key.key][slice(*key.rows), slice(*key.columns)]
            if (table := tables.get((key.field, key.set))) is not None:
                part.copy_(torch.from_numpy(table))
            else:
                part.copy_(self._checkpoint.state_dict[key.key][slice(*key.rows), slice(*key.columns)])
        rows = getattr(self._split, split)
        if most is not None and most < len(rows):
            rows = rows[np.sort(np.random.default_rng(_SEED).choice(len(rows), most, replace=False))]
        return predict(self._model, self._data, rows, self._device, split=split)
