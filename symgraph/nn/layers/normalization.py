"""Normalisation layers: over the batch, over each example, over neighbouring channels.

In: a layer.  Out: the same shape, with mean 0 and variance 1 over some axes
(`BatchNormLayer`, `StandardizationLayer`), or divided by the size of its neighbours
(`LocalResponseNormalization2DLayer`).  `batch_norm`, `instance_norm` and `layer_norm`
put such layers between an existing layer and its nonlinearity.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.core.shared import SharedVariable
from symgraph.errors import ArgumentError, NotSupportedError, ShapeError
from symgraph.nn.init import Constant
from symgraph.nn.layers.base import Layer
from symgraph.nn.layers.special import BiasLayer, NonlinearityLayer, ScaleLayer
from symgraph.nn.nonlinearities import identity
from symgraph.nn.utils import int_types

#: defaults of parameters: rules for initial values, not states
_ZERO, _ONE = Constant(0), Constant(1)


class LocalResponseNormalization2DLayer(Layer):
    """out[n, c] = x[n, c] / (k + alpha * sum over d of x[n, d]**2)**beta.

    d goes over the n channels around c, at each place by itself.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    alpha, k, beta : numbers of the formula
    n : odd int, the number of neighbouring channels, c among them

    Raises
    ------
    NotSupportedError : n is even

    References
    ----------
    Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural
    networks, section 3.3

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, LocalResponseNormalization2DLayer
    >>> LocalResponseNormalization2DLayer(InputLayer((None, 8, 5, 5))).output_shape
    (None, 8, 5, 5)
    """

    saved = ("alpha", "k", "beta", "n")

    def __init__(
        self,
        incoming: Any,
        alpha: float = 1e-4,
        k: float = 2,
        beta: float = 0.75,
        n: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.alpha, self.k, self.beta, self.n = alpha, k, beta, n
        if len(self.input_shape) != 4:
            raise ShapeError(
                f"{self!r}: takes (batch, channels, rows, columns); the input shape is "
                f"{self.input_shape}"
            )
        if not isinstance(n, int_types) or n < 1:
            raise ArgumentError(f"{self!r}: n={n!r}; use an odd int from 1 on")
        if n % 2 == 0:
            raise NotSupportedError(f"{self!r}: works with odd n only, not n={n}")

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula: the squares, with channels of zeros at both ends, n times."""
        half = self.n // 2
        batch, channels, rows, columns = (input.shape[axis] for axis in range(4))
        space = T.zeros((batch, channels + 2 * half, rows, columns), input.dtype)
        squares = T.set_subtensor(space[:, half : half + channels], T.sqr(input))
        total = squares[:, :channels]
        for shift in range(1, self.n):
            total = total + squares[:, shift : shift + channels]
        return input / (self.k + self.alpha * total) ** self.beta


