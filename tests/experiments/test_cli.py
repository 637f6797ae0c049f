"""The command line: help for every verb, one clear line for bad input, no tracebacks."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

import equipose
import experiments
from equipose.experiments.cli import COMMANDS, SUMMARIES, command, guarded, main
from equipose.experiments.presets.names import FusionName
from equipose.models.build import Fusion
from equipose.orchestrator.failures import TrackingServerError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """(exit status, stdout, stderr) of `equipose ...` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(args)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.mark.parametrize("verb", [[], *([verb] for verb in COMMANDS)], ids=["none", *COMMANDS])
def test_help(run: Run, verb: list[str]) -> None:
    status, out, _ = run(*verb, "--help")
    assert status == 0
    assert f"usage: equipose {' '.join(verb)}".strip() in out
    if not verb:
        assert all(name in out for name in COMMANDS)


def test_the_list_of_verbs_says_what_their_docstrings_say() -> None:
    assert {verb: (command(verb).__doc__ or "").splitlines()[0] for verb in COMMANDS} == SUMMARIES


HELP_OF_ALL = """
import contextlib, io, sys
from equipose.experiments.cli import COMMANDS, main

for verb in [[], *([verb] for verb in COMMANDS)]:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main([*verb, "--help"])
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_help_imports_no_large_library() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"equipose", "tyro"} <= loaded
    assert not loaded & {
        "matplotlib",
        "mlflow",
        "numpy",
        "optuna",
        "polars",
        "pyarrow",
        "ray",
        "scipy",
        "torch",
    }


def test_completion_knows_the_options_of_every_verb(run: Run) -> None:
    status, out, _ = run("--tyro-print-completion", "bash")
    assert status == 0
    assert {"--data-root", "--mlflow-url", "--informativeness"} <= set(re.findall(r"--[a-z-]+", out))


def test_fusions_have_the_names_that_models_know() -> None:
    assert get_args(FusionName) == get_args(Fusion)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"equipose {equipose.__version__}\n"


SCRIPTS = {
    "awc_sweep": "sweep",
    "compare_methods": "compare",
    "controlled_imbalance": "controlled",
    "paper_tables": "tables",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_verbs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Path(experiments.__file__).parent / f"{name}.py"
    monkeypatch.setattr("sys.argv", [str(script), "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(script), run_name="__main__")
    shown = capsys.readouterr().out
    assert f"usage: {name}.py" in shown
    assert command(SCRIPTS[name]).__doc__.splitlines()[0] in " ".join(shown.split())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("prepare", "mmfi", "empty", "--out", "store"), "empty"),
        (("prepare", "mmfi", "missing", "--out", "store"), "missing"),
        (("prepare", "mars", "a-file", "--out", "store"), "a-file"),
        (("inspect", "missing"), "missing"),
        (("inspect", "empty"), "empty"),
        (("sweep", "--data", "mars"), "--data mars needs --data-root"),
        (("sweep", "--data", "mmfi", "--data-root", "missing"), "not a folder"),
        (("sweep", "--data-root", "empty"), "simulated reads no files"),
        (("sweep", "--trials", "2"), "trials must be at least 6"),
        (("sweep", "--resume"), "no unfinished job awc-simulated-quick"),
        (("train", "--data", "mars"), "--data mars needs --data-root"),
        (("train", "--method", "magic"), "magic"),
        (("simulate", "out", "--subjects", "S99"), "S99"),
        (("ui", "empty"), "holds no mlflow.db"),
    ],
)
def test_bad_input_is_one_clear_line(run: Run, tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").write_text("x")
    status, _, err = run(*args)
    assert status == 2
    assert err.startswith("equipose: ")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "equipose-out" / "sweeps").exists(), "a refused job leaves nothing to resume"


@pytest.mark.parametrize("args", [("fly",), ("sweep", "--speed", "9"), ("sweep", "--preset", "huge")])
def test_wrong_words_are_refused(run: Run, args: tuple[str, ...]) -> None:
    status, _, err = run(*args)
    assert status == 2
    assert args[-1] in err or args[-2] in err


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("x is 1"), 2), (TrackingServerError("no server"), 2), (KeyboardInterrupt(), 130)],
)
def test_failures_end_with_a_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        guarded(fail)
    assert ended.value.code == status
    assert capsys.readouterr().err.startswith("equipose: ")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)
