"""The house has one direction of imports; this test keeps it so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT = {
    "models": set(),
    "balancing": {"models"},
    "pipelines": {"models"},
    "orchestrator": {"models", "balancing", "pipelines"},
    "experiments": {"models", "balancing", "pipelines", "orchestrator"},
}
FORBIDDEN = {
    "models": {"ray", "mlflow", "optuna", "pyarrow", "polars"},
    "balancing": {"ray", "mlflow", "optuna", "pyarrow", "polars"},
    "pipelines": {"mlflow", "optuna"},
}
FORBIDDEN_MODULES = {"models": {"torch.distributed"}, "balancing": {"torch.distributed"}}


def imports_of(path: Path) -> set[str]:
    """Absolute dotted names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_imports_flow_one_way(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        imported = imports_of(path)
        tops = {name.split(".")[0] for name in imported}
        wrong = tops & (set(MAY_IMPORT) - MAY_IMPORT[folder] - {folder})
        wrong |= tops & FORBIDDEN.get(folder, set())
        wrong |= imported & FORBIDDEN_MODULES.get(folder, set())
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"
