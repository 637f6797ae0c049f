"""`--store PATH` takes the place of raw data on every verb; its header says what it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from equipose.experiments.cli import main
from equipose.experiments.commands import compare, sweep, tables
from equipose.experiments.presets import sources
from equipose.experiments.presets.imbalance import (
    IMBALANCE,
    ControlledOptions,
    given_levels,
    imbalance_config,
    level_stores,
)
from equipose.experiments.presets.sizes import PRESETS, SimulatedSelection
from equipose.experiments.presets.sources import DataSource, check_source, chosen_source, ensure_store
from equipose.experiments.presets.sweep import SweepOptions, sweep_config
from equipose.pipelines import readers
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import open_store

SMOKE = PRESETS["smoke"].simulated
VERBS = {"sweep": sweep, "compare": compare, "tables": tables}


PARTS = {"S01": "train", "S02": "test"}


class TimedReader(SimulatedReader):
    """Simulated recordings that come as training and test parts, as those of MARS do."""

    def sequences(self, root: SimulatedSource) -> list[SequenceKey]:
        return [key._replace(part=PARTS[key.subject]) for key in super().sequences(root)]

    def read(self, root: SimulatedSource, key: SequenceKey) -> Any:
        return replace(super().read(root, key._replace(part="")), part=key.part)


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of a source of the user's own, in time parts."""
    path = tmp_path_factory.mktemp("data") / "timed"
    root = SimulatedSource(subjects=("S01", "S02"), actions=("A02",), config=SimulatorConfig(frames=4))
    return str(prepare("ours", root, path, reader=TimedReader()).path)


