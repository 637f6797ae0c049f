"""The strength of AWC's constraint: as a ratio of gradients it means the same at any scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.strength import EpochRatios, RunningNorms, norm_of
from equipose.balancing.registry import build_method

ALWAYS: dict[str, Any] = {"free_epochs": 0, "window": None, "ratio_i": 0.3}


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def test_coefficient_by_hand() -> None:
    norms = RunningNorms(momentum=0.5)
    assert norms.coefficient("rgb", scalar(2.0), scalar(0.0), 0.3) == 0, "no pull yet"
    # Running norms: task (1 + 4) / 2 = 2.5, pull 0.5.
    assert norms.coefficient("rgb", scalar(4.0), scalar(1.0), 0.3) == pytest.approx(0.3 * 2.5 / 0.5)
    assert norms.coefficient("lidar", scalar(4.0), scalar(1.0), 0.3) == pytest.approx(0.3 * 4.0)


def test_a_steady_pull_has_the_ratio_asked_for() -> None:
    norms = RunningNorms()
    found = [float(norms.coefficient("rgb", scalar(6.0), scalar(1e-7), 0.3)) * 1e-7 for _ in range(50)]
    assert found[-1] == pytest.approx(0.3 * 6.0)


def test_state_goes_on() -> None:
    norms, restored = RunningNorms(), RunningNorms()
    norms.coefficient("rgb", scalar(2.0), scalar(1.0), 0.3)
    restored.load_state_dict(norms.state_dict())
    again = [one.coefficient("rgb", scalar(5.0), scalar(3.0), 0.3) for one in (norms, restored)]
    assert torch.equal(*again)


def test_mean_ratio_of_an_epoch() -> None:
    ratios = EpochRatios()
    assert ratios.add("rgb", scalar(1.0), scalar(2.0)) == 0.5
    assert ratios.add("rgb", scalar(0.0), scalar(2.0)) == 0.25
    assert ratios.add("lidar", scalar(1.0), scalar(0.0)) == 0, "no task gradient, nothing to compare with"


def test_norm_spans_all_tensors() -> None:
    assert norm_of([torch.tensor([3.0]), torch.tensor([[4.0]])]) == 5


def test_the_measured_ratio_is_the_target(toy_training: Callable) -> None:
    """Over some epochs the penalty's gradient is about 0.3 of the task's, on every encoder."""
    training = toy_training(build_method(AWC.Config(**ALWAYS)))
    training.batches = training.batches * 4
    training.fit(3)
    for modality in training.model.modalities:
        assert training.logged[f"method/penalty_ratio/{modality}"] == pytest.approx(0.3, rel=0.35)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_the_loss_does_not_matter(scale: float, toy_training: Callable) -> None:
    """The same task in other units is held back just as much; absolute weights are not so."""

    def travelled(unit: float, **fields: Any) -> torch.Tensor:
        method = AWC(AWC.Config(**{**ALWAYS, **fields}))
        estimate = method._estimate
        # Fisher information goes with the square of the loss's unit.
        method._estimate = lambda run, p: {n: f * unit**2 for n, f in estimate(run, p).items()}  # type: ignore[method-assign]
        training = toy_training(method, dtype=torch.float64)
        start = training.weights()
        return training.fit(2).weights() - start

    torch.testing.assert_close(travelled(scale), travelled(1.0))
    absolute: dict[str, Any] = {"strength": "alpha", "alpha_s": 100.0, "alpha_i": 100.0}
    assert not torch.allclose(travelled(scale, **absolute), travelled(1.0, **absolute), rtol=0.01)


def test_weak_sensors_are_free_by_default(toy_training: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    method = AWC(AWC.Config(free_epochs=0, contributions="validation"))
    training = toy_training(method)
    monkeypatch.setattr(training, "contributions", lambda: torch.tensor([9.0, 1.0, 1.0]))
    training.fit(1)
    assert method.strengths == {"rgb": 0.3, "lidar": 0.0, "mmwave": 0.0}
    assert "method/penalty_ratio/rgb" in training.logged
    assert "method/penalty_ratio/lidar" not in training.logged


def test_a_window_in_steps(toy_training: Callable) -> None:
    """Two steps into the second epoch it is over, and costs no further pass."""
    method = build_method(AWC.Config(free_epochs=0, window_steps=5))
    training = toy_training(method)
    logged = []
    for _ in range(3):
        training.logged.clear()
        training.run_epoch()
        logged.append("fisher/rgb" in training.logged)
    assert len(training.batches) == 3
    assert logged == [True, True, False]


def test_free_epochs_are_plain(toy_training: Callable) -> None:
    method = build_method(AWC.Config(free_epochs=2, window=1))
    assert [method.acts_in(epoch) for epoch in range(4)] == [False, False, True, False]
    plain = toy_training(build_method(AWC.Config(window=0)))
    training = toy_training(method)
    for epoch in range(3):
        same = torch.equal(training.fit(epoch + 1).weights(), plain.fit(epoch + 1).weights())
        assert same == (epoch < 2)
