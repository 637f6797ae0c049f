"""The report escapes what it shows, links what was measured, hides nothing that is unknown, loads nothing."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from equipose.pipelines.figures import contribution_curves
from equipose.pipelines.paper.published import TableRow
from equipose.pipelines.paper.table import PaperTable
from equipose.pipelines.player import Clip, motion_panel
from equipose.pipelines.player.page import script, script_source
from equipose.pipelines.report.html import PNG, ReportFigure, Section, html_report, png_bytes
from equipose.pipelines.report.verdicts import MethodVerdict

HOSTILE = "<script>alert('1')</script>&\"x"
VERDICT = MethodVerdict(
    name="+ AWC",
    column="P1",
    verdict="did not help",
    difference_mm=0.2,
    low_mm=-0.3,
    high_mm=0.7,
    seeds=3,
    why="too few seeds",
    link="http://host/runs/9",
)


class Reader(HTMLParser):
    """Text of cells and of links, tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.links: dict[str, str] = {}
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = str(dict(attrs)["href"]) if tag == "a" else ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.links[data] = self.inside
            self.inside = ""


@pytest.fixture
def picture() -> ReportFigure:
    data = png_bytes(contribution_curves({"rgb": np.arange(3.0)}, "simulated data"))
    return ReportFigure(
        title="Scores", data=data, alt="One rising line", caption="Per epoch.", provenance="simulated data"
    )


def report(table: PaperTable, provenance: str = "simulated data", **extra: object) -> str:
    section = Section(title="Main", text=["Words."], tables=[table])
    return html_report("Title", [section], provenance, **extra)  # type: ignore[arg-type]


def test_every_measured_number_links_to_its_run(hand_table: PaperTable) -> None:
    links = Reader(report(hand_table, verdicts=[VERDICT])).links
    assert links["60.50 ± 1.25 (3)"] == links["40.00 (1)"] == "http://host/runs/1"
    assert links["52.00 ± 0.50 (3)"] == "http://host/runs/2"
    assert links["+0.2"] == "http://host/runs/9"
    cells = {place: replace(cell, link=None) for place, cell in hand_table.cells.items()}
    with pytest.raises(ValueError, match=r"link of \('a', 'P1', 'mpjpe'\) in table 'hand' is missing"):
        report(replace(hand_table, cells=cells))
    with pytest.raises(ValueError, match="link='javascript:x'"):
        report(hand_table, verdicts=[replace(VERDICT, link="javascript:x")])


def test_a_sequence_in_motion_brings_its_script_once_and_allows_no_other() -> None:
    clip = Clip(
        title="E01 <b>",
        provenance="simulated data",
        numbers=np.array([1, 2]),
        truth=np.zeros((2, 17, 3)),
        predictions={"AWC": np.ones((2, 17, 3))},
    )
    panel = motion_panel(clip, "Median sequence.")
    section = Section(title="Figures", motions=[panel, panel])
    page = html_report("Title", [section], "simulated data")
    assert page.count(f"<script>{script()}</script>") == 1
    assert page.count('<script type="application/json">') == page.count('class="motion" role="group"') == 2
    assert f"style-src 'unsafe-inline'; script-src {script_source()}\">" in page
    assert "<strong>E01 &lt;b&gt; in motion.</strong> Median sequence. All 2 frames." in page
    still = html_report("Title", [Section(title="Figures")], "simulated data")
    assert "script" not in still
    assert "motion" not in still


def test_the_page_shows_ours_published_difference_and_what_is_not_known(hand_table: PaperTable) -> None:
    body = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", report(hand_table)))
    assert "plain 60.50 ± 1.25 (3) 53.87 ‡ +6.63 40.00 (1) unknown –" in body
    assert "+ AWC 52.00 ± 0.50 (3) unknown – not run unknown –" in body
    assert "Another reading says 57." in body
    assert "simulated data; protocol P1, split S1; 40 frames; no root alignment, mm" in body
    assert "fingerprint f1" in body


def test_only_real_data_go_without_a_banner(hand_table: PaperTable) -> None:
    assert 'class="banner"' in report(hand_table)
    assert 'class="banner"' in report(hand_table, "real and simulated data")
    assert 'class="banner"' not in report(hand_table, "real data (MM-Fi)")
    with pytest.raises(ValueError, match="provenance is empty"):
        report(hand_table, " ")


