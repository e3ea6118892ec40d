"""Mini-batches of arrays that belong together, row by row.

In: arrays with the same first extent.  Out: an iterator of tuples of their rows.  A
compiled function's own ``epoch`` runs whole epochs natively; this iterator is for loops
written by hand and for evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from symgraph.errors import DataError


def iterate_minibatches(
    *arrays: np.ndarray,
    batch_size: int,
    shuffle: int | None = None,
    tail: bool = True,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Iterate over mini-batches of one or more arrays.

    Parameters
    ----------
    arrays : (n, ...), each with the same n, rows that belong together
    batch_size : rows of a batch, at least 1
    shuffle : seed of the order of rows; None keeps the order
    tail : whether the last, shorter batch is given when n is no multiple of batch_size

    Returns
    -------
    iterator of tuples, one array (batch, ...) for each given array; views when
    the order is kept

    Raises
    ------
    DataError : no array, lengths differ, or batch_size below 1; when called, not later

    Examples
    --------
    >>> [x.tolist() for (x,) in iterate_minibatches(np.arange(5), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """
    rows = [np.asarray(array) for array in arrays]
    if not rows or any(array.ndim == 0 for array in rows):
        raise DataError("iterate_minibatches: give at least one array with rows")
    lengths = {len(array) for array in rows}
    if len(lengths) > 1:
        shapes = ", ".join(str(array.shape) for array in rows)
        raise DataError(f"iterate_minibatches: arrays differ in length: {shapes}")
    if batch_size < 1:
        raise DataError(f"iterate_minibatches: batch_size = {batch_size}, at least 1")
    return _batches(rows, lengths.pop(), batch_size, shuffle, tail)


def _batches(
    rows: list[np.ndarray], n: int, batch_size: int, shuffle: int | None, tail: bool
) -> Iterator[tuple[np.ndarray, ...]]:
    order = None if shuffle is None else np.random.default_rng(shuffle).permutation(n)
    for start in range(0, n if tail else n - batch_size + 1, batch_size):
        chosen = slice(start, start + batch_size)
        picked = chosen if order is None else order[chosen]
        yield tuple(array[picked] for array in rows)
