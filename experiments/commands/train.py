"""`equipose train`: train one model with one balancing method on Ray Train, or align (`--work unihpe`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from equipose.experiments.presets.names import DEFAULT_OUT, FusionName, PresetName
from equipose.experiments.presets.typed.works import refuse_idle, taken_by

if TYPE_CHECKING:
    from equipose.experiments.presets.sizes import Preset
    from equipose.experiments.presets.sources import DataSource
    from equipose.orchestrator.training.config import TrainConfig


def train(
    work: Literal["awc", "unihpe"] = "awc",
    data: str | None = None,
    data_root: Path | None = None,
    store: str | None = None,
    preset: PresetName = "quick",
    method: str | None = None,
    fusion: FusionName | None = None,
    protocol: str | None = None,
    split: str | None = None,
    out: Path = DEFAULT_OUT,
    name: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    workers: int = 1,
    gpu: bool = False,
    sensors: tuple[str, ...] = (),
    override: tuple[str, ...] = (),
    variant: str | None = None,
    stages: int | None = None,
    resume: bool = False,
    log_model: bool = True,
    register: str | None = None,
    dry_run: bool = False,
) -> None:
    """Train one model on Ray Train and log it to MLflow.

    With the --name of an earlier run it continues from that run's newest checkpoint. With `--work unihpe` it
    aligns pictures, key points and skeletons stage by stage.

    Args:
        work: `awc`: a model that fuses its sensors; `unihpe`: one space for image, 2D and 3D pose. An option
            that the work would not look at is refused.
        data: Where the frames come from; by default the simulator, which needs no download.
        data_root: Folder of the raw files, for `mars` and `mmfi`.
        store: Path or URI of a prepared store, in place of raw data.
        preset: Sizes: `smoke`, `quick` or `paper`.
        method: Balancing method, e.g. `plain`; by default `awc`.
        fusion: How features are fused; by default `concat`.
        protocol: P1, P2 or P3 (MARS: `MARS`).
        split: S1, S2 or S3 (MARS: `time` or `subject`).
        out: Results folder; jobs may share it.
        name: Of the run; by default `<method>-<fusion>-s<seed>`.
        seed: Of weights and batches.
        epochs: Instead of the preset's number; schedules keep their share.
        workers: Ray Train workers (DDP ranks).
        gpu: Give every worker a GPU.
        sensors: Of the model, e.g. `rgb lidar`; by default those of the AWC paper.
        override: Any other setting, e.g. `method.ratio_s=0.5 optimizer.lr=3e-4 model.norm=layer`.
        variant: With `--work unihpe`: `unihpe`, the default, or an ablation such as `pairs`, `no token`,
            `none`, `transformer+score lifting`.
        stages: With `--work unihpe`: how many of its three stages, by default all; finished ones are not
            repeated.
        resume: With `--work unihpe`: resume the newest unfinished job of these options.
        log_model: Log the best checkpoint to MLflow as a model, which `mlflow models serve` takes.
        register: Name under which that model also becomes a version in MLflow's registry.
        dry_run: Print the resolved settings and stop before training.
    """
    given = dict(locals())
    refuse_idle(train, given)
    if work == "unihpe":
        from equipose.experiments.commands.unihpe.train import align

        align(**taken_by(align, given))
    else:
        fuse(**taken_by(fuse, given))


def fuse(
    *,
    data: str | None,
    data_root: Path | None,
    store: str | None,
    preset: PresetName,
    method: str | None,
    fusion: FusionName | None,
    protocol: str | None,
    split: str | None,
    out: Path,
    name: str | None,
    seed: int,
    epochs: int | None,
    workers: int,
    gpu: bool,
    sensors: tuple[str, ...],
    override: tuple[str, ...],
    log_model: bool,
    register: str | None,
    dry_run: bool,
) -> None:
    """Train one model that fuses its sensors; the arguments are those of `equipose train`.

    Raises ValueError for options that would not work, DataError for a store without what they need.
    """
    from equipose.experiments.jobs.preflight import stop_at_absent_sensors, stop_at_problems, wanted_by
    from equipose.experiments.presets.sizes import PRESETS
    from equipose.experiments.presets.sources import chosen_source, ensure_store
    from equipose.orchestrator.cluster.capacity import concurrent_runs
    from equipose.orchestrator.logged_model.log import ModelLogging
    from equipose.orchestrator.ray_train.job import run_train_job
    from equipose.orchestrator.training.config import to_json

    method, fusion = method or "awc", fusion or "concat"
    models = ModelLogging(log=log_model, register=register)
    out = out.resolve()
    sizes = PRESETS[preset].resized(epochs, None)
    source = chosen_source(data, data_root, store, sensors)
    chosen = (f"method={method}", f"model.fusion={fusion}", *override)
    config = _config(sizes, source, out, (protocol, split), seed, chosen)
    if dry_run:
        print(json.dumps(to_json(config), indent=2))
        return
    stop_at_problems(out, wanted_by(config, workers=workers, gpu=gpu))
    ensure_store(source, out, sizes.simulated)
    stop_at_absent_sensors(config)
    _, resources = concurrent_runs(workers, gpu=gpu, limit=1)
    name = name or f"{method}-{fusion}-s{seed}"
    metrics = run_train_job(
        config, name=name, out=out, dataset=source.kind, resources=resources, models=models
    )
    print(
        f"{name}: validation MPJPE {metrics['val/mpjpe_mm']:.1f} mm, best {metrics['best/mpjpe_mm']:.1f} mm"
    )
    print(f"look at it: equipose ui {out}\nits errors: equipose evaluate {out / 'train' / name}")


def _config(
    sizes: Preset,
    source: DataSource,
    out: Path,
    split: tuple[str | None, str | None],
    seed: int,
    overrides: tuple[str, ...],
) -> TrainConfig:
    """The run; split: protocol and split as given. Raises ValueError for settings that would not work."""
    from equipose.experiments.presets.sources import check_source, store_path
    from equipose.experiments.presets.typed.overrides import with_overrides

    protocol, by = (given or usual for given, usual in zip(split, source.default_split(), strict=True))
    base = sizes.train_config(
        store_path(source, out, sizes.simulated),
        protocol,
        by,
        seed,
        real=source.real,
        sensors=source.model_sensors(),
    )
    config = with_overrides(base, overrides)
    check_source(source, [(config.data.protocol, config.data.split)])
    return config
