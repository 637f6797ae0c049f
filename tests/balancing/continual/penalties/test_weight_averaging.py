from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from toy_stream import ToyStream

from equipose.balancing.compose import chain, within
from equipose.balancing.continual.penalties.l2 import L2
from equipose.balancing.continual.penalties.weight_averaging import WeightAveraging


def test_weights_are_averaged_from_the_second_task_on(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, WeightAveraging.Config(share=0.25))
    first = stream.training(0).fit(2)
    start = first.weights()
    stream.finish(first)
    assert torch.equal(first.weights(), start)
    second = stream.training(1).fit(2)
    end = second.weights()
    recalibrated: list[bool] = []
    second.method.on_task_end(replace(second.view(), recalibrate=lambda: recalibrated.append(True)))
    torch.testing.assert_close(second.weights(), 0.25 * start + 0.75 * end, rtol=0, atol=1e-6)
    assert recalibrated == [True]
    kept = torch.cat([value.flatten().double() for value in second.method.start.values()])
    assert torch.equal(kept, second.weights())


def test_config_message() -> None:
    with pytest.raises(ValueError, match=r"weight_averaging\.share must lie in \[0, 1\], got 1.5"):
        WeightAveraging.Config(share=1.5)


def test_that_it_moves_weights_is_known_through_chains_and_windows() -> None:
    method = WeightAveraging()
    assert chain(l2=L2(), averaging=method).moves_weights_at_end
    assert within(range(0), method).moves_weights_at_end, "the end of a task belongs to no epoch"
    assert not chain(l2=L2()).moves_weights_at_end
