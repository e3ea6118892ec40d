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
    u and v uniform in [-pixels, pixels], drawn for each image; bytes are rounded

    Parameters
    ----------
    images : floats, or bytes (uint8), (n, ..., rows, columns)
    random : where the shifts come from
    pixels : largest shift, from 0 to 1

    Returns
    -------
    array of the shape and dtype of images

    Raises
    ------
    ArgumentError : fewer than 3 axes, another dtype, or pixels out of range
    """
    if images.ndim < 3 or not 0 <= pixels <= 1:
        raise ArgumentError(
            f"random_shift: images {images.shape} must have 3 axes or more, "
            f"pixels = {pixels} must lie in 0 .. 1"
        )
    dtype = images.dtype
    if dtype.kind != "f" and dtype != np.uint8:
        raise ArgumentError(
            f"random_shift: images of {dtype}, expected floats or bytes (uint8); convert "
            "them, for example with images.astype(numpy.float32)"
        )
    work = np.float32 if dtype.itemsize < 4 else dtype
    ones = (1,) * (images.ndim - 1)
    shifts = random.uniform(-pixels, pixels, (2, len(images), *ones))
    down, right = shifts.astype(work)
    rows, columns = images.ndim - 2, images.ndim - 1
    shifted = _shift(_shift(images.astype(work), down, rows), right, columns)
    if dtype == np.uint8:  # a mean of bytes with weights that sum to 1 at most
        np.rint(shifted, out=shifted)
        np.clip(shifted, 0, 255, out=shifted)
    return shifted.astype(dtype)


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
    width = [(0, 0)] * images.ndim
    width[axis] = (1, 1)
    padded, n = np.pad(images, width), images.shape[axis]
    before = padded[(slice(None),) * axis + (slice(0, n),)]
    after = padded[(slice(None),) * axis + (slice(2, n + 2),)]
    forward, backward = np.maximum(amount, 0), np.maximum(-amount, 0)
    return (1 - np.abs(amount)) * images + forward * before + backward * after
