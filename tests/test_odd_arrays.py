"""Objects passed as tables are measured, or refused with a sentence that says what to pass."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse

import collapse
from collapse.errors import CollapseError

E = np.random.default_rng(0).standard_normal((20, 4))
MASKED = np.ma.masked_array(E, mask=np.zeros_like(E, dtype=bool))


def with_one_masked() -> Any:
    array = MASKED.copy()
    array[3, 1] = np.ma.masked
    return array


def quantised() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.zeros(20, 4), 0.1, 0, torch.qint8)


def nested() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.zeros(2, 2), torch.zeros(3, 2)])


SAME: dict[str, Any] = {
    "lists": E.tolist(),
    "tuples": tuple(map(tuple, E.tolist())),
    "a masked array without a mask": MASKED,
    "pandas": pd.DataFrame(E),
    "polars": pl.DataFrame(E),
    "a tensor with a gradient": torch.tensor(E, requires_grad=True),
    "a parameter": torch.nn.Parameter(torch.tensor(E)),
    "columns first": np.asfortranarray(E),
    "another byte order": E.astype(">f8"),
    "strides": np.repeat(E, 2, axis=0)[::2],
}
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "masked": (with_one_masked, "fill them first"),
    "a sparse matrix": (lambda: sparse.csr_matrix(E), "toarray"),
    "a sparse array": (lambda: sparse.coo_array(E), "toarray"),
    "a sparse tensor": (lambda: torch.tensor(E).to_sparse(), "to_dense"),
    "a tensor without numbers": (lambda: torch.zeros(20, 4, device="meta"), "meta device"),
    "a quantised tensor": (quantised, "dequantize"),
    "a nested tensor": (nested, "nested"),
    "text in a frame": (lambda: pd.DataFrame({"a": ["x"] * 20}), "object"),
    "complex": (lambda: E + 0j, "complex"),
    "whole numbers": (lambda: np.ones((20, 4), int), "int"),
    "dates": (lambda: np.zeros((20, 4), "M8[s]"), "datetime"),
    "no dimension": (lambda: np.array(3.0), "."),
    "one dimension": (lambda: np.arange(20.0), "."),
    "three dimensions": (lambda: np.zeros((20, 4, 2)), "."),
    "no rows": (lambda: np.zeros((0, 4)), "."),
    "no columns": (lambda: np.zeros((20, 0)), "."),
    "NaN": (lambda: np.full((20, 4), np.nan), "NaN"),
    "rows of several lengths": (lambda: [[1.0], [2.0, 3.0]], "."),
    "None": (lambda: None, "."),
    "a number": (lambda: 3, "."),
    "bytes": (lambda: b"abc", "."),
    "a set": (lambda: {1, 2}, "."),
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "information_abundance": collapse.information_abundance,
    "diagnose": lambda source: collapse.diagnose(source)["ia"].iloc[0],
    "truncate": lambda source: collapse.truncate(source, 0.9),
    "principal_cosines": lambda source: collapse.principal_cosines(source, E),
    "diversity": lambda source: collapse.diversity(source, E),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_in_another_form(kind: str, function: str) -> None:
    found, expected = FUNCTIONS[function](SAME[kind]), FUNCTIONS[function](E)
    if function != "truncate":
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_a_table_gets_a_sentence(kind: str, function: str) -> None:
    make, says = REFUSED[kind]
    if kind == "complex" and function in ("diagnose", "truncate"):
        pytest.skip("a complex table is read as a real one")
    with pytest.raises((CollapseError, ValueError), match=says if function == "diagnose" else ".") as refused:
        FUNCTIONS[function](make())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "kind", [kind for kind in REFUSED if REFUSED[kind][1] in ("fill them first", "toarray", "to_dense")]
)
def test_a_table_by_name_is_not_left_out_in_silence(kind: str) -> None:
    with pytest.raises(CollapseError, match="cannot read the table 'a' from"):
        collapse.diagnose({"a": REFUSED[kind][0](), "b": E})


def test_a_model_without_numbers_is_refused() -> None:
    with torch.device("meta"):
        model = torch.nn.ModuleDict({"user": torch.nn.Embedding(9, 4), "item": torch.nn.Embedding(8, 4)})
    with pytest.raises(CollapseError, match="meta device"):
        collapse.diagnose(model)
