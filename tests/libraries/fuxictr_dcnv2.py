"""FuxiCTR: a numeric field, a shared table, a field with padding, and cross layers."""

import sys
from collections import OrderedDict
from pathlib import Path

import fuxictr
import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.layers import CrossNetV2, FeatureEmbedding, LogisticRegression

K = 6
FEATURES = {
    "user": {"source": "", "type": "categorical", "vocab_size": 50, "padding_idx": 0},
    "price": {"source": "", "type": "numeric"},
    "item": {"source": "", "type": "categorical", "vocab_size": 40},
    "last_item": {"source": "", "type": "categorical", "vocab_size": 40, "share_embedding": "item"},
    "city": {"source": "", "type": "categorical", "vocab_size": 20},
}

folder = Path(sys.argv[1])
torch.manual_seed(0)
features = FeatureMap("x", str(folder))
features.features = OrderedDict(FEATURES)
features.labels, features.num_fields, features.total_features, features.input_length = ["y"], 5, 151, 5
features.save(str(folder / "fields.json"))


class Model(torch.nn.Module):
    """DCNv2 as in the library's model zoo, with a linear part."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding_layer = FeatureEmbedding(
            features, K, embedding_initializer="partial(nn.init.normal_, std=1)"
        )
        self.lr_layer = LogisticRegression(features)
        self.crossnet = CrossNetV2(5 * K, 2)


model = Model()
torch.save(model.state_dict(), folder / "model")
layers = model.embedding_layer.embedding_layer.embedding_layers
tables = {name: layers[name].weight.detach().numpy() for name in ("user", "item", "city")}
keep = np.r_[0:K, 2 * K : 3 * K, 4 * K : 5 * K]
W = model.crossnet.cross_layers[0].weight.detach().numpy()[np.ix_(keep, keep)]
np.savez(folder / "truth.npz", **tables, W=W)
(folder / "version").write_text(f"FuxiCTR {fuxictr.__version__}")
