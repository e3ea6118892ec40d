"""Whole networks: outputs, shapes and parameters of a layer and of all below it.

Every function takes one layer or a list of layers. Layers are visited once, in
topological order, each after all that feed it.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.core.node import Variable, listing
from symgraph.errors import (
    ArgumentError,
    MissingInputError,
    ShapeError,
    SymgraphWarning,
)
from symgraph.nn.layers.base import Layer, LayerShape, MergeLayer
from symgraph.nn.layers.input import InputLayer
from symgraph.nn.utils import inspect_kwargs, unique


def get_all_layers(
    layer: Any, treat_as_input: Iterable[Layer] | None = None
) -> list[Layer]:
    """Return the layer(s) and all layers below, each after those that feed it.

    Parameters
    ----------
    layer : Layer or list of Layers
    treat_as_input : layers whose own inputs are not followed

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer
    >>> x = InputLayer((None, 4))
    >>> a, b = DenseLayer(x, 3), DenseLayer(x, 2)
    >>> get_all_layers([b, a]) == [x, b, a]
    True
    """
    roots = [layer] if _is_layer(layer) else _layers(layer)
    cut = set(treat_as_input or ())
    found: dict[Layer, None] = {}
    entered: set[Layer] = set()
    stack: list[tuple[Any, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        current, complete = stack.pop()
        if current is None or current in found:
            continue
        if complete or current in entered:
            found[current] = None
            continue
        entered.add(current)
        stack.append((current, True))
        if current not in cut:
            stack.extend((below, False) for below in reversed(_below(current)))
    return list(found)


def _layers(given: Any) -> list[Any]:
    """A list of layers; ArgumentError where it is none."""
    many = isinstance(given, Iterable) and not isinstance(given, Variable | str)
    made = list(given) if many else [given]
    for entry in made:
        if entry is not None and not _is_layer(entry):
            told = listing(entry) if isinstance(entry, Variable) else f": {entry!r}"
            raise ArgumentError(
                f"expected a layer or a list of layers, not a {type(entry).__name__}{told}"
                "\nPass what a layer class of symgraph.nn.layers returned."
            )
    return made


def get_output(layer_or_layers: Any, inputs: Any = None, **kwargs: Any) -> Any:
    """Return the expression(s) of the output of the layer(s).

    Layers that several others need are computed once: both see the same dropout.

    Parameters
    ----------
    layer_or_layers : Layer or list of Layers
    inputs : None for the variables of the input layers; an expression or array for the
        only input layer; or a dictionary layer → expression or array, in which any
        layer may stand
    kwargs : passed to every layer. ``deterministic=True`` switches dropout and noise
        off. A keyword that no layer understands gives a warning.

    Returns
    -------
    expression, or list of expressions

    Raises
    ------
    ArgumentError : one expression was given for several input layers
    MissingInputError : a layer made from a shape got no input

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> from symgraph.nn.layers import DenseLayer
    >>> layer = DenseLayer(InputLayer((None, 4)), 3)
    >>> get_output(layer, T.matrix("x"), deterministic=True).type.shape
    (None, 3)
    """
    found, understood = output_and_keywords(layer_or_layers, inputs, kwargs)
    _warn_of_unknown(set(kwargs) - understood, understood)
    return found


def output_and_keywords(
    layer_or_layers: Any, inputs: Any, kwargs: Mapping[str, Any]
) -> tuple[Any, set[str]]:
    """What `get_output` returns, and the keywords that some layer understands."""
    given = dict(inputs) if isinstance(inputs, Mapping) else {}
    for at in given:
        if at is not None and not _is_layer(
            at
        ):  # None: what a layer without input gets
            told = listing(at) if isinstance(at, Variable) else f": {at!r}"
            raise ArgumentError(
                f"get_output: a key of inputs is a {type(at).__name__}, expected a layer"
                f"{told}\nPass {{layer: expression}}, with the InputLayer itself as key."
            )
    layers = get_all_layers(layer_or_layers, given)
    outputs: dict[Layer, Variable] = {
        layer: layer.input_var
        for layer in layers
        if isinstance(layer, InputLayer) and layer not in given
    }
    if given:
        outputs.update((at, T.as_tensor_variable(x)) for at, x in given.items())
    elif inputs is not None and not isinstance(inputs, Mapping):
        _check_single("get_output", "expression", outputs)
        expression = T.as_tensor_variable(inputs)
        outputs = dict.fromkeys(outputs, expression)
    for layer in layers:
        if isinstance(layer, InputLayer):
            _check_rank(layer, outputs[layer])
    understood = {"deterministic"}
    for layer in layers:
        if layer in outputs:
            continue
        below = _inputs_of(layer, outputs, "get_output", "expression")
        outputs[layer] = layer.get_output_for(below, **kwargs)
        if kwargs:
            understood |= {*inspect_kwargs(layer.get_output_for)}
            understood |= {*layer.get_output_kwargs}
    return _requested(outputs, layer_or_layers), understood


def _check_rank(layer: InputLayer, given: Variable) -> None:
    if isinstance(given, Variable) and given.ndim != len(layer.shape):
        raise ShapeError(
            f"get_output: an expression of rank {given.ndim} for {layer!r} of shape "
            f"{layer.shape}{listing(given)}\nThe first axis is the batch: add one with "
            "dimshuffle, or declare another shape."
        )


def get_output_shape(layer_or_layers: Any, input_shapes: Any = None) -> Any:
    """Return the shape(s) of the output of the layer(s).

    Parameters
    ----------
    layer_or_layers : Layer or list of Layers
    input_shapes : None for the shapes of the input layers; a tuple for the only input
        layer; or a dictionary layer → shape

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer
    >>> layer = DenseLayer(InputLayer((None, 4)), 3)
    >>> get_output_shape(layer), get_output_shape(layer, (7, 4))
    ((None, 3), (7, 3))
    """
    if input_shapes is None or input_shapes == {}:
        if _is_layer(layer_or_layers):
            return layer_or_layers.output_shape
        return [layer.output_shape for layer in layer_or_layers]
    given = dict(input_shapes) if isinstance(input_shapes, Mapping) else {}
    layers = get_all_layers(layer_or_layers, given)
    shapes: dict[Layer, LayerShape] = {
        layer: layer.shape
        for layer in layers
        if isinstance(layer, InputLayer) and layer not in given
    }
    if given:
        shapes.update((at, tuple(shape)) for at, shape in given.items())
    else:
        _check_single("get_output_shape", "shape", shapes)
        shapes = dict.fromkeys(shapes, tuple(input_shapes))
    for layer in layers:
        if layer not in shapes:
            below = _inputs_of(layer, shapes, "get_output_shape", "shape")
            shapes[layer] = layer.get_output_shape_for(below)
    return _requested(shapes, layer_or_layers)


def get_all_params(
    layer: Any, unwrap_shared: bool = True, **tags: bool
) -> list[Variable]:
    """Return the parameters of the layer(s) and of all below, each once.

    Parameters
    ----------
    layer : Layer or list of Layers
    unwrap_shared, tags : see `Layer.get_params`

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer
    >>> layer = DenseLayer(InputLayer((None, 4)), 3, name="out")
    >>> get_all_params(layer, trainable=True)
    [out.W, out.b]
    """
    return unique(
        param
        for each in get_all_layers(layer)
        for param in each.get_params(unwrap_shared=unwrap_shared, **tags)
    )


def count_params(layer: Any, **tags: bool) -> int:
    """Return the number of scalars in the parameters of the layer(s) and all below.

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer
    >>> count_params(DenseLayer(InputLayer((None, 4)), 3))
    15
    """
    params: list[Any] = get_all_params(layer, **tags)
    return sum(param.get_value(borrow=True).size for param in params)


def get_all_param_values(layer: Any, **tags: bool) -> list[np.ndarray]:
    """Return copies of the values of all parameters, ordered as `get_all_params`."""
    params: list[Any] = get_all_params(layer, **tags)
    return [param.get_value() for param in params]


def set_all_param_values(layer: Any, values: Sequence[Any], **tags: bool) -> None:
    """Give the parameters values, in the order of `get_all_params`.

    Nothing is set when a shape does not fit.

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer
    >>> a, b = DenseLayer((None, 2), 1), DenseLayer((None, 2), 1)
    >>> set_all_param_values(a, get_all_param_values(b))
    >>> bool((a.W.get_value() == b.W.get_value()).all())
    True
    """
    params: list[Any] = get_all_params(layer, **tags)
    values = list(values)
    if len(values) != len(params):
        raise ArgumentError(
            f"set_all_param_values: {len(values)} values for {len(params)} parameters"
        )
    for param, value in zip(params, values, strict=True):
        own, new = param.get_value(borrow=True).shape, np.shape(value)
        if own != new:
            raise ShapeError(
                f"set_all_param_values: a value of shape {new} for a parameter of "
                f"shape {own}{listing(param)}"
            )
    for param, value in zip(params, values, strict=True):
        param.set_value(value)


# --- pieces ------------------------------------------------------------------------


def _is_layer(value: Any) -> bool:
    return hasattr(value, "get_output_for")


def _below(layer: Any) -> list[Any]:
    if hasattr(layer, "input_layers"):
        return list(layer.input_layers)
    return [layer.input_layer]


def _inputs_of(layer: Any, known: Mapping[Any, Any], what: str, kind: str) -> Any:
    below = _below(layer)
    if any(each not in known for each in below):
        raise MissingInputError(
            f"{what}: {layer!r} was made from a shape, nothing feeds it; pass a "
            f"dictionary layer → {kind} that has this layer"
        )
    values = [known[each] for each in below]
    return values if isinstance(layer, MergeLayer) else values[0]


def _check_single(what: str, kind: str, found: Mapping[Layer, Any]) -> None:
    if len(found) > 1:
        raise ArgumentError(
            f"{what}: one {kind} was given, but the network has {len(found)} input "
            f"layers; pass a dictionary layer → {kind}"
        )


def _warn_of_unknown(unknown: set[str], understood: set[str]) -> None:
    if not unknown:
        return
    texts = []
    for name in sorted(unknown):
        near = get_close_matches(name, sorted(understood))
        texts.append(f"{name} (perhaps you meant {near[0]})" if near else name)
    warnings.warn(
        f"get_output: no layer understands the keyword(s) {', '.join(texts)}",
        SymgraphWarning,
        stacklevel=3,
    )


def _requested(found: Mapping[Layer, Any], layer_or_layers: Any) -> Any:
    if _is_layer(layer_or_layers):
        return found[layer_or_layers]
    return [found[layer] for layer in layer_or_layers]
