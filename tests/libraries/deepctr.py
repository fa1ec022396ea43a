"""DeepCTR-Torch: DCN-M, whose cross layers also use dense features."""

import sys
from pathlib import Path

import deepctr_torch
import numpy as np
import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat
from deepctr_torch.models import DCN

K = 6
folder = Path(sys.argv[1])
columns = [SparseFeat(name, rows, embedding_dim=K) for name, rows in (("user", 50), ("item", 40), ("city", 20))]
columns += [DenseFeat("price", 1), DenseFeat("age", 1)]
model = DCN(columns, columns, cross_num=2, cross_parameterization="matrix", init_std=1, device="cpu")
torch.save(model.state_dict(), folder / "model")
tables = {name: layer.weight.detach().numpy() for name, layer in model.embedding_dict.items()}
W = model.crossnet.kernels[0].detach().numpy()[: 3 * K, : 3 * K]
np.savez(folder / "truth.npz", **tables, W=W)
(folder / "version").write_text(f"DeepCTR-Torch {deepctr_torch.__version__}")
