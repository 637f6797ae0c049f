"""The published numbers of "Towards Balanced Multi-Modal Learning in 3D Human Pose Estimation" (2501.05264).

All errors in mm, absolute MPJPE and PA-MPJPE. The numbers come from independent descriptions of the paper;
a number is certain where two or more of them agree. Notes are for readers of the tables and say in words
how sure a number is.
"""

from __future__ import annotations

from itertools import combinations

from equipose.pipelines.paper.published import Published, PublishedRange, PublishedTable, TableRow

PROTOCOLS = ("P1", "P2", "P3")
FUSIONS: dict[str, str] = {
    "concat": "Concatenation fusion",
    "mlp": "MLP fusion",
    "attention": "Attention fusion",
}
METHODS: dict[str, str] = {
    "plain": "no balancing",
    "g_blending": "+ G-Blending",
    "ogm_ge": "+ OGM-GE",
    "agm": "+ AGM",
    "pmr": "+ PMR",
    "mmpareto": "+ MMPareto",
    "modality_resampling": "+ Modality-level",
    "awc": "+ AWC",
}
"""Methods of the main table, by the names that the registry of methods gives them."""
SENSORS: dict[str, str] = {"R": "rgb", "L": "lidar", "M": "mmwave", "W": "wifi"}
"""Letter in subset names -> modality."""
MARGIN_NOTE = (
    "Descriptions of the paper also say that AWC is about 5 mm better than other balancing methods. This "
    "row contradicts that: it is 2.08 mm behind AWC."
)


def main_row(fusion: str, method: str) -> str:
    """Row key of the main table, such as `concat/awc`."""
    return f"{fusion}/{method}"


def alpha_row(alpha_high: float, alpha_low: float) -> str:
    """Row key of the alpha ablation: (20000, 10000) -> `20k/10k`."""
    return "/".join(f"{alpha / 1000:g}k" if alpha else "0" for alpha in (alpha_high, alpha_low))


def window_row(epochs: int) -> str:
    """Row key of the window ablation: 20 -> `K20`."""
    return f"K{epochs}"


def _agreed(value_mm: float, pa_mm: float, note: str = "", source: str = "table 1") -> Published:
    return Published(value_mm=value_mm, pa_mm=pa_mm, certainty="certain", source=source, note=note)


def _single(value_mm: float, pa_mm: float | None, source: str, note: str = "") -> Published:
    return Published(value_mm=value_mm, pa_mm=pa_mm, certainty="single source", source=source, note=note)


MAIN = PublishedTable(
    name="main",
    title="Main comparison: fusion and balancing method",
    rows={
        "mmfi": TableRow(label="MM-Fi baseline", section="Reference"),
        **{
            main_row(fusion, method): TableRow(label=label, section=section)
            for fusion, section in FUSIONS.items()
            for method, label in METHODS.items()
        },
    },
    columns=PROTOCOLS,
    known={
        ("mmfi", "P1"): _agreed(72.90, 47.70),
        ("mmfi", "P3"): _agreed(89.80, 63.20),
        ("concat/plain", "P1"): _agreed(53.87, 35.09),
        ("concat/plain", "P2"): _single(52.08, None, "table 1", "The PA-MPJPE was not recovered."),
        ("concat/plain", "P3"): _agreed(48.17, 32.18),
        ("concat/g_blending", "P1"): _agreed(58.40, 37.20),
        ("concat/g_blending", "P3"): _agreed(53.13, 33.28),
        ("concat/ogm_ge", "P1"): _agreed(55.51, 35.92),
        ("concat/ogm_ge", "P3"): _agreed(51.68, 32.84),
        ("concat/agm", "P1"): _agreed(55.80, 38.10),
        ("concat/agm", "P3"): _agreed(53.88, 36.30),
        ("concat/modality_resampling", "P1"): _agreed(53.24, 34.81, MARGIN_NOTE),
        ("concat/modality_resampling", "P3"): _agreed(53.98, 31.85),
        ("concat/awc", "P1"): _agreed(51.16, 34.46),
        ("concat/awc", "P2"): _single(50.71, 30.85, "table 1"),
        ("concat/awc", "P3"): _agreed(47.55, 31.79),
        ("attention/plain", "P1"): _agreed(53.35, 35.20),
        ("attention/plain", "P3"): _agreed(49.97, 32.33),
        ("attention/awc", "P1"): _agreed(51.29, 34.65),
        ("attention/awc", "P3"): _agreed(49.08, 32.10),
    },
    notes=(
        "Not recovered from the paper: all rows with MLP fusion, P2 but for two rows, the other methods "
        "under attention, and the rows of PMR and MMPareto.",
        "The paper never names its split. S1 (random people for each action) is a guess from its WiFi-only "
        "error, which fits other work on S1 and on no other split.",
    ),
)


