"""The page holds its clip within its size, says what it is, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.player import Clip, motion_panel, player_page
from equipose.pipelines.player.packing import unpacked
from equipose.pipelines.player.page import script, script_source, shown_frames

MakeClip = Callable[..., Clip]

HOSTILE = "</script><script>alert('1')</script>&\"x"
DATA = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)


def data(page: str) -> dict[str, Any]:
    """What the player of a page is given."""
    (found,) = DATA.findall(page)
    plain: dict[str, Any] = json.loads(found)
    return plain


def test_the_page_holds_the_clip(made_clip: MakeClip) -> None:
    clip = made_clip()
    page = player_page(clip)
    plain = data(page)
    assert plain["numbers"] == clip.numbers.tolist()
    errors = unpacked(plain["series"][2]["errors"])
    np.testing.assert_allclose(errors, clip.errors_mm["second"], atol=0.01)
    assert [panel["kind"] for panel in plain["panels"]] == ["keypoints", "cloud", "heat", "pictures"]
    assert page.count("<figure>") == 4
    for words in ("Simulated data", "All 6 frames.", 'max="5"', "data-playing", "prefers-reduced-motion"):
        assert words in page


def test_real_data_has_no_banner_and_without_predictions_there_is_no_curve(made_clip: MakeClip) -> None:
    page = player_page(made_clip(provenance="real data", predictions={}, panels=()))
    assert 'class="motion-label"' not in page
    assert "Real data" in page
    assert '<canvas class="motion-curve"' not in page
    assert '<div class="motion-panels">' not in page


def test_only_the_players_own_script_may_run_and_nothing_is_loaded(made_clip: MakeClip) -> None:
    page = player_page(made_clip())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.endswith(f"script-src {script_source()}")
    (ours,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert ours == script()
    digest = base64.b64encode(hashlib.sha256(ours.encode()).digest()).decode()
    assert script_source() == f"'sha256-{digest}'"
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|fetch\(|url\(""", page)
    assert not re.findall(r"\son\w+=", page.replace(script(), "")), "no handler in the markup"


def test_hostile_names_stay_text(made_clip: MakeClip) -> None:
    clip = made_clip(title=HOSTILE, predictions={HOSTILE: made_clip().truth})
    page = player_page(clip)
    assert page.count("<script") == page.count("</script>") == 2
    assert data(page)["title"] == HOSTILE
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("limit", [60_000, 120_000])
def test_a_long_clip_is_thinned_evenly_to_the_size(made_clip: MakeClip, limit: int) -> None:
    clip = made_clip(300, recorded=900)
    page = player_page(clip, limit=limit)
    assert 0.7 * limit < len(page.encode()) <= limit
    numbers = data(page)["numbers"]
    steps = np.diff(numbers)
    assert (numbers[0], numbers[-1]) == (1, 300)
    assert steps.max() - steps.min() <= 1
    assert data(page)["seconds"] == pytest.approx(np.median(steps) / 10)
    assert f"{len(numbers)} of 900 frames, evenly chosen" in page


def test_what_cannot_fit_is_refused(made_clip: MakeClip) -> None:
    with pytest.raises(ValueError, match=r"two frames of 'E01 S01 A02' take [\d,]+: allow more"):
        player_page(made_clip(), limit=20_000)


def test_a_panel_for_a_report_waits_and_says_what_it_shows(made_clip: MakeClip) -> None:
    panel = motion_panel(made_clip(), "Best model.")
    assert (panel.caption, panel.provenance) == ("Best model. All 6 frames.", "simulated data")
    assert "data-playing" not in panel.body
    assert "<script>" not in panel.body, "the script stands once in the report"
    assert data(panel.body)["numbers"] == [1, 2, 3, 4, 5, 6]
    assert shown_frames(made_clip(recorded=7), 6) == "6 of 7 frames, evenly chosen to keep the file small."
