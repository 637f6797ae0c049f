"""Whether a large part of a sensor's readings does not fit: reported, never separated (our design).

Where a sensor is contaminated by a third or more, its flagged readings are mostly the right ones, but those
that are not are the unusual clean poses, and hiding these costs more than the noise
(docs/continual-noise.md).
"""

from __future__ import annotations

from torch import Tensor

from equipose.balancing.continual.noise.mixture import two_components

APART = 3.0
"""Mahalanobis distance of the two components above which they are two kinds of reading."""
AGREED = 0.3
"""By how many robust units the upper component lies higher in every channel: recordings differ in their
features too, but then the sensor's own head does no worse on them."""
LEAST = 0.1
"""Smallest share that counts as bulk; below, the tail rule decides."""
START = 0.4
"""Share of the readings that the upper component starts with."""


def bulk_share(channels: Tensor) -> float:
    """Share of a sensor's readings that form a second, higher cloud; 0 where there is none.

    channels: [N, K] float64, standardised evidence of each kind (fitted with `residuals.BULK`), higher is
    more doubtful; rows with NaN do not count.
    """
    found = two_components(channels[~channels.isnan().any(dim=1)], START)
    if found is None or found.distance <= APART or bool((found.means[1] - found.means[0] < AGREED).any()):
        return 0.0
    share = float(found.weights[1])
    return share if share >= LEAST else 0.0
