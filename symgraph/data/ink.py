"""A picture of one handwritten digit, made like those of the bundled digits.

Those fill their 8 x 8 cells from top to bottom and have ink on 0.31 of them, on average
and for every class, because they were scaled and thinned when the set was made.  In:
brightness from 0 to 1, ink is 1, the digit anywhere.  Out: the same digit upright,
centred, of full height and usual weight.

Of the test images of MNIST, written by others in another way, the network of ``symgraph
train digits`` reads 31 % scaled as a whole, 52 % cropped to the ink, 74 % as made here.

References
----------
E. Alpaydin and C. Kaynak 1998, Optical Recognition of Handwritten Digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph.data.pictures import pillow_image

#: brightness above which a pixel is ink when the digit is cropped
EDGE = 0.25
#: pixels of the side of the picture in which the digit is made, a multiple of 8
SIDE = 64
#: share of pixels that are ink, and how far strokes are smeared to get there, in pixels
INK, SMEAR = 0.33, 4.0


def normalized(grey: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the digit of a picture as the bundled ones are.

    Parameters
    ----------
    grey : float (rows, columns) in [0, 1], 1 is ink
    shape : rows and columns of the result

    Returns
    -------
    float32 of that shape; zeros where the picture has no ink
    """
    pillow = pillow_image()
    from PIL import ImageFilter  # noqa: PLC0415  (loads late, as Pillow does)

    top = float(grey.max(initial=0))
    if top <= 0:
        return np.zeros(shape, np.float32)
    upright = _cropped(_upright(_cropped(grey / np.float32(top))))
    rows, columns = upright.shape
    width = min(SIDE, max(SIDE // 8, round(columns * SIDE / rows)))
    fitted = _picture(upright).resize((width, SIDE), pillow.Resampling.BICUBIC)
    page = pillow.new("F", (SIDE, SIDE))
    page.paste(fitted, ((SIDE - width) // 2, 0))
    levels = np.clip(np.asarray(page) * 255, 0, 255).astype(np.uint8)
    smeared = np.asarray(
        pillow.fromarray(levels).filter(ImageFilter.GaussianBlur(SMEAR)), np.float32
    )
    bound = max(float(np.quantile(smeared, 1 - INK)), 1.0)
    inked = (smeared > bound).astype(np.float32)
    size, method = (shape[1], shape[0]), pillow.Resampling.BOX
    return np.asarray(_picture(inked).resize(size, method), np.float32)


def _picture(array: np.ndarray) -> Any:
    return pillow_image().fromarray(np.ascontiguousarray(array, np.float32))


def _cropped(grey: np.ndarray) -> np.ndarray:
    """The smallest part that has all the ink."""
    rows = np.flatnonzero((grey > EDGE).any(1))
    columns = np.flatnonzero((grey > EDGE).any(0))
    if not len(rows):
        return grey
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _upright(grey: np.ndarray) -> np.ndarray:
    """The digit sheared so that its columns do not lean: covariance(row, column) = 0."""
    pillow = pillow_image()
    rows, columns = grey.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    weight = grey / grey.sum()
    across, along = x - (x * weight).sum(), y - (y * weight).sum()
    spread = float((along**2 * weight).sum())
    lean = float((along * across * weight).sum()) / max(spread, 1e-6)
    lean = min(max(lean, -1.0), 1.0)
    middle = float((y * weight).sum())
    margin = int(abs(lean) * rows) + 1
    wide = np.pad(grey, ((0, 0), (margin, margin)))
    moved = pillow.fromarray(np.ascontiguousarray(wide, np.float32)).transform(
        (wide.shape[1], rows), pillow.Transform.AFFINE,
        (1, lean, -lean * middle, 0, 1, 0), pillow.Resampling.BILINEAR,
    )  # fmt: skip
    return np.asarray(moved, np.float32)
