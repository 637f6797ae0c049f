"""NIS: noisy readings are identified while a task is learnt, and separated from its data.

Within the words of the abstract of the AWC paper's first versions (arXiv 2501.05264v1 to v3); how readings
are judged, when, and what happens to them is our own design (docs/continual-noise.md). A separated reading is
hidden and its row stays: the other sensors of the frame are still worth learning from. It keeps being judged
and comes back when it fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.continual.noise.bulk import bulk_share
from equipose.balancing.continual.noise.decision import TailRule, tail_decision
from equipose.balancing.continual.noise.evidence import CHANNELS, Channel, gathered
from equipose.balancing.continual.noise.hiding import as_many_at_random, readings_of, replaced
from equipose.balancing.continual.noise.scoring import Yardstick, bulk_channels, measured
from equipose.balancing.losses import Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.run import EpochPlan, Hidden, Run
from equipose.balancing.schedules import epoch_count
from equipose.balancing.search_spaces import searched, searched_count

NAME = "nis"
ACTS = ("mask", "nothing", "random")
VALIDATION = ("nothing", "score", "mask")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The latest judgement of a task's readings; rows of the store."""

    rows: Tensor
    """[N] int64, ascending."""
    values: Tensor
    """[N, M] float64, higher fits less; NaN where the sensor is absent."""
    posterior: Tensor
    """[N, M] float64 probability of the doubtful component."""
    flagged: Tensor
    """[N, M] bool: what the rule says, whatever `act` makes of it."""


