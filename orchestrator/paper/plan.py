"""The paper's tables as runs: for every position in every table, the runs that it needs.

A position is a row and a column (a protocol) of one table. Rows of several tables that need equal runs share
them, so each is trained once.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.schedules import share_of
from equipose.models.build import Fusion
from equipose.orchestrator.comparison.checks import CHANGED, as_check
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.grid.variants import lasting, with_modalities
from equipose.orchestrator.training.config import TrainConfig, to_json
from equipose.orchestrator.training.data import part_rows
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.paper.awc import ALPHAS, AWC_TABLES, SENSORS, WINDOWS, alpha_row, main_row, window_row
from equipose.pipelines.paper.awc import METHODS as MAIN_METHODS
from equipose.pipelines.store import open_store

TABLES: tuple[str, ...] = tuple(AWC_TABLES)
FUSIONS: tuple[Fusion, ...] = ("concat", "mlp", "attention")
OF_SUBSETS = ("modalities",)
"""Tables whose rows are models of some of the sensors; the others stand beside numbers of all of them."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """A row and column of a table."""

    table: str
    row: str
    column: str


@dataclass(frozen=True, kw_only=True)
class PaperConfig:
    """Which tables are rebuilt, on which data, and with how much training."""

    name: str
    base: TrainConfig
    """Plain training with concat fusion; every run varies it."""
    columns: Mapping[str, tuple[str, str]]
    """Column of a table -> (protocol, split); the first is what the ablations use."""
    other_columns: tuple[str, ...] = ()
    """Those that could be asked for too; the report says that they are left out."""
    of_other_fusions: tuple[str, ...] | None = None
    """Methods that the main table has under other fusions than concatenation; None: all."""
    lengths: Mapping[Fusion, float] = field(default_factory=dict)
    """Fusion -> how many times as long as the base run its runs are; once where it is not named."""
    checks: bool = True
    """Also measure convergence and headroom of every fusion and column of the main table."""
    methods: Mapping[str, MethodConfig]
    """Methods of the main table, their schedules fitted to the run."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of every table."""
    more_seeds: tuple[int, ...] = ()
    """Of the main table and its checks besides: methods differ by less than rows of the other tables."""
    tables: tuple[str, ...] = TABLES
    workers: int = 1
    select: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.tables) - set(TABLES))
        if unknown or not self.tables:
            raise ValueError(f"tables {unknown or 'none'} are unknown; use some of {list(TABLES)}")
        every = self.seeds_of("main")
        if not self.seeds or len(set(every)) < len(every):
            raise ValueError(f"seeds must be different and at least one, got {every}")
        if self.of_other_fusions is not None and not {"plain", "awc"} <= set(self.of_other_fusions):
            raise ValueError(f"of_other_fusions {self.of_other_fusions} must hold plain and awc")
        missing = sorted({"plain", "awc"} - set(self.methods))
        if missing:
            raise ValueError(f"methods lack {missing}, which the ablations vary; add them")

    @property
    def awc(self) -> AWC.Config:
        """AWC as in the main table; its window is fitted to the run."""
        method = self.methods["awc"]
        assert isinstance(method, AWC.Config)
        return method

    @property
    def ablated(self) -> str:
        """The column of the ablations."""
        return next(iter(self.columns))

    def seeds_of(self, table: str) -> tuple[int, ...]:
        """Those of a table."""
        return (*self.seeds, *self.more_seeds) if table == "main" else self.seeds

    def compares(self, fusion: Fusion, method: str) -> bool:
        """Whether the main table has a method under a fusion."""
        return fusion == FUSIONS[0] or self.of_other_fusions is None or method in self.of_other_fusions

    def window(self, epochs: int) -> int:
        """A window of the paper, scaled from its 50 epochs to the epochs of this run."""
        return share_of(epochs, self.base.epochs)

    def run(
        self, column: str, seed: int, *, fusion: Fusion = "concat", method: MethodConfig | None = None
    ) -> TrainConfig:
        """The run of a method (default: plain training) in a fusion and column."""
        protocol, split = self.columns[column]
        data = replace(self.base.data, protocol=protocol, split=split)
        model = replace(self.base.fusion_model, fusion=fusion)
        method = method or self.methods["plain"]
        run = replace(self.base, data=data, model=model, method=method, seed=seed)
        return lasting(run, self.epochs(fusion))

    def epochs(self, fusion: Fusion) -> int:
        """How long the runs of a fusion are."""
        return math.ceil(self.lengths.get(fusion, 1) * self.base.epochs)

    def fingerprint(self, runs: RunsFolder) -> str:
        """16 hex digits for all tables together: data, settings and seeds of every run."""
        content = sorted(map(runs.key, self.runs()))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def plan(self) -> dict[Position, list[RunSpec]]:
        """Position -> its runs, one per seed; equal runs are one spec."""
        made: dict[str, RunSpec] = {}
        plan: dict[Position, list[RunSpec]] = {}
        for seed in self.seeds_of("main"):
            for table in (name for name in self.tables if seed in self.seeds_of(name)):
                for row, column, config in ROWS[table](self, seed):
                    position = Position(table=table, row=row, column=column)
                    spec = self._spec(f"{row} {column} s{seed}", config)
                    plan.setdefault(position, []).append(made.setdefault(_settings(config), spec))
        return plan

    def check_runs(self) -> list[RunSpec]:
        """What the verdicts rest on: plain training with more epochs, and the upper reference."""
        if not self.checks or "main" not in self.tables:
            return []
        return [
            as_check(self._spec(f"{name} {fusion} {column} s{seed}", changed(plain)), stage)
            for seed in self.seeds_of("main")
            for column in self.columns
            for fusion in FUSIONS
            for plain in [self.run(column, seed, fusion=fusion)]
            for stage, (name, changed) in CHANGED.items()
        ]

    def runs(self) -> list[RunSpec]:
        """Every run once, seed by seed: those of the tables in their order, then the checks."""
        specs = {spec.name: spec for specs in self.plan().values() for spec in specs}
        return sorted([*specs.values(), *self.check_runs()], key=lambda spec: spec.config.seed)

    def _spec(self, name: str, config: TrainConfig) -> RunSpec:
        plain = config.method == self.methods["plain"]
        whole = config.model.modalities == self.base.model.modalities
        refit = self.checks and plain and whole and "main" in self.tables
        return RunSpec(name=name, config=config, workers=self.workers, select=self.select, refit=refit)


