"""Paddle: the parameters of a model with two embeddings, and an optimiser's state."""

import os
import sys
from pathlib import Path

import numpy as np
import paddle

os.chdir(Path(sys.argv[1]))
paddle.seed(0)


class Model(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.user_embedding = paddle.nn.Embedding(50, 8)
        self.item_embedding = paddle.nn.Embedding(30, 8)
        self.head = paddle.nn.Linear(16, 1)

    def forward(self, ids):
        return self.head(paddle.concat([self.user_embedding(ids[:, 0]), self.item_embedding(ids[:, 1])], 1))


model = Model()
optimiser = paddle.optimizer.Adam(0.1, parameters=model.parameters())
model(paddle.to_tensor(np.random.default_rng(0).integers(0, 30, (20, 2)))).sum().backward()
optimiser.step()
paddle.save(model.state_dict(), "model.pdparams")
paddle.save(optimiser.state_dict(), "model.pdopt")
tables = {name: getattr(model, name).weight.numpy() for name in ("user_embedding", "item_embedding")}
np.savez("truth.npz", **{f"model.pdparams|{name}": E for name, E in tables.items()})
Path("version").write_text(f"Paddle {paddle.__version__}\n")
