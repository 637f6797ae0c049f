"""Names in use pass; those that are refused are in tests/orchestrator/test_hostile_names.py."""

from __future__ import annotations

import pytest

from equipose.pipelines.files.path_safety import check_artifact_name, check_name


@pytest.mark.parametrize("name", ["awc-concat-s0", "awc-simulated-smoke-001", "a_b.c+d=1"])
def test_names_in_use_are_accepted(name: str) -> None:
    assert check_name(name, "name") == name


def test_artifact_names_in_use_are_accepted() -> None:
    for name in ("config.json", "tables/test-best.md", "figures/alpha sweep.png"):
        assert check_artifact_name(name) == name
