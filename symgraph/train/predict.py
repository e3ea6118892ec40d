"""Classes of images in files, by a saved model.

In: a model with an image shape in its metadata, and files: pictures (PNG and whatever
else Pillow reads), NumPy ``.npy`` arrays, IDX files.  A shape (rows, columns) means ink on
paper, as in digits and MNIST; (channels, rows, columns) means pictures as they are.
Out: a class and its probability for each image.  Printing is the command line's business.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import symgraph as sg
from symgraph import nn
from symgraph.data.digits import PIXEL_MAXIMUM
from symgraph.data.files import MAX_BYTES, npy_array, one_line, read_file
from symgraph.data.idx import read_idx
from symgraph.data.ink import normalized
from symgraph.data.pictures import MAX_PIXELS, SUFFIXES, decode_picture, pillow_image
from symgraph.errors import ArgumentError, DataError
from symgraph.train.checkpoint import SavedNetwork, load_model
from symgraph.train.model import Model
from symgraph.train.tables import predicted, table_rows

INVERT = ("auto", "yes", "no")
BATCH = 250  # images at once, fewer where the layers are large
MAX_SIDE = 4096  # pixels
MAX_ARRAY = 3 << 24  # bytes of a file of images, the training images of MNIST
MAX_UNITS = 1 << 25  # numbers of all layers' outputs for one image
UNITS = 1 << 26  # numbers of all layers' outputs at once


class Prediction(NamedTuple):
    """The most probable class of one image, or of a row of numbers.

    Attributes
    ----------
    file : where the image is from
    number : which image of the file, None when the file holds one picture
    label : the class, or a number as text
    probability : of that class, from 0 to 1; None for a number
    ranked : (class, probability) of the most probable ones, the first is that above
    """

    file: str
    number: int | None
    label: str
    probability: float | None
    ranked: tuple[tuple[str, float | None], ...] = ()


def predict_files(
    model: str | Path, files: list[str], invert: str = "auto", top: int = 1
) -> Iterator[Prediction]:
    """Predict the class of every image in some files.

    Parameters
    ----------
    model : as for ``load_model``
    files : pictures, ``.npy`` or IDX files, or folders of pictures
    invert : "yes" when pictures show dark ink on light ground, "no" for light on dark,
        "auto" to judge by the border of each picture; arrays are taken as they are
    top : how many classes of each image are ranked

    Returns
    -------
    iterator of Prediction, in the order of the files

    Raises
    ------
    DataError : a model or an image file that is missing, damaged or of another kind
    """
    if top < 1:
        raise ArgumentError(f"predict: top = {top}, must be at least 1")
    loaded = load_model(model)
    if "features" in loaded.metadata:
        yield from _of_rows(model, files, top)
        return
    shape, labels = _metadata(loaded, model)
    ink = loaded.metadata.get("ink") == "normalized"
    inputs = loaded.inputs[0].shape[1:]
    batch = _batch(loaded, model)
    predict = _compile(loaded)
    for file in found_files(files):
        if len(shape) == 2:
            images, single = read_images(file, shape, invert, ink)
        else:
            images, single = read_coloured(file, shape)
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            probabilities = predict(part.reshape(len(part), *inputs))
            if not np.isfinite(probabilities).all():
                raise DataError(
                    f"{model}: the model gives probabilities that are no numbers for "
                    f"{file}; its weights are damaged, or were when it was saved"
                )
            for index, row in enumerate(probabilities, start):
                best = np.argsort(-row, kind="stable")[:top]
                ranked = tuple((labels[k], float(row[k])) for k in best)
                number = None if single else index
                yield Prediction(file, number, *ranked[0], ranked)


def _of_rows(path: str | Path, files: list[str], top: int) -> Iterator[Prediction]:
    """Predictions for the rows of CSV files."""
    model = Model.load(path)
    labels = [str(label) for label in model.metadata["classes"]]
    for file in files:
        found = predicted(model, table_rows(model, file))
        for number, row in enumerate(found, 1):
            ranked: tuple[tuple[str, float | None], ...]
            if labels:
                best = np.argsort(-row, kind="stable")[:top]
                ranked = tuple((labels[k], float(row[k])) for k in best)
            else:
                ranked = ((f"{row:.6g}", None),)
            yield Prediction(file, number, *ranked[0], ranked)


def found_files(names: list[str]) -> list[str]:
    """Return the files, with the pictures below a folder in its place, sorted."""
    found: list[str] = []
    for name in names:
        if not os.path.isdir(name):
            found.append(name)
            continue
        below = [
            os.path.join(root, file)
            for root, _, files in os.walk(name)
            for file in files
            if os.path.splitext(file)[1].lower() in SUFFIXES and file[0] != "."
        ]
        if not below:
            raise DataError(f"{name}: a folder without pictures")
        found += sorted(below)
    return found


def read_coloured(file: str | Path, shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """Read the images of one file as they are, scaled to one size and to 0 to 1.

    Parameters
    ----------
    file : a picture, or a ``.npy`` or IDX array (n, channels, rows, columns), with one
        channel also (n, rows, columns), of bytes or of floats from 0 to 1
    shape : channels, rows and columns

    Returns
    -------
    images : float32 (n, channels, rows, columns)
    single : whether the file is one picture rather than an array of them
    """
    path = Path(file)
    kind, array = _opened(path)
    if kind == "picture":
        picture = decode_picture(
            read_file(path), str(path), (shape[1], shape[2]), shape[0]
        )
        return picture[None].astype(np.float32) / np.float32(255), True
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: {array.dtype} is no dtype of pixels")
    images = array[:, None] if array.ndim == 3 and shape[0] == 1 else array
    single = images.ndim == 3
    images = images[None] if single else images
    if images.shape[1:] != shape:
        raise DataError(
            f"{path}: an array {array.shape} is no images (n, {', '.join(map(str, shape))})"
        )
    top = 1 if _largest(path, images) == 1 else 255
    return images.astype(np.float32) / np.float32(top), single


def read_images(
    file: str | Path, shape: tuple[int, ...], invert: str = "auto", ink: bool = False
) -> tuple[np.ndarray, bool]:
    """Read the images of one file, scaled to one shape and to the range 0 to 1.

    Parameters
    ----------
    file : a picture, or a ``.npy`` or IDX array
    shape : rows and columns
    invert : see `predict_files`
    ink : images of another size are one digit each, which is centred, set upright and
        given the weight of the bundled digits (`symgraph.data.ink`)

    Returns
    -------
    images : float32 (n, rows, columns), 1 is ink
    single : whether the file is one picture rather than an array of them
    """
    path = Path(file)
    if invert not in INVERT:
        raise ArgumentError(f"invert = {invert!r}, must be {', '.join(INVERT)}")
    kind, array = _opened(path)
    if kind == "picture":
        return _read_picture(path, shape, invert, ink)[None], True
    return _from_array(path, array, shape, ink)


def _opened(path: Path) -> tuple[str, Any]:
    """What a file holds, "array" with it or "picture", told by its first bytes."""
    head = read_file(path, MAX_BYTES, 8)
    if head.startswith(b"\x93NUMPY"):
        return "array", npy_array(read_file(path, MAX_ARRAY), str(path))
    if head.startswith((b"\0\0", b"\x1f\x8b")) and path.suffix != ".ico":
        return "array", read_idx(path, MAX_ARRAY)
    return "picture", None


def _metadata(
    model: SavedNetwork, path: str | Path
) -> tuple[tuple[int, ...], list[str]]:
    """Image shape and class names; checked against the network's own shapes."""
    shape: Any = model.metadata.get("image_shape")
    labels: Any = model.metadata.get("classes")
    inputs, outputs = model.inputs[0].shape[1:], model.output.output_shape[1:]
    fits = (
        isinstance(shape, list)
        and len(shape) in (2, 3)
        and all(isinstance(n, int) and 0 < n <= MAX_SIDE for n in shape)
        and tuple(inputs) in _input_shapes(shape)
        and isinstance(labels, list)
        and tuple(outputs) == (len(labels),)
    )
    if not fits:
        raise DataError(
            f"{path}: metadata image_shape = {shape} and classes = {labels} do not fit "
            f"a network from {inputs} to {outputs}"
        )
    return tuple(shape), [str(label) for label in labels]


