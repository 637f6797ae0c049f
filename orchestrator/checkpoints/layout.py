"""How checkpoints lie on disk: every run has folders `checkpoint_*`, each with one `state.pt` in it.

A run in its own process names them by epochs (`checkpoint_00007`) and keeps the newest two and the best, see
`folder`. Ray Train names them by the time of day, keeps the newest and the best two, and lists them in a file
of its own, see `equipose.orchestrator.ray_train.run_folder`. That list and those names are Ray Train's and
cannot be changed; a reader without the list goes by the epoch inside a state, see `resume_point`.

This module imports nothing, for processes that only start runs.
"""

from __future__ import annotations

PREFIX = "checkpoint_"
"""Start of the names of a run's checkpoints; Ray Train's own."""
