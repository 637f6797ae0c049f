"""The published numbers of UniHPE (arXiv 2311.16477).

Errors in mm, relative to the pelvis; PCK at 0.05 of the box in per cent, EPE in pixels. Tables 1 to 5
and 7 were read in the paper itself; the check marks of table 6 were lost, so which row is which is inferred.
"""

from __future__ import annotations

from equipose.pipelines.paper.published import Published, PublishedTable, TableRow

LIFTED, EXACT, WILD = "Human3.6M, detected", "Human3.6M, exact", "3DPW"
PICTURES, POINTS = "Human3.6M, image", "Human3.6M, key points"
"""Columns of the tables: on which data, from what."""
OURS, REFERENCE = "Run here", "Not run here"
ENCODERS: dict[str, str] = {
    "tiny": "HRNet, tiny (ours)",
    "small": "HRNet, small (ours)",
    "vit_tiny": "ViT, tiny (ours)",
    "vit_s": "ViT-S",
    "vit_b": "ViT-B",
    "hrnet_w32": "HRNet-W32",
    "hrnet_w48": "HRNet-W48",
}
"""Image encoders by the names of the models' config."""
SIZED = ("tiny", "small", "vit_tiny")
"""Encoders for CPUs, which the paper does not have."""


def _read(table: int, value_mm: float | None, pa_mm: float | None, note: str = "") -> Published:
    return Published(value_mm=value_mm, pa_mm=pa_mm, certainty="read", source=f"table {table}", note=note)


def _encoder_rows(label: str = "{}") -> dict[str, TableRow]:
    return {
        name: TableRow(label=label.format(called), section=OURS, printed=name not in SIZED)
        for name, called in ENCODERS.items()
    }


