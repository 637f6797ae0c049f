"""How large a UniHPE job of each preset is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equipose.balancing.objectives.align import Align
from equipose.experiments.presets.names import PresetName
from equipose.experiments.presets.sizes import SimulatedSelection, codes
from equipose.models.alignment.config import AlignedConfig
from equipose.orchestrator.training.config import OptimizerConfig
from equipose.orchestrator.unihpe.stages import STAGES, Stage, StageLength

BOTH = ("pose", "keypoints")
"""What the decoders of the whole model make."""


@dataclass(frozen=True, kw_only=True)
class UnihpeSizes:
    """What a preset decides."""

    simulated: SimulatedSelection
    cameras: tuple[str, ...]
    model: AlignedConfig
    """Widths, norm and decoders of every variant."""
    objective: Align.Config
    stride: int
    """Every n-th pixel of the crops is looked at."""
    lengths: Mapping[Stage, StageLength]
    split: str = "subject"


def lengths_of(*sizes: tuple[int, int, OptimizerConfig]) -> dict[Stage, StageLength]:
    """Epochs, rows of a batch and optimiser of the three stages."""
    return {
        stage: StageLength(epochs=epochs, batch_size=batch, optimizer=optimizer)
        for stage, (epochs, batch, optimizer) in zip(STAGES, sizes, strict=True)
    }


QUICK_ADAM = OptimizerConfig(lr=3e-4, gamma=0.95, step_epochs=1)
"""At 1e-3 the embeddings of the pose encoders collapse into one point within the first steps."""
PAPER_ADAM = OptimizerConfig(lr=1e-4, gamma=0.98, step_epochs=1)
"""Adam 1e-4 is published for the first two stages; the decay per epoch is that of the authors' other work."""

UNIHPES: dict[PresetName, UnihpeSizes] = {
    "smoke": UnihpeSizes(
        simulated=SimulatedSelection(subjects=codes("S", 1, 8, 9), actions=codes("A", 1, 2), frames=4),
        cameras=("C1", "C3"),
        model=AlignedConfig(preset="tiny", norm="layer", decoders=BOTH),
        objective=Align.Config(),
        stride=2,
        lengths=lengths_of((2, 8, QUICK_ADAM), (1, 8, QUICK_ADAM), (2, 8, QUICK_ADAM)),
    ),
    "quick": UnihpeSizes(
        simulated=SimulatedSelection(
            subjects=codes("S", 1, 5, 6, 7, 8, 9, 11), actions=codes("A", *range(1, 16)), frames=16
        ),
        cameras=("C1", "C2", "C3", "C4"),
        model=AlignedConfig(preset="small", norm="layer", decoders=BOTH),
        objective=Align.Config(),
        stride=2,
        lengths=lengths_of((30, 128, QUICK_ADAM), (8, 64, QUICK_ADAM), (8, 64, QUICK_ADAM)),
    ),
    "paper": UnihpeSizes(
        simulated=SimulatedSelection(
            subjects=codes("S", 1, 5, 6, 7, 8, 9, 11), actions=codes("A", *range(1, 16)), frames=600
        ),
        cameras=("C1", "C2", "C3", "C4"),
        model=AlignedConfig(preset="paper", decoders=BOTH, predicts="noise", sampler="mode_flow", steps=50),
        objective=Align.Config(direction="one_way", sources="all"),
        stride=1,
        lengths=lengths_of((200, 2048, PAPER_ADAM), (200, 180, PAPER_ADAM), (200, 180, PAPER_ADAM)),
    ),
}
"""`smoke` is for tests. `quick` renders 6,720 frames and fits two cores. `paper` has the published widths,
batches and temperatures, and needs a GPU; epochs and schedule are not published, 200 is ours."""
