"""How large a rebuild of the paper's tables is: which data, widths and lengths."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from equipose.experiments.presets.comparison import method_configs
from equipose.experiments.presets.names import PaperPresetName
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import FEW_SUBJECTS, PRESETS, Preset, SimulatedSelection, codes
from equipose.models.build import Fusion
from equipose.models.sensors import point_views
from equipose.orchestrator.jobs.location import Kind
from equipose.orchestrator.paper.plan import TABLES, PaperConfig, check_sensors
from equipose.orchestrator.training.config import OptimizerConfig
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.paper.awc import METHODS


@dataclass(frozen=True, kw_only=True)
class PaperPreset:
    """One size of the tables."""

    sizes: Preset
    """Data, widths, batches and optimiser."""
    columns: dict[str, tuple[str, str]]
    """Column of a table -> (protocol, split): all that can be asked for."""
    unasked: tuple[str, ...] = ()
    """Columns that are rebuilt where none are named; empty: all."""
    seeds: int = 3
    main_seeds: int | None = None
    """Of the main comparison, where it has more."""
    fisher_fraction: float = 1.0
    of_other_fusions: tuple[str, ...] | None = None
    """Methods under MLP and attention fusion where not all are asked for."""
    lengths: Mapping[Fusion, float] = field(default_factory=dict)
    """Fusion -> how many times as long its runs are, where it needs that to converge."""
    published: bool = False
    """Methods in the setting of their own paper, where their defaults depart from it."""


def _mmfi_columns(split: str) -> dict[str, tuple[str, str]]:
    return {protocol: (protocol, split) for protocol in ("P1", "P2", "P3")}


MMFI_COLUMNS = _mmfi_columns("S1")
"""The paper never names its split; S1 is what its WiFi-only error points to."""


def _sizes(**changes: Any) -> Preset:
    """Sizes with the fields that only a sweep needs filled in."""
    return Preset(trials=1, **changes)


ALL_SUBJECTS = codes("S", *range(1, 41))
DAILY_AND_REHABILITATION = replace(FEW_SUBJECTS, actions=(*FEW_SUBJECTS.actions, *codes("A", 1, 8, 15, 25)))
"""Few people to train on; four actions of P1 and as many of P2, so that P3 has eight."""
PAPER_PRESETS: dict[PaperPresetName, PaperPreset] = {
    "smoke": PaperPreset(
        sizes=_sizes(
            simulated=SimulatedSelection(subjects=ALL_SUBJECTS, actions=codes("A", 2, 1), frames=2),
            real_stride=16,
            model="tiny",
            batch=BatchConfig(batch_size=32, views=point_views(lidar=32, mmwave=16)),
            epochs=2,
        ),
        columns=MMFI_COLUMNS,
        seeds=1,
    ),
    "quick": PaperPreset(
        sizes=replace(PRESETS["quick"], simulated=DAILY_AND_REHABILITATION),
        lengths={"mlp": 3, "attention": 3},
        columns=_mmfi_columns("S2"),
        unasked=("P1",),
        of_other_fusions=("plain", "ogm_ge", "awc"),
        main_seeds=5,
        fisher_fraction=0.25,
    ),
    "mars": PaperPreset(
        sizes=_sizes(
            simulated=PRESETS["quick"].simulated,
            real_stride=8,
            model="tiny",
            batch=BatchConfig(batch_size=32, views=point_views(lidar=96, mmwave=24)),
            optimizer=OptimizerConfig(lr=1e-2),
            epochs=108,
        ),
        columns={"MARS": ("MARS", "time")},
        of_other_fusions=("plain", "ogm_ge", "awc"),
        lengths={"mlp": 2, "attention": 3},
        fisher_fraction=0.25,
    ),
    "paper": PaperPreset(sizes=PRESETS["paper"], columns=MMFI_COLUMNS, published=True),
}
"""`smoke` is for tests; AWC trains plainly in the first of its two epochs.

`mars` has real radar and motion; the other sensors are simulated. Its test part follows the training part in
time, so training long still pays (plain, one seed, mm): concatenation 55.5 after 12 epochs with a learning
rate of 3e-3, 31.1 after 108 with 1e-2, 30.7 after 162; MLP 42.9 after 216, 42.2 after 324; attention 30.8
after 216, 29.6 after 324.

`paper` has the paper's settings: Adam 1e-3, x0.1 at epoch 30, batch 192, 50 epochs, alpha 20k/10k, K 20,
three seeds. Without a GPU a batch of 192 at the paper's widths takes about 20 GiB, so runs go one at a time.

