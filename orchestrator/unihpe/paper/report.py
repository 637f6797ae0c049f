"""The report of UniHPE's tables: Markdown, LaTeX, CSV, figures, and one HTML file with all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from equipose.orchestrator.comparison.files import write_figures, write_tables
from equipose.orchestrator.paper.report import write_paper_tables
from equipose.orchestrator.tracking.runs import git_tags
from equipose.orchestrator.unihpe.paper.figures import unihpe_figures
from equipose.orchestrator.unihpe.paper.order import order_table
from equipose.orchestrator.unihpe.paper.results import Links, unihpe_paper_tables
from equipose.orchestrator.unihpe.record import ABOUT
from equipose.orchestrator.unihpe.results import UnihpeOutcome
from equipose.orchestrator.unihpe.tables import unihpe_tables
from equipose.pipelines.report.grid import Grid
from equipose.pipelines.report.html import Section, html_report
from equipose.pipelines.tables.table import Table


def write_unihpe_report(outcome: UnihpeOutcome, links: Links, folder: Path, command: str) -> Path:
    """Write everything into `folder`; the path of the HTML report. command: what rebuilds it."""
    tables = unihpe_paper_tables(outcome, links)
    order = order_table(outcome)
    own = unihpe_tables(outcome)
    figures = unihpe_figures(outcome)
    write_paper_tables(tables, folder / "tables")
    write_tables({**own, **({"order": order} if order else {})}, folder / "tables")
    write_figures({figure.name: figure.figure for figure in figures}, folder / "figures")
    provenance = outcome.trained[0].aligned[""].provenance
    sections = [Section(title=table.caption, tables=(table,)) for table in tables]
    if order:
        text = "The published order, claim by claim, and what these runs say of it."
        sections.insert(0, _of_grids("Does the order come out?", text, {"order": order}))
    sections.append(
        Section(title="Figures", figures=tuple(figure.in_report(provenance) for figure in figures))
    )
    sections.append(_of_grids("All routes, retrieval and contributions", ABOUT, own))
    report = html_report(
        "UniHPE: the paper's tables, ours beside the published",
        sections,
        provenance,
        left_out=left_out(outcome),
        facts=facts(outcome, command),
    )
    path = folder / "report.html"
    path.write_text(report)
    return path


def _of_grids(title: str, text: str, tables: Mapping[str, Table]) -> Section:
    grids = [Grid.of(table) for table in tables.values()]
    return Section(title=title, text=(text,), grids=grids)


def left_out(outcome: UnihpeOutcome) -> list[str]:
    """What is not here, and why."""
    found = [
        "Published encoders (HRNet-W32, W48, ViT-S, ViT-B) need a GPU: use --preset paper.",
        "PoseDA, CLIFF and PyMAF-X are other code bases and are not run here.",
    ]
    once = [v.name for v in outcome.config.variants if len(outcome.config.seeds_of(v)) == 1]
    if once and len(outcome.config.seeds) > 1:
        found.append(f"One seed only, so no order is claimed: {', '.join(once)}.")
    return found


def facts(outcome: UnihpeOutcome, command: str) -> dict[str, str]:
    """What a reader needs to judge or repeat the numbers."""
    config = outcome.config
    code = git_tags()
    stages = "; ".join(
        f"{stage}: {length.epochs} epochs of batches of {length.batch_size}"
        for stage, length in config.lengths.items()
    )
    return {
        "runs": str(len({run.key for one in outcome.trained for run in one.results})),
        "seeds": ", ".join(map(str, config.seeds)),
        "stages": stages,
        "code": code["git_sha"][:12] + (" with uncommitted changes" if code["dirty"] == "true" else ""),
        "rebuild": command,
    }
