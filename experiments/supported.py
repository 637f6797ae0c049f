"""Refuses systems that lack what the rest imports (file locks, process groups); imported before all of it."""

from __future__ import annotations

import sys

SYSTEMS = {"linux": "Linux", "darwin": "macOS"}
"""`sys.platform` -> the systems that Equipose runs on."""


def check_system(platform: str = sys.platform) -> None:
    """End the process with one line on any other system."""
    if platform not in SYSTEMS:
        raise SystemExit(
            f"equipose: runs on {' and '.join(SYSTEMS.values())}, not on {platform!r}; on Windows, use WSL 2"
        )


check_system()
