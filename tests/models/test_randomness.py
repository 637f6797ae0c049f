from __future__ import annotations

import numpy as np

from equipose.models.randomness import SPLITMIX64_STEP, splitmix64


def test_splitmix64_equals_the_published_generator() -> None:
    """First outputs for seed 1234567, as in the test vectors of other implementations."""
    state = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * SPLITMIX64_STEP
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert splitmix64(state).tolist() == expected