`quick` trains on six people and tests on eight others: 178 runs in P1, of which MLP and attention fusion have
those of three methods; all methods take 50 more. P2 and P3 take 100 each, P3 with twice the frames. Methods
are compared over five seeds, as three leave nearly all undecided; the other tables have three. MLP and
attention fusion train three times as long as concatenation: after 60 epochs, half as many again still take
6 % of attention's error (simulated data, plain, three seeds, mm: 71.6 after 60 epochs, 67.1 after 90, 62.1
after 120, 61.4 after 180), and after 90 they take 5 % of the MLP's (76.7, 76.0, 73.5 and 73.0; 72.5 after
135)."""


@dataclass(frozen=True, kw_only=True)
class TablesOptions(ResumableOptions):
    """Options of `equipose tables`."""

    kind: ClassVar[Kind] = "tables"
    verb: ClassVar[str] = "tables"
    grows = "seeds"

    preset: PaperPresetName
    tables: tuple[str, ...] = ()
    """Empty: all."""
    columns: tuple[str, ...] = ()
    """Empty: those that the preset has unasked."""
    seeds: int | None = None
    """How many in every table, counted from 0; None: the preset's numbers."""
    all_methods: bool = False
    """Every method under every fusion, where the preset has fewer."""
    checks: bool = True
    """Also measure convergence and headroom."""
    mlflow_url: str | None = None
    """Target of the report's links."""

    @property
    def stem(self) -> str:
        return f"tables-{self.data}-{self.preset}"

    @property
    def simulated(self) -> SimulatedSelection:
        return PAPER_PRESETS[self.preset].sizes.simulated

    @property
    def extent(self) -> int:
        return PAPER_PRESETS[self.preset].seeds if self.seeds is None else self.seeds

    def command(self, out: Path) -> str:
        """The command that starts a job with these options, to be copied."""
        words: list[Any] = ["equipose", self.verb]
        for name in SHOWN:
            value = None if name == "data" and self.store else getattr(self, name)
            if value is not None and value != ():
                words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else [value])]
        words += ["--workers", self.workers] if self.workers != 1 else []
        words += ["--gpu"] if self.gpu else []
        words += ["--all-methods"] if self.all_methods else []
        words += [] if self.checks else ["--no-checks"]
        return shlex.join([*map(str, words), "--out", str(out)])

    def resume_command(self, out: Path) -> str:
        return f"{self.command(out)} --resume"


SHOWN = (
    "preset", "data", "data_root", "store", "tables", "columns", "seeds", "epochs", "sensors", "override",
)  # fmt: skip
"""Options in the command of a job."""
VARIED: dict[str, str] = {
    "seed": "--seeds",
    "epochs": "--epochs",
    "method": "the method's name, such as awc.ratio_s=0.5",
    "model.fusion": "--tables",
    "data.protocol": "--columns",
    "data.split": "--columns",
    "data.store": "--data",
    "value_function": "--tables",
}
"""Settings that the tables vary, and what to use instead of an override."""


def paper_config(name: str, options: TablesOptions, store: str) -> PaperConfig:
    """The tables that a job's options describe, on a prepared store. Raises ValueError for bad options."""
    from equipose.experiments.presets.typed.overrides import with_overrides

    preset = PAPER_PRESETS[options.preset]
    epochs = options.epochs or preset.sizes.epochs
    protocol, split = next(iter(preset.columns.values()))
    base = preset.sizes.resized(epochs, None).train_config(
        store, protocol, split, 0, real=options.source.real, sensors=options.sensors
    )
    names = tuple(METHODS)
    of_runs, of_methods = split_overrides(options.override, names)
    fitted = method_configs(names, epochs, preset.fisher_fraction, published=preset.published)
    methods = {
        name: with_overrides(replace(base, method=method), of_methods[name]).method
        for name, method in zip(names, fitted, strict=True)
    }
    columns = chosen_columns(preset.columns, options.columns or preset.unasked)
    config = PaperConfig(
        name=name,
        base=with_overrides(base, of_runs),
        columns=columns,
        other_columns=tuple(name for name in preset.columns if name not in columns),
        methods=methods,
        of_other_fusions=None if options.all_methods else preset.of_other_fusions,
        lengths=preset.lengths,
        checks=options.checks,
        seeds=tuple(range(options.extent)),
        more_seeds=() if options.seeds else tuple(range(options.extent, preset.main_seeds or 0)),
        workers=options.workers,
        tables=options.tables or TABLES,
    )
    check_sensors(config)
    return config


def chosen_columns(
    columns: Mapping[str, tuple[str, str]], names: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """The named columns in the preset's order, all where none is named; ValueError for an unknown one."""
    unknown = sorted(set(names) - set(columns))
    if unknown:
        raise ValueError(f"columns {unknown} are unknown; this preset has {list(columns)}")
    return {name: split for name, split in columns.items() if not names or name in names}


def split_overrides(
    overrides: Sequence[str], methods: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Overrides of every run, and per method those of its settings (`awc.ratio_s=0.5`).

    Raises ValueError for an override of a setting that the tables vary.
    """
    of_runs: list[str] = []
    of_methods: dict[str, list[str]] = {name: [] for name in methods}
    for text in overrides:
        path = text.partition("=")[0]
        owner, _, field = path.partition(".")
        if owner in of_methods:
            of_methods[owner].append(f"method.{text.removeprefix(owner + '.')}" if field else text)
            continue
        remedy = VARIED.get("method" if owner == "method" else path)
        if remedy:
            raise ValueError(f"override {text!r} has no effect, the tables vary {path}; use {remedy}")
        of_runs.append(text)
    return of_runs, of_methods
