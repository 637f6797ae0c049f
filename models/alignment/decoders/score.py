"""A pose by diffusion, conditioned on an embedding: the score-based decoder of UniHPE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from equipose.models.alignment.decoders.base import Decoder, DecoderConfig
from equipose.models.alignment.decoders.network import NetworkConfig, ScoreNetwork
from equipose.models.alignment.decoders.samplers import SAMPLERS, Sampling
from equipose.models.alignment.decoders.sde import alpha, sigma
from equipose.models.encoders.base import Norm

Predicts = Literal["pose", "noise"]
EARLIEST = 1e-5
"""Training times are uniform in [1e-5, 1]."""


class ScoreDecoder(Decoder):
    """Noise to poses by the sub-VP process, in which every hypothesis is another sample.

    Training is GFPose's denoising: x_t = alpha x + sigma z with t and z drawn for each row.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(DecoderConfig):
        """The default predicts poses and needs five steps; `PUBLISHED` is the paper's reading."""

        network: NetworkConfig = field(default_factory=NetworkConfig)
        predicts: Predicts = "pose"
        """What the network outputs. `noise`: score = -output / sigma, as published; its errors are magnified
        150-fold into a pose at t = 1, so few-step samplers fail. `pose`: the clean pose; its score is stiff
        near t = 0, so the flows need some 200 steps, DDIM five."""
        sampling: Sampling = field(default_factory=Sampling)

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.predicts not in get_args(Predicts):
                raise ValueError(f"predicts={self.predicts!r}: use 'pose' or 'noise'")

        def build(self, width: int, sources: tuple[str, ...], norm: Norm) -> ScoreDecoder:
            """The decoder; group normalisation is per sample, whatever `norm` is."""
            return ScoreDecoder(self, width, sources)

    def __init__(self, config: Config, width: int, sources: tuple[str, ...]) -> None:
        super().__init__(config, width, sources)
        self.config = config
        self.network = ScoreNetwork(self.numbers, width, config.network)

    @property
    def label(self) -> str:
        """Sampler, steps and hypotheses."""
        return self.config.sampling.label

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
        """Losses [B] at times and noise from the generator; see `losses_at`."""
        rows = len(pose)
        t, noise = self.draw(pose, generator, draws * (rows if total is None else total))
        mine = slice(draws * start, draws * (start + rows))
        told = self.condition(embedding, source, box).repeat_interleave(draws, 0)
        losses = self._losses_of(pose.repeat_interleave(draws, 0), told, t[mine], noise[mine])
        return losses.unflatten(0, (rows, draws)).mean(1)

    def draw(
        self, pose: Tensor, generator: torch.Generator, rows: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Times [N] and noise [N, J C] for N rows (None: as many as poses [B, J, C]), of the poses' type and
        on their device."""
        count = len(pose) if rows is None else rows
        options = {"generator": generator, "device": generator.device, "dtype": pose.dtype}
        t = EARLIEST + (1 - EARLIEST) * torch.rand(count, **options)  # type: ignore[call-overload]
        noise = torch.randn(count, self.numbers, **options)  # type: ignore[call-overload]
        return t.to(pose.device), noise.to(pose.device)

    def losses_at(
        self,
        pose: Tensor,
        embedding: Tensor,
        source: str | Tensor,
        t: Tensor,
        noise: Tensor,
        *,
        box: Tensor | None = None,
    ) -> Tensor:
        """Losses [B] at times t [B] and noise [B, J C], such as this rank's rows of a draw for all ranks.

        `noise`: 1/2 mean (output - z)^2, the published loss with the mean in place of the sum over the
        coordinates, which is 25.5 times as much for 17 joints in 3D. `pose`: mean (output - x)^2.
        """
        return self._losses_of(pose, self.condition(embedding, source, box), t, noise)

    def _losses_of(self, pose: Tensor, told: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """As `losses_at`, of what the condition [B, D] tells."""
        clean = self.scaled(pose)
        noisy = alpha(t)[:, None] * clean + sigma(t)[:, None] * noise
        output = self.network(noisy, t, told)
        if self.config.predicts == "noise":
            return (output - noise).square().mean(1) / 2
        return (output - clean).square().mean(1)

    def sample(
        self,
        embedding: Tensor,
        source: str | Tensor,
        *,
        generator: torch.Generator,
        box: Tensor | None = None,
        hypotheses: int | None = None,
    ) -> Tensor:
        """Poses [B, H, J, C]. All rows share what is drawn, so a row's poses depend on that row alone."""
        sampling = self.config.sampling
        count = sampling.hypotheses if hypotheses is None else hypotheses
        if count < 1:
            raise ValueError(f"hypotheses={count}: use 1 or more")
        told = self.condition(embedding, source, box).repeat_interleave(count, 0)

        def normal() -> Tensor:
            drawn = torch.randn(
                count, self.numbers, generator=generator, device=generator.device, dtype=told.dtype
            )
            return drawn.to(told.device).repeat(len(embedding), 1)

        def predict(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            return self._estimates(x, t, told)

        numbers = SAMPLERS[sampling.sampler](predict, normal(), sampling.steps, normal)
        return self.unscaled(numbers.unflatten(0, (-1, count)))

    def _estimates(self, x: Tensor, t: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Clean pose and noise, each [B, J C], that the network sees in x [B, J C] at the one time t."""
        output = self.network(x, t.expand(len(x)), told)
        if self.config.predicts == "noise":
            return (x - sigma(t) * output) / alpha(t), output
        return output, (x - alpha(t) * output) / sigma(t)


PUBLISHED = ScoreDecoder.Config(predicts="noise", sampling=Sampling(sampler="mode_flow", steps=50))
"""GFPose's way; it takes 1,000 steps, which gained nothing over 50 in our trials on simulated poses."""
