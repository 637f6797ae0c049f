"""Whether a path stays inside its root: what every reader asks before it opens a file."""

from __future__ import annotations

import os
from pathlib import Path


def contained(path: str | Path, root: str | Path) -> bool:
    """Whether the path, with every symbolic link followed, lies inside the root (or is the root)."""
    place, base = os.path.realpath(path), os.path.realpath(root)
    return os.path.commonpath([place, base]) == base
