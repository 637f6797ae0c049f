"""A network as a `torch.export` program: its operations and weights, without the Python that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from equipose.pipelines.files.atomic import atomic


class ExportError(ValueError):
    """A model that a format cannot express, with the operation that it lacks."""


def program_of(network: nn.Module, values: Mapping[str, Tensor]) -> ExportedProgram:
    """The program of a network that is called as `network(values)`, for any number of rows.

    values: name -> [rows, ...]; at least two rows, because the number one is taken for a constant. Raises
    ExportError where an operation cannot be traced.
    """
    batch = Dim("batch", min=1)
    shapes = {"values": {name: {0: batch} for name in values}}
    try:
        with torch.no_grad():
            program = torch.export.export(network, (dict(values),), dynamic_shapes=shapes)
    except RuntimeError as error:  # also what torch's tracer raises
        raise ExportError(f"{type(network).__name__} cannot be traced ({first_line(error)})") from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where the code lies on this machine, which is nobody's business
    return program


def write_program(program: ExportedProgram, names: Sequence[str], output: str, path: Path) -> None:
    """Write a program as a `.pt2` file; `torch.export.load` reads it, `module()(values)` runs it.

    names, output: as in `write_onnx`. `values` is a dict in the order of the names; the program has them
    already, and its output has none.
    """
    with atomic(path) as stream:
        torch.export.save(program, stream)


def first_line(error: Exception) -> str:
    """What an error of torch begins with, at most 300 characters; it goes on for pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
