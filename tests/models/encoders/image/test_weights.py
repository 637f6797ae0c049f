"""Files with the names of other projects give the features that those projects compute from them.

The references below read a file by its own names, step by step, and share no code with the encoders.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from equipose.models.encoders.image import HRNet, ViT, load_image_weights

State = dict[str, Tensor]
W, STEM, MODULES, BLOCKS = 4, 8, (1, 2, 2), 2
SMALL_HRNET = HRNet.Config(width=W, stem=STEM, modules=MODULES, bottlenecks=2, blocks=BLOCKS)
SMALL_VIT = ViT.Config(size=(64, 48), width=16, heads=4, layers=2)


class HRNetFile:
    """Writes and runs an HRNet with the names of MMPose: weights are drawn when first asked for."""

    def __init__(self, *, every_branch: bool) -> None:
        self.state: State = {}
        self.every_branch = every_branch
        self.rng = torch.Generator().manual_seed(0)

    def draw(self, name: str, *shape: int) -> Tensor:
        if name not in self.state:
            value = (
                torch.randn(*shape, generator=self.rng, dtype=torch.float64)
                / max(1, torch.Size(shape[1:]).numel()) ** 0.5
            )
            self.state[name] = 0.5 + value**2 if name.endswith("var") else value
        return self.state[name]

    def step(self, x: Tensor, conv: str, bn: str, outputs: int, kernel: int, stride: int = 1) -> Tensor:
        weight = self.draw(f"{conv}.weight", outputs, x.shape[1], kernel, kernel)
        x = F.conv2d(x, weight, stride=stride, padding=kernel // 2)
        self.state[f"{bn}.num_batches_tracked"] = torch.tensor(7)
        parts = [
            self.draw(f"{bn}.{part}", outputs) for part in ("running_mean", "running_var", "weight", "bias")
        ]
        return F.batch_norm(x, parts[0], parts[1], parts[2], parts[3])

    def bottleneck(self, x: Tensor, at: str) -> Tensor:
        y = self.step(x, f"{at}.conv1", f"{at}.bn1", STEM, 1).relu()
        y = self.step(y, f"{at}.conv2", f"{at}.bn2", STEM, 3).relu()
        y = self.step(y, f"{at}.conv3", f"{at}.bn3", 4 * STEM, 1)
        if x.shape[1] != y.shape[1]:
            x = self.step(x, f"{at}.downsample.0", f"{at}.downsample.1", 4 * STEM, 1)
        return (x + y).relu()

    def basic(self, x: Tensor, at: str) -> Tensor:
        y = self.step(x, f"{at}.conv1", f"{at}.bn1", x.shape[1], 3).relu()
        return (x + self.step(y, f"{at}.conv2", f"{at}.bn2", x.shape[1], 3)).relu()

    def moved(self, x: Tensor, at: str, i: int, j: int) -> Tensor:
        if j > i:
            x = self.step(x, f"{at}.0", f"{at}.1", W * 2**i, 1)
            return F.interpolate(x, scale_factor=2 ** (j - i), mode="nearest")
        for n in range(i - j):
            last = n == i - j - 1
            x = self.step(x, f"{at}.{n}.0", f"{at}.{n}.1", W * 2 ** (i if last else j), 3, 2)
            x = x if last else x.relu()
        return x

    def module(self, maps: list[Tensor], at: str, outputs: int) -> list[Tensor]:
        for b in range(len(maps)):
            for k in range(BLOCKS):
                maps[b] = self.basic(maps[b], f"{at}.branches.{b}.{k}")
        joined = []
        for i in range(outputs):
            total = torch.zeros((), dtype=torch.float64)
            for j, x in enumerate(maps):
                total = total + (x if i == j else self.moved(x, f"{at}.fuse_layers.{i}.{j}", i, j))
            joined.append(total.relu())
        return joined

    def maps(self, x: Tensor) -> list[Tensor]:
        x = self.step(x, "conv1", "bn1", STEM, 3, 2).relu()
        x = self.step(x, "conv2", "bn2", STEM, 3, 2).relu()
        for n in range(2):
            x = self.bottleneck(x, f"layer1.{n}")
        maps = [
            self.step(x, "transition1.0.0", "transition1.0.1", W, 3).relu(),
            self.step(x, "transition1.1.0.0", "transition1.1.0.1", 2 * W, 3, 2).relu(),
        ]
        for stage, count in zip((2, 3, 4), MODULES, strict=True):
            if stage > 2:
                at = f"transition{stage - 1}.{stage - 1}.0"
                maps = [*maps, self.step(maps[-1], f"{at}.0", f"{at}.1", 2 * maps[-1].shape[1], 3, 2).relu()]
            for n in range(count):
                last = stage == 4 and n == count - 1
                outputs = stage if self.every_branch or not last else 1
                maps = self.module(list(maps), f"stage{stage}.{n}", outputs)
        return maps


def vit_state(naming: str, *, class_row: bool) -> State:
    """Weights of SMALL_VIT with the names of `vitpose` or `mmpose`."""
    rng = torch.Generator().manual_seed(0)
    state: State = {}

    def draw(name: str, *shape: int) -> None:
        state[name] = 0.3 * torch.randn(*shape, generator=rng, dtype=torch.float64)

    def affine(name: str, outputs: int, inputs: int | None = None) -> None:
        draw(f"{name}.weight", *((outputs,) if inputs is None else (outputs, inputs)))
        draw(f"{name}.bias", outputs)

    own = naming == "vitpose"
    draw("pos_embed", 1, 12 + class_row, 16)
    draw(f"patch_embed.{'proj' if own else 'projection'}.weight", 16, 3, 16, 16)
    draw(f"patch_embed.{'proj' if own else 'projection'}.bias", 16)
    for n in range(2):
        at = f"blocks.{n}" if own else f"layers.{n}"
        affine(f"{at}.{'norm1' if own else 'ln1'}", 16)
        affine(f"{at}.attn.qkv", 48, 16)
        affine(f"{at}.attn.proj", 16, 16)
        affine(f"{at}.{'norm2' if own else 'ln2'}", 16)
        affine(f"{at}.{'mlp.fc1' if own else 'ffn.layers.0.0'}", 64, 16)
        affine(f"{at}.{'mlp.fc2' if own else 'ffn.layers.1'}", 16, 64)
    affine("last_norm" if own else "ln1", 16)
    return state


def vit_tokens(state: State, x: Tensor) -> Tensor:
    """What ViTPose computes from weights with its names: [B, N, W]."""
    s = state

    def norm(x: Tensor, at: str) -> Tensor:
        return F.layer_norm(x, (16,), s[f"{at}.weight"], s[f"{at}.bias"], 1e-6)

    def linear(x: Tensor, at: str) -> Tensor:
        return F.linear(x, s[f"{at}.weight"], s[f"{at}.bias"])

    x = F.conv2d(x, s["patch_embed.proj.weight"], s["patch_embed.proj.bias"], stride=16, padding=2)
    x = x.flatten(2).transpose(1, 2) + s["pos_embed"][:, -12:]
    if s["pos_embed"].shape[1] == 13:
        x = x + s["pos_embed"][:, :1]
    for n in range(2):
        qkv = linear(norm(x, f"blocks.{n}.norm1"), f"blocks.{n}.attn.qkv")
        query, key, value = qkv.view(len(x), 12, 3, 4, 4).permute(2, 0, 3, 1, 4)
        mixed = ((query @ key.mT) * 4**-0.5).softmax(-1) @ value
        x = x + linear(mixed.transpose(1, 2).flatten(2), f"blocks.{n}.attn.proj")
        hidden = F.gelu(linear(norm(x, f"blocks.{n}.norm2"), f"blocks.{n}.mlp.fc1"))
        x = x + linear(hidden, f"blocks.{n}.mlp.fc2")
    return norm(x, "last_norm")


def written(path: Path, state: Any) -> Path:
    torch.save(state, path)
    return path


def as_mmpose(state: State, head: str = "head.final_layer.weight") -> dict[str, Any]:
    """A checkpoint as MMPose publishes them: names under `backbone.`, and a head."""
    named = OrderedDict((f"backbone.{name}", value) for name, value in state.items())
    return {"meta": {"epoch": 210}, "state_dict": named | {head: torch.zeros(17, 4, 1, 1)}}


def as_authors(state: State) -> dict[str, Any]:
    """The same as the authors publish them: bare names, and a head."""
    return {**state, "final_layer.weight": torch.zeros(17, 4, 1, 1)}


def picture(height: int = 64, width: int = 64) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("wrap", [as_mmpose, as_authors, lambda s: {f"module.{n}": v for n, v in s.items()}])
def test_hrnet_with_all_branches_equals_the_reference(
    wrap: Callable[[State], dict[str, Any]], tmp_path: Path
) -> None:
    file = HRNetFile(every_branch=True)
    maps = file.maps(picture())
    net = SMALL_HRNET.build(8, "batch").double().eval()
    before = net.project.weight.detach().clone()
    told = load_image_weights(net, written(tmp_path / "w.pth", wrap(file.state)))
    assert (told.naming, told.loaded, told.initial) == ("hrnet", len(file.state), ())
    for found, wanted in zip(net.maps(picture()), maps, strict=True):
        torch.testing.assert_close(found, wanted)
    assert torch.equal(net.project.weight, before)


def test_hrnet_for_key_points_leaves_the_last_paths_as_they_are(tmp_path: Path) -> None:
    file = HRNetFile(every_branch=False)
    (first,) = file.maps(picture())
    net = SMALL_HRNET.build(8, "batch").double().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    told = load_image_weights(net, written(tmp_path / "w.pth", as_mmpose(file.state)))
    torch.testing.assert_close(net.maps(picture())[0], first)
    assert told.loaded == len(file.state)
    assert told.initial
    assert all(name.startswith("stages.2.1.paths.") for name in told.initial)
    assert all(torch.equal(net.state_dict()[name], before[name]) for name in told.initial)


@pytest.mark.parametrize("class_row", [True, False])
@pytest.mark.parametrize("naming", ["vitpose", "mmpose"])
def test_vit_equals_the_reference_by_either_name(naming: str, class_row: bool, tmp_path: Path) -> None:
    net = SMALL_VIT.build(8, "layer").double()
    state = vit_state(naming, class_row=class_row)
    told = load_image_weights(net, written(tmp_path / "w.pth", as_mmpose(state)))
    assert (told.naming, told.loaded, told.initial) == (naming, len(state), ())
    wanted = vit_tokens(vit_state("vitpose", class_row=class_row), picture(64, 48))
    torch.testing.assert_close(net.tokens(picture(64, 48)), wanted)
    torch.testing.assert_close(net(picture(64, 48)), net.project(wanted.mean(1)))


def hrnet_state() -> State:
    file = HRNetFile(every_branch=True)
    file.maps(picture())
    return file.state


def test_files_without_batch_counters_load(tmp_path: Path) -> None:
    state = {name: value for name, value in hrnet_state().items() if "num_batches" not in name}
    net = SMALL_HRNET.build(8, "batch")
    assert load_image_weights(net, written(tmp_path / "w.pth", state)).loaded == len(state)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("layer1.0.conv1.weight"), r"1 missing \(layer1.0.conv1.weight\), 0 unexpected"),
        (lambda s: s.pop("stage4.1.fuse_layers.3.0.0.0.weight"), "1 missing .*fuse_layers.3.0.0.0"),
        (lambda s: s.update(extra=torch.zeros(1)), r"0 missing \(none\), 1 unexpected \(extra\)"),
        (
            lambda s: s.update({"conv1.weight": torch.zeros(64, 3, 3, 3)}),
            r"conv1.weight \[64, .* \[8, 3, 3, 3\]",
        ),
        (lambda s: s.update(step=3), "step are no tensors"),
        (lambda s: s.clear(), "expected names with tensors"),
    ],
)
def test_files_that_do_not_fit_are_refused_and_nothing_is_copied(
    change: Callable[[Any], None], words: str, tmp_path: Path
) -> None:
    state = hrnet_state()
    change(state)
    net = SMALL_HRNET.build(8, "batch")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=words):
        load_image_weights(net, written(tmp_path / "w.pth", state))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "vit.pth", as_mmpose(vit_state("mmpose", class_row=False)))
    with pytest.raises(ValueError, match="not the weights of this encoder"):
        load_image_weights(SMALL_HRNET.build(8, "batch"), path)
    path = written(tmp_path / "hrnet.pth", hrnet_state())
    with pytest.raises(ValueError, match="not the weights of this encoder"):
        load_image_weights(SMALL_VIT.build(8, "layer"), path)
    larger = ViT.Config(size=(96, 48), width=16, heads=4, layers=2).build(8, "layer")
    path = written(tmp_path / "vitpose.pth", vit_state("vitpose", class_row=True))
    with pytest.raises(ValueError, match=r"pos_embed \[1, 13, 16\], expected \[18, 16\]"):
        load_image_weights(larger, path)


def test_batch_statistics_do_not_go_into_layer_norm(tmp_path: Path) -> None:
    path = written(tmp_path / "w.pth", hrnet_state())
    with pytest.raises(ValueError, match="build it with norm='batch'"):
        load_image_weights(SMALL_HRNET.build(8, "layer"), path)


class Harmful:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    sign = tmp_path / "ran"
    path = written(tmp_path / "w.pth", {"state_dict": hrnet_state(), "hook": Harmful(sign)})
    with pytest.raises(ValueError, match="holds more than weights"):
        load_image_weights(SMALL_HRNET.build(8, "batch"), path)
    assert not sign.exists()


def test_absent_and_damaged_files_are_named(tmp_path: Path) -> None:
    net = SMALL_HRNET.build(8, "batch")
    with pytest.raises(ValueError, match=r"none\.pth: cannot be read"):
        load_image_weights(net, tmp_path / "none.pth")
    path = written(tmp_path / "w.pth", hrnet_state())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"w\.pth: "):
        load_image_weights(net, path)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match=r"text\.pth: "):
        load_image_weights(net, tmp_path / "text.pth")
