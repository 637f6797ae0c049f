"""What is typed for the simulator becomes its settings, or an error that says what can be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.experiments.presets.typed.simulated import parse_contamination, simulator_config
from equipose.pipelines.prepare import prepare
from equipose.pipelines.simulator import Contamination, SimulatorConfig, drawn_rooms
from equipose.pipelines.store import read_contamination


def test_texts_become_settings() -> None:
    typed = ["dropout.wifi=0.3", "dropout.rgb=0.1", "radar_clutter=2", "lidar_points=250", "noise.rgb=2"]
    config = simulator_config(typed, frames=7, noise={"lidar": 3.0})
    assert config == SimulatorConfig(
        frames=7,
        noise={"lidar": 3.0, "rgb": 2.0},
        dropout={"wifi": 0.3, "rgb": 0.1},
        radar_clutter=2.0,
        lidar_points=250,
    )
    assert simulator_config([]) == SimulatorConfig()


def test_a_strength_draws_rooms_with_the_seed() -> None:
    assert simulator_config([], 0.5, seed=3).rooms == drawn_rooms(3, 0.5)
    assert simulator_config(["seed=4"], 1.0).rooms == drawn_rooms(4, 1.0)
    assert simulator_config([], 0.0).rooms == {}


def test_contamination_is_typed_in_one_piece() -> None:
    text = (
        "rate=0.2,kinds=gauss+swap,sensors=rgb,gauss.rgb=30,per_recording=true,clock=3,subjects=S01-S03+S09"
    )
    assert parse_contamination(text) == Contamination(
        rate=0.2,
        kinds=("gauss", "swap"),
        sensors=("rgb",),
        gauss={"rgb": 30.0},
        per_recording=True,
        clock=3,
        subjects=("S01", "S02", "S03", "S09"),
    )
    assert parse_contamination("rate=1") == Contamination(rate=1.0)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("dropout=0.3", r"dropout=0\.3.*dropout\.SENSOR=value"),
        ("frames.rgb=3", r"frames\.rgb=3.*frames=value"),
        ("sonar=3", r"sonar=3.*such as dropout\.wifi=0\.3; fields are \['seed'"),
        ("frames", r"'frames' must read field=value"),
        ("frames=x", "frames is 'x'; give a value of int"),
        ("dropout.rgb=2", r"dropout\[rgb\]: 2\.0 is not allowed; use a number in \[0"),
        ("rooms=1", "rooms=1.*use --rooms"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(typed: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulator_config([typed])


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("kinds=gauss", r"has no rate; write such as rate=0\.2"),
        ("rate=0.2,gauss+swap", r"'gauss\+swap' must read field=value"),
        ("rate=0.2,kinds=fog", r"kinds: \['fog'\] is not allowed; known are"),
        ("rate=often", "rate is 'often'; give a value of float"),
        ("rate=0.2,subjects=S50", "'S50' is no S-code"),
        ("rate=0.2,gauss=30", r"gauss=30.*gauss\.SENSOR=value"),
        ("rate=0.2,sonar=1", "fields are .*'per_recording'"),
    ],
)
def test_a_wrong_contamination_is_named_with_its_remedy(typed: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_contamination(typed)


def test_simulated_files_with_rooms_and_contamination_become_a_store_with_its_truth(tmp_path: Path) -> None:
    tree = str(tmp_path / "tree")
    small = ["simulate", tree, "--subjects", "S12", "--actions", "A02", "--frames", "6"]
    main(
        [
            *small,
            "--rooms",
            "1",
            "--contaminate",
            "rate=0.5,kinds=gauss,sensors=rgb",
            "--override",
            "lidar_points=100",
        ]
    )
    store = prepare("mmfi", tree, tmp_path / "store")
    found = read_contamination(store)
    assert found is not None
    assert found.select("sensor", "kind", "strength").unique().rows() == [("rgb", "gauss", 25.0)]
    assert len(found) == 3
    config = store.header["settings"]["config"]
    assert config["lidar_points"] == 100
    assert config["contamination"]["rate"] == 0.5
    assert config["rooms"]["E02"]["facing"] == drawn_rooms(0)["E02"].facing
    assert store.provenance["rgb"] == {"simulated:2.rooms.contaminated": 1}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--rooms", "9", "strength: 9.0"),
        ("--contaminate", "rate=2", "rate: 2.0"),
        ("--override", "x=1", "'x=1'"),
    ],
)
def test_simulate_writes_nothing_for_a_wrong_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(tmp_path / "tree"), option, value])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "tree").exists()
