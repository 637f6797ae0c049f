"""Runs encoders while a model trains: in the wanted precision, and compiled where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch import config as functorch

from equipose.models.compute.config import HALF, ComputeConfig


@contextmanager
def float32_products(*, exact: bool) -> Iterator[None]:
    """Products of float32 on CUDA inside the block: exact, or as TF32; elsewhere it changes nothing."""
    before = [flag.allow_tf32 for flag in _flags()]
    for flag in _flags():
        flag.allow_tf32 = not exact
    try:
        yield
    finally:
        for flag, value in zip(_flags(), before, strict=True):
            flag.allow_tf32 = value


def exact_products() -> None:
    """Make products of float32 on CUDA exact in this process: by default torch lets convolutions use TF32."""
    for flag in _flags():
        flag.allow_tf32 = False


def _flags() -> tuple[Any, ...]:
    """What holds the precision of matrix products and of convolutions.

    In torch's older terms: after a change in the newer ones (`fp32_precision`), `torch.export`, which asks in
    the older, fails (seen with torch 2.13).
    """
    return torch.backends.cuda.matmul, torch.backends.cudnn


class Computing:
    """Runs the encoders of one model as its config says."""

    def __init__(self, config: ComputeConfig | None = None, backend: str = "inductor") -> None:
        """backend: of `torch.compile`; another than the default is for tests."""
        self.config = config or ComputeConfig()
        self.backend = backend
        self._compiled: dict[Any, Callable[..., Tensor]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        # A copy of the model, such as a teacher, has other encoders than those that are compiled here.
        return Computing, (self.config, self.backend)

    def products(self) -> AbstractContextManager[None]:
        """Where the gradients of a training step are computed: their products may be TF32."""
        return float32_products(exact=False) if self.config.precision == "tf32" else nullcontext()

    def run(self, encoder: nn.Module, *given: Any, training: bool) -> Tensor:
        """The result of an encoder; where the model trains, as the config says, in the weights' precision."""
        if not training or not torch.is_grad_enabled():
            found: Tensor = encoder(*given)
            return found
        return self.pass_of(self._fast(encoder) if self.config.compile else encoder, *given)

    def pass_of(self, call: Callable[..., Tensor], *given: Any) -> Tensor:
        """The same of any part of an encoder, which is not compiled. given: the tensors come first."""
        half = HALF.get(self.config.precision)
        if half is None:
            with self.products():
                return call(*given)
        with torch.autocast(given[0].device.type, half):
            return call(*given).to(given[0].dtype)

    def _fast(self, encoder: nn.Module) -> Callable[..., Tensor]:
        if encoder not in self._compiled:
            # Some methods go through a graph once per loss, which compiled ones with reused memory refuse.
            functorch.donated_buffer = False
            self._compiled[encoder] = torch.compile(encoder, backend=self.backend)
        return self._compiled[encoder]
