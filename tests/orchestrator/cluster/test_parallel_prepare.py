"""Preparing on Ray: used where it pays, and the store is the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from equipose.orchestrator.cluster import parallel_prepare
from equipose.orchestrator.cluster.parallel_prepare import side_by_side
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import RawSequence, SequenceKey
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree

CONFIG = SimulatorConfig(frames=3, radar_empty=0.3, csi_infinite=0.05)
SOURCE = SimulatedSource(subjects=("S01", "S12"), actions=("A02", "A13"), config=CONFIG)


@dataclass(frozen=True, kw_only=True)
class Cursed(SimulatedReader):
    """Cannot read anything."""

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        raise DataError.about("disk", field="sector", value="cursed", remedy="try another")


@pytest.mark.parametrize(
    ("processes", "running", "sequences", "expected"),
    [
        (1, True, 500, "here"),
        (2, False, 2, "ray"),
        (2, False, 1, "here"),
        (None, False, 127, "here"),
        (None, False, 128, "ray"),
        (None, True, 15, "here"),
        (None, True, 16, "ray"),
    ],
)
def test_ray_is_used_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, processes: int | None, running: bool, sequences: int, expected: str
) -> None:
    def on_ray(job: Any, keys: list[SequenceKey], width: int) -> Iterator[tuple[Any, int]]:
        return iter([("ray", width)])

    monkeypatch.setattr(parallel_prepare, "_run_on_ray", on_ray)
    monkeypatch.setattr("equipose.pipelines.prepare.prepare_sequence", lambda job, key: 1)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: running))
    keys = [SequenceKey("E01", "S01", f"A{n:02d}") for n in range(sequences)]
    job: Any = None
    done = list(side_by_side(processes)(job, keys))
    assert (done[0][0] == "ray") == (expected == "ray")
    assert expected == "ray" or [key for key, _ in done] == keys


@pytest.mark.system
def test_on_ray_the_store_is_the_same_and_complete(ray_cluster: None, tmp_path: Path) -> None:
    import ray

    tree = tmp_path / "tree"
    write_mmfi_tree(tree, subjects=["S01", "S12"], actions=["A02", "A13"], config=CONFIG)
    alone = prepare("mmfi", tree, tmp_path / "alone")
    seen: list[tuple[int, int]] = []
    together = prepare(
        "mmfi", tree, tmp_path / "ray", run=side_by_side(2), progress=lambda *now: seen.append(now)
    )
    assert together.fingerprint == alone.fingerprint
    assert seen == [(n, 4) for n in range(5)]
    assert ray.is_initialized()
    with pytest.raises(DataError, match=r"^[^\n]*cursed[^\n]*$"):
        prepare("simulated", SOURCE, tmp_path / "cursed", reader=Cursed(), run=side_by_side(2))
