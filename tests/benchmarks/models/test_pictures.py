"""The benchmark of picture layouts runs, and both layouts give one result."""

from __future__ import annotations

from unittest.mock import patch

import torch

from benchmarks.models import pictures
from equipose.models.encoders.image import IMAGE_ENCODERS, hrnet


def test_benchmark_reports_every_encoder() -> None:
    text = pictures.main(rounds=1, rows=2, size=(32, 32))
    for name in pictures.ENCODERS:
        for norm in pictures.NORMS:
            assert f"| {name} | {norm} |" in text


def test_both_layouts_give_the_same_features() -> None:
    encoder = IMAGE_ENCODERS["tiny"].build(8, "layer").double()
    given = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with patch.object(hrnet, "LAYOUT", torch.contiguous_format):
        wanted = encoder(given)
    torch.testing.assert_close(encoder(given), wanted, rtol=1e-12, atol=1e-12)
