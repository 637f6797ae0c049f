"""The MLflow pages of a finished sweep in a real browser.

Set EQUIPOSE_SCREENSHOTS to a folder to keep pictures of the pages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import PARENT_TAG
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.tracking.ui import compare_page, experiments, run_page, runs_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,9000",  # charts below the fold are never drawn
    "--virtual-time-budget=20000",
    "--run-all-compositor-stages-before-draw",
]
ATTEMPTS = 5
"""Virtual time does not wait for every late request, so a page may be read before its charts are drawn."""

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


def chromium(url: str, action: str, profile: Path) -> str:
    """Standard output of one headless visit."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", action, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


def page_showing(url: str, wanted: list[str], profile: Path) -> str:
    """The page's DOM once it has all wanted texts; fails naming the missing ones."""
    missing = wanted
    for _ in range(ATTEMPTS):
        page = chromium(url, "--dump-dom", profile)
        missing = [text for text in wanted if text not in page]
        if not missing:
            return page
    pytest.fail(f"{url} never showed {missing}")


def picture(name: str, url: str, profile: Path) -> None:
    """Keep a screenshot if EQUIPOSE_SCREENSHOTS is set."""
    folder = os.environ.get("EQUIPOSE_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        chromium(url, f"--screenshot={Path(folder).resolve() / name}.png", profile)


def first_figure(mlflow: Any, runs: list[Any]) -> tuple[str, str]:
    """(run id, path) of a contribution figure among the runs' artifacts."""
    for run in runs:
        for item in mlflow.list_artifacts(run.info.run_id, "figures"):
            if "contribution" in item.path:
                return run.info.run_id, item.path
    pytest.fail("no run has an artifact figures/*contribution*")


def pages_of(uri: str, experiment: str) -> dict[str, tuple[str, list[str]]]:
    """Name -> address and texts: a sweep's runs, its parent run, a chart of contributions and a figure."""
    mlflow = client(uri)
    number = next(e.experiment_id for e in experiments(uri) if e.name == experiment)
    runs = mlflow.search_runs([number])
    children = [run for run in runs if PARENT_TAG in run.data.tags]
    parent = mlflow.get_run(children[0].data.tags[PARENT_TAG])
    charted = next(run for run in runs if "shapley/rgb" in run.data.metrics)
    names = [run.info.run_name for run in children]
    figure_run, figure = first_figure(mlflow, runs)
    return {
        "runs": (runs_page(uri, number), [parent.info.run_name, f"<strong>{len(runs)}</strong>"]),
        "parent": (run_page(uri, number, parent.info.run_id), ["Child runs", *names]),
        "metrics": (
            run_page(uri, number, charted.info.run_id, "model-metrics"),
            ["js-plotly-plot", f"{charted.info.run_name} (shapley/rgb)"],
        ),
        "figure": (run_page(uri, number, figure_run, f"artifacts/{figure}"), [f'<img alt="{figure}"']),
    }


def test_pages_of_a_finished_sweep(sweep_server: TrackingServer, tmp_path: Path) -> None:
    for name, (url, wanted) in pages_of(sweep_server.uri, "equipose/simulated-P1-S2").items():
        page_showing(url, wanted, tmp_path)
        picture(name, url, tmp_path)


def test_compare_view_of_a_comparison(
    finished_comparison: Any, comparison_server: TrackingServer, tmp_path: Path
) -> None:
    """The runs of the methods are named after them, and the error is plotted by default."""
    uri = comparison_server.uri
    mlflow = client(uri)
    number = mlflow.get_experiment_by_name("equipose/simulated-P1-S2").experiment_id
    runs = mlflow.search_runs([number], "tags.stage = 'summary'")
    url = compare_page(uri, number, [run.info.run_id for run in runs])
    wanted = ["Comparing 2 Runs", "plain (2 seeds)", "awc (2 seeds)", "tuned.dial", "simulated data"]
    page = page_showing(url, [*wanted, "test/minus_plain_mm", "parcoords"], tmp_path)
    picture("compare", url, tmp_path)
    chart = page[page.index("parcoords") :].partition("Run details")[0]
    assert "test/mpjpe_mm" in chart