LIFTING = PublishedTable(
    name="lifting",
    title="Table 1: key points to pose",
    rows={
        "videopose3d": TableRow(label="VideoPose3D, one frame", section=OURS),
        "simple_baseline": TableRow(label="SimpleBaseline", section=OURS),
        "unihpe": TableRow(label="UniHPE", section=OURS),
        "poseda": TableRow(label="PoseDA", section=REFERENCE),
    },
    columns=(WILD, LIFTED),
    known={
        ("videopose3d", WILD): _read(1, None, 94.6),
        ("videopose3d", LIFTED): _read(1, 55.2, 42.3),
        ("simple_baseline", WILD): _read(1, None, 89.4),
        ("simple_baseline", LIFTED): _read(1, 62.9, 47.7),
        ("unihpe", WILD): _read(1, None, 51.6),
        ("unihpe", LIFTED): _read(1, 53.6, 40.9),
        ("poseda", WILD): _read(1, None, 55.3),
    },
    notes=("On 3DPW exact key points are lifted, on Human3.6M those of a detector.",),
)
IMAGES = PublishedTable(
    name="images",
    title="Table 2: image to pose",
    rows={
        **_encoder_rows("UniHPE, {}"),
        "cliff": TableRow(label="CLIFF", section=REFERENCE),
        "pymaf_x": TableRow(label="PyMAF-X", section=REFERENCE),
    },
    columns=(WILD, PICTURES),
    known={
        ("hrnet_w32", WILD): _read(2, None, 67.1),
        ("hrnet_w32", PICTURES): _read(2, 55.2, 40.0),
        ("hrnet_w48", WILD): _read(2, None, 65.7),
        ("hrnet_w48", PICTURES): _read(2, 50.5, 36.2),
        ("cliff", WILD): _read(2, None, 43.0),
        ("cliff", PICTURES): _read(2, 47.1, 32.7),
        ("pymaf_x", WILD): _read(2, None, 47.1),
        ("pymaf_x", PICTURES): _read(2, 54.2, 37.2),
    },
)
KEYPOINTS = PublishedTable(
    name="keypoints",
    title="Table 3: image to key points",
    rows={
        "heatmaps": TableRow(label="HRNet with heat maps (ours)", section=OURS, printed=False),
        "unihpe": TableRow(label="UniHPE (ours)", section=OURS, printed=False),
        "heatmaps_w32": TableRow(label="HRNet-W32 with heat maps", section=REFERENCE),
        "heatmaps_w48": TableRow(label="HRNet-W48 with heat maps", section=REFERENCE),
        "unihpe_w32": TableRow(label="UniHPE, HRNet-W32", section=REFERENCE),
    },
    columns=(POINTS,),
    known={
        (row, POINTS): Published(more={"pck_percent": pck, "epe_px": epe}, certainty="read", source="table 3")
        for row, pck, epe in (
            ("heatmaps_w32", 91.1, 9.43),
            ("heatmaps_w48", 93.2, 7.36),
            ("unihpe_w32", 93.5, 7.18),
        )
    },
    notes=(
        "The published rows of HRNet are those of a public model zoo, with pictures of 256x256.",
        "PCK: a joint within 0.05 of the longer side of the annotated box, as that zoo counted in 2021.",
    ),
)
PARTS = PublishedTable(
    name="parts",
    title="Table 4: encoder of key points and decoder of poses",
    rows={
        "mlp+mlp": TableRow(label="MLP, MLP"),
        "transformer+mlp": TableRow(label="transformer, MLP"),
        "mlp+score": TableRow(label="MLP, diffusion"),
        "transformer+score": TableRow(label="transformer, diffusion"),
    },
    columns=(EXACT,),
    known={
        ("mlp+mlp", EXACT): _read(4, 60.5, 44.5),
        ("transformer+mlp", EXACT): _read(4, 64.8, 48.1),
        ("mlp+score", EXACT): _read(4, 71.4, 45.6),
        ("transformer+score", EXACT): _read(4, 39.3, 29.9),
    },
    notes=("Ours aligns key points and skeletons alone here, without pictures.",),
)
BACKBONES = PublishedTable(
    name="backbones",
    title="Table 5: image encoder",
    rows=_encoder_rows(),
    columns=(PICTURES,),
    known={
        ("vit_s", PICTURES): _read(5, 151.6, 93.8),
        ("vit_b", PICTURES): _read(5, 149.9, 93.4),
        ("hrnet_w32", PICTURES): _read(5, 55.2, 40.0),
        ("hrnet_w48", PICTURES): _read(5, 50.5, 36.2),
    },
)
_SIX = "Which row of table 6 it is follows from tables 2 and 4, because its check marks were lost."
_ABLATED = {
    "none": ((41.3, 31.6), (91.8, 68.7)),
    "pairs": ((60.0, 47.5), (65.5, 51.8)),
    "no token": ((40.9, 31.7), (58.7, 44.4)),
    "unihpe": ((39.3, 29.9), (57.5, 42.9)),
    "both sets": ((44.2, 33.6), (55.1, 40.0)),
}
ABLATION = PublishedTable(
    name="ablation",
    title="Table 6: what each part adds",
    rows={
        "none": TableRow(label="decoders alone"),
        "none as long": TableRow(label="decoders alone, for the epochs of all stages (ours)", printed=False),
        "pairs": TableRow(label="+ L_pair"),
        "no token": TableRow(label="+ L_triplet"),
        "unihpe": TableRow(label="+ modality token"),
        "both sets": TableRow(label="+ MPI-INF-3DHP"),
    },
    columns=(EXACT, PICTURES),
    known={
        (row, column): Published(value_mm=value, pa_mm=pa, certainty="inferred", source="table 6", note=_SIX)
        for row, pairs in _ABLATED.items()
        for column, (value, pa) in zip((EXACT, PICTURES), pairs, strict=True)
    },
)
COST = PublishedTable(
    name="cost",
    title="Table 7: time of a batch",
    rows={
        "pairs": TableRow(label="L_pair"),
        "singular": TableRow(label="+ L_triplet, singular value"),
        "eigenvalue": TableRow(label="+ L_triplet, eigenvalue"),
        "closed": TableRow(label="+ L_triplet, closed form (ours)", printed=False),
    },
    columns=("one batch",),
    known={
        (row, "one batch"): Published(
            more={"batch_s": seconds, "added_percent": added}, certainty="read", source="table 7"
        )
        for row, seconds, added in (("singular", 2.64, 49.1), ("eigenvalue", 2.01, 13.5))
    }
    | {("pairs", "one batch"): Published(more={"batch_s": 1.77}, certainty="read", source="table 7")},
    notes=("The paper times a step of training on an A100, ours the same on the machine at hand.",),
)
UNIHPE_TABLES: dict[str, PublishedTable] = {
    table.name: table for table in (LIFTING, IMAGES, KEYPOINTS, PARTS, BACKBONES, ABLATION, COST)
}
"""Name -> table, in the paper's order."""
