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
#: most bytes of an architecture, and of weights
MAX_TEXT, MAX_WEIGHTS = 1 << 24, 1 << 34


@dataclass(frozen=True)
class Model:
    """A loaded network.

    Attributes
    ----------
    output : the output layer, with its weights
    inputs : the input layers, in the order of the file; each has an ``input_var``
    metadata : what ``save_model`` was given
    """

    output: Any
    inputs: tuple[Any, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def save_model(
    path: str | Path, output: Any, metadata: Mapping[str, Any] | None = None
) -> tuple[Path, Path]:
    """Write a network to two files.

    Parameters
    ----------
    path : an existing folder (for ``model.safetensors`` and ``model.json`` in it), or a
        name with or without one of the two suffixes
    output : the output layer
    metadata : anything that JSON can hold, given back by ``load_model``

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
    _write(weights_path, save(arrays, metadata={"format": FORMAT}))
    _write(architecture_path, text.encode())
    return weights_path, architecture_path


def load_model(path: str | Path) -> Model:
    """Read a network that ``save_model`` wrote.

    Parameters
    ----------
    path : as for ``save_model``: the folder, the name, or either file

    Returns
    -------
    Model

    Raises
    ------
    DataError : a file is missing or damaged, of another version, or weights and
        architecture do not fit; the text names the layer and both shapes
    """
    weights_path, architecture_path = model_files(path)
    document = _read_architecture(architecture_path)
    arrays = _read_weights(weights_path)
    most = sum(array.size for array in arrays.values())
    try:
        layers = architecture.build(document["layers"], str(architecture_path), most)
        _fill(layers, document["layers"], arrays, weights_path)
    except DataError:
        raise
    except Exception as error:  # a text that somebody changed may say anything
        raise DataError(
            f"{architecture_path}: not a valid architecture: {one_line(error)}"
        ) from error
    inputs = tuple(layer for layer in layers if isinstance(layer, nn.layers.InputLayer))
    return Model(layers[-1], inputs, document["metadata"])


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
    if not isinstance(layers, list) or not layers or not isinstance(metadata, dict):
        raise DataError(f"{path}: needs a list 'layers' and an object 'metadata'")
    return document


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = read_file(path, MAX_WEIGHTS)
    header = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header > min(len(data) - 8, MAX_TEXT):
        raise DataError(
            f"{path}: damaged safetensors file: {len(data)} bytes with a header of "
            f"{header}"
        )
    try:
        return dict(load(data))
    except (SafetensorError, Exception) as error:  # whatever is wrong in the header
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


def _write(path: Path, data: bytes) -> None:
    """Write a file so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp made it private
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
