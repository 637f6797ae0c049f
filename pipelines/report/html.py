"""A whole report as one HTML file: tables, figures, captions; nothing is loaded from elsewhere.

Where a sequence is shown in motion, the player's own script runs, which the page allows by its hash; no
other ever does.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from equipose.pipelines.paper.formats import group_tables, is_real
from equipose.pipelines.paper.table import PaperTable, check_link
from equipose.pipelines.player.page import MotionPanel, script, script_source, style
from equipose.pipelines.report.grid import Grid, css_class
from equipose.pipelines.report.overview import overview_of
from equipose.pipelines.report.verdicts import MethodVerdict

TEMPLATES = Path(__file__).resolve().parent / "templates"
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """A picture with its title, caption and provenance."""

    title: str
    data: bytes
    """A PNG or SVG file."""
    alt: str
    """Its content in words, for readers who cannot see it."""
    caption: str
    provenance: str
    """Such as `simulated data`."""

    def __post_init__(self) -> None:
        for name in ("title", "alt", "provenance"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} of a figure is empty; every figure in a report needs it")
        _media_type(self.title, self.data)

    @property
    def source(self) -> str:
        """The picture as a data URL."""
        kind = _media_type(self.title, self.data)
        return f"data:{kind};base64,{base64.b64encode(self.data).decode()}"


def _media_type(title: str, data: bytes) -> str:
    if data.startswith(PNG):
        return "image/png"
    if b"<svg" in data[:1000]:
        return "image/svg+xml"
    raise ValueError(f"figure {title!r} is neither PNG nor SVG; save it as one of them")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One chapter of a report: text, then tables, then figures."""

    title: str
    text: Sequence[str] = field(default=())
    """Paragraphs, plain."""
    tables: Sequence[PaperTable] = field(default=())
    """Of a paper, ours beside the published numbers."""
    grids: Sequence[Grid] = field(default=())
    """All other tables."""
    figures: Sequence[ReportFigure] = field(default=())
    motions: Sequence[MotionPanel] = field(default=())
    """Sequences in motion, below the figures."""


def png_bytes(figure: Figure) -> bytes:
    """A matplotlib figure as a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def grid_of(table: PaperTable) -> Grid:
    """A paper's table as one grid, its column groups side by side."""
    return Grid(title=table.caption, tables=group_tables(table), shared_notes=table.notes)


def html_report(
    title: str,
    sections: Sequence[Section],
    provenance: str,
    *,
    verdicts: Sequence[MethodVerdict] | None = None,
    evidence: Sequence[str] = (),
    left_out: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """The report as the text of one HTML file.

    provenance: of all runs together, such as `simulated data`; any that is not purely real gets a banner.
    verdicts: for the overview; None where methods are not what the report is about. evidence: sentences for
    the overview on what the verdicts rest on. left_out: such on what is not here, and how to get it.
    facts: name -> value, such as preset, seeds, date, code version.
    Raises ValueError for an empty provenance, a measured number without a link, or a link to no web page.
    """
    if not provenance.strip():
        raise ValueError("provenance is empty; say what the numbers come from, e.g. 'simulated data'")
    _check_links(sections, verdicts or ())
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.globals["css_class"] = css_class
    chapters = [{**vars(s), "grids": [*map(grid_of, s.tables), *s.grids]} for s in sections]
    moving = any(section.motions for section in sections)
    return environment.get_template("report.html").render(
        title=title,
        provenance=provenance,
        real=is_real(provenance),
        facts=dict(facts or {}),
        overview=overview_of(verdicts) if verdicts else None,
        judged=verdicts is not None,
        evidence=evidence,
        left_out=left_out,
        sections=chapters,
        player={"style": Markup(style()), "script": Markup(script()), "source": Markup(script_source())}
        if moving
        else None,
    )


def _check_links(sections: Sequence[Section], verdicts: Sequence[MethodVerdict]) -> None:
    for table in (table for section in sections for table in section.tables):
        for cell in table.cells.values():
            if cell.ours is not None and not cell.link:
                raise ValueError(
                    f"link of {cell.position} in table {table.name!r} is missing; give its run's page"
                )
    for verdict in verdicts:
        if verdict.link:
            check_link(verdict.link, verdict.name)
