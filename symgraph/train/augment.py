"""Changed copies of training images: small random shifts, mirroring.

In: images and a NumPy generator.  Out: images of the same shape.  Only training rows
pass through here, never validation or test rows.
"""

from __future__ import annotations

import numpy as np

from symgraph.errors import ArgumentError


def random_shift(
    images: np.ndarray, random: np.random.Generator, pixels: float = 0.5
) -> np.ndarray:
    """Shift each image by a random fraction of a pixel, along both axes.

    out(i, j) = image(i - u, j - v), linear between pixels, 0 outside;
    u and v uniform in [-pixels, pixels], drawn for each image

    Parameters
    ----------
    images : float (n, rows, columns)
    random : where the shifts come from
    pixels : largest shift, from 0 to 1

    Returns
    -------
    (n, rows, columns), dtype of images
    """
    if images.ndim != 3 or not 0 <= pixels <= 1:
        raise ArgumentError(
            f"random_shift: images {images.shape} must have 3 axes, "
            f"pixels = {pixels} must lie in 0 .. 1"
        )
    shifts = random.uniform(-pixels, pixels, (2, len(images), 1, 1))
    down, right = shifts.astype(images.dtype)
    return _shift(_shift(images, down, axis=1), right, axis=2)


def random_flip(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mirror each image with probability 1/2, left and right.

    Parameters
    ----------
    images : any dtype, (n, ..., columns)
    random : what decides

    Returns
    -------
    array of the same shape and dtype
    """
    if images.ndim < 2:
        raise ArgumentError(f"random_flip: {images.shape} are no images")
    turned = random.random(len(images)) < 0.5
    out = images.copy()
    out[turned] = images[turned, ..., ::-1]
    return out


def _shift(images: np.ndarray, amount: np.ndarray, axis: int) -> np.ndarray:
    width = [(0, 0)] * 3
    width[axis] = (1, 1)
    padded, n = np.pad(images, width), images.shape[axis]
    before = padded[(slice(None),) * axis + (slice(0, n),)]
    after = padded[(slice(None),) * axis + (slice(2, n + 2),)]
    forward, backward = np.maximum(amount, 0), np.maximum(-amount, 0)
    return (1 - np.abs(amount)) * images + forward * before + backward * after
