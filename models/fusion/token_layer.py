"""A transformer layer on a few tokens. Legend: B batch, N tokens, D width."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class TokenLayer(nn.Module):
    """A pre-norm transformer layer on tokens [B, N, D]; zero tokens have zero keys and values."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.attention_norm = nn.RMSNorm(width, eps=1e-5)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_norm = nn.RMSNorm(width, eps=1e-5)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, allowed: Tensor | None, asking: int) -> Tensor:
        """The first `asking` tokens after the layer: [B, asking, D].

        `allowed` [B, N] bool says which tokens may be attended to; None: all of them.
        """
        return self.mix(self.project(tokens, asking), allowed)

    def project(self, tokens: Tensor, asking: int) -> tuple[Tensor, ...]:
        """Per-token inputs of `mix`: the asking tokens, their queries, all keys, all values."""
        normal = self.attention_norm(tokens)
        key, value = self.key_value(normal).chunk(2, dim=-1)
        return tokens[:, :asking], self.query(normal[:, :asking]), key, value

    def mix(self, projected: tuple[Tensor, ...], allowed: Tensor | None) -> Tensor:
        """[B, asking, D]: attention among the projected tokens, then the feed-forward part."""
        tokens, *parts = projected
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mask = None if allowed is None else allowed[:, None, None]
        rate = self.rate if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=rate)
        tokens = tokens + self.out(mixed.transpose(1, 2).flatten(2))
        return tokens + self.feed(self.feed_norm(tokens))
