"""Which number of which variant stands in which cell of UniHPE's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equipose.models.alignment.config import AlignedConfig
from equipose.orchestrator.unihpe.stages import UnihpeConfig
from equipose.pipelines.paper.table import MPJPE, PA_MPJPE, Metric
from equipose.pipelines.paper.unihpe import EXACT, LIFTED, PICTURES, POINTS, WILD

MOVING = "moving"
"""Name, among `UnihpeConfig.also`, of what stands in for 3DPW."""
WHOLE = "unihpe"
"""The variant with everything; the others lack a part of it, or have another."""
LIFTERS: Mapping[str, str] = {
    name: f"{name} lifting" for name in ("mlp+mlp", "transformer+mlp", "mlp+score", "transformer+score")
}
"""Row of table 4 -> variant."""
ABLATED = ("none", "pairs", "no token", WHOLE, "both sets")
"""Rows of table 6 -> variants of the same name; each adds something to the one before."""
AS_LONG = "none as long"
"""Our control in table 6: what is not aligned, trained for as many epochs as what is."""
PCK = Metric(
    key="pck_share", label="PCK@0.05", unit="%", decimals=1, reads="pck_percent", higher_is_better=True
)
EPE = Metric(key="epe_px", label="EPE", unit="px", reads="epe_px")
BATCH = Metric(key="batch_s", label="one batch", unit="s", decimals=3, reads="batch_s")
ADDED = Metric(key="added_percent", label="added", unit="%", decimals=1, reads="added_percent")
PA_J14 = Metric(key="pa_mpjpe_j14", label="PA-MPJPE of 14 joints", unit="mm", reads="pa_mm")
PA_ALL = Metric(key="pa_mpjpe", label="PA-MPJPE of 17 joints", unit="mm")
"""Work on 3DPW reports 14 joints; the two are not to be mixed."""
ERROR_OF: Mapping[str, str] = {
    MPJPE.key: "mpjpe_mm",
    PA_MPJPE.key: "pa_mpjpe_mm",
    PA_J14.key: "pa_mpjpe_j14_mm",
    PCK.key: "pck_share",
    EPE.key: "epe_px",
}
"""Metric of a table -> column of the routes."""
METRICS: Mapping[str, tuple[Metric, ...]] = {
    WILD: (PA_J14, PA_ALL),
    LIFTED: (MPJPE, PA_MPJPE),
    EXACT: (MPJPE, PA_MPJPE),
    PICTURES: (MPJPE, PA_MPJPE),
    POINTS: (PCK, EPE),
    "one batch": (BATCH, ADDED),
}
"""Column of a table -> what it shows."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a number comes from."""

    variant: str
    route: str
    data: str = ""
    """Name of the test data; the job's own is ``."""


def encoder_name(model: AlignedConfig) -> str:
    """Name of the image encoder of a model."""
    return model.image or {"paper": "hrnet_w32"}.get(model.preset, model.preset)


def image_variant(encoder: str) -> str:
    """Name of the variant with another image encoder."""
    return f"image {encoder}"


def origins(config: UnihpeConfig) -> dict[str, dict[tuple[str, str], Origin]]:
    """Table -> (row, column) -> where its number comes from, of the variants that are trained."""
    variants = {variant.name: variant for variant in config.variants}
    lifted, images = "keypoints>pose", "image>pose"
    wanted: dict[str, dict[tuple[str, str], Origin]] = {
        "lifting": {
            (name, column): Origin(variant=name, route=route, data=data)
            for name in (WHOLE, "simple_baseline", "videopose3d")
            for column, route, data in ((LIFTED, lifted, ""), (WILD, "exact_keypoints>pose", MOVING))
        },
        "images": {},
        "keypoints": {
            (name, POINTS): Origin(variant=name, route="image>keypoints") for name in (WHOLE, "heatmaps")
        },
        "parts": {
            (row, EXACT): Origin(variant=name, route="exact_keypoints>pose") for row, name in LIFTERS.items()
        },
        "backbones": {},
        "ablation": {
            (name, column): Origin(variant=name, route=route)
            for name in (*ABLATED, AS_LONG)
            for column, route in ((EXACT, "exact_keypoints>pose"), (PICTURES, images))
        },
    }
    for name, variant in variants.items():
        if name == WHOLE or name.startswith(image_variant("")):
            assert isinstance(variant.model, AlignedConfig)
            encoder = encoder_name(variant.model)
            wanted["backbones"][encoder, PICTURES] = Origin(variant=name, route=images)
            wanted["images"][encoder, PICTURES] = Origin(variant=name, route=images)
            wanted["images"][encoder, WILD] = Origin(variant=name, route=images, data=MOVING)
    return {
        table: {
            cell: origin
            for cell, origin in cells.items()
            if origin.variant in variants and (not origin.data or origin.data in config.also)
        }
        for table, cells in wanted.items()
    }
