"""DataError names file, field, value and remedy, and survives pickling back from a worker process."""

from __future__ import annotations

import pickle

from equipose.pipelines.files.errors import DataError


def test_message_names_everything_and_survives_pickling() -> None:
    error = DataError.about("a/b.npy", field="shape", value=(1, 2), remedy="write 17x2 arrays")
    assert str(error) == "a/b.npy: shape is (1, 2); write 17x2 arrays"
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, DataError)
    assert str(again) == str(error)
