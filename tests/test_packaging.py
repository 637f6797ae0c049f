"""One name for everything: the package list is the tree, and nothing is installed beside `equipose`."""

from __future__ import annotations

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
def test_a_wheel_alone_runs_the_smoke_sweep(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("equipose-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"equipose"}
    # An environment of its own that sees the libraries of this one, but not its editable install.
    libraries = next(path for path in map(Path, sys.path) if (path / "torch").is_dir())
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    inside = next((tmp_path / "env" / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(inside)
    (inside / "libraries.pth").write_text("")
    run = [str(python), "-P", "-m", "equipose.experiments", "sweep", "--preset", "smoke", "--quiet"]
    done = subprocess.run(
        [*run, "--out", str(tmp_path / "out")],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(libraries),
            "PYTHONSAFEPATH": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    where = "import equipose.models as m; print(m.__file__)"
    found = subprocess.run(
        [str(python), "-P", "-c", where], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert str(inside) in found.stdout
