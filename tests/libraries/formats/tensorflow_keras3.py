"""TensorFlow with Keras 3: SavedModel, tf.train.Checkpoint, .keras, .h5, .weights.h5, after a step."""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.pop("TF_USE_LEGACY_KERAS", None)

import keras
import numpy as np
import tensorflow as tf


class Towers(keras.Model):
    def __init__(self):
        super().__init__()
        self.user = keras.Sequential([keras.layers.Embedding(31, 8, name="user_emb")])
        self.item = keras.layers.Embedding(47, 8)
        self.city = keras.layers.Embedding(5, 4)
        self.head = keras.layers.Dense(1)

    def call(self, x):
        return self.head(tf.concat([self.user(x[:, 0]), self.item(x[:, 1]), self.city(x[:, 2])], -1))


folder = Path(sys.argv[1])
os.chdir(folder)
keras.utils.set_random_seed(0)
x, y = np.random.default_rng(0).integers(0, 5, (64, 3)), np.ones(64)
towers = Towers()
towers.compile("adam", "mse")
towers.fit(x, y, verbose=0)
towers.save_weights("towers.weights.h5")
towers.save("towers.keras")
towers.export("saved", verbose=False)
tf.train.Checkpoint(model=towers, optimizer=towers.optimizer).save("checkpoints/ckpt")

ids = keras.Input((3,), dtype="int32")
user = keras.layers.Embedding(31, 8, name="user_emb")(ids[:, 0])
item = keras.layers.Embedding(47, 8, name="item_emb")(ids[:, 1])
model = keras.Model(ids, keras.layers.Dense(1)(keras.layers.Concatenate()([user, item])))
model.compile("adam", "mse")
model.fit(x, y, verbose=0)
model.save("functional.keras")
model.save("functional.h5")
model.save_weights("functional.weights.h5")

user, item, city = (np.asarray(layer.embeddings) for layer in (towers.user.layers[0], towers.item, towers.city))
named = {"user_emb": user, "item": item, "city": city}
by_path = {"user": user, "item": item, "city": city}
functional = {name: np.asarray(model.get_layer(name).embeddings) for name in ("user_emb", "item_emb")}
truth = {
    "towers.weights.h5": named,
    "towers.keras": named,
    "saved": {"variables/0": user, "variables/1": item, "variables/2": city},
    "checkpoints": by_path,
    "checkpoints/ckpt-1": by_path,
    "checkpoints/ckpt-1.index": by_path,
    "functional.keras": functional,
    "functional.h5": functional,
    "functional.weights.h5": functional,
}
np.savez("truth.npz", **{f"{file}|{name}": E for file, of_file in truth.items() for name, E in of_file.items()})
Path("version").write_text(f"TensorFlow {tf.__version__}, Keras {keras.__version__}\n")
