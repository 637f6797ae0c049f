"""MkDocs hook: a reference page per room, made from the tree, and no page that loads from the network."""

from __future__ import annotations

import ast
import logging
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("models", "balancing", "pipelines", "orchestrator", "experiments")
ROOM_MAP = re.compile("<!-- rooms:.*?-->")
EXTERNAL = re.compile(r'<(?:script|img|iframe|link)[^>]*\s(?:src|href)="(?:https?:)?//', re.IGNORECASE)

log = logging.getLogger("mkdocs.hooks.equipose")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the reference to the navigation: a section per folder, a page per room."""
    sections = [
        {folder: [{_title(room): _page(room)} for room in rooms]}
        for folder, rooms in groupby(_modules_of_rooms(), key=lambda room: room.split(".")[0])
    ]
    assert config.nav is not None
    config.nav.append({"API reference": ["reference/index.md", *sections]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Generate the pages that the navigation names."""
    for room, modules in _modules_of_rooms().items():
        entries = [f"# equipose.{room}", *(_entry(module, room) for module in modules)]
        files.append(File.generated(config, _page(room), content="\n\n".join(entries)))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """The map of rooms, where a page asks for it: every package with the first sentences of its docstring."""
    return ROOM_MAP.sub(lambda _: "\n".join(["| room | holds |", "|---|---|", *map(_row, _rooms())]), markdown)


def on_post_page(output: str, page: Any, config: MkDocsConfig) -> str:
    """A page that loads something from another host is a warning, and so fails a strict build."""
    for tag in EXTERNAL.findall(output):
        log.warning("%s loads from the network: %s", page.file.src_uri, tag)
    return output


def _modules_of_rooms() -> dict[str, list[str]]:
    """Room (`models`, `orchestrator.sweep`) -> its modules; the files beside the rooms belong to the folder."""
    rooms: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py"), key=_packages_first):
            parts = path.relative_to(ROOT).with_suffix("").parts
            room = ".".join(parts[:2] if len(parts) > 2 else parts[:1])
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            rooms.setdefault(room, []).append(module)
    return rooms


def _rooms() -> list[str]:
    """The packages among the rooms, in reading order."""
    return [room for room in _modules_of_rooms() if (ROOT / Path(*room.split("."))).is_dir()]


def _row(room: str) -> str:
    source = (ROOT / Path(*room.split(".")) / "__init__.py").read_text()
    first, *_ = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    return f"| [`{room}`]({_page(room)}) | {' '.join(first.split())} |"


def _packages_first(path: Path) -> tuple[tuple[str, ...], bool, str]:
    return path.parent.parts, path.name != "__init__.py", path.name


def _entry(module: str, room: str) -> str:
    """One module; a package shows what lives there and not the names that it gathers."""
    options = {"show_root_heading": module != room}
    if (ROOT / Path(*module.split("."))).is_dir():
        options["members"] = False
    return "\n".join(
        [f"::: equipose.{module}", "    options:", *(f"      {k}: {v}" for k, v in options.items())]
    )


def _title(room: str) -> str:
    return room.partition(".")[2] or room


def _page(room: str) -> str:
    return f"reference/{room}.md"
