"""The tutorial does what it says: its shell and Python blocks run in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of every fenced block, in order."""
    return BLOCK.findall(text)


def as_script(text: str) -> str:
    """The whole tutorial as one Python script; what is meant for a terminal runs in a shell."""
    lines = ["import subprocess"]
    for language, code in blocks(text):
        if language == "sh":
            lines.append(f"subprocess.run(['bash', '-euc', {code!r}], check=True)")
        elif language == "python":
            lines.append(code)
    return "\n".join(lines)


def test_blocks_are_found_and_those_that_wait_for_the_reader_are_not_run() -> None:
    text = "```sh\nls\n```\nThen:\n```python\nx = 1\n```\n```console\n$ equipose ui\n```\n"
    assert [language for language, _ in blocks(text)] == ["sh", "python", "console"]
    assert (
        as_script(text) == "import subprocess\nsubprocess.run(['bash', '-euc', 'ls\\n'], check=True)\nx = 1\n"
    )


def test_the_tutorial_trains_predicts_and_compares() -> None:
    script = as_script((ROOT / "docs/tutorial.md").read_text())
    compile(script, "docs/tutorial.md", "exec")
    for part in ("equipose train", "equipose compare", "load_model(", "shapley_values("):
        assert part in script


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(1800)
def test_the_tutorial_runs(tmp_path: Path) -> None:
    script = tmp_path / "tutorial.py"
    script.write_text(as_script((ROOT / "docs/tutorial.md").read_text()))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+\.\d mm on \d+ test frames", done.stdout)
    assert re.search(r"\|\s*awc\b", done.stdout), done.stdout
