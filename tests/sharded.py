"""Write a checkpoint from two ranks: ``python -m tests.sharded FOLDER PORT``.

The tables are split by rows, by columns (both unevenly), into fewer rows than ranks, and not at all.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.multiprocessing.spawn import spawn

RANKS = 2
PLACEMENTS = {"rows": Shard(0), "columns": Shard(1), "one_row": Shard(0), "whole": Replicate()}


def tables() -> dict[str, torch.Tensor]:
    """Return the tables."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"rows": (101, 6), "columns": (60, 7), "one_row": (1, 4), "whole": (30, 4)}
    return {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}


def write(rank: int, folder: str, port: str) -> None:
    """Write the part of one rank."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS)
    mesh = init_device_mesh("cpu", (RANKS,))
    state = {
        f"model.ebc.embedding_bags.{name}.weight": distribute_tensor(E, mesh, [PLACEMENTS[name]])
        for name, E in tables().items()
    }
    save(
        {
            **state,
            "model.bias": torch.zeros(3),
            "optimizer": {"state": {"exp_avg": torch.zeros(101, 6)}},
            "step": 3,
        },
        checkpoint_id=Path(folder) / "checkpoint",
    )
    dist.destroy_process_group()


if __name__ == "__main__":
    spawn(write, args=tuple(sys.argv[1:]), nprocs=RANKS)  # type: ignore[no-untyped-call]
    truth: dict[str, Any] = {name: E.numpy() for name, E in tables().items()}
    np.savez(Path(sys.argv[1]) / "truth.npz", **truth)
