"""What a decoder is told: the embedding, which modality it came from, and the box in 2D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equipose.models.alignment.sphere import for_decoders
from equipose.models.encoders.pose.boxes import BOX_NUMBERS


class Condition(nn.Module):
    """Embeddings [B, D] of a modality to [B, D]: scaled to one length, plus modality token, plus box.

    The token is a learnt vector per modality (UniHPE, appendix B.3). How it joins the embedding is not
    stated; here it is added, as the time embedding is.
    """

    def __init__(self, width: int, sources: tuple[str, ...], *, token: bool, box: bool) -> None:
        super().__init__()
        if not sources or len(set(sources)) < len(sources):
            raise ValueError(f"sources={sources}: name each modality once, and at least one")
        self.width, self.sources = width, sources
        self.token = nn.Parameter(0.02 * torch.randn(len(sources), width)) if token else None
        self.box = nn.Linear(BOX_NUMBERS, width) if box else None

    def forward(self, embedding: Tensor, source: str | Tensor, box: Tensor | None = None) -> Tensor:
        """[B, D]; source: a modality; the number [B] of one in `sources` for each row; or, for embeddings
        that several share, the weight [B, E] of each of the E sources. box: [B, 3]."""
        if embedding.dim() != 2 or embedding.shape[1] != self.width:
            raise ValueError(f"embeddings have shape {list(embedding.shape)}; give [rows, {self.width}]")
        told = for_decoders(embedding)
        index = self._index(source)
        if self.token is not None:
            if isinstance(index, Tensor) and index.is_floating_point():
                told = told + index @ self.token
            else:
                told = told + self.token[index]
        if self.box is None:
            return told
        if box is None or box.shape != (len(embedding), BOX_NUMBERS):
            raise ValueError(
                f"box={None if box is None else list(box.shape)}: this decoder needs a box token "
                f"[{len(embedding)}, {BOX_NUMBERS}]; give one, or build it with box=False"
            )
        return told + self.box(box)

    def _index(self, source: str | Tensor) -> int | Tensor:
        if isinstance(source, Tensor):
            return source
        if source not in self.sources:
            raise ValueError(f"source={source!r} is unknown; this decoder knows {list(self.sources)}")
        return self.sources.index(source)
