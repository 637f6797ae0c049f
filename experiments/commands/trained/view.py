"""`equipose view`: a sequence in motion, true and predicted poses beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

if TYPE_CHECKING:
    from equipose.pipelines.player import Clip
    from equipose.pipelines.player.predictions import Predictions
    from equipose.pipelines.store import Store


def view(
    source: Positional[str],
    /,
    sequence: str | None = None,
    predictions: tuple[Path, ...] = (),
    out: Path | None = None,
    rate: float = 10.0,
    megabytes: float = 5.0,
    rerun: bool = False,
    open: bool = False,
) -> None:
    """Play a sequence of a store with its sensors, and predicted poses beside the true ones.

    Writes one HTML file that loads nothing and needs no server.

    Args:
        source: Path or URI of a prepared store; or what `equipose predict` wrote, for the store named in it.
        sequence: Such as `E01_S08_A02`, or enough of it, `S08_A02`; by default the first that has predictions
            or true poses.
        predictions: Up to three files that `equipose predict` wrote, to see beside the true poses.
        out: File to write; by default `view.html`, with --rerun `view.rrd`.
        rate: Frames per second of the recording.
        megabytes: Size that the page may have; frames that do not fit are left out evenly.
        rerun: Write a recording for the Rerun viewer instead; needs `pip install 'equipose[rerun]'`.
        open: Show the page in the browser.
    """
    from equipose.pipelines.files.atomic import atomic
    from equipose.pipelines.player import player_page
    from equipose.pipelines.player.recording import SUFFIX, write_recording

    suffix = SUFFIX if rerun else ".html"
    path = Path(f"view{suffix}") if out is None else out
    if path.suffix != suffix or path.is_dir():
        raise ValueError(f"--out {path}: give the name of a file that ends in {suffix}")
    if rerun and open:
        raise ValueError(f"--open shows a page; look at the recording with `rerun {path}`, without --open")
    clip = chosen_clip(source, sequence, predictions, rate)
    if rerun:
        write_recording(clip, path)
        print(f"{path}: {summary(clip)}; look at it with: rerun {path}")
        return
    page = player_page(clip, limit=int(megabytes * 1e6))
    with atomic(path) as stream:
        stream.write(page.encode())
    print(f"{path}: {summary(clip)}, {len(page.encode()) / 1e6:.1f} MB")
    if open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def chosen_clip(source: str, sequence: str | None, files: tuple[Path, ...], rate: float) -> Clip:
    """The clip that is asked for; see `view`."""
    from equipose.pipelines.player import clip_of
    from equipose.pipelines.player.predictions import read_predictions
    from equipose.pipelines.player.stored import find_sequence, first_with_pose, true_pelvis

    paths = [*([Path(source)] if source.endswith(".parquet") else []), *files]
    found = [read_predictions(path) for path in paths]
    store = opened_store(source, found)
    predicted = {name for one in found for name in one.sequences}
    if sequence is not None:
        number = find_sequence(store, sequence)
    elif found:
        hits = [i for i, key in enumerate(store.keys) if (*key[:3], key.camera) in predicted]
        if not hits:
            raise ValueError(f"{paths[0]}: no sequence of {store.path} is in it; give the store it is from")
        number = hits[0]
    else:
        number = first_with_pose(store)
    key, numbers = store.keys[number], store.sequence(number).numbers
    if found and (*key[:3], key.camera) not in predicted:
        raise ValueError(f"sequence is {key.stem}, which no file of predictions has; choose another")
    pelvis = true_pelvis(store, number) if any(one.around_pelvis for one in found) else 0.0
    poses = {
        label: one.poses(key, numbers) + (pelvis if one.around_pelvis else 0.0)
        for label, one in zip(labels(paths), found, strict=True)
    }
    return clip_of(store, number, poses, rate=rate)


def opened_store(source: str, found: list[Predictions]) -> Store:
    """The store to look at; warns where predictions are of data that has changed since."""
    import sys

    from equipose.pipelines.files.errors import DataError
    from equipose.pipelines.store import open_store

    if source.endswith(".parquet"):
        named = found[0].about.get("store", "")
        if not named or "://" in named:  # a file that came from elsewhere must not choose what is contacted
            value = f"{named!r}, not a local path"
            remedy = f"name the store: equipose view STORE --predictions {source}"
            raise DataError.about(source, field="store", value=value, remedy=remedy)
        try:
            store = open_store(named)
        except DataError as error:
            remedy = f"name the store: equipose view STORE --predictions {source}"
            raise DataError(f"{source}: its store: {error}; or {remedy}") from error
    else:
        store = open_store(source)
    for one in found:
        if one.about.get("store fingerprint", store.fingerprint) != store.fingerprint:
            print(f"equipose: warning: {one.path} was predicted from other data than {store.path} holds now",
                  file=sys.stderr)  # fmt: skip
    return store


def labels(paths: list[Path]) -> list[str]:
    """A name for each file: its stem, with its folder where two have the same."""
    stems = [path.stem for path in paths]
    return [
        stem if stems.count(stem) == 1 else str(path.with_suffix(""))
        for stem, path in zip(stems, paths, strict=True)
    ]


def summary(clip: Clip) -> str:
    """`E01 S08 A02, 12 frames, simulated data`, with the mean error where it is known."""
    import numpy as np

    means = [
        f"{name} {np.nanmean(errors):.1f} mm"
        for name, errors in clip.errors_mm.items()
        if np.isfinite(errors).any()
    ]
    return ", ".join([clip.title, f"{len(clip):,} frames", clip.provenance, *means])
