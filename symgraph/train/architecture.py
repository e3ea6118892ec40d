"""Layers as plain data and back: the JSON half of a saved model.

In: an output layer; out: one dictionary per layer (type, name, incoming layers by
number, arguments, parameters), and the parameters by tensor name.  ``build`` makes
fresh layers from such dictionaries.  A new layer class becomes savable by a line in
``ARGUMENTS``.  Files are ``checkpoint.py``'s business.
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
from symgraph.errors import DataError, NotSupportedError
from symgraph.nn.layers.recurrent_loop import Recurrence

_BIASED_CONV = ("num_filters", "filter_size", "untie_biases", "nonlinearity")
_CONV = (*_BIASED_CONV, "stride", "pad", "flip_filters", "num_groups", "convolution")
_TRANSPOSED = (
    *_BIASED_CONV, "stride", "crop", "flip_filters", "num_groups", "output_size"
)  # fmt: skip
_MAX_POOL = ("pool_size", "stride", "pad", "ignore_border")
_POOL = (*_MAX_POOL, "mode")
_UPSCALE = ("scale_factor", "mode")
_LOOP = (
    "backwards", "learn_init", "gradient_steps", "grad_clipping", "unroll_scan",
    "precompute_input", "only_return_final",
)  # fmt: skip
#: gated layer → gate → the attribute that is its nonlinearity
GATES: dict[str, dict[str, str]] = {
    "LSTMLayer": {g: f"nonlinearity_{g}" for g in nn.layers.LSTMLayer.stacked},
    "GRULayer": {
        "resetgate": "nonlinearity_resetgate",
        "updategate": "nonlinearity_updategate",
        "hidden_update": "nonlinearity_hid",
    },
}
#: layer class → arguments that are kept, each also an attribute of the layer
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "InputLayer": ("shape",),
    "DenseLayer": ("num_units", "nonlinearity", "num_leading_axes"),
    "DropoutLayer": ("p", "rescale", "shared_axes"),
    "NonlinearityLayer": ("nonlinearity",),
    "FlattenLayer": ("outdim",),
    "ReshapeLayer": ("shape",),
    "ConcatLayer": ("axis", "cropping"),
    "ElemwiseSumLayer": ("coeffs", "cropping"),
    "NINLayer": ("num_units", "untie_biases", "nonlinearity"),
    "BiasLayer": ("shared_axes",),
    "ScaleLayer": ("shared_axes",),
    "Conv1DLayer": _CONV,
    "Conv2DLayer": _CONV,
    "Conv3DLayer": _CONV,
    "TransposedConv2DLayer": _TRANSPOSED,
    "TransposedConv3DLayer": _TRANSPOSED,
    "DilatedConv2DLayer": (*_BIASED_CONV, "dilation", "num_groups"),
    "Pool1DLayer": _POOL,
    "Pool2DLayer": _POOL,
    "Pool3DLayer": _POOL,
    "MaxPool1DLayer": _MAX_POOL,
    "MaxPool2DLayer": _MAX_POOL,
    "MaxPool3DLayer": _MAX_POOL,
    "GlobalPoolLayer": ("pool_function",),
    "FeaturePoolLayer": ("pool_size", "axis", "pool_function"),
    "FeatureWTALayer": ("pool_size", "axis"),
    "SpatialPyramidPoolingLayer": ("pool_dims", "mode", "implementation"),
    "Upscale1DLayer": _UPSCALE,
    "Upscale2DLayer": _UPSCALE,
    "Upscale3DLayer": _UPSCALE,
    "LocalResponseNormalization2DLayer": ("alpha", "k", "beta", "n"),
    "BatchNormLayer": ("axes", "epsilon", "alpha"),
    "StandardizationLayer": ("axes", "epsilon"),
    "RecurrentLayer": ("num_units", "nonlinearity", *_LOOP),
    "CustomRecurrentLayer": ("nonlinearity", *_LOOP),
    "LSTMLayer": (
        "num_units", "nonlinearity", "peepholes", *GATES["LSTMLayer"].values(), *_LOOP
    ),
    "GRULayer": ("num_units", *GATES["GRULayer"].values(), *_LOOP),
}  # fmt: skip
_WEIGHTS = ("W", "b")


def _weights_of_gates(kind: str) -> tuple[str, ...]:
    return tuple(
        w + gate for gate in GATES[kind] for w in ("W_in_to_", "W_hid_to_", "b_")
    )


#: layer class → parameters, each an attribute; None where the layer has none
PARAMETERS: dict[str, tuple[str, ...]] = {
    "DenseLayer": _WEIGHTS,
    "NINLayer": _WEIGHTS,
    "BiasLayer": ("b",),
    "ScaleLayer": ("scales",),
    **{kind: _WEIGHTS for kind in ARGUMENTS if "Conv" in kind},
    "BatchNormLayer": ("beta", "gamma", "mean", "inv_std"),
    "RecurrentLayer": ("W_in_to_hid", "W_hid_to_hid", "b", "hid_init"),
    "CustomRecurrentLayer": ("hid_init",),
    "LSTMLayer": (
        *_weights_of_gates("LSTMLayer"),
        *(f"W_cell_to_{gate}" for gate in ("ingate", "forgetgate", "outgate")),
        "cell_init",
        "hid_init",
    ),
    "GRULayer": (*_weights_of_gates("GRULayer"), "hid_init"),
}
#: layer class → arguments that are networks of layers
NETWORKS: dict[str, tuple[str, ...]] = {
    "CustomRecurrentLayer": ("input_to_hidden", "hidden_to_hidden"),
}
#: what layers below a recurrent layer are to it, in the order of its inputs
ROLES = ("mask_input", "hid_init", "cell_init")
#: name → function that an argument may be
FUNCTIONS: dict[str, Any] = {
    "conv1d": T.nnet.conv1d, "conv2d": T.nnet.conv2d, "conv3d": T.nnet.conv3d,
    "max": T.max, "mean": T.mean, "min": T.min, "prod": T.prod, "sum": T.sum,
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
        if kind not in ARGUMENTS or type(layer) is not getattr(nn.layers, kind, None):
            raise NotSupportedError(
                f"save_model: cannot describe a {kind}; "
                f"it knows {', '.join(sorted(ARGUMENTS))}"
            )
        record: dict[str, Any] = {
            "type": kind,
            "name": layer.name,
            "incoming": [number[id(below)] for below in _incoming(layer)],
            "arguments": {
                argument: _to_json(getattr(layer, argument))
                for argument in ARGUMENTS[kind]
            },
            "parameters": {},
        }
        if kind == "InputLayer":
            variable = layer.input_var  # type: ignore[attr-defined]
            record["input"] = {"dtype": variable.dtype, "name": variable.name}
        if isinstance(layer, Recurrence):
            record["roles"] = ["incoming", *_roles(layer)]
        if kind in NETWORKS:
            record["networks"] = {
                part: _records(
                    getattr(layer, part), f"{prefix}{index}.{part}.", names, variables
                )
                for part in NETWORKS[kind]
            }
        for attribute in PARAMETERS.get(kind, ()):
            variable = getattr(layer, attribute, None)
            if variable is None or isinstance(variable, nn.layers.Layer):
                continue
            if not hasattr(variable, "get_value"):
                raise NotSupportedError(
                    f"save_model: {kind}.{attribute} is an expression, not a shared "
                    "variable; save the variables it is made of"
                )
            name = names.setdefault(id(variable), f"{prefix}{index}.{attribute}")
            variables[name] = variable
            record["parameters"][attribute] = {
                "tensor": name,
                "dtype": variable.dtype,
                "name": variable.name,
                "tags": sorted(_tags_of(layer, variable)[variable]),
            }
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
        if kind not in ARGUMENTS:
            raise DataError(
                f"{where} is a {kind!r}, known are {', '.join(sorted(ARGUMENTS))}"
            )
        if not all(isinstance(i, int) and 0 <= i < index for i in incoming):
            raise DataError(f"{where} takes layers {incoming}, which are not before it")
        unknown = set(record["arguments"]) - set(ARGUMENTS[kind])
        unknown |= set(record["parameters"]) - set(PARAMETERS.get(kind, ()))
        if unknown:
            raise DataError(f"{where}: a {kind} has no {', '.join(sorted(unknown))}")
        arguments = {
            name: _from_json(value, where)
            for name, value in record["arguments"].items()
        }
        layer = _make(
            kind, [layers[i] for i in incoming], arguments, record, known, where, zeros
        )
        for attribute, entry in record["parameters"].items():
            variable = getattr(layer, attribute)
            known.setdefault(entry["tensor"], variable)
            variable.name = entry["name"]
            _tags_of(layer, variable)[variable] = set(entry["tags"])
        layers.append(layer)
    return layers


def _make(
    kind: str,
    incoming: list[Any],
    arguments: dict[str, Any],
    record: dict[str, Any],
    known: dict[str, Any],
    where: str,
    zeros: _Zeros,
) -> Any:
    make = getattr(nn.layers, kind)
    name = record["name"]
    if kind == "InputLayer":
        made = record["input"]
        shape = tuple(arguments["shape"])
        variable = T.TensorType(made["dtype"], (None,) * len(shape))(made["name"])
        return make(shape, input_var=variable, name=name)
    for attribute in PARAMETERS.get(kind, ()):
        entry = record["parameters"].get(attribute)
        if entry is None:
            arguments[attribute] = None
        elif entry["tensor"] in known:
            arguments[attribute] = known[entry["tensor"]]
        else:
            arguments[attribute] = functools.partial(zeros, dtype=entry["dtype"])
    for part in NETWORKS.get(kind, ()):
        inside = record["networks"][part]
        arguments[part] = _built(inside, f"{where}: {part}", known, zeros)[-1]
    if issubclass(make, Recurrence):
        arguments = {**arguments, **_by_role(record, incoming, where)}
        return make(name=name, **_with_gates(kind, arguments))
    takes_many = issubclass(make, nn.layers.MergeLayer)
    if not takes_many and len(incoming) != 1:
        raise DataError(f"{where}: a {kind} takes one layer, not {len(incoming)}")
    return make(incoming if takes_many else incoming[0], name=name, **arguments)


def _incoming(layer: Any) -> list[Any]:
    if isinstance(layer, nn.layers.MergeLayer):
        return list(layer.input_layers)
    below = getattr(layer, "input_layer", None)
    return [] if below is None else [below]


def _tags_of(layer: Any, variable: Any) -> dict[Any, set[str]]:
    """The table of tags that holds this parameter: the layer's, or one inside it."""
    networks = [
        getattr(layer, f"{part}_to_hidden", None) for part in ("input", "hidden")
    ]
    for owner in (layer, *networks):
        if owner is not None and variable in owner.params:
            found: dict[Any, set[str]] = owner.params
            return found
    raise KeyError(variable)


