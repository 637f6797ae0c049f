"""Initial weights of an image encoder out of a file that the user has; nothing is ever downloaded.

UniHPE starts from HRNet and ViTPose trained on COCO. Such files hold whole pose estimators; their backbones
are taken, their heads left out. They expect pictures in RGB scaled by `IMAGENET_MEAN` and `IMAGENET_STD`.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from equipose.models.encoders.image.hrnet import HRNet
from equipose.models.encoders.image.vit import ViT
from equipose.models.encoders.image.weight_names import HRNET, MMPOSE_VIT, VITPOSE, Rule, translated

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]."""

WRAPPERS = ("state_dict", "model")
"""Fields under which files keep their weights."""
BACKBONE = "backbone."
HEADS = ("head.", "keypoint_head.", "final_layer.", "incre_modules.", "downsamp_modules.", "classifier.")
"""What else files without `backbone.` hold: heads for key points, and those of classification."""
COUNTER = ".num_batches_tracked"
SHOWN = 4
"""Names in an error."""


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """What a file gave, for the record of a run."""

    naming: str
    """Whose names it has."""
    loaded: int
    """Number of tensors."""
    initial: tuple[str, ...]
    """Our parameters that the file does not have, though it may: they keep their new weights."""


def load_image_weights(encoder: HRNet | ViT, path: Path | str) -> LoadedWeights:
    """Copy the backbone in a file of torch into the encoder; the last, linear layer stays as it is.

    Files of HRNet for key points end in the first branch, so `initial` then names the last module's paths
    into the others. Raises ValueError where the file cannot be read safely (`weights_only`), or does not hold
    exactly this backbone.
    """
    if isinstance(encoder, HRNet) and encoder.norm != "batch":
        raise ValueError(
            f"{path}: its statistics belong to batch normalisation, but the encoder has norm="
            f"{encoder.norm!r}; build it with norm='batch'"
        )
    given, state = _backbone(_read(path)), encoder.state_dict()
    naming, names = max(
        ((naming, translated(state, rules)) for naming, rules in _namings(encoder).items()),
        key=lambda each: len(given.keys() & set(each[1].values())),
    )
    optional = _optional(encoder, names)
    initial = optional if not given.keys() & set(optional.values()) else {}
    wanted = {ours: theirs for ours, theirs in names.items() if ours not in initial}
    _check_names(path, naming, wanted, given)
    found = {
        ours: _fitted(ours, given[theirs], state[ours]) for ours, theirs in wanted.items() if theirs in given
    }
    _check_shapes(path, {wanted[ours]: (value, state[ours]) for ours, value in found.items()})
    encoder.load_state_dict(found, strict=False)
    return LoadedWeights(naming=naming, loaded=len(found), initial=tuple(initial))


def _namings(encoder: HRNet | ViT) -> dict[str, tuple[Rule, ...]]:
    """Whose names are understood -> their rules."""
    return {"hrnet": HRNET} if isinstance(encoder, HRNet) else {"vitpose": VITPOSE, "mmpose": MMPOSE_VIT}


def _read(path: Path | str) -> Mapping[str, Tensor]:
    """Name -> tensor of a file."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: holds more than weights, or is damaged; save its state_dict alone and give that file"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: cannot be read as a file of torch ({error}); give another") from error
    for field in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(field), Mapping):
            content = content[field]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path}: holds a {type(content).__name__}, expected names with tensors")
    odd = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if odd:
        raise ValueError(f"{path}: {_some(odd)} are no tensors; save the state_dict alone and give that file")
    return {str(name): value for name, value in content.items()}


def _backbone(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what wraps the names, and without heads."""
    bare = {name.removeprefix("module."): value for name, value in given.items()}
    if any(name.startswith(BACKBONE) for name in bare):
        return {n.removeprefix(BACKBONE): value for n, value in bare.items() if n.startswith(BACKBONE)}
    return {name: value for name, value in bare.items() if not name.startswith(HEADS)}


def _optional(encoder: HRNet | ViT, names: Mapping[str, str]) -> dict[str, str]:
    """What a key-point HRNet lacks: its last module has no paths into branches 1, 2 and 3."""
    if isinstance(encoder, ViT):
        return {}
    last = re.compile(rf"stages\.2\.{encoder.config.modules[2] - 1}\.paths\.[123]\.")
    return {ours: theirs for ours, theirs in names.items() if last.match(ours)}


def _check_names(
    path: Path | str, naming: str, wanted: Mapping[str, str], given: Mapping[str, Tensor]
) -> None:
    """Raise ValueError unless the file has what is wanted and nothing else."""
    theirs = set(wanted.values())
    # Files older than torch 0.4.1 do not count batches, and nothing here reads the count.
    missing = sorted(name for name in theirs - given.keys() if not name.endswith(COUNTER))
    unexpected = sorted(given.keys() - theirs)
    if missing or unexpected:
        raise ValueError(
            f"{path}: not the weights of this encoder (names of {naming}): {len(missing)} missing "
            f"({_some(missing)}), {len(unexpected)} unexpected ({_some(unexpected)}); use a file of the same "
            "architecture and size"
        )


def _some(names: list[str]) -> str:
    return ", ".join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])]) or "none"


def _check_shapes(path: Path | str, pairs: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Raise ValueError unless both tensors of every name have one shape."""
    wrong = [
        f"{name} {list(value.shape)}, expected {list(own.shape)}"
        for name, (value, own) in pairs.items()
        if value.shape != own.shape
    ]
    if wrong:
        raise ValueError(f"{path}: other sizes than those of the encoder: {_some(wrong)}; use the same ones")


def _fitted(ours: str, value: Tensor, own: Tensor) -> Tensor:
    """Positions [1, N, W], or [1, 1 + N, W] with a class token's, become [N, W] as ViTPose adds them."""
    if ours == "positions" and value.shape == (1, len(own) + 1, own.shape[1]):
        return value[0, 1:] + value[0, :1]
    return value[0] if ours == "positions" and value.shape == (1, *own.shape) else value
