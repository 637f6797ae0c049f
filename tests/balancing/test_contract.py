"""The contract suite over the registry, variants and compositions; a new method needs no line here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from contract_checks import Check, Toys, checks_of
from contract_subjects import ACTING, Subject, registered, subjects

from equipose.balancing.registry import METHODS, method_name

SUITE = [
    pytest.param(subject, check, id=f"{subject.name} {name}")
    for subject in subjects()
    for name, check in checks_of(subject).items()
]


@pytest.mark.parametrize(("subject", "check"), SUITE)
def test_contract(subject: Subject, check: Check, toy_training: Callable, thread_ranks: Callable) -> None:
    check(subject, Toys(toy_training, thread_ranks))


def test_every_method_is_covered() -> None:
    assert {method_name(subject.config) for subject in registered() if subject.config} == set(METHODS)
    assert set(ACTING) <= set(METHODS)
    assert all(method_name(config) == name for name, config in ACTING.items())
