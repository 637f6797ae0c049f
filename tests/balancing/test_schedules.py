from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.schedules import epoch_count, fixed_count, schedule_fields


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    every: int = epoch_count(4)
    times: int = fixed_count(3)
    strength: float = 1.0


def test_only_declared_fields_count_epochs() -> None:
    assert schedule_fields(Config) == schedule_fields(Config(every=7)) == ("window", "every")


def test_a_declared_field_has_its_default() -> None:
    assert (Config().every, Config().times, Config().window) == (4, 3, None)


def test_a_field_declared_anew_must_say_so_again() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Careless(AWC.Config):
        window: int | None = 30

    assert schedule_fields(AWC.Config) == ("window",)
    assert schedule_fields(Careless) == ()
