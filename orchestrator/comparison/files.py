"""Tables and figures as files, and those files on an MLflow run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.pipelines.tables.formats import to_csv, to_latex, to_markdown
from equipose.pipelines.tables.table import Table


def write_tables(tables: Mapping[str, Table], folder: Path) -> None:
    """Every table as Markdown, LaTeX and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (folder / f"{name}.md").write_text(to_markdown(table))
        (folder / f"{name}.tex").write_text(to_latex(table, label=f"tab:{name}"))
        (folder / f"{name}.csv").write_text(to_csv(table))


def write_figures(figures: Mapping[str, Figure], folder: Path) -> None:
    """Every figure as PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        for kind in ("png", "pdf"):
            figure.savefig(folder / f"{name}.{kind}", bbox_inches="tight")


def log_files(logger: RunLogger, paths: Iterable[Path], root: Path) -> None:
    """Log files as artifacts, named by their paths below `root`; folders are skipped."""
    for path in sorted(paths):
        if path.is_file():
            logger.log_artifact(path, str(path.relative_to(root)))
