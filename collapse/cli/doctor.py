"""`collapse doctor`."""

import json
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from collapse.cli.output import suggest
from collapse.extras import EXTRAS, require

_PACKAGES = ("embedding-collapse", "torch", "numpy", "scipy", "pandas", "polars", "pyarrow")


@click.command(name="doctor")
@click.option("--device", default="auto", help="Check this device: auto, cpu, cuda or cuda:1.  [default: auto]")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=600),
    default=10.0,
    show_default=True,
    help="Measure the rate of training for this long.",
)
@click.option("--no-rate", is_flag=True, help="Do not measure the rate of training.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(device: str, *, seconds: float, no_rate: bool, as_json: bool) -> None:
    """Check what this machine can do.

    Prints versions, installed extras, the device with its memory and whether it has fast bf16 and tf32 products,
    the threads, free memory and disk, and the rate of training DCNv2 with K = 10 at Criteo's shape for ten
    seconds, next to the rate that plans expect.

    \b
    Examples:
      collapse doctor
      collapse doctor --device cuda
      collapse doctor --no-rate --json
    """
    require("torch", "collapse doctor")
    import torch

    from collapse.errors import CollapseError
    from collapse.files.cache import cache_folder
    from collapse.limits import available_memory
    from collapse.study.rate import MODEL, training_rate
    from collapse.training.runs.machine import refuse_missing_tf32, refuse_slow_bf16, torch_device

    chosen = torch_device(device)

    def works(check: Any) -> str:
        try:
            check(chosen)
        except CollapseError as error:
            return f"no: {error}"
        return "yes"

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    place = next(path for path in (cache_folder(), *cache_folder().parents) if path.exists())
    found: dict[str, Any] = {
        "versions": {"Python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "extras": {extra: _has(extra) for extra in dict.fromkeys(EXTRAS.values())},
        "system": platform.platform(),
        "device": str(chosen),
        "device_name": torch.cuda.get_device_name(chosen)
        if chosen.type == "cuda"
        else platform.processor() or "cpu",
        "gpus": torch.cuda.device_count(),
        "threads": torch.get_num_threads(),
        "cores": cores,
        "tf32": works(refuse_missing_tf32),
        "bf16": works(refuse_slow_bf16),
        "free_memory": available_memory(),
        "free_gpu_memory": torch.cuda.mem_get_info(chosen)[0] if chosen.type == "cuda" else None,
        "free_disk": shutil.disk_usage(".").free,
        "cache": str(cache_folder()),
        "free_cache": shutil.disk_usage(place).free,
    }
    if not no_rate:
        click.echo(f"training {MODEL} for {seconds:g} s", err=True)
        rate = training_rate(chosen, for_seconds=seconds)
        found |= {"rows_per_second": rate.measured, "expected_rows_per_second": _finite(rate.expected)}
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join(_lines(found, sys.executable)))
        suggest("collapse", "train", "--out", "runs/first")


def _finite(value: float) -> float | None:
    return value if value == value else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _has(extra: str) -> bool:
    return all(find_spec(package) is not None for package, of in EXTRAS.items() if of == extra)


def _lines(found: dict[str, Any], python: str) -> list[str]:
    gb = 1e9
    there, missing = ([name for name, has in found["extras"].items() if has is wanted] for wanted in (True, False))
    gpu = found["free_gpu_memory"]
    on_gpu = "" if gpu is None else f", {gpu / gb:,.1f} GB on the GPU"
    lines = [
        "versions   " + ", ".join(f"{name} {text}" for name, text in found["versions"].items()),
        f"python     {python} on {found['system']}",
        f"extras     {', '.join(there) or 'none'}; not installed: {', '.join(missing) or 'none'}",
        f"device     {found['device']} ({found['device_name']}), {found['gpus']} GPUs",
        f"threads    {found['threads']} of {found['cores']} cores",
        f"tf32       {found['tf32']}",
        f"bf16       {found['bf16']}",
        f"memory     {found['free_memory'] / gb:,.1f} GB free{on_gpu}",
        f"disk       {found['free_disk'] / gb:,.1f} GB free here",
        f"cache      {found['free_cache'] / gb:,.1f} GB free for {found['cache']}",
    ]
    if "rows_per_second" in found:
        expected = found["expected_rows_per_second"]
        than = "" if expected is None else f"; plans expect {expected:,.0f} before a run has finished"
        lines.append(
            f"rate       {found['rows_per_second']:,.0f} rows/s of DCNv2 with K = 10 at Criteo's shape{than}"
        )
    return lines
