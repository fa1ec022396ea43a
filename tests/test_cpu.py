"""The faster library for float32 products is taken only where it is exact."""

import pytest
import torch

from collapse.training.runs import cpu


def setting() -> str:
    return str(getattr(torch.backends.mkldnn, "matmul").fp32_precision)  # noqa: B009


@pytest.mark.parametrize("vendor", ["AuthenticAMD", "GenuineIntel", "unknown"])
def test_products_inside_are_right_to_float32(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor is, also one that would really compute in bfloat16."""
    before = setting()
    monkeypatch.setattr(cpu, "_vendor", lambda: vendor)
    with cpu.fast_float32_products() as taken:
        assert cpu._product_error() < 1e-5
        assert not taken or vendor == "AuthenticAMD"
    assert setting() == before


def test_an_inexact_switch_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = setting()
    monkeypatch.setattr(cpu, "_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(cpu, "_product_error", lambda: 1e-3)
    with cpu.fast_float32_products() as taken:
        assert not taken
        assert setting() == before


def test_an_exact_switch_is_kept_inside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = setting()
    monkeypatch.setattr(cpu, "_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(cpu, "_product_error", lambda: 1e-7)
    with cpu.fast_float32_products() as taken:
        assert taken
        assert setting() == "bf16"
    assert setting() == before
