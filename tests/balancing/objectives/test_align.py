"""The objective of UniHPE: which losses there are, and that ranks draw what one rank would."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from equipose.balancing.objectives.align import Align
from equipose.balancing.objectives.registry import OBJECTIVES, build_objective, objective_name
from equipose.balancing.run import Run
from equipose.balancing.step import Step
from equipose.models.alignment.config import AlignedConfig
from equipose.models.alignment.model import AlignedModel
from equipose.models.batch import Batch, rows_of
from equipose.models.pose_errors import mpjpe
from tests.models.alignment.test_model import BOTH, TINY, batch_of, made, rng


def prepared(config: Align.Config, **changes: Any) -> tuple[Align, AlignedModel]:
    model = made(**changes)
    objective = Align(config)
    objective.prepare(model)
    return objective, model


def step_of(model: Any, batch: Batch, rank: int = 0, world: int = 1, gather: Any = None) -> Step:
    run = Run(
        model=model,
        epoch=0,
        epochs=1,
        seed=0,
        loss=mpjpe,
        batches=list,
        shuffled=list,
        gather=gather or (lambda rows: rows),
        rank=rank,
        world_size=world,
    )
    return Step(run=run, index=0, batch=batch, outputs=model(batch), rng=rng(3))


def test_names_of_the_losses() -> None:
    objective, model = prepared(Align.Config(), decoders=BOTH)
    losses = objective.losses(step_of(model, batch_of()))
    assert set(losses) == {"pair", "triplet", "decode/pose", "decode/keypoints"}
    assert all(loss.dim() == 0 and loss.isfinite() for loss in losses.values())


def test_without_contrast_there_is_no_temperature() -> None:
    objective, model = prepared(Align.Config(contrast=False, higher=None), decoders=("pose",))
    assert set(objective.losses(step_of(model, batch_of()))) == {"decode/pose"}
    assert not hasattr(model, "alignment")
    objective.after_step(model)


def test_anchors_leave_out_the_pairs_between_the_others() -> None:
    everything, anchored = Align.Config(), Align.Config(anchors=("image",))
    names = ("image", "keypoints", "skeleton")
    assert len(everything.loss(names).pairs or ()) == 3
    assert anchored.loss(names).pairs == (("image", "keypoints"), ("image", "skeleton"))


@pytest.mark.parametrize("sources", ["one", "all"])
def test_the_mean_over_ranks_is_the_loss_of_one_rank(sources: Any) -> None:
    """The embeddings of all rows stand in for what the ranks gather."""
    objective, model = prepared(Align.Config(sources=sources), decoders=BOTH)
    batch = batch_of(6)
    whole = objective.losses(step_of(model, batch))
    from equipose.models.alignment.sphere import unit

    everyone = {name: unit(rows) for name, rows in model(batch).embeddings.items()}
    parts = []
    for rank in (0, 1):
        order = iter(everyone.values())  # gathered once for each view, in their order
        mine = rows_of(batch, slice(3 * rank, 3 * rank + 3))
        parts.append(objective.losses(step_of(model, mine, rank, 2, lambda rows, order=order: next(order))))
    for name, loss in whole.items():
        torch.testing.assert_close((parts[0][name] + parts[1][name]) / 2, loss, rtol=1e-4, atol=1e-6)


def test_the_temperature_is_clamped_after_the_step_and_the_average_moves() -> None:
    objective, model = prepared(Align.Config(tau=0.5, tau_low=0.2), decoders=("pose",))
    alignment: Any = model.get_submodule("alignment")
    with torch.no_grad():
        alignment.temperature.log_inverse.fill_(5.0)
    objective.after_step(model)
    assert alignment.temperature.tau == pytest.approx(0.2)
    assert int(model.average_steps) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"higher": "volume"}, "objective.higher='volume'"),
        ({"sources": "two"}, "objective.sources='two'"),
        ({"decoder_weight": -1.0}, "objective.decoder_weight=-1.0"),
        ({"pairs": False}, "blind to signs"),
        ({"pairs": False, "higher": None}, "compare nothing"),
        ({"tau": 0.1}, "tau: start=0.1"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Align.Config(**change)


def test_a_term_over_three_needs_three_views() -> None:
    with pytest.raises(ValueError, match="compares three embeddings"):
        prepared(Align.Config(), modalities=("keypoints",))
    with pytest.raises(ValueError, match="needs an aligned model"):
        Align(Align.Config()).prepare(torch.nn.Linear(1, 1))


def test_every_objective_is_registered_under_its_name() -> None:
    for name, objective in OBJECTIVES.items():
        assert objective_name(objective.Config()) == name
        assert type(build_objective(objective.Config())) is objective
    assert AlignedConfig(preset="tiny", norm="layer") == TINY
