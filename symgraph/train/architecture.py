"""Layers as plain data and back: the JSON half of a saved model.

In: an output layer; out: one dictionary per layer (type, name, incoming layers by
number, arguments, parameters), and the parameters by tensor name.  ``build`` makes
fresh layers from such dictionaries.  What of a layer is kept, the layer says itself
(``Layer.saved``); what kind of thing each is, its value says.  Files are
``checkpoint.py``'s business.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph import nn
from symgraph.core.node import Variable
from symgraph.errors import DataError, NotSupportedError
from symgraph.nn.layers.base import SAVED

#: name → function that an argument may be
FUNCTIONS: dict[str, Any] = {
    "conv1d": T.nnet.conv1d, "conv2d": T.nnet.conv2d, "conv3d": T.nnet.conv3d,
    "max": T.max, "mean": T.mean, "min": T.min, "prod": T.prod, "sum": T.sum,
    "add": T.add, "sub": T.sub, "mul": T.mul, "true_div": T.true_div,
    "maximum": T.maximum, "minimum": T.minimum,
}  # fmt: skip


def describe(output: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the layers below an output layer as data, and their parameters.

    Parameters
    ----------
    output : one layer

    Returns
    -------
    records : one dictionary per layer, in topological order, the output last
    variables : tensor name → shared variable; one used twice stands here once
    """
    variables: dict[str, Any] = {}
    return _records(output, "", {}, variables), variables


def _records(
    output: Any, prefix: str, names: dict[int, str], variables: dict[str, Any]
) -> list[dict[str, Any]]:
    """Records of a network; names and variables of all its tensors are noted."""
    layers = nn.layers.get_all_layers(output)
    number = {id(layer): index for index, layer in enumerate(layers)}
    records = []
    for index, layer in enumerate(layers):
        kind = type(layer).__name__
        if SAVED.get(kind) is not type(layer):
            raise NotSupportedError(_unsavable(layer))
        below = _incoming(layer)
        record: dict[str, Any] = {
            "type": kind,
            "name": layer.name,
            "incoming": [number[id(each)] for each in below],
            "arguments": {},
            "parameters": {},
        }
        if isinstance(layer, nn.layers.InputLayer):
            variable = layer.input_var
            record["input"] = {"dtype": variable.dtype, "name": variable.name}
        roles = layer.roles
        if roles is not None:
            record["roles"] = roles
        for attribute in _kept(layer):
            value = getattr(layer, attribute, None)
            if attribute in (roles or ()):
                continue
            if isinstance(value, nn.layers.Layer):
                inside = f"{prefix}{index}.{attribute}."
                networks = record.setdefault("networks", {})
                networks[attribute] = _records(value, inside, names, variables)
            elif isinstance(value, Variable):
                name = names.setdefault(id(value), f"{prefix}{index}.{attribute}")
                variables[name] = value
                record["parameters"][attribute] = {
                    "tensor": name,
                    "dtype": value.dtype,
                    "name": value.name,
                    "tags": sorted(_tags_of(layer, attribute)),
                }
            else:
                record["arguments"][attribute] = _to_json(value)
        records.append(record)
    return records


def build(
    records: list[dict[str, Any]], origin: str, most: int | None = None
) -> list[Any]:
    """Make fresh layers from what ``describe`` returned.

    Parameters
    ----------
    records : as from ``describe``
    origin : what error texts call their source, usually a path
    most : numbers that all parameters together may have, None for any

    Returns
    -------
    layers, in the order of the records; parameters are zeros, not loaded

    Raises
    ------
    DataError : what is written there cannot be built, or needs more numbers
    """
    return _built(records, origin, {}, _Zeros(origin, most))


