"""CustomRecurrentLayer and RecurrentLayer: one state, one nonlinearity.

What comes from the input and what comes from the state before are networks of layers
themselves; in RecurrentLayer each is one dense layer. The loop is in recurrent_loop.py.
"""

from typing import Any, ClassVar

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant, Uniform
from symgraph.nn.layers.base import LayerShape, Saved, nonlinearity_of
from symgraph.nn.layers.dense import DenseLayer
from symgraph.nn.layers.helper import (
    get_all_layers,
    get_all_params,
    output_and_keywords,
)
from symgraph.nn.layers.input import InputLayer
from symgraph.nn.layers.recurrent_loop import OPTIONS, Recurrence, fit
from symgraph.nn.nonlinearities import rectify
from symgraph.nn.utils import inspect_kwargs, unique


class CustomRecurrentLayer(Recurrence):
    """h[t] = nonlinearity(f(x[t]) + g(h[t-1])), f and g networks of layers.

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, ...)
    input_to_hidden : Layer, the last of f
        f begins with one InputLayer of the input's shape without the time axis. With
        `precompute_input` the first axis has all steps of all examples: its extent is
        batch * time, or None.
    hidden_to_hidden : Layer, the last of g
        g begins with one InputLayer of the shape of a state. f and g give that shape.

    All else is as in `RecurrentLayer`.

    Raises
    ------
    ArgumentError : f or g has several InputLayers or none
    ShapeError : shapes of f and g do not fit each other or the input

    Examples
    --------
    A convolution over images in time:

    >>> from symgraph.nn import layers
    >>> movie = layers.InputLayer((None, None, 3, 16, 16))
    >>> f = layers.Conv2DLayer(layers.InputLayer((None, 3, 16, 16)), 8, 3, pad="same")
    >>> g = layers.Conv2DLayer(layers.InputLayer(f.output_shape), 8, 3, pad="same")
    >>> layers.CustomRecurrentLayer(movie, f, g).output_shape
    (None, None, 8, 16, 16)
    """

    saved: ClassVar[Saved] = (
        "input_to_hidden", "hidden_to_hidden", "nonlinearity", "hid_init", *OPTIONS
    )  # fmt: skip

    def __init__(
        self,
        incoming: Any,
        input_to_hidden: Any,
        hidden_to_hidden: Any,
        nonlinearity: Any = rectify,
        hid_init: Any = Constant(0.0),  # noqa: B008 (a rule, not a state)
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            {"hid_init": hid_init},
            backwards=backwards,
            learn_init=learn_init,
            gradient_steps=gradient_steps,
            grad_clipping=grad_clipping,
            unroll_scan=unroll_scan,
            precompute_input=precompute_input,
            mask_input=mask_input,
            only_return_final=only_return_final,
            **kwargs,
        )
        self.input_to_hidden = input_to_hidden
        self.hidden_to_hidden = hidden_to_hidden
        self.nonlinearity = nonlinearity_of(nonlinearity, self)
        self._check_networks()
        self.get_output_kwargs = unique(
            word
            for network in (input_to_hidden, hidden_to_hidden)
            for layer in get_all_layers(network)
            for word in (
                *inspect_kwargs(layer.get_output_for),
                *layer.get_output_kwargs,
            )
        )
        shape: Any = self.state_shape
        if None in shape:
            raise ShapeError(
                f"{self!r}: the output shape of hidden_to_hidden, "
                f"{hidden_to_hidden.output_shape}, must be known behind the batch"
            )
        self.hid_init = self.add_initial("hid_init", hid_init, shape)

    def _check_networks(self) -> None:
        start = _single_input(self, "input_to_hidden")
        before = _single_input(self, "hidden_to_hidden").output_shape
        shape = self.input_shapes[0]
        f, g = self.input_to_hidden.output_shape, self.hidden_to_hidden.output_shape
        if not fit(start.output_shape[1:], shape[2:]):
            raise ShapeError(
                f"{self!r}: input_to_hidden takes {start.output_shape}, but a step of "
                f"the input {shape} has the shape {(shape[0], *shape[2:])}"
            )
        batch, time = shape[:2]
        rows = None if batch is None or time is None else batch * time
        if self.precompute_input and not fit(f[:1], (rows,)):
            raise ShapeError(
                f"{self!r}: with precompute_input=True, input_to_hidden gets all steps "
                f"of all examples as {rows} rows (batch * time), but its output shape "
                f"is {f}; use None or {rows} as its first extent"
            )
        if not self.precompute_input and not fit(f[:1], g[:1]):
            raise ShapeError(
                f"{self!r}: with precompute_input=False, input_to_hidden and "
                f"hidden_to_hidden must give the same number of rows, not {f} and {g}"
            )
        if not fit(f[1:], g[1:]):
            raise ShapeError(
                f"{self!r}: input_to_hidden and hidden_to_hidden must give the same "
                f"shape behind the batch, not {f} and {g}"
            )
        if not fit(g[1:], before[1:]):
            raise ShapeError(
                f"{self!r}: hidden_to_hidden takes {before}, but a state has the shape "
                f"{g}; they must agree behind the batch"
            )

    @property
    def state_shape(self) -> LayerShape:
        """Shape of what hidden_to_hidden gives, for one example."""
        shape: LayerShape = self.hidden_to_hidden.output_shape[1:]
        return shape

    def get_params(self, unwrap_shared: bool = True, **tags: bool) -> list[Variable]:
        """Own parameters, then those of the two networks."""
        return [
            *super().get_params(unwrap_shared, **tags),
            *get_all_params(self.input_to_hidden, unwrap_shared, **tags),
            *get_all_params(self.hidden_to_hidden, unwrap_shared, **tags),
        ]

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Variable:  # type: ignore[override]
        """The formula, step by step; keywords go to all layers of both networks."""

        def output_of(network: Any, x: Variable) -> Variable:
            found: Variable = output_and_keywords(network, x, kwargs)[0]
            return found

        x = self.time_first(inputs, inputs[0].ndim)
        if self.precompute_input:
            time, batch = x.shape[0], x.shape[1]
            rows = T.reshape(x, (time * batch, *(x.shape[i] for i in range(2, x.ndim))))
            rows = output_of(self.input_to_hidden, rows)
            tail = (rows.shape[i] for i in range(1, rows.ndim))
            x = T.reshape(rows, (time, batch, *tail))

        def step(row: Variable, hidden: Variable) -> list[Variable]:
            total = output_of(self.hidden_to_hidden, hidden)
            if not self.precompute_input:
                row = output_of(self.input_to_hidden, row)
            return [self.nonlinearity(self.clipped(total + row))]

        return self.loop(step, x, inputs, ["hid_init"])


