"""The bounded MATLAB reader equals scipy's on intact files and survives any damage."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from equipose.pipelines.readers.frame_files import parse_npy
from equipose.pipelines.readers.mat5 import MatError, MatTruncatedError, load_array, load_cells
from equipose.pipelines.sequence import BadFrame

LIMIT = 2**20
REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "mmfi" / "frame001.mat"


def saved(values: dict[str, Any], compress: bool = False) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, values, do_compression=compress)
    return file.getvalue()


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_equals_scipy(compress: bool, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = saved({"other": np.ones((5, 5)), "CSIamp": array, "text": "abc"}, compress)
    found = load_array(content, "CSIamp", limit=LIMIT)
    assert found is not None
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert load_array(content, "absent", limit=LIMIT) is None


@pytest.mark.parametrize("value", [np.ones((2, 2)) * 1j, "text", {"a": 1.0}, np.array([[1, "a"]], object)])
def test_other_classes_give_an_object_array(value: Any) -> None:
    found = load_array(saved({"CSIamp": value}), "CSIamp", limit=LIMIT)
    assert found is not None
    assert found.dtype == object


def test_unfolding_is_bounded() -> None:
    content = saved({"CSIamp": np.zeros(10**6)}, compress=True)
    assert len(content) < 20_000
    with pytest.raises(MatError, match="unfolds to more than"):
        load_array(content, "CSIamp", limit=LIMIT)


@pytest.mark.skipif(not REAL.exists(), reason=f"needs the genuine MM-Fi frame {REAL}")
def test_reads_a_genuine_frame() -> None:
    found = load_array(REAL.read_bytes(), "CSIamp", limit=LIMIT)
    assert np.array_equal(found, scipy.io.loadmat(REAL)["CSIamp"])  # type: ignore[arg-type]


@pytest.mark.parametrize("compress", [False, True])
def test_every_cut_is_noticed(compress: bool) -> None:
    content = saved({"CSIamp": np.random.default_rng(0).normal(size=(3, 4))}, compress)
    for length in range(len(content)):
        if length in (0, 128):
            continue
        with pytest.raises(MatError) as caught:
            load_array(content[:length], "CSIamp", limit=LIMIT)
        assert length < 128 or isinstance(caught.value, MatTruncatedError)


@pytest.mark.parametrize("compress", [False, True])
def test_no_flipped_byte_escapes(compress: bool) -> None:
    content = saved({"CSIamp": np.random.default_rng(0).normal(size=(3, 4))}, compress)
    rng, outcomes = np.random.default_rng(1), set()
    for _ in range(3000):
        damaged = bytearray(content)
        for place in rng.integers(100, len(content), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        try:
            load_array(bytes(damaged), "CSIamp", limit=LIMIT)
            outcomes.add("read")
        except MatError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_no_flipped_byte_of_an_npy_header_escapes() -> None:
    file = io.BytesIO()
    np.save(file, np.ones((17, 2)))
    content, rng, outcomes = file.getvalue(), np.random.default_rng(2), set()
    for _ in range(3000):
        damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
        for place in rng.integers(0, min(len(damaged), 80), rng.integers(1, 4)):
            damaged[place] = rng.choice([*b"0123456789(),'<>fiucbOUV{}: ", rng.integers(256)])
        try:
            parse_npy(bytes(damaged), "x.npy")
            outcomes.add("read")
        except BadFrame as bad:
            outcomes.add(bad.reason)
    assert {"read", "unreadable", "truncated"} <= outcomes <= {"read", "unreadable", "truncated", "dtype"}


def cells() -> np.ndarray:
    """As MPI-INF-3DHP's annotations: an array of every camera in a column of cells."""
    found = np.empty((3, 1), object)
    for camera in range(3):
        found[camera, 0] = np.random.default_rng(camera).normal(size=(4, 56))
    return found


@pytest.mark.parametrize("compress", [False, True])
def test_cells_equal_scipy_s(compress: bool) -> None:
    content = saved({"annot2": cells(), "CSIamp": np.ones(3)}, compress)
    found = load_cells(content, "annot2", limit=LIMIT)
    reference = scipy.io.loadmat(io.BytesIO(content))["annot2"]
    assert found is not None
    assert [cell.shape for cell in found] == [(4, 56)] * 3
    assert all(np.array_equal(cell, reference[i, 0]) for i, cell in enumerate(found))
    assert load_cells(content, "absent", limit=LIMIT) is None
    with pytest.raises(MatError, match="CSIamp is no cell array"):
        load_cells(content, "CSIamp", limit=LIMIT)


@pytest.mark.parametrize("compress", [False, True])
def test_no_flipped_byte_of_cells_escapes(compress: bool) -> None:
    content = saved({"annot2": cells()}, compress)
    rng, outcomes = np.random.default_rng(1), set()
    for _ in range(1500):
        damaged = bytearray(content)
        for place in rng.integers(100, 600, rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        try:
            load_cells(bytes(damaged), "annot2", limit=LIMIT)
            outcomes.add("read")
        except MatError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
