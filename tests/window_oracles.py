"""Convolution and pooling written out as loops, and by SciPy: oracles of the ops.

Channels come before the spatial axes here. Nothing is shared with symgraph/ops: numbers
of windows are found by moving a window until it no longer fits.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from scipy.signal import correlate

Pads = Sequence[tuple[int, int]]
Place = tuple[int, ...]


def starts(extent: int, reach: int, stride: int, pad: tuple[int, int]) -> list[int]:
    """First element (padding is negative) of each window that fits whole."""
    found, at = [], -pad[0]
    while at + reach <= extent + pad[1]:
        found.append(at)
        at += stride
    return found


def pool_starts(
    extent: int, size: int, stride: int, pad: tuple[int, int], ignore_border: bool
) -> list[int]:
    """As `starts`; without `ignore_border` windows go on until all has been covered."""
    if ignore_border:
        return starts(extent, size, stride, pad)
    found, at = [0], stride
    # windows apart begin wherever there is something; overlapping ones while one is new
    while at < extent and (stride >= size or at - stride + size < extent):
        found.append(at)
        at += stride
    return found


def inside(at: Place, extents: Sequence[int]) -> bool:
    """Whether a position lies in the input."""
    return all(0 <= a < n for a, n in zip(at, extents, strict=True))


# --- convolution ------------------------------------------------------------------------


def meetings(
    spatial: Sequence[int], window: Sequence[int], strides: Sequence[int], pads: Pads,
    dilation: Sequence[int], flip: bool,
) -> Iterator[tuple[Place, Place, Place]]:  # fmt: skip
    """(position in x, in w, in y) of all products of one input and output channel."""
    axes = [
        list(enumerate(starts(n, (r - 1) * d + 1, s, p)))
        for n, r, s, p, d in zip(spatial, window, strides, pads, dilation, strict=True)
    ]
    for chosen in product(*axes):
        out = tuple(o for o, _ in chosen)
        for r in np.ndindex(*window):
            at = tuple(
                a + k * d for (_, a), k, d in zip(chosen, r, dilation, strict=True)
            )
            if inside(at, spatial):
                turned = tuple(n - 1 - k for n, k in zip(window, r, strict=True))
                yield at, turned if flip else r, out


def out_extents(
    spatial: Sequence[int], window: Sequence[int], strides: Sequence[int], pads: Pads,
    dilation: Sequence[int],
) -> tuple[int, ...]:  # fmt: skip
    """Spatial extents of y."""
    return tuple(
        len(starts(n, (r - 1) * d + 1, s, p))
        for n, r, s, p, d in zip(spatial, window, strides, pads, dilation, strict=True)
    )


def looped(
    x: np.ndarray, w: np.ndarray, g: np.ndarray | None, strides: Sequence[int],
    pads: Pads, dilation: Sequence[int], groups: int, flip: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(y, dx, dw) by loops, one product at a time; without `g` the last two are 0."""
    spatial, window = x.shape[2:], w.shape[2:]
    out = out_extents(spatial, window, strides, pads, dilation)
    y, dx, dw = np.zeros((len(x), len(w), *out)), np.zeros(x.shape), np.zeros(w.shape)
    found = list(meetings(spatial, window, strides, pads, dilation, flip))
    each_in, each_out = w.shape[1], len(w) // groups
    for n, k, c in np.ndindex(len(x), len(w), each_in):
        source = k // each_out * each_in + c
        for at, r, o in found:
            y[(n, k, *o)] += x[(n, source, *at)] * w[(k, c, *r)]
            if g is not None:
                dx[(n, source, *at)] += g[(n, k, *o)] * w[(k, c, *r)]
                dw[(k, c, *r)] += g[(n, k, *o)] * x[(n, source, *at)]
    return y, dx, dw


def by_scipy(
    x: np.ndarray, w: np.ndarray, strides: Sequence[int], pads: Pads,
    dilation: Sequence[int], groups: int, flip: bool,
) -> np.ndarray:  # fmt: skip
    """y by scipy.signal.correlate of padded x and of w with zeros put in between."""
    rank = len(strides)
    spans = [(r - 1) * d + 1 for r, d in zip(w.shape[2:], dilation, strict=True)]
    wide = np.zeros((*w.shape[:2], *spans))
    wide[(..., *(slice(None, None, d) for d in dilation))] = w
    if flip:
        wide = wide[(..., *[slice(None, None, -1)] * rank)]
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    each_in, each_out = w.shape[1], len(w) // groups
    rows = []
    for image in padded:
        maps = []
        for k, kernel in enumerate(wide):
            first = k // each_out * each_in
            part = image[first : first + each_in]
            maps.append(correlate(part, kernel, "valid", "direct")[0])
        rows.append(maps)
    return np.array(rows)[(..., *(slice(None, None, s) for s in strides))]


# --- pooling ------------------------------------------------------------------------------


def windows(
    spatial: Sequence[int], size: Sequence[int], strides: Sequence[int], pads: Pads,
    ignore_border: bool,
) -> tuple[tuple[int, ...], dict[Place, list[Place]]]:  # fmt: skip
    """Spatial extents of y, and the elements of x in each window, in order."""
    axes = [
        list(enumerate(pool_starts(n, r, s, p, ignore_border)))
        for n, r, s, p in zip(spatial, size, strides, pads, strict=True)
    ]
    found = {}
    for chosen in product(*axes):
        places = []
        for r in np.ndindex(*size):
            at = tuple(a + k for (_, a), k in zip(chosen, r, strict=True))
            if inside(at, spatial):
                places.append(at)
        found[tuple(o for o, _ in chosen)] = places
    return tuple(map(len, axes)), found


def pooled(
    x: np.ndarray, size: Sequence[int], strides: Sequence[int], pads: Pads,
    ignore_border: bool, mode: str,
) -> np.ndarray:  # fmt: skip
    """y over the last axes of x, window by window."""
    rank = len(size)
    out, found = windows(x.shape[-rank:], size, strides, pads, ignore_border)
    dtype = x.dtype if mode in ("max", "sum") else np.result_type(x.dtype, "float32")
    y = np.empty((*x.shape[:-rank], *out), dtype)
    for o, places in found.items():
        values = np.stack([x[(..., *at)] for at in places])
        if mode == "max":
            y[(..., *o)] = values.max(0)
            continue
        total = values.sum(0, dtype=dtype)
        if mode == "average_exc_pad" or (mode != "sum" and not ignore_border):
            total = total / dtype.type(len(places))
        elif mode == "average_inc_pad":
            total = total / dtype.type(np.prod(size))
        y[(..., *o)] = total
    return y


def peaks(
    x: np.ndarray, y: np.ndarray, size: Sequence[int], strides: Sequence[int],
    pads: Pads, ignore_border: bool, ties: str,
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:  # fmt: skip
    """(position in x, position in y) of every maximum."""
    rank = len(size)
    _, found = windows(x.shape[-rank:], size, strides, pads, ignore_border)
    for outer in np.ndindex(*x.shape[:-rank]):
        for o, places in found.items():
            hits = [at for at in places if x[outer + at] == y[outer + o]]
            for at in hits if ties == "all" else hits[:1]:
                yield outer + at, outer + o
