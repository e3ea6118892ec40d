"""Data as it comes, made into the rows that a model's functions take.

In: what the user gives to `fit`, `evaluate` and `predict`.  Out: `Arrays`, checked against
the input layers and the heads, before any work starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from symgraph import nn
from symgraph.data.image_set import held_out
from symgraph.errors import ArgumentError, DataError, ShapeError
from symgraph.train.arrays import as_array, floats, integers
from symgraph.train.heads import LABELS, Head
from symgraph.train.rules import rate_dtype
from symgraph.train.sources import Arrays, order_seed


class Intake:
    """Makes arrays of data.

    Parameters
    ----------
    inputs : input layers
    heads : outputs with their losses
    names : of the outputs
    """

    def __init__(
        self, inputs: tuple[Any, ...], heads: tuple[Head, ...], names: tuple[str, ...]
    ) -> None:
        self._inputs = inputs
        self.heads = heads
        self.names = names
        params: list[Any] = nn.layers.get_all_params([head.layer for head in heads])
        #: dtype of weights of rows
        self._weight = rate_dtype(params)

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """Of the input layers."""
        return [tuple(layer.shape) for layer in self._inputs]

    def arrays(self, X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Arrays:
        """Inputs, targets and weights of rows, checked."""
        if y is None:
            raise DataError("y is missing: the targets of the rows")
        inputs = self.input_arrays(X)
        rows = len(inputs[0])
        targets = [
            head.targets(each, rows)
            for head, each in zip(self.heads, each_of(y, self.names, "y"), strict=True)
        ]
        weight = self._weights(rows, targets, sample_weight, class_weight)
        return Arrays(inputs, targets, weight)

    def input_arrays(self, X: Any) -> list[np.ndarray]:
        made: list[np.ndarray] = []
        for layer, value in zip(self._inputs, self._each_input(X), strict=True):
            what = "X" if len(self._inputs) == 1 else f"X[{layer.name!r}]"
            array = as_array(value, what)
            shape = layer.shape
            fits = array.ndim == len(shape) and all(
                known in (None, extent)
                for known, extent in zip(shape[1:], array.shape[1:], strict=True)
            )
            if not fits:
                raise ShapeError(
                    f"{what} has shape {array.shape}, and {layer!r} takes {shape}"
                    + reshape_hint(array, shape)
                )
            if not len(array):
                raise DataError(f"{what} has no rows")
            if made and len(array) != len(made[0]):
                raise DataError(f"{what} has {len(array)} rows, others {len(made[0])}")
            wanted = layer.input_var.dtype
            convert = floats if wanted.startswith("float") else integers
            made.append(convert(array, wanted, what))
        return made

    def _each_input(self, X: Any) -> list[Any]:
        if len(self._inputs) == 1 and not isinstance(X, Mapping):
            return [X]
        names = [layer.name for layer in self._inputs]
        if isinstance(X, Mapping):
            if set(X) != set(names):
                raise DataError(
                    f"X has {sorted(X)}, the input layers are called {names}"
                )
            return [X[name] for name in names]
        if not isinstance(X, list | tuple) or len(X) != len(names):
            raise DataError(
                f"the network has {len(names)} inputs ({', '.join(map(str, names))}); pass "
                "X as a list with an array for each, or a dictionary by their names"
            )
        return list(X)

    def _weights(
        self, rows: int, targets: list[np.ndarray], sample: Any, by_class: Any
    ) -> np.ndarray | None:
        """Weights of rows, of mean 1; None where all are alike."""
        if sample is None and by_class is None:
            return None
        weight = np.ones(rows, np.float64)
        if sample is not None:
            weight = as_array(sample, "sample_weight").astype(np.float64)
            if weight.shape != (rows,):
                raise DataError(
                    f"sample_weight has shape {weight.shape}, expected ({rows},)"
                )
            if not np.isfinite(weight).all() or (weight < 0).any():
                raise DataError(
                    "sample_weight holds negative numbers, NaN or infinities"
                )
        if by_class is not None:
            weight = weight * class_weights(by_class, self.heads[0], targets[0])
        if not weight.sum() > 0:
            raise DataError("all rows have the weight 0")
        return (weight * (rows / weight.sum())).astype(self._weight)

    def batch(self, batch: Any) -> Arrays:
        """Arrays of a batch that streams."""
        if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
            raise DataError(
                f"a batch is a {type(batch).__name__}, expected (x, y) or (x, y, weight)"
            )
        inputs = self.input_arrays(batch[0])
        rows = len(inputs[0])
        targets = [
            head.targets(each, rows)
            for head, each in zip(
                self.heads, each_of(batch[1], self.names, "y"), strict=True
            )
        ]
        weight = None
        if len(batch) == 3:
            weight = as_array(batch[2], "weight").astype(self._weight)
            if weight.shape != (rows,):
                raise DataError(f"weight has shape {weight.shape}, expected ({rows},)")
        return Arrays(inputs, targets, weight)

    def divided(
        self, arrays: Arrays, share: float, seed: int
    ) -> tuple[Arrays, Arrays | None]:
        """A share of the rows for validation, of each class alike where there are some."""
        if not 0 <= share < 1:
            raise ArgumentError(
                f"fit: validation = {share:g}, must be from 0 to below 1"
            )
        if not share:
            return arrays, None
        labels = arrays.targets[0]
        if labels.ndim != 1 or labels.dtype.kind != "i":
            labels = np.zeros(arrays.rows, np.int32)
        kept, held = held_out(labels, share, order_seed(seed, 0))
        if not len(held):
            raise DataError(
                f"fit: {arrays.rows} rows are too few for validation={share:g}"
            )
        return arrays.taken(kept), arrays.taken(held)


def each_of(value: Any, names: tuple[str, ...], what: str) -> list[Any]:
    """One value for each output."""
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise ArgumentError(f"Model: {what} has {sorted(value)}, not {list(names)}")
        return [value[name] for name in names]
    if len(names) == 1:
        return [value]
    if isinstance(value, list | tuple):
        if len(value) != len(names):
            raise ArgumentError(
                f"Model: {len(value)} entries of {what} for {len(names)} outputs"
            )
        return list(value)
    if what == "y":
        raise DataError(f"y: pass a list with targets for each of {len(names)} outputs")
    return [value] * len(names)


def class_weights(given: Any, head: Head, target: np.ndarray) -> np.ndarray:
    """The weight of each row by its class."""
    if head.loss.targets == LABELS and target.ndim == 1:
        labels = target
    elif target.ndim == 2 and target.shape[1] > 1 and head.is_classifier:
        labels = target.argmax(axis=1)
    elif head.is_classifier and target.ndim == 2:
        labels = (target[:, 0] > 0.5).astype(np.int32)
    else:
        raise ArgumentError(f"fit: class_weight does not go with {head.loss.name}")
    count = max(2, head.classes or 2, int(labels.max()) + 1)
    found = np.bincount(labels, minlength=count)
    if isinstance(given, str):
        if given != "balanced":
            raise ArgumentError(
                f"fit: class_weight={given!r}, expected 'balanced' or a dictionary"
            )
        table = len(labels) / (np.count_nonzero(found) * np.maximum(found, 1))
    else:
        table = np.ones(count)
        for label, weight in dict(given).items():
            if not 0 <= int(label) < count:
                raise ArgumentError(
                    f"fit: class_weight has the class {label!r}, outside 0 .. {count - 1}"
                )
            table[int(label)] = weight
    return table[labels]


def check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or value != int(value) or value < 1:
        raise ArgumentError(f"{name} = {value!r}, must be a whole number of 1 or more")


def functions_of(name: str, given: Any) -> list[Any]:
    several = isinstance(given, list | tuple)
    functions = [] if given is None else list(given) if several else [given]
    for function in functions:
        if not callable(function):
            raise ArgumentError(
                f"fit: {name}={function!r}, expected a function of (x, generator)"
            )
    return functions


def is_data(X: Any) -> bool:
    """Whether X holds rows, rather than being where batches come from."""
    if isinstance(X, list | tuple | Mapping | str):
        return True
    if hasattr(X, "of_epoch"):
        return False
    return hasattr(X, "shape") or not (callable(X) or hasattr(X, "__iter__"))


def batches_of(given: Any) -> Callable[[int], Iterator[Any]]:
    """A function of the epoch that gives its batches."""
    if hasattr(given, "of_epoch"):
        return lambda epoch: iter(given.of_epoch(epoch))
    if callable(given):
        return lambda epoch: iter(given())
    return lambda epoch: iter(given)


def reshape_hint(array: np.ndarray, shape: tuple[int | None, ...]) -> str:
    rest = shape[1:]
    if None in rest or not array.ndim:
        return ""
    if prod(array.shape[1:]) == prod(n or 1 for n in rest):
        wanted = ", ".join(str(n) for n in rest)
        return f"\nX.reshape(-1, {wanted}) has that shape."
    return ""


def refuse_with_stream(class_weight: Any, sample_weight: Any, validation: Any) -> None:
    if class_weight is not None or sample_weight is not None:
        raise ArgumentError(
            "fit: class_weight and sample_weight need all rows; give batches "
            "(x, y, weight)"
        )
    if isinstance(validation, float):
        raise ArgumentError("fit: a share for validation needs all rows; pass (X, y)")
