"""An option that a work does not look at is refused, in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import get_args, get_type_hints

import pytest

from equipose.experiments.cli import command, main
from equipose.experiments.commands.stream_sweep import stream_options
from equipose.experiments.commands.unihpe.sweep import sweep_alignment
from equipose.experiments.commands.unihpe.train import align
from equipose.experiments.presets.typed.works import IDLE


def names(function: Callable[..., object]) -> set[str]:
    return set(inspect.signature(function).parameters)


@pytest.mark.parametrize("verb", IDLE)
def test_the_table_knows_every_work_and_only_options_of_the_verb(verb: str) -> None:
    assert set(IDLE[verb]) == set(get_args(get_type_hints(command(verb))["work"]))
    for work, idle in IDLE[verb].items():
        assert set(idle) < names(command(verb)), work


def test_what_a_work_does_not_take_is_in_the_table() -> None:
    assert set(IDLE["train"]["unihpe"]) == names(command("train")) - names(align) - {"work"}
    assert set(IDLE["sweep"]["unihpe"]) == names(command("sweep")) - names(sweep_alignment) - {"work"}
    started = {"work", "data", "data_root", "store", "sensors", "out", "resume", "plan", "quiet"}
    assert set(IDLE["sweep"]["continual"]) == names(command("sweep")) - names(stream_options) - started


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "train --work unihpe --method awc",
            "--method awc has no effect with --work unihpe: methods balance",
        ),
        ("train --work unihpe --fusion concat", "--fusion concat has no effect with --work unihpe"),
        ("train --work unihpe --sensors image", "--variant 'transformer+score lifting'"),
        ("train --work unihpe --data mars", "use --store STORE"),
        ("train --work unihpe --data-root /x", "--data-root /x has no effect with --work unihpe"),
        ("train --work unihpe --name mine", "--name mine has no effect with --work unihpe"),
        ("train --work unihpe --register best", "--register best has no effect with --work unihpe"),
        ("train --work unihpe --no-log-model", "--no-log-model has no effect with --work unihpe"),
        ("train --variant unihpe", "--variant unihpe has no effect with --work awc: it is for models that"),
        ("train --stages 3", "add --work unihpe, or leave it out"),
        ("train --resume", "--resume has no effect with --work awc"),
        ("sweep --memory", "--memory has no effect with --work awc: it is for streams of tasks"),
        ("sweep --tasks E01 E02", "--tasks E01 E02 has no effect with --work awc"),
        ("sweep --work continual --split S1", "--split S1 has no effect with --work continual"),
        ("sweep --dials alpha", "--dials alpha has no effect with --work awc: it is for models that align"),
        ("sweep --objective retrieval", "add --work unihpe, or leave it out"),
        ("sweep --work continual --seeds 2", "--seeds 2 has no effect with --work continual"),
        ("sweep --work unihpe --data mars", "use --store STORE"),
        ("sweep --work unihpe --strategies ewc", "--strategies ewc has no effect with --work unihpe"),
        ("sweep --work unihpe --sensors image", "--sensors image has no effect with --work unihpe"),
        ("sweep --work unihpe --no-log-model", "--no-log-model has no effect with --work unihpe"),
        ("sweep --work continual --register best", "--register best has no effect with --work continual"),
    ],
)
def test_it_is_refused_in_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_the_works_take_their_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    main(
        ["train", "--work", "unihpe", "--preset", "smoke", "--variant", "pairs", "--stages", "2", "--dry-run"]
    )
    assert '"kind": "aligned"' in capsys.readouterr().out
    main(
        ["train", "--preset", "smoke", "--method", "plain", "--fusion", "mlp", "--name", "mine", "--dry-run"]
    )
    assert '"name": "plain"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=1e-3", "override optimizer.lr=1e-3 has no effect with --work unihpe"),
        ("data.batch.batch_size=4", "override data.batch.batch_size=4 has no effect"),
        ("objective.tau=0.1", "override objective.tau=0.1 has no effect with --work unihpe: each stage"),
    ],
)
def test_an_override_that_the_stages_would_drop_is_refused(
    override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--work", "unihpe", "--preset", "smoke", "--dry-run", "--override", override])
    assert message in capsys.readouterr().err
