"""Which frames train, which tune, which test: MM-Fi's protocols, those of MARS, those of triplets of image,
2D and 3D pose, and the tasks of streams.

The training and test lists of P1-P3 x S1-S3 are those of the public MM-Fi toolbox (Yang et al., 2023).
That toolbox has no validation part, so it reports its best epoch on the test data; here every eighth
training subject is set aside for tuning, and the test part is touched once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

import polars as pl

from equipose.models.plugins import OpenRegistry
from equipose.models.skeleton import SMPL12
from equipose.pipelines.protocols.carving import GAP_FRAMES, SHORTEST
from equipose.pipelines.protocols.division import PARTS, Division, unfit
from equipose.pipelines.protocols.mars import MARS_SPLITS, assign_mars
from equipose.pipelines.protocols.mmfi import (
    PROTOCOLS,
    SPLITS,
    actions_of,
    assign_mmfi,
    mmfi_tasks,
    room_of,
    splits,
)
from equipose.pipelines.protocols.tasks import Task, is_task, union
from equipose.pipelines.protocols.triplets import (
    H36M_SPLITS,
    SMPL12_CAMERA,
    assign_3dhp,
    assign_3dpw,
    assign_h36m,
    assign_joined,
)

__all__ = [
    "DIVISIONS",
    "GAP_FRAMES",
    "PARTS",
    "PROTOCOLS",
    "SPLITS",
    "Division",
    "Task",
    "actions_of",
    "assign",
    "division_of",
    "is_task",
    "select",
    "splits",
    "union",
]

DIVISIONS: Mapping[str, Division] = OpenRegistry(
    "equipose.protocols",
    Division,
    {
        **{
            name: Division(
                splits=SPLITS,
                assign=partial(assign_mmfi, protocol=name),
                within_task=partial(mmfi_tasks, protocol=name),
            )
            for name in PROTOCOLS
        },
        "MARS": Division(
            splits=MARS_SPLITS,
            assign=assign_mars,
            within_task=lambda index, by: assign_mars(index, "time"),
        ),
        "H36M": Division(splits=H36M_SPLITS, assign=assign_h36m, root_relative=True),
        "3DHP": Division(splits=("time",), assign=assign_3dhp, root_relative=True),
        "H36M+3DHP": Division(splits=H36M_SPLITS, assign=assign_joined, root_relative=True),
        "3DPW": Division(splits=("test",), assign=assign_3dpw, root_relative=True),
        "3DPW-smpl12": Division(
            splits=("test",),
            assign=partial(assign_3dpw, protocol="3DPW-smpl12", camera=SMPL12_CAMERA),
            root_relative=True,
            joints=SMPL12,
        ),
    },
)
"""Protocol -> its division; those of the entry points `equipose.protocols` come last."""


def division_of(protocol: str) -> Division:
    """The division of a protocol; ValueError names the known ones."""
    if protocol not in DIVISIONS:
        raise ValueError(f"protocol is {protocol!r}; use one of {list(DIVISIONS)}")
    return DIVISIONS[protocol]


def assign(index: pl.DataFrame, protocol: str, split: str) -> pl.DataFrame:
    """`index` with a column `use`: the part that a row belongs to, or null; valid pose or not.

    Tasks of a stream (`equipose.pipelines.protocols.tasks`) are splits of every protocol that divides them.
    """
    division = division_of(protocol)
    if not is_task(split):
        return division.assign(index, split)
    task = Task.of(split)
    if division.within_task is None:
        raise ValueError(f"split is {split!r}, but protocol {protocol} has no tasks; use another protocol")
    inside = pl.col(task.by).is_in(task.values)
    return division.within_task(index, task.by).with_columns(use=pl.when(inside).then(pl.col("use")))


def select(
    index: pl.DataFrame, protocol: str, split: str, needed: Collection[str] = PARTS
) -> dict[str, pl.Series]:
    """Rows of the store's index for `train`, `validation` and `test`: those with a valid pose, ascending.

    A store may hold only some subjects and actions. Raises DataError where one of the `needed` parts would be
    empty, with the subjects that the index has and those that are needed.

    >>> frame = {"action": "A02", "part": "", "valid_pose": True}
    >>> subjects = enumerate(["S01", "S05", "S09"])
    >>> index = pl.DataFrame([{"row": row, "subject": subject, **frame} for row, subject in subjects])
    >>> {part: rows.to_list() for part, rows in select(index, "P1", "S2").items()}
    {'train': [0], 'validation': [2], 'test': [1]}
    """
    usable = assign(index, protocol, split).filter(pl.col("valid_pose"))
    parts = {part: usable.filter(pl.col("use") == part)["row"].sort() for part in PARTS}
    empty = [part for part, rows in parts.items() if part in needed and rows.is_empty()]
    if empty:
        raise unfit(protocol, split, _shortage(index, protocol, split, empty))
    return parts


def _shortage(index: pl.DataFrame, protocol: str, split: str, empty: list[str]) -> str:
    """Which parts are empty, what the store has, and what would fill them."""
    subjects, actions = (sorted(index[name].unique()) for name in ("subject", "action"))
    message = (
        f"no frame with a valid pose for {', '.join(empty)}; it has subjects {subjects}, actions {actions}"
    )
    if protocol not in PROTOCOLS:
        return f"{message}, parts {sorted(index['part'].unique())}"
    lists = splits(protocol, "S2" if is_task(split) else split)
    task = Task.of(split) if is_task(split) else None
    if task and task.by == "subject":
        return f"{message}; a person is divided by time, which takes recordings of {SHORTEST} frames or more"
    needs = {part: sorted({s for s, a in lists[part] if a in actions and _inside(task, s)}) for part in empty}
    if not any(needs.values()):
        return f"{message}; {protocol} needs some of the actions {list(actions_of(protocol))}"
    return f"{message}; add one of the subjects " + ", ".join(f"{s} for {part}" for part, s in needs.items())


def _inside(task: Task | None, subject: str) -> bool:
    """Whether MM-Fi recorded a subject in the rooms of a task."""
    return task is None or task.by != "environment" or room_of(subject) in task.values
