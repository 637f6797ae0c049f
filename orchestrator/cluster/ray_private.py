"""What Equipose uses of Ray beyond its public API, all in one file; seen working with Ray 2.60.0.

Each function says why the public API is not enough. After an upgrade of Ray, check here first.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup


@contextlib.contextmanager
def single_machine() -> Iterator[None]:
    """Within the block, `ray.init` starts a cluster of this machine only.

    Ray reads its own switch from the environment when it is imported, and keeps it in a module.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def address_of_this_node() -> str | None:
    """The address that `ray start` has left on this machine, or None; `ray.init("auto")` joins it."""
    from ray._private.utils import read_ray_address

    found = read_ray_address()
    return str(found) if found else None


def gpus_of_this_machine() -> int:
    """GPUs that Ray would find here, by its own rule (`CUDA_VISIBLE_DEVICES` counts), before it runs."""
    from ray._private.accelerators import NvidiaGPUAcceleratorManager

    return int(NvidiaGPUAcceleratorManager.get_current_node_num_accelerators())


def ask_head(address: str) -> tuple[dict[str, str], list[Any]]:
    """Versions of the cluster at an address, and its nodes, without joining it.

    Takes a second at most, where `ray.init` tries for twenty.
    """
    from ray._common.usage.usage_lib import get_cluster_metadata
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    head = GcsClient(address=address)
    return get_cluster_metadata(head), list(head.get_all_node_info().values())


def groups_of_dead_makers() -> Iterator[PlacementGroup]:
    """This job's placement groups whose maker, an actor, is dead.

    `ray.util.placement_group_table` does not name the maker.
    """
    from ray._private import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData

    job = ray.get_runtime_context().get_job_id()
    no_actor = ray.ActorID.nil().binary()
    for row in state.state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(row)
        removed = group.state == PlacementGroupTableData.REMOVED
        if removed or group.is_detached or group.creator_actor_id in (b"", no_actor):
            continue
        maker = state.actors(ray.ActorID(group.creator_actor_id).hex())
        if group.creator_job_id.hex() == job and maker.get("State") == "DEAD":
            yield PlacementGroup(ray.PlacementGroupID(group.placement_group_id))


def trainer_with_few_processes(base: type, *, controller_here: bool) -> Any:
    """`base`, a trainer of Ray Train, which starts fewer actors beside its workers.

    By default there are four: the controller, a manager of Ray Data's data sets, of which there are none
    here, one that removes the run's placement group if the controller dies, and the workers' barrier. Each is
    a process that imports most of Ray, which takes longer than a short trial trains.

    controller_here: the controller runs in the process that calls `fit`, an actor. Nothing watches over its
    placement group then; the job has to (`groups_of_dead_makers`).
    """
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

    needless = (DatasetsCallback, PlacementGroupCleanerCallback) if controller_here else (DatasetsCallback,)

    class Trainer(base):
        """Starts fewer actors, see `trainer_with_few_processes`."""

        def _create_default_callbacks(self) -> list[Any]:
            return [c for c in super()._create_default_callbacks() if not isinstance(c, needless)]

        def _initialize_and_run_controller(self, **options: Any) -> Any:
            if controller_here:
                return _control_here(options)
            with _own_interrupts():
                return super()._initialize_and_run_controller(**options)

    return Trainer


@contextlib.contextmanager
def _own_interrupts() -> Iterator[None]:
    """Put the handler of Ctrl-C back afterwards: that of Ray Train keeps the controller alive."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGINT, before)


def _control_here(options: dict[str, Any]) -> Any:
    """Run a controller to its end; what ends it early, such as Tune stopping the trial, ends its workers."""
    from ray.train.v2._internal.execution.controller import TrainController

    controller = TrainController(**options)
    try:
        asyncio.run(controller.run())
    except BaseException:
        group = controller.get_worker_group()
        if group is not None and group.has_started():
            group.abort()
        raise
    return controller.get_result()
