"""Scaling curves: lines, tables, pictures, and that the pieces measured are the library's own."""

from __future__ import annotations

import pytest
import torch

from benchmarks.scaling import contributions
from benchmarks.scaling.curves import Curve, Panel, figure, markdown, measured
from equipose.balancing.shapley.coalitions import coalitions_of


def test_a_line_is_found_and_written_down() -> None:
    curve = Curve(name="mlp", x=(1, 10, 100), seconds=(0.012, 0.03, 0.21))
    start, slope = curve.line()
    assert (start, slope) == (pytest.approx(0.01), pytest.approx(0.002))
    text = markdown(Panel(title="Epoch", over="frames", curves=(curve,)))
    assert "| 100 | 210 ms |" in text
    assert "Straight lines: mlp: 10 ms + 2 ms each." in text


def test_points_that_one_curve_lacks_stay_empty_and_notes_are_shown() -> None:
    one = Curve(name="one", x=(1, 2), seconds=(1.5, 2.0), notes=("R", "RL"))
    other = Curve(name="other", x=(2,), seconds=(5e-6,))
    text = markdown(Panel(title="", over="sensors", curves=(one, other), linear=False))
    assert "| 1 | 1.5 s (R) |  |" in text
    assert "| 2 | 2 s (RL) | 5 us |" in text
    assert "Straight" not in text


def test_sizes_are_visited_round_by_round() -> None:
    calls: list[int] = []
    seconds = {1: [9.0, 1.0, 5.0, 3.0], 2: [9.0, 2.0, 2.0, 8.0]}

    def prepare(size: int) -> object:
        def run() -> float:
            calls.append(size)
            return seconds[size].pop(0)

        return run

    curve = measured("", (1, 2), prepare)  # type: ignore[arg-type]
    assert calls == [1, 2] * 4
    assert curve.seconds == (3.0, 2.0)


def test_every_panel_is_drawn() -> None:
    panel = Panel(title="a", over="frames", curves=(Curve(name="x", x=(1, 10), seconds=(0.1, 1.0)),))
    drawn = figure([panel, panel, panel], "simulated data")
    assert [axes.get_xlabel() for axes in drawn.axes] == ["frames"] * 3


def test_sampled_contributions_lie_within_their_error_bars() -> None:
    exact, found, bars = contributions.sampled_and_exact(9, steps=30, samples=5)
    assert float(exact.max()) > 1, "the model has learned nothing, so there is nothing to compare"
    assert float(((found - exact).abs() <= contributions.REACH * bars).double().mean()) > 0.8
    assert float(bars.max()) < 0.1 * float(exact.max())


def test_statistics_are_those_of_the_whole_set(monkeypatch: pytest.MonkeyPatch) -> None:
    model = contributions.model_of(3, "mlp")
    features, pose = torch.randn(40, 3, contributions.WIDTH), torch.randn(40, 17, 3)
    whole = contributions.statistics_of(model, features, pose, coalitions_of(3))
    monkeypatch.setattr(contributions, "ROWS", 16)
    parts = contributions.statistics_of(model, features, pose, coalitions_of(3))
    torch.testing.assert_close(parts.mpjpe_mm(), whole.mpjpe_mm())
    assert float(parts.count.sum()) == 40
