"""Where the encoders put the frames: a two-dimensional map of their features.

Legend: N frames, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from equipose.models.randomness import derive_seed, numpy_rng
from equipose.pipelines.figures.style import MARKERS, colour_of, new_figure, tidy

PERPLEXITY = 30.0
"""Neighbours that t-SNE looks at, where there are enough points."""


def _arrays(features: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Every entry as [N, D]; raises `ValueError` unless all have one such shape and at least two frames."""
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in features.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    first = next(iter(shapes.values()), ())
    if len(set(shapes.values())) != 1 or len(first) != 2 or first[0] < 2:
        raise ValueError(
            f"features have shapes {shapes}; give [frames, features] of the same frames for each"
        )
    return arrays


def embedded(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """t-SNE of points [P, D] from their two principal components on: [P, 2] (van der Maaten, Hinton 2008)."""
    from sklearn.manifold import TSNE  # slow to import, and only this figure needs it
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    state = derive_seed(seed, "t-sne") % 2**32
    # Threads would meet a thousand times over a few hundred points, and wait longer than they work.
    with threadpool_limits(1):
        return np.asarray(TSNE(init="pca", perplexity=perplexity, random_state=state).fit_transform(points))


def feature_map(
    features: Mapping[str, ArrayLike],
    provenance: str,
    *,
    seed: int,
    most: int = 300,
    title: str = "Features of each sensor (t-SNE)",
) -> Figure:
    """t-SNE of modality -> [N, D] features of the same frames; at most `most` frames, drawn by `seed`.

    Distances between far groups and sizes of groups mean little in such a map; what is apart or mixed does.
    """
    arrays = _arrays(features)
    frames = len(next(iter(arrays.values())))
    chosen = np.sort(numpy_rng(seed, "feature-map").permutation(frames)[:most])
    places = embedded(np.concatenate([array[chosen] for array in arrays.values()]), seed)
    figure = new_figure(provenance, height=5.2)
    axes = tidy(figure.subplots(), f"{title}, {len(chosen)} frames")
    for i, (name, part) in enumerate(zip(arrays, np.split(places, len(arrays)), strict=True)):
        look = MARKERS[i % len(MARKERS)]
        axes.scatter(
            part[:, 0],
            part[:, 1],
            s=14,
            color=colour_of(name, i),
            marker=look,
            alpha=0.7,
            linewidth=0,
            label=name,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure
