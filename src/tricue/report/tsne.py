"""The numbers of a t-SNE map. Nothing heavy is imported here: a process that draws maps loads this file alone."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from threadpoolctl import threadpool_limits

PERPLEXITY = 30
LEAST = 10  # rows, below which a map says nothing
NEIGHBOURS = 5
_WORTH = 2000  # points in all, from which on processes pay for their start


def embed_all(panels: Sequence[np.ndarray], seed: int, processes: int) -> list[np.ndarray | None]:
    """`embed` of each panel, one thread a panel: two on small panels wait for each other more than they work."""
    if processes > 1 and sum(map(len, panels)) >= _WORTH:
        context = get_context("spawn")  # a forked copy of a threaded torch can hang
        with ProcessPoolExecutor(min(processes, len(panels)), context) as pool:
            return list(pool.map(embed, panels, [seed] * len(panels)))
    return [embed(vectors, seed) for vectors in panels]


def embed(vectors: np.ndarray, seed: int) -> np.ndarray | None:
    """(n, D) -> (n, 2) by scikit-learn's t-SNE from its principal components; None where the rows are too few."""
    from sklearn.manifold import TSNE

    if len(vectors) < LEAST or not np.ptp(vectors, axis=0).any():
        return None
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity(len(vectors)), init="pca", random_state=seed).fit_transform(vectors)


def perplexity(rows: int) -> float:
    """PERPLEXITY, or what scikit-learn takes at most of so few rows."""
    return min(float(PERPLEXITY), (rows - 1) / 3)


def separation(vectors: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean silhouette of the classes in the features' own space, -1 to 1; None where it is not defined."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(vectors, labels))


def neighbour_correlation(vectors: np.ndarray, values: np.ndarray) -> float | None:
    """Pearson's correlation of each row's value and the mean of the NEIGHBOURS rows nearest to it in the features' own
    space; None where it is not defined.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(vectors) <= NEIGHBOURS:
        return None
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(vectors).kneighbors(return_distance=False)  # not itself
    means = values[nearest].mean(axis=1)
    return float(np.corrcoef(values, means)[0, 1]) if np.ptp(values) > 0 and np.ptp(means) > 0 else None
