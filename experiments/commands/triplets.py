"""`equipose triplets`: a store of simulated pictures of people with their key points and poses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional


def triplets(
    which: Positional[Literal["indoor", "outdoor", "moving"]],
    /,
    out: Path,
    subjects: tuple[str, ...] = (),
    actions: tuple[str, ...] = (),
    cameras: tuple[str, ...] = (),
    frames: int = 60,
    rate_hz: float = 10.0,
    seed: int = 0,
    noise: float = 1.0,
    parallel: bool = True,
) -> None:
    """Prepare a store of simulated image, 2D and 3D triplets; called again with more, the store grows.

    Args:
        which: `indoor` stands in for Human3.6M, `outdoor` for MPI-INF-3DHP, `moving` (test only) for 3DPW.
        out: Store to create; after an interrupt the same command continues where it stopped.
        subjects: Such as `S01 S09`; by default all of the set.
        actions: Such as `A02 A13`; by default all of the set.
        cameras: Such as `C1`; by default all of the set.
        frames: Of each recording.
        rate_hz: Frames per second.
        seed: Everything is determined by (seed, subject, action, camera).
        noise: Multiple of the usual errors of the detected key points; at 0 they are exact.
        parallel: Render recordings in parallel on Ray when there are many.
    """
    from equipose.orchestrator.cluster.parallel_prepare import side_by_side
    from equipose.pipelines.inspection import render, summarize
    from equipose.pipelines.prepare import one_by_one, prepare
    from equipose.pipelines.readers import TripletSource
    from equipose.pipelines.simulator import SimulatorConfig

    config = SimulatorConfig(frames=frames, rate_hz=rate_hz, seed=seed, noise={"keypoints": noise})
    source = TripletSource(subjects=subjects, actions=actions, cameras=cameras, config=config)
    with Progress() as progress:
        task = progress.add_task("rendering", total=None)
        store = prepare(
            f"simulated_{which}",
            source,
            out,
            run=side_by_side() if parallel else one_by_one,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    Console().print(render(summarize(store)))
