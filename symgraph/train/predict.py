"""Classes of images in files, by a saved model.

In: a model with an image shape in its metadata, and files: pictures (PNG and whatever
else Pillow reads), NumPy ``.npy`` arrays, IDX files.  Out: a class and its probability
for each image.  Printing is the command line's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import symgraph as sg
from symgraph import nn
from symgraph.data.digits import PIXEL_MAXIMUM
from symgraph.data.idx import read_idx
from symgraph.errors import ArgumentError, DataError, NotSupportedError
from symgraph.train.checkpoint import Model, load_model

INVERT = ("auto", "yes", "no")
MAX_PIXELS = 1 << 26  # of one picture, 64 megapixels


class Prediction(NamedTuple):
    """The most probable class of one image.

    Attributes
    ----------
    file : where the image is from
    number : which image of the file, None when the file holds one picture
    label : the class
    probability : of that class, from 0 to 1
    """

    file: str
    number: int | None
    label: str
    probability: float


def predict_files(
    model: str | Path, files: list[str], invert: str = "auto"
) -> Iterator[Prediction]:
    """Predict the class of every image in some files.

    Parameters
    ----------
    model : as for ``load_model``
    files : pictures, ``.npy`` or IDX files
    invert : "yes" when pictures show dark ink on light ground, "no" for light on dark,
        "auto" to judge by the border of each picture; arrays are taken as they are

    Returns
    -------
    iterator of Prediction, in the order of the files

    Raises
    ------
    DataError : a model or an image file that is missing, damaged or of another kind
    """
    loaded = load_model(model)
    shape, labels = _metadata(loaded, model)
    predict = _compile(loaded)
    for file in files:
        images, single = read_images(file, shape, invert)
        if not len(images):
            continue
        probabilities = predict(images.reshape(len(images), -1))
        for index, row in enumerate(probabilities):
            best = int(row.argmax())
            number = None if single else index
            yield Prediction(file, number, labels[best], float(row[best]))


def read_images(
    file: str | Path, shape: tuple[int, int], invert: str = "auto"
) -> tuple[np.ndarray, bool]:
    """Read the images of one file, scaled to one shape and to the range 0 to 1.

    Returns
    -------
    images : float32 (n, rows, columns), 1 is ink
    single : whether the file is one picture rather than an array of them
    """
    path = Path(file)
    if invert not in INVERT:
        raise ArgumentError(f"invert = {invert!r}, must be {', '.join(INVERT)}")
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if head.startswith(b"\x93NUMPY"):
        return _from_array(path, _read_npy(path), shape)
    if head.startswith((b"\0\0", b"\x1f\x8b")) and path.suffix != ".ico":
        return _from_array(path, read_idx(path), shape)
    return _read_picture(path, shape, invert)[None], True


def _metadata(model: Model, path: str | Path) -> tuple[tuple[int, int], list[str]]:
    """Image shape and class names; checked against the network's own shapes."""
    shape: Any = model.metadata.get("image_shape")
    labels: Any = model.metadata.get("classes")
    inputs, outputs = model.inputs[0].shape[1:], model.output.output_shape[1:]
    fits = (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(n, int) and n > 0 for n in shape)
        and tuple(inputs) == (shape[0] * shape[1],)
        and isinstance(labels, list)
        and tuple(outputs) == (len(labels),)
    )
    if not fits:
        raise DataError(
            f"{path}: metadata image_shape = {shape} and classes = {labels} do not fit "
            f"a network from {inputs} to {outputs}"
        )
    return (shape[0], shape[1]), [str(label) for label in labels]


def _compile(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    output = nn.layers.get_output(model.output, deterministic=True)
    return sg.function([model.inputs[0].input_var], output, name="predict")


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: damaged .npy file: {error}") from error


def _from_array(
    path: Path, array: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, bool]:
    """Images of an array: one, a stack of them, or rows of flattened ones."""
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: {array.dtype} is no dtype of pixels")
    rows = shape[0] * shape[1]
    images = array
    if array.ndim in (1, 2) and array.shape[-1] == rows:
        images = array.reshape(-1, *shape)
    elif array.ndim == 2:
        images = array[None]
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise DataError(
            f"{path}: an array {array.shape} is neither images (n, rows, columns), "
            f"one image (rows, columns), nor rows of {rows} pixels"
        )
    scaled = images.astype(np.float32) / np.float32(_largest(path, images))
    if images.shape[1:] != shape and len(images):
        scaled = np.stack([_resize(image, shape) for image in scaled])
    single = array.ndim == 1 or (array.ndim == 2 and array.shape[1] != rows)
    return scaled.reshape(-1, *shape), single


def _largest(path: Path, array: np.ndarray) -> int:
    """Return the pixel value that means full ink: 1, 16 (the digits' own) or 255."""
    if not array.size:
        return 1
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # also false for NaN
        raise DataError(f"{path}: pixels from {low:g} to {high:g}, wanted 0 to 255")
    return next(top for top in (1, PIXEL_MAXIMUM, 255) if high <= top)


def _read_picture(path: Path, shape: tuple[int, int], invert: str) -> np.ndarray:
    pillow = _pillow()
    try:
        with pillow.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DataError(
                    f"{path}: {picture.width}x{picture.height} pixels are over "
                    f"{MAX_PIXELS}"
                )
            grey = _grey(pillow, picture)
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        text = "not a picture, .npy or IDX file"
        if not isinstance(error, pillow.UnidentifiedImageError):
            text = f"damaged picture: {error}"
        raise DataError(f"{path}: {text}") from error
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if invert == "yes" or (invert == "auto" and np.median(border) > 0.5):
        grey = 1 - grey
    return grey if grey.shape == shape else _resize(grey, shape)


def _grey(pillow: Any, picture: Any) -> np.ndarray:
    """Brightness from 0 to 1; what is transparent shows white ground."""
    if picture.mode in ("I", "I;16", "F"):
        values = np.asarray(picture, np.float32)
        return values / np.float32(max(values.max(initial=0), 65535))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        colour = picture.convert("RGBA")
        ground = pillow.new("RGBA", colour.size, "white")
        picture = pillow.alpha_composite(ground, colour)
    return np.asarray(picture.convert("L"), np.float32) / np.float32(255)


def _resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mean over the area of each new pixel, as the digits themselves were made."""
    pillow = _pillow()
    size, method = (shape[1], shape[0]), pillow.Resampling.BOX
    return np.asarray(pillow.fromarray(image).resize(size, method), np.float32)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise NotSupportedError(
            "pictures and resizing need Pillow: pip install 'symgraph[train]'"
        ) from error
    return Image
