"""Which options of a verb its works (`--work`) take: the others, typed for that work, are refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

STREAMS = "it is for streams of tasks; add --work continual, or leave it out"
ALIGNING = "it is for models that align; add --work unihpe, or leave it out"
UNLOGGED = "an aligned model is not logged as one"
COMPARED = "strategies are compared, and no model is kept of it"

TRIPLETS = "it aligns triplets, simulated ones or those of a store; use --store STORE"
UNREAD = "it reads no raw files; run `equipose prepare` first, then use --store STORE"
OF_STREAMS = dict.fromkeys(("strategies", "by", "tasks", "memory"), STREAMS)
OF_ALIGNMENT = dict.fromkeys(("objective", "dials", "seeds"), ALIGNING)

IDLE: Mapping[str, Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "train": {
            "awc": {
                "variant": ALIGNING,
                "stages": ALIGNING,
                "resume": "a run goes on when its name is given again; use --name",
            },
            "unihpe": {
                "data": TRIPLETS,
                "data_root": UNREAD,
                "method": "methods balance models that fuse; use --variant, such as gram",
                "fusion": "an aligned model has none; use --variant, or --override model.decoder=mlp",
                "name": "its job is named after its options; use --out for a folder of its own",
                "sensors": "a variant says which it has; for key points alone: "
                "--variant 'transformer+score lifting'",
                "log_model": f"{UNLOGGED}; leave it out",
                "register": f"{UNLOGGED}; leave it out, and use the checkpoint in the results folder",
            },
        },
        "tables": {
            "awc": {"wild": ALIGNING, "joined": ALIGNING, "contrast_last": ALIGNING},
            "unihpe": {
                "data": TRIPLETS,
                "data_root": UNREAD,
                "tables": "its tables share their runs; leave it out",
                "columns": "its columns are fixed; leave it out",
                "sensors": "its tables say which sensors they compare; leave it out",
                "all_methods": "no method balances aligned models; leave it out",
                "checks": "it says with each difference what it rests on; leave it out",
                "plan": "it has no plan to print; the progress counts its runs",
            },
        },
        "sweep": {
            "awc": {**OF_STREAMS, **OF_ALIGNMENT},
            "continual": {
                **OF_ALIGNMENT,
                "split": "its tasks are splits; use --by and --tasks",
                "log_model": f"{COMPARED}; leave it out",
                "register": f"{COMPARED}; leave it out, and train one with `equipose train --register`",
            },
            "unihpe": {
                **OF_STREAMS,
                "data": TRIPLETS,
                "data_root": UNREAD,
                "sensors": "it searches the alignment of pictures, key points and skeletons; leave it out",
                "log_model": f"{UNLOGGED}; leave it out",
                "register": f"{UNLOGGED}; leave it out, and use the checkpoint in the results folder",
            },
        },
    }
)
"""verb -> work -> option, as its function spells it -> why that work has no use for it, and what to do."""


def refuse_idle(verb: Callable[..., None], given: Mapping[str, object]) -> None:
    """Raise ValueError for the first option that is set although the work does not look at it.

    verb: its function, whose defaults say what is not set. given: its arguments by name; `work` is one.
    """
    options, work = inspect.signature(verb).parameters, str(given["work"])
    for name, why in IDLE[verb.__name__][work].items():
        if given[name] != options[name].default:
            raise ValueError(f"{_typed(name, given[name])} has no effect with --work {work}: {why}")


def taken_by(function: Callable[..., None], given: Mapping[str, object]) -> dict[str, Any]:
    """Those of a verb's arguments that the function of one of its works takes, by name.

    >>> taken_by(lambda out, seed: None, {"work": "unihpe", "out": ".", "seed": 1})
    {'out': '.', 'seed': 1}
    """
    return {name: given[name] for name in inspect.signature(function).parameters}


def _typed(name: str, value: object) -> str:
    """An option as it is typed.

    >>> _typed("log_model", False), _typed("tasks", ("E01", "E02"))
    ('--no-log-model', '--tasks E01 E02')
    """
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
