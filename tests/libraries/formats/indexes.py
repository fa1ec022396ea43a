"""faiss and ONNX: flat indexes with and without ids; initialisers in the model, packed, and in another file."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

os.chdir(Path(sys.argv[1]))
X = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
for name, flat in (
    ("l2", faiss.IndexFlatL2(8)),
    ("ip", faiss.IndexFlatIP(8)),
    ("l1", faiss.IndexFlat(8, faiss.METRIC_Lp)),
):
    flat.add(X)
    faiss.write_index(flat, f"{name}.faiss")
named = faiss.IndexIDMap(faiss.IndexFlatL2(8))
named.add_with_ids(X, np.arange(60) + 7)
faiss.write_index(named, "ids.faiss")

ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [None])
out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 8])
weights = [
    numpy_helper.from_array(X, "item_embedding.weight"),
    numpy_helper.from_array(X[:30].astype("f2"), "half_embedding.weight"),
    helper.make_tensor("packed_embedding.weight", TensorProto.FLOAT, (20, 8), X[:20].ravel()),
    numpy_helper.from_array(np.arange(9), "offsets"),
]
node = helper.make_node("Gather", ["item_embedding.weight", "ids"], ["out"])
model = helper.make_model(helper.make_graph([node], "lookup", [ids], [out], weights))
onnx.save(model, "model.onnx")
onnx.save(model, "apart.onnx", save_as_external_data=True, location="apart.data", size_threshold=0)
tables = {"item_embedding": X, "half_embedding": X[:30].astype("f2"), "packed_embedding": X[:20]}
truth = {
    **{f"{file}.faiss|{file}": X for file in ("l2", "ip", "l1", "ids")},
    **{f"{file}|{name}": E for file in ("model.onnx", "apart.onnx") for name, E in tables.items()},
}
np.savez("truth.npz", **truth)
Path("version").write_text(f"faiss {version('faiss-cpu')}, ONNX {version('onnx')}\n")
