"""What is fuzzed: for every kind of file that is read, some intact ones and the function that reads it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import scipy.io
import torch

from equipose.experiments.jobs.records import create_job, resume_job
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.tracking.outbox import Outbox
from equipose.orchestrator.tracking.server import _state
from equipose.orchestrator.tracking.server_process import ServerFiles
from equipose.pipelines.cleaning import assemble, clean_frame
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import MmfiReader, SimulatedSource
from equipose.pipelines.readers.frame_files import parse_npy, read_csi, read_points
from equipose.pipelines.readers.mars_files import KINECT_COLUMNS, RADAR_COLUMNS, _read_part, read_part
from equipose.pipelines.sequence import BadFrame
from equipose.pipelines.simulator import MARKER, SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import Store, StoreHeader, StoreWriter, open_store
from equipose.pipelines.store.checks import read_defects, read_frames, read_index
from equipose.pipelines.store.format import from_record_batch
from equipose.pipelines.store.layout import locate
from equipose.pipelines.store.parts import read_part as read_store_part


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of file."""

    seeds: tuple[bytes, ...]
    """Intact files, from which damaged ones are made."""
    read: Callable[[bytes], object]
    """Reads it as the project does; a ValueError (also DataError) or a Defect means that it was refused."""


def targets(folder: Path) -> dict[str, Target]:
    """All but those of triplets by name; `folder`: an empty one for the files that must exist on disk."""
    return raw_targets(folder) | store_targets(folder) | other_targets(folder)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def saved_mat(array: np.ndarray, *, compress: bool) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"CSIamp": array}, do_compression=compress)
    return file.getvalue()


def frame(read: Callable[[], np.ndarray], modality: str) -> object:
    """A frame read and cleaned, or its defect."""
    try:
        return clean_frame(read(), modality, 1)
    except BadFrame as bad:
        return bad.defect(modality, 1)


