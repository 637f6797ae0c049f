"""Which methods read validation data while they train, as docs/comparison.md lists them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from contract_subjects import ACTING

from equipose.balancing.registry import METHODS, build_method

DOCS = Path(__file__).parents[2] / "docs" / "comparison.md"


def test_the_documentation_lists_all_that_read_it(toy_training: Callable[..., Any]) -> None:
    def reads(name: str) -> bool:
        """Needs the scores of the validation pass, or trains otherwise where that data is changed."""
        config = ACTING.get(name, METHODS[name].Config())
        one, other = toy_training(build_method(config)), toy_training(build_method(config))
        for batch in other.held_out:
            batch.inputs["rgb"].neg_()
        changed = not torch.equal(one.fit(3).weights(), other.fit(3).weights())
        return changed or "contributions" in one.method.needs

    found = re.search(r"read validation data while they train:(.*?)\n[A-Z]", DOCS.read_text(), re.DOTALL)
    assert found
    assert {name for name in METHODS if reads(name)} == set(re.findall(r"`(\w+)`", found[1]))
