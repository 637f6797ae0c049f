"""A strategy's dials under their own names, and the strategy with them turned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.memory.replay import Replay
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.continual.penalties.si import SI
from equipose.balancing.methods.plain import Plain
from equipose.balancing.schedules import fitted
from equipose.orchestrator.stream_sweep.dials import dials_of, turned

CHAIN = ChainConfig(parts=(NoiseSeparation.Config(), Replay.Config()))


def test_a_chain_has_the_dials_of_all_its_methods() -> None:
    assert [dial.name for dial in dials_of(CHAIN, 50)] == ["nis.threshold", "nis.warmup", "replay.beta"]
    assert "replay.rows" in [dial.name for dial in dials_of(CHAIN, 50, memory=True)]
    assert dials_of(Plain.Config(), 50) == ()


def test_ranges_of_schedules_are_shares_of_a_task() -> None:
    [warmup] = [dial for dial in dials_of(fitted(CHAIN, 10), 10) if dial.name == "nis.warmup"]
    assert (warmup.low, warmup.default, warmup.high, warmup.whole) == (1, 4, 7, True)


def test_a_setting_outside_of_its_range_widens_it() -> None:
    [dial] = dials_of(SI.Config(strength=1e-5), 50)
    assert (dial.low, dial.default) == (1e-5, 1e-5)
    [dial] = dials_of(SI.Config(strength=0.0), 50)
    assert dial.default == dial.low > 0


def test_turned_dials_change_nothing_else() -> None:
    found = turned(CHAIN, {"replay.beta": 3.0, "nis.warmup": 4, "replay.rows": 70.0})
    assert isinstance(found, ChainConfig)
    assert found.parts == (
        replace(CHAIN.parts[0], warmup=4),  # type: ignore[call-arg]
        replace(CHAIN.parts[1], beta=3.0, rows=70),  # type: ignore[call-arg]
    )
    assert turned(SI.Config(), {"si.strength": 2.0}) == SI.Config(strength=2.0)
    assert turned(SI.Config(), {}) == SI.Config()


@pytest.mark.parametrize("name", ["ewc.strength", "si.beta", "si"])
def test_an_unknown_dial_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"no dial '{name}'"):
        turned(SI.Config(), {name: 1.0})
