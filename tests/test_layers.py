"""Imports flow one way: between folders, between their rooms, and never in a circle."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from benchmarks.code_shape import (
    FOLDERS,
    ROOT,
    Graph,
    between_rooms,
    circles,
    import_graph,
    imported_names,
    module_of,
    source_files,
)

MAY_IMPORT = {
    "models": set(),
    "balancing": {"models"},
    "pipelines": {"models"},
    "orchestrator": {"models", "balancing", "pipelines"},
    "experiments": {"models", "balancing", "pipelines", "orchestrator"},
}
"""Folder -> other folders that it may import."""

ROOMS = {
    "models": "batch build fusion model sensors",
    "models.alignment": "base batch encoders inputs randomness sensors skeleton",
    "models.base": "batch compute inputs",
    "models.baselines": "alignment base batch encoders inputs randomness sensors skeleton",
    "models.batch": "",
    "models.batch_statistics": "batch",
    "models.build": "encoders fusion heads inputs model randomness sensors",
    "models.compute": "",
    "models.encoders": "compute skeleton",
    "models.fusion": "heads",
    "models.heads": "skeleton",
    "models.inputs": "sensors",
    "models.metrics": "pose_errors skeleton",
    "models.model": "base batch fusion heads inputs",
    "models.plugins": "",
    "models.pose_errors": "skeleton",
    "models.randomness": "",
    "models.sensors": "encoders plugins skeleton",
    "models.skeleton": "",
    "balancing": "compose evaluation_mode fisher losses method methods registry run shapley",
    "balancing.backward": "",
    "balancing.chained": "method",
    "balancing.checks": "method",
    "balancing.compose": "losses method parts run train_step",
    "balancing.continual": "checks evaluation_mode fisher losses method parts run schedules search_spaces "
    "shapley",
    "balancing.evaluation_mode": "",
    "balancing.fisher": "evaluation_mode losses",
    "balancing.losses": "",
    "balancing.method": "backward losses objectives run schedules step",
    "balancing.methods": "checks evaluation_mode fisher losses method objectives parts run schedules "
    "search_spaces shapley",
    "balancing.objectives": "losses search_spaces step",
    "balancing.parts": "checks evaluation_mode losses method run schedules shapley",
    "balancing.registry": "chained compose continual method methods",
    "balancing.run": "losses",
    "balancing.schedules": "",
    "balancing.search_spaces": "schedules",
    "balancing.shapley": "evaluation_mode method run",
    "balancing.step": "run",
    "balancing.train_step": "losses method",
    "pipelines": "files protocols store",
    "pipelines.axes": "column_order files readers sequence store",
    "pipelines.batches": "files images sequence store",
    "pipelines.cleaning": "images sequence strict",
    "pipelines.column_order": "",
    "pipelines.figures": "",
    "pipelines.files": "",
    "pipelines.images": "",
    "pipelines.inspection": "axes files protocols store",
    "pipelines.paper": "tables",
    "pipelines.player": "files images sequence store",
    "pipelines.prepare": "cleaning files readers sensor_validity store",
    "pipelines.protocols": "files",
    "pipelines.readers": "column_order files images sequence simulator",
    "pipelines.report": "paper player statistics tables",
    "pipelines.sensor_validity": "files",
    "pipelines.sequence": "files",
    "pipelines.simulator": "files protocols sequence",
    "pipelines.statistics": "",
    "pipelines.store": "cleaning files images sequence",
    "pipelines.strict": "sequence",
    "pipelines.tables": "statistics",
    "orchestrator": "",
    "orchestrator.checkpoints": "training",
    "orchestrator.cluster": "host",
    "orchestrator.comparison": "checkpoints cluster evaluation grid jobs tracking training",
    "orchestrator.continual": "checkpoints cluster comparison evaluation grid jobs tracking training",
    "orchestrator.doctor": "cluster host tracking",
    "orchestrator.evaluation": "checkpoints training",
    "orchestrator.export": "checkpoints",
    "orchestrator.failures": "",
    "orchestrator.grid": "checkpoints cluster evaluation failures jobs ray_train tracking training",
    "orchestrator.host": "",
    "orchestrator.imbalance": "cluster comparison grid jobs tracking training",
    "orchestrator.jobs": "cluster tracking",
    "orchestrator.line_sweep": "cluster failures grid jobs ray_train sweep tracking training",
    "orchestrator.logged_model": "checkpoints export tracking",
    "orchestrator.paper": "cluster comparison evaluation grid jobs ray_train tracking training",
    "orchestrator.ray_train": "checkpoints cluster failures jobs logged_model tracking training",
    "orchestrator.sqlite": "",
    "orchestrator.stream_sweep": "cluster continual grid jobs line_sweep training",
    "orchestrator.sweep": "checkpoints cluster evaluation failures jobs logged_model ray_train sqlite "
    "tracking training",
    "orchestrator.tracking": "failures host sqlite",
    "orchestrator.training": "tracking",
    "orchestrator.unihpe": "checkpoints cluster comparison evaluation grid jobs line_sweep paper tracking "
    "training",
    "experiments": "",
    "experiments.__main__": "cli",
    "experiments.awc_sweep": "cli",
    "experiments.cli": "supported",
    "experiments.commands": "jobs presets",
    "experiments.compare_methods": "cli",
    "experiments.continual_streams": "cli",
    "experiments.controlled_imbalance": "cli",
    "experiments.jobs": "presets",
    "experiments.paper_tables": "cli",
    "experiments.presets": "",
    "experiments.supported": "",
    "experiments.unihpe_stages": "cli",
    "experiments.unihpe_tables": "cli",
}
"""Room -> rooms of the same folder that it may import. A file beside the rooms is a room by itself."""

ONLY_IN_ORCHESTRATOR = {"ray", "mlflow", "optuna"}
FORBIDDEN = {
    "models": {"pyarrow", "polars", "torch.distributed"} | ONLY_IN_ORCHESTRATOR,
    "balancing": {"pyarrow", "polars", "torch.distributed"} | ONLY_IN_ORCHESTRATOR,
    "pipelines": ONLY_IN_ORCHESTRATOR,
    "experiments": ONLY_IN_ORCHESTRATOR,
}
MOST_FILES = 12
"""In one folder, beside its `__init__.py`."""


@cache
def graph_of_the_package() -> Graph:
    """The import graph of all files, which takes seconds."""
    return import_graph()


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_import_one_way(folder: str) -> None:
    for module, imported in graph_of_the_package().items():
        if module.split(".")[1] == folder:
            other = {name.split(".")[1] for name in imported} - {folder}
            assert other <= MAY_IMPORT[folder], module


def test_rooms_import_what_the_table_allows() -> None:
    found = {}
    for room, imported in between_rooms(graph_of_the_package()).items():
        folder = room.split(".")[0]
        inside = {name for name in imported if name.split(".")[0] == folder}
        found[room] = " ".join(sorted(name.removeprefix(f"{folder}.") for name in inside))
    assert found == ROOMS, "keep the table true, and think before a room learns of another"


def test_nothing_imports_in_a_circle() -> None:
    graph = graph_of_the_package()
    assert circles(graph) == []
    assert circles(between_rooms(graph)) == []


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_libraries_stay_in_their_folder(folder: str) -> None:
    for path in source_files():
        if path.is_relative_to(ROOT / folder):
            names = imported_names(path)
            wrong = {name for name in names if {name, name.split(".")[0]} & FORBIDDEN[folder]}
            assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_private_parts_of_ray_are_imported_in_one_file() -> None:
    private = {
        str(path.relative_to(ROOT))
        for path in source_files()
        for name in imported_names(path)
        if name.startswith("ray.") and any(part.startswith("_") for part in name.split("."))
    }
    assert private == {"orchestrator/cluster/ray_private.py"}


def test_every_folder_says_what_lives_there_and_is_small() -> None:
    for folder in {path.parent for path in source_files()}:
        docstring = (folder / "__init__.py").read_text().split('"""')[1]
        assert len(docstring) > 20, folder
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_FILES, folder


def write(root: Path, files: dict[str, str]) -> None:
    """A tree of files with their content."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def test_the_graph_sees_imports_wherever_they_are(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "models/__init__.py": "",
            "models/a.py": "def f():\n    from equipose.models import b\n",
            "models/b.py": "import equipose.models.c.d\n",
            "models/c/__init__.py": "",
            "models/c/d.py": "from equipose.models.a import f\n",
        },
    )
    graph = import_graph(tmp_path)
    assert graph["equipose.models.a"] == {"equipose.models.b"}
    assert circles(graph) == [["equipose.models.a", "equipose.models.b", "equipose.models.c.d"]]
    assert module_of(tmp_path / "models" / "c" / "__init__.py", tmp_path) == "equipose.models.c"


def test_relative_imports_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"models/a.py": "from . import b\n"})
    with pytest.raises(ValueError, match="relative"):
        imported_names(tmp_path / "models" / "a.py")