def test_the_overview_counts_every_verdict(hand_table: PaperTable) -> None:
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", report(hand_table, verdicts=[VERDICT])))
    assert re.search(r"Helped 0 of 1 .*Did not help 1 of 1 .*Hurt 0 of 1 .*Undecided 0 of 1 ", page)
    assert re.search(r"method P1 \+ AWC did not help \+0\.2 \[−0\.3, \+0\.7\]", page)
    assert "1 comparison, simulated data" in page
    assert "No method was compared" in report(hand_table, verdicts=[])
    assert 'id="overview"' not in report(hand_table)


def test_the_overview_says_what_is_left_out(hand_table: PaperTable) -> None:
    left_out = ("Left out: the column P2.", HOSTILE)
    for page in (
        report(hand_table, left_out=left_out),
        report(hand_table, verdicts=[VERDICT], left_out=left_out),
    ):
        overview = page[page.index('id="overview"') : page.index('id="s1"')]
        assert '<p class="left-out">Left out: the column P2.</p>' in overview
        assert "<script" not in page
    assert "left-out" not in report(hand_table)


def test_the_overview_says_what_verdicts_rest_on(hand_table: PaperTable) -> None:
    evidence = ("Converged.", HOSTILE)
    page = report(hand_table, verdicts=[replace(VERDICT, because=HOSTILE)], evidence=evidence)
    overview = page[page.index('id="overview"') : page.index('id="s1"')]
    assert "<li>Converged.</li>" in overview
    assert "<script" not in page
    assert 'class="notes evidence"' not in report(hand_table, verdicts=[VERDICT])


def test_hostile_text_stays_text(hand_table: PaperTable, picture: ReportFigure) -> None:
    rows = {key: TableRow(label=HOSTILE, section=HOSTILE) for key in hand_table.rows}
    p1 = hand_table.columns[0]
    named = replace(p1, caption=replace(p1.caption, title=HOSTILE, protocol=HOSTILE, split=HOSTILE))
    table = replace(hand_table, caption=HOSTILE, rows=rows, columns=(named,), notes=(HOSTILE,))
    figure = replace(picture, title=HOSTILE, alt=HOSTILE, caption=HOSTILE, provenance=HOSTILE)
    page = html_report(
        HOSTILE,
        [Section(title=HOSTILE, text=[HOSTILE], tables=[table], figures=[figure])],
        HOSTILE,
        verdicts=[replace(VERDICT, name=HOSTILE, column=HOSTILE, why=HOSTILE)],
        facts={HOSTILE: HOSTILE},
    )
    assert "<script" not in page
    tags = Reader(page).tags
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on") or name == 'x"']
    assert [attrs["alt"] for tag, attrs in tags if tag == "img"] == [HOSTILE]


def test_nothing_is_loaded_from_elsewhere(hand_table: PaperTable, picture: ReportFigure) -> None:
    page = html_report(
        "Title", [Section(title="Main", tables=[hand_table], figures=[picture])], "simulated data"
    )
    tags = Reader(page).tags
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    (image,) = [attrs for tag, attrs in tags if tag == "img"]
    kind, encoded = str(image["src"]).split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(encoded).startswith(PNG)
    assert image["alt"] == "One rising line"
    assert "url(" not in page
    assert "@import" not in page


def test_the_contents_lead_to_every_chapter(hand_table: PaperTable) -> None:
    sections = [Section(title="Main", tables=[hand_table]), Section(title="Cost")]
    reader = Reader(html_report("Title", sections, "real data", verdicts=[]))
    anchors = {str(attrs["id"]) for _, attrs in reader.tags if "id" in attrs}
    assert {reader.links[name] for name in ("Overview", "Main", "Cost")} == {"#overview", "#s1", "#s2"}
    assert {"overview", "s1", "s2", "s1t1"} <= anchors


def test_figures_say_what_they_are(picture: ReportFigure) -> None:
    drawing = replace(picture, data=b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert drawing.source.startswith("data:image/svg+xml;base64,")
    with pytest.raises(ValueError, match="neither PNG nor SVG"):
        replace(picture, data=b"GIF89a")
    for name in ("title", "alt", "provenance"):
        with pytest.raises(ValueError, match=f"{name} of a figure is empty"):
            replace(picture, **{name: ""})
