"""A comparison's results as files in its folder and on its parent run in MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from equipose.orchestrator.comparison.config import ComparisonConfig, Setting
from equipose.orchestrator.comparison.figures import comparison_figures
from equipose.orchestrator.comparison.files import log_files, write_figures, write_tables
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.motion import comparison_clip
from equipose.orchestrator.comparison.results import EvaluatedRun
from equipose.orchestrator.comparison.starts.table import start_tables
from equipose.orchestrator.comparison.tables import comparison_tables, tuned_frame, tuned_row
from equipose.orchestrator.grid.run_one import result_metrics
from equipose.orchestrator.tracking.origin import MAX_NOTE, NOTE
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracking, create_run
from equipose.orchestrator.training.config import TrainConfig, to_json
from equipose.pipelines.player import player_page
from equipose.pipelines.statistics.missing import ONE_MISSING, worst_cases

MOTION = "motion.html"
PREFIXES: dict[str | None, str] = {None: "", ONE_MISSING: "one_missing/"}
"""Question -> what stands before its numbers' names."""


def record(
    config: ComparisonConfig,
    settings: tuple[Judgements, ...],
    chosen: dict[tuple[Setting, str], TrainConfig],
    tracking: Tracking,
    root: Path,
) -> None:
    """Write tables and figures of every setting below `root`, and put them on the parent run.

    Every method also gets a child run with its means over seeds, so that MLflow's compare view shows methods
    rather than seeds. The step of such numbers is the number of seeds: a point is logged once, so those of an
    extended comparison need one of their own.
    """
    with RunLogger(tracking.uri, tracking.parent_run, Path(tracking.outbox)) as logger:
        logger.log_artifact(json.dumps(to_json(config.base), indent=2), "config.json")
        starts = start_tables([judgements.outcome for judgements in settings])
        for judgements in settings:
            outcome = judgements.outcome
            folder = root / outcome.setting.slug
            own = {"starts": starts[outcome.setting.slug]} if outcome.setting.slug in starts else {}
            write_tables({**comparison_tables(judgements), **own}, folder / "tables")
            mine = {name: run for (setting, name), run in chosen.items() if setting == outcome.setting}
            (folder / "tables" / "tuned.csv").write_text(tuned_frame(mine).write_csv())
            write_figures(comparison_figures(outcome), folder / "figures")
            (folder / MOTION).write_text(player_page(comparison_clip(outcome)))
            shown = [*folder.glob("tables/*"), *folder.glob("figures/*.png"), folder / MOTION]
            log_files(logger, shown, root)
            numbers = method_numbers(judgements)
            logger.log_metrics(
                {
                    f"test/{outcome.setting.slug}/{method}/mpjpe_mm": row["test/mpjpe_mm"]
                    for method, row in numbers.items()
                },
                step=len(config.seeds),
            )
            for method, metrics in numbers.items():
                _summary_run(judgements, method, metrics, tracking, several=len(settings) > 1)
        logger.set_tags({NOTE: _note(settings)})


def _note(settings: tuple[Judgements, ...]) -> str:
    """Every method's verdict, error and tuned settings, as Markdown for the head of the comparison's page."""
    lines = []
    for judgements in settings:
        outcome = judgements.outcome
        lines += [f"**{outcome.setting.name}**, {outcome.runs[0].result.provenance}", ""]
        for method, row in method_numbers(judgements).items():
            tuned = ", ".join(
                f"{name.removeprefix('tuned.')} {value}"
                for name, value in _tuned(outcome.of(method)[0].result.config).items()
            )
            verdict = _verdicts(judgements, method)["verdict"]
            lines.append(f"- {method}: {verdict}; test MPJPE {row['test/mpjpe_mm']:.1f} mm ({tuned})")
        lines.append("")
    return "\n".join(lines)[:MAX_NOTE]


