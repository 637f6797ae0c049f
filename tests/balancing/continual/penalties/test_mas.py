from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from toy_stream import ToyStream

from equipose.balancing.continual.penalties.mas import MAS, mean_prediction, sensitivity
from equipose.balancing.continual.weights import trained_parameters
from equipose.models.batch import rows_of


def test_sensitivity_is_the_mean_size_of_every_rows_gradient(toy_training: Callable[..., Any]) -> None:
    training = ToyStream(toy_training, MAS.Config(), {"dtype": torch.float64}).training(0)
    run = training.view()
    rows = run.training_rows[:5]
    first = rows_of(training.batches[0], slice(0, 5))
    centre = training.model(first).pose.mean(dim=0)
    torch.testing.assert_close(mean_prediction(run, rows), centre.detach())
    parameters = trained_parameters(training.model)
    expected = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for row in range(5):
        pose = training.model(rows_of(first, slice(row, row + 1))).pose
        length = (pose - centre.detach()).square().sum()
        for name, g in zip(parameters, torch.autograd.grad(length, list(parameters.values())), strict=True):
            expected[name] += g.abs() / 5
    torch.testing.assert_close(sensitivity(run, rows), expected, rtol=1e-10, atol=1e-14)


def test_a_constant_offset_of_the_output_does_not_matter(toy_training: Callable[..., Any]) -> None:
    """3 m of depth in the head's bias leave the importance of the encoders as it is."""
    training = ToyStream(toy_training, MAS.Config(), {"dtype": torch.float64}).training(0)
    run = training.view()
    before = sensitivity(run, run.training_rows)
    with torch.no_grad():
        training.model.fusion.bias += 3.0
    torch.testing.assert_close(sensitivity(run, run.training_rows), before, rtol=1e-9, atol=1e-12)
