"""The network of the task before, frozen."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equipose.models.batch import Batch

if TYPE_CHECKING:
    from equipose.models.model import PoseModel


class Teacher:
    """Weights and buffers as plain tensors; the network is rebuilt from them when it is first asked."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state
        """As of `Module.state_dict`."""
        self._model: PoseModel | None = None

    @classmethod
    def of(cls, model: PoseModel) -> Teacher:
        """A copy of the model as it is now."""
        return cls({name: value.detach().clone() for name, value in model.state_dict().items()})

    def poses(self, like: PoseModel, batch: Batch) -> Tensor:
        """[B, 17, 3] m, in evaluation mode, without gradient. like: a model of the same architecture."""
        if self._model is None:
            self._model = deepcopy(like).requires_grad_(requires_grad=False).eval()
            self._model.load_state_dict(self.state)
        with torch.no_grad():
            pose: Tensor = self._model(batch).pose
        return pose
