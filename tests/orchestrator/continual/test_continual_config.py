"""A continual job's runs: what starts where, what is shared, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.memory.replay import Replay
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import method_name
from equipose.orchestrator.continual.config import ContinualConfig, Strategy, Stream
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.protocols import Task

TASKS = tuple(Task(by="environment", values=(room,)) for room in ("E01", "E02", "E03"))
STRATEGIES = (
    Strategy(name="finetune"),
    Strategy(name="joint", shape="joint"),
    Strategy(name="cumulative", shape="cumulative"),
    Strategy(name="alone", shape="alone"),
    Strategy(name="ewc", method=EWC.Config()),
    Strategy(name="nis", method=NoiseSeparation.Config()),
)


def config(**changes: object) -> ContinualConfig:
    base = TrainConfig(data=DataConfig(store="store", split="tasks:environment=E01+E02+E03"))
    whole = ContinualConfig(name="job", base=base, tasks=TASKS, strategies=STRATEGIES, seeds=(0, 1))
    return replace(whole, **changes)  # type: ignore[arg-type]


def stream(name: str, order: int = 0, job: ContinualConfig | None = None) -> tuple[RunSpec, ...]:
    job = job or config(orders=(0, 1))
    found: list[Stream] = [
        one for one in job.streams() if (one.strategy.name, one.seed, one.order) == (name, 0, order)
    ]
    return job.runs(found[0])


def key(spec: RunSpec) -> str:
    return spec.key("data", key(spec.init_from) if spec.init_from else None)


def splits(runs: tuple[RunSpec, ...]) -> list[str]:
    return [run.config.data.split.removeprefix("tasks:environment=") for run in runs]


def test_every_task_starts_at_the_end_of_the_one_before() -> None:
    first, second, third = stream("finetune")
    assert splits((first, second, third)) == ["E01", "E02", "E03"]
    assert (first.init_from, second.init_from, third.init_from) == (None, first, second)
    assert third.config.earlier_tasks == ("tasks:environment=E01", "tasks:environment=E02")
    assert all(run.tested_on == TASKS and not run.evaluate for run in (first, second, third))


def test_joint_sees_all_at_once_and_cumulative_all_so_far() -> None:
    assert splits(stream("joint")) == ["E01+E02+E03"]
    runs = stream("cumulative")
    assert splits(runs) == ["E01", "E01+E02", "E01+E02+E03"]
    assert runs[2].init_from == runs[1]


def test_alone_starts_every_task_anew() -> None:
    runs = stream("alone")
    assert splits(runs) == ["E01", "E02", "E03"]
    assert all(run.init_from is None for run in runs)


def test_the_first_task_is_shared_where_the_method_joins_late() -> None:
    plain, ewc, nis = (stream(name)[0] for name in ("finetune", "ewc", "nis"))
    assert key(plain) == key(ewc) == key(stream("alone")[0]) == key(stream("cumulative")[0])
    assert key(plain) != key(nis)
    assert method_name(stream("ewc")[1].config.method) == "ewc"


def test_orders_are_those_of_their_numbers() -> None:
    job = config(orders=tuple(range(6)))
    orders = [job.ordered(order) for order in job.orders]
    assert orders[0] == TASKS
    assert all(set(order) == set(TASKS) for order in orders)
    assert len(set(orders)) == 6
    assert orders == [job.ordered(order) for order in job.orders]


def test_joint_and_the_last_of_cumulative_do_not_depend_on_the_order_of_rows() -> None:
    job = config(orders=(0, 1))
    assert job.ordered(1) != TASKS
    assert splits(stream("cumulative", 1, job))[-1] == "E01+E02+E03"
    assert key(stream("joint", 0, job)[0]) == key(stream("joint", 1, job)[0])


def test_names_of_runs_are_distinct() -> None:
    job = config(orders=(0, 1))
    names = [run.name for one in job.streams() for run in job.runs(one)]
    assert len(set(names)) == len(names)


def test_noisy_strategies_learn_from_the_contaminated_copy() -> None:
    noisy = Strategy(name="noisy ewc", method=EWC.Config(), noisy=True)
    job = config(strategies=(STRATEGIES[0], noisy), noisy_store="spoilt")
    assert [run.config.data.store for run in stream("noisy ewc", job=job)] == ["spoilt"] * 3
    assert [run.config.data.store for run in stream("finetune", job=job)] == ["store"] * 3
    with pytest.raises(ValueError, match=r"strategies \['noisy ewc'\] need contaminated data"):
        config(strategies=(STRATEGIES[0], noisy))


def test_a_chain_joins_late_only_if_all_of_it_does() -> None:
    late = Strategy(name="replay+ewc", method=ChainConfig(parts=(Replay.Config(), EWC.Config())))
    mixed = Strategy(name="awc+ewc", method=ChainConfig(parts=(AWC.Config(), EWC.Config())))
    job = config(strategies=(STRATEGIES[0], late, mixed))
    assert method_name(stream("replay+ewc", job=job)[0].config.method) == "plain"
    assert method_name(stream("awc+ewc", job=job)[0].config.method) == "chain"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": STRATEGIES[1:]}, "lack 'finetune'"),
        ({"tasks": TASKS[:1]}, "a stream needs two tasks or more"),
        ({"seeds": ()}, "seeds must be different and at least one"),
        ({"orders": (1, 1)}, "orders must be different"),
        ({"orders": (0, 6)}, "orders are numbers from 0 to 5 for 3 tasks"),
        ({"tasks": (*TASKS, Task(by="subject", values=("S01",)))}, "must differ by one thing"),
    ],
)
def test_impossible_jobs_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_methods_that_do_not_go_together_are_refused_with_the_strategy() -> None:
    with pytest.raises(ValueError, match="wrong order"):
        Strategy(name="ewc+awc", method=ChainConfig(parts=(EWC.Config(), AWC.Config())))


def test_a_reference_has_no_method() -> None:
    with pytest.raises(ValueError, match="'joint' is a joint reference"):
        Strategy(name="joint", shape="joint", method=EWC.Config())
