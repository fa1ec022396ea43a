"""A model: the power mean of the embeddings, followed by an MLP."""

from dataclasses import dataclass

from torch import Tensor

from collapse import Interaction, MLPConfig


@dataclass(frozen=True, kw_only=True)
class PooledConfig(MLPConfig):
    """Settings in addition to those of the MLP; set them with -c power=3."""

    power: float = 2.0
    """Exponent of the mean."""


class Pooled(Interaction):
    """h = (mean over fields of |e_i|^power)^(1 / power)."""

    reference = "an example"
    config_class = PooledConfig

    def __init__(self, n_fields: int, embedding_size: int, config: PooledConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"h": embedding_size}
        self.power = config.power

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return one stream, the input of the MLP."""
        mean = (e_BNK.abs() + 1e-6).pow(self.power).mean(1)
        return {"h": mean.pow(1 / self.power)}
