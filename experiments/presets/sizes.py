"""Sizes of jobs: how much data, which widths, how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.strength import Strength
from equipose.balancing.schedules import fitted, share_of
from equipose.experiments.presets.typed.sensors import chosen_sensors
from equipose.models.build import ModelConfig
from equipose.models.sensors import GridView, point_views
from equipose.orchestrator.sweep.config import RANGES, SearchSpace
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig


@dataclass(frozen=True, kw_only=True)
class SimulatedSelection:
    """Subjects, actions and length of the simulated data."""

    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    frames: int
    """Per sequence, 10 Hz."""
    rooms: float = 0.0
    """How much rooms differ: 0 hardly, 1 as after a sensor rig was installed anew."""
    contamination: float = 0.0
    """Share of the frames in which a reading is spoilt, of the people on whom S2 trains."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One size of the AWC sweep."""

    simulated: SimulatedSelection
    real_stride: int = 1
    """Train on every n-th frame of real data, which has more; neighbouring frames are nearly alike."""
    model: Literal["tiny", "small", "paper"]
    batch: BatchConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: int
    trials: int
    awc: AWC.Config = field(default_factory=AWC.Config)
    """AWC's settings that the sweep does not search; schedules are given for 50 epochs, as in `optimizer`.
    A sweep searches the kind of strength that it names."""

    @property
    def window(self) -> tuple[int, int]:
        """Range of K to search: the paper's 0 to 30 of 50 epochs."""
        return 0, share_of(30, self.epochs)

    @property
    def paper_window(self) -> int:
        """The paper's K = 20 of 50 epochs."""
        return share_of(20, self.epochs)

    @property
    def grace_epochs(self) -> int:
        """Epochs before ASHA may stop a trial: longer than any window, so that none is cut short."""
        return min(self.epochs, self.window[1] + 1)

    def resized(self, epochs: int | None, trials: int | None) -> Preset:
        """The preset with another number of epochs or trials; schedules keep their share of the epochs."""
        return replace(self, epochs=self.epochs if epochs is None else epochs, trials=trials or self.trials)

    def space(self) -> SearchSpace:
        """The search space of the sweep."""
        kind: Strength = self.awc.strength
        return SearchSpace(kind=kind, strength=RANGES[kind], window=self.window)

    def train_config(
        self,
        store: str,
        protocol: str,
        split: str,
        seed: int,
        *,
        real: bool = False,
        sensors: Sequence[str] = (),
    ) -> TrainConfig:
        """The run that every trial varies; `real` data is thinned by `real_stride`.

        `sensors`: those of batches and model; none means all of the preset. ValueError for unknown ones.
        """
        stride = self.real_stride if real else 1
        batch = replace(self.batch, modalities=chosen_sensors(sensors, self.batch.modalities))
        return TrainConfig(
            data=DataConfig(store=store, protocol=protocol, split=split, train_stride=stride, batch=batch),
            model=ModelConfig(preset=self.model, modalities=batch.modalities),
            optimizer=fitted(self.optimizer, self.epochs),
            epochs=self.epochs,
            seed=seed,
        )


def codes(letter: str, *numbers: int) -> tuple[str, ...]:
    """`("S", 1, 12)` as `("S01", "S12")`."""
    return tuple(f"{letter}{number:02d}" for number in numbers)


FEW_SUBJECTS = SimulatedSelection(
    subjects=codes("S", 1, 8, 14, 21, 28, 36, 9, 19, 29, 39, *range(5, 41, 5)),
    actions=codes("A", 3, 13, 19, 22),
    frames=32,
)
"""Six people to train on, from all rooms; the four that validate and all eight that test in S2."""
MANY_SUBJECTS = replace(FEW_SUBJECTS, subjects=codes("S", *range(1, 41)))
"""All 28 people to train on in S2."""

PRESETS: dict[str, Preset] = {
    "smoke": Preset(
        simulated=SimulatedSelection(
            subjects=codes("S", 8, 9, 18, 19, 21, 25, 31, 40), actions=codes("A", 2, 13), frames=16
        ),
        real_stride=8,
        model="tiny",
        batch=BatchConfig(batch_size=32, views=point_views(lidar=32, mmwave=16)),
        epochs=2,
        trials=6,
    ),
    "quick": Preset(
        simulated=FEW_SUBJECTS,
        real_stride=4,
        model="tiny",
        batch=BatchConfig(batch_size=64, views=point_views(lidar=32, mmwave=16)),
        optimizer=OptimizerConfig(lr=1e-2),
        epochs=40,
        trials=10,
        awc=AWC.Config(fisher_fraction=0.25),
    ),
    "paper": Preset(
        simulated=SimulatedSelection(
            subjects=codes("S", *range(1, 41)),
            actions=codes("A", 2, 3, 4, 5, 13, 14, 17, 18, 19, 20, 21, 22, 23, 27),
            frames=297,
        ),
        model="paper",
        batch=BatchConfig(
            batch_size=192, views={**point_views(lidar=1024, mmwave=128), "rgb": GridView(window=27)}
        ),
        epochs=50,
        trials=60,
        awc=AWC.Config(**AWC.published),
    ),
}
"""`smoke` is for tests (a minute or two), `quick` the default (minutes on two cores), `paper` the paper's
settings (Adam 1e-3, x0.1 at epoch 30, batch 192, 50 epochs, 27 frames of key points, absolute alphas) for a
machine with GPUs.

`quick` trains on six people and tests on eight others, where a weak sensor can memorise people; whether there
is anything to win, and whether runs have converged, is what a comparison measures. With a learning rate of
3e-3, MLP and attention fusion are far from converged after its 40 epochs: without balancing (one seed,
simulated data) they validate at 93 and 92 mm, with 1e-2 at 83 and 76, with 2e-2 at 82 and 79; concatenation
at 62 with 3e-3 and 56 with 1e-2. It estimates Fisher information on a quarter of the batches, which halves
the time of an epoch inside the window."""
