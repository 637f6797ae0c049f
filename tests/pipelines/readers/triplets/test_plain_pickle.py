"""Pickled arrays are read, and nothing that a pickle asks for is run or allocated."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.readers.triplets.plain_pickle import PlainPickleError, load_plain

VALUE: dict[str, Any] = {
    "S1": {
        "Walking 1": np.arange(24, dtype="f4").reshape(2, 4, 3),
        "list": [np.ones((2, 2)), (1, "a", None)],
    },
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "number": np.float64(2.5),
    "big": np.arange(3, dtype=">i2"),
    "names": np.array(["ab", "c"]),
    "objects": np.array([{"a": 1}, [2.0]], dtype=object),
    "empty": np.empty((0, 3)),
    "flag": True,
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and equal(a.tolist(), b.tolist())
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_plain_values_and_arrays_survive(protocol: int) -> None:
    assert equal(VALUE, load_plain(pickle.dumps(VALUE, protocol)))


def test_names_of_the_older_numpy_and_texts_of_python_2_are_read() -> None:
    """Python 2 wrote the bytes of an array as a text, and NumPy 1 called its core otherwise."""
    content = pickle.dumps(np.arange(3, dtype="u1"), 2).replace(
        b"numpy._core.multiarray", b"numpy.core.multiarray"
    )
    assert np.array_equal(load_plain(content), [0, 1, 2])
    old = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x02tcnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x02\x07\xfftb."
    )
    assert load_plain(old).tolist() == [7, 255]


class Run:
    """Asks for a command to be run."""

    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/it-ran",)


def declared(shape: bytes) -> bytes:
    """An array that begins with a shape of its own."""
    return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + shape + b"tS'b'\ntR."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps(Run()), "system"),
        (pickle.dumps(OrderedDict(a=1), 2), "OrderedDict"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (declared(b"L1000000000000L\n"), "begins with shape"),
        (b"cnumpy\nndarray\n(L1000000000000L\ntR.", "made by its class"),
        (b"cnumpy\ndtype\n(S'V999999999'\ntR.", "of type"),
        (b"cnumpy\ndtype\n.", "no values"),
        (b"cnumpy\nndarray\n}S'a'\nI1\nsb.", "a state for"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "at place 2147483647"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "damaged"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"a.", "BYTEARRAY8"),
        (b"\x80\x02]q\x00h\x00a.", "contains itself"),
        (b"(" * 5 + b"]" + b"".join(b"]" for _ in range(50)) + b"a" * 50 + b".", "nested|damaged"),
        (b"", "damaged"),
        (b"\x89PNG", "damaged"),
        (b"X\xff\xff\xff\x7f.", "damaged"),
    ],
)
def test_hostile_pickles_are_refused_in_one_line(content: bytes, said: str) -> None:
    with pytest.raises(PlainPickleError, match=said) as caught:
        load_plain(content)
    assert "\n" not in str(caught.value)[:200]
    assert not os.path.exists("/tmp/it-ran")


def test_an_array_must_hold_what_it_declares() -> None:
    content = pickle.dumps(np.zeros(3, "u1"), 2)
    assert load_plain(content).shape == (3,)
    wrong = content.replace(b"K\x03\x85", b"K\x09\x85")
    assert wrong != content
    with pytest.raises(PlainPickleError, match="declares"):
        load_plain(wrong)


def test_what_occurs_a_million_times_is_kept_once() -> None:
    """Ten lists, each of ten times the one before: 40 bytes that would be 10^10 values."""
    nested: Any = [0]
    for _ in range(10):
        nested = [nested] * 10
    found = load_plain(pickle.dumps(nested))
    assert found[0] is found[9]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_flipped_byte_escapes(protocol: int) -> None:
    content = pickle.dumps({k: v for k, v in VALUE.items() if k != "objects"}, protocol)
    assert sum(1 for _ in pickletools.genops(content)) > 50
    rng, outcomes = np.random.default_rng(1), set()
    for _ in range(1500):
        damaged = bytearray(content[: None if rng.uniform() < 0.8 else rng.integers(1, len(content))])
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        try:
            load_plain(bytes(damaged))
            outcomes.add("read")
        except PlainPickleError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
