"""Diagnosing & Re-learning (Wei et al., ECCV 2024, arXiv 2407.09705): soften encoders that memorise.

At some epochs every encoder is pulled back towards its initial weights, the more so the better its features
serve the training data compared with held-out data:

    theta_m <- w_m theta_m,init + (1 - w_m) theta_m,    w_m = tanh(lambda |P_train,m - P_val,m|).

The paper's P is the purity of clusters with respect to classes; a pose has none, so by default P is the
Pearson correlation of a linear probe (`equipose.balancing.parts.diagnosis`). Two readings are ours: P as the
encoder's Shapley value per coordinate, so that all of them sum to the model's mean correlation; and `lead`,
which pulls only sensors ahead of the others and looks at no validation data,

    w_m = tanh(lead_strength * max(0, M p_m - 1) / (M - 1)),    p_m the sensor's share of the contribution.

In a stream of tasks the initial weights are those at the current task's start: random ones would erase what
earlier tasks taught. As in the public code, only
parameters change: the optimiser's state and the statistics of normalisation layers stay. Validation data is
measured, never trained on; test data is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.parts.diagnosis import Diagnosis, diagnosis_gaps
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.run import Run
from equipose.balancing.schedules import epoch_count, fixed_count
from equipose.balancing.search_spaces import searched
from equipose.balancing.shapley.shares import coalition_pass, contributions, shares

NAME = "relearning"


def pulled(parameter: Tensor, initial: Tensor, weight: float) -> Tensor:
    """The weights `weight` of the way back to the initial ones."""
    return weight * initial.to(parameter) + (1 - weight) * parameter


def leads(shares: Tensor) -> Tensor:
    """[M] max(0, M p_m - 1) / (M - 1) from shares p [M] that sum to 1: 1 for a sensor that does everything.

    Examples:
        >>> leads(torch.tensor([1.0, 0.0, 0.0])).tolist()
        [1.0, 0.0, 0.0]
    """
    return (len(shares) * shares - 1).clamp_min(0) / max(1, len(shares) - 1)


def _encoder_weights(run: Run) -> dict[str, Tensor]:
    """name -> a copy of every encoder parameter."""
    groups = run.model.encoder_parameters().values()
    return {name: p.detach().clone() for group in groups for name, p in group.items()}


class Relearning(Method):
    """Pulls encoders towards their initial weights, a few times, every few epochs."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The paper's values; `diagnosis` is a choice that it leaves open for regression."""

        strength: float = searched(3.0, low=0.5, high=6.0)
        """lambda, on the gap between training and validation."""
        lead_strength: float = searched(0.5, low=0.1, high=2.0, when=("diagnosis", "lead"))
        """The same on the lead."""
        every: int = epoch_count(20)
        """Epochs between two re-learnings, and before the first."""
        times: int = fixed_count(3)
        """Largest number of re-learnings in a run."""
        diagnosis: Diagnosis | Literal["lead"] = "probe"
        """P: correlation of a linear probe, cluster purity against the action labels, or Shapley value; or
        the lead over the other sensors, in place of a gap."""
        fraction: float = 1.0
        """Share of the training batches that are diagnosed, evenly spaced; validation is used whole."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "strength", zero=True)
            checks.at_least(NAME, self, "every", 1)
            checks.at_least(NAME, self, "times", 0)
            checks.positive(NAME, self, "lead_strength", zero=True)
            checks.choice(NAME, self, "diagnosis", ("probe", "purity", "shapley", "lead"))
            checks.share(NAME, self, "fraction")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.initial: dict[str, Tensor] = {}
        """Encoder weights at the task's start, or at the method's first epoch in it."""

    def on_epoch_start(self, run: Run) -> None:
        """Remember the initial weights; at the epochs due, diagnose and pull back."""
        c = self.config
        groups = run.model.encoder_parameters()
        if not self.initial or run.epoch == 0:
            self.initial = _encoder_weights(run)
        strength = c.lead_strength if c.diagnosis == "lead" else c.strength
        if strength == 0 or run.epoch == 0 or run.epoch % c.every or run.epoch // c.every > c.times:
            return
        weights = torch.tanh(strength * self._diagnosed(run)).tolist()
        for (modality, group), weight in zip(groups.items(), weights, strict=True):
            run.log(f"method/relearned/{modality}", weight)
            with torch.no_grad():
                for name, parameter in group.items():
                    parameter.copy_(pulled(parameter, self.initial[name], weight))

    def on_task_end(self, run: Run) -> None:
        """The next task starts from these weights."""
        self.initial = _encoder_weights(run)

    def _diagnosed(self, run: Run) -> Tensor:
        """[M] float64 gap, or lead, of every encoder."""
        c = self.config
        train = evenly_spaced(run.batches(), c.fraction)
        if c.diagnosis == "lead":
            players = len(run.model.modalities)
            return leads(shares(contributions(coalition_pass(run, train), players)))
        if run.validation_batches is None:
            raise ValueError(
                "relearning compares training with validation data, but this run has none; give it some"
            )
        return diagnosis_gaps(run, train, run.validation_batches(), c.diagnosis)

    def state_dict(self) -> dict[str, Any]:
        """The initial weights."""
        return {"initial": self.initial}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.initial = dict(state["initial"])
