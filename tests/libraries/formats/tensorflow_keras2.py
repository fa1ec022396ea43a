"""TensorFlow with Keras 2 (tf-keras), as TensorFlow Recommenders uses it: towers with lookups, after a step."""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras as keras


class Towers(keras.Model):
    def __init__(self):
        super().__init__()
        layers = keras.layers
        self.user_model = keras.Sequential(
            [layers.IntegerLookup(vocabulary=[*range(29)]), layers.Embedding(31, 8)]
        )
        self.movie_model = keras.Sequential(
            [layers.IntegerLookup(vocabulary=[*range(45)]), layers.Embedding(47, 8)]
        )
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(tf.concat([self.user_model(x[:, 0]), self.movie_model(x[:, 1])], -1))


os.chdir(Path(sys.argv[1]))
keras.utils.set_random_seed(0)
x, y = np.random.default_rng(0).integers(0, 5, (64, 3)), np.ones(64)
towers = Towers()
towers.compile("adam", "mse")
towers.fit(x, y, verbose=0)
towers.save("saved")
towers.save_weights("weights/towers")

ids = keras.Input((3,), dtype="int32")
user = keras.layers.Embedding(31, 8, name="user_emb")(ids[:, 0])
item = keras.layers.Embedding(47, 8, name="item_emb")(ids[:, 1])
model = keras.Model(ids, keras.layers.Dense(1)(keras.layers.Concatenate()([user, item])))
model.compile("adam", "mse")
model.fit(x, y, verbose=0)
model.save("functional")
model.save("functional.keras")
model.save("functional.h5")
model.save_weights("weights.h5")

of_towers = {name: getattr(towers, name).layers[1].embeddings.numpy() for name in ("user_model", "movie_model")}
of_model = {name: model.get_layer(name).embeddings.numpy() for name in ("user_emb", "item_emb")}
truth = {
    "saved": of_towers,
    "weights": of_towers,
    "weights/towers": of_towers,
    "functional": of_model,
    "functional.keras": of_model,
    "functional.h5": of_model,
    "weights.h5": of_model,
}
np.savez("truth.npz", **{f"{file}|{name}": E for file, of_file in truth.items() for name, E in of_file.items()})
Path("version").write_text(f"TensorFlow {tf.__version__}, tf-keras {keras.__version__}\n")
