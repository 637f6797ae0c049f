"""`equipose simulate`, `prepare`, `inspect` and `verify`: from raw files to a store to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from equipose.experiments.presets.typed.simulated import parse_codes, parse_contamination, simulator_config


def simulate(
    out: Positional[Path],
    /,
    subjects: tuple[str, ...] = ("S01-S04",),
    actions: tuple[str, ...] = ("A02", "A03"),
    frames: int = 297,
    seed: int = 0,
    noise: dict[str, float] | None = None,
    informativeness: dict[str, float] | None = None,
    sensors: tuple[str, ...] = (),
    override: tuple[str, ...] = (),
    rooms: float = 0.0,
    contaminate: str = "",
    images: bool = False,
) -> None:
    """Write simulated sensor data in MM-Fi's on-disk layout.

    Args:
        out: Folder to create; after an interrupt the same command continues where it stopped.
        subjects: Such as `S01 S05-S08`.
        actions: Such as `A02,A13`.
        frames: Per sequence, at 10 Hz; the public toolbox expects 297.
        seed: Everything is determined by (seed, subject, action).
        noise: Multiplier of the sensor noise per modality, e.g. `wifi 2.0`; 1 is calibrated.
        informativeness: 0 to 1 per modality; at 0 the signal does not depend on the pose.
        sensors: Which ones, e.g. `rgb lidar depth`; by default those of the AWC paper.
        override: Any other setting of the simulator, e.g. `dropout.wifi=0.3 radar_clutter=2`.
        rooms: How much environments differ in mounting, stance, clutter and light: 0 as little as ever, 1 as
            much as installing the sensors anew, at most 4.
        contaminate: What to spoil on purpose, e.g. `rate=0.2,kinds=gauss+swap,sensors=rgb`; the store that is
            prepared from the data then has the truth beside it.
        images: Also the colour camera's images, some 550 kB a frame, as sensor `image`.
    """
    from equipose.models.sensors import DEFAULT_SENSORS, in_order
    from equipose.pipelines.simulator import write_mmfi_tree

    config = simulator_config(
        override, rooms, frames=frames, seed=seed, noise=noise or {}, informativeness=informativeness or {}
    )
    contamination = parse_contamination(contaminate) if contaminate else None
    chosen = parse_codes(subjects, "S"), parse_codes(actions, "A")
    written = in_order([*(sensors or DEFAULT_SENSORS), *(["image"] if images else [])])
    with Progress() as progress:
        task = progress.add_task("simulating", total=len(chosen[0]) * len(chosen[1]))
        write_mmfi_tree(
            out,
            subjects=chosen[0],
            actions=chosen[1],
            config=config,
            modalities=written,
            contamination=contamination,
            progress=lambda *_: progress.advance(task),
        )
    others = "" if written == DEFAULT_SENSORS else f" --sensors {' '.join(written)}"
    print(f"simulated data in {out}; next: equipose prepare mmfi {out} --out {out}-store{others}")


def prepare(
    source: Positional[str],
    root: Positional[Path],
    /,
    out: Path,
    also: tuple[str, ...] = (),
    sensors: tuple[str, ...] = (),
    parallel: bool = True,
    follow_links: tuple[Path, ...] = (),
    filtered_radar: bool = False,
    any_room: bool = False,
    axes: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    strict: tuple[str, ...] = (),
    every: int | None = None,
    universal: bool = False,
    detections: str = "",
    rate: str = "",
) -> None:
    """Turn raw files into a store; called again, the store follows what has changed in the files.

    Args:
        source: Layout of the raw files: `mmfi`, `mars`, `h36m`, `mpi_inf_3dhp`, `three_dpw` or the name of an
            installed reader.
        root: Their folder.
        out: Store to create; after an interrupt the same command continues where it stopped.
        also: Further sources for the same store, each with its folder, such as
            `mpi_inf_3dhp=/data/3dhp` beside Human3.6M; their own options are left at their defaults.
        sensors: What the store holds, e.g. `rgb lidar depth`; by default the AWC paper's, or a triplet.
        parallel: Read sequences in parallel on Ray when there are many.
        follow_links: Folders outside ROOT that its symbolic links may lead into.
        filtered_radar: Read MM-Fi's radar from `filtered_mmwave` instead of `mmwave`.
        any_room: Accept S01..S40 in other rooms than MM-Fi's, for recordings of your own.
        axes: What the first three columns of a sensor's points hold, if not x (right), y (down), z (depth):
            `lidar=z-x-y` for depth, left, up. `inspect` says when another order fits the pose better.
        columns: Columns of a sensor's points in the order of its files: `mmwave=x,y,z,intensity,doppler`.
        strict: Sensors, e.g. `rgb lidar`, of which a frame that equals the one before it, or whose key points
            are all in one place, is invalid.
        every: Of so many training frames of MPI-INF-3DHP one is taken, by default of five.
        universal: Take MPI-INF-3DHP's poses as scaled to one size of body.
        detections: Which key points of Human3.6M, the middle of `data_2d_h36m_<detections>.npz`.
        rate: Which of MMPose's tables of Human3.6M: `fps10` or `fps50`.
    """
    from equipose.models.sensors import in_order
    from equipose.orchestrator.cluster.parallel_prepare import side_by_side
    from equipose.pipelines.column_order import by_sensor
    from equipose.pipelines.inspection import render, summarize
    from equipose.pipelines.prepare import one_by_one
    from equipose.pipelines.prepare import prepare as prepare_store
    from equipose.pipelines.readers import configured
    from equipose.pipelines.readers.triplets.joined import JOINED, joined_sources

    reader: Any = configured(
        source,
        sensors=in_order(sensors) if sensors else (),
        follow_links=follow_links,
        filtered_radar=filtered_radar,
        any_room=any_room,
        axes=by_sensor("--axes", axes),
        columns=by_sensor("--columns", columns),
        every=every,
        universal=universal,
        detections=detections,
        rate=rate,
    )
    whole: Any = root
    if also:
        reader, whole = joined_sources({source: (reader, root)}, also)
    with Progress() as progress:
        task = progress.add_task("preparing", total=None)
        store = prepare_store(
            JOINED if also else source,
            whole,
            out,
            reader=reader,
            strict=strict,
            run=side_by_side() if parallel else one_by_one,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    Console().print(render(summarize(store)))


def inspect(store: Positional[str], /) -> None:
    """Print counts per protocol and split, invalid frames by reason, provenance and fingerprint.

    Args:
        store: Path or URI of a prepared store.
    """
    from equipose.pipelines.inspection import render, summarize
    from equipose.pipelines.store import open_store

    Console().print(render(summarize(open_store(store))))


def verify(store: Positional[str], /) -> None:
    """Read a whole store and check it against its checksums: files, frames, index and defects.

    Args:
        store: Path or URI of a prepared store.
    """
    from equipose.pipelines.store import open_store

    opened = open_store(store)
    opened.verify()
    megabytes = sum(opened.files.values()) / 1e6
    print(
        f"{store} is intact: {len(opened.files)} files ({megabytes:,.1f} MB) match their checksums; "
        f"{len(opened):,} frames in {len(opened.keys):,} sequences match their digests and the index; "
        f"fingerprint {opened.fingerprint}"
    )
