"""The cluster files are what Ray's own launcher accepts, and name only what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from equipose.experiments.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
FILES = ("cluster.yaml", "clusters/aws.yaml", "clusters/gcp.yaml")


def config(name: str) -> dict[str, Any]:
    """A cluster file as it is."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


@pytest.mark.parametrize("name", FILES)
def test_ray_s_launcher_accepts_it(name: str) -> None:
    prepared = prepare_config(config(name))
    validate_config(prepared)
    types = prepared["available_node_types"]
    assert prepared["head_node_type"] in types
    if name != "cluster.yaml":
        gpu = [kind for kind in types if "gpu" in kind]
        assert gpu
        assert all(types[kind]["max_workers"] > 0 for kind in gpu)


def test_ray_s_launcher_refuses_what_is_wrong() -> None:
    wrong = config("cluster.yaml") | {"worker_node_types": {}}
    with pytest.raises(Exception, match="worker_node_types"):
        validate_config(prepare_config(wrong))


@pytest.mark.parametrize("name", FILES)
def test_everything_mounted_exists_and_is_all_that_is_installed(name: str) -> None:
    mounts = config(name)["file_mounts"]
    for remote, local in mounts.items():
        assert local.startswith("~/.ray/") or (ROOT / local).exists(), remote
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = set(project["tool"]["setuptools"]["package-dir"].values())
    needed = folders | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert needed == {local for local in mounts.values() if "environment" not in local and "~" not in local}


@pytest.mark.parametrize("name", FILES)
def test_versions_are_the_pinned_ones_and_tokens_are_asked_for(name: str) -> None:
    commands = "\n".join(config(name)["setup_commands"])
    (torch,) = re.findall(r"torch==([\d.]+)", commands)
    assert f"torch=={torch}\n" in (ROOT / "constraints.txt").read_text()
    assert commands.index("torch==") < commands.index("constraints.txt ~/equipose")
    assert "environment.sh >> ~/.bashrc" in commands.replace("'", "")
    assert "export RAY_AUTH_MODE=token" in (ROOT / "clusters/environment.sh").read_text()
    assert config(name)["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", ["head", "worker"])
def test_start_commands_are_options_of_ray_start(name: str, where: str) -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    commands = " ".join(config(name)[f"{where}_start_ray_commands"])
    used = set(re.findall(r"--[\w-]+", commands))
    assert used <= known, used - known
    assert "--dashboard-host=127.0.0.1" in commands or where == "worker"


@pytest.mark.parametrize("name", FILES)
def test_shell_commands_can_be_parsed(name: str) -> None:
    whole = config(name)
    for key in (key for key in whole if key.endswith("commands")):
        for command in whole[key]:
            checked = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", ["docs/cluster.md", "cluster.yaml"])
def test_every_command_of_the_guide_exists(name: str) -> None:
    from ray.scripts.scripts import cli

    text = (ROOT / name).read_text()
    for verb in re.findall(r"^(?:#   )?\s*ray ([a-z-]+)", text, re.M):
        assert verb in cli.commands, verb
    for script in re.findall(r"experiments/\w+\.py|clusters/\w+\.\w+", text):
        assert (ROOT / script).exists(), script
    for verb in re.findall(r"equipose ([a-z]+) ", text):
        assert verb in COMMANDS, verb
    assert shutil.which("bash")