def _input_shapes(shape: list[int]) -> tuple[tuple[int, ...], ...]:
    """Input shapes that go with an image shape: with channels, or as one row."""
    if len(shape) == 3:
        return (tuple(shape),) if shape[0] in (1, 3) else ()
    return (shape[0] * shape[1],), (1, *shape)


def _batch(model: SavedNetwork, path: str | Path) -> int:
    """How many images at once; DataError where one is too much."""
    sizes = [layer.output_shape[1:] for layer in nn.layers.get_all_layers(model.output)]
    units = sum(prod(n or 1 for n in shape) for shape in sizes)
    if units > MAX_UNITS:
        raise DataError(
            f"{path}: the layers need {units} numbers for one image, over {MAX_UNITS}"
        )
    return min(BATCH, max(1, UNITS // units))


def _compile(model: SavedNetwork) -> Callable[[np.ndarray], np.ndarray]:
    output = nn.layers.get_output(model.output, deterministic=True)
    return sg.function([model.inputs[0].input_var], output, name="predict")


def _from_array(
    path: Path, array: np.ndarray, shape: tuple[int, ...], ink: bool
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
        fit = normalized if ink else _resize
        scaled = np.stack([fit(image, (shape[0], shape[1])) for image in scaled])
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


def _read_picture(
    path: Path, shape: tuple[int, ...], invert: str, ink: bool
) -> np.ndarray:
    pillow = pillow_image()
    data = io.BytesIO(read_file(path))
    try:
        with pillow.open(data) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DataError(
                    f"{path}: {picture.width}x{picture.height} pixels are over "
                    f"{MAX_PIXELS}"
                )
            grey = _grey(pillow, picture)
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever they meet in bad data
        text = "not a picture, .npy or IDX file"
        if not isinstance(error, pillow.UnidentifiedImageError):
            text = f"damaged picture: {one_line(error)}"
        raise DataError(f"{path}: {text}") from error
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if invert == "yes" or (invert == "auto" and np.median(border) > 0.5):
        grey = 1 - grey
    if grey.shape == shape:
        return grey
    return normalized(grey, (shape[0], shape[1])) if ink else _resize(grey, shape)


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


def _resize(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mean over the area of each new pixel, as the digits themselves were made."""
    pillow = pillow_image()
    size, method = (shape[1], shape[0]), pillow.Resampling.BOX
    return np.asarray(pillow.fromarray(image).resize(size, method), np.float32)
