"""Fixtures that several folders share: small simulated stores, made once per session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import Store

# Tests compute on tiny tensors, where a second thread costs more than it saves.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine must not fail a test; the length of a run is bounded by pytest-timeout.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


THOROUGH = (
    "balancing/continual/noise/test_contribution_recovery.py",
    "balancing/continual/noise/test_separation.py",
    "balancing/continual/noise/test_validation_readings.py",
    "balancing/continual/test_real_loop.py",
    "balancing/continual/test_stream_contract.py",
    "balancing/methods/test_real_models.py",
    "balancing/test_contract.py",
    "balancing/test_dials_act.py",
    "balancing/test_own_terms.py",
    "benchmarks/balancing/test_methods.py",
    "benchmarks/peers/test_loop.py",
    "benchmarks/test_scaling.py",
    "benchmarks/test_startup.py",
    "experiments/commands/test_absent_sensors.py",
    "experiments/commands/test_controlled.py",
    "experiments/commands/test_export.py",
    "experiments/commands/test_prepare_options.py",
    "experiments/commands/test_use.py",
    "fuzz/test_fuzz.py",
    "models/alignment/decoders/test_decoders.py",
    "models/encoders/test_contract.py",
    "orchestrator/checkpoints/test_trained_model.py",
    "orchestrator/doctor/test_examine.py",
    "orchestrator/evaluation/aligned/test_aligned_evaluation.py",
    "orchestrator/evaluation/test_coalition_pool.py",
    "orchestrator/evaluation/test_model_report.py",
    "orchestrator/grid/test_run_one.py",
    "orchestrator/paper/test_report.py",
    "orchestrator/stream_sweep/test_stream_search.py",
    "orchestrator/sweep/test_search.py",
    "orchestrator/test_disk_full.py",
    "orchestrator/test_sqlite.py",
    "orchestrator/training/compute/test_precision.py",
    "orchestrator/training/test_aligned.py",
    "orchestrator/training/test_equivalence.py",
    "orchestrator/training/test_every_sensor.py",
    "orchestrator/training/test_hidden_readings.py",
    "orchestrator/unihpe/sweep/test_align_trial.py",
    "pipelines/figures/test_figures.py",
    "pipelines/simulator/test_observe.py",
    "pipelines/store/test_store_hostile.py",
    "pipelines/test_axes.py",
    "test_using_a_model.py",
)
"""Files that take most of the time of the tests which start nothing: whole registries, short trainings.

`make test` runs them and `make check` does not. A file that is not there fails the collection.
"""


TOGETHER = {
    "orchestrator/cluster/test_leaked_groups.py": "one Ray",
    "orchestrator/cluster/test_parallel_prepare.py": "one Ray",
    "orchestrator/continual/test_continual_job.py": "one Ray",
    "orchestrator/evaluation/test_coalition_pool.py": "one Ray",
    "orchestrator/grid/test_run_all.py": "one Ray",
    "orchestrator/paper/test_job.py": "one Ray",
    "orchestrator/ray_train/test_retries.py": "one Ray",
    "orchestrator/ray_train/test_training_faults.py": "one Ray",
    "orchestrator/unihpe/test_unihpe_job.py": "one Ray",
    "orchestrator/comparison/test_comparison.py": "finished jobs",
    "orchestrator/sweep/test_recorded.py": "finished jobs",
    "orchestrator/sweep/test_run.py": "finished jobs",
    "orchestrator/tracking/test_ui_browser.py": "finished jobs",
}
"""Files of system tests that share what takes minutes to make -> what that is; one process gets them all,
after the other files, some of which expect that no Ray runs in their process."""


class TogetherScheduling(LoadScopeScheduling):
    """Gives a process whole files, and all files that `TOGETHER` puts together.

    xdist's own `loadgroup` marks tests in a way that pytest 9.2 no longer reads, and so groups nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        """What must stay in one process."""
        file = nodeid.split("::")[0]
        return TOGETHER.get(file.removeprefix("tests/"), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling | None:
    """Ours for `--dist loadfile`, in the order of collection; the others are xdist's."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return TogetherScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `THOROUGH` lists, and put what `TOGETHER` lists last."""
    here = Path(__file__).parent
    thorough, together = {here / name for name in THOROUGH}, {here / name for name in TOGETHER}
    gone = sorted(name for name in (*THOROUGH, *TOGETHER) if not (here / name).is_file())
    if gone:
        raise pytest.UsageError(f"tests/conftest.py lists {gone}, which are not there")
    for item in items:
        if item.path in thorough:
            item.add_marker(pytest.mark.thorough)
    items.sort(key=lambda item: item.path in together)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only system tests are asked for, files that mark none are not imported, which takes a while."""
    if not str(config.getoption("markexpr")).startswith("system") or collection_path.suffix != ".py":
        return None
    return "mark.system" not in collection_path.read_text() or None


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """8 subjects x 2 actions x 12 simulated frames; every part of P1-S1 has rows."""
    source = SimulatedSource(
        subjects=("S08", "S09", "S18", "S19", "S21", "S25", "S31", "S39"),
        actions=("A02", "A13"),
        config=SimulatorConfig(frames=12, seed=3),
    )
    return prepare("simulated", source, tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="session")
def store_path(small_store: Store) -> Path:
    """Where `small_store` lies."""
    return Path(small_store.path)


@pytest.fixture(scope="session")
def trained_run(small_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of two epochs on `small_store`, a tiny model of four sensors; its best epoch varies."""
    from equipose.models.build import ModelConfig
    from equipose.models.sensors import point_views
    from equipose.orchestrator.checkpoints.folder import CheckpointFolder
    from equipose.orchestrator.training.build import build_training, run_facts
    from equipose.orchestrator.training.config import DataConfig, TrainConfig
    from equipose.orchestrator.training.data import RunData
    from equipose.orchestrator.training.loop import fit
    from equipose.pipelines.batches.source import BatchConfig

    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    config = TrainConfig(
        data=DataConfig(store=str(small_store.path), batch=batch), model=ModelConfig(preset="tiny"), epochs=2
    )
    data = RunData.open(config.data, small_store)
    training = build_training(config, data)
    kept = CheckpointFolder(tmp_path_factory.mktemp("runs") / "tiny")
    for _ in fit(training):
        kept.save(training, config, run_facts(training, data))
    return kept.folder
