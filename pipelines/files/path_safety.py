"""Checks that names of jobs, runs and artifacts are plain, and that paths stay inside their root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]{0,127}")
_ARTIFACT = re.compile(r"[^/\\\0-\x1f\x7f:%]{1,200}")


def contained(path: str | Path, root: str | Path) -> bool:
    """Whether the path, with every symbolic link followed, lies inside the root (or is the root)."""
    target, base = os.path.realpath(path), os.path.realpath(root)
    return os.path.commonpath([target, base]) == base


def contained_in(path: str | Path, roots: Iterable[str | Path]) -> bool:
    """Whether the path, with every symbolic link followed, lies inside one of the roots."""
    return any(contained(path, root) for root in roots)


def check_name(name: str, field: str) -> str:
    """The name, if it is a plain file name on any system; ValueError otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{field} is {name[:140]!r}; use a letter or digit, then up to 127 letters, digits and . _ + = -"
        )
    return name


def check_artifact_name(name: str) -> str:
    """An artifact's name, such as `tables/test.csv`, if it stays inside its run; ValueError otherwise."""
    parts = name.split("/")
    if len(parts) > 10 or any(part in {".", ".."} or not _ARTIFACT.fullmatch(part) for part in parts):
        raise ValueError(
            f"artifact name is {name[:140]!r}; use a path such as tables/test.csv, free of .. and of \\ : %"
        )
    return name


def file_name(text: str) -> str:
    """A text, such as a strategy's name, as a part of file names and labels.

    Examples:
        >>> file_name("noisy nis+ewc:strength=1e+03,fisher_fraction=0.5")
        'noisy-nis-ewc-strength-1e-03-fisher_fraction-0.5'
    """
    return re.sub(r"[^\w.]+", "-", text)
