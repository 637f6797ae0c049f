"""A clip as HTML: a page of its own, or a panel for a report; no larger than asked for.

Nothing is loaded from elsewhere, and the page allows no script but the player's own, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from equipose.pipelines.player.clip import Clip
from equipose.pipelines.sequence import evenly_spread

TEMPLATES = Path(__file__).resolve().parent / "templates"
PAGE_BYTES = 5_000_000
PANEL_BYTES = 1_500_000
"""Of a player inside a report, which has other things to show."""
ROOM = 0.97
"""Aim a little below the limit, so that the second try is nearly always the last."""


@dataclass(frozen=True, kw_only=True)
class MotionPanel:
    """A player for a report."""

    title: str
    caption: str
    provenance: str
    body: Markup
    """HTML that `STYLE` draws and `SCRIPT` brings to life; each stands once in a report."""


def player_page(clip: Clip, *, limit: int = PAGE_BYTES) -> str:
    """The text of an HTML file that plays the clip, at most `limit` bytes of it.

    Frames that do not fit are left out evenly, and the page says so. Raises ValueError where not even two
    frames fit.
    """
    around = len(_page(clip, _Body(html=Markup(), frames=0)).encode())
    return _page(clip, _fitted(clip, limit - around, playing=True))


def motion_panel(clip: Clip, caption: str = "", *, limit: int = PANEL_BYTES) -> MotionPanel:
    """The clip for a report, paused until somebody plays it; sizes as for `player_page`."""
    body = _fitted(clip, limit, playing=False)
    shown = " ".join(part for part in (caption, shown_frames(clip, body.frames)) if part)
    return MotionPanel(title=clip.title, caption=shown, provenance=clip.provenance, body=body.html)


def shown_frames(clip: Clip, frames: int) -> str:
    """`All 297 frames.`, or how many of them were chosen."""
    if frames == clip.total:
        return f"All {frames:,} frames."
    return f"{frames:,} of {clip.total:,} frames, evenly chosen to keep the file small."


@cache
def style() -> str:
    """The CSS of all players on a page."""
    return (TEMPLATES / "player.css").read_text()


@cache
def script() -> str:
    """The script of all players on a page."""
    parts = [(TEMPLATES / name).read_text() for name in ("drawing.js", "player.js")]
    return "\n".join(['"use strict";', "(() => {", *parts, "})();"])


def script_source() -> str:
    """What a Content-Security-Policy must allow in `script-src` for the player, and nothing else."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()}'"


@dataclass(frozen=True, kw_only=True)
class _Body:
    html: Markup
    frames: int


def _fitted(clip: Clip, limit: int, *, playing: bool) -> _Body:
    """The panel with as many frames as fit."""
    count = len(clip)
    while True:
        body = _body(clip, count, playing=playing)
        size = len(body.html.encode())
        if size <= limit:
            return body
        if count <= 2:
            raise ValueError(
                f"limit is {limit:,} bytes; two frames of {clip.title!r} take {size:,}: allow more"
            )
        count = max(2, min(count - 1, int(count * ROOM * limit / size)))


def _body(clip: Clip, count: int, *, playing: bool) -> _Body:
    keep = evenly_spread(len(clip), count)
    content = clip.plain(keep)
    html = _template("panel.html").render(
        clip=clip,
        playing=playing,
        count=len(keep),
        panels=[{"title": panel["title"], "kind": panel["kind"]} for panel in content["panels"]],
        data=Markup(_json(content)),
    )
    return _Body(html=Markup(html), frames=len(keep))


def _page(clip: Clip, body: _Body) -> str:
    return _template("player.html").render(
        clip=clip,
        body=body.html,
        shown=shown_frames(clip, body.frames),
        style=Markup(style()),
        script=Markup(script()),
        script_source=Markup(script_source()),
    )


def _json(content: dict[str, Any]) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _template(name: str) -> Any:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    return environment.get_template(name)
