"""A pose by regression: the MLP decoder of UniHPE's table 4."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.models.alignment.decoders.base import Decoder, DecoderConfig
from equipose.models.encoders.base import Norm
from equipose.models.encoders.pose.residual import ResidualMLP, check_sizes


class MLPDecoder(Decoder):
    """Three residual blocks and a squared error, as in UniHPE; it has one hypothesis."""

    @dataclass(frozen=True, kw_only=True)
    class Config(DecoderConfig):
        """Sizes; only the number of blocks is published."""

        width: int = 1024
        blocks: int = 3
        dropout: float = 0.0

        def __post_init__(self) -> None:
            super().__post_init__()
            check_sizes(self.width, self.blocks)

        def build(self, width: int, sources: tuple[str, ...], norm: Norm) -> MLPDecoder:
            """The decoder of embeddings [B, width] of these modalities, with new weights."""
            return MLPDecoder(self, width, sources, norm)

    def __init__(self, config: Config, width: int, sources: tuple[str, ...], norm: Norm) -> None:
        super().__init__(config, width, sources)
        self.mlp = ResidualMLP(
            width,
            self.numbers,
            width=config.width,
            blocks=config.blocks,
            dropout=config.dropout,
            norm=norm,
        )

    @property
    def label(self) -> str:
        """Regression needs no sampler."""
        return "regression"

    def forward(
        self,
        pose: Tensor,
        embedding: Tensor,
        source: str | Tensor,
        *,
        generator: torch.Generator,
        box: Tensor | None = None,
        start: int = 0,
        total: int | None = None,
        draws: int = 1,
    ) -> Tensor:
        """Mean squared errors [B] over the scaled coordinates; nothing is drawn."""
        return (self.mlp(self.condition(embedding, source, box)) - self.scaled(pose)).square().mean(1)

    def sample(
        self,
        embedding: Tensor,
        source: str | Tensor,
        *,
        generator: torch.Generator,
        box: Tensor | None = None,
        hypotheses: int | None = None,
    ) -> Tensor:
        """Poses [B, 1, J, C]."""
        if hypotheses not in (None, 1):
            raise ValueError(f"hypotheses={hypotheses}: regression has one answer; use the score decoder")
        return self.unscaled(self.mlp(self.condition(embedding, source, box)))[:, None]
