"""MM-Fi's protocols and splits, as in its public toolbox (Yang et al., 2023), with a validation part."""

from __future__ import annotations

import numpy as np
import polars as pl

from equipose.pipelines.protocols.carving import (
    GAP_FRAMES,
    cameras_of,
    carve_by_time,
    position_in,
    start_of_the_end,
)
from equipose.pipelines.protocols.division import PARTS, unfit

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


def room_of(subject: str) -> str:
    """The room `E01` to `E04` in which a subject was recorded: ten each, in order."""
    return f"E{SUBJECTS.index(subject) // 10 + 1:02d}"


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


def assign_mmfi(index: pl.DataFrame, split: str, protocol: str) -> pl.DataFrame:
    """The index with the part of every row in a split of MM-Fi; see `Division.assign`."""
    native = set(index["part"].unique())
    if cameras_of(index):
        raise unfit(protocol, split, "the store's sequences name cameras; use H36M, 3DHP or 3DPW")
    if native - {""}:
        raise unfit(protocol, split, f"the store has the time parts {sorted(native)}; use protocol MARS")
    rows = [(s, a, part) for part, pairs in splits(protocol, split).items() for s, a in pairs]
    table = pl.DataFrame(rows, schema=["subject", "action", "use"], orient="row")
    return index.join(table, on=["subject", "action"], how="left", maintain_order="left")


def mmfi_tasks(index: pl.DataFrame, by: str, protocol: str) -> pl.DataFrame:
    """The people of S2; a task that is one person is divided by time."""
    if by != "subject":
        return assign_mmfi(index, "S2", protocol)
    known = pl.col("action").is_in(actions_of(protocol))
    here = position_in()
    test = here > start_of_the_end()
    before = here > start_of_the_end() - GAP_FRAMES
    use = pl.when(~known).then(None).when(test).then(pl.lit("test")).when(~before).then(pl.lit("train"))
    return carve_by_time(index.with_columns(use=use))
