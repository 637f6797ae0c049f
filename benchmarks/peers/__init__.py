"""This project beside its peers, on the same work: plain PyTorch, `torch.func`, Captum and X-Fi.

`python -m benchmarks peers`; CPU time on one torch thread, ratios taken round by round. Wherever two
candidates compute the same thing, a difference of their numbers is an error. What is not installed is left
out with the reason: Captum must be importable, and `XFI=<folder of the public repository>` needs `einops`.
"""

from __future__ import annotations

from benchmarks.peers import captum, loop, per_sample, ranks, xfi
from benchmarks.timing import one_thread


def main() -> str:
    """All tables as Markdown."""
    with one_thread():
        tables = [loop.table(), ranks.table(), per_sample.table(), captum.table(), xfi.table()]
    return "\n\n".join(["## Beside peers", *tables])
