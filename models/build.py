"""Building a pose model whose weights depend only on its configuration and the seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.models.encoders import (
    NORMS,
    PRESETS,
    Encoder,
    EncoderConfig,
    Norm,
)
from equipose.models.fusion import FUSIONS, Absent, FusionOptions
from equipose.models.heads import PoseHead, UnimodalHeads
from equipose.models.inputs import InputNorm
from equipose.models.model import PoseModel
from equipose.models.randomness import seeded
from equipose.models.sensors import DEFAULT_SENSORS, GridView, View, sensor_of

Missing = Literal["zero", "token"]
Fusion = Literal["concat", "mlp", "attention", "cross_attention"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that determines the architecture of a pose model.

    Raises ValueError for values that are unknown or do not fit together.
    """

    modalities: tuple[str, ...] = DEFAULT_SENSORS
    """Which sensors, in the order of M."""
    preset: Literal["tiny", "small", "paper"] = "small"
    """Sizes: `tiny` for unit tests, `small` for minutes on two cores, `paper` as published."""
    fusion: Fusion = "concat"
    absent: Absent = "zero"
    """What attention sees of an absent modality: its zero feature (AWC paper) or nothing (`mask`)."""
    missing: Missing = "zero"
    """What stands for the feature of an absent modality: zeros (AWC paper), or a learnt `token` per modality,
    which starts at zero. It needs training rows that lack sensors, in the data or by `modality_dropout`."""
    feature_dim: int | None = None
    """D, the same for every encoder; None uses the preset's."""
    norm: Norm = "batch"
    """`batch` as published; `layer` keeps no batch statistics, so results do not depend on the rank count."""
    dropout: float | None = None
    """Rate of every dropout layer; None uses the published rates (`paper`) or zero."""
    unimodal_heads: bool = False
    """Add a pose head per modality; methods that need them declare it (`Method.needs`)."""
    head_init: Literal["zeros", "mean_pose"] = "mean_pose"
    """Initial bias of every pose head: the mean training pose, or zero."""
    encoders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    """modality -> fields of its encoder's config that differ from the preset's, such as
    `{"mmwave": {"levels": (32, None, None, None)}}`, X-Fi's "TD" variant of the radar encoder."""

    def __post_init__(self) -> None:
        _choice("preset", self.preset, PRESETS)
        _choice("fusion", self.fusion, FUSIONS)
        _choice("norm", self.norm, NORMS)
        _choice("absent", self.absent, ("zero", "mask"))
        _choice("missing", self.missing, ("zero", "token"))
        _choice("head_init", self.head_init, ("zeros", "mean_pose"))
        for name in self.modalities:
            sensor_of(name)
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities={self.modalities}: name each sensor once, and at least one")
        if self.absent == "mask" and self.fusion != "attention":
            raise ValueError(f"absent='mask' has no effect with fusion={self.fusion!r}; use absent='zero'")
        if self.missing == "token" and (self.absent == "mask" or self.fusion == "cross_attention"):
            raise ValueError(
                f"missing='token' has no effect with fusion={self.fusion!r} and absent={self.absent!r}; "
                "they leave out absent modalities, so use missing='zero'"
            )
        if self.feature_dim is not None and self.feature_dim < 1:
            raise ValueError(f"feature_dim={self.feature_dim}: use a positive width or None")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: use a rate in [0, 1) or None")
        foreign = sorted(set(self.encoders) - set(self.modalities))
        if foreign:
            raise ValueError(f"encoders={foreign}: not among modalities={self.modalities}")
        object.__setattr__(self, "encoders", {name: _tuples(given) for name, given in self.encoders.items()})
        for name in self.modalities:
            self.encoder(name)

    @property
    def width(self) -> int:
        """D."""
        return self.feature_dim or PRESETS[self.preset].feature_dim

    def encoder(self, modality: str, view: View | None = None) -> EncoderConfig:
        """The preset's encoder with this configuration's changes, for a view of the sensor.

        view: None is the sensor's default. Raises ValueError if they do not fit.
        """
        sensor = sensor_of(modality)
        config, view = sensor.encoder(self.preset), view or sensor.view
        names = {f.name for f in fields(config)}
        if self.dropout is not None and "dropout" in names:
            given: dict[str, Any] = {"dropout": self.dropout}
            config = replace(config, **given)
        changes = self.encoders.get(modality, {})
        if unknown := sorted(set(changes) - names):
            raise ValueError(f"encoders.{modality} has no field {unknown}; known: {sorted(names)}")
        if isinstance(view, GridView):
            config = config.with_window(view.window)
        return replace(config, **changes)

    @property
    def fusion_options(self) -> FusionOptions:
        """Sizes of the fusion."""
        preset = PRESETS[self.preset]
        return FusionOptions(
            hidden=preset.hidden, layers=preset.layers, dropout=self.dropout or 0.0, absent=self.absent
        )


def build_model(
    config: ModelConfig,
    *,
    views: Mapping[str, View] = MappingProxyType({}),
    mean_pose: Tensor | None = None,
    seed: int,
) -> PoseModel:
    """A pose model with initial weights; the global random state is unchanged.

    `views` of the sensors decide, for example, how many frames an encoder looks at; default where left out.

    `mean_pose` [17, 3] m of the training data is needed for `head_init="mean_pose"` and ignored otherwise.
    The initial weights of an encoder depend only on the seed, not on the other modalities or the fusion, so
    models that are compared start alike.

    Examples:
        >>> config = ModelConfig(modalities=("lidar", "wifi"), preset="tiny", head_init="zeros")
        >>> model = build_model(config, seed=0)
        >>> model.modalities
        ('lidar', 'wifi')
        >>> model.fuse(torch.zeros(5, 2, config.width)).shape
        torch.Size([5, 17, 3])
    """
    if config.head_init == "zeros":
        mean_pose = None
    elif mean_pose is None:
        raise ValueError("head_init='mean_pose' but no mean_pose given; give one or use head_init='zeros'")
    width = config.width
    encoders = {
        name: seeded(partial(_encoder, config, name, views.get(name)), seed, "encoder", name)
        for name in config.modalities
    }
    inputs = {name: InputNorm(sensor_of(name).layout) for name in config.modalities}
    count, options = len(config.modalities), config.fusion_options
    fusion = seeded(lambda: FUSIONS[config.fusion](count, width, options), seed, "fusion")
    head = seeded(lambda: PoseHead(fusion.width, mean_pose), seed, "head")
    heads = None
    if config.unimodal_heads:
        heads = seeded(lambda: UnimodalHeads(config.modalities, width, mean_pose), seed, "heads")
    missing = torch.zeros(count, width) if config.missing == "token" else None
    return PoseModel(encoders, fusion, head, heads, inputs, missing)


def _encoder(config: ModelConfig, modality: str, view: View | None) -> Encoder:
    return config.encoder(modality, view).build(config.width, config.norm)


def _tuples(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a config with JSON's lists as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _choice(field: str, value: str, known: Iterable[str]) -> None:
    if value not in (names := list(known)):
        raise ValueError(f"{field}={value!r} is unknown; use one of {names}")
