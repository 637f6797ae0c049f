"""Every sensor added to every model without it: differences, what hurts beyond chance, where it is shown."""

from __future__ import annotations

from pathlib import Path

import made_tables
import pytest
from made_tables import finished, links, small_paper

from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.paper.report import write_report
from equipose.orchestrator.paper.steps import TITLE, sensor_steps
from equipose.pipelines.tables.table import Table

WORTH_MM = {"rgb": -30.0, "lidar": -20.0, "mmwave": -0.001, "wifi": 15.0}
"""What a sensor adds to the error of any model."""


@pytest.fixture
def additive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors to which every sensor adds its own."""

    def error_mm(spec: RunSpec) -> float:
        return 150.0 + spec.config.seed + sum(WORTH_MM[name] for name in spec.config.model.modalities)

    monkeypatch.setattr(made_tables, "error_mm", error_mm)


def rows(table: Table) -> dict[str, tuple[float | None, str]]:
    """Step -> (difference, verdict)."""
    return {step.text: (change.value, verdict.text) for step, change, verdict in table.rows}


@pytest.mark.usefixtures("additive")
def test_every_step_between_models_is_judged(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_paper(store_path, seeds=(0, 1, 2), tables=("modalities",))
    table = sensor_steps(finished(config, monkeypatch))
    assert table is not None
    found = rows(table)
    assert len(found) == 28
    letters = {"R": "rgb", "L": "lidar", "M": "mmwave", "W": "wifi"}
    says = {"rgb": "helps", "lidar": "helps", "wifi": "hurts"}
    for step, (change, verdict) in found.items():
        added = letters[step[-1]]
        assert change == pytest.approx(WORTH_MM[added], abs=1e-6), step
        assert verdict == says.get(added, verdict), step
    assert any("7 of 28 steps raise the error, 7 beyond chance" in note for note in table.notes)
    assert table.caption.title == TITLE
    assert table.caption.provenance == "simulated data"


def test_without_models_of_fewer_sensors_there_are_no_steps(
    store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sensor_steps(finished(small_paper(store_path, tables=("alpha",)), monkeypatch)) is None


@pytest.mark.usefixtures("additive")
def test_the_report_has_the_steps_below_the_combinations(
    store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_paper(store_path, tables=("modalities", "profit"))
    page = write_report(finished(config, monkeypatch), links, tmp_path, command="again").read_text()
    assert page.index("Sensor combinations, ") < page.index(TITLE) < page.index("Profit function of")
    assert (tmp_path / "tables" / "steps.csv").exists()
