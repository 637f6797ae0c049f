"""Equipose: human pose from several sensors, on Ray.

The code lives in five folders at the top of the repository; the links beside this file, and `package-dir` in
`pyproject.toml`, make them `equipose.models`, `equipose.balancing`, `equipose.pipelines`,
`equipose.orchestrator` and `equipose.experiments`. The names below are the ones that notebooks need; each
is imported when it is first used, so that `import equipose` itself is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from equipose.balancing.registry import METHODS, build_method
    from equipose.balancing.shapley.values import shapley_values
    from equipose.models.build import ModelConfig, build_model
    from equipose.orchestrator.checkpoints.trained_model import load_model
    from equipose.pipelines.protocols import splits
    from equipose.pipelines.store import Store, open_store

__all__ = [
    "METHODS",
    "ModelConfig",
    "Store",
    "load_model",
    "build_method",
    "build_model",
    "open_store",
    "shapley_values",
    "splits",
]

_HOMES = {
    "METHODS": "equipose.balancing.registry",
    "ModelConfig": "equipose.models.build",
    "Store": "equipose.pipelines.store",
    "load_model": "equipose.orchestrator.checkpoints.trained_model",
    "build_method": "equipose.balancing.registry",
    "build_model": "equipose.models.build",
    "open_store": "equipose.pipelines.store",
    "shapley_values": "equipose.balancing.shapley.values",
    "splits": "equipose.pipelines.protocols",
}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("equipose")
    except PackageNotFoundError:  # the folder is on the path without being installed
        return "unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'equipose' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
