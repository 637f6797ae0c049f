"""Batches of four sensors, and of depth images: this project's store against readers of MM-Fi's own files.

`python -m benchmarks loader`; with `MMFI_TOOLBOX=<folder of the public toolbox>` its own DataLoader is
timed too, on the same simulated tree, in the same rounds, all with a warm cache.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch

from benchmarks.timing import Measurement, compare, markdown, one_thread
from equipose.models.randomness import numpy_rng
from equipose.models.sensors import GridView, ImageView, PointsView, point_views
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import Store

ACTIONS = ("A02", "A03", "A04", "A05")
BATCH = 32
EPOCHS = 10
"""Epochs of the store per round, so that its times are not too short to measure."""
SETTINGS: dict[str, dict[str, Any]] = {
    f"store, batch {BATCH}": {"batch_size": BATCH},
    "store, batch 192": {"batch_size": 192},
    "store, batch 192, 1024 + 128 points": {"views": point_views(lidar=1024, mmwave=128)},
    "store, batch 192, window 27, 3 radar frames": {
        "views": {"rgb": GridView(window=27), "mmwave": PointsView(points=32, frames=3)}
    },
}

DEPTH = f"store, depth 192x144 alone, batch {BATCH}, decoded by every core"

Load = Callable[[], int]
"""Load everything; returns the number of samples."""


def main(rounds: int = 5, frames: int = 297) -> str:
    """Compare loaders on four simulated sequences of `frames` frames; Markdown."""
    with tempfile.TemporaryDirectory() as folder, one_thread():
        tree = Path(folder) / "mmfi"
        write_mmfi_tree(tree, subjects=["S01"], actions=ACTIONS, config=SimulatorConfig(frames=frames))
        store = prepare("mmfi", tree, Path(folder) / "store")
        loaders: dict[str, Load] = {}
        if toolbox := os.environ.get("MMFI_TOOLBOX"):
            loaders["public toolbox's DataLoader"] = toolbox_loader(Path(toolbox), tree)
        loaders["plain reader of MM-Fi's files"] = lambda: sum(map(len, read_files(tree, frames)))
        loaders[DEPTH] = depth_loader(Path(folder) / "depth", frames)
        loaders |= {name: store_loader(store, BatchConfig(**kwargs)) for name, kwargs in SETTINGS.items()}
        samples = {name: load() for name, load in loaders.items()}
        measured = compare(dict(loaders), rounds=rounds)
        return report(measured, samples)


def depth_loader(folder: Path, frames: int) -> Load:
    """Shuffled epochs of depth images, kept at 192x144 and decoded at that size."""
    config = SimulatorConfig(frames=frames)
    source = SimulatedSource(subjects=("S01",), actions=ACTIONS[:1], config=config, sensors=("depth",))
    store = prepare("simulated", source, folder)
    views = {"depth": ImageView(stride=1)}
    return store_loader(store, BatchConfig(batch_size=BATCH, modalities=("depth",), views=views))


def store_loader(store: Store, config: BatchConfig) -> Load:
    """Shuffled epochs of a store."""
    source = BatchSource(store, store.index["row"].to_numpy(), config)
    orders = range(EPOCHS)
    return lambda: sum(len(b) for e in orders for b in source.batches(source.epoch_order(e), epoch=e))


def report(measured: list[Measurement], samples: dict[str, int]) -> str:
    """A table of microseconds per sample, so that candidates may load different numbers of samples."""
    first = samples[measured[0].name]
    each = [
        Measurement(
            m.name,
            tuple(s / samples[m.name] * 1e6 for s in m.seconds),
            m.ratio * samples[m.name] / first,
        )
        for m in measured
    ]
    title = (
        f"Loading sensors: microseconds per sample (simulated MM-Fi tree of {first} frames, warm "
        f"cache, {torch.get_num_threads()} torch thread(s), {os.cpu_count()} cores)"
    )
    rates = "; ".join(f"{m.name} {1e6 / m.median:,.0f}" for m in each)
    return markdown(title, each).replace(" s |", " us |") + f"\n\nSamples per second: {rates}."


def read_files(root: Path, frames: int) -> Iterator[torch.Tensor]:
    """Poses of shuffled batches read frame by frame, as plainly as the layout allows; nothing is cleaned."""
    order = numpy_rng(0, "order").permutation(len(ACTIONS) * frames)
    for start in range(0, len(order), BATCH):
        batch = collate([read_frame(root, *divmod(int(i), frames)) for i in order[start : start + BATCH]])
        yield batch["pose"]


def read_frame(root: Path, sequence: int, offset: int) -> dict[str, np.ndarray]:
    """One frame from its five files."""
    folder, name = root / "E01" / "S01" / ACTIONS[sequence], f"frame{offset + 1:03d}"
    return {
        "rgb": np.load(folder / "rgb" / f"{name}.npy", allow_pickle=False),
        "lidar": np.fromfile(folder / "lidar" / f"{name}.bin").reshape(-1, 3),
        "mmwave": np.fromfile(folder / "mmwave" / f"{name}.bin").reshape(-1, 5),
        "wifi": scipy.io.loadmat(folder / "wifi-csi" / f"{name}.mat")["CSIamp"],
        "pose": np.load(folder / "ground_truth.npy", mmap_mode="r", allow_pickle=False)[offset],
    }


def collate(frames: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Stack frames; clouds are cut or filled up."""
    sizes = {"lidar": 256, "mmwave": 32}
    batch = {}
    for name in frames[0]:
        arrays = [frame[name] for frame in frames]
        if name in sizes:
            arrays = [np.resize(array, (sizes[name], array.shape[1])) for array in arrays]
        batch[name] = torch.from_numpy(np.stack(arrays).astype(np.float32))
    return batch


def toolbox_loader(folder: Path, tree: Path) -> Load:
    """The public toolbox's own DataLoader over the whole tree; its OpenCV import is not needed here."""
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
    loader = toolbox.make_dataloader(train, True, torch.Generator().manual_seed(0), BATCH)

    def load() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return sum(len(batch["output"]) for batch in loader)

    return load
