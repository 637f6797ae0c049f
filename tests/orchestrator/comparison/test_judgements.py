"""What a setting's runs say, on made-up errors whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from equipose.orchestrator.comparison.check_tables import check_tables, repetition_words
from equipose.orchestrator.comparison.config import Setting
from equipose.orchestrator.comparison.judgements import ALONE_REFITTED, AS_TRAINED, JOINT_REFITTED, Judgements
from equipose.orchestrator.comparison.methods_table import methods_table
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome, labels
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.statistics.missing import ONE_MISSING
from equipose.pipelines.statistics.subset_errors import recording_sums
from equipose.pipelines.tables.formats import to_markdown

SENSORS = ("rgb", "lidar")
ERRORS = {"R": 150.0, "L": 190.0, "RL": 100.0}
SEEDS, SUBJECTS, FRAMES = 3, 8, 4


class Measured:
    """What is read of an evaluation; `shift` mm are added to the errors of a subset."""

    modalities = SENSORS
    full = "RL"
    num_samples = SUBJECTS * FRAMES

    def __init__(self, seed: int, shift: dict[str, float]) -> None:
        self.seed, self.shift = seed, shift

    @property
    def report(self) -> Any:
        return self

    @property
    def mpjpe_mm(self) -> float:
        return ERRORS["RL"] + self.shift.get("RL", 0.0)

    @property
    def frames(self) -> pl.DataFrame:
        return frames(self.seed, self.shift)


def frames(seed: int, shift: dict[str, float]) -> pl.DataFrame:
    """Errors that differ a little between seeds, subjects and frames, alike for all methods."""
    rows = [
        {
            "subset": subset, "environment": "E01", "subject": f"S{subject:02d}", "action": "A02",
            "mpjpe_mm": error + shift.get(subset, 0.0) + seed + 3.0 * subject + frame
            + 0.01 * ((7 * subject + 3 * seed + len(shift)) % 5),
            "pa_mpjpe_mm": error / 2,
        }
        for subset, error in ERRORS.items()
        for subject in range(SUBJECTS)
        for frame in range(FRAMES)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def runs(
    method: str, shift: dict[str, float], *, training: float = 60.0, first: int = 0, refitted: Any = None
) -> list[EvaluatedRun]:
    epoch = {
        "time/train_s": 1.0, "time/validation_s": 0.5, "time/shapley_s": 0.1, "memory/peak_mib": 7.0,
        "best/epoch": 0.0, "train/mpjpe_mm": training, "steps/method": 5.0, "steps/plain": 7.0,
        "moved/rgb": 0.5, "moved/lidar": 0.25,
    }  # fmt: skip
    result = RunResult(
        key="k", config=TrainConfig(data=DataConfig(store="")), fingerprint="f00d",
        provenance="simulated data", parameters=10, history=(epoch,), folder=Path(),
    )  # fmt: skip
    return [
        EvaluatedRun(
            method=method,
            seed=seed,
            spec=cast(Any, None),
            result=result,
            evaluation=cast(Any, Measured(seed, shift)),
            refitted=None if refitted is None else frames(seed, refitted),
        )
        for seed in range(first, first + SEEDS)
    ]


def setting(
    rivals: dict[str, tuple[dict[str, float], float]],
    *,
    longer: float = 0.0,
    upper: float = 0.0,
    again: dict[str, dict[str, float]] | None = None,
) -> Judgements:
    """Rivals by name, with shifts and training error; `upper` is what encoders trained alone change, mm."""
    plain = runs("plain", {}, refitted=dict.fromkeys(ERRORS, 1.0))
    others = [run for name, (shift, train) in rivals.items() for run in runs(name, shift, training=train)]
    every = [*plain, *others]
    shift = dict.fromkeys(ERRORS, upper)
    return Judgements(
        SettingOutcome(
            setting=Setting(fusion="concat", protocol="P1", split="S2"),
            runs=tuple(every),
            alone=(),
            sums=pl.concat(recording_sums(labels(run.evaluation.frames, run)) for run in every),
            joints=pl.DataFrame(),
            longer=tuple(runs("plain", {"RL": longer})),
            upper=tuple(runs("frozen_unimodal", shift, refitted=shift)),
            again=tuple(
                run for name, shift in (again or {}).items() for run in runs(name, shift, first=SEEDS)
            ),
        )
    )


BETTER = {"R": -20.0, "L": -20.0}
RIVALS = {
    "good": ({"RL": -8.0}, 60.0),
    "bad": ({"RL": 8.0}, 60.0),
    "slow": ({"RL": 8.0}, 66.0),
    "robust": (BETTER, 60.0),
}


def judgement(found: Judgements, subset: str | None = None) -> dict[str, str]:
    return dict(found.judged(subset).select("method", "judgement").iter_rows())


def test_full_model_and_missing_sensor_are_judged_apart() -> None:
    found = setting(RIVALS, upper=-10.0)
    assert found.questions == (None, ONE_MISSING)
    assert judgement(found) == {
        "good": "helped", "bad": "hurt", "slow": "under-trained", "robust": "did not help",
    }  # fmt: skip
    assert judgement(found, ONE_MISSING)["robust"] == "helped"
    assert judgement(found, ONE_MISSING)["good"] == "did not help"
    row = found.judged(ONE_MISSING).filter(pl.col("method") == "robust")
    assert row["difference_mm"].item() == pytest.approx(-20.0, abs=0.1)


def test_before_convergence_nothing_helped_or_hurt() -> None:
    found = setting(RIVALS, longer=-3.0, upper=-10.0)
    assert found.convergence is not None
    assert found.convergence.gain == pytest.approx(0.03)
    assert set(judgement(found).values()) == {"undecided", "did not help"}


def test_without_headroom_there_is_no_verdict_but_help() -> None:
    found = setting(RIVALS, upper=10.0)
    assert found.headroom() == "none"
    assert judgement(found) == {
        "good": "helped", "bad": "no headroom", "slow": "under-trained", "robust": "no headroom",
    }  # fmt: skip


def test_every_reference_is_compared_for_every_subset() -> None:
    found = setting(RIVALS, upper=-10.0)
    for subset in (None, "R", ONE_MISSING):
        references = found.references(subset)
        assert references is not None
        changes = dict(references.select("method", "difference_mm").iter_rows())
        assert changes == pytest.approx(
            {AS_TRAINED: -10.0, ALONE_REFITTED: -10.0, JOINT_REFITTED: 1.0}, abs=0.1
        )
        assert found.headroom(subset) == "found"


def test_decided_verdicts_and_their_repetition() -> None:
    assert setting(RIVALS, upper=-10.0).worth_repeating() == ["good", "bad", "robust"]
    again = {"plain": {}, "good": {"RL": -7.0}, "bad": {"RL": -9.0}, "robust": BETTER}
    found = setting(RIVALS, upper=-10.0, again=again)
    full, missing = found.repetition(), found.repetition(ONE_MISSING)
    assert full is not None
    assert missing is not None
    assert dict(full.select("method", "agreement").iter_rows()) == {"good": "yes", "bad": "no"}
    assert dict(missing.select("method", "agreement").iter_rows()) == {"robust": "yes"}
    assert repetition_words(found) == "2 of 3 decided verdicts came out again on fresh seeds."


def test_nothing_measured_changes_nothing() -> None:
    outcome = setting(RIVALS).outcome
    bare = Judgements(
        SettingOutcome(
            setting=outcome.setting, runs=outcome.runs, alone=(), sums=outcome.sums, joints=outcome.joints
        )
    )
    assert (bare.convergence, bare.headroom(), bare.repetition()) == (None, None, None)
    assert judgement(bare)["bad"] == "hurt"
    assert set(check_tables(bare)) == {"training"}


def test_the_tables_show_what_the_verdicts_rest_on() -> None:
    found = setting(
        RIVALS, upper=-10.0, again={"plain": {}, "good": {"RL": -7.0}, "bad": {"RL": 9.0}, "robust": {}}
    )
    text = to_markdown(methods_table(found))
    for wanted in (
        "without R", "without L", "worst case", "verdict, one missing", "under-trained",
        "Convergence: converged", "Headroom, all sensors: there is something to win",
    ):  # fmt: skip
        assert wanted in text
    tables = {name: to_markdown(table) for name, table in check_tables(found).items()}
    assert set(tables) == {"training", "headroom", "repetition"}
    assert "| slow | 66.0 ± 0.0 (3) | 42.0 ± 0.0 (3) | 5 | 7 |" in tables["training"]
    assert JOINT_REFITTED in tables["headroom"]
    assert "| good | all sensors | helped |" in tables["repetition"]
