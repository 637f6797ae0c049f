"""The outbox file: whole records only, in order, one user at a time, and only its own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.tracking.outbox import (
    MAX_BATCH,
    Outbox,
    OutboxInUseError,
    leading_group,
    parse_lines,
)
from equipose.pipelines.files.errors import DataError


def metric(step: int) -> dict[str, object]:
    return {"kind": "metric", "key": "val/mpjpe_mm", "value": 1.0, "step": step, "time": step}


def test_records_survive_a_second_opening(tmp_path: Path) -> None:
    first = Outbox(tmp_path, "run")
    first.append([metric(0), metric(1)])
    first.append([{"kind": "tag", "key": "a", "value": "b"}])
    first.close(delivered=False)
    second = Outbox(tmp_path, "run")
    assert second.recover() == [metric(0), metric(1), {"kind": "tag", "key": "a", "value": "b"}]
    second.append([metric(2)])
    assert len(second.recover()) == 4
    second.close(delivered=False)


@pytest.mark.parametrize("cut", range(1, 40))
def test_half_a_line_is_not_a_record(cut: int, tmp_path: Path) -> None:
    line = json.dumps(metric(0)).encode() + b"\n"
    (tmp_path / "run.jsonl").write_bytes(line + line[:cut])
    outbox = Outbox(tmp_path, "run")
    assert outbox.recover() == [metric(0)]
    outbox.append([metric(1)])
    assert outbox.recover() == [metric(0), metric(1)]
    outbox.close(delivered=False)


def test_empty_and_only_half_a_line() -> None:
    assert parse_lines(b"") == ([], 0)
    assert parse_lines(b'{"kind"') == ([], 0)


def test_second_user_is_refused(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, "run")
    with pytest.raises(OutboxInUseError, match="one logger at a time"):
        Outbox(tmp_path, "run")
    outbox.close(delivered=True)
    assert not list(tmp_path.iterdir())
    Outbox(tmp_path, "run").close(delivered=True)


def test_groups_are_stretches_of_metrics_or_single_records() -> None:
    tag = {"kind": "tag", "key": "a", "value": "b"}
    records = [metric(0), metric(1), tag, tag, *[metric(i) for i in range(MAX_BATCH + 5)]]
    sizes, start = [], 0
    while start < len(records):
        sizes.append(len(leading_group(records, start)))
        start += sizes[-1]
    assert sizes == [2, 1, 1, MAX_BATCH, 5]


def test_artifacts_are_copies(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("first")
    outbox = Outbox(tmp_path / "spool", "run")
    kept = outbox.keep_file(source, 1)
    source.write_text("second")
    assert kept.read_text() == "first"
    assert outbox.keep_file(b"bytes", 2).read_bytes() == b"bytes"
    outbox.close(delivered=True)
    assert not kept.exists()


def outbox_with(folder: Path, *records: Any) -> Outbox:
    (folder / "run.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return Outbox(folder, "run")


@pytest.mark.parametrize(
    "record",
    [
        3,
        {},
        {"kind": []},
        {"kind": "shell", "value": "x"},
        {"kind": "metric", "key": "a", "value": "1", "step": 0, "time": 0},
        {"kind": "artifact", "file": "/etc/passwd", "name": "../x"},
        {"kind": "status", "value": "FINISHED"},
    ],
)
def test_records_of_another_form_are_refused(tmp_path: Path, record: Any) -> None:
    with pytest.raises(DataError, match=r"run\.jsonl: the outbox is damaged"):
        outbox_with(tmp_path, record).recover()


def test_a_broken_line_in_the_middle_is_reported() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_lines(b'{"kind": "tag"\n{}\n')


def test_an_outbox_delivers_and_deletes_only_its_own_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    record = {"kind": "artifact", "file": str(secret), "name": "x"}
    outbox = outbox_with(tmp_path, record)
    assert outbox.kept_file(outbox.recover()[0]) == tmp_path / "run.files" / "secret"
    outbox.close(delivered=True)
    assert secret.read_text() == "mine"


def test_an_outbox_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("half a line")
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        Outbox(tmp_path, "run")
