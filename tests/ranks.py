"""Monitor tables in parts on ranks: ``python -m tests.ranks FOLDER PORT RANKS``."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed._shard import sharded_tensor
from torch.distributed._shard.metadata import ShardMetadata
from torch.distributed._shard.sharded_tensor.shard import Shard as LocalShard
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.multiprocessing.spawn import spawn

import collapse

K = 6
SHAPES = {"long": (1001, K), "uneven": (7, K), "one_row": (1, K), "wide": (40, 9), "deep": (400, K)}


def tables() -> dict[str, torch.Tensor]:
    """Return the whole tables."""
    generator = torch.Generator().manual_seed(0)
    found = {name: torch.randn(*shape, generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()}
    found["deep"] = found["deep"] @ torch.diag(10.0 ** -torch.arange(0, 2 * K, 2, dtype=torch.float64))
    found["large"] = found["long"] * 1e200
    return found


def pieces(E: torch.Tensor, rank: int, cuts: list[tuple[int, int, int, int, int]]) -> Any:
    """Return a ShardedTensor of parts: owner, first row, end, first column, end."""
    local = [
        LocalShard(
            E[r0:r1, c0:c1].contiguous(),
            ShardMetadata([r0, c0], [r1 - r0, c1 - c0], f"rank:{rank}/cpu"),
        )
        for owner, r0, r1, c0, c1 in cuts
        if owner == rank
    ]
    return sharded_tensor.init_from_local_shards(local, *E.shape)


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user = torch.nn.Embedding(101, 4)
        self.item = torch.nn.Embedding(5, 4)

    def forward(self, ids: torch.Tensor) -> Any:
        return self.user(ids) + self.item(ids)


def run(rank: int, folder: str, port: str, ranks: str) -> None:
    """Measure everything on one rank."""
    n = int(ranks)
    logging.disable(logging.CRITICAL)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=n)
    mesh = init_device_mesh("cpu", (n,))
    whole = tables()
    found: dict[str, Any] = {}
    for name, E in whole.items():
        for kind, placement in (("rows", Shard(0)), ("columns", Shard(1)), ("whole", Replicate())):
            found[f"{name} {kind}"] = distribute_tensor(E, mesh, [placement])
    E = whole["long"]
    last = n - 1
    found["long row-wise"] = pieces(E, rank, [(0, 0, 700, 0, K), (last, 700, 1001, 0, K)])
    found["long table-wise"] = pieces(E, rank, [(last, 0, 1001, 0, K)])
    found["long column-wise"] = pieces(E, rank, [(0, 0, 1001, 0, 2), (last, 0, 1001, 2, K)])
    bad = E.clone()
    bad[900, 2] = float("nan")
    found["bad rows"] = distribute_tensor(bad, mesh, [Shard(0)])

    monitor = collapse.SpectrumMonitor(found, every_n_steps=1, log=f"prometheus:{folder}/rank{rank}.prom")
    monitor.step()
    torch.manual_seed(0)
    model = Model()
    truth = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    fully_shard(model, mesh=mesh)
    of_model = collapse.SpectrumMonitor(model, every_n_steps=1)
    of_model.step()
    by_call = collapse.SpectrumMonitor(lambda: {"row-wise": found["long row-wise"], "other": torch.ones(3)})
    by_call.measure(1)
    result = {
        "tables": dict(zip(monitor.history["field"], monitor.history["ia"], strict=True)),
        "problems": monitor.problems,
        "fsdp": dict(zip(of_model.history["field"], of_model.history["ia"], strict=True)),
        "truth": {
            name.removesuffix(".weight"): collapse.information_abundance(weight) for name, weight in truth.items()
        },
        "by call": by_call.history["field"].tolist(),
    }
    (Path(folder) / f"rank{rank}.json").write_text(json.dumps(result))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    spawn(run, args=tuple(sys.argv[1:]), nprocs=int(sys.argv[3]))  # type: ignore[no-untyped-call]
