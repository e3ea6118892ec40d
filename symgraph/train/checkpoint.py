"""Saving and loading a network: weights in safetensors, architecture in JSON.

In: an output layer of ``symgraph.nn``.  Out: two files, ``NAME.safetensors`` (every
parameter once) and ``NAME.json`` (the layers, their arguments, which parameter is
which); and back.  There is no pickle and nothing in a file is executed: layers and
nonlinearities are looked up by name.  A wrong file is a ``DataError``.
How layers become text is ``architecture.py``.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from symgraph import nn
from symgraph.data.files import one_line, read_file
from symgraph.errors import ArgumentError, DataError
from symgraph.train import architecture

FORMAT, VERSION = "symgraph-model", 1
DEFAULT_NAME = "model"
#: what the names of arrays begin with that belong to the training, not to a layer
TRAINING = "training/"
#: most bytes of an architecture, and of weights
MAX_TEXT, MAX_WEIGHTS = 1 << 24, 1 << 34


@dataclass(frozen=True)
class SavedNetwork:
    """A loaded network.

    Attributes
    ----------
    output : the output layer, with its weights; the last of several
    inputs : the input layers, in the order of the file; each has an ``input_var``
    metadata : what ``save_model`` was given
    outputs : all output layers
    training : what a `Model` keeps beside its layers, empty where a network was saved
    arrays : the numbers that go with it, by name
    """

    output: Any
    inputs: tuple[Any, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[Any, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def save_model(
    path: str | Path,
    output: Any,
    metadata: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    numbers: Mapping[str, np.ndarray] | None = None,
) -> tuple[Path, Path]:
    """Write a network to two files, both whole or not at all.

    Parameters
    ----------
    path : an existing folder (for ``model.safetensors`` and ``model.json`` in it), or a
        name with or without one of the two suffixes
    output : the output layer, or a list of them
    metadata : anything that JSON can hold, given back by ``load_model``
    training, numbers : what a `Model` keeps beside its layers, and its arrays

    Returns
    -------
    paths of the weights and of the architecture

    Raises
    ------
    NotSupportedError : a layer or nonlinearity that a file cannot describe
    ArgumentError : metadata that JSON cannot hold
    """
    weights_path, architecture_path = model_files(path)
    layers, variables = architecture.describe(output)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "layers": layers,
        "metadata": dict(metadata or {}),
    }
    if isinstance(output, list | tuple):
        order = nn.layers.get_all_layers(output)
        document["outputs"] = [order.index(layer) for layer in output]
    if training:
        document["training"] = dict(training)
    try:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"save_model: JSON cannot hold metadata: {error}"
        ) from error
    from safetensors.numpy import save

    arrays = {
        name: np.ascontiguousarray(variable.get_value())
        for name, variable in variables.items()
    }
    for name, value in (numbers or {}).items():
        # numpy.ascontiguousarray would give a number an axis
        arrays[TRAINING + name] = np.array(value, order="C")
    write_files(
        {
            weights_path: save(arrays, metadata={"format": FORMAT}),
            architecture_path: text.encode(),
        }
    )
    return weights_path, architecture_path


def load_model(path: str | Path) -> SavedNetwork:
    """Read a network that ``save_model`` wrote.

    Parameters
    ----------
    path : as for ``save_model``: the folder, the name, or either file

    Returns
    -------
    SavedNetwork

    Raises
    ------
    DataError : a file is missing or damaged, of another version, or weights and
        architecture do not fit; the text names the layer and both shapes
    """
    weights_path, architecture_path = model_files(path)
    document = _read_architecture(architecture_path)
    found = read_arrays(weights_path)
    arrays = {n: a for n, a in found.items() if not n.startswith(TRAINING)}
    most = sum(array.size for array in arrays.values())
    try:
        layers = architecture.build(document["layers"], str(architecture_path), most)
        _fill(layers, document["layers"], arrays, weights_path)
        outputs = tuple(layers[i] for i in document.get("outputs", [-1]))
    except DataError:
        raise
    except Exception as error:  # a text that somebody changed may say anything
        raise DataError(
            f"{architecture_path}: not a valid architecture: {one_line(error)}"
        ) from error
    inputs = tuple(layer for layer in layers if isinstance(layer, nn.layers.InputLayer))
    return SavedNetwork(
        layers[-1],
        inputs,
        document["metadata"],
        outputs,
        document.get("training", {}),
        {n.removeprefix(TRAINING): a for n, a in found.items() if n not in arrays},
    )


def model_files(path: str | Path) -> tuple[Path, Path]:
    """Return the paths of weights and architecture that a path stands for.

    Examples
    --------
    >>> [str(file) for file in model_files("runs/digits.json")]
    ['runs/digits.safetensors', 'runs/digits.json']
    """
    path = Path(path)
    if path.is_dir():
        path = path / DEFAULT_NAME
    elif path.suffix in (".json", ".safetensors"):
        path = path.with_suffix("")
    name = path.name
    return path.with_name(f"{name}.safetensors"), path.with_name(f"{name}.json")


def _read_architecture(path: Path) -> dict[str, Any]:
    data = read_file(path, MAX_TEXT)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {one_line(error)}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f"{path}: not the architecture of a {FORMAT}")
    if document.get("version") != VERSION:
        raise DataError(
            f"{path}: version {document.get('version')!r} of the format; "
            f"this symgraph reads version {VERSION}"
        )
    layers, metadata = document.get("layers"), document.get("metadata")
    fine = isinstance(document.get("training", {}), dict)
    if not (
        isinstance(layers, list) and layers and isinstance(metadata, dict) and fine
    ):
        raise DataError(f"{path}: needs a list 'layers' and an object 'metadata'")
    return document


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file.

    Raises
    ------
    DataError : it is missing or damaged
    """
    return opened(path)[0]