class _Zeros:
    """Makes zeros until so many have been made."""

    def __init__(self, origin: str, most: int | None) -> None:
        self.origin = origin
        self.left = most

    def __call__(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        if self.left is not None:
            self.left -= prod(shape)
            if self.left < 0:
                raise DataError(
                    f"{self.origin}: a parameter of shape {shape} is more than the "
                    "weights hold"
                )
        return np.zeros(shape, dtype)


def pairs(
    layers: list[Any], records: list[Any]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each layer with its record, those of networks inside layers too."""
    for layer, record in zip(layers, records, strict=True):
        yield layer, record
        for part, inside in record.get("networks", {}).items():
            yield from pairs(nn.layers.get_all_layers(getattr(layer, part)), inside)


def _built(
    records: list[dict[str, Any]],
    origin: str,
    known: dict[str, Any],
    zeros: _Zeros,
) -> list[Any]:
    """The layers; `known` has the shared variable made for each tensor name."""
    layers: list[Any] = []
    for index, record in enumerate(records):
        where = f"{origin}: layer {index}"
        kind, incoming = record["type"], record["incoming"]
        if kind not in SAVED:
            raise DataError(
                f"{where} is a {kind!r}, known are {', '.join(sorted(SAVED))}\nA layer of "
                "your own must be defined, or imported, before the file is read."
            )
        if not all(isinstance(i, int) and 0 <= i < index for i in incoming):
            raise DataError(f"{where} takes layers {incoming}, which are not before it")
        told = {*record["arguments"], *record["parameters"]}
        unknown = (told | set(record.get("networks", ()))) - set(_kept(SAVED[kind]))
        if unknown:
            raise DataError(f"{where}: a {kind} has no {', '.join(sorted(unknown))}")
        arguments = {
            name: _from_json(value, where)
            for name, value in record["arguments"].items()
        }
        layer = _make(
            SAVED[kind], [layers[i] for i in incoming], arguments, record, known, where,
            zeros,
        )  # fmt: skip
        for attribute, entry in record["parameters"].items():
            variable = getattr(layer, attribute)
            known.setdefault(entry["tensor"], variable)
            variable.name = entry["name"]
            tags = _tags_of(layer, attribute)
            tags.clear()
            tags.update(entry["tags"])
        layers.append(layer)
    return layers


def _make(
    make: type[Any],
    incoming: list[Any],
    arguments: dict[str, Any],
    record: dict[str, Any],
    known: dict[str, Any],
    where: str,
    zeros: _Zeros,
) -> Any:
    kind, name = record["type"], record["name"]
    if issubclass(make, nn.layers.InputLayer):
        made = record["input"]
        shape = tuple(arguments["shape"])
        variable = T.TensorType(made["dtype"], (None,) * len(shape))(made["name"])
        return make(shape, input_var=variable, name=name)
    for attribute, entry in record["parameters"].items():
        if entry["tensor"] in known:
            arguments[attribute] = known[entry["tensor"]]
        else:
            arguments[attribute] = functools.partial(zeros, dtype=entry["dtype"])
    for part, inside in record.get("networks", {}).items():
        arguments[part] = _built(inside, f"{where}: {part}", known, zeros)[-1]
    roles = record.get("roles")
    if roles is not None:
        arguments.update(_by_role(make, roles, incoming, where))
        incoming = []
    elif issubclass(make, nn.layers.MergeLayer):
        incoming = [incoming]
    elif len(incoming) != 1:
        raise DataError(f"{where}: a {kind} takes one layer, not {len(incoming)}")
    wanted = inspect.signature(make).parameters
    for attribute in set(_kept(make)) - set(arguments):
        # a parameter that is not written down is one that the layer did without
        if attribute in wanted and isinstance(
            wanted[attribute].default, nn.init.Initializer
        ):
            arguments[attribute] = None
    return make.remade(*incoming, name=name, **arguments)


def _kept(layer: Any) -> tuple[str, ...]:
    """What a layer or class says of how it is saved."""
    return layer.saved or ()


def _unsavable(layer: Any) -> str:
    kind = type(layer).__name__
    if kind in SAVED:
        return (
            f"save_model: {layer!r} is of another class {kind} than the one that files "
            "know by this name; rename yours"
        )
    return (
        f"save_model: cannot describe a {kind}; it knows {', '.join(sorted(SAVED))}\n"
        'Say in a class of your own what a file keeps: saved = ("argument", ...), each '
        "an argument of the constructor and an attribute."
    )


def _incoming(layer: Any) -> list[Any]:
    if isinstance(layer, nn.layers.MergeLayer):
        return list(layer.input_layers)
    below = getattr(layer, "input_layer", None)
    return [] if below is None else [below]


def _tags_of(layer: Any, attribute: str) -> set[str]:
    """The tags of a parameter, of the layer or of one inside it."""
    variable = getattr(layer, attribute)
    inside = (each for each in vars(layer).values() if hasattr(each, "params"))
    for owner in (layer, *inside):
        if variable in owner.params and hasattr(variable, "get_value"):
            found: set[str] = owner.params[variable]
            return found
    raise NotSupportedError(
        f"save_model: {type(layer).__name__}.{attribute} is an expression, not a shared "
        "variable that the layer has made a parameter; save the variables it is made of"
    )


def _by_role(
    make: type[Any], roles: list[Any], incoming: list[Any], where: str
) -> dict[str, Any]:
    """The layers below as the arguments that they were given as."""
    named = [role for role in roles if role is not None]
    arguments = inspect.signature(make).parameters
    first = next(iter(arguments))
    if (
        len(roles) != len(incoming)
        or roles[:1] != [first]
        or len(set(named)) != len(named)
        or not set(named) <= set(arguments)
    ):
        raise DataError(
            f"{where}: {len(incoming)} layers below have the roles {roles}; the first "
            f"must be {first!r}, others arguments of {make.__name__}"
        )
    pairs_ = zip(roles, incoming, strict=True)
    return {role: layer for role, layer in pairs_ if role is not None}


def _to_json(value: Any) -> Any:
    """Numbers, strings and tuples as they are; a function by its name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if isinstance(value, slice):
        return {"slice": _to_json((value.start, value.stop, value.step))}
    for name, found in FUNCTIONS.items():
        if found is value:
            return {"function": name}
    module = nn.nonlinearities
    for name, found in vars(module).items():
        if found is value and not name.startswith("_"):
            return {"nonlinearity": name}
    kind = type(value)
    if getattr(module, kind.__name__, None) is kind:
        names = list(inspect.signature(kind).parameters)
        kept = {name: _to_json(getattr(value, name)) for name in names}
        return {"nonlinearity": kind.__name__, "arguments": kept}
    raise NotSupportedError(
        f"save_model: {value!r} has no name in symgraph.nn.nonlinearities; a file can "
        f"name only those, and the functions {', '.join(FUNCTIONS)}"
    )


def _from_json(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(item, where) for item in value)
    if not isinstance(value, dict):
        return value
    if "slice" in value:
        return slice(*value["slice"])
    if "function" in value:
        if value["function"] not in FUNCTIONS:
            raise DataError(f"{where}: no function is called {value['function']!r}")
        return FUNCTIONS[value["function"]]
    name = value.get("nonlinearity")
    found = None
    if isinstance(name, str) and not name.startswith("_"):
        found = vars(nn.nonlinearities).get(name)
    home = getattr(found, "__module__", None) or type(found).__module__
    if found is None or home != nn.nonlinearities.__name__:
        raise DataError(f"{where}: no nonlinearity is called {name!r}")
    if "arguments" in value:
        return found(**value["arguments"])
    return found
