"""Everything that determines the architecture of an aligned model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from equipose.models.alignment.decoders import DECODERS, DecoderConfig, Sampling
from equipose.models.alignment.decoders.mlp import MLPDecoder
from equipose.models.alignment.decoders.network import NetworkConfig
from equipose.models.alignment.decoders.samplers import SamplerName
from equipose.models.alignment.decoders.score import Predicts, ScoreDecoder
from equipose.models.alignment.search_choice import one_of
from equipose.models.encoders import NORMS, EncoderConfig, Norm
from equipose.models.encoders.image import IMAGE_ENCODERS
from equipose.models.encoders.pose import POSE_ENCODERS, PoseMLP, PoseTransformer
from equipose.models.sensors import GridView, ImageView, View, sensor_of

SKELETON = "skeleton"
"""Name of the 3D pose among the modalities of the shared space; it is no sensor, but what is to be found."""
IMAGE, KEYPOINTS, POSE = "image", "keypoints", "pose"
EXACT = "exact_keypoints"
"""The key points as annotated: a target, and in evaluation a better input than a detector's."""
DECODED: tuple[str, ...] = (POSE, KEYPOINTS)
"""What decoders make out of an embedding."""


OF_DECODERS: tuple[str, ...] = (
    "decoder",
    "predicts",
    "sampler",
    "steps",
    "hypotheses",
    "modality_token",
    "averaged",
)
"""Fields of `AlignedConfig` that say nothing without decoders."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Widths of a preset; the heads of attention are 32 wide, as far as there are so many."""

    space: int
    """D."""
    pose: int
    """Width of the pose encoders' tokens, and half of that of their feed-forward part."""
    layers: int
    decoder: int
    """Width of the decoders."""
    time: int
    """Width of the score decoders' time embedding."""


SIZES: Mapping[str, Sizes] = MappingProxyType(
    {
        "tiny": Sizes(space=16, pose=16, layers=1, decoder=32, time=16),
        "small": Sizes(space=128, pose=128, layers=3, decoder=256, time=64),
        "paper": Sizes(space=1024, pose=256, layers=3, decoder=1024, time=512),
    }
)
"""`tiny` for unit tests, `small` for minutes on two cores, `paper` as published (UniHPE, section 3.1)."""


