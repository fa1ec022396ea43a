"""Reading this project's own checkpoints: their layout says which tensor is what."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from collapse.checkpoint import Checkpoint, load_checkpoint
from collapse.tables import EmbeddingTable, InteractionWeights, TableSet


def read_native(path: Path) -> TableSet:
    """Read the tables and the interaction weights of a checkpoint that ``collapse train`` wrote.

    Parameters
    ----------
    path : Path
        The checkpoint.

    Returns
    -------
    TableSet
        One table a field and the projections of every layer and set, mapped from the file.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, or no checkpoint of this project.
    """
    checkpoint = load_checkpoint(path)
    return TableSet(
        name=checkpoint.name,
        source=str(path),
        tables=tuple(_tables(checkpoint)),
        interactions=tuple(_interactions(checkpoint)),
        description=_description(checkpoint),
    )


def _tables(checkpoint: Checkpoint) -> Iterator[EmbeddingTable]:
    fused = checkpoint.state_dict[checkpoint.layout.embedding].detach().numpy()
    counts = checkpoint.row_counts.numpy()
    ends = np.cumsum(checkpoint.cardinalities)
    for field, D, end in zip(checkpoint.fields, checkpoint.cardinalities, ends, strict=True):
        yield EmbeddingTable(
            field=field,
            E=fused[end - D : end],
            sets=checkpoint.layout.sets,
            row_counts=counts[end - D : end],
            sub_embeddings=checkpoint.layout.sub_embeddings,
        )


def _interactions(checkpoint: Checkpoint) -> Iterator[InteractionWeights]:
    for projection in checkpoint.layout.projections:
        W = checkpoint.state_dict[projection.key].detach().numpy()
        if projection.factors is not None:
            K = checkpoint.layout.embedding_size
            W = W * checkpoint.state_dict[projection.factors].detach().numpy().repeat(K, 0).repeat(K, 1)
        yield InteractionWeights(
            W=W,
            fields=len(checkpoint.fields),
            layer=projection.layer,
            set=projection.set,
        )


def _description(checkpoint: Checkpoint) -> dict[str, str]:
    seeds = checkpoint.config["seeds"]
    return {
        "data": checkpoint.data["name"],
        "epoch": str(checkpoint.results["epoch"]),
        "seeds": "/".join(f"{seeds[key]}" for key in ("split", "initialisation", "order")),
    }
