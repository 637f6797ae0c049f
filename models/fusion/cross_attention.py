"""X-Fi style (vector): every modality keeps tokens of its own that a common state asks again and again.

After "X-Fi: A Modality-Invariant Foundation Model for Multimodal Human Sensing" (Chen et al., ICLR 2025),
whose encoders give 32 tokens each. Here an encoder gives one vector, on which a cross-attention would have a
single key and degenerate, so each vector is first spread over `TOKENS` learnt tokens:

    x_m = W_m f_m + b_m                                         (T tokens of width D)
    s   = pool(mix(x_1, ..., x_M)),      k_m, v_m = K_m x_m, V_m x_m
    ROUNDS times, with the same weights:
        s_m = s + attention_m(s, k_m, v_m),   s_m <- s_m + FFN_m(s_m),   s <- pool(mix'(s_1, ..., s_M))

`mix` is a transformer layer over all tokens, `pool` the mean over the modalities of each of the T places, and
the fused feature is the normalised mean of s. Ours besides the spreading: T is 4, not 32, and pooling is a
mean. An absent modality is left out of every attention and every mean, sample by sample, so a model behaves
as one that never had it.

Legend as in `models/fusion/base.py`; T tokens of a modality, R rows, which are C x B coalitions and samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from equipose.models.fusion.base import CACHED, Fusion, FusionOptions
from equipose.models.fusion.token_layer import TokenLayer
from equipose.models.heads import PoseHead

TOKENS = 4
"""T; X-Fi has 32."""
ROUNDS = 4
"""X-Fi's number of rounds, which share their weights."""


def head_count(width: int) -> int:
    """8 attention heads as in X-Fi where they are at least 8 wide, else 4 or 1."""
    return 8 if width % 8 == 0 and width >= 64 else 4 if width % 4 == 0 else 1


def pooled(tokens: Tensor, present: Tensor) -> Tensor:
    """Mean over the present modalities: [R, M, T, D] and [R, M] bool to [R, T, D]; zero without any."""
    kept = tokens.where(present[..., None, None], 0).sum(dim=1)
    return kept / present.sum(dim=1).clamp_min(1)[:, None, None]


class Asking(nn.Module):
    """One modality's part of a round: the state asks its tokens, then a feed-forward layer."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.memory_norm = nn.LayerNorm(width)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.state_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def remember(self, tokens: Tensor) -> Tensor:
        """Keys and values [B, T, 2 D] of the modality's tokens [B, T, D], the same in every round."""
        memory: Tensor = self.key_value(self.memory_norm(tokens))
        return memory

    def forward(self, state: Tensor, memory: Tensor) -> Tensor:
        """The state [R, T, D] after asking a memory [R, T, 2 D]."""
        asked = (self.query(self.state_norm(state)), *memory.chunk(2, dim=-1))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in asked)
        rate = self.rate if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, dropout_p=rate)
        state = state + self.out(found.transpose(1, 2).flatten(2))
        return state + self.feed(self.feed_norm(state))


class CrossAttentionFusion(Fusion):
    """Rounds of cross-attention to every present modality; its state is the fused feature."""

    def __init__(self, modalities: int, feature_dim: int, options: FusionOptions) -> None:
        super().__init__()
        self.width = feature_dim
        heads = head_count(feature_dim)
        self.spread = nn.Parameter(torch.empty(modalities, feature_dim, TOKENS * feature_dim))
        nn.init.normal_(self.spread, std=feature_dim**-0.5)
        self.places = nn.Parameter(torch.empty(modalities, TOKENS, feature_dim))
        nn.init.normal_(self.places, std=0.02)
        self.start = TokenLayer(feature_dim, heads, options.dropout)
        self.asking = nn.ModuleList(Asking(feature_dim, heads, options.dropout) for _ in range(modalities))
        self.mixing = TokenLayer(feature_dim, heads, options.dropout)
        self.last_norm = nn.LayerNorm(feature_dim)

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[B, D]; finite even where every modality is absent."""
        tokens = self._tokens(features)
        return self._rounds(tokens, self._memories(tokens), present[None])

    def coalitions(self, features: Tensor, present: Tensor, head: PoseHead) -> Tensor:
        """Tokens, keys and values are computed once, the rounds for as many coalitions as fit the caches."""
        tokens = self._tokens(features)
        memories = self._memories(tokens)
        groups = present.split(max(1, CACHED // features[:, 0].numel() // TOKENS))
        poses: Tensor = head(torch.cat([self._rounds(tokens, memories, group) for group in groups]))
        return poses.unflatten(0, present.shape[:2])

    def _tokens(self, features: Tensor) -> Tensor:
        """[B, M, T, D]."""
        spread = torch.einsum("bmd,mde->bme", features, self.spread)
        return spread.unflatten(-1, (TOKENS, -1)) + self.places

    def _memories(self, tokens: Tensor) -> list[Tensor]:
        """Of every modality [B, T, 2 D]."""
        memories = []
        for m, asking in enumerate(self.asking):
            assert isinstance(asking, Asking)
            memories.append(asking.remember(tokens[:, m]))
        return memories

    def _rounds(self, tokens: Tensor, memories: list[Tensor], present: Tensor) -> Tensor:
        """[C B, D] for present [C, B, M]."""
        count = len(present)
        kept = present.flatten(0, 1)
        allowed = allowed_tokens(kept)
        state = self._mixed(self.start, tokens.repeat(count, 1, 1, 1), kept, allowed)
        repeated = [memory.repeat(count, 1, 1) for memory in memories]
        for _ in range(ROUNDS):
            asked = [ask(state, memory) for ask, memory in zip(self.asking, repeated, strict=True)]
            state = self._mixed(self.mixing, torch.stack(asked, dim=1), kept, allowed)
        fused: Tensor = self.last_norm(state.mean(dim=1))
        return fused

    def _mixed(self, layer: TokenLayer, tokens: Tensor, present: Tensor, allowed: Tensor) -> Tensor:
        """[R, T, D] from tokens [R, M, T, D]: one transformer layer over all of them, then pooled."""
        mixed = layer(tokens.flatten(1, 2), allowed, tokens.shape[1] * TOKENS)
        return pooled(mixed.unflatten(1, tokens.shape[1:3]), present)


def allowed_tokens(present: Tensor) -> Tensor:
    """[R, M T] bool: which tokens may be attended to, from present [R, M].

    A row without any modality may attend to all of its tokens, because attention to none is not a number;
    `pooled` then leaves them all out.
    """
    anything = present | ~present.any(dim=1, keepdim=True)
    return anything.repeat_interleave(TOKENS, dim=1)
