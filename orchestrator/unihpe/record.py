"""A UniHPE job's results as files in its folder and on its parent run in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from equipose.orchestrator.comparison.files import log_files, write_tables
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracking, git_tags
from equipose.orchestrator.training.config import to_json
from equipose.orchestrator.unihpe.results import UnihpeOutcome
from equipose.orchestrator.unihpe.tables import unihpe_tables
from equipose.pipelines.report.grid import Grid
from equipose.pipelines.report.html import Section, html_report
from equipose.pipelines.tables.table import Table

REPORT = "report.html"
ABOUT = (
    "Pictures, key points and skeletons are aligned in one space, stage by stage, and decoded from it (after "
    "UniHPE, arXiv 2311.16477; no code of it is public, and what the paper leaves open is an option here)."
)


TITLE = "Image, 2D and 3D pose in one space"


def record(
    outcome: UnihpeOutcome,
    tracking: Tracking,
    root: Path,
    command: str,
    *,
    tables: Mapping[str, Table] | None = None,
    title: str = TITLE,
    text: tuple[str, ...] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write tables and the report below `root`, and log them; the path of the report.

    tables: None writes those that every job has. text, facts: told besides.
    """
    tables = unihpe_tables(outcome) if tables is None else tables
    write_tables(tables, root / "tables")
    report = root / REPORT
    grids = [Grid.of(table) for table in tables.values()]
    told = {"command": command, **_facts(outcome), **(facts or {}), "code": git_tags()["git_sha"]}
    report.write_text(
        html_report(
            title,
            [Section(title="Results", text=(ABOUT, *text), grids=grids)],
            outcome.trained[0].aligned[""].provenance,
            facts=told,
        )
    )
    with RunLogger(tracking.uri, tracking.parent_run, Path(tracking.outbox)) as logger:
        logger.log_artifact(json.dumps(to_json(outcome.config.base), indent=2), "config.json")
        log_files(logger, [report, *root.glob("tables/*")], root)
        for name in outcome.config.methods:
            prefix = name.replace(" ", "-").replace("+", "and")
            numbers = [one.aligned[""].metrics(prefix) for one in outcome.of(name)]
            means = {key: sum(row[key] for row in numbers) / len(numbers) for key in numbers[0]}
            logger.log_metrics(means, step=len(numbers))
    return report


def _facts(outcome: UnihpeOutcome) -> dict[str, str]:
    """Seeds, and how long every stage trains."""
    stages = "; ".join(
        f"{stage}: {length.epochs} epochs of batches of {length.batch_size}"
        for stage, length in outcome.config.lengths.items()
    )
    return {"seeds": ", ".join(map(str, outcome.config.seeds)), "stages": stages}
