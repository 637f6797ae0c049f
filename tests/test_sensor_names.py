"""Outside definitions, presets, readers, simulator and published tables, no code knows a sensor by name."""

from __future__ import annotations

import ast

import pytest

from benchmarks.code_shape import ROOT, source_files
from equipose.models.sensors import SENSORS
from equipose.models.sensors.triplets import TRIPLET_NAMES

MAY_NAME = (
    "models/sensors/",
    "experiments/presets/",
    "pipelines/readers/",
    "pipelines/simulator/",
    "pipelines/paper/",
)
DISTINCT = set(SENSORS) - set(TRIPLET_NAMES)
"""`image`, `keypoints`, `box` and so on are ordinary words, with meanings of their own elsewhere."""
FILES = [str(path.relative_to(ROOT)) for path in source_files()]


def named(source: str) -> list[str]:
    """Sensors that code spells, as a string or as an attribute; docstrings do not count."""
    tree = ast.parse(source)
    words = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    words += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    words += [node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    return [word for word in words if isinstance(word, str) and word in DISTINCT]


@pytest.mark.parametrize("file", [name for name in FILES if not name.startswith(MAY_NAME)])
def test_no_other_file_spells_a_sensor(file: str) -> None:
    assert named((ROOT / file).read_text()) == []


def test_the_check_finds_what_it_looks_for() -> None:
    assert named('x = batch.inputs["rgb"]; y = sequence.lidar; f(depth=1)') == ["rgb", "lidar", "depth"]
    assert named('"""About rgb."""\nx = "rgb alone"') == []
    assert any(named((ROOT / name).read_text()) for name in FILES if name.startswith(MAY_NAME))
