"""Heat maps: what is written into them is read out of them, and joints that are not there are left out."""

from __future__ import annotations

import pytest
import torch

from equipose.models.baselines.heatmaps import cells_of, gaussians, in_box, peaks, scaled_sigma

SIZES = [(64, 48), (32, 24), (24, 18)]


def joints_inside(height: int, width: int, rows: int = 40) -> torch.Tensor:
    """[rows, 17, 2] cells at least one cell from the rim."""
    draws = torch.rand(rows, 17, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return 1 + draws * (torch.tensor([width, height]) - 3)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_joint_comes_back_within_a_quarter_of_a_cell(height: int, width: int) -> None:
    cells = joints_inside(height, width)
    maps, known = gaussians(cells, height, width, scaled_sigma(2.0, height))
    assert known.all()
    assert maps.shape == (40, 17, height, width)
    off = (peaks(maps) - cells).abs()
    assert off.max() <= 0.25 + 1e-9
    assert off.max() > 0.2, "a quarter is what remains, not less"


def test_cells_and_box_are_inverse_and_corners_are_corners() -> None:
    box = torch.tensor([[[-0.75, -1.0], [0.75, 1.0], [0.0, 0.0]]])
    cells = cells_of(box, 64, 48)
    assert torch.allclose(cells, torch.tensor([[[-0.5, -0.5], [47.5, 63.5], [23.5, 31.5]]]))
    assert torch.allclose(in_box(cells, 64, 48), box)


def test_gaussians_keep_their_size_on_the_body_whatever_the_map() -> None:
    assert (scaled_sigma(2.0, 64), scaled_sigma(2.0, 32)) == (2.0, 1.0)
    middle = torch.zeros(1, 1, 2)
    large = gaussians(cells_of(middle, 64, 48), 64, 48, scaled_sigma(2.0, 64))[0]
    small = gaussians(cells_of(middle, 32, 24), 32, 24, scaled_sigma(2.0, 32))[0]
    torch.testing.assert_close(large.mean(), small.mean(), rtol=1e-3, atol=0)


def test_joints_that_are_unknown_or_far_outside_have_no_map() -> None:
    nan = float("nan")
    cells = torch.tensor([[[5.0, 5.0], [nan, 5.0], [-7.0, 5.0], [-6.0, 5.0], [5.0, 70.0]]])
    maps, known = gaussians(cells, 64, 48, 2.0)
    assert known.tolist() == [[True, False, False, True, False]]
    assert maps.isfinite().all()


def test_a_peak_on_the_rim_stays_and_one_inside_moves_to_the_higher_side() -> None:
    maps = torch.zeros(1, 3, 5, 5)
    maps[0, 0, 2, 0] = 1.0
    maps[0, 1, 2, 2], maps[0, 1, 2, 3], maps[0, 1, 1, 2] = 1.0, 0.5, 0.5
    maps[0, 2, 2, 2] = 1.0
    assert peaks(maps).tolist() == [[[0.0, 2.0], [2.25, 1.75], [2.0, 2.0]]]
