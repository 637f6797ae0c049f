"""What other projects call the parameters of our image encoders; only names are translated here.

HRNet: the names of the authors' code, which MMPose keeps. ViT: those of the ViTPose repository, and those of
MMPose since version 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

Rule = tuple[str, Callable[[re.Match[str]], str]]
"""Beginning of one of our names as a pattern, and theirs in its place."""

PROJECTION = "project."
"""Our last layer, which no published file has."""


def _numbered(kind: str, index: str) -> str:
    """Their `conv1`, `bn1`, counted from 1."""
    return f"{'conv' if kind == 'conv' else 'bn'}{int(index) + 1}"


def _position(kind: str) -> int:
    """Place in their sequence of a convolution and its normalisation."""
    return 0 if kind == "conv" else 1


def _transition(match: re.Match[str]) -> str:
    stage, branch, position = int(match[1]), int(match[2]), _position(match[3])
    if stage > 0:  # only the new branch has one, and it is the last
        return f"transition{stage + 1}.{stage + 1}.0.{position}"
    return f"transition1.0.{position}" if branch == 0 else f"transition1.1.0.{position}"


def _block(match: re.Match[str]) -> str:
    number = 1 if match[5] == "first" else 2
    part = "bn" if match[6] else "conv"
    return f"stage{int(match[1]) + 2}.{match[2]}.branches.{match[3]}.{match[4]}.{part}{number}"


def _path(match: re.Match[str]) -> str:
    step = "" if match[5] is None else f"{match[5]}."
    place = f"fuse_layers.{match[3]}.{match[4]}.{step}{_position(match[6])}"
    return f"stage{int(match[1]) + 2}.{match[2]}.{place}"


HRNET: tuple[Rule, ...] = (
    (r"stem\.(\d)\.(conv|norm)", lambda m: _numbered(m[2], m[1])),
    (r"bottlenecks\.(\d+)\.layers\.(\d)\.(conv|norm)", lambda m: f"layer1.{m[1]}.{_numbered(m[3], m[2])}"),
    (
        r"bottlenecks\.(\d+)\.shortcut\.(conv|norm)",
        lambda m: f"layer1.{m[1]}.downsample.{_position(m[2])}",
    ),
    (r"starts\.(\d)\.(\d)\.(conv|norm)", _transition),
    (r"stages\.(\d)\.(\d+)\.branches\.(\d)\.(\d+)\.(first|second)(_norm)?", _block),
    (r"stages\.(\d)\.(\d+)\.paths\.(\d)\.(\d)\.(?:(\d)\.)?(conv|norm)", _path),
)


def _vit(patches: str, layers: str, norm: str, feed: tuple[str, str], last: str) -> tuple[Rule, ...]:
    """ViT in one dialect: names of the patch convolution, the list of layers, and what is inside."""
    layer = r"layers\.layers\.(\d+)\."
    return (
        (r"patches", lambda m: f"patch_embed.{patches}"),
        (r"positions", lambda m: "pos_embed"),
        (layer + r"self_attn\.in_proj_", lambda m: f"{layers}.{m[1]}.attn.qkv."),
        (layer + r"self_attn\.out_proj", lambda m: f"{layers}.{m[1]}.attn.proj"),
        (layer + r"linear(\d)", lambda m: f"{layers}.{m[1]}.{feed[int(m[2]) - 1]}"),
        (layer + r"norm(\d)", lambda m: f"{layers}.{m[1]}.{norm}{m[2]}"),
        (r"layers\.norm", lambda m: last),
    )


VITPOSE = _vit("proj", "blocks", "norm", ("mlp.fc1", "mlp.fc2"), "last_norm")
MMPOSE_VIT = _vit("projection", "layers", "ln", ("ffn.layers.0.0", "ffn.layers.1"), "ln1")


def translated(ours: Iterable[str], rules: tuple[Rule, ...]) -> Mapping[str, str]:
    """Our name -> theirs, of all parameters and buffers but the projection."""
    return {name: _one(name, rules) for name in ours if not name.startswith(PROJECTION)}


def _one(name: str, rules: tuple[Rule, ...]) -> str:
    for pattern, theirs in rules:
        match = re.match(pattern, name)
        if match:
            return theirs(match) + name[match.end() :]
    raise KeyError(f"no rule for {name}")
