"""torchsnapshot: a model with an optimiser, and the same in chunks."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torchsnapshot.knobs as knobs
from torchsnapshot import Snapshot

os.chdir(Path(sys.argv[1]))
torch.manual_seed(0)
model = torch.nn.ModuleDict({"user_emb": torch.nn.Embedding(50, 8), "item_emb": torch.nn.Embedding(300, 8)})
model["layer"] = torch.nn.Linear(3, 2)
optimiser = torch.optim.Adam(model.parameters())
(model["user_emb"].weight.sum() + model["item_emb"].weight.sum()).backward()
optimiser.step()
Snapshot.take("whole", {"model": model, "optim": optimiser})
with knobs.override_max_chunk_size_bytes(2000):
    Snapshot.take("chunks", {"model": model})
tables = {name: model[name].weight.detach().numpy() for name in ("user_emb", "item_emb")}
np.savez("truth.npz", **{f"{file}|{name}": E for file in ("whole", "chunks") for name, E in tables.items()})
Path("version").write_text(f"torchsnapshot {version('torchsnapshot')}, torch {torch.__version__}\n")
