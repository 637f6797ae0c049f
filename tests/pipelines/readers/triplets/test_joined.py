"""Several sources in one store: nothing is lost or mixed up."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import assign
from equipose.pipelines.readers import READERS, TripletSource
from equipose.pipelines.readers.triplets.joined import JoinedReader, JoinedRoots, joined_sources
from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import Store

FEW = SimulatorConfig(frames=2)
LAB = TripletSource(subjects=("S01", "S08", "S09"), actions=("A01",), cameras=("C1",), config=FEW)
OUTDOOR = TripletSource(subjects=("S21", "S31"), actions=("A13",), cameras=("C1",), config=FEW)
NAMES = ("simulated_indoor", "simulated_outdoor")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    reader = JoinedReader(readers={name: READERS[name] for name in NAMES})
    root = JoinedRoots(zip(NAMES, (LAB, OUTDOOR), strict=True))
    return prepare("simulated_joined", root, tmp_path_factory.mktemp("joined") / "store", reader=reader)


def test_every_sequence_of_both_is_there(store: Store) -> None:
    assert store.index["subject"].unique().sort().to_list() == ["S01", "S08", "S09", "S21", "S31"]
    assert store.header["source"] == "simulated_joined"


def test_the_outdoor_people_train_and_nothing_else(store: Store) -> None:
    uses = assign(store.index, "H36M+3DHP", "subject").group_by("subject").agg(pl.col("use").first())
    assert dict(uses.iter_rows()) == {
        "S01": "train", "S21": "train", "S08": "validation", "S09": "test", "S31": None,
    }  # fmt: skip


def test_a_store_of_one_of_them_is_refused(store: Store) -> None:
    for alone in (store.index.filter(pl.col("part") == ""), store.index.filter(pl.col("part") != "")):
        with pytest.raises(DataError, match="it lacks sequences of one of the two"):
            assign(alone, "H36M+3DHP", "subject")


def test_a_key_that_two_sources_have_is_refused() -> None:
    reader = JoinedReader(readers={"one": READERS[NAMES[0]], "other": READERS[NAMES[0]]})
    with pytest.raises(DataError, match="is in one and in other"):
        reader.sequences(JoinedRoots(one=LAB, other=LAB))


def test_sources_are_listed_once_also_by_processes_that_read() -> None:
    class Counting:
        """Counts how often it is asked for its sequences."""

        asked = 0

        def sequences(self, root: Any) -> list[SequenceKey]:
            self.asked += 1
            return READERS[NAMES[0]].sequences(root)

        def __getattr__(self, name: str) -> Any:
            return getattr(READERS[NAMES[0]], name)

    counting = Counting()
    reader, root = JoinedReader(readers={"lab": counting}), JoinedRoots(lab=LAB)  # type: ignore[dict-item]
    keys = reader.sequences(root)
    there = pickle.loads(pickle.dumps(root))
    assert [reader.state(there, key) for key in keys] == ["0"] * len(keys)
    assert reader.read(there, keys[0]).subject == keys[0].subject
    assert counting.asked == 1
    reader.sequences(root)
    assert counting.asked == 2, "a new listing looks again"


def test_sources_are_named_with_their_folders() -> None:
    reader, roots = joined_sources({"h36m": (READERS["h36m"], Path("a"))}, ["mpi_inf_3dhp=/data/b"])
    assert roots == {"h36m": Path("a"), "mpi_inf_3dhp": Path("/data/b")}
    assert list(reader.readers) == ["h36m", "mpi_inf_3dhp"]
    for wrong, words in (
        ("mpi_inf_3dhp", "give source=folder"),
        ("h36m=/data/b", "is there already"),
        ("elsewhere=/data/b", "source is 'elsewhere'"),
    ):
        with pytest.raises(ValueError, match=words):
            joined_sources({"h36m": (READERS["h36m"], Path("a"))}, [wrong])
