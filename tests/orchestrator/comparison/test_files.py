"""Tables and figures as files, and files as artifacts of a run."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from equipose.orchestrator.comparison.files import log_files, write_figures, write_tables
from equipose.pipelines.tables.table import Caption, Cell, Column, Table


class Recorded:
    """Remembers what is logged."""

    def __init__(self) -> None:
        self.artifacts: dict[str, str] = {}

    def log_artifact(self, path: Path, name: str) -> None:
        self.artifacts[name] = path.read_text()


def table() -> Table:
    caption = Caption(
        title="Errors", provenance="simulated data", protocol="P1", split="S2", frames=3, fingerprint="f"
    )
    rows = ((Cell(text="plain"), Cell(value=12.34)),)
    return Table(caption=caption, columns=(Column(name="method"), Column(name="MPJPE")), rows=rows)


def test_a_table_is_written_in_three_formats(tmp_path: Path) -> None:
    write_tables({"errors": table()}, tmp_path / "tables")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "errors.md",
        "errors.tex",
        "errors.csv",
    }
    for path in (tmp_path / "tables").iterdir():
        assert "12.3" in path.read_text(), path


def test_a_figure_is_written_for_screen_and_print(tmp_path: Path) -> None:
    write_figures({"curve": Figure()}, tmp_path / "figures")
    starts = {path.suffix: path.read_bytes()[:4] for path in (tmp_path / "figures").iterdir()}
    assert starts == {".png": b"\x89PNG", ".pdf": b"%PDF"}


def test_files_are_named_below_the_root_and_folders_skipped(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.md").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    logger = Recorded()
    log_files(logger, tmp_path.rglob("*"), tmp_path)  # type: ignore[arg-type]
    assert logger.artifacts == {"tables/a.md": "a", "b.txt": "b"}
