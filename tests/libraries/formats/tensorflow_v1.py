"""TensorFlow 1: a Saver with a partitioned variable and two optimisers; DeepRec's tensors of tables of keys.

DeepRec is a fork of TensorFlow without a wheel. Its tables are written here with the operation that it uses, under
the names and with the shapes of its source.
"""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
os.chdir(Path(sys.argv[1]))
Path("saver").mkdir()
with tf.Graph().as_default(), tf1.Session() as session:
    with tf1.variable_scope("input_layer"):
        user = tf1.get_variable(
            "user_embedding/embedding_weights", (1000, 8), partitioner=tf1.fixed_size_partitioner(3)
        )
        item = tf1.get_variable("item_embedding/embedding_weights", (50, 8))
    kernel = tf1.get_variable("dense/kernel", (16, 1))
    ids = tf.constant([1, 2, 3])
    looked_up = [tf1.nn.embedding_lookup(list(user), ids), tf1.nn.embedding_lookup(item, ids)]
    loss = tf.reduce_sum(tf.concat(looked_up, 1) @ kernel)
    steps = [tf1.train.AdamOptimizer(0.1).minimize(loss), tf1.train.AdagradOptimizer(0.1).minimize(loss)]
    session.run(tf1.global_variables_initializer())
    session.run(steps)
    tf1.train.Saver(sharded=True).save(session, "saver/model.ckpt", global_step=7, write_meta_graph=False)
    saver = {"user_embedding": session.run(tf.concat(list(user), 0)), "item_embedding": session.run(item)}

random = np.random.default_rng(1)
tensors = {}
for part, rows in enumerate((40, 41)):
    name = f"input_from_feature_columns/uid_embedding/weights/part_{part}"
    for slot in (name, f"{name}/Adagrad"):
        tensors[f"{slot}-keys"] = random.permutation(1000)[:rows].astype("i8")
        tensors[f"{slot}-values"] = random.normal(size=(rows, 8)).astype("f4")
        tensors[f"{slot}-freqs"] = random.integers(1, 9, rows)
        tensors[f"{slot}-versions"] = np.full(rows, 5, "i8")
    tensors[f"{name}-partition_offset"] = np.arange(1001, dtype="i4")
Path("deeprec").mkdir()
tf.raw_ops.SaveV2(
    prefix="deeprec/model.ckpt",
    tensor_names=list(tensors),
    shape_and_slices=[""] * len(tensors),
    tensors=[tf.constant(value) for value in tensors.values()],
)
parts = [f"input_from_feature_columns/uid_embedding/weights/part_{part}" for part in range(2)]
field = "input_from_feature_columns/uid_embedding"
truth = {
    **{f"{file}|{name}": E for file in ("saver", "saver/model.ckpt-7") for name, E in saver.items()},
    f"deeprec|{field}": np.concatenate([tensors[f"{part}-values"] for part in parts]),
}
np.savez("truth.npz", **truth)
np.savez("counts.npz", **{f"deeprec|{field}": np.concatenate([tensors[f"{part}-freqs"] for part in parts])})
Path("version").write_text(f"TensorFlow {tf.__version__}\n")
