"""Splits are the public toolbox's, validation is disjoint from both, and selection names what is missing."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np
import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import PARTS, PROTOCOLS, SPLITS, select, splits
from equipose.pipelines.protocols.carving import GAP_FRAMES

PAIRS = list(itertools.product(PROTOCOLS, SPLITS))

# SHA-256 (first 16 digits) over the sorted training and test lists that the public toolbox gives.
FROZEN = {
    "P1S1": "5f64db85d14af0b1",
    "P1S2": "049bb9546a806ab3",
    "P1S3": "62b9e3456e4b624c",
    "P2S1": "d430309f13ece699",
    "P2S2": "fa33a81113818324",
    "P2S3": "0f00e1a3db07cf25",
    "P3S1": "e80a7653b4d7534b",
    "P3S2": "271841abf9afa27e",
    "P3S3": "b0b36fb287184fda",
}


def make_index(pairs: list[tuple[str, str]], frames: int = 4, part: str = "", first: int = 1) -> pl.DataFrame:
    """An index with `frames` valid rows per (subject, action)."""
    rows = [
        {"subject": s, "action": a, "part": part, "number": first + n, "valid_pose": True}
        for s, a in pairs
        for n in range(frames)
    ]
    return pl.DataFrame(rows).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))


def numbered(*frames: pl.DataFrame) -> pl.DataFrame:
    """Indices joined and their rows renumbered."""
    return pl.concat([f.drop("row") for f in frames]).with_row_index("row").cast({"row": pl.Int64})


@pytest.mark.parametrize(("protocol", "split"), PAIRS)
def test_training_and_test_lists_are_the_toolbox_s(protocol: str, split: str) -> None:
    parts = splits(protocol, split)
    lists = [sorted(parts["train"] + parts["validation"]), parts["test"]]
    assert hashlib.sha256(json.dumps(lists).encode()).hexdigest()[:16] == FROZEN[protocol + split]


@pytest.mark.parametrize(("protocol", "split"), PAIRS)
def test_no_subject_is_on_two_sides_of_an_action(protocol: str, split: str) -> None:
    parts = splits(protocol, split)
    every = [pair for part in PARTS for pair in parts[part]]
    assert len(every) == len(set(every)) == 40 * len(PROTOCOLS[protocol])
    share = len(parts["validation"]) / len(parts["train"] + parts["validation"])
    assert 0.09 < share < 0.13


@pytest.mark.parametrize(("protocol", "split"), PAIRS)
def test_only_s1_shows_people_of_one_part_in_another(protocol: str, split: str) -> None:
    """As docs/data.md says: S1 separates recordings, S2 and S3 people."""
    people = {part: {subject for subject, _ in pairs} for part, pairs in splits(protocol, split).items()}
    train, validation, test = (people[part] for part in PARTS)
    if split == "S1":
        assert validation < train
        assert len(validation - test) == (protocol == "P2")
    else:
        assert not train & validation
        assert not (train | validation) & test


def test_splits_leave_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    splits("P3", "S1")
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize(("protocol", "split"), PAIRS)
def test_a_store_of_one_sequence_per_part_is_enough(protocol: str, split: str) -> None:
    lists = splits(protocol, split)
    index = make_index([lists[part][0] for part in PARTS], frames=2)
    parts = {part: rows.to_list() for part, rows in select(index, protocol, split).items()}
    assert parts == {"train": [0, 1], "validation": [2, 3], "test": [4, 5]}


def test_invalid_poses_are_not_selected_but_everything_else_is() -> None:
    index = make_index([("S01", "A01"), ("S05", "A01"), ("S09", "A01")])
    index = index.with_columns(valid_pose=~((pl.col("number") == 2) & (pl.col("subject") == "S01")))
    parts = select(index, "P3", "S2")
    assert parts["train"].to_list() == [0, 2, 3]
    assert parts["test"].to_list() == [4, 5, 6, 7]
    assert parts["validation"].to_list() == [8, 9, 10, 11]


def test_an_empty_part_names_what_is_there_and_what_is_needed() -> None:
    index = make_index([("S01", "A02"), ("S02", "A02")])
    with pytest.raises(DataError, match=r"validation, test.*\['S01', 'S02'\].*S09.*for validation.*S05"):
        select(index, "P1", "S2")
    with pytest.raises(DataError, match="needs some of the actions"):
        select(index, "P2", "S2")


@pytest.mark.parametrize(
    ("protocol", "split", "said"),
    [("P9", "S1", "P9.*P1"), ("P1", "S4", "S4.*S1"), ("MARS", "S1", "S1.*time")],
)
def test_unknown_names_raise_with_the_known_ones(protocol: str, split: str, said: str) -> None:
    index = make_index([("S01", "A01")], part="test" if protocol == "MARS" else "")
    with pytest.raises(ValueError, match=said):
        select(index, protocol, split)


def test_protocols_refuse_stores_of_the_other_kind() -> None:
    with pytest.raises(DataError, match="no time parts"):
        select(make_index([("S01", "A01")]), "MARS", "time")
    with pytest.raises(DataError, match="protocol MARS"):
        select(make_index([("S01", "A02")], part="test"), "P1", "S1")


def mars_index(with_train: bool) -> pl.DataFrame:
    pairs = [("S01", "A01"), ("S03", "A01")]
    parts = [make_index(pairs, 100, "validate", 201), make_index(pairs, 50, "test", 301)]
    return numbered(*([make_index(pairs, 200, "train")] if with_train else []), *parts)


def test_mars_time_carves_validation_from_the_end_with_a_gap() -> None:
    index = mars_index(with_train=False)
    parts = {part: index[rows.to_list()] for part, rows in select(index, "MARS", "time").items()}
    assert set(parts["test"]["part"]) == {"test"}
    for subject in ("S01", "S03"):
        train, tune = (
            parts[p].filter(pl.col("subject") == subject)["number"] for p in ("train", "validation")
        )
        assert tune.to_list() == list(range(276, 301))
        assert train.to_list() == list(range(201, 276 - GAP_FRAMES))


def test_mars_time_uses_the_source_s_own_parts_when_it_has_all_three() -> None:
    index = mars_index(with_train=True)
    parts = {part: index[rows.to_list()] for part, rows in select(index, "MARS", "time").items()}
    assert {p: set(frame["part"]) for p, frame in parts.items()} == {
        "train": {"train"},
        "validation": {"validate"},
        "test": {"test"},
    }


def test_mars_subject_leaves_one_out() -> None:
    index = mars_index(with_train=False)
    for split, left_out in (("subject", "S03"), ("subject:S01", "S01")):
        parts = {part: index[rows.to_list()] for part, rows in select(index, "MARS", split).items()}
        assert set(parts["test"]["subject"]) == {left_out}
        assert left_out not in set(parts["train"]["subject"]) | set(parts["validation"]["subject"])
        assert parts["train"]["number"].max() + GAP_FRAMES < parts["validation"]["number"].min()
    with pytest.raises(DataError, match="S01"):
        select(index, "MARS", "subject:S07")
