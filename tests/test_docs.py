"""What README and docs name exists: files, modules, tests, commands and their options, links and images."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.code_shape import FOLDERS, ROOT
from equipose.experiments.cli import COMMANDS, command

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
README_LINES = 85
"""Two screens."""

SUFFIXES = "py|md|yaml|yml|sh|toml|cff|png"
FILE = re.compile(rf"(?<![\w/.<*-])((?:[\w-]+/)*[\w-]+\.(?:{SUFFIXES}))((?:::\w+)*)(?![\w/])")
FOLDER = re.compile(rf"`((?:{'|'.join((*FOLDERS, 'benchmarks', 'tests', 'docs', 'clusters'))})(?:/\w+)*)/`")
MODULE = re.compile(r"\bequipose((?:\.\w+)+)")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<!\S)--([a-z][a-z-]*)")
VERB = re.compile(r"(?:^|\s)equipose ([a-z]+)(.*)")
SCRIPT = re.compile(r"(?:python|yaml) (experiments/\w+\.py)(.*)")
ENTRY_POINTS = {".sensors", ".readers", ".protocols"}
"""Groups that installed packages add to."""
TAGS = {".key"}
"""`equipose.key` is a tag in MLflow."""
OLD_NAMES = re.compile(rf"\b(?:from|import) (?:{'|'.join(FOLDERS)})\b")


def text(name: str) -> str:
    """The content of a page."""
    return (ROOT / name).read_text()


def code(name: str) -> Iterator[str]:
    """Every line of a page's code blocks and every inline piece of code, without its comment."""
    for block, inline in CODE.findall(text(name)):
        for line in (block or inline).splitlines():
            yield re.sub(r"\s+#.*", "", line)


@cache
def tree() -> tuple[str, ...]:
    """Paths of all our files, relative to the repository."""
    folders = (*FOLDERS, "benchmarks", "tests", "docs", "clusters", "equipose")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return tuple(f"/{path.relative_to(ROOT)}" for path in [*files, *ROOT.glob("*.*")])


def found(path: str) -> list[Path]:
    """Files that a page may mean by a path or by the end of one."""
    return [ROOT / name[1:] for name in tree() if name.endswith(f"/{path}")]


def source_of(module: str) -> tuple[Path, list[str]]:
    """The file of a dotted name without `equipose`, and what is left of the name inside it."""
    parts = module.strip(".").split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file, parts[count:]
    return ROOT / "equipose/__init__.py", parts


def holds(module: str) -> bool:
    """Whether a dotted name is a module of ours, or something that its module names."""
    file, inside = source_of(module)
    return all(re.search(rf"\b{name}\b", file.read_text()) for name in inside)


@cache
def options(verb: str) -> frozenset[str]:
    """Options of a verb, without the dashes."""
    parameters = inspect.signature(command(verb)).parameters.values()
    names = {parameter.name.replace("_", "-") for parameter in parameters}
    switches = {f"no-{p.name.replace('_', '-')}" for p in parameters if isinstance(p.default, bool)}
    return frozenset(names | switches | {"help"})


@cache
def verb_of(script: str) -> str:
    """The verb that a script for `ray submit` runs."""
    (verb,) = re.findall(r'run_script\("(\w+)"[,)]', (ROOT / script).read_text())
    return verb


def wrong_commands(line: str) -> list[str]:
    """What a line of code asks `equipose` for that it does not have."""
    if line.startswith("--"):
        known = frozenset().union(*map(options, COMMANDS))
        return [option for option in OPTION.findall(line) if option not in known]
    if line.startswith(("from ", "import ")):
        return []
    asked = [*VERB.findall(line), *((verb_of(script), rest) for script, rest in SCRIPT.findall(line))]
    wrong = [verb for verb, _ in asked if verb not in COMMANDS]
    for verb, rest in asked:
        if verb in COMMANDS:
            wrong += [option for option in OPTION.findall(rest) if option not in options(verb)]
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_files_and_tests_exist(name: str) -> None:
    for path, inside in FILE.findall(LINK.sub("", text(name))):
        candidates = found(path)
        assert candidates, f"{name} names {path}"
        for part in filter(None, inside.split("::")):
            assert any(re.search(rf"(?:def|class) {part}\b", c.read_text()) for c in candidates), (path, part)
    for folder in FOLDER.findall(text(name)):
        assert (ROOT / folder).is_dir(), f"{name} names {folder}/"


@pytest.mark.parametrize("name", NAMES)
def test_modules_and_their_names_exist(name: str) -> None:
    for module in set(MODULE.findall(text(name))) - TAGS - ENTRY_POINTS:
        assert holds(module), f"{name} names equipose{module}"


@pytest.mark.parametrize("name", NAMES)
def test_commands_have_these_verbs_and_options(name: str) -> None:
    for line in code(name):
        assert wrong_commands(line) == [], f"{name}: {line}"
        for target in re.findall(r"(?:^|[(\s])make ([a-z-]+)", line):
            assert f"\n{target}:" in text("Makefile"), f"{name}: make {target}"
        for benchmark in re.findall(r"python -m benchmarks ([a-z_]+)", line):
            assert benchmark in BENCHMARKS, line


@pytest.mark.parametrize("name", NAMES)
def test_python_imports_what_there_is(name: str) -> None:
    assert not OLD_NAMES.search(text(name)), f"{name} imports a folder by its old name"
    for block in PYTHON.findall(text(name)):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "equipose":
                module = (node.module or "").removeprefix("equipose")
                for alias in node.names:
                    assert holds(f"{module}.{alias.name}"), f"{name}: {alias.name} from {node.module}"


@pytest.mark.parametrize("name", NAMES)
def test_links_and_images_lead_somewhere(name: str) -> None:
    for target in LINK.findall(text(name)):
        generated = target.startswith("reference/") or "/reference/" in name
        assert generated or ((ROOT / name).parent / target).exists(), f"{name} links to {target}"


def test_the_readme_fits_two_screens() -> None:
    assert len(text("README.md").splitlines()) <= README_LINES


def test_what_does_not_exist_is_noticed() -> None:
    assert wrong_commands("equipose train --method awc --no-gpu --plan") == ["plan"]
    assert wrong_commands("equipose trian") == ["trian"]
    assert wrong_commands("python experiments/awc_sweep.py --trials 3 --tries 3") == ["tries"]
    assert wrong_commands("ray submit cluster.yaml experiments/awc_sweep.py -- --preset smoke --x") == ["x"]
    assert wrong_commands("--plan") == []
    assert wrong_commands("--plam") == ["plam"]
    assert FILE.findall("`orchestrator/training/loop.py`, `test_a.py::TestB::test_c`, `<name>.py`") == [
        ("orchestrator/training/loop.py", ""),
        ("test_a.py", "::TestB::test_c"),
    ]
    assert found("training/loop.py")
    assert not found("training/loops.py")
    assert holds(".pipelines.store.open_store")
    assert holds(".open_store")
    assert not holds(".pipelines.shop")
    assert OLD_NAMES.search("from pipelines import open_store")
