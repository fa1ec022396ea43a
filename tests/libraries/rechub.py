"""torch-rechub: DCNv2."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DCNv2

K = 6
folder = Path(sys.argv[1])
torch.manual_seed(0)
features = [SparseFeature(name, rows, embed_dim=K) for name, rows in (("user", 50), ("item", 40), ("city", 20))]
features.append(DenseFeature("price"))
model = DCNv2(features, n_cross_layers=2, mlp_params={"dims": [8]}, use_low_rank_mixture=False)
torch.save(model.state_dict(), folder / "model")
tables = {name: layer.weight.detach().numpy() for name, layer in model.embedding.embed_dict.items()}
W = model.crossnet.w[0].weight.detach().numpy()[: 3 * K, : 3 * K]
np.savez(folder / "truth.npz", **tables, W=W)
(folder / "version").write_text(f"torch-rechub {version('torch-rechub')}")