class NoiseSeparation(Method):
    """Scores every reading of the task every few epochs, and hides those that do not fit."""

    carries_on = True

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """All of it ours."""

        act: Literal["mask", "nothing", "random"] = "mask"
        """Hide what is flagged, only score, or (a control) hide as many readings of each sensor at random."""
        validation: Literal["nothing", "score", "mask"] = "nothing"
        """What happens to readings of the validation part, which are judged by the yardstick of the training
        part: nothing; the share that does not fit is logged; they are hidden too, as `act` says, so that
        what remains decides contributions and the best epoch. Errors on fewer readings compare with no
        other method's, so the default leaves validation as it is."""
        channels: tuple[Channel, ...] = ("features", "heads")
        """Evidence: the feature given pose and recording, the error of the sensor's own head relative to the
        others', minus its contribution to the row."""
        threshold: float = searched(2.5, low=2.0, high=4.0)
        """Smallest robust z of a separated score."""
        cap: float = 0.25
        """Largest share of a sensor's readings that is separated; above, none is and an alarm is logged."""
        warmup: int = searched_count(20, low=5, high=35, epochs=True)
        """Epochs of a task before the first judgement."""
        every: int = epoch_count(20)
        """Epochs between judgements; 0 judges once."""
        readmit: float = 0.3
        """A separated reading is shown again when its posterior falls below."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.choice(NAME, self, "act", ACTS)
            checks.choice(NAME, self, "validation", VALIDATION)
            if self.act == "nothing" and self.validation == "mask":
                raise ValueError(
                    f"{NAME}.validation is 'mask', but {NAME}.act 'nothing' hides no reading; take "
                    "validation='score', or another act"
                )
            unknown = set(self.channels) - set(CHANNELS)
            if unknown or not self.channels or len(set(self.channels)) < len(self.channels):
                raise ValueError(
                    f"{NAME}.channels must name some of {CHANNELS}, each once, got {self.channels}"
                )
            checks.positive(NAME, self, "threshold")
            checks.share(NAME, self, "cap")
            checks.at_least(NAME, self, "warmup", 0)
            checks.at_least(NAME, self, "every", 0)
            checks.share(NAME, self, "readmit")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if "heads" in self.config.channels:
            self.needs = frozenset({"unimodal_heads"})
            self.claims = frozenset({"unimodal losses"})
        self.scores: Scores | None = None
        """The latest, for reports."""
        self._flagged: Hidden | None = None
        self._masked: Hidden | None = None

    @property
    def hidden(self) -> Hidden | None:
        """Separated readings of this task and of all before it."""
        return self._masked

    @property
    def shapes_step(self) -> bool:
        """Only to keep the heads from training the encoders."""
        return bool(self.needs)

    def acts_in(self, epoch: int) -> bool:
        """Once readings may be hidden."""
        return self.config.act != "nothing" and epoch >= self.config.warmup

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """Judge the readings where that is due, before later methods look; the loop hides them."""
        since, every = run.epoch - self.config.warmup, self.config.every
        if since == 0 or (since > 0 and every and since % every == 0):
            self._judge(run)
        return plan

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Heads that only provide evidence must not train the encoders."""
        return probe_losses(losses, step) if self.needs else losses

    def _judge(self, run: Run) -> None:
        """Score all readings of the task, decide, and log."""
        c, rows, names = self.config, run.training_rows, run.model.modalities
        evidence = gathered(run, rows, c.channels)
        (values, yardstick), bulk = measured(evidence), bulk_channels(evidence)
        before = readings_of(self._flagged, rows, len(names))
        rule = TailRule(threshold=c.threshold, readmit=c.readmit, cap=c.cap)
        found = [tail_decision(values[:, m], before[:, m], rule) for m in range(len(names))]
        self.scores = Scores(
            rows=rows,
            values=values,
            posterior=torch.stack([decision.posterior for decision in found], dim=1),
            flagged=torch.stack([decision.flagged for decision in found], dim=1),
        )
        masked = self._separated(self.scores.flagged, evidence.present, run)
        present = evidence.present.sum(dim=0).clamp_min(1)
        for m, name in enumerate(names):
            run.log(f"noise/{name}/flagged", float(self.scores.flagged[:, m].sum() / present[m]))
            run.log(f"noise/{name}/separated", float(masked[:, m].sum() / present[m]))
            run.log(f"noise/{name}/alarm", max(found[m].alarm, bulk_share(bulk[:, m])))
        if c.validation != "nothing" and len(run.validation_rows):
            self._judge_validation(run, yardstick, [decision.cut for decision in found])

    def _judge_validation(self, run: Run, yardstick: Yardstick, cuts: list[float]) -> None:
        """Flag the other people's readings by the rule of the training part.

        cuts: the smallest separated score of every sensor. As there, a sensor of which more than `cap` does
        not fit keeps all its readings.
        """
        rows = run.validation_rows
        evidence = gathered(run, rows, self.config.channels)
        flagged = measured(evidence, yardstick)[0] >= torch.tensor(cuts, dtype=torch.float64)
        shares = flagged.sum(dim=0) / evidence.present.sum(dim=0).clamp_min(1)
        for name, share in zip(run.model.modalities, shares.tolist(), strict=True):
            run.log(f"noise/{name}/validation_flagged", share)
        if self.config.validation == "mask":
            hide = flagged & (shares <= self.config.cap)
            if self.config.act == "random":
                hide = as_many_at_random(hide, evidence.present, run.seed, run.task, "validation")
            self._masked = replaced(self._masked, rows, hide)

    def _separated(self, flagged: Tensor, present: Tensor, run: Run) -> Tensor:
        """[N, M] bool: the readings of the task that are hidden from now on."""
        self._flagged = replaced(self._flagged, run.training_rows, flagged)
        if self.config.act == "nothing":
            return torch.zeros_like(flagged)
        if self.config.act == "random":
            flagged = as_many_at_random(flagged, present, run.seed, run.task)
        self._masked = replaced(self._masked, run.training_rows, flagged)
        return flagged

    def state_dict(self) -> dict[str, Any]:
        """Readings that are flagged and hidden, of all tasks, and the latest scores."""
        kept = {"flagged": self._flagged, "masked": self._masked, "scores": self.scores}
        return {name: dict(vars(value)) for name, value in kept.items() if value is not None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        unknown = sorted(set(state) - {"flagged", "masked", "scores"})
        if unknown:
            raise ValueError(
                f"{NAME} keeps no {unknown}; the checkpoint was written by another method or version"
            )
        self._flagged = Hidden(**state["flagged"]) if "flagged" in state else None
        self._masked = Hidden(**state["masked"]) if "masked" in state else None
        self.scores = Scores(**state["scores"]) if "scores" in state else None
