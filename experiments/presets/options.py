"""What jobs can be asked for: frozen options, and their JSON form in `job.json`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from equipose.experiments.presets.sizes import SimulatedSelection
from equipose.experiments.presets.sources import DataSource, check_kind
from equipose.orchestrator.jobs.location import Kind


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What all jobs share."""

    preset: str
    epochs: int | None = None
    """None: the preset's number."""
    workers: int = 1
    """Ray Train workers per run (DDP ranks)."""
    gpu: bool = False
    """A GPU for every worker."""
    sensors: tuple[str, ...] = ()
    """Of the models; empty: all of the preset."""

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("workers", self.workers)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True, kw_only=True)
class ResumableOptions(JobOptions):
    """What jobs share that keep their options in `<out>/<kind>/<name>/job.json` for `--resume`."""

    kind: ClassVar[Kind]
    verb: ClassVar[str]
    """Of the `equipose` command."""
    grows: ClassVar[Literal["trials", "seeds"]]
    """The option of which `--resume` takes a larger number than the job began with."""
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    data: str
    data_root: Path | None = None
    """Absolute folder of the raw files; None for simulated data."""
    store: str | None = None
    """Absolute path or URI of a prepared store, in place of raw data."""
    override: tuple[str, ...] = ()
    """Other settings, such as `optimizer.lr=3e-4`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kind(self.data, self.store)

    @property
    def source(self) -> DataSource:
        """Where the frames come from."""
        return DataSource(kind=self.data, root=self.data_root, store=self.store, sensors=self.sensors)

    @property
    def stem(self) -> str:
        """Beginning of the job's name: `--resume` looks for the newest unfinished job with the same one."""
        raise NotImplementedError

    @property
    def simulated(self) -> SimulatedSelection:
        """What the preset simulates."""
        raise NotImplementedError

    @property
    def extent(self) -> int:
        """The number of trials or seeds that the job is to have."""
        raise NotImplementedError

    def with_extent(self, extent: int) -> Self:
        """The same options with another number of trials or seeds."""
        changed: dict[str, Any] = {self.grows: extent}
        return replace(self, **changed)

    def resume_command(self, out: Path) -> str:
        """The command that resumes the job, to be copied."""
        where = ["--store", self.store] if self.store else ["--data", self.data]
        words = ["equipose", self.verb, *where, "--preset", self.preset, "--out", str(out), "--resume"]
        return shlex.join(words)

    def to_json(self) -> dict[str, Any]:
        """The options as JSON-ready values."""
        plain: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], source: object = "job.json") -> Self:
        """Inverse of `to_json`.

        Raises ValueError that names `source` and the field which is missing, unknown or wrong.
        """
        try:
            return TypeAdapter(cls).validate_json(json.dumps(plain), strict=True)
        except ValidationError as error:
            raise ValueError(
                f"{source} holds no options of {cls.verb}: {_fault(error)}; correct it or delete its folder"
            ) from None


def _fault(error: ValidationError) -> str:
    """The first thing that is wrong: the field, the value and what is expected."""
    first = error.errors(include_url=False)[0]
    field, value = ".".join(map(str, first["loc"])), repr(first["input"])[:80]
    if first["type"] == "missing":
        return f"field {field} is missing"
    if first["type"] == "unexpected_keyword_argument":
        return f"field {field} is unknown"
    if not field:
        return str(first.get("ctx", {}).get("error", first["msg"]))
    return f"{field} is {value}: {first['msg'].lower()}"
