"""What a sweep of an alignment searches, what a trial runs, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from equipose.balancing.objectives.align import Align
from equipose.models.alignment.config import AlignedConfig
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.unihpe.sweep.config import FROM_PICTURE
from tests.orchestrator.aligned_runs import BOTH

POINT = {"objective.higher": "gram", "objective.alpha": 0.5, "later.tau": 0.1}


def key(spec: RunSpec) -> str:
    return spec.key("data", key(spec.init_from) if spec.init_from else None)


def test_the_default_setting_comes_first(sweep: Callable[..., Any]) -> None:
    [search] = sweep(trials=7, dials=("alpha", "tau")).searches()
    assert search.enqueued() == [{"objective.alpha": 1.0, "later.tau": 0.2}]
    assert search.trials == 7


def test_a_trial_is_all_stages_with_the_dials_turned(sweep: Callable[..., Any]) -> None:
    runs = sweep(seed=3).runs("alignment", POINT)
    assert [(run.config.objective.higher, run.config.objective.tau) for run in runs] == [
        (None, 1 / 14), ("gram", 0.1), ("gram", 0.1),
    ]  # fmt: skip
    assert {run.config.seed for run in runs} == {1003}
    assert runs[2].init_from == runs[1]
    assert [sweep().prefix(run) for run in runs] == ["pose-pairs/", "image/", "decoders/"]


def test_no_trial_reads_a_test_part(sweep: Callable[..., Any]) -> None:
    for run in sweep().runs("alignment", POINT):
        assert all(one.evaluations == {} and one.alignments == {} for one in run.line)
    tested = sweep().finals("alignment-001", POINT).specs()
    assert {"aligned-last"} <= {name for run in tested for name in run.alignments}


def test_trials_share_stages_with_each_other_and_with_a_job(sweep: Callable[..., Any]) -> None:
    config = sweep()
    [search] = config.searches()
    own = [key(run) for run in config.runs("alignment", search.enqueued()[0])]
    other = [key(run) for run in config.runs("alignment", POINT)]
    wide = [key(run) for run in config.runs("alignment", {"model.width": 32})]
    assert own[0] == other[0]
    assert not set(own[1:]) & set(other[1:])
    assert not set(own) & set(wide)
    assert own == [key(run) for run in config.job.runs(config.variant, 1000)]


def test_the_best_is_tested_beside_the_default_with_the_same_fresh_seeds(sweep: Callable[..., Any]) -> None:
    config = sweep()
    finals = config.finals("alignment-002", POINT)
    assert finals.methods == ("default", "tuned alignment-002")
    assert {run.config.seed for run in finals.specs()} == set(config.job.seeds)
    [search] = config.searches()
    assert config.finals("alignment-000", search.enqueued()[0]).methods == ("default",)


@dataclass
class Ended:
    """A run with a history."""

    history: tuple[dict[str, float], ...]
    config: TrainConfig


def test_the_error_from_the_picture_counts(sweep: Callable[..., Any]) -> None:
    config = sweep()
    first, _, last = config.runs("alignment", {})
    assert FROM_PICTURE == "subset/P/mpjpe_mm"
    ended = {"val/mpjpe_mm": 50.0, "subset/P/mpjpe_mm": 90.0, "subset/K/mpjpe_mm": 40.0}
    assert config.value(Ended((ended,), last.config)) == 90.0
    assert config.value(Ended((ended,), first.config)) == 50.0
    assert config.value(Ended(({"best/mpjpe_mm": np.inf},), last.config)) == np.inf


def test_without_decoders_the_pose_is_retrieved(sweep: Callable[..., Any]) -> None:
    short = sweep(variant={"last": 2})
    assert (short.length, short.judged_by) == (2, "retrieved")
    assert (sweep().length, sweep().judged_by) == (3, "decoded")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials must be at least 1, got 0"),
        ({"dials": ("beta",)}, r"dials \['beta'\] are unknown"),
        ({"seed": -1000}, "seed 0 is that of the trials"),
        (
            {"variant": {"model": AlignedConfig(preset="tiny", modalities=("keypoints",), decoders=BOTH)}},
            "need .'image', 'keypoints'.",
        ),
        ({"variant": {"objective": Align.Config(contrast=False, higher=None)}}, "aligns nothing"),
    ],
)
def test_impossible_sweeps_are_refused(
    sweep: Callable[..., Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(**changes)


def test_one_variant_is_tuned(sweep: Callable[..., Any]) -> None:
    config = sweep()
    two = (config.variant, replace(config.variant, name="other"))
    with pytest.raises(ValueError, match=r"one variant, got \['unihpe', 'other'\]"):
        replace(config, job=replace(config.job, variants=two))
