"""Many small trials on one machine: `trials` counts what is lost and left over, `soak` looks for a trend.

`checks` compares what was logged with what was run, `watch` samples processes and pages meanwhile,
`logging_time` and `process_table` measure.
"""

from __future__ import annotations

from benchmarks.load.trials import main

__all__ = ["main"]
