"""Aligning the sensors with the skeletons before they are fused: a run that others start at the end of.

Every encoder learns to put its frames where the skeleton of the same frame is (L_pair of UniHPE, arXiv
2311.16477); the fusion model then takes over the encoders. Whether that changes what sensors contribute, and
whether balancing still helps, is what a comparison with both starts answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from equipose.balancing.objectives.align import Align
from equipose.balancing.registry import METHODS
from equipose.models.alignment.config import AlignedConfig
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.training.config import TrainConfig

STAGE = "alignment"
"""What such a run is for, in MLflow."""
RATE = 3e-4
"""Learning rate; at that of fusion models the embeddings of pose encoders collapse into one point."""


def alignment_run(config: TrainConfig, workers: int = 1) -> RunSpec:
    """The run at whose end one of a fusion model starts: its sensors, widths, data, epochs and seed.

    Raises ValueError where the run's model does not fuse.
    """
    model = config.fusion_model
    aligned = AlignedConfig(
        modalities=model.modalities, preset=model.preset, width=model.width, norm=model.norm
    )
    batch = replace(config.data.batch, origin="pelvis")
    return RunSpec(
        name=f"alignment s{config.seed} {config.epochs} epochs {config.data.protocol}-{config.data.split}",
        config=replace(
            config,
            data=replace(config.data, batch=batch),
            model=aligned,
            objective=Align.Config(higher=None, tau=1 / 14, tau_low=1 / 100),
            method=METHODS["plain"].Config(),
            optimizer=replace(config.optimizer, name="adam", lr=RATE),
        ),
        stage=STAGE,
        workers=workers,
        evaluate=False,
        select="last",
    )


def with_alignments(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """The runs, each of those that they start at the end of once, before them."""
    given = list(specs)
    before = {spec.init_from.name: spec.init_from for spec in given if spec.init_from is not None}
    return [*before.values(), *given]
