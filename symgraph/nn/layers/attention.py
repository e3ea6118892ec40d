"""Attention: each place of a sequence reads from the places of a sequence.

In: sequences (batch, time, features), perhaps a mask. Out: (batch, time, num_units). Order
in time reaches it through the encodings of position.py.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant, GlorotUniform
from symgraph.nn.layers.base import Layer, LayerShape, MergeLayer
from symgraph.nn.layers.recurrent_loop import fit
from symgraph.nn.random import draw_seed
from symgraph.nn.utils import int_types
from symgraph.ops.random import RandomStreams

#: defaults of parameters: rules for initial values, not states
_WEIGHTS, _BIASES = GlorotUniform(), Constant(0.0)
#: the score of what must not be looked at: exp of it is 0, and it is finite in float32
UNSEEN = -1e30


class MultiHeadAttentionLayer(MergeLayer):
    """out = (head[1], ..., head[h]) W_out + b_out, with
    head = softmax(Q K' / sqrt(d)) V, d = num_units / num_heads.

    Q, K and V are the columns of a head in x W_query + b_query, key W_key + b_key and
    value W_value + b_value. The softmax goes over the keys.

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, features), the queries
    num_heads : int
    num_units : int that num_heads divides, the columns of all heads together and those of
        the output; by default the features of the input
    key : Layer (batch, keys, features); the input by default, which is self-attention
    value : Layer (batch, keys, features); the keys by default
    mask_input : Layer; where it is 0 a key is not looked at. (batch, keys) for all queries,
        or (batch, time, keys). A query without keys gets 0 in place of the heads.
    causal : True lets the query of step t see the keys of steps 0 .. t only
    dropout : number in 0 .. 1, probability of dropping a weight that the softmax gave, in
        training only
    W_query, W_key, W_value : (features, num_units)
    W_out : (num_units, num_units)
    b_query, b_key, b_value, b_out : (num_units,); None for no biases; not tagged
        regularizable

    Raises
    ------
    ShapeError : shapes are not those above, or features are not known
    ArgumentError : num_heads does not divide num_units; dropout is not in 0 .. 1

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.2. arXiv:1706.03762

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, MultiHeadAttentionLayer
    >>> x = InputLayer((None, None, 32))
    >>> layer = MultiHeadAttentionLayer(x, num_heads=4, causal=True)
    >>> layer.output_shape
    (None, None, 32)
    >>> memory = InputLayer((None, 7, 20))
    >>> MultiHeadAttentionLayer(x, 4, num_units=16, key=memory).output_shape
    (None, None, 16)
    """

    saved = (
        "num_heads", "num_units", "causal", "dropout", "W_query", "W_key", "W_value",
        "W_out", "b_query", "b_key", "b_value", "b_out",
    )  # fmt: skip

    def __init__(
        self,
        incoming: Any,
        num_heads: int,
        num_units: int | None = None,
        key: Any = None,
        value: Any = None,
        mask_input: Any = None,
        causal: bool = False,
        dropout: float = 0.0,
        W_query: Any = _WEIGHTS,
        W_key: Any = _WEIGHTS,
        W_value: Any = _WEIGHTS,
        W_out: Any = _WEIGHTS,
        b_query: Any = _BIASES,
        b_key: Any = _BIASES,
        b_value: Any = _BIASES,
        b_out: Any = _BIASES,
        **kwargs: Any,
    ) -> None:
        given = {
            "incoming": incoming, "key": key, "value": value, "mask_input": mask_input,
        }  # fmt: skip
        self._roles: list[str | None] = [
            role for role, layer in given.items() if layer is not None
        ]
        super().__init__(
            [layer for layer in given.values() if layer is not None], **kwargs
        )
        shapes = dict(zip(self._roles, self.input_shapes, strict=True))
        queries = shapes["incoming"]
        keys = shapes.get("key", queries)
        values = shapes.get("value", keys)
        self._check_shapes(queries, keys, values, shapes.get("mask_input"))
        features = queries[2]
        self.num_heads, self.num_units = self._counts(
            num_heads, features if num_units is None else num_units
        )
        if isinstance(dropout, bool) or not 0 <= dropout < 1:
            raise ArgumentError(f"{self!r}: dropout={dropout!r} is not in 0 .. 1")
        self.causal = causal
        self.dropout = dropout
        self._streams = RandomStreams(draw_seed())
        units = self.num_units
        specs = {
            "query": (queries[2], W_query, b_query), "key": (keys[2], W_key, b_key),
            "value": (values[2], W_value, b_value), "out": (units, W_out, b_out),
        }  # fmt: skip
        for name, (rows, weights, biases) in specs.items():
            W = self.add_param(weights, (rows, units), f"W_{name}")
            b = None
            if biases is not None:
                b = self.add_param(biases, (units,), f"b_{name}", regularizable=False)
            setattr(self, f"W_{name}", W)
            setattr(self, f"b_{name}", b)

    @property
    def roles(self) -> list[str | None]:
        """The queries, and what else is given as a layer."""
        return self._roles

    def _check_shapes(
        self, queries: Any, keys: Any, values: Any, mask: LayerShape | None
    ) -> None:
        for name, shape in (("input", queries), ("key", keys), ("value", values)):
            if len(shape) != 3 or shape[2] is None:
                raise ShapeError(
                    f"{self!r}: the {name} shape {shape} must be (batch, time, features), "
                    "the number of features known"
                )
        for name, shape, other, axes in (
            ("key", keys, queries, (0,)), ("value", values, keys, (0, 1)),
        ):  # fmt: skip
            if not fit([shape[axis] for axis in axes], [other[axis] for axis in axes]):
                raise ShapeError(
                    f"{self!r}: the {name} shape {shape} does not go with {other}; they "
                    f"must agree in {'batch' if axes == (0,) else 'batch and time'}"
                )
        if mask is None:
            return
        wanted = [(queries[0], keys[1]), (queries[0], queries[1], keys[1])]
        if not any(fit(mask, shape) for shape in wanted):
            raise ShapeError(
                f"{self!r}: the mask shape {mask} must be {wanted[0]} or {wanted[1]}"
            )

    def _counts(self, heads: Any, units: Any) -> tuple[int, int]:
        for name, value in (("num_heads", heads), ("num_units", units)):
            if isinstance(value, bool) or not isinstance(value, int_types) or value < 1:
                raise ArgumentError(f"{self!r}: {name}={value!r}; use 1 or more")
        if units % heads:
            raise ArgumentError(
                f"{self!r}: num_heads={heads} must divide num_units={units}"
            )
        return int(heads), int(units)

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """(batch, time, num_units)."""
        return (*input_shapes[0][:2], self.num_units)

    def get_output_for(  # type: ignore[override]
        self, inputs: Any, deterministic: bool = False, **kwargs: Any
    ) -> Variable:
        """The formula."""
        given = dict(zip(self._roles, inputs, strict=True))
        queries = given["incoming"]
        keys = given.get("key", queries)
        values = given.get("value", keys)
        q = self._heads(queries, "query").dimshuffle(0, 2, 1, 3)
        k = self._heads(keys, "key").dimshuffle(0, 2, 3, 1)
        v = self._heads(values, "value").dimshuffle(0, 2, 1, 3)
        size = self.num_units // self.num_heads
        scores = T.matmul(q, k) * size**-0.5  # (batch, heads, time, keys)
        seen = self._seen(given.get("mask_input"), scores)
        if seen is not None:
            scores = T.switch(seen, scores, T.constant(UNSEEN, dtype=scores.dtype))
        weights = T.nnet.softmax(scores)
        if "mask_input" in given:  # a query that sees nothing has equal weights
            weights = weights * T.cast(seen, weights.dtype)
        if self.dropout and not deterministic:
            keep = 1 - self.dropout
            shape = tuple(weights.shape[axis] for axis in range(4))
            mask = self._streams.binomial(shape, p=keep, dtype=weights.dtype)
            weights = weights * mask / keep
        read = T.matmul(weights, v).dimshuffle(0, 2, 1, 3)
        shape = (queries.shape[0], queries.shape[1], self.num_units)
        return self._mapped(T.reshape(read, shape), "out")

    def _mapped(self, x: Any, name: str) -> Any:
        b = getattr(self, f"b_{name}")
        found = T.dot(x, getattr(self, f"W_{name}"))
        return found if b is None else found + b

    def _heads(self, x: Any, name: str) -> Any:
        """X W + b as (batch, time, heads, columns of a head)."""
        size = self.num_units // self.num_heads
        shape = (x.shape[0], x.shape[1], self.num_heads, size)
        return T.reshape(self._mapped(x, name), shape)

    def _seen(self, mask: Any, scores: Any) -> Any:
        """Which scores count, broadcast to them; None for all."""
        seen: Any = None
        if mask is not None:
            pattern = (0, "x", "x", 1) if mask.ndim == 2 else (0, "x", 1, 2)
            seen = T.neq(mask, 0).dimshuffle(*pattern)
        if self.causal:
            times, keys = (T.arange(scores.shape[axis]) for axis in (2, 3))
            past = T.le(keys.dimshuffle("x", 0), times.dimshuffle(0, "x"))
            past = past.dimshuffle("x", "x", 0, 1)
            seen = past if seen is None else T.and_(seen, past)
        return seen


class PositionalEncodingLayer(Layer):
    """out[n, t, 2i] = x + sin(a), out[n, t, 2i+1] = x + cos(a), a = t / base**(2i/feats).

    feats is the number of features.

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, features), the features known
    base : number; the longest wave has about 2 pi base steps

    Raises
    ------
    ShapeError : another rank, or the number of features is not known
    ArgumentError : base is not positive

    References
    ----------
    Vaswani et al. 2017, Attention is all you need, section 3.5. arXiv:1706.03762

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn.layers import InputLayer, PositionalEncodingLayer, get_output
    >>> layer = PositionalEncodingLayer(InputLayer((None, None, 2)))
    >>> get_output(layer, np.zeros((1, 2, 2))).eval().round(3)[0].tolist()
    [[0.0, 1.0], [0.841, 0.54]]
    """

    saved = ("base",)

    def __init__(self, incoming: Any, base: float = 10000.0, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        _check_sequence(self)
        if not base > 0:
            raise ArgumentError(f"{self!r}: base={base!r} must be positive")
        self.base = base

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula; angles in float64, of which float32 would lose digits."""
        features: Any = self.input_shape[2]
        pairs = (features + 1) // 2
        rates = T.constant(
            [self.base ** (-2 * pair / features) for pair in range(pairs)], "float64"
        )
        steps = T.cast(T.arange(input.shape[1]), "float64")
        angles = steps.dimshuffle(0, "x") * rates.dimshuffle("x", 0)
        waves = T.stack([T.sin(angles), T.cos(angles)], axis=2)
        table = T.reshape(waves, (input.shape[1], 2 * pairs))[:, :features]
        return input + T.cast(table, input.dtype).dimshuffle("x", 0, 1)


