"""Tasks of a stream: every one has its own parts, and no row is in two of them."""

from __future__ import annotations

import re

import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import PARTS, Task, select, union
from equipose.pipelines.protocols.carving import GAP_FRAMES
from equipose.pipelines.simulator.config import environment_of

ROOMS = ("E01", "E02", "E03", "E04")


def index_of(subjects: list[str], actions: list[str], frames: int, part: str = "") -> pl.DataFrame:
    rows = [
        {"environment": environment_of(s), "subject": s, "action": a, "number": n, "part": part}
        for s in subjects
        for a in actions
        for n in range(1, frames + 1)
    ]
    return pl.DataFrame(rows).with_columns(valid_pose=True).with_row_index("row")


EVERYONE = index_of([f"S{n:02d}" for n in range(1, 41)], ["A02", "A03", "A06"], frames=2)


def people(index: pl.DataFrame, split: str, protocol: str = "P1") -> dict[str, list[str]]:
    rows = select(index, protocol, split)
    return {part: index[rows[part]]["subject"].unique().sort().to_list() for part in PARTS}


def test_a_room_divides_its_people_as_s2_does() -> None:
    found = people(EVERYONE, "tasks:environment=E02")
    assert found["test"] == ["S15", "S20"]
    assert found["validation"] == ["S19"]
    assert found["train"] == ["S11", "S12", "S13", "S14", "S16", "S17", "S18"]


@pytest.mark.parametrize(("by", "values"), [("environment", ROOMS), ("action", ("A02", "A03"))])
def test_the_union_of_tasks_holds_exactly_their_rows(by: str, values: tuple[str, ...]) -> None:
    tasks = tuple(Task(by=by, values=(value,)) for value in values)
    together = select(EVERYONE, "P1", union(tasks).split)
    for part in PARTS:
        rows = [row for task in tasks for row in select(EVERYONE, "P1", task.split)[part]]
        assert len(set(rows)) == len(rows)
        assert sorted(rows) == together[part].to_list()


def test_actions_of_another_protocol_are_left_out() -> None:
    rows = select(EVERYONE, "P1", "tasks:environment=E01")
    assert EVERYONE[rows["train"]]["action"].unique().sort().to_list() == ["A02", "A03"]


def test_a_person_alone_is_divided_by_time_with_gaps() -> None:
    index = index_of(["S03"], ["A02"], frames=200)
    rows = select(index, "P1", "tasks:subject=S03")
    numbers = {part: index[rows[part]]["number"].to_list() for part in PARTS}
    assert numbers["test"] == list(range(151, 201))
    assert numbers["test"][0] - numbers["validation"][-1] - 1 == GAP_FRAMES
    assert numbers["validation"][0] - numbers["train"][-1] - 1 == GAP_FRAMES
    assert numbers["train"][0] == 1


def test_mars_keeps_the_parts_of_its_source() -> None:
    parts = ["train", "validate", "test"]
    index = pl.concat(index_of(["S01", "S02"], ["A01"], 3, part).drop("row") for part in parts)
    index = index.with_row_index("row")
    rows = select(index, "MARS", "tasks:subject=S02")
    for part, source in zip(PARTS, parts, strict=True):
        found = index[rows[part]]
        assert found["part"].unique().to_list() == [source]
        assert found["subject"].unique().to_list() == ["S02"]


def test_a_task_without_test_people_is_refused_with_the_people_it_needs() -> None:
    index = index_of(["S01", "S09", "S15"], ["A02"], frames=2)
    with pytest.raises(DataError, match=r"for test; .* add one of the subjects \['S05', 'S10'\] for test"):
        select(index, "P1", "tasks:environment=E01")


def test_recordings_too_short_for_three_parts_are_refused_with_the_length_they_need() -> None:
    index = index_of(["S03"], ["A02"], frames=30)
    with pytest.raises(DataError, match="recordings of 50 frames or more"):
        select(index, "P1", "tasks:subject=S03")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("tasks:room=E01", "tasks differ by 'room'; use one of ['environment', 'subject', 'action']"),
        ("tasks:environment", "a task is written such as tasks:environment=E01+E02"),
        ("tasks:environment=E01+E01", "a task needs different environments"),
        ("tasks:subject=", "a task needs different subjects"),
    ],
)
def test_malformed_tasks_are_named(split: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        select(EVERYONE, "P1", split)


def test_tasks_of_one_stream_differ_by_one_thing() -> None:
    with pytest.raises(ValueError, match="must differ by one thing"):
        union((Task(by="environment", values=("E01",)), Task(by="subject", values=("S01",))))
