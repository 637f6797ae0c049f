"""What each modality contributes to each row: the per-row game behind resampling.

Legend: N rows, M modalities, C coalitions (see `coalitions_of`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.run import Run
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.models.batch import Batch, rows_of


@dataclass(frozen=True, kw_only=True)
class RowErrors:
    """Errors of some rows, reduced over ranks; equal on all of them, on the CPU."""

    rows: Tensor
    """[N] int64 rows of the store's index, increasing."""
    present: Tensor
    """[N, M] bool: which modalities the row has."""
    scored: Tensor
    """[N] bool: whether the row's errors are known."""
    errors: Tensor
    """[N, C] float64, m, of every coalition; 0 where not scored."""


def row_errors(run: Run, rows: Tensor, scored: Tensor | None = None) -> RowErrors:
    """Errors of every coalition on some rows, in evaluation mode, without gradient.

    rows: [N] int64, each once, increasing; scored: [N] bool, None scores all. Both the same on every rank.
    Every rank fills in its own share of the training data and leaves zeros elsewhere; one reduction joins
    them. Raises ValueError for rows that no rank has.
    """
    scored = torch.ones(len(rows), dtype=torch.bool) if scored is None else scored
    players = len(run.model.modalities)
    device = next(run.model.parameters()).device
    coalitions = len(coalitions_of(players).codes)
    table = torch.zeros(len(rows), 1 + players + coalitions, dtype=torch.float64, device=device)
    with torch.no_grad(), evaluating(run.model):
        for batch in run.batches():
            index = batch.index.cpu().contiguous()
            at = torch.searchsorted(rows, index).clamp_max(len(rows) - 1)
            known = rows[at] == index
            table[at[known].to(device), 0] = 1
            table[at[known].to(device), 1 : 1 + players] = run.model.present_of(batch)[known].double()
            chosen = known & scored[at]
            if chosen.any():
                table[at[chosen].to(device), 1 + players :] = coalition_errors(run, rows_of(batch, chosen))
    joined = run.mean(table).cpu()
    # Each row is on one rank only, so the mean over ranks is too small by the factor `seen`.
    seen, present, errors = joined.split([1, players, coalitions], dim=1)
    if not bool((seen > 0).all()):
        missing = rows[seen[:, 0] == 0][:5].tolist()
        raise ValueError(f"the plan visits rows {missing} that the training data lacks; plan its rows only")
    return RowErrors(rows=rows, present=present > 0, scored=scored, errors=errors / seen)


def coalition_errors(run: Run, batch: Batch) -> Tensor:
    """[B, C] float64, m: the error of every coalition on the rows of a batch."""
    model = run.model
    predictions = coalition_predictions(model, model.encode(batch), model.present_of(batch))
    return torch.stack([run.loss(poses, batch.pose) for poses in predictions], dim=1).double()


def thresholded(errors: Tensor, scale: float) -> Tensor:
    """1 where the error is below `scale`, else 0: like "predicted correctly" in classification."""
    return (errors < scale).to(errors.dtype)


def decaying(errors: Tensor, scale: float) -> Tensor:
    """exp(-error / scale), in (0, 1]: a degree of correctness."""
    return torch.exp(-errors / scale)


CORRECTNESS: dict[str, Callable[[Tensor, float], Tensor]] = {"threshold": thresholded, "soft": decaying}


def row_contributions(found: RowErrors, correctness: str, scale: float) -> Tensor:
    """[N, M] float64 Shapley values of the game v(C) = |C| * correct(C), one game per row (Wei et al. 2024).

    |C| counts the modalities that the row has, so an absent one is worth 0. If every coalition of a row
    with all its modalities is correct, each is worth 1: the "full contribution" of the paper.
    scale: m.
    """
    coalitions = coalitions_of(found.present.shape[1])
    size = (coalitions.masks & found.present[:, None]).sum(dim=-1)
    return coalitions.shapley(size * CORRECTNESS[correctness](found.errors, scale))
