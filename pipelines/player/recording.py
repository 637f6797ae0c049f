"""A clip as a recording for the Rerun viewer (rerun.io), by the optional package `rerun-sdk`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from equipose.models.skeleton import BONES
from equipose.pipelines.player.clip import Clip, Poses
from equipose.pipelines.player.panels import CloudPanel, HeatPanel, KeypointPanel, Panel

SUFFIX = ".rrd"
COLOURS = ((150, 150, 150), (230, 110, 30), (60, 140, 230), (160, 90, 220))
"""Truth, then predictions."""


def write_recording(clip: Clip, path: Path) -> Path:
    """Write all frames of the clip on the time lines `frame` and `time`; the path.

    Raises ValueError without the package.
    """
    rerun = _rerun()
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = rerun.RecordingStream("equipose")
    stream.save(str(path))
    stream.log("world", rerun.ViewCoordinates.RDF, static=True)
    about = f"# {clip.title}\n\n{clip.provenance}"
    stream.log("about", rerun.TextDocument(about, media_type="text/markdown"), static=True)
    series, part = {"truth": clip.truth, **clip.predictions}, rerun.escape_entity_path_part
    for frame, number in enumerate(clip.numbers):
        stream.set_time("frame", sequence=int(number))
        stream.set_time("time", duration=float((number - clip.numbers[0]) / clip.rate))
        for (name, poses), colour in zip(series.items(), COLOURS, strict=False):
            _log_pose(rerun, stream, f"world/{part(name)}", poses[frame], colour)
        for name, errors in clip.errors_mm.items():
            if np.isfinite(errors[frame]):
                stream.log(f"error_mm/{part(name)}", rerun.Scalars(errors[frame]))
        for panel in clip.panels:
            _log_panel(rerun, stream, panel, frame)
    stream.flush()
    stream.disconnect()
    return path


def _rerun() -> Any:
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise ValueError(
            f"--rerun needs the package rerun-sdk, which cannot be imported ({error}): "
            "pip install 'equipose[rerun]', or leave --rerun out for a page that needs nothing"
        ) from error


def _log_pose(rerun: Any, stream: Any, name: str, pose: Poses, colour: tuple[int, int, int]) -> None:
    """One [17, 3] pose; what is not known clears the one before."""
    if not np.isfinite(pose).all():
        stream.log(name, rerun.Clear(recursive=True))
        return
    bones = [pose[[parent, child]] for parent, child in BONES]
    stream.log(f"{name}/bones", rerun.LineStrips3D(bones, colors=[colour], radii=0.008))
    stream.log(f"{name}/joints", rerun.Points3D(pose, colors=[colour], radii=0.015))


def _log_panel(rerun: Any, stream: Any, panel: Panel, frame: int) -> None:
    """One frame of a sensor; no reading clears the one before."""
    name = rerun.escape_entity_path_part(panel.title.split(",")[0])
    if isinstance(panel, CloudPanel):
        cloud = panel.points[panel.offsets[frame] : panel.offsets[frame + 1]]
        stream.log(f"world/{name}", rerun.Points3D(cloud, radii=0.01))
        return
    shown: Any = None
    if isinstance(panel, KeypointPanel):
        points = panel.points[frame]
        if np.isfinite(points).all():
            stream.log(f"{name}/lines", rerun.LineStrips2D([points[list(bone)] for bone in panel.bones]))
            shown = rerun.Points2D(points, radii=3.0)
    elif isinstance(panel, HeatPanel):
        values = panel.values[frame]
        shown = rerun.Tensor(values.astype(np.float32)) if np.isfinite(values).all() else None
    elif panel.files[frame]:
        shown = rerun.EncodedImage(contents=panel.files[frame], media_type="image/jpeg")
    if shown is None:
        stream.log(name, rerun.Clear(recursive=True))
    else:
        stream.log(name, shown)
