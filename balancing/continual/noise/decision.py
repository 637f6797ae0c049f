"""Which readings of a sensor are separated: those in a clear upper tail of its scores (our design)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing.continual.noise.mixture import Mixture, two_components
from equipose.balancing.continual.noise.robust import robust_z

POSTERIOR = 0.5
"""Above it a reading is separated."""
GAIN = 10.0
"""By how much the BIC must prefer two components to one."""
START = 0.1
"""Share of the readings that the upper component starts with."""


@dataclass(frozen=True, kw_only=True)
class TailRule:
    """When a reading is separated, and when it comes back."""

    threshold: float = 2.5
    """Smallest robust z of a separated score."""
    readmit: float = 0.3
    """A separated reading is shown again when its posterior falls below."""
    cap: float = 0.25
    """Largest share of a sensor's readings that is separated; above, none is, and the share is the alarm."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the tail rule says of one sensor."""

    flagged: Tensor
    """[N] bool."""
    posterior: Tensor
    """[N] float64 probability of the upper component; 0 where there is none, or no score."""
    alarm: float
    """Share of readings that would have to be separated, where that is more than the cap; else 0."""
    cut: float = math.inf
    """Smallest score that the rule separates: posterior and robust z rise with the score. Infinite where it
    separates nothing."""


def tail_decision(scores: Tensor, before: Tensor, rule: TailRule) -> Decision:
    """The readings of one sensor that do not fit.

    scores: [N] float64, higher is more doubtful, NaN where there is none; before: [N] bool, separated so far.
    """
    known = ~scores.isnan()
    posterior = torch.zeros_like(scores)
    found = two_components(scores[known][:, None], START)
    if found is not None and found.gain > GAIN:
        posterior[known] = rising(scores[known], found)
    new = (posterior > POSTERIOR) & (robust_z(scores) > rule.threshold)
    flagged = new | (before & (posterior >= rule.readmit))
    share = float(flagged.sum()) / max(1, int(known.sum()))
    if share > rule.cap:
        return Decision(flagged=torch.zeros_like(flagged), posterior=posterior, alarm=share)
    cut = float(scores[new].min()) if bool(new.any()) else math.inf
    return Decision(flagged=flagged, posterior=posterior, alarm=0.0, cut=cut)


def rising(scores: Tensor, found: Mixture) -> Tensor:
    """[N] the upper component's posterior, made to rise with the score.

    Of two normal distributions the wider one wins at both ends; a very low score is not doubtful, and a score
    above a doubtful one is.
    """
    upper = found.upper.masked_fill(scores < found.means[0, 0], 0)
    order = scores.argsort(stable=True)
    return torch.empty_like(upper).scatter(0, order, upper[order].cummax(dim=0).values)
