"""The truth about contamination lies beside a store, follows it, and no store needs it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import RawSequence
from equipose.pipelines.simulator import Contamination, SimulatorConfig, simulate_sequence, write_mmfi_tree
from equipose.pipelines.simulator.truth import FILE
from equipose.pipelines.store import SequenceKey, Store, open_store, read_contamination
from equipose.pipelines.store.truth import TRUTH

CONFIG = SimulatorConfig(frames=8)
SPOILT = Contamination(rate=0.5, kinds=("gauss", "label"), sensors=("rgb", "lidar"))
ACTIONS = ("A02", "A13")


def source(
    contamination: Contamination | None = SPOILT, actions: tuple[str, ...] = ACTIONS
) -> SimulatedSource:
    sensors = ("rgb", "lidar")
    return SimulatedSource(
        subjects=("S12", "S01"), actions=actions, config=CONFIG, sensors=sensors, contamination=contamination
    )


def expected() -> set[tuple[object, ...]]:
    """What the simulator says that it has changed."""
    found: set[tuple[object, ...]] = set()
    for subject, environment in (("S01", "E01"), ("S12", "E02")):
        for action in ACTIONS:
            made = simulate_sequence(subject, action, CONFIG, ("rgb", "lidar"), SPOILT)
            found |= {(environment, subject, action, *entry) for entry in made.altered or ()}
    return found


def truth(store: Store) -> pl.DataFrame:
    found = read_contamination(store)
    assert found is not None
    return found


def listed(store: Store) -> set[tuple[object, ...]]:
    return set(truth(store).drop("row", "part", "camera").rows())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepare("simulated", source(), tmp_path_factory.mktemp("store"))


def test_the_truth_is_what_was_changed_joined_to_the_rows(store: Store) -> None:
    assert listed(store) == expected()
    found = truth(store)
    assert len(found) == 16
    assert found["row"].is_sorted()
    keys = ("row", "environment", "subject", "action", "part", "number")
    assert store.index[found["row"].to_list()].select(keys).equals(found.select(keys))


def test_a_store_is_the_same_without_it(store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy)
    (copy / TRUTH).unlink()
    bare = open_store(copy)
    bare.verify()
    assert (bare.fingerprint, bare.files) == (store.fingerprint, store.files)
    assert read_contamination(bare) is None
    assert TRUTH not in (Path(store.path) / "manifest.json").read_text()
    assert not any(
        "contam" in name or "kind" in name for name in (*store.table.column_names, *store.index.columns)
    )


def test_clean_data_has_no_truth_and_data_that_is_hit_nowhere_an_empty_one(tmp_path: Path) -> None:
    assert read_contamination(prepare("simulated", source(None), tmp_path / "clean")) is None
    assert not (tmp_path / "clean" / TRUTH).exists()
    spared = source(Contamination(rate=1.0, sensors=("rgb",), subjects=("S40",)))
    assert len(truth(prepare("simulated", spared, tmp_path / "spared"))) == 0


def test_it_grows_with_its_store_and_is_left_alone_when_nothing_changes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "store"
    assert {row[2] for row in listed(prepare("simulated", source(actions=("A02",)), path))} == {"A02"}
    grown = prepare("simulated", source(), path)
    assert truth(grown).equals(truth(store))
    written = (path / TRUTH).stat().st_mtime_ns
    assert truth(prepare("simulated", source(), path)).equals(truth(store))
    assert (path / TRUTH).stat().st_mtime_ns == written


@dataclass(frozen=True, kw_only=True)
class Interrupted(SimulatedReader):
    """Reads two sequences, then the user presses Ctrl-C."""

    left: list[int] = field(default_factory=lambda: [0, 0])

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        if not self.left:
            raise KeyboardInterrupt
        self.left.pop()
        return super().read(root, key)


def test_an_interrupted_preparation_keeps_its_truth(store: Store, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare("simulated", source(), tmp_path / "store", reader=Interrupted())
    assert not (tmp_path / "store" / TRUTH).exists()
    assert truth(prepare("simulated", source(), tmp_path / "store")).equals(truth(store))


def test_it_comes_through_a_tree_and_follows_its_files(tmp_path: Path) -> None:
    tree, path = tmp_path / "tree", tmp_path / "store"
    contamination = Contamination(rate=0.5, kinds=("gauss",), sensors=("rgb",))
    write_mmfi_tree(
        tree, subjects=["S01"], actions=ACTIONS, config=CONFIG, contamination=contamination
    )  # fmt: skip
    direct = SimulatedSource(subjects=("S01",), actions=ACTIONS, config=CONFIG, contamination=contamination)
    read = prepare("mmfi", tree, path)
    same = prepare("simulated", direct, tmp_path / "direct")
    assert read.fingerprint == same.fingerprint
    assert truth(read).equals(truth(same))

    shutil.rmtree(tree / "E01" / "S01" / "A02")
    assert {row[2] for row in listed(prepare("mmfi", tree, path))} == {"A13"}
    place = tree / "E01" / "S01" / "A13"
    (place / FILE).unlink()
    (place / "rgb" / "frame001.npy").unlink()
    assert len(truth(prepare("mmfi", tree, path))) == 0


@pytest.mark.parametrize("content", ["no JSON", "[[1, 2]]", '[["x", "rgb", "gauss", 1.0]]', "{}x", "5"])
def test_a_tree_with_a_damaged_truth_is_refused(tmp_path: Path, content: str) -> None:
    write_mmfi_tree(tmp_path / "tree", subjects=["S01"], actions=["A02"], config=SimulatorConfig(frames=2))
    (tmp_path / "tree" / "E01" / "S01" / "A02" / FILE).write_text(content)
    with pytest.raises(DataError, match=f"{FILE}: contamination is unreadable"):
        prepare("mmfi", tmp_path / "tree", tmp_path / "store")


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    write_mmfi_tree(tmp_path / "tree", subjects=["S01"], actions=["A02"], config=SimulatorConfig(frames=2))
    (tmp_path / "outside.json").write_text(json.dumps([[1, "rgb", "gauss", 25.0]]))
    (tmp_path / "tree" / "E01" / "S01" / "A02" / FILE).symlink_to(tmp_path / "outside.json")
    assert read_contamination(prepare("mmfi", tmp_path / "tree", tmp_path / "store")) is None


def test_a_damaged_file_is_named(store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy)
    (copy / TRUTH).write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(DataError, match=TRUTH):
        read_contamination(open_store(copy))
    truth(store).write_parquet(copy / TRUTH)
    with pytest.raises(DataError, match="columns"):
        read_contamination(open_store(copy))
