"""Which variants of UniHPE there are."""

from __future__ import annotations

from dataclasses import replace

from equipose.experiments.presets.unihpe.baselines import baseline_variants
from equipose.experiments.presets.unihpe.sizes import UnihpeSizes
from equipose.models.alignment.config import KEYPOINTS
from equipose.orchestrator.unihpe.paper.plan import AS_LONG
from equipose.orchestrator.unihpe.stages import Variant


def variant_of(name: str, sizes: UnihpeSizes) -> Variant:
    """A variant by its name; ValueError for an unknown one.

    Examples:
        >>> from equipose.experiments.presets.unihpe.sizes import UNIHPES
        >>> variant_of("pairs", UNIHPES["smoke"]).objective.higher is None
        True
    """
    model, objective = sizes.model, sizes.objective
    unaligned = replace(objective, contrast=False, higher=None)
    alone = Variant(name=name, model=model, objective=unaligned, aligned_first=False)
    made = {
        "unihpe": Variant(name=name, model=model, objective=objective),
        "no token": Variant(name=name, model=replace(model, modality_token=False), objective=objective),
        "pairs": Variant(name=name, model=model, objective=replace(objective, higher=None)),
        "cosines": Variant(name=name, model=model, objective=replace(objective, higher="cosines")),
        "gram": Variant(name=name, model=model, objective=replace(objective, higher="gram")),
        "pmrl": Variant(name=name, model=model, objective=replace(objective, higher="pmrl")),
        "symile": Variant(name=name, model=model, objective=replace(objective, higher="symile")),
        "none": alone,
        AS_LONG: replace(alone, as_long=True),
        **{
            f"{encoder}+{decoder} lifting": _lifting(f"{encoder}+{decoder} lifting", sizes, encoder, decoder)
            for encoder in ("transformer", "mlp")
            for decoder in ("score", "mlp")
        },
        **baseline_variants(model),
    }
    if name not in made:
        raise ValueError(f"unknown variant {name!r}; known: {[*made, SENSORS]}")
    return made[name]


SENSORS = "sensors"
"""The variant that aligns whatever sensors a store has with the skeleton: MM-Fi's, MARS's, or your own."""
BESIDE = ("exact_keypoints", "box", "intrinsics")
"""What a store of triplets holds besides inputs."""


def variant_of_sensors(sizes: UnihpeSizes, held: tuple[str, ...]) -> Variant:
    """Pairs of every sensor with the skeleton and with each other, then a decoder of the pose.

    held: what the store has. ValueError where that is no input, or key points of triplets, whose encoder
    needs the box.
    """
    names = tuple(name for name in held if name not in BESIDE)
    if not names or KEYPOINTS in names:
        raise ValueError(
            f"--variant {SENSORS} is for stores without triplets, this one holds {list(held)}; use unihpe"
        )
    model = replace(sizes.model, modalities=names, image=None, decoders=("pose",))
    return Variant(name=SENSORS, model=model, objective=replace(sizes.objective, higher=None))


def _lifting(name: str, sizes: UnihpeSizes, encoder: str, decoder: str) -> Variant:
    """Key points and skeletons alone: UniHPE's table 4."""
    model = replace(
        sizes.model,
        modalities=(KEYPOINTS,),
        image=None,
        pose_encoder=encoder,  # type: ignore[arg-type]
        decoder=decoder,  # type: ignore[arg-type]
        decoders=("pose",),
    )
    return Variant(name=name, model=model, objective=replace(sizes.objective, higher=None))
