"""One name for everything: the package list is the tree, and nothing is installed beside `equipose`."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import equipose
from benchmarks.code_shape import FOLDERS, ROOT, module_of, source_files

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_the_package_list_is_the_tree() -> None:
    found = {module_of(path) for path in source_files() if path.name == "__init__.py"}
    assert set(SETUPTOOLS["packages"]) == {"equipose", *found}
    assert {path.parent for path in source_files()} == {
        path.parent for path in source_files() if path.name == "__init__.py"
    }


def test_every_folder_is_mapped_and_linked() -> None:
    assert SETUPTOOLS["package-dir"] == {
        "equipose": "equipose", **{f"equipose.{folder}": folder for folder in FOLDERS}
    }  # fmt: skip
    for folder in FOLDERS:
        link = ROOT / "equipose" / folder
        assert link.is_symlink()
        assert link.resolve() == ROOT / folder


@pytest.mark.parametrize("name", equipose.__all__)
def test_the_names_for_notebooks_are_there(name: str) -> None:
    assert getattr(equipose, name) is not None
    assert name in dir(equipose)


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'open_shop'; it has .*open_store"):
        equipose.open_shop  # noqa: B018


def test_importing_the_package_alone_is_quick_and_light() -> None:
    script = (
        "import sys, equipose; print([m for m in ('torch', 'ray', 'mlflow', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_runs_the_smoke_sweep(tmp_path: Path) -> None:
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("equipose-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"equipose"}
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env" / "bin"
    install = [str(programs / "python"), *pip, "install", "-c", str(ROOT / "constraints.txt")]
    for wanted in ("torch==2.13.0", str(wheel)):
        subprocess.run([*install, wanted], check=True, timeout=900, cwd=tmp_path, env=environment)
    # A folder named as one of ours, where people start commands, must not be imported in place of it.
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise RuntimeError('a stranger was imported')")
    command = [str(programs / "equipose"), "sweep", "--preset", "smoke", "--quiet", "--out", "out"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "results: out" in done.stdout
