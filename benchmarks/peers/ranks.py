"""The loops of `loop.py` under DistributedDataParallel, on ranks that talk through gloo on this machine."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from benchmarks.balancing.shapley import simulated_store
from benchmarks.peers.loop import Work, measured, report
from benchmarks.timing import Measurement
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
        result = json.loads((folder / RESULT).read_text())
    title = (
        f"Training loop, `{work.preset}` preset, batches of {work.batch} shared by {WORLD} DDP ranks (gloo), "
        "CPU time of both; same weights and loss"
    )
    return report(title, of_all_ranks(result["seconds"]), result["steps"])


def rank_main(rank: int, work: Work, folder: Path) -> None:
    """What each rank does; the first one writes what all have measured."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD)
    try:
        ranks = Ranks.current()
        seconds, steps = measured(work, folder / "store", ranks, distribute)
        gathered = ranks.gather({m.name: m.seconds for m in seconds})
        if ranks.first:
            (folder / RESULT).write_text(json.dumps({"seconds": gathered, "steps": steps}))
    finally:
        dist.destroy_process_group()


def distribute(training: Training) -> None:
    """Put DDP around the model, as Ray Train does for ours."""
    training.wrapped = DistributedDataParallel(training.model)


def of_all_ranks(each: list[dict[str, list[float]]]) -> list[Measurement]:
    """Measurements of the summed seconds; the first name is the baseline of the ratios."""
    found = []
    for name in each[0]:
        seconds = tuple(map(sum, zip(*(rank[name] for rank in each), strict=True)))
        found.append(Measurement(name, seconds, float("nan")))
    base = found[0].seconds
    return [
        replace(m, ratio=statistics.median(b / s for b, s in zip(base, m.seconds, strict=True)))
        for m in found
    ]
