"""Testing the model of a checkpoint with other weights, to measure the cost of changing its tables."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from collapse.errors import CollapseError
from collapse.io.checkpoint.schema import Checkpoint
from collapse.training.data.load import load_data
from collapse.training.data.store.split import split_rows
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.runs.config import RunConfig
from collapse.training.runs.evaluate import predict
from collapse.training.runs.machine import torch_device
from collapse.training.runs.paired import Predictions


class Reevaluator:
    """The model of a checkpoint with its test rows.

    Parameters
    ----------
    path : Path
        File of the checkpoint, for error messages.
    checkpoint : Checkpoint
        The checkpoint.
    data : str or Path
        The data that it was trained on, by name or folder.
    device : str
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises
    ------
    CollapseError
        If the data does not exist or is other data, or the model does not exist in this version.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint, data: str | Path, device: str = "auto") -> None:
        try:
            self._config = RunConfig.from_dict(checkpoint.config)
        except CollapseError as error:
            raise CollapseError(f"{path} cannot be tested: {error}") from error
        self._device = torch_device(device)
        self._data = load_data(data)
        if checkpoint.data.get("sha256") != self._data.data_hash:
            raise CollapseError(
                f"{path} was trained on {checkpoint.data['name']} with another hash than {data}: pass the data "
                "that it was trained on"
            )
        self._rows = split_rows(self._data.rows, self._config.seeds.split).test
        self._model = MultiEmbeddingModel(list(checkpoint.cardinalities), self._config.model).to(self._device)

    @property
    def rows(self) -> int:
        """Number of test rows."""
        return len(self._rows)

    def __call__(self, state_dict: Mapping[str, Tensor]) -> Predictions:
        """Test with given weights.

        Raises
        ------
        CollapseError
            If a prediction is not finite, or the weights do not fit the model.
        """
        try:
            self._model.load_state_dict(dict(state_dict))
        except RuntimeError as error:
            raise CollapseError(f"the weights do not fit the model {self._config.model.name}") from error
        return predict(self._model, self._data, self._rows, self._device, split="test")
