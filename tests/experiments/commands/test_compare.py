"""The options of `equipose compare`: bad ones cost a line and no job, good ones become a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from equipose.balancing.registry import method_name
from equipose.experiments.cli import main
from equipose.experiments.presets.comparison import ComparisonOptions, comparison_config

OPTIONS = ComparisonOptions(
    data="simulated",
    preset="smoke",
    methods=("plain", "ogm_ge"),
    seeds=3,
    fusions=("mlp", "concat"),
    protocols=("P1", "P3"),
    split="S2",
    budget=4,
    epochs=5,
    alone=False,
    workers=2,
    override=("optimizer.lr=0.5",),
)


def test_options_become_a_comparison() -> None:
    config = comparison_config("mine", OPTIONS, "some/store")
    assert (config.name, config.budget, config.workers, config.alone) == ("mine", 4, 2, False)
    assert [method_name(method) for method in config.methods] == ["plain", "ogm_ge"]
    assert config.seeds == (0, 1, 2)
    assert config.fusions == ("mlp", "concat")
    assert config.splits == (("P1", "S2"), ("P3", "S2"))
    assert (config.base.epochs, config.base.optimizer.lr, config.base.data.store) == (5, 0.5, "some/store")


def test_real_data_is_thinned() -> None:
    mars = replace(OPTIONS, data="mars", protocols=("MARS",), split="time")
    assert comparison_config("c", mars, "").base.data.train_stride == 8
    assert comparison_config("c", OPTIONS, "").base.data.train_stride == 1


@pytest.mark.parametrize(
    ("override", "option"),
    [
        ("seed=3", "--seeds"),
        ("epochs=3", "--epochs"),
        ("method=awc", "--methods"),
        ("method.window=3", "--methods"),
        ("model.fusion=mlp", "--fusions"),
        ("data.split=S2", "--split"),
        ("data.protocol=P2", "--protocols"),
    ],
)
def test_what_a_comparison_varies_is_no_override(override: str, option: str) -> None:
    with pytest.raises(ValueError, match=rf"{override}.*use {option}"):
        comparison_config("c", replace(OPTIONS, override=(override,)), "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--data", "mars"), "--data mars needs --data-root"),
        (("--data-root", "."), "simulated reads no files"),
        (("--methods", "magic"), "magic"),
        (("--seeds", "0"), "seeds must be different and at least one"),
        (("--seeds", "1001"), "tuning_seed 1000 is one of the seeds"),
        (("--budget", "0"), "budget must be at least 1"),
        (("--workers", "0"), "workers must be at least 1"),
        (("--epochs", "0"), "epochs must be at least 1"),
        (("--protocols", "P9"), "protocol is 'P9'; use one of"),
        (("--split", "S9"), "split is 'S9'; use one of"),
        (("--override", "optimizer.speed=1"), "no setting 'speed'"),
        (("--override", "seed=1"), "use --seeds"),
        (("--resume",), "no unfinished job compare-simulated-smoke"),
    ],
)
def test_bad_options_take_no_job(
    args: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--preset", "smoke", "--out", str(tmp_path / "out"), *args])
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.glob("out/comparisons/*")), "a bad job takes no name"
