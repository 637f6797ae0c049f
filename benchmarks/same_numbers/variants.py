"""Runs that one process trains: every method so that it acts, other readings of them, other models."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Changes = Mapping[str, Any]
"""Dotted setting -> value, as in the JSON form of a run."""

ACTING: dict[str, Changes] = {
    "awc": {"free_epochs": 0},
    "awc_continuous": {"free_epochs": 0},
    "awc_adaptive": {"free_epochs": 0, "tolerance": 1e9, "patience": 1},
    "pmr": {"fraction": 1.0},
    "g_blending": {"super_epoch": 1},
    "modality_resampling": {"warmup": 1, "scale_mm": 250.0},
    "sample_resampling": {"warmup": 1, "scale_mm": 300.0},
    "relearning": {"every": 1, "times": 2},
}
"""Settings of methods whose defaults would not act in two epochs of few frames."""

READINGS: dict[str, tuple[str, Changes]] = {
    "awc, initial anchor": ("awc", {"anchor": "init", "fisher_schedule": "once"}),
    "awc, as published": ("awc", {"strength": "alpha", "free_epochs": 0, "contributions": "validation"}),
    "awc, other alphas": ("awc", {"strength": "alpha", "alpha_s": 5e4, "alpha_i": 1e3, "momentum": None}),
    "awc, batch gradients": ("awc", {"free_epochs": 0, "fisher": "per_batch", "fisher_fraction": 0.5}),
    "awc, short window": ("awc", {"strength": "alpha", "free_epochs": 0, "window": 1, "loss_unit": "mm"}),
    "awc_adaptive, gap": ("awc_adaptive", {"free_epochs": 0, "watch": "gap"}),
    "ogm_ge, heads": ("ogm_ge", {"unimodal": "heads", "ratio": "weakest", "window": 1}),
    "ogm_ge, without noise": ("ogm_ge", {"noise": 0.0, "temperature": 0.1, "centred": False}),
    "agm, encoders": ("agm", {"scale": "encoders", "temperature": 0.1}),
    "opm, heads": ("opm", {"unimodal": "heads", "rescale": "modality", "rate": 1.0}),
    "pmr, gradients": ("pmr", {"act": "gradients", "eta": 0.5, "unit": 0.02, "fraction": 1.0}),
    "g_blending, gains only": ("g_blending", {"super_epoch": 1, "gain": "positive", "fraction": 0.5}),
    "mmpareto, short window": ("mmpareto", {"window": 1, "keep_length": False}),
    "modality_resampling, soft": ("modality_resampling", {"warmup": 0, "value": "soft", "hide": "others"}),
    "modality_resampling, validation": ("modality_resampling", {"warmup": 0, "value": "validation"}),
    "sample_resampling, soft": ("sample_resampling", {"warmup": 0, "value": "soft", "which": "weakest"}),
    "relearning, purity": ("relearning", {"every": 1, "diagnosis": "purity", "fraction": 0.5}),
    "modality_dropout, RGB": ("modality_dropout", {"rates": {"rgb": 0.7}}),
    "random_subsets, RGB": ("random_subsets", {"probabilities": {"rgb": 0.2}}),
    "mla, normalised": ("mla", {"normalise": True, "damping": 1.0}),
    "recon_boost, reweighted": ("recon_boost", {"reading": "reweighted", "rectify_after": 2}),
}
"""Name -> method and settings: other branches of the same methods."""

MODELS: dict[str, Changes] = {
    "MLP fusion": {"model.fusion": "mlp"},
    "cross-attention": {"model.fusion": "cross_attention"},
    "missing token": {"model.missing": "token"},
    "SGD": {"optimizer.name": "sgd", "optimizer.lr": 0.05},
    "attention that masks": {"model.fusion": "attention", "model.absent": "mask"},
    "small widths": {"model.preset": "small", "model.unimodal_heads": True, "model.dropout": 0.1},
    "layer norm": {
        "model.norm": "layer",
        "model.head_init": "zeros",
        "model.encoders": {"wifi": {"readout": "joints"}},
    },
    "windows": {"data.batch.views.rgb.window": 3, "data.batch.views.mmwave.frames": 3},
    "other data": {"data.split": "S2", "data.train_stride": 2, "data.batch.views.wifi.scale": "absolute"},
    "two sensors": {"model.modalities": ["rgb", "wifi"], "data.batch.modalities": ["rgb", "wifi"]},
    "float64": {"dtype": "float64", "value_function": "negative_mse", "optimizer.clip_norm": 0.1},
    "optimiser": {"optimizer.gamma": 0.5, "optimizer.step_epochs": 1, "optimizer.weight_decay": 0.01},
}
"""Plain training of other models, on other data, with another optimiser."""


def all_runs(base: Mapping[str, Any], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name -> the JSON form of a run; a run of every method bears the method's name."""
    chosen = {name: _of_method(name, ACTING.get(name, {})) for name in methods}
    readings = {name: _of_method(*reading) for name, reading in READINGS.items() if reading[0] in methods}
    models = {name: {**_of_method("plain", {}), **changes} for name, changes in MODELS.items()}
    return {name: _changed(base, changes) for name, changes in (chosen | readings | models).items()}


def _of_method(method: str, changes: Changes) -> dict[str, Any]:
    return {"method": {"name": method}} | {f"method.{name}": value for name, value in changes.items()}


def _changed(base: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    settings = copy.deepcopy(dict(base))
    for path, value in changes.items():
        *parents, name = path.split(".")
        here = settings
        for parent in parents:
            here = here[parent]
        here[name] = copy.deepcopy(value)
    return settings
