"""Studies whose runs count as finished without any training."""

import json
from pathlib import Path

from collapse.paper.item import Item, item_of, record_profile
from collapse.paper.profiles import Profile
from collapse.training.runs.folder import RunFolder

_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_auc",
    "validation_logloss",
    "ia_normalised_mean",
    "co_influence_target",
)


def pretend(item: Item, auc: float = 0.7, *, leave_out: int = 0) -> Item:
    """Write the manifests of finished runs: each AUC is a thousandth above the last, after three epochs."""
    for n, run in enumerate(item.runs[leave_out:]):
        folder = RunFolder(run.path)
        run.path.mkdir(parents=True, exist_ok=True)
        folder.config.write_text(json.dumps(run.config.as_dict()))
        folder.write_manifest({"status": "finished", "test": {"auc": auc + n / 1000, "logloss": 0.5}})
        rows = [
            ",".join(map(str, (e, 0.6 - e / 100 - n / 1000, auc + e / 100 + n / 1000, 0.5, 1 - e / 10, e / 10)))
            for e in (1, 2, 3)
        ]
        folder.metrics.write_text("\n".join([",".join(_COLUMNS), *rows]) + "\n")
    return item


def pretended(folder: Path, profile: Profile, name: str, *, leave_out: int = 0) -> Item:
    """Return an item of such a study."""
    record_profile(folder, profile)
    return pretend(item_of(folder, name), leave_out=leave_out)
