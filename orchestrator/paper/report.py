"""The report of the paper's tables: Markdown, LaTeX, CSV, figures, and one HTML file with all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from equipose.orchestrator.comparison.files import write_figures, write_tables
from equipose.orchestrator.paper.figures import PaperFigure, paper_figures, paper_motions
from equipose.orchestrator.paper.notes import left_out, trained
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.paper.results import (
    Finished,
    Links,
    main_judgements,
    overview,
    paper_tables,
    rests_on,
)
from equipose.orchestrator.paper.steps import sensor_steps
from equipose.orchestrator.tracking.runs import git_tags
from equipose.pipelines.paper.formats import paper_csv, paper_latex, paper_markdown
from equipose.pipelines.paper.table import PaperTable
from equipose.pipelines.player import MotionPanel
from equipose.pipelines.report.grid import Grid
from equipose.pipelines.report.html import Section, html_report
from equipose.pipelines.tables.table import Table

TESTED = {"best": "the checkpoint that is best on the validation part", "last": "the last checkpoint"}
CHAPTERS: dict[str, str] = {
    "main": "Main comparison",
    "cost": "Cost of the Shapley scores",
    "modalities": "Sensor combinations",
    "alpha": "Strength of the penalty",
    "window": "Length of the window",
    "profit": "Profit function",
}
"""Table -> heading of its chapter; the table's caption says more."""


def write_report(finished: Finished, links: Links, folder: Path, *, command: str) -> Path:
    """Write everything into `folder`; the path of the HTML report.

    command: what rebuilds it, for the reader.
    """
    tables = paper_tables(finished, links)
    judgements = main_judgements(finished)
    settings = tuple(one.outcome for one in judgements)
    figures = paper_figures(settings, finished.provenance)
    steps = sensor_steps(finished)
    own = {} if steps is None else {"steps": steps}
    write_paper_tables(tables, folder / "tables")
    write_tables(own, folder / "tables")
    write_figures({figure.name: figure.figure for figure in figures}, folder / "figures")
    report = html_report(
        "Balanced multi-modal 3D human pose estimation: the paper's tables, ours beside the published",
        _sections(tables, {"modalities": own}, figures, paper_motions(settings), finished.provenance),
        finished.provenance,
        verdicts=overview(judgements, finished, links),
        evidence=rests_on(judgements, finished.config),
        left_out=left_out(finished.config),
        facts=facts(finished, command),
    )
    path = folder / "report.html"
    path.write_text(report)
    return path


def facts(finished: Finished, command: str) -> dict[str, str]:
    """What a reader needs to judge or repeat the numbers."""
    config, base = finished.config, finished.config.base
    code = git_tags()
    return {
        "runs": f"{len(finished.config.runs())}",
        "seeds": seeds_in_words(config),
        "training": f"{trained(config)}, batches of {base.data.batch.batch_size}, "
        f"Adam {base.optimizer.lr:g}, {base.model.preset} widths",
        "tested": TESTED[config.select],
        "code": code["git_sha"][:12] + (" with uncommitted changes" if code["dirty"] == "true" else ""),
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "rebuild": command,
    }


def seeds_in_words(config: PaperConfig) -> str:
    """`3 (0, 1, 2)`, and how many the main comparison has where it has more."""
    words = f"{len(config.seeds)} ({', '.join(map(str, config.seeds))})"
    if not config.more_seeds or "main" not in config.tables:
        return words
    more = ", ".join(map(str, config.more_seeds))
    return f"{words}; main comparison {len(config.seeds_of('main'))} ({more} too)"


def _sections(
    tables: Sequence[PaperTable],
    own: Mapping[str, Mapping[str, Table]],
    figures: Sequence[PaperFigure],
    motions: Sequence[MotionPanel],
    provenance: str,
) -> list[Section]:
    """own: name of a paper's table -> tables of ours that stand below it."""
    sections = [
        Section(
            title=CHAPTERS[table.name],
            tables=(table,),
            grids=[Grid.of(ours) for ours in own.get(table.name, {}).values()],
        )
        for table in tables
    ]
    if not figures:
        return sections
    pictures = tuple(figure.in_report(provenance) for figure in figures)
    return [*sections, Section(title="Figures", figures=pictures, motions=motions)]


def write_paper_tables(tables: Sequence[PaperTable], folder: Path) -> None:
    """Every table of a paper as Markdown, LaTeX and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        (folder / f"{table.name}.md").write_text(paper_markdown(table))
        (folder / f"{table.name}.tex").write_text(paper_latex(table))
        (folder / f"{table.name}.csv").write_text(paper_csv(table))
