"""Options of jobs: frozen, checked, and read back from the `job.json` of this and earlier versions."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from equipose.experiments.presets.comparison import ComparisonOptions
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.paper import TablesOptions
from equipose.experiments.presets.sweep import SweepOptions

SWEEP: dict[str, Any] = {
    "data": "mmfi", "data_root": "/data/MMFi", "preset": "paper", "protocol": "P1", "split": "S1", "seed": 3,
    "trials": None, "epochs": 4, "workers": 2, "gpu": True, "override": ["optimizer.lr=3e-4"],
}  # fmt: skip
COMPARISON: dict[str, Any] = {
    "data": "simulated", "data_root": None, "preset": "smoke", "methods": ["plain", "awc"], "seeds": 2,
    "fusions": ["concat"], "protocols": ["P1", "P3"], "split": "S1", "budget": 2, "epochs": 2, "alone": True,
    "workers": 1, "gpu": False, "override": [],
}  # fmt: skip
TABLES: dict[str, Any] = {
    "preset": "quick", "data": "simulated", "data_root": None, "tables": ["alpha"], "columns": [],
    "seeds": None, "epochs": None, "workers": 1, "gpu": False, "override": [], "mlflow_url": None,
}  # fmt: skip
WRITTEN: list[tuple[type[ResumableOptions], dict[str, Any]]] = [
    (SweepOptions, SWEEP), (ComparisonOptions, COMPARISON), (TablesOptions, TABLES)
]  # fmt: skip
"""Options -> the content of a job.json that an earlier version wrote."""
NEW: dict[str, Any] = {"sensors": [], "store": None}
"""What options of an earlier version lack."""
NEW_OF: dict[type[ResumableOptions], dict[str, Any]] = {
    ComparisonOptions: {"checks": True, "optimizers": ["adam"], "starts": ["new"]},
    TablesOptions: {"all_methods": False, "checks": True},
}
"""The same of one verb."""
by_verb = pytest.mark.parametrize(("kind", "plain"), WRITTEN, ids=[kind.verb for kind, _ in WRITTEN])


@by_verb
def test_earlier_files_are_read_and_written_again_with_what_is_new(
    kind: type[ResumableOptions], plain: dict[str, Any]
) -> None:
    options = kind.from_json(plain)
    assert options.to_json() == plain | NEW | NEW_OF.get(kind, {})
    assert kind.from_json(options.to_json()) == options


def test_values_have_their_types() -> None:
    options = SweepOptions.from_json(SWEEP)
    assert options == SweepOptions(
        data="mmfi",
        data_root=Path("/data/MMFi"),
        preset="paper",
        protocol="P1",
        split="S1",
        seed=3,
        epochs=4,
        workers=2,
        gpu=True,
        override=("optimizer.lr=3e-4",),
    )
    with pytest.raises(FrozenInstanceError):
        options.seed = 4  # type: ignore[misc]


@by_verb
def test_every_faulty_field_is_named_with_its_file(
    kind: type[ResumableOptions], plain: dict[str, Any]
) -> None:
    for field in plain:
        with pytest.raises(
            ValueError, match=rf"^out/job\.json holds .*: {field}\S* is .*; correct it or delete"
        ):
            kind.from_json({**plain, field: {"x": 1}}, "out/job.json")
    with pytest.raises(ValueError, match="field speed is unknown"):
        kind.from_json({**plain, "speed": 1})
    with pytest.raises(ValueError, match="field data is missing"):
        kind.from_json({name: value for name, value in plain.items() if name != "data"})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": "3"}, "seed is '3': .*valid integer"),
        ({"seed": 3.0}, "seed is 3.0: .*valid integer"),
        ({"seed": True}, "seed is True: .*valid integer"),
        ({"seed": float("nan")}, "seed is nan: "),
        ({"gpu": 1}, "gpu is 1: .*valid boolean"),
        ({"data": "kinect"}, "data is 'kinect'; use 'simulated', 'mars', 'mmfi', .* or 'simulated_moving'"),
        ({"preset": "huge"}, "preset is 'huge'"),
        ({"override": "a=1"}, "override is 'a=1'"),
        ({"override": ["a=1", 2]}, "override.1 is 2: .*valid string"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"workers": -1}, "workers must be at least 1, got -1"),
        ({"protocol": "\ud800"}, "job.json holds no options of sweep"),
    ],
)
def test_reading_is_strict(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SweepOptions.from_json(SWEEP | changed)


@pytest.mark.parametrize("field", ["methods", "fusions", "protocols"])
def test_a_comparison_needs_one_of_each(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must name at least one"):
        ComparisonOptions.from_json(COMPARISON | {field: []})
    with pytest.raises(ValueError, match=f"{field} must name at least one"):
        replace(ComparisonOptions.from_json(COMPARISON), **{field: ()})


def test_the_command_that_resumes() -> None:
    out = Path("out")
    sweep, tables = SweepOptions.from_json(SWEEP), TablesOptions.from_json(TABLES)
    assert sweep.resume_command(out) == "equipose sweep --data mmfi --preset paper --out out --resume"
    assert tables.resume_command(out) == (
        "equipose tables --preset quick --data simulated --tables alpha --out out --resume"
    )
    assert (sweep.stem, tables.stem) == ("awc-mmfi-paper", "tables-simulated-quick")
    assert ComparisonOptions.from_json(COMPARISON).stem == "compare-simulated-smoke"