class BatchNormLayer(Layer):
    """out = (x - mean) * inv_std * gamma + beta, statistics over the batch.

    mean and inv_std = 1 / sqrt(variance + epsilon) are those of the mini-batch in
    training.  Averages of both are kept as parameters; every call of a compiled training
    function moves them, average <- (1 - alpha) average + alpha (that of the batch), by a
    default update.  With `deterministic=True` the averages are used and stay.

    Parameters
    ----------
    incoming : Layer or shape
    axes : "auto" (all but the second), int, or tuple of ints
        the axes that statistics are taken over.
    epsilon : number, keeps the root away from 0
    alpha : number in 0 .. 1, share of the last batch in the averages
    beta, gamma : of the input's shape without `axes`, see
        `symgraph.nn.utils.create_param`; None leaves the term out
    mean, inv_std : likewise; start of the averages, which are not trainable and have
        the tag batch_norm_stat

    Raises
    ------
    ShapeError : an extent of an axis that is not in `axes` is not known
    ArgumentError : axes that the input does not have

    Notes
    -----
    `get_output` takes two keywords that override `deterministic`:
    ``batch_norm_use_averages`` and ``batch_norm_update_averages``, each True or False.

    References
    ----------
    Ioffe and Szegedy 2015, Batch normalization: accelerating deep network training by
    reducing internal covariate shift. arXiv:1502.03167

    Examples
    --------
    >>> from symgraph.nn.layers import BatchNormLayer, InputLayer
    >>> layer = BatchNormLayer(InputLayer((None, 8, 5, 5)))
    >>> layer.axes, layer.mean.get_value().shape
    ((0, 2, 3), (8,))
    """

    saved = ("axes", "epsilon", "alpha", "beta", "gamma", "mean", "inv_std")

    def __init__(
        self,
        incoming: Any,
        axes: Any = "auto",
        epsilon: float = 1e-4,
        alpha: float = 0.1,
        beta: Any = _ZERO,
        gamma: Any = _ONE,
        mean: Any = _ZERO,
        inv_std: Any = _ONE,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        self.axes = normalized_axes(self, axes, {"auto": (0, *range(2, rank))})
        self.epsilon = epsilon
        self.alpha = alpha
        shape: Any = [e for i, e in enumerate(self.input_shape) if i not in self.axes]
        if None in shape:
            raise ShapeError(
                f"{self!r}: needs known extents on all axes that are not normalised "
                f"over; the input shape is {self.input_shape}, axes are {self.axes}"
            )
        self.beta: Any = None
        self.gamma: Any = None
        if beta is not None:
            self.beta = self.add_param(beta, shape, "beta", regularizable=False)
        if gamma is not None:
            self.gamma = self.add_param(gamma, shape, "gamma")
        tags = {"trainable": False, "regularizable": False, "batch_norm_stat": True}
        self.mean: Any = self.add_param(mean, shape, "mean", **tags)
        self.inv_std: Any = self.add_param(inv_std, shape, "inv_std", **tags)

    def get_output_for(
        self,
        input: Any,
        deterministic: bool = False,
        batch_norm_use_averages: bool | None = None,
        batch_norm_update_averages: bool | None = None,
        **kwargs: Any,
    ) -> Variable:
        """The formula, with the statistics that the keywords ask for."""
        use = batch_norm_use_averages
        update = batch_norm_update_averages
        mean, inv_std = self.mean, self.inv_std
        use = deterministic if use is None else use
        update = not deterministic if update is None else update
        if update or not use:
            batch_mean = T.mean(input, axis=self.axes)
            variance = T.var(input, axis=self.axes)
            batch_inv_std = T.inv(T.sqrt(variance + self.epsilon))
        if not use:
            mean, inv_std = batch_mean, batch_inv_std
        if update:
            mean = self._averaged(self.mean, batch_mean, mean)
            inv_std = self._averaged(self.inv_std, batch_inv_std, inv_std)
        scale = self._spread(inv_std, input.ndim)
        if self.gamma is not None:
            scale = scale * self._spread(self.gamma, input.ndim)
        out = (input - self._spread(mean, input.ndim)) * scale
        return out if self.beta is None else out + self._spread(self.beta, input.ndim)

    def _averaged(self, average: Any, found: Any, used: Any) -> Variable:
        """`used`, which now brings an update of the average into every function.

        The update hangs on a clone that shares the average's storage, so that only
        functions made from this expression have it. The clone counts 0 times.
        """
        if not isinstance(average, SharedVariable):
            raise NotSupportedError(
                f"{self!r}: {average} is an expression, which cannot be updated; pass "
                "a shared variable or batch_norm_update_averages=False"
            )
        running = average.clone()
        running.default_update = (1 - self.alpha) * running + self.alpha * found
        return used + 0 * running

    def _spread(self, param: Any, rank: int) -> Variable:
        """A parameter with an axis of extent 1 for each axis normalised over."""
        own = iter(range(param.ndim))
        return param.dimshuffle(
            *("x" if axis in self.axes else next(own) for axis in range(rank))
        )


class StandardizationLayer(Layer):
    """out = (x - mean) / sqrt(variance + epsilon), statistics over each example.

    Parameters
    ----------
    incoming : Layer or shape
    axes : int, tuple of ints, or a name: "spatial" for all axes behind the channels,
        "features" for all but the first, "auto" for "features" of a matrix and
        "spatial" otherwise
    epsilon : number, keeps the root away from 0

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, StandardizationLayer
    >>> StandardizationLayer(InputLayer((None, 8, 5, 5))).axes
    (2, 3)
    """

    saved = ("axes", "epsilon")

    def __init__(
        self, incoming: Any, axes: Any = "auto", epsilon: float = 1e-4, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        spatial, features = tuple(range(2, rank)), tuple(range(1, rank))
        names = {"spatial": spatial, "features": features}
        names["auto"] = features if rank == 2 else spatial
        self.axes = normalized_axes(self, axes, names)
        self.epsilon = epsilon

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        mean = T.mean(input, axis=self.axes, keepdims=True)
        variance = T.var(input, axis=self.axes, keepdims=True)
        return (input - mean) / T.sqrt(variance + self.epsilon)


def batch_norm(layer: Any, **kwargs: Any) -> Layer:
    """Put batch normalisation between a layer and its nonlinearity.

    The layer is changed: it loses its nonlinearity, which comes as a layer of its own
    behind the `BatchNormLayer`, and its biases, which `beta` makes superfluous.

    Parameters
    ----------
    layer : Layer
    kwargs : of `BatchNormLayer`

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer, InputLayer, get_all_layers
    >>> layer = batch_norm(DenseLayer(InputLayer((None, 3)), 4, name="hidden"))
    >>> get_all_layers(layer)[2:]
    [<BatchNormLayer 'hidden_bn'>, <NonlinearityLayer 'hidden_bn_nonlin'>]
    """
    nonlinearity, name = _bared(layer, kwargs, "bn")
    return _finished(BatchNormLayer(layer, name=name, **kwargs), nonlinearity, name)


def instance_norm(
    layer: Any, learn_scale: bool = True, learn_bias: bool = True, **kwargs: Any
) -> Layer:
    """Put instance normalisation between a layer and its nonlinearity.

    Each channel of each example gets mean 0 and variance 1 over its places, then a scale
    and a bias for each channel. The layer is changed as by `batch_norm`.

    Parameters
    ----------
    layer : Layer
    learn_scale, learn_bias : False leaves the ScaleLayer or the BiasLayer out
    kwargs : of `StandardizationLayer`

    References
    ----------
    Ulyanov et al. 2016, Instance normalization: the missing ingredient for fast
    stylization. arXiv:1607.08022
    """
    nonlinearity, name = _bared(layer, kwargs, "in")
    made: Any = StandardizationLayer(layer, axes="spatial", name=name, **kwargs)
    if learn_scale:
        made = ScaleLayer(made, name=_joined(name, "scale"))
    if learn_bias:
        made = BiasLayer(made, name=_joined(name, "bias"))
    return _finished(made, nonlinearity, name)


def layer_norm(layer: Any, **kwargs: Any) -> Layer:
    """Put layer normalisation between a layer and its nonlinearity.

    Each example gets mean 0 and variance 1 over all its features, then a scale and a
    bias for each feature or channel. The layer is changed as by `batch_norm`.

    Parameters
    ----------
    layer : Layer
    kwargs : of `StandardizationLayer`

    References
    ----------
    Ba et al. 2016, Layer normalization. arXiv:1607.06450
    """
    nonlinearity, name = _bared(layer, kwargs, "ln")
    made: Any = StandardizationLayer(layer, axes="features", name=name, **kwargs)
    made = ScaleLayer(made, name=_joined(name, "scale"))
    made = BiasLayer(made, name=_joined(name, "bias"))
    return _finished(made, nonlinearity, name)


# --- pieces ------------------------------------------------------------------------


def normalized_axes(
    layer: Layer, given: Any, names: dict[str, tuple[int, ...]]
) -> tuple[int, ...]:
    """Axes to normalise over, sorted, counted from the front."""
    rank = len(layer.input_shape)
    axes: tuple[Any, ...]
    if isinstance(given, str):
        if given not in names:
            known = ", ".join(repr(name) for name in names)
            raise ArgumentError(
                f"{layer!r}: axes={given!r}; use {known}, an int or a tuple of ints"
            )
        axes = names[given]
    else:
        axes = (given,) if isinstance(given, int_types) else tuple(given)
    for axis in axes:
        if not isinstance(axis, int_types) or not -rank <= int(axis) < rank:
            raise ArgumentError(
                f"{layer!r}: axes={given!r} for the input shape {layer.input_shape}; "
                f"use axes in {-rank} .. {rank - 1}"
            )
    if not axes:
        raise ArgumentError(
            f"{layer!r}: axes={given!r} leaves no axis of the input shape "
            f"{layer.input_shape} to normalise over"
        )
    return tuple(sorted({int(axis) % rank for axis in axes}))


def _bared(layer: Any, kwargs: dict[str, Any], suffix: str) -> tuple[Any, str | None]:
    """Take nonlinearity and biases off a layer; name for what comes behind it."""
    nonlinearity = getattr(layer, "nonlinearity", None)
    if nonlinearity is not None:
        layer.nonlinearity = identity
    if getattr(layer, "b", None) is not None:
        del layer.params[layer.b]
        layer.b = None
    name = kwargs.pop("name", None) or _joined(getattr(layer, "name", None), suffix)
    return nonlinearity, name


def _finished(layer: Layer, nonlinearity: Any, name: str | None) -> Layer:
    if nonlinearity is None:
        return layer
    return NonlinearityLayer(layer, nonlinearity, name=_joined(name, "nonlin"))


def _joined(name: str | None, suffix: str) -> str | None:
    return name and f"{name}_{suffix}"
