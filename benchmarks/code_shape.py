"""The shape of the code: folders, files, imports, circles, long functions and repeated lines, as one table.

`python -m benchmarks code_shape` prints it; `tests/test_layers.py` uses the same import graph.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("models", "balancing", "pipelines", "orchestrator", "experiments")
PACKAGE = "equipose"
LONG_FUNCTION = 50
"""Lines of a body, without its docstring, above which a function counts as long."""
SAME_LINES = 8
"""Consecutive lines of code that stand twice to count as repeated."""

Graph = Mapping[str, set[str]]
"""Module -> modules of ours that it imports, wherever in the file."""


def source_files(root: Path = ROOT) -> list[Path]:
    """Every Python file of the five folders."""
    return sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))


def module_of(path: Path, root: Path = ROOT) -> str:
    """The dotted name of a file, e.g. `equipose.models.batch`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join((PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def imported_names(path: Path) -> set[str]:
    """Absolute dotted names that a file imports, wherever in it; raises ValueError for relative imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno} is a relative import; write it absolute")
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def import_graph(root: Path = ROOT) -> Graph:
    """Which of our modules imports which; `from package import module` counts for the module alone."""
    files = {module_of(path, root): path for path in source_files(root)}
    packages = {module for module, path in files.items() if path.name == "__init__.py"}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        found = imported_names(path) & set(files)
        inner = {name.rpartition(".")[0] for name in found}
        graph[module] = {name for name in found if name not in packages or name not in inner} - {module}
    return graph


def room_of(module: str) -> str:
    """The room of a module: its folder (`orchestrator.sweep`), or a loose file (`models.batch`)."""
    return ".".join(module.split(".")[1:3])


def between_rooms(graph: Graph) -> dict[str, set[str]]:
    """Room -> rooms it imports from."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, imported in graph.items():
        rooms[room_of(module)] |= {room_of(name) for name in imported} - {room_of(module)}
    return dict(rooms)


def circles(graph: Graph) -> list[list[str]]:
    """The strongly connected components of more than one node (Tarjan), each sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines of the body without its docstring) of every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and node.end_lineno:
                yield node.name, node.end_lineno - body[0].lineno + 1


def code_lines(path: Path) -> list[str]:
    """The lines of a file that say something: without blanks, comments, imports and lone brackets."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if re.search(r"\w", line) and not re.match(r"#|import |from ", line)]


def repeated_runs(files: list[Path]) -> int:
    """Runs of `SAME_LINES` equal lines that stand in more than one place."""
    places: Counter[tuple[str, ...]] = Counter()
    for path in files:
        lines = code_lines(path)
        places.update(
            tuple(lines[start : start + SAME_LINES]) for start in range(len(lines) - SAME_LINES + 1)
        )
    return sum(count > 1 for count in places.values())


def shape(root: Path = ROOT) -> dict[str, str]:
    """The measures by name."""
    files = source_files(root)
    sizes = {path: path.read_text().count("\n") for path in files}
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    (largest, count), longest = folders.most_common(1)[0], max(files, key=sizes.__getitem__)
    lengths = {f"{path.relative_to(root)}:{name}": size for path in files for name, size in functions(path)}
    over = sorted((name for name, size in lengths.items() if size > LONG_FUNCTION), key=lengths.__getitem__)
    graph = import_graph(root)
    return {
        "files": str(len(files)),
        "lines": str(sum(sizes.values())),
        "largest folder": f"{largest.relative_to(root)}, {count} files",
        "longest file": f"{longest.relative_to(root)}, {sizes[longest]} lines",
        "imports between files": str(sum(map(len, graph.values()))),
        "circles of imports": str(len(circles(graph))),
        "circles of rooms": str(len(circles(between_rooms(graph)))),
        f"functions over {LONG_FUNCTION} lines": ", ".join(over) or "none",
        f"runs of {SAME_LINES} lines that stand twice": str(repeated_runs(files)),
    }


def main() -> str:
    """The table."""
    rows = [f"| {name} | {value} |" for name, value in shape().items()]
    return "\n".join(["| measure | value |", "|---|---|", *rows])