@dataclass(frozen=True, kw_only=True)
class AlignedConfig:
    """One space for the views that some sensors and the skeleton give of a pose.

    Raises ValueError for values that are unknown or do not fit together.
    """

    modalities: tuple[str, ...] = (IMAGE, KEYPOINTS)
    """Sensors, in the order of M; `image` and `keypoints` are those of triplets. Any other sensor has the
    encoder that it has in a fusion model, so that a fusion model can start with what was aligned."""
    preset: Literal["tiny", "small", "paper"] = "small"
    width: int | None = one_of(None, (1 / 2, 1, 2), times="space")
    """D; None uses the preset's. A search tries half of it and twice as much."""
    image: str | None = None
    """Encoder of `image`, one of `IMAGE_ENCODERS`; None: the preset's, HRNet-W32 in `paper`."""
    image_weights: str | None = None
    """File of weights that the image encoder starts with, such as HRNet trained on COCO; see
    `load_image_weights`. Pictures are then scaled as ImageNet's."""
    pose_encoder: Literal["transformer", "mlp"] = "transformer"
    """Of key points and skeleton."""
    pose_width: int | None = None
    """Width of the pose transformers' tokens; None uses the preset's."""
    norm: Norm = "batch"
    """`batch` as published; `layer` keeps no batch statistics, so results do not depend on the rank count."""
    decoders: tuple[str, ...] = ()
    """Out of `pose` and `keypoints`; without `pose`, the pose of an embedding is that of the most similar
    skeleton in a gallery."""
    decoder: Literal["score", "mlp"] = "score"
    predicts: Predicts = "pose"
    """See `ScoreDecoder.Config`."""
    sampler: SamplerName = "ddim"
    steps: int = 5
    hypotheses: int = 1
    modality_token: bool = True
    averaged: bool = True
    """Poses come from a running average of the decoders' weights, as in GFPose."""

    def __post_init__(self) -> None:
        for name, known in (
            ("preset", SIZES),
            ("norm", NORMS),
            ("pose_encoder", POSE_ENCODERS),
            ("decoder", DECODERS),
            ("image", (None, *IMAGE_ENCODERS)),
        ):
            _choice(name, getattr(self, name), known)
        names = self.modalities
        if not names or len(set(names)) < len(names) or SKELETON in names:
            raise ValueError(f"modalities={names}: name sensors, each once; the skeleton is always there")
        for name in names:
            sensor_of(name)
        for name in ("width", "pose_width"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name}={value}: use a positive width or None")
        if not set(self.decoders) <= set(DECODED) or len(set(self.decoders)) < len(self.decoders):
            raise ValueError(f"decoders={self.decoders}: use some of {DECODED}, each once")
        if self.image_weights and IMAGE not in names:
            raise ValueError(f"image_weights={self.image_weights!r}, but modalities={names} has no image")
        self.sampling  # noqa: B018 - refuses what no sampler can do

    @property
    def sizes(self) -> Sizes:
        """Of the preset."""
        return SIZES[self.preset]

    @property
    def space(self) -> int:
        """D."""
        return self.width or self.sizes.space

    @property
    def spaces(self) -> tuple[str, ...]:
        """Everything that has an embedding: the sensors, then the skeleton."""
        return (*self.modalities, SKELETON)

    @property
    def fusion(self) -> str:
        """In place of a fusion's name, for tags and tables."""
        return "aligned"

    @property
    def sampling(self) -> Sampling:
        """How score decoders make poses."""
        return Sampling(sampler=self.sampler, steps=self.steps, hypotheses=self.hypotheses)

    @property
    def label(self) -> str:
        """How poses are made, for tables: sampler, steps and hypotheses; `regression`; `retrieval`."""
        if POSE not in self.decoders:
            return "retrieval"
        return self.sampling.label if self.decoder == "score" else "regression"

    def encoder(self, name: str, view: View | None = None) -> EncoderConfig:
        """The encoder of a sensor, or of the skeleton, for a view of it (None: the default)."""
        if name == IMAGE:
            config = IMAGE_ENCODERS[self.image] if self.image else sensor_of(name).encoder(self.preset)
            return config.with_stride(view.stride) if isinstance(view, ImageView) else config
        if name in (KEYPOINTS, SKELETON):
            return self._pose_encoder(2 if name == KEYPOINTS else 3)
        sensor = sensor_of(name)
        config, view = sensor.encoder(self.preset), view or sensor.view
        return config.with_window(view.window) if isinstance(view, GridView) else config

    def _pose_encoder(self, coordinates: int) -> EncoderConfig:
        sizes = self.sizes
        if self.pose_encoder == "mlp":
            return PoseMLP.Config(coordinates=coordinates, width=sizes.decoder)
        width = self.pose_width or sizes.pose
        return PoseTransformer.Config(
            coordinates=coordinates,
            width=width,
            heads=max(2, width // 32),
            feed=2 * width,
            layers=sizes.layers,
        )

    def decoder_config(self, target: str) -> DecoderConfig:
        """The decoder of `pose` or `keypoints`."""
        sizes, coordinates = self.sizes, 3 if target == POSE else 2
        if self.decoder == "mlp":
            return MLPDecoder.Config(
                width=sizes.decoder, modality_token=self.modality_token, coordinates=coordinates
            )
        network = NetworkConfig(
            hidden=sizes.decoder,
            time=sizes.time,
            groups=min(32, sizes.decoder // 4),
            dropout=0.25 if self.preset == "paper" else 0.0,
        )
        return ScoreDecoder.Config(
            network=network,
            predicts=self.predicts,
            sampling=self.sampling,
            modality_token=self.modality_token,
            coordinates=coordinates,
        )

    def without_decoders(self) -> AlignedConfig:
        """The same space alone; models that differ in their decoders only are equal then."""
        usual = AlignedConfig()
        return replace(self, decoders=(), **{name: getattr(usual, name) for name in OF_DECODERS})

    def shares_with(self, earlier: AlignedConfig) -> tuple[str, ...]:
        """Parts of a model that starts with those of one with an earlier config; the others start anew.

        Raises ValueError where a part that both have differs.
        """
        both = [name for name in self.spaces if name in earlier.spaces]
        for field in ("preset", "width", "norm", *(("image",) if IMAGE in both else ())):
            mine, theirs = getattr(self, field), getattr(earlier, field)
            if mine != theirs:
                raise ValueError(f"model.{field} is {mine!r}, that of the run it starts from is {theirs!r}")
        for name in both:
            if self.encoder(name) != earlier.encoder(name):
                raise ValueError(f"the encoder of {name} differs from that of the run it starts from")
        decoded = [name for name in self.decoders if name in earlier.decoders]
        for name in decoded:
            if self.decoder_config(name) != earlier.decoder_config(name) or self.spaces != earlier.spaces:
                raise ValueError(f"the decoder of {name} differs from that of the run it starts from")
        return (*(f"encoders.{name}." for name in both), *(f"decoders.{name}." for name in decoded))


def _choice(field: str, value: Any, known: Iterable[Any]) -> None:
    if value not in (names := list(known)):
        raise ValueError(f"{field}={value!r} is unknown; use one of {names}")
