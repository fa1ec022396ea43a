"""Layouts of checkpoints: tables and field maps of different sizes and positions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from collapse import load
from collapse.analysis.factorised import factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.errors import CollapseError
from collapse.io.checkpoint.file import load_checkpoint, save_checkpoint
from collapse.io.checkpoint.schema import Checkpoint, Layout, MapsKey, TableKey
from collapse.measures.abundance import information_abundance


@pytest.fixture
def of_different_sizes() -> Checkpoint:
    """Return a checkpoint with two fields of 3 and 2 columns per set, in separate tensors for each set."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"a.0": (9, 3), "a.1": (9, 3), "b": (20, 7), "W.0": (5, 5), "W.1": (5, 5), "n.1": (2, 2)}
    places = [
        TableKey(field=0, set=0, key="a.0", rows=(0, 9), columns=(0, 3)),
        TableKey(field=0, set=1, key="a.1", rows=(0, 9), columns=(0, 3)),
        # The second set of b lies before its first, and neither in its first rows or columns.
        TableKey(field=1, set=0, key="b", rows=(5, 12), columns=(4, 6)),
        TableKey(field=1, set=1, key="b", rows=(5, 12), columns=(1, 3)),
    ]
    return Checkpoint(
        name="made",
        config={"seeds": {"split": 0, "initialisation": 0, "order": 0}},
        fields=("a", "b"),
        cardinalities=(9, 7),
        row_counts=torch.ones(16, dtype=torch.int64),
        layout=Layout(
            tables=tuple(places),
            maps=(
                MapsKey(layer=0, set=0, weight="W.0"),
                MapsKey(layer=0, set=1, weight="W.1", factors="n.1"),
            ),
        ),
        state_dict={key: torch.randn(shape, generator=generator) for key, shape in shapes.items()},
        data={"name": "none"},
        results={"epoch": 1},
        versions={},
    )


def test_every_field_has_a_size_and_a_place_of_its_own(of_different_sizes: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "made.pt", of_different_sizes)
    assert load_checkpoint(tmp_path / "made.pt").layout == of_different_sizes.layout
    tables = load(tmp_path / "made.pt")
    state = {key: tensor.numpy() for key, tensor in of_different_sizes.state_dict.items()}
    a, b = tables
    assert (tables.sizes, a.sizes, b.sizes) == ((2, 3), (3, 3), (2, 2))
    np.testing.assert_array_equal(a.E, np.hstack([state["a.0"], state["a.1"]]))
    np.testing.assert_array_equal(b.E, np.hstack([state["b"][5:12, 4:6], state["b"][5:12, 1:3]]))
    pairs = sub_embedding_abundance(factorise(tables, AnalysisSettings())).set_index(["source", "target"])["ia"]
    of_sets = [b.set(0) @ state["W.0"][:3, 3:].T, b.set(1) @ (state["n.1"][0, 1] * state["W.1"][:3, 3:]).T]
    assert pairs["b", "a"] == pytest.approx(information_abundance(np.hstack(of_sets)), rel=1e-6)


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        ({"tables": [0, 1, 2]}, r"'b' .*\[0\]"),
        ({"rows": (0, 10)}, r"rows 0 to 10 .*'a.0' of shape \(9, 3\)"),
        ({"rows": (0, 8)}, "'a' .*9 .*8"),
        ({"maps": {"weight": "n.1"}}, r"'n.1' .*\(2, 2\).* \(5, 5\)"),
        ({"maps": {"factors": "W.0", "weight": "W.0"}}, r"'W.0' .*\(5, 5\).* \(2, 2\)"),
        ({"maps": {}}, "either a matrix or a selection"),
        ({"maps": {"columns": (((0, 3), None),)}}, "pair"),
        ({"maps": {"columns": (((0, 3), None), (None, (1, 3)))}}, "'b'"),
        ({"maps": {"weight": "W.0", "set": 2}}, "set 2"),
    ],
)
def test_a_layout_that_does_not_fit(
    layout: dict[str, object], sentence: str, of_different_sizes: Checkpoint, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "made.pt", of_different_sizes)
    content = torch.load(tmp_path / "made.pt", weights_only=True)
    plain = content["layout"]
    match layout:
        case {"tables": list() as kept}:
            plain["tables"] = tuple(plain["tables"][number] for number in kept)
        case {"rows": rows}:
            plain["tables"][0]["rows"] = rows
        case {"maps": dict() as change}:
            plain["maps"] = ({"layer": 0, "set": 0, "weight": None, "factors": None, "columns": None, **change},)
    torch.save(content, tmp_path / "made.pt")
    with pytest.raises(CollapseError, match=sentence):
        load_checkpoint(tmp_path / "made.pt")