def _settings(config: TrainConfig) -> str:
    return json.dumps(to_json(config), sort_keys=True)


def check_data(config: PaperConfig) -> None:
    """Raise DataError unless the store has training, validation and test frames for every column needed."""
    data = config.base.data
    store = open_store(data.store)
    needed = {(spec.config.data.protocol, spec.config.data.split) for spec in config.runs()}
    short: dict[str, DataError] = {}
    for column, (protocol, split) in config.columns.items():
        if (protocol, split) in needed:
            try:
                part_rows(store, replace(data, protocol=protocol, split=split))
            except DataError as error:
                short[column] = error
    if not short:
        return
    fit = [column for column in config.columns if column not in short]
    remedy = f"; or keep to the columns that it can fill: --columns {' '.join(fit)}" if fit else ""
    column, why = next(iter(short.items()))
    raise DataError(f"column {column} of the tables: {why}{remedy}")


def check_sensors(config: PaperConfig) -> None:
    """Raise ValueError where the models lack sensors that the published numbers of a table are of."""
    whole = [table for table in config.tables if table not in OF_SUBSETS]
    paper, ours = tuple(SENSORS.values()), config.base.model.modalities
    if whole and set(ours) != set(paper):
        raise ValueError(
            f"tables {whole} stand beside published numbers of models with {', '.join(paper)}, but the "
            f"sensors are {', '.join(ours)}; use --tables {' '.join(OF_SUBSETS)}, or `equipose compare`"
        )
    if not set(ours) & set(paper):
        raise ValueError(f"no row has only sensors of {', '.join(ours)}; rows have {', '.join(paper)}")


Needed = Iterator[tuple[str, str, TrainConfig]]
"""(row, column, run)."""


def _main(paper: PaperConfig, seed: int) -> Needed:
    for column in paper.columns:
        for fusion in FUSIONS:
            for name in MAIN_METHODS:
                if name in paper.methods and paper.compares(fusion, name):
                    run = paper.run(column, seed, fusion=fusion, method=paper.methods[name])
                    yield main_row(fusion, name), column, run


def _cost(paper: PaperConfig, seed: int) -> Needed:
    for fusion in FUSIONS:
        yield fusion, "training", paper.run(paper.ablated, seed, fusion=fusion, method=paper.awc)


def _modalities(paper: PaperConfig, seed: int) -> Needed:
    sensors: dict[str, Any] = {k: v for k, v in SENSORS.items() if v in paper.base.model.modalities}
    plain = paper.run(paper.ablated, seed)
    for row in AWC_TABLES["modalities"].rows:
        chosen = tuple(sensors[letter] for letter in row if letter in sensors)
        if len(chosen) == len(row):
            yield row, paper.ablated, with_modalities(plain, chosen)


def _alpha(paper: PaperConfig, seed: int) -> Needed:
    for high, low in ALPHA_PAIRS:
        row = alpha_row(high, low)
        assert row in ALPHAS.rows
        # Without any penalty it is plain training, whose run other tables need too.
        method = absolute_awc(paper.awc, high, low) if high or low else None
        yield row, paper.ablated, paper.run(paper.ablated, seed, method=method)


def absolute_awc(awc: AWC.Config, alpha_s: float, alpha_i: float) -> AWC.Config:
    """AWC with the paper's kind of strength, whatever sets it in the other tables.

    What only a ratio of gradients reads is as by default, so that another ratio leaves these runs alone.
    """
    unread = AWC.Config()
    return replace(
        awc,
        **AWC.published,
        alpha_s=alpha_s,
        alpha_i=alpha_i,
        ratio_s=unread.ratio_s,
        ratio_i=unread.ratio_i,
    )


def _window(paper: PaperConfig, seed: int) -> Needed:
    for k in WINDOW_LENGTHS:
        row = window_row(k)
        assert row in WINDOWS.rows
        yield (
            row,
            paper.ablated,
            paper.run(paper.ablated, seed, method=replace(paper.awc, window=paper.window(k))),
        )


def _profit(paper: PaperConfig, seed: int) -> Needed:
    awc = paper.run(paper.ablated, seed, method=paper.awc)
    yield "pearson", paper.ablated, awc
    yield "mse", paper.ablated, replace(awc, value_function="negative_mse")


ALPHA_PAIRS: tuple[tuple[float, float], ...] = (
    (0.0, 0.0),
    (0.0, 1e4),
    (1e4, 0.0),
    (1e4, 1e4),
    (2e4, 1e4),
    (2e4, 2e4),
    (3e4, 2e4),
)
WINDOW_LENGTHS: tuple[int, ...] = (5, 10, 15, 20, 25, 30)
ROWS = {
    "main": _main,
    "cost": _cost,
    "modalities": _modalities,
    "alpha": _alpha,
    "window": _window,
    "profit": _profit,
}
"""Table -> the runs that its rows need, for one seed."""
