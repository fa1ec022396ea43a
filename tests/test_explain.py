"""Why a field is collapsed: what is told agrees with the measures that it comes from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from collapse import load
from collapse.analysis.choices import Choices
from collapse.analysis.explanation import SHARES, explain
from collapse.analysis.factors import factorise
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from tests.conftest import Collapse


@pytest.mark.parametrize("name", ["dcnv2-4", "dcnv2-4x2", "ffm-2"])
def test_partners_are_those_of_the_heatmap(name: str, trained: dict[str, Path]) -> None:
    factored = factorise(load(trained[name]), Choices())
    field = factored.tables.fields[1]
    found = explain(factored, field)
    pairs = sub_embedding_abundance(factored)
    of_field = pairs[(pairs["source"] == field) & (pairs["target"] != field)].set_index("target")
    assert set(found.partners["field"]) == set(of_field.index)
    assert found.partners["left"].is_monotonic_increasing
    for partner in found.partners.to_dict("records"):
        pair, column = of_field.loc[partner["field"]], pairs[pairs["target"] == partner["field"]]
        assert partner["ia"] == pair["ia"]
        assert partner["left"] == pytest.approx(pair["ia"] / pair["ia_source"])
        assert partner["of_all"] == pytest.approx((column["ia"] / column["ia_source"]).mean())


def test_sizes_hold_their_share(trained: dict[str, Path]) -> None:
    factored = factorise(load(trained["dcnv2-4"]), Choices())
    found = explain(factored, factored.tables.fields[0])
    energy = np.cumsum(factored.factors[0].sigma ** 2) / (factored.factors[0].sigma ** 2).sum()
    for share in SHARES:
        k = found.sizes[share]
        assert energy[k - 1] >= share - 1e-12
        assert k == 1 or energy[k - 2] < share


def test_the_history_is_that_of_the_run(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    """As text and as JSON: a look at the start and one an epoch."""
    assert collapse("train", "--data", small_data, "--epochs", 2, "--out", tmp_path / "run")[0] == 0
    path = tmp_path / "run" / "best.pt"
    field = load(path).fields[0]
    code, out, err = collapse("explain", path, field)
    assert (code, err) == (0, "")
    for word in ("Rows", "Size", "Partners", "Since when", "What to do", "epoch   0"):
        assert word in out
    told = json.loads(collapse("explain", path, field, "--json")[1])
    assert [look["epoch"] for look in told["history"]] == [0, 1, 2]
    assert told["diagnosis"]["field"] == field
    assert len(told["partners"]) == len(load(path).fields) - 1


def test_a_foreign_file(tmp_path: Path, collapse: Collapse) -> None:
    """Padding, few rows and rank one are seen; what is not known is said not to be."""
    low = torch.randn(40, 1) @ torch.randn(1, 8)
    low[0] = 0
    torch.save({"user_emb": low, "tiny_emb": torch.randn(4, 8)}, tmp_path / "a.pt")
    out = collapse("explain", tmp_path / "a.pt", "user_emb")[1]
    for sentence in (
        "user_emb: collapsed",
        "number 1 of 2 fields",
        "1 of zeros alone, the first is row 0",
        "90% in 1, 95% in 1, 99% in 1 directions",
        "not known: the checkpoint has no interaction weights",
        "not known: no abundance.csv",
        "1 of 8 directions hold 99 % of it",
    ):
        assert sentence in out
    assert "4 rows" in collapse("explain", tmp_path / "a.pt", "tiny_emb")[1]


def test_no_such_field(trained: dict[str, Path], collapse: Collapse) -> None:
    code, _, err = collapse("explain", trained["dcnv2-4"], "nothing")
    assert (code, "'nothing'" in err) == (2, True)