def through(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Reads bytes by way of a file."""

    def run(content: bytes) -> object:
        path.write_bytes(content)
        return read(path)

    return run


def csv(columns: tuple[str, ...], rows: np.ndarray) -> bytes:
    lines = [",".join(columns), *(",".join(f"{value:.6g}" for value in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def raw_targets(folder: Path) -> dict[str, Target]:
    """Files of MM-Fi and MARS trees, alone and within their tree."""
    rng, tree, mars = np.random.default_rng(0), folder / "mmfi", folder / "mars"
    write_mmfi_tree(
        tree, subjects=["S01"], actions=["A02"], config=SimulatorConfig(frames=3, csi_infinite=0.0)
    )
    key, scene = MmfiReader().sequences(tree)[0], tree / "E01" / "S01" / "A02"
    mars.mkdir()
    kinect = csv(KINECT_COLUMNS, rng.normal(size=(12, 75)))
    radar = csv(RADAR_COLUMNS, np.column_stack([np.arange(12), rng.normal(size=(12, 7))]))

    def sequence(_: Path) -> object:
        whole = assemble(MmfiReader().read(tree, key))
        return whole.defects[0] if whole.defects else whole

    def table(_: Path) -> object:
        _read_part.cache_clear()
        return read_part(mars, "test")

    def table_alone(path: Path) -> object:
        path.with_name("radar_data_test.csv").unlink(missing_ok=True)
        return table(path)

    def radar_table(path: Path) -> object:
        path.with_name("kinect_data_test.csv").write_bytes(kinect)
        return table(path)

    truth, wifi = scene / "ground_truth.npy", scene / "wifi-csi" / "frame001.mat"
    small = [saved_mat(rng.normal(40, 5, (3, 114, 10)), compress=c) for c in (False, True)]
    points = rng.normal(size=(6, 5)).tobytes()
    marker = (tree / MARKER).read_bytes()
    return {
        "npy": Target(
            seeds=(saved(rng.normal(size=(17, 2))), saved(np.arange(34, dtype="i2").reshape(17, 2))),
            read=lambda content: frame(lambda: parse_npy(content, "x"), "rgb"),
        ),
        "mat": Target(
            seeds=tuple(small), read=through(folder / "x.mat", lambda p: frame(lambda: read_csi(p), "wifi"))
        ),
        "points": Target(
            seeds=(points,),
            read=through(folder / "x.bin", lambda p: frame(lambda: read_points(p, 5), "mmwave")),
        ),
        "ground truth": Target(seeds=(truth.read_bytes(),), read=through(truth, sequence)),
        "csi frame": Target(seeds=(wifi.read_bytes(),), read=through(wifi, sequence)),
        "marker": Target(
            seeds=(marker,), read=through(folder / "mmfi" / MARKER, lambda _: MmfiReader().settings(tree))
        ),
        "kinect": Target(seeds=(kinect,), read=through(mars / "kinect_data_test.csv", table_alone)),
        "radar": Target(seeds=(radar,), read=through(mars / "radar_data_test.csv", radar_table)),
    }


def use(store: Store) -> None:
    """Everything that training and reports read of a store."""
    _ = store.index, store.defects, store.layout, store.provenance
    for i in range(len(store.keys)):
        store.sequence(i)


def store_targets(folder: Path) -> dict[str, Target]:
    """Files of a store."""
    source = SimulatedSource(subjects=("S01", "S12"), actions=("A02",), config=SimulatorConfig(frames=4))
    store = prepare("simulated", source, folder / "store")
    root = Path(store.path)
    manifest = json.loads((root / "manifest.json").read_text())
    contents = {kind: (root / manifest[kind]).read_bytes() for kind in ("frames", "index", "defects")}
    sequences, signals = manifest["sequences"], store.signals
    writer = StoreWriter(folder / "written", StoreHeader(source="fuzz"))
    writer.write(store.sequence(0))
    part = next((folder / "written" / "parts").glob("*.arrow"))
    header = folder / "written" / "header.json"

    def frames(content: bytes) -> None:
        buffer = pa.py_buffer(content)
        table = read_frames(buffer, None, "x", signals)
        locate(buffer, table, signals)
        for batch in table.to_batches():
            from_record_batch(batch, sequences[0], signals)

    return {
        "manifest": Target(
            seeds=((root / "manifest.json").read_bytes(),),
            read=through(root / "manifest.json", lambda _: use(open_store(root))),
        ),
        "frames": Target(seeds=(contents["frames"],), read=frames),
        "index": Target(
            seeds=(contents["index"],),
            read=lambda content: read_index(pa.py_buffer(content), sequences, "x", signals),
        ),
        "defects": Target(
            seeds=(contents["defects"], some_defects(store)),
            read=lambda content: read_defects(pa.py_buffer(content), sequences, "x", signals),
        ),
        "part": Target(
            seeds=(part.read_bytes(),), read=through(part, lambda path: read_store_part(path, signals))
        ),
        "header": Target(
            seeds=(header.read_bytes(),),
            read=through(header, lambda _: StoreWriter(folder / "written", StoreHeader(source="fuzz"))),
        ),
    }


def some_defects(store: Store) -> bytes:
    """A table of defects with rows in it."""
    row = {"environment": "E01", "subject": "S01", "action": "A02", "part": "", "modality": "rgb"}
    rows = [row | {"frame": n, "reason": "missing", "detail": f"no file {n}"} for n in range(1, 9)]
    file = io.BytesIO()
    pl.DataFrame(rows, schema=store.defects.drop("camera").schema).write_parquet(file)
    return file.getvalue()


def other_targets(folder: Path) -> dict[str, Target]:
    """Checkpoints, files of jobs, outboxes, server states."""
    state = {
        "format": checkpoints.FORMAT, "config": {"epochs": 1}, "extra": {"fingerprint": "f"}, "epoch": 1,
        "best_mpjpe_mm": 1.0, "best_epoch": 0, "history": [{"train/loss": 0.5}], "contributions": None,
        "model": {"weight": torch.ones(3, 4), "bias": torch.zeros(3)}, "method": {},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"params": [0]}]},
    }  # fmt: skip
    file = io.BytesIO()
    torch.save(state, file)
    job = create_job(
        folder, "sweeps", "awc", {"data": "mars", "seed": 0, "override": ["a=1"], "trials": None}
    )
    options, server = folder / "sweeps" / job / "job.json", ServerFiles(folder)
    server.hidden.mkdir()
    records: list[dict[str, Any]] = [
        {"kind": "metric", "key": "val/mpjpe_mm", "value": 1.5, "step": 3, "time": 17},
        {"kind": "tag", "key": "method", "value": "awc"},
        {"kind": "artifact", "file": "/x/1", "name": "tables/a.csv"},
        {"kind": "status", "value": "FINISHED", "time": 18},
    ]
    spooled = "".join(json.dumps(record) + "\n" for record in records).encode()
    served = json.dumps({"uri": "http://127.0.0.1:5000", "guard_pid": 4, "host": "here"}).encode()

    def outbox(path: Path) -> None:
        opened = Outbox(path.parent, "run")
        try:
            opened.recover()
        finally:
            opened.close(delivered=False)

    return {
        "checkpoint": Target(
            seeds=(file.getvalue(),),
            read=through(folder / checkpoints.FILE, lambda path: checkpoints.load(path.parent)),
        ),
        "job": Target(
            seeds=(options.read_bytes(),),
            read=through(options, lambda _: resume_job(folder, "sweeps", "awc")),
        ),
        "outbox": Target(seeds=(spooled,), read=through(folder / "run.jsonl", outbox)),
        "server state": Target(seeds=(served,), read=through(server.state, lambda _: _state(server))),
    }