class RecurrentLayer(CustomRecurrentLayer):
    """h[t] = nonlinearity(x[t] W_in_to_hid + h[t-1] W_hid_to_hid + b).

    Axes of the input behind the time are flattened to one, the features. The output is
    every h[t], (batch, time, num_units).

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, ...)
    num_units : int
    W_in_to_hid : (features, num_units), see `symgraph.nn.utils.create_param`
    W_hid_to_hid : (num_units, num_units)
    b : (num_units,), or None for no biases; not tagged regularizable
    nonlinearity : None for the identity
    hid_init : the state before the first step: (1, num_units), repeated for the batch,
        or a Layer that gives (batch, num_units)
    backwards : bool
        go from the last step to the first. The output is in the order of the input all
        the same.
    learn_init : whether `hid_init` is tagged trainable
    gradient_steps : how many steps a gradient goes back; -1 for all
    grad_clipping : size to which the gradient of the sum in the formula is limited at
        each step, element by element; 0 for no limit
    unroll_scan : bool
        write the steps out one by one in place of a loop. The number of steps must be
        known, and `gradient_steps` -1.
    precompute_input : whether x W_in_to_hid + b is computed for all steps at once,
        before the loop, which is faster and takes more memory
    mask_input : Layer that gives (batch, time), for sequences of different lengths: where
        it is 0, the state stays what it was
    only_return_final : give the last state only, (batch, num_units); with `backwards`
        that is the one at the first step of the input

    Raises
    ------
    ArgumentError, ShapeError : options that exclude one another; unknown extents

    References
    ----------
    Graves 2013, Generating sequences with recurrent neural networks, page 6 for the
    clipping. arXiv:1308.0850

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, RecurrentLayer
    >>> x = InputLayer((None, None, 8))
    >>> RecurrentLayer(x, 20).output_shape
    (None, None, 20)
    >>> RecurrentLayer(x, 20, only_return_final=True, name="sum").get_params()
    [sum.hid_init, sum.input_to_hidden.W, sum.input_to_hidden.b, sum.hidden_to_hidden.W]
    """

    saved = (
        "num_units", "W_in_to_hid", "W_hid_to_hid", "b", "nonlinearity", "hid_init",
        *OPTIONS,
    )  # fmt: skip

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        W_in_to_hid: Any = Uniform(),  # noqa: B008
        W_hid_to_hid: Any = Uniform(),  # noqa: B008
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        hid_init: Any = Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        name = kwargs.get("name")
        prefix = "" if name is None else f"{name}."
        shape = tuple(
            incoming if isinstance(incoming, tuple) else incoming.output_shape
        )
        if len(shape) < 3:
            raise ShapeError(
                f"<RecurrentLayer{'' if name is None else f' {name!r}'}>: the input "
                f"shape {shape} must be (batch, time, features)"
            )
        f = DenseLayer(
            InputLayer((None, *shape[2:])),
            num_units,
            W=W_in_to_hid,
            b=b,
            nonlinearity=None,
            name=f"{prefix}input_to_hidden",
        )
        g = DenseLayer(
            InputLayer((None, num_units)),
            num_units,
            W=W_hid_to_hid,
            b=None,
            nonlinearity=None,
            name=f"{prefix}hidden_to_hidden",
        )
        self.num_units = f.num_units
        self.W_in_to_hid, self.W_hid_to_hid, self.b = f.W, g.W, f.b
        super().__init__(
            incoming,
            f,
            g,
            nonlinearity=nonlinearity,
            hid_init=hid_init,
            backwards=backwards,
            learn_init=learn_init,
            gradient_steps=gradient_steps,
            grad_clipping=grad_clipping,
            unroll_scan=unroll_scan,
            precompute_input=precompute_input,
            mask_input=mask_input,
            only_return_final=only_return_final,
            **kwargs,
        )


def _single_input(owner: CustomRecurrentLayer, name: str) -> InputLayer:
    layers = get_all_layers(getattr(owner, name))
    found = [layer for layer in layers if isinstance(layer, InputLayer)]
    if len(found) != 1:
        raise ArgumentError(
            f"{owner!r}: {name} must begin with exactly one InputLayer, not {len(found)}"
        )
    return found[0]
