"""The `paper` preset on a tiny MM-Fi tree: the real reader and the real settings, one epoch instead of 50."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.simulator.tree import write_mmfi_tree

SCRIPT = Path(__file__).parents[3] / "experiments" / "paper_tables.py"
SUBJECTS, ACTIONS = ("S02", "S12"), ("A02", "A03")
"""In P1-S1, S02 trains both actions, S12 validates A02 and tests A03."""
FRAMES = 8
"""Per sequence: the batch of 192 then holds 16 frames. A full one takes some 20 GiB on a CPU."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mmfi") / "MMFi"
    write_mmfi_tree(root, subjects=SUBJECTS, actions=ACTIONS, config=SimulatorConfig(frames=FRAMES))
    return root


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(1800)
def test_the_papers_settings_on_a_tiny_tree(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    short = ["--tables", "profit", "--seeds", "1", "--epochs", "1"]
    command = [sys.executable, str(SCRIPT), "--preset", "paper", "--data-root", str(tree), *short]
    command += ["--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 table: 2 runs" in done.stdout
    configs = [json.loads(path.read_text())["config"] for path in out.glob("cells/*/result.json")]
    assert len(configs) == 2
    for config in configs:
        assert (config["epochs"], config["data"]["batch"]["batch_size"]) == (1, 192)
        assert config["model"]["preset"] == "paper"
        optimizer = config["optimizer"]
        assert (optimizer["lr"], optimizer["step_epochs"]) == (1e-3, 1), "30 of 50 epochs, at least 1"
        assert (config["method"]["alpha_s"], config["method"]["alpha_i"]) == (20_000.0, 10_000.0)
    assert {config["value_function"] for config in configs} == {"pearson", "negative_mse"}
    (report,) = out.glob("results/*/report.html")
    page = report.read_text()
    assert "simulated data; protocol P1, split S1; 8 frames" in page, "the tree says that it is simulated"
    assert len(set(re.findall(r"/runs/([0-9a-f]{32})/", page))) == 2


def test_protocols_that_a_tiny_tree_cannot_fill_are_named_with_the_remedy(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tables", "--preset", "paper", "--data-root", str(tree), "--plan", "--out", str(tmp_path)])
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "column P2 of the tables: protocol P2, split S1, does not fit this store" in said
    assert "P2 needs some of the actions ['A01'," in said
    assert said.endswith("or keep to the columns that it can fill: --columns P1 P3")
