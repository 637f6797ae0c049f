"""What a reader of the tables must know besides the numbers: how ours differs, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.schedules import PAPER_EPOCHS
from equipose.models.build import Fusion
from equipose.orchestrator.paper.plan import TABLES, WINDOW_LENGTHS, PaperConfig
from equipose.pipelines.paper.awc import ALPHAS, METHODS, alpha_row

NEW_PEOPLE = "S2"
"""The split whose test people were not in training."""
OF_FUSIONS = ("main", "cost")
"""Tables with more than concatenation."""


def notes(table: str, config: PaperConfig) -> list[str]:
    """How our runs differ from the paper's, where they do, and which strength AWC has."""
    found = []
    if config.base.epochs != PAPER_EPOCHS:
        length = trained(config) if table in OF_FUSIONS else counted(config.base.epochs, "epoch")
        found.append(
            f"Ours trains for {length}, the paper for {PAPER_EPOCHS}; windows "
            f"and schedules keep their share of them (K = 20 is {counted(config.window(20), 'epoch')} here)."
        )
        if table == "window":
            found.append(_windows(config))
    if config.base.model.preset != "paper":
        found.append(f"Ours has the {config.base.model.preset} widths, not the paper's.")
    if config.columns[config.ablated][1] == NEW_PEOPLE:
        found.append(
            "Ours is tested on people who were not in training (S2); the paper's split is probably S1, which "
            "is easier."
        )
    if table == "alpha":
        found.append(_absolute(config.awc))
    elif table != "modalities":
        found.append(_strength(config.awc))
    if table == "main":
        found.append("The MM-Fi baseline is another code base and is not run here.")
    if table == "cost":
        found.append(
            "Ours: time of the coalitions in each validation pass as a share of the epoch, AWC training; "
            "other runs shared the machine."
        )
    return found


def _strength(awc: AWC.Config) -> str:
    """Which strength AWC has in all tables but that of the strengths."""
    if awc.strength == "alpha":
        pair = ALPHAS.rows.get(row := alpha_row(awc.alpha_s, awc.alpha_i))
        return f"AWC has absolute weights, as in the paper: {pair.label if pair else row}."
    free = f", after {counted(awc.free_epochs, 'epoch')} of plain training" if awc.free_epochs else ""
    return (
        "AWC's strength is a ratio of gradients here, which is ours: the penalty's is "
        f"{awc.ratio_s:g} of the task's on strong sensors and {awc.ratio_i:g} on the others{free}. "
        "The paper's absolute weights are in the table of strengths."
    )


def _absolute(awc: AWC.Config) -> str:
    """Which strength AWC has in the table of strengths."""
    if awc.strength == "alpha":
        return "AWC has absolute weights, as in the paper, in all tables."
    return (
        "AWC has absolute weights here, as in the paper. Its strength is a ratio of gradients in the other "
        "tables, so their AWC runs are not among these."
    )


def _windows(config: PaperConfig) -> str:
    """How many epochs the paper's windows are here; equal ones are one and the same run."""
    lengths = ", ".join(f"K = {k}: {config.window(k)}" for k in WINDOW_LENGTHS)
    same = len({config.window(k) for k in WINDOW_LENGTHS}) < len(WINDOW_LENGTHS)
    return f"Epochs here: {lengths}{'; equal ones are the same run' if same else ''}."


def left_out(config: PaperConfig) -> list[str]:
    """What the same data could fill and the report lacks, with the option that asks for it."""
    found = []
    if config.other_columns and "main" in config.tables:
        every = " ".join((*config.columns, *config.other_columns))
        found.append(
            f"Left out of the main comparison: {_named('column', config.other_columns)}. The command with "
            f"--columns {every} adds what is missing; finished runs are not repeated."
        )
    if config.of_other_fusions is not None and "main" in config.tables:
        kept = [METHODS[name].removeprefix("+ ") for name in config.of_other_fusions]
        found.append(
            f"Left out of the main comparison: all methods but {', '.join(kept[:-1])} and {kept[-1]} under "
            "MLP and attention fusion. The command with --all-methods adds them; finished runs are not "
            "repeated."
        )
    if not config.checks and "main" in config.tables:
        found.append(
            "Left out: whether runs have converged and whether there was anything to win, so the verdicts "
            "are those of the tests alone. The command without --no-checks measures both; finished runs are "
            "not repeated."
        )
    missing = [table for table in TABLES if table not in config.tables]
    if missing:
        found.append(
            f"Left out: {_named('table', missing)}. The command without --tables adds what is missing; "
            "finished runs are not repeated."
        )
    return found


def _named(noun: str, names: Sequence[str]) -> str:
    """`the column P2`, `the columns P2 and P3`."""
    *most, last = names
    return f"the {noun}s {', '.join(most)} and {last}" if most else f"the {noun} {last}"


def trained(config: PaperConfig) -> str:
    """`40 epochs (MLP fusion 120, attention fusion 120)`: those that are longer are named."""
    other = [
        f"{FUSION_WORDS[fusion]} {config.epochs(fusion)}"
        for fusion in FUSION_WORDS
        if config.epochs(fusion) != config.base.epochs
    ]
    more = f" ({', '.join(other)})" if other else ""
    return f"{counted(config.base.epochs, 'epoch')}{more}"


FUSION_WORDS: dict[Fusion, str] = {
    "concat": "concatenation",
    "mlp": "MLP fusion",
    "attention": "attention fusion",
}
"""A fusion within a sentence."""


def counted(number: int, noun: str) -> str:
    """`1 epoch`, `12 epochs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
