"""No call in the sources that runs what it reads: pickles, YAML tags, shells, eval."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "balancing", "pipelines", "orchestrator", "experiments", "benchmarks")

FORBIDDEN_MODULES = {"yaml", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads"),
    *("pickle.Unpickler", "torch.jit.load", "np.fromregex", "pd.read_pickle"),
}
REQUIRED: dict[str, dict[str, object]] = {
    "torch.load": {"weights_only": True},
    "np.load": {"allow_pickle": False},
    "numpy.load": {"allow_pickle": False},
}
"""Call -> arguments that must be written out, with their values."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Dotted name as written, and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield ast.unparse(node.func), node


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of the modules that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def argument(call: ast.Call, name: str) -> object:
    """The constant that a keyword has, or None."""
    found = [k.value for k in call.keywords if k.arg == name]
    return found[0].value if found and isinstance(found[0], ast.Constant) else None


def unsafe(source: str) -> list[str]:
    """What is wrong with a piece of source, by name of the call or module."""
    tree = ast.parse(source)
    found = [f"import {name}" for name in imported(tree) if name in FORBIDDEN_MODULES]
    derived = (base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases)
    found += [f"class of {name}" for name in map(ast.unparse, derived) if name.endswith("Unpickler")]
    for name, call in calls(tree):
        if name in FORBIDDEN_CALLS or argument(call, "shell") is True:
            found.append(name)
        wanted = REQUIRED.get(name, {})
        found += [name for key, value in wanted.items() if argument(call, key) is not value]
        if argument(call, "allow_pickle") is True:
            found.append(name)
    return found


def test_the_sources_run_nothing_that_they_read() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    bad = {str(path.relative_to(ROOT)): unsafe(path.read_text()) for path in files}
    # The one reader of pickles: through a list of opcodes and of stand-ins for NumPy's globals.
    permitted = {"pipelines/readers/triplets/plain_pickle.py": ["class of pickle.Unpickler"]}
    assert {path: found for path, found in bad.items() if found} == permitted


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p)",
        "np.load(p, allow_pickle=True)",
        "pickle.loads(b)",
        "import yaml",
        "from joblib import load",
        "subprocess.run('x', shell=True)",
        "eval('1')",
        "class Mine(pickle.Unpickler): pass",
        "os.system('x')",
    ],
)
def test_the_scan_sees_what_it_looks_for(source: str) -> None:
    assert unsafe(source)


def test_the_scan_lets_safe_calls_pass() -> None:
    assert not unsafe(
        "torch.load(p, weights_only=True); np.load(p, allow_pickle=False); model.eval(); run(['ls'])"
    )
