"""Running statistics of batch normalisation, brought to the current weights.

In training mode a BatchNorm layer uses each batch's own mean and variance, and keeps a running mean of them
for evaluation mode. In the first epochs, and after any change of the weights, that running mean lags: an
evaluation pass then sees another network than the one that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from equipose.models.batch import Batch


def recalibrate(
    model: nn.Module,
    batches: Callable[[], Iterable[Batch]],
    run: Callable[[Batch], object] | None = None,
) -> None:
    """Set the running statistics to the means, over the given batches, of each batch's mean and variance.

    batches: a fresh pass over complete, shuffled training batches; give every rank the same ones, and their
    statistics stay equal. run: a pass through all such layers; None is the model itself. Dropout is off, as
    it is where the statistics are used. Layers that are frozen in evaluation mode keep theirs. Weights and
    training itself do not change: a step uses the statistics of its own batch.
    """
    layers = {name: layer for name, layer in model.named_modules() if _learns_statistics(layer)}
    if not layers:
        return
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for name in layers:
        for module in _path(model, name):
            module.training = True
    momenta = {name: layer.momentum for name, layer in layers.items()}
    for layer in layers.values():
        layer.reset_running_stats()
        layer.momentum = None  # a running mean that weights all batches equally
    try:
        with torch.no_grad():
            for batch in batches():
                (run or model)(batch)
    finally:
        for name, layer in layers.items():
            layer.momentum = momenta[name]
        for module, training in modes:
            module.training = training


def _learns_statistics(module: nn.Module) -> TypeGuard[_BatchNorm]:
    return isinstance(module, _BatchNorm) and module.training and module.track_running_stats


def _path(model: nn.Module, name: str) -> list[nn.Module]:
    """The module of that name and all that contain it, which may handle padding by their own mode."""
    parts = name.split(".")
    return [model.get_submodule(".".join(parts[:end])) for end in range(len(parts) + 1)]
