"""A sequence in motion: true and predicted skeletons with their sensors, as one HTML file that plays itself.

Here: `clip` (what is shown, as arrays), `panels` (a sensor each), `packing` (numbers as text), `page` (HTML
within a size), `stored` (a clip of a store's sequence), `predictions` (poses from `equipose predict`),
`recording` (the same clip for the Rerun viewer, an optional package).
"""

from __future__ import annotations

from equipose.pipelines.player.clip import Clip
from equipose.pipelines.player.page import MotionPanel, motion_panel, player_page
from equipose.pipelines.player.stored import clip_of

__all__ = ["Clip", "MotionPanel", "clip_of", "motion_panel", "player_page"]
