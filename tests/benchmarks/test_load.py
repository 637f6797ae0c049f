"""The load benchmark's reading of what happened: on made-up numbers, where the right answer is known."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from benchmarks.load.checks import (
    ALWAYS,
    history_problems,
    read_histories,
    read_runs,
    run_problems,
    settled,
    trial_problems,
)
from benchmarks.load.logging_time import Stopwatch, TrialTimes, medians, share_of_trial, share_of_worker
from benchmarks.load.process_table import Process, below, largest_by_kind, memory_mib, parse_stat, processes
from benchmarks.load.quick_sweep import Passed, announced_left, share_of_cores
from benchmarks.load.quick_sweep import markdown as sweep_table
from benchmarks.load.soak import growth
from benchmarks.load.trial_cost import Cost, costs, kind_of
from benchmarks.load.trial_cost import markdown as cost_table
from benchmarks.load.trials import Load, left_files, markdown, own_temp, toy_sweep
from benchmarks.load.watch import Browser, CountingProgress, Sample, Watch, look, watched


def process(pid: int, parent: int, command: str = "", memory: float = 1.0) -> Process:
    return Process(pid=pid, parent=parent, command=command, memory_mib=memory, cpu_s=0.0)


def test_stat_is_read_also_after_a_name_with_parentheses() -> None:
    fields = ["S", "7", *["0"] * 9, "250", "150", *["0"] * 8, "512", "0"]
    assert parse_stat(f"42 (odd) name) {' '.join(fields)}") == (7, 4.0, 2.0)


def test_processes_below() -> None:
    tree = [process(2, 1), process(3, 2), process(4, 3), process(5, 1), process(6, 9)]
    assert {p.pid for p in below(1, tree)} == {2, 3, 4, 5}
    assert {p.pid for p in below(3, tree)} == {4}
    assert below(6, tree) == []


def test_largest_process_of_each_kind() -> None:
    tree = [
        process(2, 1, "python -m mlflow server", 100),
        process(3, 1, "python -m mlflow server", 300),
        process(4, 1, "ray::RayTrainWorker", 600),
        process(5, 1, "sh", 1),
    ]
    assert largest_by_kind(tree) == {"MLflow server": 300, "training worker": 600, "other": 1}


def test_this_process_is_in_the_table() -> None:
    (own,) = [p for p in processes() if p.pid == os.getpid()]
    assert own.parent == os.getppid()
    assert own.memory_mib == pytest.approx(memory_mib(os.getpid()), rel=0.2)


def test_lost_failed_and_extra_trials_are_told() -> None:
    done, pruned, failed = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
    assert trial_problems([(0, done), (1, pruned)], wanted=2) == []
    assert trial_problems([(0, done), (1, failed)], wanted=2) == ["trial 1 is FAIL"]
    assert trial_problems([(1, done)], wanted=2) == ["trial 0 is lost"]
    assert trial_problems([(0, done), (1, done), (2, done)], wanted=2) == ["extra trials"]


def test_every_trial_has_one_ended_run() -> None:
    good = [("trial-000", "FINISHED"), ("trial-001", "FINISHED")]
    assert run_problems(good, 2) == []
    assert run_problems(good[:1], 2) == ["trial-001 has 0 runs"]
    assert "trial-000 has 2 runs" in run_problems([*good, good[0]], 2)
    assert run_problems([good[0], ("trial-001", "RUNNING")], 2) == ["trial-001 is RUNNING"]


def test_histories_are_whole_and_free_of_doubles() -> None:
    whole = {key: [0, 1] for key in ALWAYS} | {"fisher/rgb": [0]}
    assert history_problems("a", whole, epochs=2, window=1) == []
    assert history_problems("a", whole, epochs=1, window=1) == [], "one more than Tune has heard of"
    assert history_problems("a", whole, epochs=3, window=1) == ["a has 2 of 3 epochs"]
    doubled = whole | {"train/loss": [0, 0, 1]}
    assert history_problems("a", doubled, epochs=2, window=1) == [
        "a: train/loss has steps [0, 0, 1], expected [0, 1]"
    ]
    assert (
        "a: shapley/rgb has steps [1]"
        in history_problems("a", whole | {"shapley/rgb": [1]}, epochs=2, window=1)[0]
    )
    assert "a has no val/mpjpe_mm" in history_problems("a", {}, epochs=0, window=0)
    later = whole | {"fisher/rgb": [1]}
    assert history_problems("a", later, epochs=2, window=1, free=1) == []
    assert "expected [0]" in history_problems("a", later, epochs=2, window=1)[0]


def test_runs_and_points_are_read_from_the_database() -> None:
    with sqlite3.connect(":memory:") as database:
        database.executescript("""
            create table runs (run_uuid, name, status);
            create table tags (run_uuid, key, value);
            create table metrics (run_uuid, key, step);
            insert into runs values ('p', 'sweep', 'FINISHED'), ('a', 'trial-000', 'RUNNING');
            insert into tags values ('p', 'sweep', 's'), ('a', 'sweep', 's');
            insert into tags values ('a', 'mlflow.parentRunId', 'p');
            insert into metrics values ('a', 'm', 1), ('a', 'm', 0), ('a', 'm', 0), ('p', 'm', 5);
        """)
        assert read_runs(database, "s") == {"a": ("trial-000", "RUNNING")}
        assert read_runs(database, "other") == {}
        assert read_histories(database, "a") == {"m": [0, 0, 1]}


def test_waiting_ends_when_it_is_good_or_time_is_up() -> None:
    values = iter([3, 2, 1, 0])
    assert settled(lambda: next(values), lambda found: found < 3, patience=60) == 2
    began = time.monotonic()
    assert settled(lambda: 1, lambda found: False, patience=0.1) == 1
    assert time.monotonic() - began < 10


def sample(at: float, ended: int, driver: float, **fields: float) -> Sample:
    return Sample(
        at=at,
        ended=ended,
        driver_mib=driver,
        open_files=10,
        threads=5,
        processes=3,
        largest_mib={"raylet": driver / 10},
        mlflow_cpu_s=at / 4,
        **fields,  # type: ignore[arg-type]
    )


def test_growth_counts_from_the_end_of_the_warm_up() -> None:
    samples = [
        sample(0, 0, 100),
        sample(5, 3, 500, page_s=0.1, runs_s=0.3),
        sample(10, 5, 530, page_s=0.3, runs_s=0.1),
        sample(15, 9, 520, page_s=0.2, runs_s=0.2),
        sample(20, 10, 900, page_s=0.2, runs_s=9.0),
    ]
    seen = watched(samples, trials=10, warm_up=2)
    assert (seen.driver_warm_mib, seen.driver_peak_growth_mib, seen.driver_end_growth_mib) == (500, 30, 20)
    assert seen.page_s == (0.2, 0.3)
    assert seen.runs_s == (0.25, 9.0), "answers count to the end of the job"
    assert seen.mlflow_cores == 0.25
    assert seen.largest_mib == {"raylet": (50, 53)}
    with pytest.raises(ValueError, match="1 samples after 6 of 10 trials"):
        watched(samples, trials=10, warm_up=6)


def test_calls_within_calls_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def tick(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    watch = Stopwatch()
    inner = watch.around(lambda: tick(1))

    def calls_inner() -> None:
        tick(2)
        inner()

    watch.around(calls_inner)()
    inner()
    tick(100)
    assert watch.seconds == 4


def test_time_of_a_call_that_fails_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    watch = Stopwatch()
    with pytest.raises(KeyError):
        watch.around(lambda: {}["missing"])()
    assert watch.seconds == 3


TIMES = [
    TrialTimes(
        trial_s=100, create_s=1, start_s=60, import_s=9, worker_s=30, logging_s=logging, ending_s=logging / 2
    )
    for logging in (1.0, 2.0, 6.0)
]


def test_shares_are_of_summed_times() -> None:
    assert share_of_worker(TIMES) == pytest.approx(10)
    assert share_of_trial(TIMES) == pytest.approx(4)
    assert medians(TIMES)["logging_s"] == 2


def test_a_step_up_is_no_trend_and_a_slope_is() -> None:
    assert growth([500, 600, 100, 100, 100, 100, 100]) == 0
    assert growth([0, 0, 100, 100, 100, 100, 130]) == 0, "one odd value"
    assert growth([0, 0, 10, 20, 30, 40, 50]) == 40
    assert growth([0, 0, 10, 20]) == 0, "two values are no trend"


def test_own_temp_is_where_files_go_and_is_put_back(tmp_path: Path) -> None:
    import tempfile

    before = (tempfile.gettempdir(), os.environ.get("TMPDIR"))
    with own_temp(tmp_path / "tmp") as temp:
        assert tempfile.gettempdir() == str(temp)
        kept = Path(tempfile.mkdtemp())
        (temp / "torchinductor_me").mkdir()
        assert left_files(temp) == [kept.name]
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before


def test_watch_looks_until_the_block_ends(tmp_path: Path) -> None:
    with CountingProgress(2, mode="quiet") as progress, Watch(tmp_path, progress, every=0.05) as watch:
        progress.trial("trial-000", "stopped", 1, 2)
        progress.trial("trial-001", "running", 1, 2)
        time.sleep(0.3)
    assert watch.samples
    assert {s.ended for s in watch.samples} == {1}
    assert watch.samples[0].page_s is None, "there is no server"
    count = len(watch.samples)
    time.sleep(0.15)
    assert len(watch.samples) == count


def test_a_server_that_does_not_answer_counts_as_slow(tmp_path: Path) -> None:
    (tmp_path / ".tracking").mkdir()
    (tmp_path / ".tracking" / "server.json").write_text('{"uri": "http://127.0.0.1:9"}')
    assert look(0, Browser(tmp_path)).page_s == 60


def test_trials_fit_side_by_side(tmp_path: Path) -> None:
    config = toy_sweep("load", tmp_path, trials=9, concurrency=8)
    cores = len(os.sched_getaffinity(0))
    assert 0 < 8 * config.resources.cpus_per_worker + 0.01 * 8 <= cores


def test_report_names_what_went_wrong() -> None:
    seen = watched([sample(i, i, 100 + i, page_s=0.1, runs_s=0.2) for i in range(5)], trials=5, warm_up=1)
    load = Load(
        trials=5,
        concurrency=2,
        minutes=1.0,
        states={"done": 4, "stopped": 1},
        problems=[],
        left={"actors": 0, "processes": {}},
        watched=seen,
        logging_of_worker=share_of_worker(TIMES),
        logging_of_trial=share_of_trial(TIMES),
        timed=3,
        making_s=1.0,
        seconds=medians(TIMES),
        whole_job_growth_mib=50,
    )
    text = markdown(load)
    assert "| lost, doubled or missing | nothing |" in text
    assert "| left behind | nothing |" in text
    assert "4 done, 1 stopped" in text
    assert "4.00 %" in text
    worse = markdown(replace(load, problems=["trial 3 is lost"], left={"actors": 2}))
    assert "trial 3 is lost" in worse
    assert '{"actors": 2}' in worse


def test_a_process_is_called_by_what_it_becomes() -> None:
    assert kind_of(["python default_worker.py", "ray::IDLE", "ray::RayTrainWorker.poll_status"]) == (
        "ray::RayTrainWorker"
    )
    assert kind_of(["ray::IDLE", "python default_worker.py"]) == "ray::IDLE"
    assert kind_of(["mlflow server"]) == "other"


def test_a_trials_cost_leaves_out_what_starts_once() -> None:
    worker = "ray::RayTrainWorker"
    names = {1: {"ray::ImplicitFunc.train"}, 2: {worker}, 3: {worker}, 4: {"gcs"}}
    found = costs({1: 2.0, 2: 5.0, 3: 7.0, 4: 9.0}, names)
    assert found[worker] == Cost(processes=2, seconds=12.0)
    assert list(found) == [worker, "other", "ray::ImplicitFunc"]
    table = cost_table(found, trials=2, training=1.5)
    assert "A trial: 7.0 s, of which it trains 1.5 s: 5.5 s outside." in table
    assert "| other | 1 | 9.0 |  |" in table


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("[1/4 trials, about 40s left]", 40),
        ("about 2m05s left", 125),
        ("about 1h02m left", 3720),
        ("done", None),
    ],
)
def test_the_announced_time_is_read(line: str, left: float | None) -> None:
    assert announced_left(line) == left


def test_a_sweep_is_told_from_its_lines_and_looks() -> None:
    passed = Passed(
        lines=[
            (1.0, "08:00:01 simulating data"),
            (10.0, "08:00:10 a running epoch 0/2"),
            (20.0, "08:00:20 a running epoch 1/2  [0/1 trials, 1 running, about 1m00s left]"),
            (50.0, "08:00:50 a done epoch 2/2  [1/1 trials, 0 running, about 3s left]"),
            (58.0, "│ a │ done │ 54.7 │"),
        ],
        looks=[
            (9.0, {"training worker": 1.0}),
            (11.0, {"training worker": 2.0}),
            (49.0, {"training worker": 42.0, "other": 5.0}),
            (55.0, {"training worker": 43.0, "other": 9.0}),
        ],
        wall=60.0,
    )
    assert share_of_cores(passed, 2) == pytest.approx(0.5)
    table = sweep_table(passed, 2)
    assert "| first epoch ended after | 20 s |" in table
    assert "after 20 s, 1.50 of what was left" in table
    assert "| all announcements | 1.50 to 1.50 of what was left |" in table, "too late to plan by is left out"
    with pytest.raises(RuntimeError, match="no trial started"):
        share_of_cores(Passed(lines=[], looks=passed.looks, wall=1.0), 2)
