"""Diagnosing & Re-learning (Wei et al., ECCV 2024, arXiv 2407.09705): soften encoders that memorise.

At some epochs every encoder is pulled back towards its initial weights, the more so the better its features
serve the training data compared with held-out data:

    theta_m <- w_m theta_m,init + (1 - w_m) theta_m,    w_m = tanh(lambda |P_train,m - P_val,m|).

The paper's P is the purity of clusters with respect to classes; a pose has none, so by default P is the
Pearson correlation of a linear probe (`equipose.balancing.parts.diagnosis`). As in the public code, only
parameters change: the optimiser's state and the statistics of normalisation layers stay. Validation data is
measured, never trained on; test data is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.parts.diagnosis import Diagnosis, diagnosis_gaps
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.run import Run
from equipose.balancing.schedules import epoch_count, fixed_count
from equipose.balancing.search_spaces import searched

NAME = "relearning"


def pulled(parameter: Tensor, initial: Tensor, weight: float) -> Tensor:
    """The weights `weight` of the way back to the initial ones."""
    return weight * initial.to(parameter) + (1 - weight) * parameter


class Relearning(Method):
    """Pulls encoders towards their initial weights, a few times, every few epochs."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The paper's values; `diagnosis` is a choice that it leaves open for regression."""

        strength: float = searched(3.0, low=0.5, high=6.0)
        """lambda."""
        every: int = epoch_count(20)
        """Epochs between two re-learnings, and before the first."""
        times: int = fixed_count(3)
        """Largest number of re-learnings in a run."""
        diagnosis: Diagnosis = "probe"
        """P: correlation of a linear probe, or cluster purity against the action labels."""
        fraction: float = 1.0
        """Share of the training batches that are diagnosed, evenly spaced; validation is used whole."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "strength", zero=True)
            checks.at_least(NAME, self, "every", 1)
            checks.at_least(NAME, self, "times", 0)
            checks.choice(NAME, self, "diagnosis", ("probe", "purity"))
            checks.share(NAME, self, "fraction")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.initial: dict[str, Tensor] = {}
        """Encoder weights at the first epoch of the method."""

    def on_epoch_start(self, run: Run) -> None:
        """Remember the initial weights; at the epochs due, diagnose and pull back."""
        c = self.config
        groups = run.model.encoder_parameters()
        if not self.initial:
            self.initial = {name: p.detach().clone() for g in groups.values() for name, p in g.items()}
        if c.strength == 0 or run.epoch == 0 or run.epoch % c.every or run.epoch // c.every > c.times:
            return
        if run.validation_batches is None:
            raise ValueError(
                "relearning compares training with validation data, but this run has none; give it some"
            )
        train = evenly_spaced(run.batches(), c.fraction)
        gaps = diagnosis_gaps(run, train, run.validation_batches(), c.diagnosis)
        weights = torch.tanh(c.strength * gaps).tolist()
        for (modality, group), weight in zip(groups.items(), weights, strict=True):
            run.log(f"method/relearned/{modality}", weight)
            with torch.no_grad():
                for name, parameter in group.items():
                    parameter.copy_(pulled(parameter, self.initial[name], weight))

    def state_dict(self) -> dict[str, Any]:
        """The initial weights."""
        return {"initial": self.initial}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.initial = dict(state["initial"])
