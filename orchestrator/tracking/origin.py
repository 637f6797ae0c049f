"""Where a run comes from, for the columns Source and Dataset of MLflow's table of runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
COMMIT = "mlflow.source.git.commit"
NOTE = "mlflow.note.content"
"""Tag whose Markdown is shown at the head of a run's page; at most `MAX_NOTE` characters fit."""
MAX_NOTE = 5000
PROGRAM = "equipose"
FACTS = ("provenance", "protocol", "split", "fingerprint")
"""Tags of a run that say what its data is."""


def source_name(args: Sequence[str] | None = None) -> str:
    """What started this process: `equipose train`, or the name of a script."""
    given = list(sys.argv if args is None else args)
    name = Path(given[0]).name if given and given[0] else "python"
    if name not in (PROGRAM, "__main__.py"):
        return name
    verb = next((arg for arg in given[1:2] if not arg.startswith("-")), "")
    return f"{PROGRAM} {verb}".rstrip()


def source_tags(tags: Mapping[str, str], parent: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run with `tags` that say what made it: what made its parent, else this process."""
    commit = tags.get("git_sha", parent.get(COMMIT, "unknown"))
    return {
        SOURCE_NAME: parent.get(SOURCE_NAME) or source_name(),
        SOURCE_TYPE: "LOCAL",
        **({} if commit == "unknown" else {COMMIT: commit}),
    }


def dataset_input(experiment: str, tags: Mapping[str, str]) -> DatasetInput | None:
    """The data of a run, from its tags; None for a run that names no data.

    Its digest is the fingerprint, so equal digests mean that numbers may be compared.
    """
    if "fingerprint" not in tags:
        return None
    from mlflow.entities import Dataset, DatasetInput, InputTag

    facts = json.dumps({name: tags[name] for name in FACTS if name in tags})
    dataset = Dataset(
        name=experiment.rpartition("/")[2],
        digest=tags["fingerprint"],
        source_type=PROGRAM,
        source=facts,
        profile=facts,
    )
    context = f"training on {tags.get('provenance', 'data of unknown provenance')}"
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
