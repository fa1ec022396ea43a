"""pytorch-fm: a model that is pickled whole, as in its example, with its offsets."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchfm.model.dcn import DeepCrossNetworkModel

K, D = 6, (50, 40, 20)
folder = Path(sys.argv[1])
torch.manual_seed(0)
model = DeepCrossNetworkModel(D, embed_dim=K, num_layers=2, mlp_dims=(8,), dropout=0.0)
torch.save(model, folder / "model")
parts = np.split(model.embedding.embedding.weight.detach().numpy(), np.cumsum(D)[:-1])
tables: dict[str, Any] = {f"field_{number}": part for number, part in enumerate(parts)}
np.savez(folder / "truth.npz", **tables)
(folder / "version").write_text(f"torchfm {version('torchfm')}")
