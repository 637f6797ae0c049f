"""Videos are decoded where PyAV is installed; elsewhere one error says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.triplets.outdoor import mpi_video
from equipose.pipelines.readers.triplets.outdoor.mpi_inf_3dhp import Mpi3dhpReader
from equipose.pipelines.sequence import Defect

BOX = np.array([32.0, 32.0, 40.0])


def film(path: Path, frames: int = 5) -> None:
    """A video of pictures that are brighter and brighter."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p"
        for n in range(frames):
            picture = np.full((64, 64, 3), 40 * n + 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def test_frames_are_taken_by_their_numbers(tmp_path: Path) -> None:
    film(tmp_path / "imageSequence" / "video_2.avi")
    found = mpi_video.pictures(tmp_path, tmp_path, 2, [BOX] * 3, np.array([1, 4, 9]))
    first, fourth, ninth = found
    assert isinstance(first, np.ndarray)
    assert isinstance(fourth, np.ndarray)
    assert first.shape == fourth.shape == (256, 192, 3)
    assert abs(float(first.mean()) - 20) < 6
    assert abs(float(fourth.mean()) - 140) < 6
    assert isinstance(ninth, Defect)
    assert ninth.reason == "missing"
    assert "the video ends before it" in ninth.detail


def test_a_damaged_video_or_a_link_gives_defects(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "sequence" / "imageSequence" / "video_0.avi"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"RIFF no video at all")
    (one,) = mpi_video.pictures(tmp_path / "sequence", tmp_path, 0, [BOX], np.array([1]))
    assert isinstance(one, Defect)
    assert "video is unreadable" in one.detail
    (other,) = mpi_video.pictures(tmp_path / "sequence", tmp_path / "elsewhere", 0, [BOX], np.array([1]))
    assert isinstance(other, Defect)
    assert other.reason == "unreadable"


def test_large_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(tmp_path / "imageSequence" / "video_0.avi")
    monkeypatch.setattr(mpi_video, "MAX_SIDE", 63)
    (one,) = mpi_video.pictures(tmp_path, tmp_path, 0, [BOX], np.array([1]))
    assert isinstance(one, Defect)
    assert "64 x 64" in one.detail


def test_without_pyav_one_error_names_three_ways_out(mpi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mpi / "S1" / "Seq1" / "imageSequence" / "video_1.avi"
    path.parent.mkdir()
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        DataError, match=r"video_1\.avi: .*pip install 'equipose\[video\]'.*unpack.*--sensors"
    ):
        Mpi3dhpReader().sequences(mpi)
    without = Mpi3dhpReader(wanted=("exact_keypoints", "box", "intrinsics"))
    assert len(without.sequences(mpi)) == 10
