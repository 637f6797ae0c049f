"""`equipose predict --images`: poses of people in a folder of pictures, by a model with the sensor image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch

from equipose.experiments.cli import main
from equipose.models.batch import Batch
from equipose.models.sensors import Image
from equipose.models.sensors.triplets import IMAGE
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.pipelines.images import decode
from equipose.pipelines.readers.triplets.picture_folder import boxed_pictures, crop_of
from tests.orchestrator.aligned_runs import untrained_stages, write_photos

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of the three stages of a tiny aligned model with its first weights: `1`, `2` and `3`."""
    return untrained_stages(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """(exit status, stdout, stderr) of `equipose predict ...` in a folder that holds three photos."""
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        status = 0
        try:
            main(["predict", *args])
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, *capsys.readouterr()

    return call


def by_hand(run: Path, boxes: Path | None) -> np.ndarray:
    """[n, 17, 3] m: each person by itself, through the encoder and the decoder."""
    trained, folder, layout = load_model(run), Path("photos"), IMAGE.layout
    assert isinstance(layout, Image)
    poses = []
    for picture in boxed_pictures(folder, boxes):
        crop = decode(crop_of(folder, picture)[0], layout)[::2, ::2].astype(np.float32)
        batch = Batch(
            inputs={"image": torch.from_numpy(np.moveaxis(crop, -1, 0)[None] / np.float32(255))},
            masks={}, present=torch.ones(1, 1, dtype=torch.bool), pose=torch.zeros(1, 17, 3),
            index=torch.zeros(1, dtype=torch.int64),
        )  # fmt: skip
        with torch.no_grad():
            embedding = trained.model.encode_held(batch)[0][:, 0]
            embedding = embedding / embedding.norm(dim=-1, keepdim=True)
            poses.append(trained.model.pose_of(embedding, "image")[0].numpy())  # type: ignore[attr-defined, operator]
    return np.stack(poses)


def test_each_person_gets_the_pose_of_the_route_from_image_to_pose(say: Say, runs: Path) -> None:
    args = ("--images", "photos", "--boxes", "boxes.csv", "--out", "poses.parquet")
    status, out, err = say(str(runs / "3"), *args)
    assert status == 0, err
    assert "2 poses from 2 pictures" in out
    assert "1 pictures have no row in boxes.csv, such as c.png" in err
    table = pl.read_parquet("poses.parquet")
    assert table.columns == ["file", "centre_x", "centre_y", "side", "sensors", "doubt_mm", "pose"]
    assert table["file"].to_list() == ["b.png", "a.jpg"]
    assert table["side"].to_list() == [200.0, 180.5]
    assert set(table["sensors"]) == {"P"}
    assert table["doubt_mm"].null_count() == 2
    np.testing.assert_allclose(
        table["pose"].to_numpy(), by_hand(runs / "3", Path("boxes.csv")), atol=1e-5, rtol=0
    )
    facts = json.loads(pq.read_schema("poses.parquet").metadata[b"equipose"])
    assert facts["unit of pose"] == "m"
    assert facts["origin"] == "pelvis"
    assert facts["images"].endswith("photos")


def test_without_boxes_the_whole_picture_is_the_box_and_a_note_says_so(say: Say, runs: Path) -> None:
    status, _, err = say(str(runs / "3"), "--images", "photos", "--out", "poses.parquet")
    assert status == 0
    assert "note: without --boxes, the whole picture is a person's box" in err
    table = pl.read_parquet("poses.parquet")
    assert table["file"].to_list() == ["a.jpg", "b.png", "c.png"]
    assert table.row(0)[1:4] == (160.0, 120.0, pytest.approx(320 * 4 / 3))
    poses = table["pose"].to_numpy()
    np.testing.assert_allclose(poses, by_hand(runs / "3", None), atol=1e-5, rtol=0)
    assert np.abs(poses[0] - poses[1]).max() > 1e-4, "other pictures, other poses"


@pytest.mark.parametrize(
    ("stage", "args", "message"),
    [
        (1, ("--images", "photos"), "its sensors are keypoints, without image"),
        (2, ("--images", "photos"), "it has no decoder of poses; give a run of the stage `decoders`"),
        (3, ("--images", "nowhere"), "nowhere: folder of pictures is missing"),
        (3, ("--images", "photos", "--store", "S"), "--store S chooses frames of a store; leave it out"),
        (3, ("--images", "photos", "--part", "test"), "--part test chooses frames of a store"),
        (3, ("--images", "photos", "--sensors", "image"), "--sensors image chooses frames of a store"),
        (3, ("--boxes", "boxes.csv"), "--boxes boxes.csv says where people are in pictures; add --images"),
        (3, ("--images", "photos", "--boxes", "photos/a.jpg"), "photos/a.jpg: not a table of boxes"),
    ],
)
def test_what_does_not_work_is_one_line(
    say: Say, runs: Path, stage: int, args: tuple[str, ...], message: str
) -> None:
    status, _, err = say(str(runs / str(stage)), *args, "--out", "poses.parquet")
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("poses.parquet").exists()


def test_a_damaged_picture_is_named_and_nothing_is_written(say: Say, runs: Path) -> None:
    Path("photos", "b.png").write_bytes(Path("photos", "b.png").read_bytes()[:200])
    status, _, err = say(str(runs / "3"), "--images", "photos", "--out", "poses.parquet")
    assert status == 2
    assert "photos/b.png: damaged" in err
    assert not Path("poses.parquet").exists()
