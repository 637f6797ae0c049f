"""The report in a real browser: no sideways scrolling on a laptop or a phone, light and dark.

Set EQUIPOSE_SCREENSHOTS to a folder to keep pictures of the page.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.figures import contribution_curves
from equipose.pipelines.paper.table import ColumnGroup, PaperTable
from equipose.pipelines.report.html import ReportFigure, Section, html_report, png_bytes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
VIEWS = [(width, scheme) for width in (390, 1366) for scheme in ("light", "dark")]
MEASURE = """
onload = () => {
  const found = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, style = frame.contentWindow.getComputedStyle(page.body)
    const scrolls = [...page.querySelectorAll('.scroll')].map(box => box.scrollWidth > box.clientWidth)
    const card = frame.contentWindow.getComputedStyle(page.querySelector('.card')).backgroundColor
    return {scroll: page.documentElement.scrollWidth, client: page.documentElement.clientWidth, scrolls,
            background: style.backgroundColor, ink: style.color, card,
            pictures: [...page.images].map(image => image.naturalWidth)}
  })
  document.getElementById('found').textContent = JSON.stringify(found)
}
"""

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


def frames(page: str, views: list[tuple[int, str]], height: int) -> str:
    """The page once per (width, colour scheme); inside a frame, both are the frame's."""
    source = html.escape(page)
    return "".join(
        f'<iframe style="border:0;width:{width}px;height:{height}px;color-scheme:{scheme}" '
        f'srcdoc="{source}"></iframe>'
        for width, scheme in views
    )


def visit(path: Path, profile: Path, *flags: str) -> str:
    """Standard output of one headless visit."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


def keep_pictures(page: str, folder: Path, profile: Path) -> None:
    """A PNG per view."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, scheme in VIEWS:
        path = profile.parent / f"view-{width}-{scheme}.html"
        path.write_text(f'<!doctype html><body style="margin:0">{frames(page, [(width, scheme)], 4000)}')
        target = folder.resolve() / f"report-{width}-{scheme}.png"
        visit(path, profile, f"--screenshot={target}", f"--window-size={max(width, 500)},4000")


@pytest.fixture
def page(hand_table: PaperTable) -> str:
    """A report with a wide table, a narrow one, long words and a figure."""
    groups = tuple(
        ColumnGroup(name=name, caption=hand_table.columns[0].caption) for name in ("P1", "P2", "P3")
    )
    long = replace(hand_table, caption="Averylongword" * 12)
    curves = png_bytes(contribution_curves({"rgb": np.arange(9.0)}, "simulated data"))
    figure = ReportFigure(
        title="Scores", data=curves, alt="A line", caption="Per epoch.", provenance="simulated data"
    )
    sections = [
        Section(title="Main", tables=[replace(hand_table, columns=groups)]),
        Section(title="Longtitle" * 12, text=["Word" * 60], tables=[long], figures=[figure]),
    ]
    return html_report("Title", sections, "simulated data", facts={"command": "x" * 200})


def test_the_page_fits_laptops_and_phones_in_light_and_dark(page: str, tmp_path: Path) -> None:
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<!doctype html><pre id="found"></pre>{frames(page, VIEWS, 700)}<script>{MEASURE}</script>'
    )
    shown = re.search(r'<pre id="found">([^<]+)</pre>', visit(outer, tmp_path / "profile", "--dump-dom"))
    assert shown is not None
    seen: dict[tuple[int, str], Any] = dict(zip(VIEWS, json.loads(html.unescape(shown[1])), strict=True))
    if folder := os.environ.get("EQUIPOSE_SCREENSHOTS"):
        keep_pictures(page, Path(folder), tmp_path / "profile")
    for (width, scheme), view in seen.items():
        assert view["scroll"] <= view["client"] <= width, (width, scheme)
        assert view["pictures"] == [1120]
        assert view["card"] == "rgb(255, 255, 255)"
    assert seen[390, "light"]["scrolls"] == [True, True]
    assert seen[1366, "light"]["scrolls"] == [False, False]
    for width in (390, 1366):
        light, dark = seen[width, "light"], seen[width, "dark"]
        assert light["background"] != dark["background"]
        assert light["ink"] != dark["ink"]
