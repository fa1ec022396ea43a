"""The faster library for float32 products is used only where it is exact."""

import ctypes
import platform
import subprocess
import sys

import pytest
import torch

from collapse.training.runs import machine


def setting() -> str:
    return str(getattr(torch.backends.mkldnn, "matmul").fp32_precision)  # noqa: B009


needs_the_switch = pytest.mark.skipif(
    not hasattr(torch.backends.mkldnn, "matmul"), reason="this release of torch has no such switch"
)


@needs_the_switch
@pytest.mark.parametrize("vendor", ["AuthenticAMD", "GenuineIntel", "unknown"])
def test_products_inside_are_right_to_float32(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every processor, including those that would compute in bfloat16."""
    before = setting()
    monkeypatch.setattr(machine, "_vendor", lambda: vendor)
    with machine.fast_float32_products() as taken:
        assert machine._product_error() < 1e-5
        assert not taken or vendor == "AuthenticAMD"
    assert setting() == before


@needs_the_switch
def test_an_inexact_switch_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = setting()
    monkeypatch.setattr(machine, "_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(machine, "_product_error", lambda: 1e-3)
    with machine.fast_float32_products() as taken:
        assert not taken
        assert setting() == before


@needs_the_switch
def test_an_exact_switch_is_kept_inside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = setting()
    monkeypatch.setattr(machine, "_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(machine, "_product_error", lambda: 1e-7)
    with machine.fast_float32_products() as taken:
        assert taken
        assert setting() == "bf16"
    assert setting() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library is asked")
def test_freed_memory_is_kept_for_the_next_array() -> None:
    """A second array of 156 MB causes far fewer page faults, for any page size."""
    script = (
        "import resource, sys, torch; from collapse.training.runs.machine import keep_freed_memory\n"
        "assert keep_freed_memory(keep=sys.argv[1] == 'keep')\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "torch.ones(40_000_000); before = faults(); torch.ones(39_000_000); print(faults() - before)"
    )
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "give back")
    )
    assert 5 * kept < given_back


def test_no_library_to_ask_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not machine.keep_freed_memory()
