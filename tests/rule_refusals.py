"""Expressions that look like what a rule changes, and that it must leave alone.

`REFUSALS` has, for each rule with a condition, functions that build them: each is one step
beside the rule's own example, where the rewrite would be wrong. `FREE` are the rules that
hold wherever their pattern or their op is found.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.ops.broadcast import BroadcastTo, SumTo
from symgraph.ops.conv_ops import Convolution
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.indexing import ScatterAdd, SetSubtensor, Subtensor
from symgraph.ops.movement import Concatenate, DimShuffle
from symgraph.ops.nnet import LogSumExp
from symgraph.ops.pool_ops import Pool, PoolMaxInput
from symgraph.ops.reading import mask_of
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import MakeVector, SpecifyShape
from symgraph.ops.slices import ALL

Build = Callable[[], Variable | tuple[Variable, ...]]


def leaf(name: str, *shape: int | None, dtype: str = "float64") -> Variable:
    made: Variable = T.TensorType(dtype, shape)(name)
    return made


s, t = leaf("s"), leaf("t")
x, y, z = leaf("x", None), leaf("y", None), leaf("z", None)
m, n, o = leaf("m", None, None), leaf("n", None, None), leaf("o", None, None)
c3, c4 = leaf("c3", None, None, None), leaf("c4", None, None, None, None)
i, j = leaf("i", None, dtype="int64"), leaf("j", None, dtype="int64")
k, p = leaf("k", dtype="int64"), leaf("p", dtype="int64")
known = leaf("known", 4)
e, f = T.exp(x), T.exp(m)
rows = f.sum(axis=1, keepdims=True)
turned = f.sum(axis=0).dimshuffle(0, "x")
label = leaf("label", None, dtype="int32")
same = Elementwise("add")
head = (("slice", None, 2, None),)
at = (("v",),)


def cut(v: Variable, *entries: Any) -> Variable:
    """A read of known places."""
    made: Variable = Subtensor(entries)(v)
    return made


def sliced(v: Variable, *bounds: int | None) -> Variable:
    return cut(v, ("slice", *bounds))


def sig(v: Variable) -> Variable:
    return T.sigmoid(v)


def image(v: Variable, w: Variable, last: bool = True) -> Variable:
    op = Convolution((1, 1), ((0, 0), (0, 0)), (1, 1), 1, True, last)
    made: Variable = op(v, w)
    return made


def pooled(v: Variable, g: Variable, mask: Variable) -> Variable:
    sizes: Any = ((1, 1), (1, 1), ((0, 0), (0, 0)), True, True)
    y = Pool("max", *sizes, "all")(v)
    return T.switch(mask, PoolMaxInput(*sizes)(v, y, g), 0.0)


def part(v: Variable, start: int, stop: int) -> Variable:
    spec = (("slice", start, stop, None), ALL)
    made: Variable = SetSubtensor(spec, "set")(T.zeros((4, 3)), v)
    return made


two = leaf("two", 2, 3)
a23, b34, z24 = leaf("a23", 2, 3), leaf("b34", 3, 4), leaf("z24", 2, 4)
column, one_row = leaf("column", None, 1), leaf("one_row", 1, None)
w5, bias = leaf("w5", 5, 2, 1, 1), leaf("bias", 5)
th, tall = T.tanh(x), T.tanh(m)
soft, most = T.softmax(m), m.max(1, keepdims=True)
here = mask_of(m, T.cast(m[:, 0] > 0, "int64"))
there = mask_of(m, T.cast(m[:, 1] > 0, "int64"))
picked = T.sum(T.switch(here, soft, 0.0), 1)
labels, places = here.owner.inputs


def written(*spec: Any, values: Variable) -> Variable:
    """Zeros of shape (4, 3) that hold values at places that a spec tells."""
    made: Variable = SetSubtensor(spec, "set")(T.zeros((4, 3)), values)
    return made


REFUSALS: dict[str, list[Build]] = {
    # --- patterns with a condition
    "pow_minus_half_to_rsqrt": [lambda: x**-0.5, lambda: (x - y) ** -0.5],
    "pow_pow_to_pow": [lambda: (x**2) ** 0.5, lambda: (x**0.5) ** 2],
    "abs_of_not_negative_to_operand": [
        lambda: abs(x), lambda: abs(e - T.exp(y)), lambda: abs(x**3),
        lambda: abs(T.switch(x > 0, e, x)), lambda: abs(e * x), lambda: abs(T.log(e)),
        lambda: abs(T.minimum(e, x)), lambda: abs(Cast("int64")(e)), lambda: abs(i),
        lambda: abs(x.sum()), lambda: abs(x.max()), lambda: abs(T.constant(-2.0) * e),
        lambda: abs(k - x.shape[0]), lambda: abs(x.shape[0] - 1),
    ],
    "neg_even_power_to_power": [lambda: (-x) ** 3, lambda: (-x) ** 0.5, lambda: (-x) ** y],
    "abs_even_power_to_power": [
        lambda: abs(x) ** 3, lambda: abs(x) ** -1, lambda: abs(x) ** y,
        lambda: abs(leaf("q", None, dtype="complex128")) ** 2,
    ],
    # --- elementwise
    "constant_to_value": [
        lambda: T.exp(x), lambda: T.constant(2.0) * x,
        lambda: T.constant(np.array([1, 2]))[k],
    ],
    "cast_to_operand": [lambda: T.cast(x, "float32"), lambda: Cast("int64")(x)],
    "cast_cast_to_cast": [
        lambda: Cast("float64")(Cast("float32")(x)),
        lambda: Cast("float64")(Cast("int64")(x)),
        lambda: Cast("int64")(Cast("int8")(i)), lambda: Cast("int64")(Cast("float64")(i)),
        lambda: Cast("int64")(Cast("uint64")(i)), lambda: Cast("float32")(Cast("bool")(x)),
    ],
    "broadcast_operand_to_operand": [
        lambda: y + T.full_like(x, 2.0), lambda: T.full_like(x, 2.0) * T.full_like(y, 3.0),
        lambda: T.full_like(m, 2.0) * x,
    ],
    "elementwise_of_broadcasts_to_broadcast": [lambda: x * y, lambda: T.exp(x)],
    "leading_axes_to_implicit": [
        lambda: c3 + T.dimshuffle(m, "x", 1, 0),
        lambda: x + T.dimshuffle(y, "x", 0), lambda: m + T.dimshuffle(x, 0, "x"),
        lambda: m + T.dimshuffle(m, 1, 0),
    ],
    # --- shapes
    "extent_to_inputs": [lambda: x.shape[0] * 1, lambda: m.shape[1] + 0],
    "dimshuffle_to_operand": [
        lambda: m.T, lambda: T.dimshuffle(x, "x", 0), lambda: T.dimshuffle(leaf("l", 1), ),
    ],
    "dimshuffle_dimshuffle_to_one": [lambda: T.exp(m.T).T, lambda: m.T],
    "dimshuffle_of_broadcast_to_broadcast": [
        lambda: BroadcastTo(2)(x, y.shape[0], x.shape[0]).T, lambda: T.exp(m).T,
    ],
    "reshape_to_operand": [
        lambda: T.reshape(m, (m.shape[1], m.shape[0])), lambda: T.reshape(m, (k, p)),
        lambda: T.reshape(x, (2, 2)), lambda: T.reshape(m, (-1,)),
        lambda: T.reshape(x, (4,)),
    ],
    "reshape_reshape_to_one": [
        lambda: T.reshape(m.T, (-1,)),
        lambda: T.reshape(T.exp(T.reshape(m, (-1,))), (2, 3)),
    ],
    "reshape_to_dimshuffle": [
        lambda: T.reshape(m, (m.shape[1], 1, m.shape[0])), lambda: T.reshape(m, (-1,)),
        lambda: T.reshape(x, (k, 1, p)), lambda: T.reshape(m, (k, 1, p)),
    ],
    "reshape_of_broadcast_to_broadcast": [
        lambda: T.reshape(BroadcastTo(2)(x, y.shape[0], x.shape[0]), (-1,)),
    ],
    "specified_shape_to_operand": [lambda: SpecifyShape((3,))(x)],
    "broadcast_to_operand": [
        lambda: BroadcastTo(1)(x, y.shape[0]), lambda: BroadcastTo(1)(x, k),
        lambda: BroadcastTo(2)(x, x.shape[0], x.shape[0]),
    ],
    "broadcast_broadcast_to_one": [
        lambda: BroadcastTo(2)(T.dimshuffle(x, 0, "x"), x.shape[0], k),
        lambda: BroadcastTo(2)(m.T, m.shape[1], m.shape[0]),
    ],
    "sum_to_operand": [lambda: SumTo()(x, y), lambda: SumTo()(m, m.T)],
    "sum_to_reads_shape_of_leaf": [
        lambda: SumTo()(x, y), lambda: SumTo()(m, T.exp(x) + n), lambda: SumTo()(x, y * z),
    ],
    "reduce_reduce_to_one": [
        lambda: T.max(T.sum(m, 1), 0), lambda: T.sum(T.max(m, 1), 0),
        lambda: T.sum(T.exp(T.sum(m, 1)), 0),
        lambda: Reduce("max", (0,), True)(Reduce("max", (1,))(m)),
    ],
    "reduce_of_dimshuffle_to_reduce": [lambda: T.sum(m, 0), lambda: T.sum(T.exp(m.T), 0)],
    "reduce_of_ones_to_dimshuffle": [lambda: T.sum(m, 0), lambda: T.max(x)],
    "sum_of_broadcast_to_product": [
        lambda: T.prod(T.full_like(z24, s), 0),
        lambda: T.prod(T.full_like(z24, s)),
        lambda: T.max(T.full_like(x, s)), lambda: T.min(T.full_like(m, s), 0),
        lambda: T.prod(T.full_like(x, s)), lambda: T.all(T.full_like(x, s) > t),
        lambda: T.sum(BroadcastTo(2)(x, k, x.shape[0]), 0),
        lambda: T.max(BroadcastTo(1)(s, k)),
    ],
    "reduce_of_broadcast_to_broadcast": [
        lambda: T.sum(BroadcastTo(2)(x, k, x.shape[0]), 0),
        lambda: T.sum(BroadcastTo(2)(m, k, m.shape[1]), 0), lambda: T.sum(m, 0),
    ],
    # --- slices
    "subtensor_to_operand": [
        lambda: known[k:],
        lambda: known[1],
        lambda: cut(z24, 0, ALL),
        lambda: cut(z24, ALL, 1),
        lambda: sliced(known, None, None, -1),
        lambda: x[1:], lambda: x[:3], lambda: x[::2], lambda: x[::-1], lambda: m[:, 0],
        lambda: known[:3], lambda: known[1:], lambda: x[k:], lambda: x[:k],
        lambda: x[0:-1], lambda: x[:4],
    ],
    "element_of_vector_to_scalar": [
        lambda: MakeVector("float64")(s, t)[k], lambda: MakeVector("float64")(s, t)[k:],
        lambda: x[0],
    ],
    "subtensor_subtensor_to_one": [
        lambda: known[k:][1:],
        lambda: known[1:][k:],
        lambda: known[:k][:p],
        lambda: cut(cut(x, ("slice", 1, None, None)), 0),
        lambda: cut(cut(x, ("slice", 1, None, None)), ("slice", 1, None, None)),
        lambda: x[k:][1:], lambda: x[1:][k], lambda: T.exp(x[1:])[0],
    ],
    "subtensor_of_broadcast_to_broadcast": [
        lambda: cut(T.full_like(x, s), 0), lambda: cut(T.full_like(x, s), 5),
        lambda: cut(BroadcastTo(2)(x, k, x.shape[0]), ("slice", 1, None, None), ALL),
    ],
    "subtensor_of_concatenate_to_part": [
        lambda: sliced(Concatenate(0)(known, y), 4, 6, None),
        lambda: sliced(Concatenate(0)(known, known), 3, 3, None),
        lambda: sliced(Concatenate(0)(known, y), -2, 3, None),
        lambda: sliced(Concatenate(0)(known, y), 0, -1, None),
        lambda: sliced(Concatenate(0)(known, y), 3, 0, -1),
        lambda: sliced(Concatenate(0)(known, y), 3, None, -1),
        lambda: cut(Concatenate(0)(x, y), 0), lambda: cut(Concatenate(0)(x, y), *head),
        lambda: cut(Concatenate(0)(known, y), ("slice", 3, 5, None)),
        lambda: cut(Concatenate(0)(known, y), -1), lambda: Concatenate(0)(known, y)[k],
        lambda: cut(Concatenate(0)(known, y), ("slice", None, None, -1)),
        lambda: cut(Concatenate(0)(known, y), ("slice", -2, None, None)),
        lambda: cut(Concatenate(0)(known, y), 4),
        lambda: cut(Concatenate(0)(known, known), ("slice", 2, 6, None)),
    ],
    "subtensor_of_set_to_value": [
        lambda: T.set_subtensor(x[k], s)[p], lambda: T.set_subtensor(x[:2], y[:2])[1:3],
        lambda: T.inc_subtensor(x[:2], y[:2])[:2], lambda: T.set_subtensor(x[k:], s)[p:],
        lambda: T.set_subtensor(x[0], s)[1], lambda: T.set_subtensor(x[k], s)[0],
        lambda: T.set_subtensor(x[k], s)[k + 1], lambda: T.set_subtensor(m[0], x)[:, 0],
    ],
    "subtensor_of_elementwise_to_elementwise": [
        lambda: (e[0], e.sum()), lambda: (x + y)[0], lambda: (m + x)[0], lambda: x[0],
        lambda: (e[0], e[1]),
    ],
    "slices_of_elementwise_to_elementwise": [
        lambda: (T.exp(known), T.exp(known)[:2]),
        lambda: (T.exp(known)[0], T.exp(known)[1:]),
        lambda: (T.exp(z24)[:1, :2], T.exp(z24)[1:, 2:]),
        lambda: (T.exp(z24)[:1], T.exp(z24)[:, 2:]),
        lambda: (T.exp(known)[:2], T.exp(known)[:1:-1]),
        lambda: (T.exp(known)[:3], T.exp(known)[2:]), lambda: (e[:2], e[2:]),
        lambda: (T.exp(known)[:2], T.exp(known)[2:], T.exp(known).sum()),
        lambda: (T.exp(known)[::2], T.exp(known)[1::2]),
        lambda: (T.exp(known)[:k], T.exp(known)[k:]),
    ],
    "concatenate_of_one_to_operand": [
        lambda: Concatenate(0)(x, y), lambda: Concatenate(0)(x, leaf("u", 1)),
    ],
    "concatenate_concatenate_to_one": [
        lambda: Concatenate(0)(Concatenate(1)(m, n), o),
        lambda: Concatenate(0)(T.exp(Concatenate(0)(x, y)), z),
    ],
    # --- algebra
    "where_constant_to_branch": [lambda: T.switch(x > 0, x, y),
                                 lambda: T.switch(np.array([True, False]), x, y)],
    "comparison_of_same_to_constant": [
        lambda: T.neq(x, x), lambda: T.eq(x, x), lambda: x <= x, lambda: x >= x,
        lambda: x < y, lambda: T.eq(i, j), lambda: T.neq(e, T.exp(y)),
        lambda: T.eq(leaf("q", dtype="complex128"), leaf("q", dtype="complex128")),
    ],
    "extent_comparison_to_constant": [
        lambda: T.ge(k, 0), lambda: T.lt(i, 0), lambda: T.ge(x.shape[0], 1),
        lambda: T.maximum(x.shape[0], 1), lambda: T.ge(x.shape[0] - y.shape[0], 0),
        lambda: T.lt(x.shape[0], 2), lambda: T.maximum(k, 0), lambda: T.ge(0, x.shape[0]),
        lambda: T.maximum(x.shape[0] - 1, 0), lambda: T.ge(x.shape[0] + k, 0),
        lambda: T.lt(-x.shape[0], 0), lambda: T.lt(x.shape[0] * k, 0),
    ],
    "nested_broadcast_extent_to_one": [
        lambda: Elementwise("broadcast_extent")(k, p),
        lambda: Elementwise("broadcast_extent")(
            Elementwise("broadcast_extent")(k, p), x.shape[0]),
    ],
    "div_by_power_of_two_to_mul": [
        lambda: x / 3, lambda: x / y, lambda: x / T.constant(0.0), lambda: x / np.inf,
        lambda: x / 2.0**-1074, lambda: x / 2.0**1023, lambda: x / 10,
    ],
    # --- reductions and products
    "scalar_out_of_sum": [
        lambda: T.max(s * x), lambda: T.min(-x), lambda: T.prod(s * x),
        lambda: T.max(x / s),
        lambda: T.sum(x * y), lambda: T.sum(s / x), lambda: T.max(-2.0 * x),
        lambda: T.sum(i // 2), lambda: T.sum(x + s),
    ],
    "scalar_out_of_dot": [
        lambda: T.dot(m * x, n), lambda: T.dot(s / m, n), lambda: T.dot(m + s, n),
        lambda: (T.dot(m * s, n), T.exp(m * s)),
    ],
    "dot_with_zero_to_zero": [
        lambda: T.dot(m, T.ones_like(n)), lambda: T.dot(m, n),
        lambda: T.dot(m, T.constant(np.array([[0.0, 1.0]]))),
    ],
    "transposed_dot_to_dot": [
        lambda: T.dimshuffle(T.dot(m, n), 0, "x", 1),
        lambda: T.dot(m, x).dimshuffle(0, "x"),
        lambda: (lambda d: (d.T, T.exp(d)))(T.dot(m, n)),
        lambda: T.batched_dot(c3, c3).dimshuffle(2, 1, 0), lambda: T.exp(m).T,
        lambda: T.batched_dot(c3, c3).dimshuffle(1, 0, 2),
    ],
    "sum_of_one_hot_to_value": [
        lambda: T.max(T.switch(here, s, 0.0), 1),
        lambda: T.sum(T.switch(here, s, 0.0), 0),
        lambda: T.sum(T.switch(here, s, 1.0), 1),
        lambda: T.sum(T.switch(here, n, 0.0), 1),
        lambda: T.sum(T.switch(here, x, 0.0), 1),
        lambda: T.sum(T.switch(T.neq(labels, places), s, 0.0), 1),
        lambda: T.sum(T.switch(T.eq(labels, T.arange(k)), s, 0.0), 1),
        lambda: T.sum(T.switch(T.eq(labels, np.array([0, 2, 1])), s, 0.0), 1),
        lambda: T.sum(T.switch(T.eq(labels.T, places), s, 0.0), 1),
        lambda: T.sum(
            T.switch(T.eq(i.dimshuffle(0, "x"), T.arange(m.shape[1])), s, 0.0), 1),
        lambda: T.sum(T.switch(m > 0, s, 0.0), 1),
        lambda: T.sum(T.switch(T.eq(T.dimshuffle(i, 0, "x"), T.arange(k)), 2.0, 1.0), 1),
        lambda: T.max(T.one_hot(label, 4, dtype="float64"), 1),
        lambda: T.sum(T.pick(m, label)),
    ],
    "collect_terms": [lambda: x + y, lambda: x - y, lambda: 2 * x, lambda: x / 3],
    "collect_factors": [lambda: x * y, lambda: x / y, lambda: x**2, lambda: i // j],
    # --- exponentials and their sums
    "exp_over_sum_to_softmax": [
        lambda: f / T.exp(n).sum(axis=1, keepdims=True), lambda: f / f.sum(axis=1),
        lambda: f / f.max(axis=1, keepdims=True), lambda: m / m.sum(axis=1, keepdims=True),
        lambda: f / f.sum(axis=0).dimshuffle(0, "x"),
    ],
    "exp_times_reciprocal_sum_to_softmax": [
        lambda: tall * (1 / tall.sum(axis=1, keepdims=True)),
        lambda: 1 / T.exp(n).sum(axis=1, keepdims=True) * f, lambda: f * rows,
        lambda: (1 / f.sum(axis=0)).dimshuffle(0, "x") * f,
        lambda: 1 / f.prod(axis=1, keepdims=True) * f,
    ],
    "sum_of_exp_out_of_sum": [
        lambda: T.sum(n / f.sum(axis=0), axis=1),
        lambda: T.sum(n / n.sum(axis=1, keepdims=True), axis=1),
        lambda: T.sum(n / rows, axis=0), lambda: T.max(n / rows, axis=1),
        lambda: T.sum(n * rows, axis=1), lambda: T.sum(n / m, axis=1),
    ],
    "exp_times_quotients_to_softmax": [
        lambda: f * (n / rows - 1 / n),
        lambda: (n / rows - o / rows) / f,
        lambda: f * (n / rows - o / rows) ** 2,
        lambda: f * (n / turned - o / turned),
        lambda: f * (n / rows + o), lambda: f * (n + o),
        lambda: T.exp(n) * (n / rows - o / rows), lambda: f * (n * rows - o * rows),
    ],
    "weighted_exp_over_sum_to_softmax": [
        lambda: (n * tall).sum(axis=1) / tall.sum(axis=1),
        lambda: (n / f).sum(axis=1) / f.sum(axis=1),
        lambda: (m * e).sum(axis=1) / e.sum(),
        lambda: (n * f).sum(axis=1) / T.exp(n).sum(axis=1),
        lambda: (n * f).max(axis=1) / f.sum(axis=1),
        lambda: (n * f).sum(axis=0) / f.sum(axis=1),
        lambda: (n * f).sum(axis=1) * f.sum(axis=1),
    ],
    "exp_differences_to_tanh": [
        lambda: (th - T.exp(y)) / (th + T.exp(y)),
        lambda: (th - 1) / (th + 1),
        lambda: (e - 1) / (1 - e),
        lambda: (e - 1) / (e + 2), lambda: (e - 1) / (T.exp(y) + 1),
        lambda: (e - 1) * (e + 1),
        lambda: (e - 2) / (e + 2), lambda: T.sinh(x) / T.cosh(y), lambda: (e + 1) / (e - 1),
        lambda: (e - T.exp(y)) / (e + T.exp(z)),
    ],
    "exp_over_one_plus_exp_to_sigmoid": [
        lambda: e / (2 + e), lambda: e * (1 + e), lambda: x / (1 + y), lambda: e / (1 - e),
    ],
    "exp_over_two_exps_to_sigmoid": [
        lambda: th / (th + T.exp(y)),
        lambda: e / (e + T.tanh(y)),
        lambda: e / (T.exp(y) + T.exp(z)), lambda: e / (e - T.exp(y)), lambda: e / (e + y),
        lambda: e * (e + T.exp(y)),
    ],
    "sigmoid_times_exp_to_sigmoid": [
        lambda: th * T.exp(-x),
        lambda: T.exp(-x) / sig(x),
        lambda: sig(x) * T.exp(x), lambda: sig(x) * T.exp(-y), lambda: sig(x) / T.exp(-x),
    ],
    "exp_times_sigmoids_to_sigmoids": [
        lambda: T.exp(-x) * (y * sig(x) - z * sig(x) + 1),
        lambda: T.exp(x) * (y * sig(x) - z * sig(x)), lambda: T.exp(-x) * (y * sig(x) - z),
        lambda: T.exp(-y) * (y * sig(x) - z * sig(x)),
    ],
    "log_softmax_to_fused": [lambda: T.log(T.exp(m)), lambda: T.log(2 * T.softmax(m)),
                             lambda: T.log(m)],
    "log_sum_exp_to_stable": [
        lambda: T.log(f.max(axis=1)), lambda: T.log(m.sum(axis=1)), lambda: T.log(f),
        lambda: T.log((2 * f).sum(axis=1)), lambda: T.log(T.exp2(m).sum(axis=1)),
    ],
    "softmax_of_shifted_to_softmax": [
        lambda: T.softmax(one_row - m.sum(1, keepdims=True)),
        lambda: T.softmax(column - most),
        lambda: T.softmax(m + most),
        lambda: T.softmax(m - n), lambda: T.softmax(m - x), lambda: T.softmax(m * s),
        lambda: T.softmax(m - m.max(axis=0)),
        lambda: T.softmax(T.dimshuffle(x, 0, "x") - m),
        lambda: T.softmax(m - m.max(axis=1, keepdims=True), axis=0),
        lambda: T.softmax(x - n.max(axis=1, keepdims=True)),
    ],
    "minus_log_sum_exp_to_log_softmax": [
        lambda: m - most,
        lambda: m - T.logsumexp(m, 0, keepdims=True).T,
        lambda: m - T.logsumexp(m, (0, 1), keepdims=True),
        lambda: n - T.logsumexp(m, 1, keepdims=True), lambda: m - T.logsumexp(m, 1),
        lambda: m - T.logsumexp(m), lambda: m + T.logsumexp(m, 1, keepdims=True),
        lambda: T.logsumexp(m, 1, keepdims=True) - m,
    ],
    "exp_log_softmax_to_softmax": [lambda: T.exp(m), lambda: T.exp(2 * T.log_softmax(m))],
    "one_minus_sigmoid_to_sigmoid": [
        lambda: 2 - sig(x), lambda: sig(x) - 1, lambda: 1 - T.tanh(x),
        lambda: (1 - sig(x), T.sqrt(sig(x))),
    ],
    "log_of_power_to_product": [
        lambda: T.log(x**2), lambda: T.log((x - y) ** 3), lambda: T.log(e**y),
        lambda: T.log((e - 1) ** 2), lambda: T.log(T.switch(x > 0, e, x) ** 2),
        lambda: T.log(T.sin(x) ** 2), lambda: T.log(T.minimum(e, x) ** 2),
    ],
    "log_of_products_to_sum": [
        lambda: T.log(x * y), lambda: T.log(e * y), lambda: T.log(e / y),
        lambda: T.log(e + 1),
        lambda: T.log(sig(x) * (e - 1)), lambda: T.log(abs(x) * abs(y)),
        lambda: T.log(e * (e - T.exp(y))),
    ],
    "logsumexp_of_shifted_to_logsumexp": [
        lambda: T.logsumexp(m + most, 1) + m.max(1),
        lambda: T.logsumexp(m - most, 1, keepdims=True) + m.max(1),
        lambda: T.logsumexp(m - most, 1) + most,
        lambda: T.logsumexp(m - most, 1) + n.max(1),
        lambda: T.logsumexp(m - most, 1) - m.max(1),
        lambda: T.logsumexp(m * 1, 1) + m.max(1),
        lambda: T.logsumexp(m - n.max(1, keepdims=True), 1) + m.max(1),
        lambda: T.logsumexp(m - m.max(1, keepdims=True), 1) + m.max(0),
        lambda: T.logsumexp(m - m.max(1, keepdims=True), 0) + m.max(1),
        lambda: T.logsumexp(m + n.max(1, keepdims=True), 1) + n.max(1),
        lambda: LogSumExp((1,))(m - x) + x,
    ],
    "log_of_pick_to_pick_of_log": [
        lambda: T.log(T.sum(T.switch(here, m, 0.0), 1)),
        lambda: T.log(T.sum(T.switch(here, soft, 1.0), 1)),
        lambda: T.log(T.max(T.switch(here, soft, 0.0), 1)),
        lambda: T.log(T.sum(T.switch(here, soft, 0.0), 0)),
        lambda: T.log(T.pick(m, label)), lambda: T.log(T.softmax(m).sum(axis=1)),
        lambda: T.log(T.sum(T.switch(n > 0, T.softmax(m), 0.0), 1)),
    ],
    "log_of_part_to_part_of_log": [lambda: T.log(m[:, 0]), lambda: T.log(m.T[0]),
                                   lambda: T.log((f + 1)[:, 0])],
    "log_of_prod_to_sum_of_log": [
        lambda: T.log(T.prod(m, 1)), lambda: T.log(T.sum(sig(m), 1)),
        lambda: T.log(T.prod(f - 1, 1)), lambda: T.log(T.max(f, 1)),
    ],
    "picked_quotient_to_mask": [
        lambda: soft * T.switch(there, 1 / picked.dimshuffle(0, "x"), 0.0),
        lambda: soft * T.switch(here, 1 / picked.dimshuffle(0, "x"), 1.0),
        lambda: soft * T.switch(here, 1 / picked, 0.0),
        lambda: soft * T.switch(here, picked.dimshuffle(0, "x"), 0.0),
        lambda: T.softmax(m) * T.switch(n > 0, 1 / T.softmax(m), 0.0),
        lambda: T.softmax(m) * T.softmax(n), lambda: m * (1 / n + o),
    ],
    "product_into_quotients": [
        lambda: (x / y - z) * y, lambda: (x / y - z / (1 + y)) * y, lambda: (x + y) * z,
        lambda: (x / y - z / y) * x, lambda: (x / sig(y) - z) * y,
    ],
    # --- writes
    "sum_of_masked_to_sum_of_choice": [
        lambda: T.sum(m[:, y > 0], 0),
        lambda: T.sum(m[y > 0], 1),
        lambda: T.max(x[y > 0]), lambda: T.sum(x[y > 0] * z), lambda: T.prod(x[y > 0]),
        lambda: T.sum(x[y > 0] * x[z > 0]), lambda: T.sum(T.sort(x[y > 0])),
        lambda: T.sum(x[i]), lambda: T.sum(T.cumsum(x[y > 0])),
        lambda: T.sum(x[T.nonzero(y > 0)[0]]), lambda: T.sum(x[T.flatnonzero(m > 0)]),
    ],
    "write_of_masked_to_choice": [
        lambda: T.inc_subtensor(x[y > 0], z), lambda: T.set_subtensor(x[y > 0], x[z > 0]),
        lambda: T.inc_subtensor(x[i], T.exp(x[i])),
        lambda: T.inc_subtensor(x[y > 0], T.sort(x[y > 0])),
        lambda: T.inc_subtensor(x[T.nonzero(y > 0)[0]], T.exp(x[T.nonzero(y > 0)[0]])),
    ],
    "sum_with_scatter_to_scatter": [
        lambda: m - ScatterAdd(0)(T.exp(m), i, n),
        lambda: m * ScatterAdd(0)(T.zeros_like(m), i, n),
        lambda: m - ScatterAdd(0)(n, i, o),
        lambda: ScatterAdd(0)(T.zeros_like(m), i, n) - m,
        lambda: x + ScatterAdd(0)(T.zeros_like(m), i, n),
        lambda: n - ScatterAdd(0)(T.zeros_like(m), i, o),
        lambda: (lambda g: (m - g, T.exp(g)))(ScatterAdd(0)(T.zeros_like(m), i, n)),
    ],
    "sum_of_parts_to_join": [
        lambda: part(two[:1], 0, 2) + part(two, 2, 4),
        lambda: written(*[("slice", 0, 2, None)] * 2, values=two[:, :2])
        + part(two, 2, 4),
        lambda: T.set_subtensor(T.zeros((4, 3))[k : k + 2], two) + part(two, 2, 4),
        lambda: written(("slice", 0, 2, None), ALL, values=leaf("r", 2, 1))
        + part(two, 2, 4),
        lambda: written(("slice", 0, 4, 2), ALL, values=two)
        + written(("slice", 1, 4, 2), ALL, values=two),
        lambda: part(two, 0, 2) + part(two, 1, 3),
        lambda: part(two, 0, 2) + leaf("w", 4, 3),
        lambda: part(two, 0, 2) + SetSubtensor(
            (("slice", 2, 4, None), ALL), "set")(T.ones((4, 3)), two),
        lambda: (lambda a: (a + part(two, 2, 4), T.exp(a)))(part(two, 0, 2)),
    ],
    "sum_with_dot_to_gemm": [
        lambda: (lambda d: (z24 + d, T.exp(d)))(T.dot(a23, b34)),
        lambda: T.exp(z24 + T.dot(a23, b34)),
        lambda: leaf("r", 2) + T.dot(a23, leaf("q", 3)),
        lambda: x + T.dot(m, n), lambda: T.dot(m, x) + y, lambda: m * n + o,
        lambda: (lambda d: (o + d, T.exp(d)))(T.dot(m, n)), lambda: n + T.dot(m, o),
    ],
    # --- images
    "positive_to_positive_leaky": [
        lambda: (x > 0) & (T.nnet.relu(y, 0.1) > 1), lambda: (x > 0, T.nnet.relu(x, 0.1)),
        lambda: (lambda v: (v > 0, T.nnet.relu(v, -0.1)))(T.exp(x) - 2),
        lambda: (lambda v: (v > 1, T.nnet.relu(v, 0.1)))(T.exp(x) - 2),
    ],
    "channels_first_to_channels_last": [lambda: image(c4, c4)],
    "elementwise_of_image_to_image": [
        lambda: T.exp(DimShuffle((0, 3, 1, 2))(c4)), lambda: T.exp(image(c4, c4)),
        lambda: T.exp(DimShuffle((0, 1, 3, 2))(image(c4, c4))),
    ],
    "convolution_bias_to_epilogue": [
        lambda: T.nnet.relu(image(c4, w5) * bias),
        lambda: image(leaf("a", 1, 2, 5, 5), w5, False) + bias,
        lambda: (lambda v: (T.nnet.relu(v + bias), T.exp(v)))(image(c4, w5)),
        lambda: T.nnet.relu(image(c4, w5) + bias, s),
        lambda: (lambda v: (v + bias, T.exp(v)))(image(c4, w5)),
        lambda: (lambda q: (T.nnet.relu(q), T.exp(q)))(image(c4, w5) + leaf("b", None)),
        lambda: image(c4, w5) + leaf("b", None),
        lambda: image(c4, w5, False) + leaf("b", 5),
        lambda: T.nnet.relu(image(c4, w5) + leaf("b", 1)),
        lambda: image(c4, w5) * bias,
        lambda: image(c4, w5) - bias,
        lambda: image(c4, c4) + c4, lambda: T.nnet.relu(image(c4, c4) + y) * 0 + m,
        lambda: T.nnet.relu(image(c4, c4)), lambda: image(c4, c4, False) + y,
        lambda: (lambda v: (v + y, T.exp(v)))(image(c4, c4)),
    ],
    "mask_of_pool_gradient_to_pooled_mask": [
        lambda: pooled(c4, T.exp(c4), T.exp(c4) > 0), lambda: pooled(c4, T.exp(c4), c4 < 0),
        lambda: pooled(c4, T.exp(c4), c4 > T.exp(c4)),
    ],
    # --- expansion
    "composition_to_primitives": [
        lambda: T.argmax(m, 1),
        lambda: T.exp(x), lambda: T.sum(m, 1)],
    "power_to_products": [
        lambda: Elementwise("pow")(i, T.constant(np.int64(-2))),
        lambda: x**0.5, lambda: x**y, lambda: x**17, lambda: i**k, lambda: x**0,
    ],
    "power_of_halves_to_sqrt": [lambda: x**2, lambda: x**0.3, lambda: x**4.5, lambda: x**y],
}  # fmt: skip
#: procedural rules without a condition on what they find
FREE = frozenset(
    ("gradient_marker_to_operand", "identity_to_operand", "fill_to_broadcast")
)