def opened(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a safetensors file, and the texts of its header."""
    from safetensors.numpy import load

    data = read_file(path, MAX_WEIGHTS)
    header = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header > min(len(data) - 8, MAX_TEXT):
        raise DataError(
            f"{path}: damaged safetensors file: {len(data)} bytes with a header of "
            f"{header}"
        )
    try:
        texts = json.loads(data[8 : 8 + header]).get("__metadata__", {})
        return dict(load(data)), dict(texts)
    except Exception as error:  # whatever is wrong in the header
        raise DataError(
            f"{path}: damaged safetensors file: {one_line(error)}"
        ) from error


def _fill(
    layers: list[Any],
    records: list[dict[str, Any]],
    arrays: dict[str, np.ndarray],
    path: Path,
) -> None:
    """Put the weights into the layers' shared variables; all must fit first."""
    setters: list[Callable[[], None]] = []
    used = set()
    for layer, record in architecture.pairs(layers, records):
        for attribute, entry in record["parameters"].items():
            name, variable = entry["tensor"], getattr(layer, attribute)
            who = f"{path}: {name} ({record['type']}.{attribute})"
            if name not in arrays:
                raise DataError(f"{who} is not in the file")
            found, wanted = arrays[name], variable.get_value(borrow=True)
            if found.shape != wanted.shape or found.dtype != wanted.dtype:
                raise DataError(
                    f"{who} is {found.dtype} {found.shape}, "
                    f"the layer needs {wanted.dtype} {wanted.shape}"
                )
            used.add(name)
            setters.append(lambda v=variable, a=found: v.set_value(a))  # type: ignore[misc]
    if left := sorted(set(arrays) - used):
        raise DataError(f"{path}: holds {', '.join(left)}, which no layer uses")
    for put in setters:
        put()


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write files so that a reader never sees half of one.

    All are written beside their places first; a full disk leaves the old ones as they
    were.
    """
    made: list[tuple[Path, Path]] = []
    mask = os.umask(0)
    os.umask(mask)
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(
                prefix=f".{path.name}.", dir=path.parent
            )
            made.append((Path(temporary), path))
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o666 & ~mask)  # mkstemp made it private
        for number, (temporary_path, path) in enumerate(made):
            temporary_path.replace(path)
            made[number] = (path, path)
    except BaseException:
        for temporary_path, path in made:
            if temporary_path != path:
                temporary_path.unlink(missing_ok=True)
        raise
