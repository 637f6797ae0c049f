"""The evaluation of a checkpoint on disk: numbers against a plain recomputation, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from equipose.models.skeleton import JOINTS
from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.evaluation import evaluation as evaluations
from equipose.orchestrator.evaluation.advice import advice_of, write_advice
from equipose.orchestrator.evaluation.chosen_frames import choose_frames
from equipose.orchestrator.evaluation.files import seal
from equipose.orchestrator.evaluation.model_report import (
    ModelReport,
    evaluate_model,
    is_report,
    read_report,
    write_report,
)
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.store import Store
from equipose.pipelines.tables.formats import to_frame

COSTS = {"money": {"rgb": 50.0, "lidar": 900.0, "mmwave": 100.0, "wifi": 20.0}}


@pytest.fixture(scope="module")
def trained(trained_run: Path) -> TrainedModel:
    return load_model(trained_run)


@pytest.fixture(scope="module")
def report(trained: TrainedModel, small_store: Store) -> ModelReport:
    return evaluate_model(trained, small_store, choose_frames(trained, small_store, part="all"))


@pytest.fixture(scope="module")
def written(report: ModelReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "out"
    write_report(report, folder)
    return folder


def distances(trained: TrainedModel, store: Store, sensors: tuple[str, ...]) -> np.ndarray:
    """[frames, 17] mm of the model with these sensors only, by whole passes."""
    apart = []
    for batch in trained.batches(store.index["row"].to_numpy(), store).in_order():
        chosen = torch.tensor([name in sensors for name in trained.sensors])
        with torch.no_grad():
            pose = trained.model(replace(batch, present=batch.present & chosen)).pose
        apart.append(np.linalg.norm((pose - batch.pose).double().numpy(), axis=-1))
    return 1000 * np.concatenate(apart)


@pytest.mark.parametrize(
    ("subset", "sensors"), [("RLMW", ("rgb", "lidar", "mmwave", "wifi")), ("M", ("mmwave",))]
)
def test_the_csv_is_what_whole_passes_give(
    written: Path, trained: TrainedModel, small_store: Store, subset: str, sensors: tuple[str, ...]
) -> None:
    table = pl.read_csv(written / "errors.csv").filter(pl.col("subset") == subset)
    apart, index = distances(trained, small_store, sensors), small_store.index
    mpjpe = table.filter(pl.col("metric") == "mpjpe_mm")
    expected = {("all", "all"): apart.mean()}
    for by in ("environment", "action", "subject"):
        for group in index[by].unique():
            expected[by, group] = apart[(index[by] == group).to_numpy()].mean()
    found = {(row["by"], row["group"]): row["error_mm"] for row in mpjpe.iter_rows(named=True)}
    assert found == pytest.approx(expected, rel=1e-5)
    joints = table.filter(pl.col("by") == "joint")
    assert dict(joints.select("group", "error_mm").iter_rows()) == pytest.approx(
        dict(zip(JOINTS, apart.mean(axis=0), strict=True)), rel=1e-5
    )
    assert table["provenance"].unique().to_list() == ["simulated data"]
    assert (mpjpe.filter(pl.col("by") == "all")["clusters"]).to_list() == [8]
    whole = mpjpe.filter(pl.col("by") == "all").row(0, named=True)
    assert whole["low_mm"] < whole["error_mm"] < whole["high_mm"]


def test_tables_say_what_the_csv_says(written: Path) -> None:
    numbers = pl.read_csv(written / "errors.csv")
    subsets = pl.read_csv(written / "subsets.csv")
    whole = numbers.filter(by="all", metric="mpjpe_mm")
    assert subsets["sensors"].to_list() == whole["subset"].to_list()
    assert subsets["MPJPE"].to_list() == pytest.approx(whole["error_mm"].to_list())
    assert subsets["MPJPE low"].to_list() == pytest.approx(whole["low_mm"].to_list())
    rooms = pl.read_csv(written / "rooms.csv")
    assert rooms["room"].to_list() == ["E01", "E02", "E03", "E04"]
    for name in ("subsets", "joints", "actions", "rooms"):
        assert "simulated data" in (written / f"{name}.md").read_text()
    for name in ("errors", "joints", "lattice"):
        assert (written / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_read_back_it_is_the_same(written: Path, report: ModelReport) -> None:
    assert is_report(written)
    found = read_report(written)
    assert found.about == report.about
    assert found.evaluation.frames.equals(report.evaluation.frames)
    alone = read_report(written / "evaluation")
    assert alone.about["checkpoint"] == ""
    assert alone.evaluation.frames.equals(report.evaluation.frames)
    assert not is_report(written.parent)


def test_a_report_that_is_half_replaced_is_none(
    report: ModelReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = "equipose.orchestrator.evaluation.model_report.write_pictures"
    monkeypatch.setattr(pictures, lambda *_: None)
    write_report(report, tmp_path)
    assert is_report(tmp_path)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pictures, full)
    with pytest.raises(OSError, match="no space left"):
        write_report(report, tmp_path)
    assert not is_report(tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"checkpoint": 1}'])
def test_a_damaged_about_is_named(report: ModelReport, tmp_path: Path, content: str) -> None:
    evaluations.save_evaluation(report.evaluation, tmp_path / "evaluation")
    (tmp_path / "about.json").write_text(content)
    with pytest.raises(DataError, match=r"about\.json: content is damaged"):
        read_report(tmp_path)


@pytest.mark.parametrize("name", ["features.npy", "frames.parquet", "joints.parquet"])
def test_sealed_files_that_are_not_of_an_evaluation_are_refused(
    report: ModelReport, tmp_path: Path, name: str
) -> None:
    """Whoever writes a file can write its checksum too."""
    evaluations.save_evaluation(report.evaluation, tmp_path / "e")
    if name == "features.npy":
        np.save(tmp_path / "e" / name, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "e" / name)
    content = json.loads((tmp_path / "e" / "report.json").read_text())
    kept = {key: value for key, value in content.items() if key not in ("sha256", "files", "format")}
    seal(kept, tmp_path / "e", "report.json", files=tuple(content["files"]))
    with pytest.raises(DataError, match="not that of an evaluation") as raised:
        read_report(tmp_path / "e")
    assert len(str(raised.value).splitlines()) == 1


def test_advice_has_the_front_the_steps_and_latency(
    report: ModelReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipose.orchestrator.evaluation.latency.ROUNDS", 1)
    advice = advice_of(report, COSTS)
    every = to_frame(advice.subsets)
    assert len(every) == 15
    errors = dict(
        report.errors().filter(by="all", metric="mpjpe_mm").select("subset", "error_mm").iter_rows()
    )
    assert dict(every.select("sensors", "MPJPE").iter_rows()) == pytest.approx(errors)
    best = every.filter(pl.col("Pareto front") == "yes")["sensors"].to_list()
    assert sorted(best) == sorted(to_frame(advice.front)["sensors"].to_list())
    assert min(errors, key=lambda name: errors[name]) in best
    assert (every["ms, batch 64"] > 0).all()
    assert "load average" in advice.latency_text
    assert advice.all_steps is not None
    assert len(advice.all_steps.rows) == 28
    write_advice(advice, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "choices.csv",
        "choices.md",
        "cost-1.png",
        "front.csv",
        "front.md",
        "steps.csv",
        "steps.md",
    ]
    assert "load average" in (tmp_path / "front.md").read_text()


def test_advice_without_the_model_says_why_there_is_no_latency(report: ModelReport) -> None:
    for change, words in (
        ({"checkpoint": ""}, "give the checkpoint itself"),
        ({"checkpoint": "/nowhere"}, "no checkpoint here"),
        ({"store": "/nowhere"}, "store is missing"),
    ):
        advice = advice_of(replace(report, about={**report.about, **change}), {})
        assert words in advice.latency_text
        assert "cost, sensors" in advice.front.header
    assert "--no-latency" in advice_of(report, {}, latency=False).latency_text


def test_costs_that_do_not_fit_the_model_are_refused(report: ModelReport) -> None:
    with pytest.raises(ValueError, match=r"cost 'money' lacks \['mmwave', 'wifi'\]"):
        advice_of(report, {"money": {"rgb": 1.0, "lidar": 2.0}})


def test_one_sensor_has_no_picture_of_what_one_more_does(report: ModelReport) -> None:
    errors, found = report.errors(), report.evaluation.report
    assert "lattice" in report.figures(errors)
    one = replace(report.evaluation, report=replace(found, modalities=found.modalities[:1]))
    assert "lattice" not in replace(report, evaluation=one).figures(errors)
