"""A prepared store gives the public MM-Fi toolbox's values and lists; set MMFI_TOOLBOX to its checkout."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import PROTOCOLS, SPLITS, splits
from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion, write_mmfi_tree

FOLDER = os.environ.get("MMFI_TOOLBOX", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="set MMFI_TOOLBOX to a checkout of the public MM-Fi toolbox"
)

NAMES = {"rgb": "rgb", "lidar": "lidar", "mmwave": "mmwave", "wifi": "wifi-csi"}
SPLIT_NAMES = {"S1": "random_split", "S2": "cross_subject_split", "S3": "cross_scene_split"}


@pytest.fixture(scope="module")
def toolbox() -> Any:
    """The toolbox's data module; OpenCV, which only its depth images need, is stubbed where it is missing."""
    if importlib.util.find_spec("cv2") is None:
        sys.modules["cv2"] = types.ModuleType("cv2")
    sys.path.insert(0, FOLDER)
    yield importlib.import_module("mmfi_lib.mmfi")
    sys.path.remove(FOLDER)


def config(**changes: Any) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((Path(FOLDER) / "config.yaml").read_text()) | changes


@pytest.mark.parametrize(("protocol", "split"), list(itertools.product(PROTOCOLS, SPLITS)))
def test_lists_are_the_toolbox_s(toolbox: Any, protocol: str, split: str) -> None:
    asked = config(protocol=f"protocol{protocol[1]}", split_to_use=SPLIT_NAMES[split])
    theirs = {name: made["data_form"] for name, made in toolbox.decode_config(asked).items()}
    pairs = {
        name: sorted((s, a) for s, actions in form.items() for a in actions) for name, form in theirs.items()
    }
    ours = splits(protocol, split)
    assert sorted(ours["train"] + ours["validation"]) == pairs["train_dataset"]
    assert ours["test"] == pairs["val_dataset"]


def test_the_toolbox_reads_all_seven_sensors(toolbox: Any, tmp_path: Path) -> None:
    """Frame by frame; reading whole sequences it fails on depth, whose integers it scales in place."""
    if not hasattr(pytest.importorskip("cv2"), "imread"):
        pytest.skip("the toolbox reads depth images with OpenCV: install opencv-python-headless")
    seven = ("rgb", "infra1", "infra2", "depth", "lidar", "mmwave", "wifi")
    chosen = SimulatorConfig(frames=297, lidar_points=60, radar_empty=0.0, radar_clutter=30.0)
    write_mmfi_tree(tmp_path, subjects=["S01"], actions=["A02"], config=chosen, modalities=seven)
    pose = simulate_motion("S01", "A02", chosen)
    made = observe(pose, environment="E01", subject="S01", key="A02", config=chosen, modalities=seven)
    names = "|".join(NAMES.get(name, name) for name in seven)
    base = toolbox.MMFi_Database(str(tmp_path))
    theirs = toolbox.MMFi_Dataset(base, "frame", names, "training", {"S01": ["A02"]})
    assert len(theirs) == 297
    for index in (0, 1, 150, 296):
        sample = theirs[index]
        assert sample["idx"] == index
        for name in ("rgb", "infra1", "infra2", "lidar", "mmwave"):
            assert np.array_equal(sample[f"input_{name}"], made[name][index])
        assert sample["input_depth"].shape == (480, 640)
        assert np.array_equal(sample["input_depth"], made["depth"][index] * 0.001)
        assert sample["input_wifi-csi"].shape == (3, 114, 10)


def test_every_value_of_every_frame_is_the_toolbox_s(toolbox: Any, tmp_path: Path) -> None:
    chosen = SimulatorConfig(frames=297, lidar_points=60, csi_infinite=0.02, radar_empty=0.02)
    write_mmfi_tree(tmp_path / "tree", subjects=["S01"], actions=["A02"], config=chosen)
    store = prepare("mmfi", tmp_path / "tree", tmp_path / "store")
    base = toolbox.MMFi_Database(str(tmp_path / "tree"))
    compared = dict.fromkeys(NAMES, 0)
    for modality, name in NAMES.items():
        theirs = toolbox.MMFi_Dataset(base, "frame", name, "training", {"S01": ["A02"]})
        for sample in theirs:
            ours = store.frame("E01", "S01", "A02", sample["idx"] + 1)
            value, signal = sample[f"input_{name}"], ours[modality]
            assert signal is not None
            assert np.array_equal(ours["pose"], sample["output"].numpy().astype(np.float32))
            if modality == "wifi":
                assert np.abs(signal - value).max() < 1e-6
            else:
                assert signal.dtype == np.float32
                assert np.array_equal(signal, value.astype(np.float32))
            compared[modality] += 1
    valid = {m: int(store.index[f"valid_{m}"].sum()) for m in NAMES}
    assert compared == valid
    assert valid["mmwave"] < 297 == valid["wifi"]
