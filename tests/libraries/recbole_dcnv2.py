"""RecBole: DCNv2 trained on a few rows; the file contains the library's configuration object."""

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import recbole
import torch

# Names of NumPy before version 2, which the library still asks for.
for old, new in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_), ("bool8", np.bool_)):
    setattr(np, old, new)
# One model of the library wants a package of which this one has no need.
sys.modules["kmeans_pytorch"] = MagicMock()

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.context_aware_recommender.dcnv2 import DCNV2
from recbole.trainer import Trainer
from recbole.utils import init_seed

K = 6
folder = Path(sys.argv[1])
draw = np.random.default_rng(0)
rows = pd.DataFrame(
    {
        "user_id:token": draw.integers(0, 40, 400),
        "item_id:token": draw.integers(0, 30, 400),
        "city:token": draw.integers(0, 9, 400),
        "price:float": draw.random(400).round(3),
        "label:float": draw.integers(0, 2, 400),
    }
)
(folder / "tiny").mkdir()
rows.to_csv(folder / "tiny" / "tiny.inter", sep="\t", index=False)
settings = {
    "data_path": str(folder),
    "load_col": {"inter": ["user_id", "item_id", "city", "price", "label"]},
    "checkpoint_dir": str(folder),
    "epochs": 1,
    "embedding_size": K,
    "mlp_hidden_size": [8],
    "mixed": False,
    "use_gpu": False,
    "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "mode": "labeled"},
    "metrics": ["AUC"],
    "valid_metric": "AUC",
    "train_neg_sample_args": None,
    "show_progress": False,
}
sys.argv = sys.argv[:1]
config = Config(model="DCNV2", dataset="tiny", config_dict=settings)
init_seed(0, True)
dataset = create_dataset(config)
train, valid, _ = data_preparation(config, dataset)
model = DCNV2(config, train.dataset)
trainer = Trainer(config, model)
trainer.fit(train, valid, verbose=False, show_progress=False)
Path(trainer.saved_model_file).rename(folder / "model")
state = torch.load(folder / "model", weights_only=False)["state_dict"]
sizes = {name: dataset.num(name) for name in model.token_field_names}
(folder / "fields.json").write_text(json.dumps(sizes))
fused = state["token_embedding_table.embedding.weight"].numpy()
parts = np.split(fused, np.cumsum(list(sizes.values()))[:-1])
W = state["cross_layer_w.0"].numpy()[: 3 * K, : 3 * K]
np.savez(folder / "truth.npz", **dict(zip(sizes, parts, strict=True)), W=W)
(folder / "version").write_text(f"RecBole {recbole.__version__}")
