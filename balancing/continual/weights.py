"""The weights that continual methods protect, and copies of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

HEADS = "heads."
"""Prefix of the unimodal heads, which only measure or balance, and predict nothing at test time."""


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """name -> parameter of everything that is trained: encoders, fusion and head, not the unimodal heads."""
    return {n: p for n, p in model.named_parameters() if p.requires_grad and not n.startswith(HEADS)}


def copies(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """name -> a copy of the current values."""
    return {name: p.detach().clone() for name, p in parameters.items()}


def placed(
    method: str, tensors: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The tensors in the parameters' order, device and dtype. Raises ValueError where names differ."""
    if tensors.keys() != parameters.keys():
        odd = sorted(tensors.keys() ^ parameters.keys())
        raise ValueError(
            f"the state of {method} and the model's weights differ in {odd}; "
            "every task of a stream needs the same model"
        )
    return {name: tensors[name].to(p) for name, p in parameters.items()}


def zeros_like(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """name -> zeros of the parameter's shape."""
    return {name: torch.zeros_like(p) for name, p in parameters.items()}
