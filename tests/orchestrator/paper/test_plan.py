"""The paper's tables as runs: equal runs are one, and a change touches just the runs that depend on it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from made_tables import small_paper

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.orchestrator.comparison.checks import CONVERGENCE, HEADROOM
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.paper.plan import FUSIONS, ROWS, WINDOW_LENGTHS, PaperConfig, Position, check_data
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.training.data import OpenedData, RunData
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.paper.awc import AWC_TABLES


@pytest.fixture
def paper(store_path: Path) -> PaperConfig:
    return small_paper(store_path)


KEPT = RunsFolder(root=Path("cells"), resources=Resources())


def with_awc(config: PaperConfig, awc: AWC.Config) -> PaperConfig:
    return replace(config, methods={**config.methods, "awc": awc})


def keys(config: PaperConfig, kept: RunsFolder = KEPT) -> dict[Position, list[str]]:
    return {position: [kept.key(spec) for spec in specs] for position, specs in config.plan().items()}


def changed(before: PaperConfig, after: PaperConfig) -> set[tuple[str, str]]:
    """(table, row) whose runs are others; asserts that no seed is left behind."""
    old, new = keys(before), keys(after)
    assert old.keys() == new.keys()
    for position in old:
        differ = {a != b for a, b in zip(old[position], new[position], strict=True)}
        assert len(differ) == 1, position
    return {(position.table, position.row) for position in old if old[position] != new[position]}


def test_runs_that_several_tables_need_are_one_spec(paper: PaperConfig) -> None:
    paper = with_awc(paper, AWC.Config(**AWC.published))
    plan = paper.plan()

    def spec_of(table: str, row: str, column: str = "P1") -> Any:
        return plan[Position(table=table, row=row, column=column)][0]

    plain = spec_of("main", "concat/plain")
    assert plain is spec_of("modalities", "RLMW") is spec_of("alpha", "0/0")
    awc = spec_of("main", "concat/awc")
    assert awc is spec_of("alpha", "20k/10k") is spec_of("window", "K20") is spec_of("profit", "pearson")
    assert spec_of("cost", "mlp", "training") is spec_of("main", "mlp/awc")
    # main 6, cost 0, modalities 14 more, alpha 5 more, window 5 more, profit 1 more; 6 checks
    assert len(paper.runs()) == 2 * (6 + 14 + 5 + 5 + 1 + 6)
    assert len({KEPT.key(spec) for spec in paper.runs()}) == len(paper.runs())
    assert [spec.config.seed for spec in paper.runs()] == [0] * 37 + [1] * 37


def test_every_row_has_a_place_in_the_papers_table(paper: PaperConfig) -> None:
    assert set(ROWS) == set(AWC_TABLES)
    for position, runs in paper.plan().items():
        assert position.row in AWC_TABLES[position.table].rows
        assert [spec.config.seed for spec in runs] == [0, 1]
    for table in ("modalities", "alpha", "window", "profit", "cost"):
        rows = {position.row for position in paper.plan() if position.table == table}
        assert rows == set(AWC_TABLES[table].rows), table


def test_another_alpha_touches_only_what_uses_it(paper: PaperConfig) -> None:
    published = with_awc(paper, AWC.Config(**AWC.published))
    rows = changed(published, with_awc(paper, AWC.Config(**AWC.published, alpha_s=15e3)))
    # The rows of the alpha table name their own strengths, and plain training has none.
    assert {table for table, _ in rows} == {"main", "cost", "window", "profit"}
    assert {row for table, row in rows if table == "main"} == {"concat/awc", "mlp/awc", "attention/awc"}
    assert {row for table, row in rows if table == "window"} == {f"K{k}" for k in WINDOW_LENGTHS}


def test_the_table_of_strengths_has_the_papers_kind_of_strength(paper: PaperConfig) -> None:
    assert paper.awc.strength == "ratio"
    runs = {p.row: specs[0].config.method for p, specs in paper.plan().items() if p.table == "alpha"}
    for row, method in runs.items():
        if row != "0/0":
            assert isinstance(method, AWC.Config)
            assert (method.strength, method.active) == ("alpha", range(20)), row
    plan = paper.plan()
    main = plan[Position(table="main", row="concat/awc", column="P1")][0]
    assert main is not plan[Position(table="alpha", row="20k/10k", column="P1")][0]
    assert len(paper.runs()) == 2 * 38, "one more than where both have absolute weights"
    rows = changed(paper, with_awc(paper, AWC.Config(ratio_s=0.5)))
    assert {table for table, _ in rows} == {"main", "cost", "window", "profit"}


def test_checks_belong_to_the_main_table(paper: PaperConfig) -> None:
    checks = paper.check_runs()
    assert {(run.config.fusion_model.fusion, run.stage, run.config.seed) for run in checks} == {
        (fusion, stage, seed)
        for fusion in FUSIONS
        for stage in (CONVERGENCE, HEADROOM)
        for seed in paper.seeds
    }
    assert {run.config.epochs for run in checks if run.stage == CONVERGENCE} == {75}
    assert all(run.refit == (run.stage == HEADROOM) for run in checks)
    main = {spec.name: spec for p, specs in paper.plan().items() if p.table == "main" for spec in specs}
    assert {name for name, spec in main.items() if spec.refit} == {
        f"{fusion}/plain P1 s{seed}" for fusion in FUSIONS for seed in paper.seeds
    }
    for less in (replace(paper, checks=False), replace(paper, tables=("alpha", "modalities"))):
        assert less.check_runs() == []
        assert not any(run.refit for run in less.runs())


def test_a_fusion_that_converges_later_trains_longer(paper: PaperConfig) -> None:
    longer = replace(paper, base=replace(paper.base, epochs=40), lengths={"attention": 3}, tables=("main",))
    for position, (spec, *_) in longer.plan().items():
        run = spec.config
        times = 3 if "attention" in position.row else 1
        assert (run.epochs, run.optimizer.step_epochs) == (40 * times, 30 * times)
        if isinstance(run.method, AWC.Config):
            assert run.method.active == range(times, 20 * times + times)
    checks = {(run.config.fusion_model.fusion, run.stage): run.config.epochs for run in longer.check_runs()}
    assert checks["attention", CONVERGENCE] == 180
    assert checks["concat", CONVERGENCE] == 60


def test_the_main_table_and_its_checks_may_have_more_seeds(paper: PaperConfig) -> None:
    more = replace(paper, more_seeds=(5,))
    for position, runs in more.plan().items():
        seeds = (0, 1, 5) if position.table == "main" else (0, 1)
        assert tuple(spec.config.seed for spec in runs) == seeds, position
    assert {run.config.seed for run in more.check_runs()} == {0, 1, 5}
    extra = [run for run in more.runs() if run.config.seed == 5]
    assert len(extra) == 6 + 6
    assert len(more.runs()) == len(paper.runs()) + len(extra)


def test_another_optimiser_touches_everything(paper: PaperConfig) -> None:
    other = replace(paper, base=replace(paper.base, optimizer=replace(paper.base.optimizer, lr=2e-3)))
    assert len(changed(paper, other)) == len(paper.plan())


def test_other_data_touch_everything(paper: PaperConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    before, name = keys(paper), paper.fingerprint(KEPT)
    other = replace(KEPT, opened=OpenedData())
    monkeypatch.setattr(RunData, "fingerprint", "other frames")
    after = keys(paper, other)
    assert all(set(before[position]).isdisjoint(after[position]) for position in before)
    assert paper.fingerprint(other) != name


def test_the_fingerprint_stands_for_the_runs(paper: PaperConfig) -> None:
    assert replace(paper, name="another").fingerprint(KEPT) == paper.fingerprint(KEPT)
    assert replace(paper, seeds=(0,)).fingerprint(KEPT) != paper.fingerprint(KEPT)
    assert replace(paper, tables=("alpha",)).fingerprint(KEPT) != paper.fingerprint(KEPT)


def test_all_fifteen_subsets_are_trained(paper: PaperConfig) -> None:
    alone = replace(paper, tables=("modalities",), seeds=(0,))
    trained = [spec.config for spec in alone.runs()]
    every = {s for size in range(1, 5) for s in combinations(paper.base.model.modalities, size)}
    assert len(trained) == len(every) == 15
    assert {config.model.modalities for config in trained} == every
    assert all(config.data.batch.modalities == config.model.modalities for config in trained)
    assert all(config.method == Plain.Config() for config in trained)


def test_sensors_that_are_not_there_have_no_row(paper: PaperConfig) -> None:
    pair = ("rgb", "lidar")
    base = replace(
        paper.base,
        model=replace(paper.base.model, modalities=pair),
        data=replace(paper.base.data, batch=replace(paper.base.data.batch, modalities=pair)),
    )
    fewer = replace(paper, base=base, tables=("modalities",), seeds=(0,))
    assert [position.row for position in fewer.plan()] == ["R", "L", "RL"]


def test_without_any_penalty_it_is_plain_training(paper: PaperConfig) -> None:
    rows = {
        position.row: spec[0].config for position, spec in paper.plan().items() if position.table == "alpha"
    }
    assert rows["0/0"].method == Plain.Config()
    strengths = {
        row: (config.method.alpha_s, config.method.alpha_i)
        for row, config in rows.items()
        if isinstance(config.method, AWC.Config)
    }
    assert strengths == {
        "0/10k": (0, 1e4),
        "10k/0": (1e4, 0),
        "10k/10k": (1e4, 1e4),
        "20k/10k": (2e4, 1e4),
        "20k/20k": (2e4, 2e4),
        "30k/20k": (3e4, 2e4),
    }


@pytest.mark.parametrize(
    ("epochs", "windows"), [(50, [5, 10, 15, 20, 25, 30]), (12, [1, 2, 4, 5, 6, 7]), (1, [1] * 6)]
)
def test_windows_keep_their_share_of_the_epochs(paper: PaperConfig, epochs: int, windows: list[int]) -> None:
    shorter = replace(paper, base=replace(paper.base, epochs=epochs), tables=("window",), seeds=(0,))
    found = [spec.config.method.window for (spec,) in shorter.plan().values()]
    assert found == windows
    assert len(shorter.runs()) == len(set(windows)), "equal windows are one run"


def test_profits_differ_in_the_value_function_alone(paper: PaperConfig) -> None:
    runs = {
        position.row: spec[0].config for position, spec in paper.plan().items() if position.table == "profit"
    }
    assert runs["pearson"].value_function == "pearson"
    assert replace(runs["pearson"], value_function="negative_mse") == runs["mse"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": ("alpha", "beta")}, r"tables \['beta'\] are unknown; use some of"),
        ({"tables": ()}, "tables none are unknown"),
        ({"seeds": ()}, "seeds must be different and at least one"),
        ({"seeds": (1, 1)}, "seeds must be different"),
        ({"more_seeds": (1,)}, r"seeds must be different and at least one, got \(0, 1, 1\)"),
        ({"methods": {"plain": Plain.Config()}}, r"methods lack \['awc'\]"),
    ],
)
def test_what_makes_no_tables_is_refused(store_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_paper(store_path, **changes)


def test_a_column_that_the_data_cannot_fill_is_named_with_the_remedy(paper: PaperConfig) -> None:
    both = replace(paper, columns={"P1": ("P1", "S1"), "P2": ("P2", "S1")})
    with pytest.raises(
        DataError, match=r"column P2 of the tables: .*no frame .* for train.*P2 needs.*--columns P1$"
    ):
        check_data(both)
    check_data(replace(both, tables=("alpha", "cost")))  # the ablations need the first column only
    with pytest.raises(DataError, match=r"some of the actions \[[^]]*\]$"):
        check_data(replace(paper, columns={"P2": ("P2", "S1")}))
