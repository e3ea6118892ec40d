"""One picture file as an array of bytes, decoded by Pillow.

In: the bytes of a file (JPEG, PNG and whatever else Pillow reads), a size and a number of
channels.  Out: uint8 (channels, rows, columns).  Pillow is loaded on the first call.
Folders and archives of pictures are the business of `images.py`.
"""

from __future__ import annotations

import io
import threading
import warnings
from typing import Any

import numpy as np

from symgraph.errors import DataError, NotSupportedError

MAX_PIXELS = 1 << 26  # of one picture, 64 megapixels
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .png .bmp .gif .pgm .ppm .pnm .tif .tiff .webp".split()
)


class _Quiet:
    """No warnings while any thread is inside.

    `warnings.catch_warnings` alone would have one thread bring back what another has set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


_quiet = _Quiet()


def decode_picture(
    data: bytes, name: str, size: tuple[int, int] | None = None, channels: int = 3
) -> np.ndarray:
    """Decode one picture.

    A picture of another size is scaled to `size` as a whole (its proportions change):
    each new pixel is the mean over the area that it covers.  Transparent parts show
    white, of moving pictures the first frame counts, and the orientation that a camera
    noted is obeyed.

    Parameters
    ----------
    data : content of the file
    name : what errors call it
    size : rows and columns; None keeps those of the picture
    channels : 3 for red, green and blue, 1 for brightness

    Returns
    -------
    uint8 (channels, rows, columns)

    Raises
    ------
    DataError : not a picture, damaged, or more than 64 megapixels
    NotSupportedError : Pillow is not installed
    """
    pillow = pillow_image()
    try:
        with _quiet:  # oddities that do no harm to the pixels
            with pillow.open(io.BytesIO(data)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise DataError(
                        f"{name}: {picture.width}x{picture.height} pixels are over "
                        f"{MAX_PIXELS}"
                    )
                made = _pixels(pillow, picture, size, channels)
    except DataError:
        raise
    except pillow.UnidentifiedImageError as error:
        raise DataError(f"{name}: not a picture") from error
    except Exception as error:  # decoders raise whatever they meet in bad data
        raise DataError(f"{name}: damaged picture: {error}") from error
    return made[None] if channels == 1 else np.moveaxis(made, 2, 0)


def _pixels(
    pillow: Any, picture: Any, size: tuple[int, int] | None, channels: int
) -> np.ndarray:
    mode = "L" if channels == 1 else "RGB"
    turned = "exif" in picture.info
    if size is not None and not turned:  # JPEG: decode at half, quarter, ... the size
        picture.draft(mode, (size[1], size[0]))
    if turned:
        from PIL import ImageOps

        picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "I;16", "I;16B", "F"):  # 16 bits of brightness
        values = np.asarray(picture, np.float32)
        top = np.float32(255 if values.max(initial=0) < 256 else 65535)
        bytes_ = np.rint(np.clip(values / top, 0, 1) * np.float32(255)).astype(np.uint8)
        picture = pillow.fromarray(bytes_)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        colour = picture.convert("RGBA")
        ground = pillow.new("RGBA", colour.size, "white")
        picture = pillow.alpha_composite(ground, colour)
    if picture.mode != mode:
        picture = picture.convert(mode)
    if size is not None and picture.size != (size[1], size[0]):
        picture = picture.resize((size[1], size[0]), pillow.Resampling.BOX)
    return np.asarray(picture)


def pillow_image() -> Any:
    """The module PIL.Image, or NotSupportedError that tells how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise NotSupportedError(
            "pictures and resizing need Pillow: pip install 'symgraph[train]'"
        ) from error
    return Image
