"""Which frames train, which tune, which test: MM-Fi's protocols and splits, those of MARS, and those of sets
of image, 2D and 3D triplets.

The training and test lists of P1-P3 x S1-S3 are those of the public MM-Fi toolbox (Yang et al., 2023).
That toolbox has no validation part, so it reports its best epoch on the test data; here every eighth
training subject is set aside for tuning, and the test part is touched once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from equipose.models.plugins import OpenRegistry
from equipose.pipelines.carving import cameras_of, carve_by_time, named, unfit
from equipose.pipelines.triplet_protocols import H36M_SPLITS, assign_3dhp, assign_3dpw, assign_h36m

PARTS: tuple[str, ...] = ("train", "validation", "test")
SUBJECTS: tuple[str, ...] = tuple(f"S{n:02d}" for n in range(1, 41))
ACTIONS: tuple[str, ...] = tuple(f"A{n:02d}" for n in range(1, 28))

DAILY: tuple[str, ...] = tuple(f"A{n:02d}" for n in (2, 3, 4, 5, 13, 14, 17, 18, 19, 20, 21, 22, 23, 27))
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "P1": DAILY,
    "P2": tuple(a for a in ACTIONS if a not in DAILY),
    "P3": ACTIONS,
}
"""P1 daily, P2 rehabilitation, P3 all actions."""

SPLITS: tuple[str, ...] = ("S1", "S2", "S3")
"""S1 random subjects per action, S2 across subjects, S3 across environments."""
MARS_SPLITS: tuple[str, ...] = ("time", "subject")
"""`time`: the parts of the source. `subject`: S03 is the test; `subject:S01` leaves another one out."""
TRAIN_RATIO = 0.8
"""Share of training subjects in S1, as in the toolbox."""
TUNE_EVERY = 8
"""Every eighth training subject (in the split's own order) goes to the validation part."""

Pair = tuple[str, str]
"""(subject, action)."""


def actions_of(protocol: str) -> tuple[str, ...]:
    """The actions of `P1`, `P2` or `P3`, in the toolbox's order."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is {protocol!r}; use one of {list(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def _subjects(split: str, position: int) -> tuple[list[str], list[str]]:
    """Training and test subjects of the action at `position` in its protocol, in the split's own order."""
    if split == "S1":
        order = np.random.RandomState(position).permutation(len(SUBJECTS))
        first = int(np.floor(TRAIN_RATIO * len(SUBJECTS)))
        return [SUBJECTS[i] for i in order[:first]], [SUBJECTS[i] for i in order[first:]]
    if split == "S2":
        return [s for i, s in enumerate(SUBJECTS) if i % 5 != 4], list(SUBJECTS[4::5])
    if split == "S3":
        return list(SUBJECTS[:30]), list(SUBJECTS[30:])
    raise ValueError(f"split is {split!r}; use one of {list(SPLITS)}")


def splits(protocol: str = "P1", split: str = "S1") -> dict[str, list[Pair]]:
    """(subject, action) pairs of `train`, `validation` and `test`, each sorted.

    `train` and `validation` together are the toolbox's training list, `test` is its test list. S1
    depends on the protocol, because its seed is the action's position in the protocol's list. In S1 an
    action's validation subjects are the 8th, 16th, 24th and 32nd of its permutation; S2 validates on
    S09, S19, S29, S39; S3 on S08, S16, S24.

    >>> parts = splits("P1", "S2")
    >>> {part: len(pairs) for part, pairs in parts.items()}
    {'train': 392, 'validation': 56, 'test': 112}
    >>> parts["test"][:2]
    [('S05', 'A02'), ('S05', 'A03')]
    """
    parts: dict[str, list[Pair]] = {part: [] for part in PARTS}
    for position, action in enumerate(actions_of(protocol)):
        train, test = _subjects(split, position)
        tune = train[TUNE_EVERY - 1 :: TUNE_EVERY]
        chosen = {"train": [s for s in train if s not in tune], "validation": tune, "test": test}
        for part, subjects in chosen.items():
            parts[part] += [(subject, action) for subject in subjects]
    return {part: sorted(pairs) for part, pairs in parts.items()}


@dataclass(frozen=True, kw_only=True)
class Division:
    """How a protocol divides the rows of a store into parts."""

    splits: tuple[str, ...]
    """Its usual splits; `assign` may know more."""
    assign: Callable[[pl.DataFrame, str], pl.DataFrame]
    """(index, split) -> the index with a column `use`: `train`, `validation`, `test` or null. Raises
    ValueError for an unknown split, and DataError for a store that the protocol does not fit."""
    root_relative: bool = False
    """Whether its 3D poses, in camera axes, are learnt and judged relative to the pelvis."""


def assign(index: pl.DataFrame, protocol: str, split: str) -> pl.DataFrame:
    """`index` with a column `use`: the part that a row belongs to, or null; valid pose or not."""
    return division_of(protocol).assign(index, split)


def division_of(protocol: str) -> Division:
    """The division of a protocol; ValueError names the known ones."""
    if protocol not in DIVISIONS:
        raise ValueError(f"protocol is {protocol!r}; use one of {list(DIVISIONS)}")
    return DIVISIONS[protocol]


def _assign_mmfi(index: pl.DataFrame, split: str, protocol: str) -> pl.DataFrame:
    native = set(index["part"].unique())
    if cameras_of(index):
        raise unfit(protocol, split, "the store's sequences name cameras; use H36M, 3DHP or 3DPW")
    if native - {""}:
        raise unfit(protocol, split, f"the store has the time parts {sorted(native)}; use protocol MARS")
    rows = [(s, a, part) for part, pairs in splits(protocol, split).items() for s, a in pairs]
    table = pl.DataFrame(rows, schema=["subject", "action", "use"], orient="row")
    return index.join(table, on=["subject", "action"], how="left", maintain_order="left")


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
    lists = splits(protocol, split)
    needs = {part: sorted({s for s, a in lists[part] if a in actions}) for part in empty}
    if not any(needs.values()):
        return f"{message}; {protocol} needs some of the actions {list(actions_of(protocol))}"
    return f"{message}; add one of the subjects " + ", ".join(f"{s} for {part}" for part, s in needs.items())


def _assign_mars(index: pl.DataFrame, split: str) -> pl.DataFrame:
    if "" in set(index["part"].unique()):
        raise unfit("MARS", split, "the store's sequences carry no time parts; use P1, P2 or P3")
    if cameras_of(index):
        raise unfit("MARS", split, "the store's sequences name cameras; use H36M, 3DHP or 3DPW")
    kind, _, subject = split.partition(":")
    if kind not in MARS_SPLITS or (subject and kind != "subject"):
        raise ValueError(f"split is {split!r}; use `time`, `subject` or `subject:S01` with protocol MARS")
    if kind == "subject":
        test = pl.col("subject") == (subject or "S03")
        return carve_by_time(index.with_columns(use=named(test, "test", "train")))
    if "train" in set(index["part"].unique()):
        names = {"train": "train", "validate": "validation", "test": "test"}
        return index.with_columns(use=pl.col("part").replace_strict(names, default=None))
    test = pl.col("part") == "test"
    return carve_by_time(index.with_columns(use=named(test, "test", "train")))


DIVISIONS: Mapping[str, Division] = OpenRegistry(
    "equipose.protocols",
    Division,
    {
        **{name: Division(splits=SPLITS, assign=partial(_assign_mmfi, protocol=name)) for name in PROTOCOLS},
        "MARS": Division(splits=MARS_SPLITS, assign=_assign_mars),
        "H36M": Division(splits=H36M_SPLITS, assign=assign_h36m, root_relative=True),
        "3DHP": Division(splits=("time",), assign=assign_3dhp, root_relative=True),
        "3DPW": Division(splits=("test",), assign=assign_3dpw, root_relative=True),
    },
)
"""Protocol -> its division; those of the entry points `equipose.protocols` come last."""
