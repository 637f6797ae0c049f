"""A checkpoint as a folder in MLflow's format: code as text, weights as tensors, no pickled objects."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equipose.models.skeleton import NUM_JOINTS
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.orchestrator.export.description import described
from equipose.orchestrator.export.signature import Input, example, inputs_of

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature

CODE = Path(__file__).with_name("model_code.py")
CHECKPOINT = "checkpoint"
"""As in `service`, which imports MLflow."""


def save_mlflow_model(trained: TrainedModel, folder: Path, entry: Model | None = None) -> None:
    """Write a trained model so that `mlflow.pyfunc.load_model(folder)` and `mlflow models serve` take it.

    folder: must not exist. entry: the model's record on a server, whose ids are written down. What only
    further training needs of the checkpoint, such as the optimiser's state, is left out.
    """
    inputs = inputs_of(trained)
    values = {name: value.numpy() for name, value in example(trained, inputs, rows=1).items()}
    with tempfile.TemporaryDirectory() as scratch, quiet():
        import mlflow.pyfunc

        small = Path(scratch) / CHECKPOINT
        small.mkdir()
        checkpoints.save_for_use(checkpoints.load(trained.checkpoint), small)
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(CODE),
            artifacts={CHECKPOINT: str(small)},
            signature=signature_of(inputs),
            input_example=values,
            pip_requirements=requirements(),
            metadata=described(trained, ()),
            **({} if entry is None else {"mlflow_model": entry}),
        )


def signature_of(inputs: tuple[Input, ...]) -> ModelSignature:
    """MLflow's signature of a model with these inputs; -1 is the batch."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    specs = [TensorSpec(_numpy(item), (-1, *item.shape), item.name) for item in inputs]
    pose = TensorSpec(_numpy(inputs[0]), (-1, NUM_JOINTS, 3))
    return ModelSignature(inputs=Schema(specs), outputs=Schema([pose]))


def _numpy(item: Input) -> np.dtype[Any]:
    return np.dtype(str(item.dtype).removeprefix("torch."))


def requirements() -> list[str]:
    """What a model's environment needs, in the versions that are installed here."""
    packages = ("equipose", "torch", "numpy", "mlflow")
    return [f"{name}=={version(name).partition('+')[0]}" for name in packages]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what MLflow says of every step, and its warnings of type hints in its own modules."""
    import mlflow  # noqa: F401 - sets up its logging, which must not happen later

    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)
