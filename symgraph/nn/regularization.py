"""Penalties on parameters, to be added to a loss.

A penalty is a function of one expression that gives a scalar; here are `l1` and `l2`,
and functions that add them up over layers. Biases are not tagged ``regularizable`` and
stay out by default.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError
from symgraph.nn.layers.base import Layer
from symgraph.nn.layers.helper import get_all_params

Penalty = Callable[..., Any]
REGULARIZABLE = {"regularizable": True}


def l1(x: Any) -> Variable:
    """out = sum of abs(x)."""
    return T.sum(T.abs(x))


def l2(x: Any) -> Variable:
    """out = sum of x**2."""
    return T.sum(T.sqr(x))


def apply_penalty(tensor_or_tensors: Any, penalty: Penalty, **kwargs: Any) -> Any:
    """out = sum of penalty(x) over the tensors; 0 where there are none.

    Parameters
    ----------
    tensor_or_tensors : variable, or iterable of variables
    penalty : such as `l2`
    kwargs : passed on to it

    Examples
    --------
    >>> import numpy as np
    >>> float(apply_penalty([np.array([3.0]), np.array([1.0, -2.0])], l2).eval())
    14.0
    """
    if not callable(penalty):
        raise ArgumentError(
            f"penalty={penalty!r} is a {type(penalty).__name__}, expected a function of a "
            "parameter, such as symgraph.nn.regularization.l2"
        )
    if isinstance(tensor_or_tensors, list | tuple) or (
        isinstance(tensor_or_tensors, Iterable)
        and not isinstance(tensor_or_tensors, Variable)
        and not hasattr(tensor_or_tensors, "dtype")
    ):
        return sum(penalty(x, **kwargs) for x in tensor_or_tensors)
    return penalty(tensor_or_tensors, **kwargs)


def regularize_layer_params(
    layer: Layer | Iterable[Layer],
    penalty: Penalty,
    tags: Mapping[str, bool] = REGULARIZABLE,
    **kwargs: Any,
) -> Any:
    """out = sum of penalty(p) over the parameters of one or several layers.

    Parameters
    ----------
    layer : a layer, or several; what feeds them stays out
    tags : which parameters, as for `get_params`
    """
    layers = [layer] if isinstance(layer, Layer) else layer
    if not isinstance(layers, Iterable) or isinstance(layers, Variable | str):
        raise ArgumentError(
            f"regularize_layer_params: {layer!r} is a {type(layer).__name__}, expected a "
            "layer or several"
        )
    params = [p for each in layers for p in each.get_params(**tags)]
    return apply_penalty(params, penalty, **kwargs)


def regularize_layer_params_weighted(
    layers: Mapping[Layer, Any],
    penalty: Penalty,
    tags: Mapping[str, bool] = REGULARIZABLE,
    **kwargs: Any,
) -> Any:
    """out = sum of c * penalty(p) over the parameters p of the layers with weights c.

    Parameters
    ----------
    layers : layer → its weight c
    """
    return sum(
        weight * apply_penalty(layer.get_params(**tags), penalty, **kwargs)
        for layer, weight in layers.items()
    )


def regularize_network_params(
    layer: Any,
    penalty: Penalty,
    tags: Mapping[str, bool] = REGULARIZABLE,
    **kwargs: Any,
) -> Any:
    """out = sum of penalty(p) over the parameters of the layers and all below them."""
    return apply_penalty(get_all_params(layer, **tags), penalty, **kwargs)