def method_numbers(judgements: Judgements) -> dict[str, dict[str, float]]:
    """method -> means over seeds under the tracking names, `<name>/std` of test numbers over several seeds.

    `test/minus_plain_mm` with `/low` and `/high` is the difference to plain and its 95 % interval, and
    `test/one_missing/minus_plain_mm` the same with one sensor missing; `test/worst_case_mm` is the largest
    error over which sensor that is. The test error comes first, since MLflow's compare view draws the first
    metric by default.
    """
    outcome = judgements.outcome
    worst = dict(worst_cases(outcome.sums).group_by("method").agg(pl.col("error_mm").mean()).iter_rows())
    numbers = {}
    for method in outcome.methods:
        rows = pl.DataFrame([_own_numbers(run) for run in outcome.of(method)])
        numbers[method] = {name: float(value) for name, value in rows.mean().row(0, named=True).items()}
        if len(rows) > 1:
            spread = rows.select(pl.col("^test/.*$").std()).row(0, named=True)
            numbers[method] |= {f"{name}/std": float(value) for name, value in spread.items()}
        if method in worst:
            numbers[method]["test/worst_case_mm"] = worst[method]
    for subset in judgements.questions if judgements.several else ():
        name = f"test/{PREFIXES[subset]}minus_plain_mm"
        for row in judgements.judged(subset).iter_rows(named=True):
            numbers[row["method"]] |= {
                name: row["difference_mm"],
                f"{name}/low": row["low_mm"],
                f"{name}/high": row["high_mm"],
            }
    return numbers


def _own_numbers(run: EvaluatedRun) -> dict[str, float]:
    """The numbers to average over seeds: all but the interval bounds of a single seed."""
    numbers = result_metrics(run.result, run.evaluation)
    first = {"test/mpjpe_mm": numbers["test/mpjpe_mm"]}
    return first | {name: v for name, v in numbers.items() if not name.endswith(("/low", "/high"))}


def _tuned(config: TrainConfig) -> dict[str, str]:
    """What tuning chose; a method's own settings are one parameter: their names differ between methods."""
    row = {name: f"{value:.4g}" for name, value in tuned_row(config).items()}
    lr = row.pop("lr")
    return {"tuned.lr": lr, "tuned.dial": ", ".join(f"{k} {v}" for k, v in row.items()) or "none"}


def _verdicts(judgements: Judgements, method: str) -> dict[str, str]:
    """Tags `verdict` and `verdict/one_missing` of a method."""
    tags = {"verdict": "what all are compared to"}
    for subset in judgements.questions if judgements.several else ():
        for row in judgements.judged(subset).filter(pl.col("method") == method).iter_rows(named=True):
            tags[f"verdict/{PREFIXES[subset]}".rstrip("/")] = row["judgement"]
    return tags


def _summary_run(
    judgements: Judgements, method: str, numbers: dict[str, float], tracking: Tracking, *, several: bool
) -> None:
    """A child run that stands for a method, over its seeds; named by its setting where there are several.

    In a job that was extended it exists already, and gets the name, tags and numbers of all seeds.
    """
    outcome = judgements.outcome
    runs, setting = outcome.of(method), outcome.setting
    seeds = f"{len(runs)} seeds" if len(runs) > 1 else "1 seed"
    name = f"{method} {setting.name} ({seeds})" if several else f"{method} ({seeds})"
    run_id = create_run(
        tracking.uri,
        tracking.experiment,
        name,
        key=f"{tracking.parent_run}/{setting.slug}/{method}",
        parent=tracking.parent_run,
        tags={
            **tracking.tags,
            "stage": "summary",
            "method": method,
            "fusion": setting.fusion,
            "protocol": setting.protocol,
            "split": setting.split,
            "fingerprint": runs[0].result.fingerprint,
            "provenance": runs[0].result.provenance,
        },
        params={
            "method": method,
            "fusion": setting.fusion,
            **_tuned(runs[0].result.config),
        },
    )
    with RunLogger(tracking.uri, run_id, Path(tracking.outbox)) as logger:
        listed = ",".join(str(run.seed) for run in runs)
        logger.set_tags({"mlflow.runName": name, "seeds": listed, **_verdicts(judgements, method)})
        logger.log_metrics(numbers, step=len(runs))
