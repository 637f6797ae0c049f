"""Batches of four modalities per second: this project's store against readers of MM-Fi's own files.

`python -m benchmarks loader`; with `MMFI_TOOLBOX=<folder of the public toolbox>` its own DataLoader is
timed too, on the same tree, in the same rounds. Both get a warm cache.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch

from benchmarks.timing import Measurement, compare, markdown
from models.randomness import numpy_rng
from pipelines.batches import BatchConfig, BatchSource
from pipelines.cleaning import assemble
from pipelines.sequence import RawSequence
from pipelines.store import Store, StoreHeader, StoreWriter

ACTIONS = ("A02", "A03", "A04", "A05")
FRAMES = 297
LIDAR_POINTS, MMWAVE_POINTS = 1000, 60
BATCH = 32
SIGNALS = ("rgb", "lidar", "mmwave", "wifi", "pose")


def main(rounds: int = 5) -> str:
    """Compare loaders over four sequences of random numbers in MM-Fi's layout; Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        tree, frames = Path(folder) / "mmfi", len(ACTIONS) * FRAMES
        store = write_store(Path(folder) / "store", write_tree(tree))
        candidates = {"a reader of MM-Fi's files": lambda: count(read_files(tree))}
        toolbox = os.environ.get("MMFI_TOOLBOX", "")
        if toolbox:
            loader = toolbox_loader(Path(toolbox), tree)
            candidates = {"public toolbox's DataLoader": lambda: count(loader), **candidates}
        candidates |= store_candidates(store)
        measured = compare(candidates, rounds=rounds)
    return report(measured, frames * REPEAT, frames)


REPEAT = 10
"""Epochs of the store per round, so that its times are not too short to measure."""


def store_candidates(store: Store) -> dict[str, Callable[[], object]]:
    """Shuffled epochs of the store under the settings that matter."""
    settings: dict[str, dict[str, Any]] = {
        f"store, batch {BATCH}": {"batch_size": BATCH},
        "store, batch 192": {"batch_size": 192},
        "store, batch 192, 1024 + 128 points": {"lidar_points": 1024, "mmwave_points": 128},
        "store, batch 192, window 27, 3 radar frames": {"window": 27, "radar_frames": 3},
    }
    sources = {
        name: BatchSource(store, np.arange(len(store)), BatchConfig(**kwargs))
        for name, kwargs in settings.items()
    }
    return {name: lambda source=source: epochs(source) for name, source in sources.items()}


def epochs(source: BatchSource) -> int:
    """Rows loaded in `REPEAT` shuffled epochs."""
    return sum(count(source.batches(source.epoch_order(e), epoch=e)) for e in range(REPEAT))


def count(batches: Any) -> int:
    """Exhaust an iterable of batches."""
    return sum(1 for _ in batches)


def report(measured: list[Measurement], store_rows: int, other_rows: int) -> str:
    """Per-sample table; the store candidates did `store_rows` rows a round, the others `other_rows`."""
    scaled = []
    for m in measured:
        rows = store_rows if m.name.startswith("store") else other_rows
        scaled.append(
            Measurement(m.name, tuple(s / rows * 1e6 for s in m.seconds), m.ratio * rows / other_rows)
        )
    title = (
        f"Loading four modalities (random numbers in MM-Fi's layout, {other_rows} frames, warm cache, "
        f"{torch.get_num_threads()} torch threads): microseconds per sample"
    )
    rates = ", ".join(f"{m.name}: {1e6 / m.median:,.0f} samples/s" for m in scaled)
    return markdown(title, scaled).replace(" s |", " us |") + f"\n\n{rates}"


