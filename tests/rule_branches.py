"""For rules that have branches: an expression for each, which the rule changes."""

import numpy as np
from rule_refusals import (
    ALL,
    Build,
    a23,
    b34,
    bias,
    c3,
    c4,
    column,
    cut,
    e,
    f,
    here,
    i,
    image,
    k,
    known,
    leaf,
    m,
    n,
    o,
    part,
    rows,
    s,
    sig,
    sliced,
    t,
    two,
    w5,
    x,
    y,
    z,
    z24,
)  # fmt: skip

import symgraph.tensor as T
from symgraph.ops.broadcast import BroadcastTo, SumTo
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.indexing import ScatterAdd, SetSubtensor
from symgraph.ops.movement import Concatenate
from symgraph.ops.reading import mask_of
from symgraph.ops.shape import MakeVector

d3 = leaf("d3", None, None, None)
at_known = mask_of(z24, leaf("two_labels", 2, dtype="int64"))
added = ScatterAdd(0)(T.zeros_like(m), i, n)
safe = ScatterAdd(0, True)(T.zeros_like(m), i % 2, n)


BRANCHES: dict[str, list[Build]] = {
    "transposed_dot_to_dot": [
        lambda: T.dot(m, n).T, lambda: T.batched_dot(c3, d3).dimshuffle(0, 2, 1),
    ],
    "scalar_out_of_sum": [
        lambda: T.sum(s * x), lambda: T.sum(x * s), lambda: T.sum(m / s, 0),
        lambda: T.sum(-m, 1), lambda: T.sum(i * k),
    ],
    "scalar_out_of_dot": [
        lambda: T.dot(m * s, n), lambda: T.dot(m, s * n), lambda: T.dot(m / s, n),
        lambda: T.dot(m, n / s), lambda: T.dot(-m, n), lambda: T.dot(m, -x),
        lambda: T.batched_dot(c3 * s, d3), lambda: T.batched_dot(c3, -d3),
    ],
    "dot_with_zero_to_zero": [
        lambda: T.dot(m, T.zeros_like(n)), lambda: T.dot(T.zeros_like(m), n),
        lambda: T.dot(T.zeros_like(x), y), lambda: T.batched_dot(T.zeros_like(c3), d3),
    ],
    "sum_of_one_hot_to_value": [
        lambda: T.sum(T.switch(here, s, 0.0), 1), lambda: T.sum(T.switch(here, s, 0.0)),
        lambda: T.sum(T.switch(here, column, 0.0), 1),
        lambda: T.sum(T.switch(at_known, s, 0.0), 1),
    ],
    "sum_with_dot_to_gemm": [
        lambda: z24 + T.dot(a23, b34), lambda: T.dot(a23, b34) + z24,
        lambda: z24 - T.dot(a23, b34), lambda: T.dot(a23, b34) - z24,
        lambda: z24 * s - T.dot(a23, b34) / t, lambda: -z24 + T.dot(a23, b34) * -s,
        lambda: T.dot(a23, b34) / s - z24 / t, lambda: T.exp(T.exp(z24) + T.dot(a23, b34)),
    ],
    "sum_with_scatter_to_scatter": [
        lambda: m + added, lambda: added + m, lambda: m - added, lambda: m - s * added,
        lambda: m + added * s, lambda: m - safe,
    ],
    "sum_of_parts_to_join": [
        lambda: part(two, 0, 2) + part(two, 2, 4),
        lambda: part(two, 2, 4) + part(two, 0, 2),
        lambda: part(two[:1], 0, 1) + part(two[1:], 3, 4),
        lambda: part(two, 0, 2) + leaf("whole", 4, 3) + part(two, 2, 4),
        lambda: part(two, 0, 2) + part(two, 2, 4) + _columns(0) + _columns(1),
    ],
    "reduce_of_dimshuffle_to_reduce": [
        lambda: T.sum(m.T, 0), lambda: T.sum(x.dimshuffle("x", 0), 0),
        lambda: T.max(m.dimshuffle(1, "x", 0), (1, 2)),
        lambda: T.prod(c3.dimshuffle(2, 0, 1), 1),
    ],
    "reduce_reduce_to_one": [
        lambda: T.sum(T.sum(c3, 1), 0), lambda: T.max(T.max(c3, 0), 1),
        lambda: T.prod(T.prod(c3, (0, 2)), 0), lambda: T.all(T.all(m > 0, 0), 0),
    ],
    "sum_of_broadcast_to_product": [
        lambda: T.sum(T.full_like(m, s), 0), lambda: T.sum(T.full_like(m, s)),
        lambda: T.max(T.full_like(z24, s), 0), lambda: T.min(T.full_like(z24, s)),
        lambda: T.any(BroadcastTo(1)(s > 0, T.constant(np.int64(3)))),
    ],
    "sum_to_operand": [
        lambda: SumTo()(T.exp(m), m), lambda: SumTo()(z24, leaf("u", 2, 1)),
        lambda: SumTo()(z24, leaf("v", 1, 4)), lambda: SumTo()(z24, leaf("w", 1, 1)),
    ],
    "cast_cast_to_cast": [
        lambda: Cast("float64")(Cast("int64")(leaf("i8", None, dtype="int8"))),
        lambda: Cast("int8")(Cast("int64")(leaf("i8", None, dtype="int8"))),
        lambda: Cast("float32")(Cast("float64")(leaf("q", None, dtype="float32"))),
    ],
    "element_of_vector_to_scalar": [
        lambda: cut(MakeVector("float64")(s, t), 1),
        lambda: cut(MakeVector("float64")(s, t), -2),
        lambda: sliced(MakeVector("float64")(s, t), None, None, -1),
        lambda: sliced(MakeVector("float64")(s, t), 1, None, None),
    ],
    "subtensor_to_operand": [
        lambda: sliced(x, None, None, None), lambda: sliced(x, 0, None, 1),
        lambda: sliced(known, 0, 4, None), lambda: sliced(known, -4, None, None),
        lambda: sliced(known, None, 9, 1),
    ],
    "subtensor_subtensor_to_one": [
        lambda: cut(cut(m, ("slice", 1, None, None), ALL), ALL, 0),
        lambda: cut(cut(m, 0, ALL), 1), lambda: m[k:][:, 1:], lambda: m[:, 1:][k],
        lambda: sliced(sliced(known, 1, None, None), 1, None, None),
        lambda: sliced(sliced(known, None, None, -1), 1, None, None),
        lambda: sliced(sliced(known, 3, 0, -1), None, None, -1),
        lambda: sliced(sliced(known, None, None, -1), None, None, 2),
        lambda: sliced(sliced(known, 2, None, None), 5, None, None),
        lambda: cut(sliced(known, 3, None, -2), -1),
    ],
    "subtensor_of_concatenate_to_part": [
        lambda: cut(Concatenate(0)(known, y), 2),
        lambda: cut(Concatenate(0)(known, known), -1),
        lambda: sliced(Concatenate(0)(known, y), None, 3, None),
        lambda: sliced(Concatenate(0)(known, known), 4, None, None),
        lambda: sliced(Concatenate(0)(known, known), 3, None, -1),
        lambda: sliced(Concatenate(0)(known, known), -2, 4, -1),
        lambda: cut(Concatenate(1)(z24, z24), 0, ("slice", 5, 7, None)),
    ],
    "subtensor_of_set_to_value": [
        lambda: T.set_subtensor(x[k], s)[k], lambda: T.set_subtensor(m[:, 1], x)[:, 1],
        lambda: T.set_subtensor(x[1:], s)[1:],
    ],
    "concatenate_of_one_to_operand": [
        lambda: Concatenate(0)(x), lambda: Concatenate(0)(leaf("none", 0), x),
        lambda: Concatenate(0)(x, leaf("none", 0), y),
    ],
    "where_constant_to_branch": [
        lambda: T.switch(True, x, y), lambda: T.switch(False, x, m),
        lambda: T.switch(np.array([True, True, True]), x, 0.0),
    ],
    "comparison_of_same_to_constant": [
        lambda: x < x, lambda: x > x, lambda: i <= i, lambda: i >= i, lambda: T.eq(i, i),
        lambda: T.neq(i, i), lambda: i < i,
    ],
    "extent_comparison_to_constant": [
        lambda: T.ge(x.shape[0], 0), lambda: T.lt(x.shape[0], 0),
        lambda: T.maximum(x.shape[0], 0), lambda: T.maximum(0, x.shape[0]),
        lambda: T.ge(x.shape[0] + y.shape[0], -1), lambda: T.lt(x.shape[0] * 2, 0),
        lambda: T.maximum(T.minimum(x.shape[0], y.shape[0]), 0),
    ],
    "div_by_power_of_two_to_mul": [lambda: x / 4, lambda: x / 0.25, lambda: x / -8],
    "power_to_products": [
        lambda: x**2, lambda: x**3, lambda: x**16, lambda: x**-1, lambda: x**-5,
        lambda: i**7,
    ],
    "log_of_products_to_sum": [lambda: T.log(e * abs(y)), lambda: T.log(abs(y) / sig(x))],
    "log_of_prod_to_sum_of_log": [
        lambda: T.log(T.prod(sig(m), 1)), lambda: T.log(T.prod(e)),
    ],
    "log_of_part_to_part_of_log": [
        lambda: T.log(T.softmax(m)[:, 0]), lambda: T.log(T.reshape(f, (-1,))),
        lambda: T.log(T.take(sig(m), i % 2, axis=0)),
    ],
    "exp_differences_to_tanh": [
        lambda: (e - 1) / (e + 1), lambda: (1 - e) / (1 + e), lambda: y * (e - 1) / (1 + e),
        lambda: (e - T.exp(y)) / (e + T.exp(y)), lambda: (e - T.exp(y)) / (T.exp(y) + e),
        lambda: T.sinh(x) / T.cosh(x) * y, lambda: T.expm1(x) / (e + 1),
        lambda: T.expm1(x) * sig(-x), lambda: (e + -1) / (e + 1),
        lambda: (-1 + e) / (e + 1),
        lambda: ((e - 1) / (e + 1)) ** 2, lambda: ((1 - e) / (1 + e)) ** 2,
        lambda: ((1 - e) / (1 + e)) ** 3,
    ],
    "exp_over_one_plus_exp_to_sigmoid": [
        lambda: e / (1 + e), lambda: y / (e + 1), lambda: e / (1 + e) ** 2,
        lambda: y / (1 + e) ** 2, lambda: e**2 / (1 + e),
        lambda: T.exp(-x) / (1 + T.exp(-x)),
    ],
    "exp_over_two_exps_to_sigmoid": [
        lambda: e / (e + T.exp(y)), lambda: T.exp(y) / (e + T.exp(y)) * z,
        lambda: e**2 / (e + T.exp(y)) ** 2,
    ],
    "sigmoid_times_exp_to_sigmoid": [
        lambda: sig(x) * T.exp(-x), lambda: sig(-x) * e * y,
        lambda: sig(x - y) * T.exp(y - x),
        lambda: sig(2 * x) * T.exp(-2 * x),
        lambda: (lambda p: p * T.exp(-x) + 0 * (1 - p))(sig(x)),
    ],
    "exp_over_sum_to_softmax": [
        lambda: f / rows, lambda: f / f.sum(), lambda: e / e.sum(),
        lambda: f / f.sum(axis=0),
    ],
    "exp_times_reciprocal_sum_to_softmax": [
        lambda: f * (1 / rows), lambda: f * n / rows, lambda: f / rows * (1 / rows),
        lambda: (1 / f.sum(axis=0)) * f, lambda: f * (1 / f.sum()),
    ],
    "sum_of_exp_out_of_sum": [
        lambda: T.sum(n / rows, axis=1), lambda: T.sum(n * o / rows, axis=1),
        lambda: T.sum(n / f.sum(axis=0), axis=0),
    ],
    "weighted_exp_over_sum_to_softmax": [
        lambda: (n * f).sum(axis=1) / f.sum(axis=1),
        lambda: (n * f).sum(axis=0) / f.sum(axis=0),
        lambda: y * (f * n).sum(axis=1) / f.sum(axis=1), lambda: (n * f).sum() / f.sum(),
    ],
    "log_sum_exp_to_stable": [
        lambda: T.log(f.sum(axis=1)), lambda: T.log(f.sum()), lambda: T.log(rows),
        lambda: T.log(f.sum(axis=0).dimshuffle(0, "x")),
    ],
    "log_softmax_to_fused": [
        lambda: T.log(T.softmax(m)), lambda: T.log(T.softmax(m, axis=0).T),
    ],
    "softmax_of_shifted_to_softmax": [
        lambda: T.softmax(m - m.max(1, keepdims=True)), lambda: T.log_softmax(m - s),
        lambda: T.softmax(m - m.sum(0, keepdims=True), axis=0), lambda: T.softmax(x - s),
    ],
    "logsumexp_of_shifted_to_logsumexp": [
        lambda: T.logsumexp(m - m.max(1, keepdims=True), 1) + m.max(1),
        lambda: m.max(1) + T.logsumexp(m - m.max(1, keepdims=True), 1),
        lambda: T.logsumexp(m - m.max(1, keepdims=True), 1, keepdims=True)
        + m.max(1, keepdims=True),
        lambda: T.logsumexp(m - m.max(0), 0) + m.max(0),
    ],
    "sum_of_masked_to_sum_of_choice": [
        lambda: T.sum(x[y > 0]), lambda: T.sum(T.exp(x[y > 0]) * y[y > 0]),
        lambda: T.sum(m[y > 0] * s), lambda: T.sum(m[y > 0], 0),
        lambda: T.sum(x[y > 0] + 1),
    ],
    "write_of_masked_to_choice": [
        lambda: T.inc_subtensor(x[y > 0], T.exp(x[y > 0])),
        lambda: T.set_subtensor(x[y > 0], T.exp(x[y > 0])),
        lambda: T.set_subtensor(x[y > 0], z[y > 0] * s),
    ],
    "product_into_quotients": [
        lambda: (x / e - y / (1 + e)) * (e * (1 + e)),
        lambda: (t / sig(x) - (1 - t) / (1 - sig(x))) * (sig(x) * (1 - sig(x))),
        lambda: (x / sig(y) - z) * sig(y),
    ],
    "convolution_bias_to_epilogue": [
        lambda: image(c4, w5) + bias, lambda: bias + image(c4, w5),
        lambda: T.nnet.relu(image(c4, w5) + bias),
        lambda: T.nnet.relu(image(c4, w5) + bias, 0.1),
    ],
    "leading_axes_to_implicit": [
        lambda: m + x.dimshuffle("x", 0), lambda: x.dimshuffle("x", 0) * m,
        lambda: c3 + m.dimshuffle("x", 0, 1), lambda: c3 - x.dimshuffle("x", "x", 0),
    ],
    "nested_broadcast_extent_to_one": [
        lambda: _extent(_extent(x, y), y), lambda: _extent(y, _extent(x, y)),
        lambda: _extent(x, x),
    ],
}  # fmt: skip


def _extent(*operands: T.Variable) -> T.Variable:
    sizes = [v.shape[0] if v.ndim else v for v in operands]
    return Elementwise("broadcast_extent")(*sizes)


def _columns(place: int) -> T.Variable:
    spec = (ALL, ("slice", place, place + 1, None))
    return SetSubtensor(spec, "set")(T.zeros((4, 3)), leaf(f"column{place}", 4, 1))
