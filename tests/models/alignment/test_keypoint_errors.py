"""Errors of key points in pixels."""

from __future__ import annotations

import torch

from equipose.models.alignment.keypoint_errors import endpoint_errors, within_box


def test_distances_and_the_threshold_of_the_annotated_box() -> None:
    truth = torch.zeros(1, 3, 2)
    found = torch.tensor([[[3.0, 4.0], [0.0, 9.9], [0.0, 10.1]]])
    errors = endpoint_errors(found, truth)
    torch.testing.assert_close(errors, torch.tensor([[5.0, 9.9, 10.1]]))
    # A crop of 250 px shows an annotated box of 200 px, whose twentieth is 10 px.
    assert within_box(errors, torch.tensor([250.0])).tolist() == [[True, True, False]]
