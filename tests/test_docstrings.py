"""Examples in docstrings are true, and the functions that people use most have one."""

from __future__ import annotations

import doctest
import importlib
from types import ModuleType

import pytest

from benchmarks.code_shape import module_of, source_files

EXAMPLES = [module_of(path) for path in source_files() if ">>> " in path.read_text()]
"""Modules with an example."""
MOST_USED = (
    "equipose.balancing.compose.chain",
    "equipose.balancing.compose.within",
    "equipose.balancing.fisher.diagonal.quadratic_penalty",
    "equipose.balancing.registry.build_method",
    "equipose.balancing.shapley.values.shapley_values",
    "equipose.models.build.build_model",
    "equipose.models.pose_errors.mpjpe",
    "equipose.models.pose_errors.pa_mpjpe",
    "equipose.pipelines.protocols.splits",
    "equipose.pipelines.store.reader.open_store",
)


def failures(module: ModuleType) -> int:
    """Examples of a module that do not give what they show; their difference is printed."""
    return doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).failed


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_true(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("examples"))
    assert failures(importlib.import_module(name)) == 0


@pytest.mark.parametrize("name", MOST_USED)
def test_the_most_used_functions_have_an_example(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert module in EXAMPLES
    assert ">>> " in getattr(importlib.import_module(module), function).__doc__


def test_a_wrong_example_is_noticed() -> None:
    assert failures(ModuleType("wrong", ">>> 1 + 1\n3\n")) == 1
    assert failures(ModuleType("right", ">>> 1 + 1\n2\n")) == 0
