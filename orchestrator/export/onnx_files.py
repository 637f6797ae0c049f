"""A program as an ONNX file, which ONNX Runtime and others run without PyTorch."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from equipose.orchestrator.export.programs import ExportError, first_line
from equipose.pipelines.files.atomic import atomic

NEEDED = ("onnx", "onnxscript")
"""Packages that write the files; running them takes `onnxruntime` alone."""
BATCH = "batch"
"""Name of the free axis."""


def check_packages() -> None:
    """Raise ValueError unless the optional packages are installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"--format onnx needs the packages {missing}, which are not installed: "
            "pip install 'equipose[onnx]', or use --format torch"
        )


def distances(first: Tensor, second: Tensor, p: float = 2.0, compute_mode: int | None = None) -> Tensor:
    """Euclidean distances [..., S, N] of points [..., S, 3] and [..., N, 3]: ONNX has no such operator."""
    if p != 2.0:
        raise ExportError(f"aten.cdist with p={p} is no ONNX operator; distances must be Euclidean")
    return (first.unsqueeze(-2) - second.unsqueeze(-3)).square().sum(-1).sqrt()


def write_onnx(program: ExportedProgram, names: Sequence[str], output: str, path: Path) -> None:
    """Write a program as an ONNX file.

    names: of its inputs, in their order. output: name of its only output. Raises ValueError where packages
    are missing, ExportError where ONNX has no such operator.
    """
    check_packages()
    try:
        with quiet():
            plain = program.run_decompositions({torch.ops.aten.cdist.default: distances})
            made = torch.onnx.export(
                plain, (), dynamo=True, input_names=list(names), output_names=[output], verbose=False
            )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"{path.name} cannot be written: {lacking(error)}; use --format torch") from error
    assert made is not None
    _tidy(made.model)
    with atomic(path) as stream:
        stream.write(made.model_proto.SerializeToString())


def lacking(error: BaseException) -> str:
    """The operator that ONNX does not have, from the innermost of the exporter's errors; one line."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        texts.append(str(seen))
        seen = seen.__cause__
    found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", "\n".join(texts))
    return f"ONNX has no operator for {found[1]}" if found else first_line(Exception(texts[-1]))


def _tidy(model: Any) -> None:
    """Name the free axis, and leave out where in which file of this machine every operation came from."""
    for value in (*model.graph.inputs, *model.graph.outputs):
        shape = value.shape
        if shape is not None and not isinstance(shape[0], int):
            shape[0] = BATCH
    for node in model.graph:
        node.metadata_props.clear()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporter says of packages that nothing here uses, such as torchvision, and of its own
    names that will go (seen with torch 2.13)."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*LeafSpec", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
