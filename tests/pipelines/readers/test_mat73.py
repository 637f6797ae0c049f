"""MATLAB 7.3 files: read with h5py, within the same limits; without it, the remedy is named."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.readers.frame_files import read_csi
from equipose.pipelines.readers.mat5 import MatError
from equipose.pipelines.readers.mat73 import OFFSET, SIGNATURE, load_array73
from equipose.pipelines.sequence import BadFrame

CSI = np.random.default_rng(0).uniform(30, 48, (3, 114, 10))
LIMIT = 2**20


def test_without_h5py_the_remedies_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = tmp_path / "frame001.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(OFFSET) + SIGNATURE)
    with pytest.raises(BadFrame) as bad:
        read_csi(path)
    assert bad.value.reason == "unreadable"
    assert "pip install 'equipose[matlab73]'" in bad.value.detail
    assert "-v7 in MATLAB" in bad.value.detail


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file as MATLAB does: a header of its own, arrays with their axes reversed."""
    h5py = pytest.importorskip("h5py")

    def save(fill: Callable[[Any], object]) -> Path:
        path = tmp_path / "frame001.mat"
        with h5py.File(path, "w", userblock_size=OFFSET) as file:
            fill(file)
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(OFFSET))
        return path

    return save


def test_the_array_has_its_axes_as_in_matlab(write: Callable[..., Path]) -> None:
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": (5, 57, 3)}
    path = write(lambda file: file.create_dataset("CSIamp", data=CSI.T, **options))
    assert np.array_equal(read_csi(path), CSI)


def test_another_name_is_told(write: Callable[..., Path]) -> None:
    path = write(lambda file: file.create_dataset("csi", data=CSI.T))
    with pytest.raises(BadFrame, match="has no variable CSIamp, it holds csi"):
        read_csi(path)


def huge(file: Any) -> None:
    file.create_dataset("CSIamp", shape=(10**6, 10**6), dtype="f8", chunks=(1, 10))


def huge_chunk(file: Any) -> None:
    file.create_dataset("CSIamp", shape=(10, 10), maxshape=(None, 10), dtype="f8", chunks=(10**6, 10))


def elsewhere(file: Any) -> None:
    file.create_dataset("CSIamp", shape=(10,), dtype="f8", external=[("/etc/passwd", 0, 80)])


def soft_link(file: Any) -> None:
    import h5py

    file["other"] = CSI
    file["CSIamp"] = h5py.SoftLink("/other")


def other_file(file: Any) -> None:
    import h5py

    file["CSIamp"] = h5py.ExternalLink("other.mat", "/CSIamp")


def virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout(shape=(10,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.mat", "CSIamp", shape=(10,))
    file.create_virtual_dataset("CSIamp", layout)


def bomb(file: Any) -> None:
    found = file.create_dataset("CSIamp", shape=(100,), dtype="f8", chunks=(100,), compression="gzip")
    found.id.write_direct_chunk((0,), zlib.compress(bytes(2**26)))


def odd_filter(file: Any) -> None:
    file.create_dataset("CSIamp", data=CSI.T, compression="lzf")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (huge, "more than"),
        (huge_chunk, "more than"),
        (elsewhere, "another file"),
        (soft_link, "link to another place"),
        (other_file, "link to another place"),
        (virtual, "another file"),
        (bomb, "unfolds to more than its 800 bytes"),
        (odd_filter, "MATLAB does not write"),
    ],
)
def test_sizes_are_bounded_and_nothing_is_fetched(
    write: Callable[..., Path], fill: Callable[[Any], None], words: str
) -> None:
    with pytest.raises(MatError, match=words):
        load_array73(write(fill).read_bytes(), "CSIamp", limit=LIMIT)


@pytest.mark.parametrize("value", ["text", np.ones((3, 114, 10), complex)])
def test_other_classes_are_no_numbers(write: Callable[..., Path], value: Any) -> None:
    path = write(lambda file: file.__setitem__("CSIamp", value))
    assert read_csi(path).dtype == object


def test_damage_is_one_clear_error(write: Callable[..., Path]) -> None:
    whole = write(lambda file: file.create_dataset("CSIamp", data=CSI.T, compression="gzip")).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        content = bytearray(whole[: rng.integers(OFFSET + 9, len(whole) + 1)])
        content[rng.integers(OFFSET + 8, len(content))] ^= int(rng.integers(1, 256))
        try:
            load_array73(bytes(content), "CSIamp", limit=LIMIT)
        except MatError:
            continue
