"""Sizes of the tables: `paper` has the paper's settings, and bad options cost a line and no job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.experiments.cli import main
from equipose.experiments.commands import tables
from equipose.experiments.jobs.pages import pages_address
from equipose.experiments.presets.names import PaperPresetName
from equipose.experiments.presets.paper import PAPER_PRESETS, TablesOptions, paper_config
from equipose.experiments.presets.sizes import PRESETS
from equipose.orchestrator.paper.plan import FUSIONS, TABLES
from equipose.orchestrator.training.config import OptimizerConfig
from equipose.pipelines.paper.awc import METHODS
from equipose.pipelines.protocols import splits

OPTIONS = TablesOptions(preset="paper", data="mmfi")


def test_the_paper_preset_has_the_papers_settings() -> None:
    paper = paper_config("t", OPTIONS, "store")
    base = paper.base
    assert (base.epochs, base.data.batch.batch_size, base.model.preset) == (50, 192, "paper")
    assert base.optimizer == OptimizerConfig(lr=1e-3, weight_decay=0.0, step_epochs=30, gamma=0.1)
    assert (base.optimizer.name, base.optimizer.clip_norm) == ("adam", None)
    assert base.method == Plain.Config()
    assert base.data.train_stride == 1, "every frame"
    assert (paper.awc.alpha_s, paper.awc.alpha_i, paper.awc.window) == (20_000, 10_000, 20)
    assert (paper.awc.strength, paper.awc.active) == ("alpha", range(20))
    assert (paper.awc.fisher_fraction, paper.awc.loss_unit) == (1.0, "m")
    assert paper.awc == AWC.Config(window=20, **AWC.published)
    assert paper.seeds == (0, 1, 2)
    assert paper.columns == {name: (name, "S1") for name in ("P1", "P2", "P3")}
    assert paper.other_columns == ()
    assert tuple(paper.methods) == tuple(METHODS)
    assert paper.tables == TABLES
    assert [paper.window(k) for k in (5, 10, 15, 20, 25, 30)] == [5, 10, 15, 20, 25, 30]


def test_epochs_shorten_the_run_and_its_schedules_only() -> None:
    whole, short = paper_config("t", OPTIONS, ""), paper_config("t", replace(OPTIONS, epochs=1), "")
    assert short.base.epochs == 1
    assert short.base.data == whole.base.data
    assert short.base.model == whole.base.model
    assert short.base.optimizer == replace(whole.base.optimizer, step_epochs=1), "the drop is a schedule too"
    assert (short.awc.alpha_s, short.awc.window) == (20_000, 1)


@pytest.mark.parametrize("preset", PAPER_PRESETS)
def test_every_preset_makes_every_table(preset: PaperPresetName) -> None:
    config = paper_config("t", replace(OPTIONS, preset=preset), "")
    assert {position.table for position in config.plan()} == set(TABLES)
    assert PAPER_PRESETS[preset].sizes.epochs == config.base.epochs


@pytest.mark.parametrize("preset", ["smoke", "quick"])
def test_simulated_presets_fill_every_column(preset: PaperPresetName) -> None:
    there = pairs_of(preset)
    for protocol, split in PAPER_PRESETS[preset].columns.values():
        assert all(there & set(pairs) for pairs in splits(protocol, split).values()), protocol


def pairs_of(preset: PaperPresetName) -> set[tuple[str, str]]:
    chosen = PAPER_PRESETS[preset].sizes.simulated
    return {(s, a) for s in chosen.subjects for a in chosen.actions}


@pytest.mark.parametrize("protocol", ["P1", "P2", "P3"])
def test_quick_trains_on_six_people_and_tests_on_eight_others(protocol: str) -> None:
    parts = splits(*PAPER_PRESETS["quick"].columns[protocol])
    there = pairs_of("quick")
    people = {part: {s for s, _ in there & set(pairs)} for part, pairs in parts.items()}
    assert {part: len(found) for part, found in people.items()} == {"train": 6, "validation": 4, "test": 8}
    assert not people["train"] & people["test"]
    actions = {action for _, action in there & set(parts["train"])}
    assert len(actions) == {"P1": 4, "P2": 4, "P3": 8}[protocol]
    for part, pairs in parts.items():
        assert {action for _, action in there & set(pairs)} == actions, part


def test_quick_is_long_enough_and_counts_its_runs() -> None:
    quick = paper_config("t", replace(OPTIONS, preset="quick", data="simulated"), "")
    compared = PRESETS["quick"].train_config("", "P1", "S2", 0)
    faster = replace(compared.optimizer, lr=1e-2)
    assert quick.base == replace(compared, optimizer=faster), "the size of the other verbs' quick"
    assert [quick.epochs(fusion) for fusion in FUSIONS] == [40, 120, 120], "each until it has converged"
    assert (quick.seeds, quick.more_seeds) == ((0, 1, 2), (3, 4))
    asked = paper_config("t", replace(OPTIONS, preset="quick", data="simulated", seeds=4), "")
    assert (asked.seeds, asked.more_seeds) == ((0, 1, 2, 3), ())
    assert quick.columns == {"P1": ("P1", "S2")}
    assert quick.other_columns == ("P2", "P3")
    assert len(quick.runs()) == 3 * (40 + 6) + 2 * (14 + 6), "the docs say so"
    whole = paper_config("t", replace(OPTIONS, preset="quick", data="simulated", all_methods=True), "")
    assert len(whole.runs()) == 3 * (50 + 6) + 2 * (24 + 6)
    every = paper_config("t", replace(OPTIONS, preset="quick", columns=("P1", "P2", "P3")), "")
    assert every.other_columns == ()
    assert len(every.runs()) == 3 * (40 + 2 * 14 + 3 * 6) + 2 * 3 * (14 + 6)


@pytest.mark.parametrize("preset", PAPER_PRESETS)
def test_strengths_of_awc(preset: PaperPresetName) -> None:
    config = paper_config("t", replace(OPTIONS, preset=preset), "")
    assert config.awc.strength == ("alpha" if preset == "paper" else "ratio")
    assert config.awc.active is not None
    assert set(config.awc.active) & set(range(config.base.epochs)), "a run too short for it is plain training"
    for position, runs in config.plan().items():
        for method in (run.config.method for run in runs):
            if isinstance(method, AWC.Config):
                absolute = position.table == "alpha" or preset == "paper"
                assert method.strength == ("alpha" if absolute else "ratio"), position


def test_chosen_columns_keep_their_order() -> None:
    config = paper_config("t", replace(OPTIONS, columns=("P3", "P1")), "")
    assert list(config.columns) == ["P1", "P3"]
    assert config.ablated == "P1"
    assert paper_config("t", replace(OPTIONS, columns=("P3",)), "").ablated == "P3"
    with pytest.raises(
        ValueError, match=r"columns \['P4'\] are unknown; this preset has \['P1', 'P2', 'P3'\]"
    ):
        paper_config("t", replace(OPTIONS, columns=("P4",)), "")


def test_overrides_reach_every_run_or_one_method() -> None:
    config = paper_config("t", replace(OPTIONS, override=("optimizer.lr=3e-4", "awc.alpha_s=15000")), "")
    assert config.base.optimizer.lr == 3e-4
    assert config.base.method == Plain.Config()
    assert config.awc == AWC.Config(window=20, alpha_s=15_000, **AWC.published)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=1", "use --seeds"),
        ("epochs=3", "use --epochs"),
        ("method=awc", "use the method's name, such as awc.ratio_s=0.5"),
        ("method.alpha_s=1", "use the method's name"),
        ("model.fusion=mlp", "use --tables"),
        ("data.protocol=P3", "use --columns"),
        ("awc.speed=1", "speed"),
        ("awc=1", "speed|awc"),
        ("optimizer.speed=1", "no setting 'speed'"),
    ],
)
def test_overrides_that_would_be_lost_are_refused(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paper_config("t", replace(OPTIONS, override=(override,)), "")


def test_the_printed_command_asks_for_the_same_tables() -> None:
    assert OPTIONS.command(Path("OUT")) == "equipose tables --preset paper --data mmfi --out OUT"
    full = replace(
        OPTIONS, data_root=Path("/my data"), tables=("alpha", "profit"), columns=("P1",), seeds=1, epochs=2,
        workers=2, gpu=True, override=("awc.ratio_s=0.5",),
    )  # fmt: skip
    assert full.command(Path("OUT")) == (
        "equipose tables --preset paper --data mmfi --data-root '/my data' --tables alpha profit "
        "--columns P1 --seeds 1 --epochs 2 --override awc.ratio_s=0.5 --workers 2 --gpu --out OUT"
    )


def test_links_lead_where_the_reader_has_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert pages_address(None) == "http://127.0.0.1:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.lab/")
    assert pages_address(None) == "https://mlflow.lab"
    assert pages_address("http://other:80/") == "http://other:80"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--tables", "beta"), "tables ['beta'] are unknown"),
        (("--columns", "P9"), "columns ['P9'] are unknown"),
        (("--seeds", "0"), "seeds must be different and at least one"),
        (("--epochs", "0"), "epochs"),
        (("--preset", "paper"), "--data mmfi needs --data-root"),
        (("--preset", "mars"), "--data mars needs --data-root"),
        (("--override", "seed=1"), "use --seeds"),
        (("--resume",), "no unfinished job tables-simulated-quick"),
    ],
)
def test_bad_options_take_no_job_name(
    args: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tables, "run_job", lambda *_, **__: pytest.fail("the job ran"))
    with pytest.raises(SystemExit) as ended:
        main(["tables", *args, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/tables/*"))