def _disputed(value_mm: float, pa_mm: float, other_mm: float) -> Published:
    note = (
        f"Three descriptions of the paper give an MPJPE of {value_mm:.2f}, one gives {other_mm:.2f}, perhaps "
        "from another version of the paper: not to be relied on."
    )
    return Published(value_mm=value_mm, pa_mm=pa_mm, certainty="conflict", source="table 3", note=note)


def _subsets() -> dict[str, TableRow]:
    """All 15 combinations, the small ones first."""
    chosen = [subset for size in range(1, 5) for subset in combinations(SENSORS, size)]
    heads = {1: "One sensor", 2: "Two sensors", 3: "Three sensors", 4: "All sensors"}
    return {"".join(s): TableRow(label=" + ".join(s), section=heads[len(s)]) for s in chosen}


SUBSETS = PublishedTable(
    name="modalities",
    title="Sensor combinations, concatenation fusion, trained from scratch",
    rows=_subsets(),
    columns=("P1",),
    known={
        ("R", "P1"): _disputed(63.61, 35.75, 57.37),
        ("L", "P1"): _disputed(66.95, 45.70, 76.58),
        ("M", "P1"): _disputed(102.89, 52.21, 165.98),
        ("W", "P1"): _disputed(166.92, 97.39, 162.47),
        ("RL", "P1"): _agreed(52.93, 34.96, source="table 3"),
        ("RLMW", "P1"): _agreed(53.87, 35.09, source="table 3"),
    },
    notes=("R: RGB keypoints, L: LiDAR, M: mmWave radar, W: WiFi.",),
)

_TABLE_4 = "table 4"
ALPHAS = PublishedTable(
    name="alpha",
    title="Strength of the AWC penalty, concatenation fusion",
    rows={
        key: TableRow(label="αS {}, αI {}".format(*key.split("/")))
        for key in ("0/0", "0/10k", "10k/0", "10k/10k", "20k/10k", "20k/20k", "30k/20k")
    },
    columns=("P1",),
    known={
        ("0/0", "P1"): _agreed(53.87, 35.09, source="tables 1 and 4"),
        ("0/10k", "P1"): _single(52.92, 34.94, _TABLE_4),
        ("10k/0", "P1"): _single(52.09, 34.81, _TABLE_4),
        ("10k/10k", "P1"): _single(51.88, 34.84, _TABLE_4),
        ("20k/10k", "P1"): _agreed(51.16, 34.46, source="tables 1 and 4"),
        ("20k/20k", "P1"): _single(51.69, 34.84, _TABLE_4),
        ("30k/20k", "P1"): _single(51.34, 34.56, _TABLE_4),
    },
    notes=("The differences that the paper prints between these rows fit the numbers.",),
)

WINDOWS = PublishedTable(
    name="window",
    title="Epochs in which the AWC penalty acts (K), concatenation fusion",
    rows={window_row(k): TableRow(label=f"K = {k}") for k in (5, 10, 15, 20, 25, 30)},
    columns=("P1",),
    known={("K20", "P1"): _agreed(51.16, 34.46, source="tables 1 and 4 use K = 20")},
    notes=(
        "Known in words only: K = 20 is best, 10 is too short and 25 too long. Two descriptions of the paper "
        "agree on this; one names 5 and more than 30 instead and is not followed. No other number is known.",
    ),
)


def _share(low: float, high: float) -> PublishedRange:
    return PublishedRange(
        low=low,
        high=high,
        unit="%",
        certainty="single source",
        source="table 2",
        note="Only this range was recovered, no absolute costs.",
    )


COST = PublishedTable(
    name="cost",
    title="Cost of the Shapley scores, as a share of the training time",
    rows={fusion: TableRow(label=label) for fusion, label in FUSIONS.items()},
    columns=("training",),
    known={
        ("concat", "training"): _share(0.41, 0.93),
        ("mlp", "training"): _share(0.41, 0.93),
        ("attention", "training"): _share(3.5, 5.4),
    },
    notes=("The paper's range of concatenation and MLP fusion is one range for both.",),
)

PROFITS = PublishedTable(
    name="profit",
    title="Profit function of the Shapley scores, concatenation fusion with AWC",
    rows={
        "pearson": TableRow(label="Pearson correlation (the paper's)"),
        "mse": TableRow(label="mean squared error"),
    },
    columns=("P1",),
    known={
        ("pearson", "P1"): Published(
            value_mm=51.16,
            pa_mm=34.46,
            certainty="inferred",
            source="table 1",
            note="The main table's AWC row, whose scores use the Pearson profit.",
        ),
    },
    notes=(
        "The paper compares the two profits in figures only: with MSE, modalities with large outputs are "
        "favoured; with Pearson, R and L stay high, M and W are low and fall.",
    ),
)

AWC_TABLES: dict[str, PublishedTable] = {
    table.name: table for table in (MAIN, COST, SUBSETS, ALPHAS, WINDOWS, PROFITS)
}
"""Every table of the paper that is rebuilt here, by name."""
