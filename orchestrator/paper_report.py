"""The report of the paper's tables: Markdown, LaTeX, CSV, figures, and one HTML file with all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.comparison_figures import curve_figures, skeletons
from orchestrator.comparison_results import SettingOutcome
from orchestrator.paper_results import Finished, Links, main_settings, overview, paper_tables
from orchestrator.tracking import git_tags
from pipelines.html_report import ReportFigure, Section, html_report, png_bytes
from pipelines.paper_formats import paper_csv, paper_latex, paper_markdown
from pipelines.paper_table import PaperTable

TESTED = {"best": "the checkpoint that is best on validation subjects", "last": "the last checkpoint"}
SHOWN = ("plain", "awc")
"""The methods whose training the figures show."""
CURVES: dict[str, str] = {
    "contributions": "Shapley contribution of every sensor after each epoch, validation part.",
    "spread": "Standard deviation of the predictions from one sensor alone after each epoch: a sensor whose "
    "predictions hardly move has collapsed to a mean pose.",
    "mean": "Mean over frames and coordinates of the predictions from one sensor alone.",
}
"""Kind of a curve figure -> what it shows."""


def write_report(finished: Finished, links: Links, folder: Path, *, command: str) -> Path:
    """Write everything into `folder`; the path of the HTML report.

    command: what rebuilds it, for the reader.
    """
    tables = paper_tables(finished, links)
    settings = main_settings(finished)
    figures = paper_figures(settings, finished.provenance)
    _write_tables(tables, folder / "tables")
    _write_figures(figures, folder / "figures")
    report = html_report(
        "Balanced multi-modal 3D human pose estimation: the paper's tables, ours beside the published",
        _sections(tables, figures, finished.provenance),
        finished.provenance,
        outcomes=overview(settings, finished, links),
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
        "data": finished.provenance,
        "runs": f"{len({cell.key for cells in finished.plan.values() for cell in cells})}",
        "seeds": ", ".join(map(str, config.seeds)),
        "training": f"{base.epochs} epochs, batches of {base.data.batch.batch_size}, "
        f"Adam {base.optimizer.lr:g}, `{base.model.preset}` widths",
        "tested": TESTED[config.select],
        "code": code["git_sha"][:12] + (" with uncommitted changes" if code["dirty"] == "true" else ""),
        "rebuild": command,
    }


def paper_figures(settings: Sequence[SettingOutcome], provenance: str) -> dict[str, Figure]:
    """File name -> figure, of the first setting (concatenation, P1): curves of plain and AWC, skeletons."""
    if not settings:
        return {}
    first = settings[0]
    figures: dict[str, Figure] = {}
    for method in [name for name in SHOWN if name in first.methods]:
        made = curve_figures(method, first.of(method), provenance)
        figures |= {name: made[name] for name in made if name.partition("-")[0] in CURVES}
    figures["skeletons"] = skeletons([first.of(m)[0] for m in SHOWN if m in first.methods], provenance)
    return figures


def _sections(tables: Sequence[PaperTable], figures: Mapping[str, Figure], provenance: str) -> list[Section]:
    sections = [Section(title=table.caption, tables=(table,)) for table in tables]
    if not figures:
        return sections
    pictures = [
        ReportFigure(
            title=_title(name),
            data=png_bytes(figure),
            alt=f"{_title(name)}. {_meaning(name)}",
            caption=_meaning(name),
            provenance=provenance,
        )
        for name, figure in figures.items()
    ]
    return [*sections, Section(title="Figures", figures=tuple(pictures))]


def _title(name: str) -> str:
    what, _, method = name.partition("-")
    words = {"contributions": "Contribution of each sensor", "spread": "Spread of each sensor's predictions"}
    words |= {"mean": "Mean of each sensor's predictions", "skeletons": "Predicted skeletons"}
    return f"{words[what]}, {method}" if method else words[what]


def _meaning(name: str) -> str:
    best = "Best, median and worst test frame of plain training, truth grey, predictions coloured."
    return CURVES.get(name.partition("-")[0], best)


def _write_tables(tables: Sequence[PaperTable], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        (folder / f"{table.name}.md").write_text(paper_markdown(table))
        (folder / f"{table.name}.tex").write_text(paper_latex(table))
        (folder / f"{table.name}.csv").write_text(paper_csv(table))


def _write_figures(figures: Mapping[str, Figure], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        for kind in ("png", "pdf"):
            figure.savefig(folder / f"{name}.{kind}", bbox_inches="tight")
