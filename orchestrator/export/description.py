"""`model.json`: what an exported model takes and gives, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from equipose.balancing.registry import method_name
from equipose.models.sensors import sensor_of
from equipose.models.skeleton import JOINTS
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import POSE_UNIT, TrainedModel
from equipose.orchestrator.export.signature import Input, chosen_sensors, inputs_of
from equipose.pipelines.files.atomic import checksum

POSE = "pose"
FEATURES = "features"
BATCH = "batch"
ABSENT = (
    "a sensor counts as absent in a frame where one of its values is NaN or infinite, "
    "and a cloud where its mask is all false"
)


def described(trained: TrainedModel, sensors: Sequence[str]) -> dict[str, Any]:
    """Everything of `model.json` but its files."""
    names, config = chosen_sensors(trained, sensors), trained.config
    dtype = _name_of(inputs_of(trained, names)[0].dtype)
    pose = {"name": POSE, "shape": [BATCH, len(JOINTS), 3], "dtype": dtype, "unit": POSE_UNIT}
    return {
        "sensors": list(names),
        "sensors_of_training": list(trained.sensors),
        "inputs": [described_input(trained, item) for item in inputs_of(trained, names)],
        "absent": ABSENT,
        "outputs": [{**pose, "joints": list(JOINTS)}],
        "features": {"name": FEATURES, "shape": [BATCH, config.model.width], "dtype": dtype},
        "normalisation": {
            "included": True,
            **{name: asdict(trained.normalisation[name]) for name in names},
        },
        "method": method_name(config.method),
        "fusion": config.model.fusion,
        "data": {name: trained.extra.get(name, "unknown") for name in ("provenance", "fingerprint")},
        "checkpoint": checkpoint_facts(trained),
        "equipose": version("equipose"),
    }


def described_input(trained: TrainedModel, item: Input) -> dict[str, Any]:
    """One input for people and programs."""
    facts = {"name": item.name, "sensor": item.sensor, "shape": [BATCH, *item.shape]}
    if item.is_mask:
        return {**facts, "dtype": "bool", "meaning": "true where the point is real"}
    sensor, view = sensor_of(item.sensor), trained.config.data.batch.views[item.sensor]
    return {**facts, "dtype": _name_of(item.dtype), "unit": sensor.unit, "view": asdict(view)}


def checkpoint_facts(trained: TrainedModel) -> Mapping[str, str]:
    """What identifies the checkpoint: name of its folder, and checksum of its file."""
    folder = trained.checkpoint.resolve()
    digest = checksum(folder / checkpoints.FILE)["sha256"]
    return {"folder": f"{folder.parent.name}/{folder.name}", "sha256": digest}


def _name_of(dtype: object) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")
