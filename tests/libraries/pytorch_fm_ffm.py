"""pytorch-fm: a field-aware model as a state dict, which does not name the fields."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchfm.model.ffm import FieldAwareFactorizationMachineModel

K, D = 4, {"user": 50, "item": 40, "city": 20}
folder = Path(sys.argv[1])
torch.manual_seed(0)
model = FieldAwareFactorizationMachineModel(tuple(D.values()), embed_dim=K)
torch.save(model.state_dict(), folder / "model")
(folder / "fields.json").write_text(json.dumps(D))
ends = np.cumsum(list(D.values()))
of_targets = [layer.weight.detach().numpy() for layer in model.ffm.embeddings]
tables: dict[str, Any] = {
    name: np.hstack(
        [
            layer.weight.detach().numpy()[end - D[name] : end]
            for j, layer in enumerate(model.ffm.embeddings)
            if j != i
        ]
    )
    for i, (name, end) in enumerate(zip(D, ends, strict=True))
}
np.savez(folder / "truth.npz", **tables)
(folder / "version").write_text(f"torchfm {version('torchfm')}")
