"""One run as a plain function, safe in another process or on another machine."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collapse.training.data.load import data_hash
from collapse.training.runs.config import RunConfig

MONITORS = ("abundance", "co-influence", "patterns")


def folder_name(config: RunConfig) -> str:
    """Return the folder name of a run within a study: its label and a digest, which make it unique.

    Returns
    -------
    str
        ``LABEL-DIGEST``, where the digest is of the configuration and the data's hash, without the data's path.

    Raises
    ------
    CollapseError
        If the data cannot be opened.
    """
    content = {**config.as_dict(), "data": data_hash(config.data)}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
    label = "".join(sign if sign.isalnum() or sign in "-.,=_" else "-" for sign in config.label)
    return f"{label[:100]}-{digest}"


def execute(
    config: Mapping[str, Any],
    folder: str,
    *,
    device: str = "auto",
    threads: int | None = None,
    monitors: Sequence[str] = MONITORS,
    keep_last: bool = False,
    own_model: str | None = None,
) -> dict[str, Any]:
    """Train one run to its end, continuing an earlier call that was stopped or killed.

    Parameters
    ----------
    config : mapping
        Result of `RunConfig.as_dict`.
    folder : str
        Folder of the run.
    device : str
        ``cpu``, ``cuda``, or ``auto``.
    threads : int, optional
        CPU threads. The default is torch's own choice.
    monitors : sequence of str
        Measurements to record during training.
    keep_last : bool
        Keep the state for resuming when the run is finished.
    own_model : str, optional
        The only ``module:Class`` that may be imported.

    Returns
    -------
    dict
        Plain values: ``name``, ``best_epoch``, ``validation_auc``, ``test_auc``, ``test_logloss``, ``seconds`` and
        ``rows_per_second`` of the training since it began or was continued, and ``already``, whether the run was
        finished before.

    Raises
    ------
    CollapseError
        If the run cannot begin or continue, or diverges.
    """
    import torch

    from collapse.analysis.monitors import MONITORS as KNOWN
    from collapse.training.runs.machine import keep_freed_memory
    from collapse.training.runs.run import Run

    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    run = Run(
        RunConfig.from_dict(config, own_model=own_model),
        Path(folder),
        device,
        monitors=[KNOWN[name]() for name in monitors],
        keep_last=keep_last,
    )
    result = run.train(resume=run.folder.config.exists())
    manifest = run.folder.read_manifest()
    return {
        "name": result.model,
        "best_epoch": result.best_epoch,
        "validation_auc": result.validation.auc,
        "test_auc": result.test.auc,
        "test_logloss": result.test.logloss,
        "seconds": manifest["seconds_since_start_or_resume"],
        "rows_per_second": manifest["rows_per_second"],
        "already": result.already,
    }
