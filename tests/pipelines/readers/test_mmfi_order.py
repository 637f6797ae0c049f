"""The options `axes` and `columns` of the MM-Fi reader undo the order of the files; a store keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import MmfiReader
from equipose.pipelines.store import SequenceKey

KEY = SequenceKey("E01", "S01", "A02")


def rewrite(tree: Path, folder: str, columns: int, order: list[int], signs: list[int]) -> None:
    """Give the points of every file in these folders another order of columns."""
    for path in tree.glob(f"E*/S*/A*/{folder}/*.bin"):
        (np.frombuffer(path.read_bytes()).reshape(-1, columns)[:, order] * signs).tofile(path)


def test_the_points_are_those_of_files_in_the_default_order(tree: Path) -> None:
    plain = MmfiReader().read(tree, KEY)
    rewrite(tree, "lidar", 3, [2, 0, 1], [1, -1, -1])
    rewrite(tree, "mmwave", 5, [1, 2, 0, 4, 3], [-1, 1, 1, 1, 1])
    reader = MmfiReader(
        axes={"lidar": "z-x-y", "mmwave": "-yzx"}, columns={"mmwave": "x,y,z,intensity,doppler"}
    )
    found, other = reader.read(tree, KEY), MmfiReader().read(tree, KEY)
    for sensor in ("lidar", "mmwave"):
        for expected, restored, unlike in zip(
            plain.frames[sensor], found.frames[sensor], other.frames[sensor], strict=True
        ):
            assert np.array_equal(restored, expected)  # type: ignore[arg-type]
            assert not np.array_equal(unlike, expected)  # type: ignore[arg-type]


def test_broken_frames_stay_defects(tree: Path) -> None:
    (tree / "E01" / "S01" / "A02" / "lidar" / "frame003.bin").unlink()
    raw = MmfiReader(axes={"lidar": "zxy"}).read(tree, KEY)
    assert [type(entry).__name__ for entry in raw.frames["lidar"]].count("Defect") == 1


def test_a_store_is_of_one_order(tree: Path, tmp_path: Path) -> None:
    reader = MmfiReader(axes={"lidar": "zxy"})
    prepare("mmfi", tree, tmp_path / "store", reader=reader)
    prepare("mmfi", tree, tmp_path / "store", reader=reader)
    with pytest.raises(DataError) as caught:
        prepare("mmfi", tree, tmp_path / "store")
    assert "preparation is settings.axes \"{'lidar': 'zxy'}\", expected 'nothing'; prepare" in str(
        caught.value
    )
    other = MmfiReader(axes={"lidar": "zyx"})
    with pytest.raises(DataError, match=r"settings.axes.lidar 'zxy', expected 'zyx'; prepare with the same"):
        prepare("mmfi", tree, tmp_path / "store", reader=other)


def test_the_default_written_out_is_the_default(tree: Path) -> None:
    assert MmfiReader(axes={"lidar": "xyz"}).settings(tree) == MmfiReader().settings(tree)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": {"rgb": "zxy"}}, r"axes are given for \['rgb'\]; sensors of points are"),
        ({"axes": {"lidar": "zzz"}}, "lidar: axes are 'zzz'; write"),
        ({"columns": {"lidar": "z,x"}}, "lidar: columns are 'z,x'; write each of x,y,z once"),
        ({"wanted": ("rgb",), "axes": {"lidar": "zxy"}}, r"\['lidar'\]; sensors of points are \[\]"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, dict[str, str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MmfiReader(**options)  # type: ignore[arg-type]