def random_frame(action: str, number: int) -> dict[str, np.ndarray]:
    """One frame as MM-Fi stores it."""
    rng = numpy_rng(0, action, number)
    lidar, mmwave = (
        rng.integers(LIDAR_POINTS // 2, LIDAR_POINTS),
        rng.integers(MMWAVE_POINTS // 2, MMWAVE_POINTS),
    )
    return {
        "rgb": rng.normal(300, 50, (17, 2)),
        "lidar": rng.normal(size=(lidar, 3)),
        "mmwave": rng.normal(size=(mmwave, 5)),
        "wifi": rng.normal(40, 3, (3, 114, 10)),
        "pose": rng.normal(size=(17, 3)).astype(np.float32),
    }


def write_tree(root: Path) -> list[RawSequence]:
    """Write the frames in MM-Fi's on-disk layout and return them."""
    raws = []
    for action in ACTIONS:
        frames = [random_frame(action, number) for number in range(1, FRAMES + 1)]
        folder = root / "E01" / "S01" / action
        for name in ("rgb", "lidar", "mmwave", "wifi-csi"):
            (folder / name).mkdir(parents=True)
        for number, frame in enumerate(frames, 1):
            np.save(folder / "rgb" / f"frame{number:03d}.npy", frame["rgb"])
            frame["lidar"].tofile(folder / "lidar" / f"frame{number:03d}.bin")
            frame["mmwave"].tofile(folder / "mmwave" / f"frame{number:03d}.bin")
            scipy.io.savemat(folder / "wifi-csi" / f"frame{number:03d}.mat", {"CSIamp": frame["wifi"]})
        np.save(folder / "ground_truth.npy", np.stack([frame["pose"] for frame in frames]))
        raws.append(raw_sequence(action, frames))
    return raws


def raw_sequence(action: str, frames: list[dict[str, np.ndarray]]) -> RawSequence:
    """The same frames as a reader would hand them over."""
    return RawSequence(
        environment="E01",
        subject="S01",
        action=action,
        numbers=np.arange(1, FRAMES + 1, dtype=np.int32),
        frames={name: [frame[name] for frame in frames] for name in SIGNALS},
        provenance=dict.fromkeys(SIGNALS, "simulated:random"),
    )


def write_store(root: Path, raws: list[RawSequence]) -> Store:
    """The frames as a store."""
    writer = StoreWriter(root, StoreHeader(source="benchmark"))
    for raw in raws:
        writer.write(assemble(raw))
    return writer.finish()


def read_files(root: Path) -> Iterator[dict[str, torch.Tensor]]:
    """Shuffled batches read frame by frame, as plainly as MM-Fi's layout allows; nothing is cleaned."""
    order = numpy_rng(0, "order").permutation(len(ACTIONS) * FRAMES)
    for start in range(0, len(order), BATCH):
        yield collate([read_frame(root, int(i)) for i in order[start : start + BATCH]])


def read_frame(root: Path, i: int) -> dict[str, np.ndarray]:
    """One frame from its five files."""
    folder, name = root / "E01" / "S01" / ACTIONS[i // FRAMES], f"frame{i % FRAMES + 1:03d}"
    return {
        "rgb": np.load(folder / "rgb" / f"{name}.npy"),
        "lidar": np.fromfile(folder / "lidar" / f"{name}.bin").reshape(-1, 3),
        "mmwave": np.fromfile(folder / "mmwave" / f"{name}.bin").reshape(-1, 5),
        "wifi": scipy.io.loadmat(folder / "wifi-csi" / f"{name}.mat")["CSIamp"],
        "pose": np.load(folder / "ground_truth.npy", mmap_mode="r")[i % FRAMES],
    }


def collate(frames: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Stack frames; clouds are cut or padded with zeros."""
    sizes = {"lidar": 256, "mmwave": 32}
    batch = {}
    for name in SIGNALS:
        arrays = [frame[name] for frame in frames]
        if name in sizes:
            arrays = [np.resize(array, (sizes[name], array.shape[1])) for array in arrays]
        batch[name] = torch.from_numpy(np.stack(arrays).astype(np.float32))
    return batch


def toolbox_loader(folder: Path, tree: Path) -> Any:
    """The public toolbox's own training DataLoader over the whole tree."""
    sys.modules.setdefault("cv2", types.ModuleType("cv2"))
    spec = importlib.util.spec_from_file_location("mmfi_toolbox", folder / "mmfi_lib" / "mmfi.py")
    assert spec is not None
    assert spec.loader is not None
    toolbox = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toolbox)
    part = {"subjects": ["S01"], "actions": list(ACTIONS)}
    config = {
        "modality": "rgb|lidar|mmwave|wifi-csi",
        "protocol": "protocol3",
        "data_unit": "frame",
        "split_to_use": "manual_split",
        "manual_split": {"train_dataset": part, "val_dataset": part},
    }
    train, _ = toolbox.make_dataset(str(tree), config)
    generator = torch.Generator().manual_seed(0)
    return toolbox.make_dataloader(train, is_training=False, generator=generator, batch_size=BATCH)
