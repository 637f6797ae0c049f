"""Randomness derived from names and numbers, never carried from one step to the next.

Every seed is derived from (seed, purpose, epoch, step, ...), so a resumed run equals an uninterrupted one and
two ranks equal one, without saving generator states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

T = TypeVar("T")

SPLITMIX64_STEP = np.uint64(0x9E3779B97F4A7C15)
"""Odd increment of the SplitMix64 sequence."""


def derive_seed(seed: int, *parts: int | str) -> int:
    """A 63-bit seed for one purpose, e.g. `derive_seed(7, "dropout", epoch, step)`.

    Equal arguments give equal seeds on every platform and Python version.
    """
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def numpy_rng(seed: int, *parts: int | str) -> np.random.Generator:
    """A NumPy generator for one purpose; see `derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *parts))


def torch_rng(seed: int, *parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one purpose; see `derive_seed`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *parts))


def seeded(build: Callable[[], T], seed: int, *parts: str) -> T:
    """The result of `build`, such as a module with new weights, with torch's CPU generator seeded for one
    purpose and restored afterwards."""
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(derive_seed(seed, "model", *parts))
    try:
        return build()
    finally:
        generator.set_state(state)


def splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Well-mixed 64-bit numbers, one for each of x (the finaliser of SplitMix64; Steele et al. 2014).

    A bijection; products wrap around.
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