def _roles(layer: Any) -> list[str]:
    places = {role: role.replace("_input", "") for role in ROLES}
    found = {r: getattr(layer, f"{p}_incoming_index", -1) for r, p in places.items()}
    return sorted((r for r, place in found.items() if place > 0), key=found.__getitem__)


def _by_role(record: dict[str, Any], incoming: list[Any], where: str) -> dict[str, Any]:
    """The layers below a recurrent layer as its arguments."""
    roles = record["roles"]
    if (
        len(roles) != len(incoming)
        or roles[:1] != ["incoming"]
        or not set(roles[1:]) <= set(ROLES)
    ):
        raise DataError(
            f"{where}: {len(incoming)} layers below have the roles {roles}; the first "
            f"must be 'incoming', others may be {', '.join(ROLES)}"
        )
    return dict(zip(roles, incoming, strict=True))


def _with_gates(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments in which weights and nonlinearity of each gate have become a Gate."""
    rest = dict(arguments)
    for gate, nonlinearity in GATES.get(kind, {}).items():
        rest[gate] = nn.layers.Gate(
            rest.pop(f"W_in_to_{gate}"),
            rest.pop(f"W_hid_to_{gate}"),
            rest.pop(f"W_cell_to_{gate}", None),
            rest.pop(f"b_{gate}"),
            rest.pop(nonlinearity),
        )
    return rest


def _to_json(value: Any) -> Any:
    """Numbers, strings and tuples as they are; a function by its name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
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
