"""The method on a trained toy model: what it finds, hides, remembers and logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from equipose.balancing.compose import chain
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.method import Method
from equipose.balancing.methods.mmpareto import MMPareto
from equipose.balancing.run import EpochPlan, Run
from equipose.models.batch import Batch

KINDS = ("swap", "offset", "gauss", "burst")


def judged(run: Run, **config: Any) -> NoiseSeparation:
    """The method after the epoch's plan."""
    method = NoiseSeparation(NoiseSeparation.Config(**{"warmup": 6, "every": 6, **config}))
    method.plan_epoch(plan_of(run), run)
    return method


def plan_of(run: Run) -> EpochPlan:
    shown = torch.ones(len(run.training_rows), len(run.model.modalities), dtype=torch.bool)
    return EpochPlan(indices=run.training_rows, present=shown)


def hidden_readings(method: Method, run: Run) -> Tensor:
    """[N, M] bool."""
    return torch.zeros(len(run.training_rows), 3).bool() if method.hidden is None else (
        ~method.hidden.visible(run.training_rows)
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_noise_of_a_strong_sensor_is_found(noise_problem: Callable, kind: str) -> None:
    problem, truth = noise_problem(kind)
    logged: dict[str, float] = {}
    run = problem.run(logged=logged)
    method = judged(run)
    assert method.scores is not None
    assert roc_auc_score(truth[:, 0], method.scores.values[:, 0]) >= 0.9
    found = hidden_readings(method, run)
    assert (found & truth).sum() >= 0.5 * found.sum() > 0, "precision"
    assert (found & truth).sum() >= 0.5 * truth.sum(), "recall"
    assert logged["noise/rgb/separated"] == pytest.approx(float(found[:, 0].float().mean()))


@pytest.mark.parametrize("seed", [0, 1])
def test_clean_data_is_left_alone(noise_problem: Callable, seed: int) -> None:
    logged: dict[str, float] = {}
    run = noise_problem(seed=seed)[0].run(logged=logged)
    assert hidden_readings(judged(run), run).float().mean(dim=0).max() <= 0.03
    assert [logged[f"noise/{name}/alarm"] for name in run.model.modalities] == [0, 0, 0]


def test_the_papers_channel_alone_finds_what_the_fusion_uses(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    method = judged(problem.run(), channels=("contributions",))
    assert method.needs == frozenset()
    assert method.scores is not None
    assert roc_auc_score(truth[:, 0], method.scores.values[:, 0]) > 0.75


def test_to_score_only_hides_nothing(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    logged: dict[str, float] = {}
    method = judged(problem.run(logged=logged), act="nothing")
    assert method.hidden is None
    assert method.scores is not None
    assert (method.scores.flagged & truth).sum() > 0.5 * truth.sum()
    assert logged["noise/rgb/separated"] == 0 < logged["noise/rgb/flagged"]
    assert not method.acts_in(11)


def test_the_control_hides_as_many_elsewhere(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    run = problem.run()
    masked = hidden_readings(judged(run), run)
    control = hidden_readings(judged(run, act="random"), run)
    assert control.sum(dim=0).tolist() == masked.sum(dim=0).tolist()
    assert (control & truth).sum() < 0.3 * control.sum()


def test_two_ranks_equal_one(noise_problem: Callable, thread_ranks: Callable) -> None:
    problem, _ = noise_problem("burst")
    problem.model.double()
    batch = problem.batch.to(dtype=torch.float64)
    problem = type(problem)(model=problem.model, batch=batch)
    channels = ("features", "heads", "contributions")
    alone = judged(problem.run(), channels=channels).state_dict()
    ranks = thread_ranks(2)
    problem.model.eval()  # ranks as threads share the model, and with it the mode
    views = [problem.run(rank=rank, ranks=2, mean=ranks.mean(rank)) for rank in range(2)]
    pair = ranks.run(lambda rank: judged(views[rank], channels=channels).state_dict())
    for state in pair:
        for part in ("flagged", "masked"):
            assert torch.equal(state[part]["rows"], alone[part]["rows"])
            assert torch.equal(state[part]["readings"], alone[part]["readings"])
        torch.testing.assert_close(state["scores"]["values"], alone["scores"]["values"], rtol=0, atol=1e-8)
    assert torch.equal(pair[0]["scores"]["values"], pair[1]["scores"]["values"])


def test_scoring_leaves_no_trace_in_the_model(noise_problem: Callable) -> None:
    problem, _ = noise_problem()
    before = {name: value.clone() for name, value in problem.model.state_dict().items()}
    problem.model.train()
    judged(problem.run())
    assert problem.model.training
    assert all(parameter.grad is None or parameter.requires_grad for parameter in problem.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in problem.model.state_dict().items())


def test_state_round_trip(noise_problem: Callable, tmp_path: Any) -> None:
    problem, _ = noise_problem("swap")
    run = problem.run()
    method = judged(run)
    torch.save(method.state_dict(), tmp_path / "state.pt")
    again = NoiseSeparation()
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(hidden_readings(again, run), hidden_readings(method, run))
    later = problem.run(epoch=12)
    for one in (method, again):
        one.plan_epoch(plan_of(later), later)
    assert torch.equal(hidden_readings(again, run), hidden_readings(method, run))
    empty = NoiseSeparation()
    empty.load_state_dict({})
    assert (empty.hidden, empty.state_dict()) == (None, {})
    with pytest.raises(ValueError, match="anchor"):
        empty.load_state_dict({"anchor": {}})


def test_masks_of_earlier_tasks_stay_for_replay(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    first, second = problem.batch.index[:320], problem.batch.index[320:]
    method = NoiseSeparation(NoiseSeparation.Config(warmup=6))
    for task, rows in enumerate((first, second)):
        run = problem.run(training_rows=rows, task=task)
        method.plan_epoch(plan_of(run), run)
        if task == 0:
            early = hidden_readings(method, run)
    assert method.hidden is not None
    assert torch.equal(~method.hidden.visible(first), early)
    assert (early & truth[:320]).any()
    assert ((~method.hidden.visible(second)) & truth[320:]).any()
    assert method.scores is not None
    assert torch.equal(method.scores.rows, second)


def test_a_reading_that_fits_again_comes_back(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    run = problem.run()
    method = judged(run)
    hidden = hidden_readings(method, run)
    assert (hidden & truth).any()
    clean, _ = noise_problem()
    repaired = type(problem)(model=problem.model, batch=clean.batch).run(epoch=12)
    method.plan_epoch(plan_of(repaired), repaired)
    assert not (hidden_readings(method, run) & hidden).any()


def test_when_it_judges(noise_problem: Callable) -> None:
    problem, _ = noise_problem()

    def epochs(**config: Any) -> list[int]:
        method = NoiseSeparation(NoiseSeparation.Config(channels=("heads",), **config))
        seen = []
        for epoch in range(8):
            logged: dict[str, float] = {}
            run = problem.run(epoch=epoch, logged=logged)
            method.plan_epoch(plan_of(run), run)
            seen += [epoch] if logged else []
        return seen

    assert epochs(warmup=2, every=3) == [2, 5]
    assert epochs(warmup=3, every=0) == [3]
    assert epochs(warmup=9, every=1) == []


def test_heads_are_probes(noise_problem: Callable, toy_training: Callable) -> None:
    """The encoders and the fusion train as in plain training, bit for bit, while nothing is hidden."""
    plain = toy_training(Method()).fit(2)
    separated = toy_training(NoiseSeparation()).fit(2)
    assert torch.equal(plain.weights(), separated.weights(heads=False))
    with pytest.raises(ValueError, match="unimodal losses"):
        chain(nis=NoiseSeparation(), pareto=MMPareto())
    without = NoiseSeparation(NoiseSeparation.Config(channels=("features",)))
    assert not without.shapes_step
    chain(nis=without, pareto=MMPareto())


def test_rows_without_a_sensor(noise_problem: Callable) -> None:
    problem, truth = noise_problem("swap")
    present = torch.arange(640)[:, None] % torch.tensor([5, 7, 11]) > 0
    batch = Batch(**{**vars(problem.batch), "present": present})
    run = type(problem)(model=problem.model, batch=batch).run()
    method = judged(run)
    assert method.scores is not None
    assert torch.equal(method.scores.values.isnan(), ~present)
    assert not (hidden_readings(method, run) & ~present).any()
    seen = present[:, 0]
    assert roc_auc_score(truth[seen, 0], method.scores.values[seen, 0]) >= 0.9


@pytest.mark.parametrize(
    ("field", "value"),
    [("act", "drop"), ("channels", ()), ("channels", ("features", "loss")), ("threshold", 0.0), ("cap", 1.5),
     ("warmup", -1), ("every", -1), ("readmit", 0.0), ("channels", ("heads", "heads"))],
)  # fmt: skip
def test_a_wrong_setting_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"nis\.{field}"):
        NoiseSeparation.Config(**{field: value})
