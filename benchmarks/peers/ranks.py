"""The loops of `loop.py` under DistributedDataParallel, on ranks that talk through gloo on this machine."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from benchmarks.balancing.shapley import simulated_store
from benchmarks.peers.loop import Work, measured, report
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training

WORLD = 2
RESULT = "seconds.json"


def table(work: Work | None = None) -> str:
    """Two ranks; Markdown. Seconds are the CPU time of both together."""
    work = work or Work()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulated_store(folder / "store", work.frames)
        mp.spawn(rank_main, args=(work, folder), nprocs=WORLD)
        seconds = of_all_ranks(json.loads((folder / RESULT).read_text()))
    shared = f"batches of {work.batch} shared by {WORLD} DDP ranks (gloo), CPU time of both"
    return report(f"Training loop, `{work.preset}` preset, {shared}", seconds)


def rank_main(rank: int, work: Work, folder: Path) -> None:
    """What each rank does; the first one writes what all have measured."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD)
    try:
        ranks = Ranks.current()
        gathered = ranks.gather(measured(work, folder / "store", ranks, distribute))
        if ranks.first:
            (folder / RESULT).write_text(json.dumps(gathered))
    finally:
        dist.destroy_process_group()


def distribute(training: Training) -> None:
    """Put DDP around the model, as Ray Train does for ours."""
    training.wrapped = DistributedDataParallel(training.model)


def of_all_ranks(each: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The sum over ranks, step by step."""
    return {name: [sum(s) for s in zip(*(rank[name] for rank in each), strict=True)] for name in each[0]}