def refused(*args: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints that exits with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(args)
    err = capsys.readouterr().err
    assert (ended.value.code, len(err.splitlines())) == (2, 1)
    return err


def test_kind_and_split_come_from_the_header(store_path: Path, timed: str) -> None:
    simulated, ours = chosen_source(None, None, str(store_path)), chosen_source(None, None, timed)
    assert simulated == DataSource(kind="simulated", store=str(store_path))
    assert (simulated.real, simulated.default_split()) == (False, ("P1", "S2"))
    assert (ours.kind, ours.real, ours.default_split()) == ("ours", True, ("MARS", "time"))
    assert chosen_source("simulated", None, str(store_path)) == simulated
    assert chosen_source(None, None, None, (), "mmfi") == DataSource(kind="mmfi")


def test_a_relative_path_is_kept_absolute(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store_path.parent)
    assert chosen_source(None, None, store_path.name).store == str(store_path)


def test_the_given_store_is_used_as_it_is(store_path: Path, tmp_path: Path) -> None:
    source = chosen_source(None, None, str(store_path))
    assert ensure_store(source, tmp_path, SMOKE) == str(store_path)
    assert list(tmp_path.iterdir()) == []
    options = SweepOptions(data=source.kind, store=source.store, preset="smoke", protocol="P1", split="S1")
    assert SweepOptions.from_json(options.to_json()) == options
    assert options.source == source
    assert options.resume_command(Path("out")) == (
        f"equipose sweep --store {store_path} --preset smoke --out out --resume"
    )
    assert sweep_config("s", options, str(store_path)).base.data.train_stride == 1
    mars = replace(options, data="mars")
    assert sweep_config("s", mars, "").base.data.train_stride == PRESETS["smoke"].real_stride


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--data-root", "/raw"), "takes the place of raw data; leave out --data-root /raw"),
        (("--data", "mars"), "holds simulated data; leave out --data mars"),
    ],
)
@pytest.mark.parametrize("verb", ["train", *VERBS])
def test_contradictions_are_refused(
    verb: str, more: tuple[str, ...], message: str, store_path: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    err = refused(verb, "--store", str(store_path), "--out", str(out), *more, capsys=capsys)
    assert f"--store {store_path} {message}" in err
    assert not out.exists()


@pytest.mark.parametrize("verb", ["train", *VERBS, "controlled"])
def test_what_is_no_store_is_refused(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(verb, "--store", str(tmp_path / "none"), "--out", str(tmp_path / "out"), capsys=capsys)
    assert str(tmp_path / "none") in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("train", "--protocol", "P1", "--split", "S1"), r"--store {}: .*time parts .*use protocol MARS"),
        (("sweep", "--protocol", "P2", "--split", "S1"), r"--store {}: .*time parts .*use protocol MARS"),
        (("compare", "--protocols", "P1", "--split", "S1"), r"--store {}: .*time parts .*use protocol MARS"),
        (("tables",), r"column P1 of the tables: .*time parts .*use protocol MARS"),
    ],
)
def test_a_split_that_the_store_does_not_have_takes_no_job(
    args: tuple[str, ...], message: str, timed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(*args, "--store", timed, "--out", str(tmp_path / "out"), capsys=capsys)
    assert re.search(message.format(re.escape(timed)), err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_every_job_runs_on_the_given_store(
    verb: str, small_store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []

    def run(name: str, options: Any, out: Path, **_: Any) -> None:
        ran.append(options)

    monkeypatch.setattr(VERBS[verb], "run_job", run)
    columns = ("--columns", "P1") if verb == "tables" else ()
    main([verb, "--preset", "smoke", "--store", small_store.path, *columns, "--out", str(tmp_path)])
    assert ran[0].store == small_store.path
    assert ran[0].data == "simulated"
    (job,) = tmp_path.glob("*/*/job.json")
    assert json.loads(job.read_text())["store"] == small_store.path


def test_a_missing_folder_of_raw_files_points_to_stores() -> None:
    with pytest.raises(ValueError, match=r"--data mmfi needs --data-root.* is given as --store"):
        check_source(DataSource(kind="mmfi"))


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Stores of two levels of the controlled experiment."""
    smoke = IMBALANCE["smoke"]
    one = SimulatedSelection(subjects=("S01",), actions=("A02",), frames=2)
    preset = replace(smoke, sizes=replace(smoke.sizes, simulated=one))
    return [level.store for level in level_stores(preset, "mmwave", tmp_path_factory.mktemp("levels"))]


def test_the_controlled_experiment_takes_the_stores_of_its_levels(levels: list[str]) -> None:
    found = given_levels("mmwave", levels)
    assert [level.name for level in found] == ["informativeness 1", "informativeness 0.1"]
    assert [level.store for level in found] == levels
    plain = ControlledOptions(preset="smoke")
    given = replace(plain, stores=tuple(levels))
    assert imbalance_config(given, found).name != imbalance_config(plain, found).name


def test_levels_differ_in_the_weak_sensor_only(levels: list[str], store_path: Path, timed: str) -> None:
    with pytest.raises(ValueError, match=rf"{store_path}: header is unlike that of {levels[0]}"):
        given_levels("mmwave", [levels[0], str(store_path)])
    assert open_store(timed).header["settings"]["config"]["informativeness"]["mmwave"] == 1


def test_real_data_has_no_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SimpleNamespace(header={"source": "mmfi", "settings": {}}, keys=())
    monkeypatch.setattr("equipose.experiments.presets.imbalance.open_store", lambda path: real)
    with pytest.raises(ValueError, match=r"real: source is 'mmfi'; a level needs simulated data"):
        given_levels("mmwave", ["real"])


class OwnReader:
    """An installed reader of data that lacks most of the usual sensors, without settings."""

    default_split = ("P1", "S1")

    def sensors(self, root: object) -> tuple[str, ...]:
        return ("rgb", "depth")


def test_a_reader_of_its_own_sensors_needs_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sources, readers):
        monkeypatch.setattr(module, "reader_of", lambda name: OwnReader())
    plain = DataSource(kind="own", root=tmp_path)
    assert plain.model_sensors() == ("rgb", "depth")
    kept = DataSource(kind="own", root=tmp_path, sensors=plain.model_sensors())
    assert isinstance(kept.reader(), OwnReader)
    assert sources.store_path(kept, tmp_path, SMOKE) == sources.store_path(plain, tmp_path, SMOKE)
    with pytest.raises(ValueError, match="--sensors is not an option of own; leave it out"):
        DataSource(kind="own", root=tmp_path, sensors=("lidar",)).reader()
