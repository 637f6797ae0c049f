"""The last words of a comparison: as plain about methods that did not help as about those that did."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from equipose.experiments.jobs.comparison_summary import outcome_json, print_comparison, verdict_lines
from equipose.models.sensors import subset_name
from equipose.orchestrator.comparison.config import Setting
from equipose.orchestrator.comparison.job import ComparisonOutcome
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.methods_table import methods_table
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.training.config import DataConfig, TrainConfig

SETTING = Setting(fusion="concat", protocol="P1", split="S1")
SENSORS = ("rgb", "lidar")
FULL = subset_name(3, SENSORS)


@dataclass(frozen=True)
class Measured:
    """What the summary reads of an evaluation."""

    mpjpe_mm: float
    modalities: tuple[str, ...] = SENSORS

    @property
    def report(self) -> Any:
        return self

    @property
    def num_samples(self) -> int:
        return 800


def sums(effects: Mapping[str, float], seeds: int, subjects: int, noise: float) -> pl.DataFrame:
    """Error sums about 100 mm; seeds and subjects act on all methods alike, `noise` mm on each apart."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(seeds, 1)) + 10 * rng.normal(size=subjects)
    rows = []
    for method, effect in effects.items():
        mm = 100 + effect + shared + noise * rng.normal(size=(seeds, subjects))
        for (seed, subject), value in np.ndenumerate(mm):
            for action, share in (("A02", 0.9), ("A13", 1.1)):
                rows.append(
                    {
                        "method": method,
                        "seed": seed,
                        "subset": FULL,
                        "environment": "E01",
                        "subject": f"S{subject:02d}",
                        "action": action,
                        "mpjpe_mm": share * value * 50,
                        "pa_mpjpe_mm": share * value * 40,
                        "count": 50,
                    }
                )
    return pl.DataFrame(rows)


def outcome(
    effects: Mapping[str, float], *, seeds: int = 3, subjects: int = 8, noise: float = 0.1
) -> SettingOutcome:
    """A finished setting with these true differences to plain, mm."""
    effects = {"plain": 0.0, **effects}
    epoch = {
        "time/train_s": 1.0,
        "time/validation_s": 0.5,
        "time/shapley_s": 0.1,
        "memory/peak_mib": 700.0,
        "best/epoch": 0.0,
        "train/mpjpe_mm": 90.0,
    }
    runs = []
    for method in effects:
        for seed in range(seeds):
            result = RunResult(
                key="k",
                config=TrainConfig(data=DataConfig(store="")),
                fingerprint="f00d",
                provenance="simulated data",
                parameters=10,
                history=(epoch,),
                folder=Path(),
            )
            evaluation = cast(Any, Measured(mpjpe_mm=100 + effects[method]))
            runs.append(
                EvaluatedRun(
                    method=method, seed=seed, spec=cast(Any, None), result=result, evaluation=evaluation
                )
            )
    table = sums(effects, seeds, subjects, noise)
    return SettingOutcome(setting=SETTING, runs=tuple(runs), alone=(), sums=table, joints=pl.DataFrame())


def verdicts(found: SettingOutcome) -> list[str]:
    return verdict_lines(Judgements(found))


def test_all_four_verdicts_are_said_in_the_same_words() -> None:
    lines = verdicts(outcome({"good": -9.0, "bad": 9.0, "idle": 0.0, "better": -12.0}))
    assert lines == [
        "helped (2 of 4): good, better",
        "did not help (1 of 4): idle",
        "hurt (1 of 4): bad",
        "differences to plain on the test part, simulated data",
    ]


def test_nothing_helped_is_said_first_and_plainly() -> None:
    lines = verdicts(outcome({"one": 0.0, "two": 0.0}))
    assert lines[0] == "did not help (2 of 2): one, two"


def test_what_cannot_be_known_is_undecided_and_underpowered() -> None:
    lines = verdicts(outcome({"one": -1.0}, seeds=2, subjects=5, noise=20.0))
    assert lines[0] == "undecided (1 of 1): one"
    assert lines[1].startswith("underpowered (1 of 1): 2 seeds, fewer than 3")
    assert lines[1].endswith("add seeds or subjects")


def test_alone_there_is_nothing_to_compare() -> None:
    assert verdicts(outcome({})) == ["only plain: nothing to compare it with"]


@pytest.mark.parametrize(("subjects", "cluster"), [(4, "recording"), (5, "subject")])
def test_few_subjects_are_resampled_by_recording(subjects: int, cluster: str) -> None:
    found = outcome({"one": -5.0}, subjects=subjects)
    assert found.cluster == cluster
    clusters = subjects * 2 if cluster == "recording" else subjects
    assert found.comparison()["clusters"].to_list() == [clusters]
    assert found.errors()["cluster"].n_unique() == clusters
    table = methods_table(Judgements(found))
    assert any(cluster in note for note in (*table.notes, *table.header))


def printed(found: SettingOutcome, out: Path) -> str:
    text = io.StringIO()
    whole = ComparisonOutcome(settings=(Judgements(found),), chosen={}, folder=out / "comparisons" / "c-001")
    print_comparison(whole, out, Console(file=text, width=150))
    return text.getvalue()


def test_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = printed(outcome({"good": -9.0, "idle": 0.0}), tmp_path / "out")
    for wanted in ("good", "idle", "plain", "simulated data", "P1", "f00d", "helped (1 of 2): good"):
        assert wanted in text
    assert "did not help (1 of 2): idle" in text
    assert "tables and figures: out/comparisons/c-001" in text
    assert "look at it: equipose ui out" in text


def test_results_elsewhere_are_named_in_full(tmp_path: Path) -> None:
    assert f"equipose ui {tmp_path / 'out'}" in printed(outcome({"good": -9.0}), tmp_path / "out")


def test_costs_are_means_over_seeds() -> None:
    row = outcome({"good": -9.0}).costs().row(1, named=True)
    assert row["method"] == "good"
    assert (row["parameters"], row["s/epoch"], row["peak memory, MiB"]) == (10, 1.5, 700)
    assert row["Shapley, % of time"] == pytest.approx(100 * 0.1 / 1.5)


@pytest.mark.parametrize("seeds", [1, 3])
def test_outcome_for_scripts_is_strict_json(seeds: int) -> None:
    found = outcome({"good": -9.0}, seeds=seeds)
    whole = ComparisonOutcome(settings=(Judgements(found),), chosen={}, folder=Path())
    plain = outcome_json(whole)
    text = json.dumps(plain, allow_nan=False)
    (setting,) = json.loads(text)["settings"].values()
    assert setting["test_mpjpe_mm"] == {"plain": [100.0] * seeds, "good": [91.0] * seeds}
    assert setting["comparison"][0]["difference_mm"] == pytest.approx(-9.0, abs=0.5)
    assert (setting["fingerprint"], setting["provenance"]) == ("f00d", "simulated data")
