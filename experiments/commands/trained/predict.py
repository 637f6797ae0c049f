"""`equipose predict`: the poses that a trained model sees in the frames of a store, or in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from equipose.experiments.presets.names import PartName

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from equipose.pipelines.store import Store


def predict(
    checkpoint: Positional[Path],
    /,
    out: Path,
    store: str | None = None,
    sensors: tuple[str, ...] = (),
    part: PartName = "all",
    protocol: str | None = None,
    split: str | None = None,
    images: Path | None = None,
    boxes: Path | None = None,
) -> None:
    """Predict a pose and a doubt for every frame of a store, with any of the sensors missing.

    Writes Parquet: environment, subject, action, number, the sensors that the frame has, doubt (mm), pose
    (17 x 3, m). Frames need no true pose. With --images, the file and its box stand for the frame.

    Args:
        checkpoint: Folder of a run, of which the best checkpoint is taken, or of one checkpoint.
        out: File to write, such as `poses.parquet`; it appears complete or not at all.
        store: Path or URI of a prepared store; by default that of the training.
        sensors: Use only these of the model, e.g. `rgb lidar`; the store need not hold the others.
        part: Which frames; by default every one.
        protocol: Of the part: P1, P2 or P3 (MARS: `MARS`); by default that of the training.
        split: Of the part: S1, S2 or S3 (MARS: `time` or `subject`); by default that of the training.
        images: Folder of JPEG or PNG files to look at instead of a store, with a model that has the sensor
            `image`.
        boxes: Of the people in them: CSV with the columns file, centre_x, centre_y, side (pixels), a row per
            person; by default the box is the whole picture.
    """
    if out.suffix != ".parquet" or out.is_dir():
        raise ValueError(f"--out {out}: give the name of a file that ends in .parquet")
    if images is not None:
        chosen_by = {"store": store, "sensors": " ".join(sensors), "protocol": protocol, "split": split}
        _predict_pictures(
            checkpoint, out, images, boxes, chosen_by | {"part": part if part != "all" else None}
        )
        return
    if boxes is not None:
        raise ValueError(f"--boxes {boxes} says where people are in pictures; add --images, or leave it out")
    _predict_frames(checkpoint, out, store, sensors, part, protocol, split)


def _predict_frames(
    checkpoint: Path,
    out: Path,
    store: str | None,
    sensors: tuple[str, ...],
    part: PartName,
    protocol: str | None,
    split: str | None,
) -> None:
    """Predict and write the poses of a store's frames; see `predict`."""
    import sys

    from equipose.experiments.jobs.trained import opened
    from equipose.orchestrator.evaluation.chosen_frames import choose_frames, held_sensors
    from equipose.orchestrator.evaluation.poses import predicted_poses, write_poses
    from equipose.orchestrator.training.build import own_device
    from equipose.orchestrator.training.data import provenance_label

    trained, data = opened(checkpoint, store)
    used = held_sensors(trained, data, sensors)
    chosen = choose_frames(trained, data, part=part, protocol=protocol, split=split, posed=False)
    poses = predicted_poses(trained, data, chosen.rows, sensors=used, device=own_device())
    about = {
        "checkpoint": str(trained.checkpoint.absolute()),
        "store": data.path,
        "store fingerprint": data.fingerprint,
        "provenance": provenance_label(data),
        "sensors": " ".join(used),
        "origin": trained.config.data.batch.origin,
    }
    write_poses(poses, out, about)
    for doubt in chosen.doubts:
        print(f"equipose: warning: {doubt}", file=sys.stderr)
    print(f"{out}: {len(poses):,} poses from {about['provenance']}, sensors {about['sensors']}")
    print("\n".join(summary(poses, data, chosen.rows, about["origin"])))


def _predict_pictures(
    checkpoint: Path, out: Path, images: Path, boxes: Path | None, idle: dict[str, str | None]
) -> None:
    """Predict and write the poses of people in a folder of pictures; see `predict`."""
    import sys

    from equipose.orchestrator.checkpoints.trained_model import load_model
    from equipose.orchestrator.evaluation.aligned.picture_poses import check_pictures, poses_of_pictures
    from equipose.orchestrator.evaluation.poses import write_poses
    from equipose.orchestrator.training.build import own_device
    from equipose.pipelines.readers.triplets.picture_folder import boxed_pictures, without_box

    for name, value in idle.items():
        if value:
            raise ValueError(f"--{name} {value} chooses frames of a store; leave it out with --images")
    trained = load_model(checkpoint)
    check_pictures(trained)
    pictures = boxed_pictures(images, boxes)
    poses = poses_of_pictures(trained, images, pictures, device=own_device())
    about = {
        "checkpoint": str(trained.checkpoint.absolute()),
        "images": str(images.absolute()),
        "boxes": "the whole pictures" if boxes is None else str(boxes.absolute()),
        "sensors": "image",
        "origin": trained.config.data.batch.origin,
    }
    write_poses(poses, out, about)
    if boxes is None:
        print("equipose: note: without --boxes, the whole picture is a person's box", file=sys.stderr)
    elif left := without_box(images, pictures):
        print(
            f"equipose: warning: {len(left):,} pictures have no row in {boxes}, such as {left[0]}",
            file=sys.stderr,
        )
    print(f"{out}: {len(poses):,} poses from {poses['file'].n_unique():,} pictures")


def summary(poses: pl.DataFrame, store: Store, rows: np.ndarray, origin: str = "sensor") -> list[str]:
    """Lines about doubt, frames without a sensor, and the error where the true pose is known."""
    from equipose.orchestrator.evaluation.poses import known_errors

    lines = []
    if blind := poses.filter(sensors="none").height:
        lines.append(f"{blind:,} frames have none of these sensors; their poses say nothing")
    doubts = poses["doubt_mm"].drop_nulls().to_numpy()
    if len(doubts):
        lines.append(
            f"doubt (spread over subsets of sensors): median {sorted(doubts)[len(doubts) // 2]:.1f} mm"
        )
    else:
        lines.append("no doubt: it takes two sensors in a frame")
    errors, correlation = known_errors(poses, store, rows, origin)
    if len(errors):
        mean = float(errors["mpjpe_mm"].to_numpy().mean())
        lines.append(f"MPJPE {mean:.1f} mm on the {len(errors):,} frames whose true pose is known")
    if correlation == correlation:
        lines.append(f"rank correlation of doubt and error over these frames: {correlation:+.2f}")
    return lines
