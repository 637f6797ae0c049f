"""The report's folder: every table in every form, every figure with words, and one page with all of it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_tables import finished, links, small_paper
from matplotlib.figure import Figure

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.ogm_ge import OGMGE
from equipose.balancing.methods.plain import Plain
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome
from equipose.orchestrator.paper import figures as figures_module
from equipose.orchestrator.paper.figures import CURVES, paper_figures
from equipose.orchestrator.paper.notes import left_out
from equipose.orchestrator.paper.report import CHAPTERS, facts, write_report
from equipose.orchestrator.paper.results import Finished, main_judgements
from equipose.pipelines.paper.awc import AWC_TABLES
from equipose.pipelines.player import Clip

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def done(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    monkeypatch.setattr(figures_module, "skeletons", lambda runs, provenance: Figure())
    monkeypatch.setattr(figures_module, "clip_of_runs", clip_with_names)
    return finished(small_paper(store_path), monkeypatch)


def settings_of(done: Finished) -> tuple[SettingOutcome, ...]:
    """What the figures are drawn from."""
    return tuple(one.outcome for one in main_judgements(done))


def clip_with_names(runs: Sequence[EvaluatedRun], names: Sequence[str]) -> Clip:
    """A clip of two frames with a prediction per run."""
    poses = np.zeros((2, 17, 3))
    return Clip(
        title="E01 S08 A02",
        provenance="simulated data",
        numbers=np.array([1, 2]),
        truth=poses,
        predictions=dict.fromkeys(names, poses),
    )


def test_the_folder_holds_every_table_and_figure(done: Finished, tmp_path: Path) -> None:
    path = write_report(done, links, tmp_path / "results", command="equipose tables --out OUT")
    assert path == tmp_path / "results" / "report.html"
    tables = {file.name for file in (tmp_path / "results" / "tables").iterdir()}
    assert tables == {f"{name}.{kind}" for name in (*AWC_TABLES, "steps") for kind in ("md", "tex", "csv")}
    drawn = {file.name for file in (tmp_path / "results" / "figures").iterdir()}
    names = [*(f"{kind}-concat" for kind in CURVES), "contributions-attention"]
    assert drawn == {f"{name}.{kind}" for name in (*names, "skeletons") for kind in ("png", "pdf")}
    page = path.read_text()
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))
    for chapter in (*CHAPTERS.values(), "Figures"):
        assert f'">{chapter}</a>' in page
    assert text.count(" data simulated data ") == 1, "what the numbers come from is one fact"
    assert "rebuild equipose tables --out OUT" in text
    assert text.count("Convergence: converged") == text.count("there is something to win") == 3
    assert page.count("<img ") == len(names) + 1
    assert '"Player: E01 S08 A02"' in page
    assert "The test sequence with the median error of no balancing; Concatenation fusion, P1, seed 0" in text
    assert "</span>AWC</label>" in page
    every = {links(specs) for specs in done.plan.values()}
    assert set(re.findall(r'href="(http[^"]+)"', page)) == every, "every number leads to its runs"


def test_facts_are_in_words(done: Finished) -> None:
    found = facts(done, "again")
    assert found["runs"] == "76"
    assert found["seeds"] == "2 (0, 1)"
    more = replace(done, config=replace(done.config, more_seeds=(2, 3)))
    assert facts(more, "again")["seeds"] == "2 (0, 1); main comparison 4 (2, 3 too)"
    assert found["training"] == "50 epochs, batches of 24, Adam 0.001, tiny widths"
    assert found["rebuild"] == "again"


def test_figures_have_words_for_those_who_cannot_see_them(done: Finished) -> None:
    made = {figure.name: figure for figure in paper_figures(settings_of(done), "simulated data")}
    contributions = made["contributions-concat"]
    assert contributions.title == "Contribution of each sensor, Concatenation fusion, P1"
    assert contributions.alt.endswith(
        " AWC: after the last of 2 epochs rgb 4.00, lidar 3.00, mmwave 2.00, wifi 1.00."
    )
    assert "no balancing, AWC; line and band: mean and spread over 2 seeds." in contributions.caption
    assert "rgb 30.00 mm" in made["spread-concat"].alt
    assert made["skeletons"].alt.endswith("no balancing 100.0 mm, AWC 90.0 mm.")
    report = contributions.in_report("simulated data")
    assert (report.alt, report.provenance) == (contributions.alt, "simulated data")


def panels(figure: Figure) -> list[str]:
    """What stands above the panels of a figure, from left to right."""
    return [axes.get_title() for axes in figure.axes]


def test_ogm_ge_stands_beside_awc_and_attention_has_its_contributions(
    store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures_module, "skeletons", lambda runs, provenance: Figure())
    methods = {"plain": Plain.Config(), "ogm_ge": OGMGE.Config(), "awc": AWC.Config(window=20)}
    done = finished(small_paper(store_path, methods=methods, tables=("main",)), monkeypatch)
    made = paper_figures(settings_of(done), "simulated data")
    assert [figure.name for figure in made] == [
        "contributions-concat", "spread-concat", "mean-concat", "contributions-attention", "skeletons",
    ]  # fmt: skip
    for figure in made[:-1]:
        assert panels(figure.figure) == ["no balancing", "OGM-GE", "AWC"]
        assert "OGM-GE: after the last of 2 epochs" in figure.alt
    assert made[3].title == "Contribution of each sensor, Attention fusion, P1"
    acting = made[0].figure.axes[-1].patches
    assert [(p.get_x(), p.get_width()) for p in acting] == [(1, 19)], (
        "grey where AWC acts: after a free epoch"
    )
    assert "predictions of no balancing and AWC" in made[-1].alt


def test_what_is_left_out_is_in_the_overview(
    store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_paper(store_path, tables=("alpha",), other_columns=("P2", "P3"))
    page = write_report(finished(config, monkeypatch), links, tmp_path, command="again").read_text()
    overview = page[page.index('id="overview"') : page.index('id="s1"')]
    (sentence,) = left_out(config)
    assert f'<p class="left-out">{sentence}</p>' in overview


def test_without_the_main_table_there_are_no_figures(
    store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = finished(small_paper(store_path, tables=("alpha",)), monkeypatch)
    page = write_report(alone, links, tmp_path, command="again").read_text()
    assert "<img" not in page
    assert "No method was compared with plain training" in page
    assert not list((tmp_path / "figures").iterdir())


MEASURE = """
onload = () => {
  const found = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement
    return {scroll: root.scrollWidth, client: root.clientWidth,
            pictures: [...page.images].filter(image => image.naturalWidth > 100).length,
            tables: page.querySelectorAll('table').length,
            boxed: [...page.querySelectorAll('table')].every(table => table.closest('.scroll'))}
  })
  document.getElementById('found').textContent = JSON.stringify(found)
}
"""


@pytest.mark.system
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_whole_page_fits_a_phone_and_a_laptop(done: Finished, tmp_path: Path) -> None:
    page = html.escape(write_report(done, links, tmp_path / "results", command="again").read_text())
    views = [(width, scheme) for width in (390, 1366) for scheme in ("light", "dark")]
    framed = "".join(
        f'<iframe style="border:0;width:{width}px;height:700px;color-scheme:{scheme}" '
        f'srcdoc="{page}"></iframe>'
        for width, scheme in views
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f'<!doctype html><pre id="found"></pre>{framed}<script>{MEASURE}</script>')
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    visit = [str(CHROMIUM), *flags, f"--user-data-dir={tmp_path / 'profile'}", outer.as_uri()]
    shown = subprocess.run(visit, capture_output=True, text=True, timeout=120).stdout
    match = re.search(r'<pre id="found">([^<]+)</pre>', shown)
    assert match is not None
    for (width, _), view in zip(views, json.loads(html.unescape(match[1])), strict=True):
        assert view["scroll"] <= view["client"] <= width
        assert view["tables"] == len(AWC_TABLES) + 2, "every table, the steps, and the verdicts"
        assert view["boxed"], "wide tables scroll in a box of their own"
        assert view["pictures"] == len(CURVES) + 2