class LearnedPositionalEncodingLayer(Layer):
    """out[n, t] = x[n, t] + W[t].

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, features), the features known
    num_positions : the most time steps; by default those of the input shape
    W : (num_positions, features)

    Raises
    ------
    ShapeError : another rank, features not known, or more time steps than positions
    ArgumentError : num_positions is missing, or not 1 or more

    References
    ----------
    Gehring et al. 2017, Convolutional sequence to sequence learning, section 3.1.
    arXiv:1705.03122

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, LearnedPositionalEncodingLayer
    >>> x = InputLayer((None, None, 8))
    >>> LearnedPositionalEncodingLayer(x, num_positions=50).W.get_value().shape
    (50, 8)
    """

    saved = ("num_positions", "W")

    def __init__(
        self,
        incoming: Any,
        num_positions: int | None = None,
        W: Any = Constant(0.0),  # noqa: B008 (a rule, not a state)
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        _check_sequence(self)
        time = self.input_shape[1]
        count = time if num_positions is None else num_positions
        if not isinstance(count, int_types) or isinstance(count, bool) or count < 1:
            raise ArgumentError(
                f"{self!r}: num_positions={num_positions!r} with the input shape "
                f"{self.input_shape}; give the most time steps there will be"
            )
        if time is not None and time > count:
            raise ShapeError(
                f"{self!r}: the input shape {self.input_shape} has {time} time steps, "
                f"num_positions={count}"
            )
        self.num_positions = int(count)
        self.W: Any = self.add_param(W, (self.num_positions, self.input_shape[2]), "W")

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula; more steps than positions are refused when the function runs."""
        rows = T.take(self.W, T.arange(input.shape[1]), axis=0)
        return input + rows.dimshuffle("x", 0, 1)


def _check_sequence(layer: Layer) -> None:
    shape = layer.input_shape
    if len(shape) != 3 or shape[2] is None:
        raise ShapeError(
            f"{layer!r}: the input shape {shape} must be (batch, time, features), the "
            "number of features known"
        )
