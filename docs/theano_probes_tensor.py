"""Probes of ``theano.tensor``: elementwise functions, variables, shapes, reductions."""

from typing import Any

import numpy as np
from theano_probes import I, V, X, elementwise, probe, refused, same, value

P, B = np.abs(X) + 0.5, X > 0

for _symbol, _oracle, *_arrays in (
    ("T.log", np.log, P),
    ("T.sqrt", np.sqrt, P),
    ("T.exp", np.exp, X),
    ("T.eq", np.equal, X, np.round(X)),
    ("T.neq", np.not_equal, X, np.round(X)),
    ("T.ge", np.greater_equal, X, V),
    ("T.le", np.less_equal, X, V),
    ("T.gt", np.greater, X, V),
    ("T.lt", np.less, X, V),
    ("T.switch", np.where, B, X, V),
    ("T.tanh", np.tanh, X),
    ("T.sqr", np.square, X),
    ("T.square", np.square, X),
    ("T.maximum", np.maximum, X, V),
    ("T.minimum", np.minimum, X, V),
    ("T.abs_", np.abs, X),
    ("T.inv", np.reciprocal, P),
    ("T.cos", np.cos, X),
    ("T.sin", np.sin, X),
    ("T.pow", np.power, P, V),
    ("T.sgn", np.sign, X),
    ("T.floor", np.floor, X),
    ("T.ceil", np.ceil, X),
    ("T.expm1", np.expm1, X),
    ("T.isnan", np.isnan, np.array([1.0, np.nan])),
):
    elementwise(_symbol, _oracle, *_arrays)


@probe("T.add", "T.mul")
def variadic(theano: Any, T: Any) -> None:
    x, y, z = T.dmatrix(), T.dvector(), T.dscalar()
    given = {x: X, y: V, z: np.array(2.0)}
    same(theano, T.add(x, y, z), X + V + 2, given)
    same(theano, T.mul(x, y, z), X * V * 2, given)


@probe("T.round")
def rounding(theano: Any, T: Any) -> None:
    halves = np.array([0.5, 1.5, -2.5, 1.2])
    same(theano, T.round(halves), [0, 2, -2, 1.0])
    same(theano, T.round(halves, mode="half_away_from_zero"), [1, 2, -3, 1.0])


@probe("T.clip")
def clip(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    same(theano, T.clip(x, -1, 1), X.clip(-1, 1), {x: X})
    slope = theano.grad(T.clip(x, -1, 1).sum(), x)
    same(theano, slope, (abs(X) <= 1).astype(float), {x: X})


@probe(
    "T.cast",
    differs="there is no float16",
)
def cast(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    same(theano, T.cast(x, "int32"), X.astype("int32"), {x: X})
    assert T.cast(x, "floatX").dtype == theano.config.floatX
    assert T.cast(T.imatrix(), "bool").dtype == x.astype("bool").dtype == "bool"
    refused(TypeError, lambda: T.cast(x, "float16"))


# --- variables ------------------------------------------------------------------------


@probe("T.scalar", "T.vector", "T.matrix", "T.tensor3", "T.tensor4")
def constructors(theano: Any, T: Any) -> None:
    for ndim, name in enumerate(("scalar", "vector", "matrix", "tensor3", "tensor4")):
        made = getattr(T, name)("x", dtype="int64")
        assert (made.name, made.dtype, made.ndim) == ("x", "int64", ndim)
        assert getattr(T, name)().dtype == theano.config.floatX
        assert made.broadcastable == (False,) * ndim


@probe("T.ivector", "T.imatrix", "T.lscalar", "T.dmatrix")
def typed_constructors(theano: Any, T: Any) -> None:
    assert T.ivector("x").type == T.vector(dtype="int32").type
    assert T.imatrix("x").type == T.matrix(dtype="int32").type
    assert T.lscalar("x").type == T.scalar(dtype="int64").type
    assert T.dmatrix(name="x").type == T.matrix(dtype="float64").type


@probe(
    "T.TensorType",
    differs="it knows extents, not only which are 1 (`.shape`): types of expressions may "
    "be unequal where Theano's are equal",
)
def tensor_type(theano: Any, T: Any) -> None:
    kind = T.TensorType(dtype="float32", broadcastable=(False, True), name="kind")
    x = kind("x")
    assert (x.dtype, x.ndim, x.broadcastable) == ("float32", 2, (False, True))
    assert x.type is kind or x.type == kind
    assert T.TensorType("float32", [False] * 5)().ndim == 5
    array = kind.filter([[1.0], [2.0]], allow_downcast=True)
    assert (array.dtype, array.shape) == ("float32", (2, 1))
    refused(TypeError, lambda: kind.filter(np.zeros((2, 1)), strict=True))


@probe("T.as_tensor_variable", "T.as_tensor")
def as_tensor_variable(theano: Any, T: Any) -> None:
    assert T.as_tensor is T.as_tensor_variable
    x, w = T.dscalar("x"), theano.shared(X)
    assert T.as_tensor_variable(w) is w
    assert T.as_tensor_variable(2).dtype == "int8"
    assert T.as_tensor_variable(X, name="n").name == "n"
    same(theano, T.as_tensor_variable([x, 2 * x]), [3.0, 6.0], {x: 3.0})
    assert T.as_tensor_variable(x, ndim=2).broadcastable == (True, True)
    refused(T.AsTensorError, lambda: T.as_tensor_variable(object()))


@probe(
    "T.constant",
    differs="equal constants are not one object, but one node in a compiled function",
)
def constant(theano: Any, T: Any) -> None:
    assert [T.constant(n).dtype for n in (3, 300, 70000)] == ["int8", "int16", "int32"]
    with theano.config.change_flags(floatX="float32"):
        assert T.constant(3.5).dtype == "float32"
    made = T.constant(X, name="c", dtype="float32")
    assert (made.name, made.dtype) == ("c", "float32")
    assert T.constant(1.0, ndim=2).broadcastable == (True, True)


# --- making tensors -------------------------------------------------------------------


@probe("T.arange")
def arange(theano: Any, T: Any) -> None:
    n = T.lscalar("n")
    same(theano, T.arange(5), np.arange(5))
    same(theano, T.arange(start=n, stop=9, step=2, dtype="int32"), [3, 5, 7], {n: 3})
    same(theano, T.arange(n) * 0.5, [0, 0.5, 1.0], {n: 3})


@probe("T.zeros", "T.ones", "T.alloc")
def filled(theano: Any, T: Any) -> None:
    n = T.lscalar("n")
    same(theano, T.zeros((n, 2)), np.zeros((3, 2)), {n: 3})
    same(theano, T.ones((2, n), dtype="int32"), np.ones((2, 3), int), {n: 3})
    same(theano, T.alloc(0.5, n, 2), np.full((3, 2), 0.5), {n: 3})
    assert T.zeros((3,)).dtype == theano.config.floatX
    assert T.alloc(0.0, 3, 1).broadcastable == (False, True)
    x = T.dmatrix("x")
    same(theano, T.zeros(x.shape), np.zeros((2, 3)), {x: X})


@probe("T.ones_like", "T.zeros_like")
def filled_like(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    same(theano, T.ones_like(x, dtype="int64"), np.ones((2, 3), int), {x: X})
    same(theano, T.zeros_like(x), np.zeros((2, 3)), {x: X})
    same(theano, x.zeros_like(dtype="bool"), np.zeros((2, 3), bool), {x: X})


@probe("T.eye")
def eye(theano: Any, T: Any) -> None:
    same(theano, T.eye(3), np.eye(3))
    same(theano, T.eye(2, 3, 1, dtype="int32"), np.eye(2, 3, 1).astype(int))


# --- shapes ---------------------------------------------------------------------------


@probe("T.reshape", "T.flatten")
def reshape(theano: Any, T: Any) -> None:
    x, s = T.dmatrix("x"), T.lvector("s")
    same(theano, T.reshape(x, (3, -1)), X.reshape(3, 2), {x: X})
    same(theano, x.reshape((x.shape[1], 2)), X.reshape(3, 2), {x: X})
    same(theano, T.reshape(x, s, ndim=3), X.reshape(1, 3, 2), {x: X, s: [1, 3, 2]})
    t = T.dtensor3("t")
    cube = np.arange(24.0).reshape(2, 3, 4)
    same(theano, T.flatten(t), cube.ravel(), {t: cube})
    same(theano, t.flatten(2), cube.reshape(2, 12), {t: cube})
    same(theano, T.flatten(t, outdim=2), cube.reshape(2, 12), {t: cube})


@probe("T.stack", "T.concatenate")
def joining(theano: Any, T: Any) -> None:
    x, y = T.dmatrix("x"), T.fmatrix("y")
    given = {x: X, y: X.astype("float32")}
    same(theano, T.stack([x, y]), np.stack([X, X]), given)
    same(theano, T.stack([x, y], axis=1), np.stack([X, X], 1), given)
    same(theano, T.stack(x, y), np.stack([X, X]), given)
    same(theano, T.concatenate([x, y], axis=1), np.concatenate([X, X], 1), given)
    refused((TypeError, ValueError), lambda: T.concatenate([T.scalar(), T.scalar()]))


@probe("T.transpose", "T.squeeze", "T.shape_padright", "T.shape_padleft")
def axes(theano: Any, T: Any) -> None:
    x, t = T.dmatrix("x"), T.dtensor3("t")
    cube = np.arange(24.0).reshape(2, 3, 4)
    same(theano, T.transpose(x), X.T, {x: X})
    same(theano, T.transpose(t, axes=(2, 0, 1)), cube.transpose(2, 0, 1), {t: cube})
    same(theano, T.squeeze(x.dimshuffle(0, "x", 1)), X, {x: X})
    same(theano, T.shape_padright(x, n_ones=2), X[..., None, None], {x: X})
    same(theano, T.shape_padleft(x), X[None], {x: X})
    assert T.shape_padleft(x, 2).broadcastable == (True, True, False, False)


@probe("T.repeat", "T.extra_ops.repeat", "T.tile")
def repeating(theano: Any, T: Any) -> None:
    x, n = T.dmatrix("x"), T.lscalar("n")
    same(theano, T.repeat(x, 2, axis=1), X.repeat(2, 1), {x: X})
    same(theano, T.extra_ops.repeat(x, 3), X.repeat(3), {x: X})
    same(theano, T.repeat(x, n, axis=0), X.repeat(2, 0), {x: X, n: 2})
    same(theano, T.tile(x, (2, 1)), np.tile(X, (2, 1)), {x: X})
    same(theano, T.tile(x, (n, 1, 2), ndim=3), np.tile(X, (3, 1, 2)), {x: X, n: 3})


@probe("T.unbroadcast", "T.patternbroadcast")
def broadcast_patterns(theano: Any, T: Any) -> None:
    assert T.unbroadcast(T.row(), 0).broadcastable == (False, False)
    marked = T.patternbroadcast(T.matrix("x"), (False, True))
    assert marked.broadcastable == (False, True)


@probe(
    "T.set_subtensor",
    "T.inc_subtensor",
    differs="`inplace` is accepted and decided by the compiler",
)
def subtensors(theano: Any, T: Any) -> None:
    x, i = T.dmatrix("x"), T.ivector("i")
    wanted = X.copy()
    wanted[0] = 7
    same(theano, T.set_subtensor(x[0], 7.0), wanted, {x: X})
    wanted = X.copy()
    wanted[:, :0:-1] += V[:2]
    same(theano, T.inc_subtensor(x[:, :0:-1], V[:2]), wanted, {x: X})
    given = {x: X, i: np.array([0, 0, 2], "int32")}
    added = X + np.array([2, 0, 1.0])
    same(theano, T.inc_subtensor(x[:, i], 1.0), added, given)
    wanted = X.copy()
    wanted[X < 0] = 0
    same(theano, T.set_subtensor(x[T.lt(x, 0).nonzero()], 0), wanted, {x: X})


# --- reductions -----------------------------------------------------------------------


@probe("T.sum", "T.mean", "T.prod", "T.var", "T.std")
def sums(theano: Any, T: Any) -> None:
    x, i = T.dmatrix("x"), T.ivector("i")
    for name in ("sum", "mean", "prod", "var", "std"):
        function, oracle = getattr(T, name), getattr(np, name)
        same(theano, function(x), oracle(X), {x: X})
        same(theano, function(x, axis=0), oracle(X, 0), {x: X})
        same(theano, function(x, axis=(0, 1)), oracle(X), {x: X})
        kept = function(x, axis=-1, keepdims=True)
        assert kept.broadcastable == (False, True)
        same(theano, kept, oracle(X, -1, keepdims=True), {x: X})
        same(theano, getattr(x, name)(1), oracle(X, 1), {x: X})
    assert (T.sum(i).dtype, T.mean(i).dtype, T.prod(i).dtype) == (
        "int64", "float64", "int64",
    )  # fmt: skip
    assert T.mean(T.fvector(), dtype="float64").dtype == "float64"
    assert T.sum(T.fvector(), acc_dtype="float64").dtype == "float32"


@probe("T.max", "T.min", "T.argmax", "T.argmin", "T.all", "T.any")
def extremes(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    for name in ("max", "min", "argmax", "argmin", "all", "any"):
        function, oracle = getattr(T, name), getattr(np, name)
        same(theano, function(x), oracle(X), {x: X})
        kept = function(x, axis=1, keepdims=True)
        same(theano, kept, oracle(X, 1, keepdims=True), {x: X})
    same(theano, T.argmax([1, 3, 2]), 1)


@probe("T.extra_ops.cumsum", "T.extra_ops.cumprod")
def cumulative(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    same(theano, T.extra_ops.cumsum(x), X.cumsum(), {x: X})
    same(theano, T.extra_ops.cumsum(x, axis=1), X.cumsum(1), {x: X})
    same(theano, T.extra_ops.cumprod(x, axis=0), X.cumprod(0), {x: X})


@probe("T.sort", "T.argsort")
def sorting(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    same(theano, T.sort(x), np.sort(X), {x: X})
    same(theano, T.sort(x, axis=0), np.sort(X, 0), {x: X})
    same(theano, T.argsort(x, axis=-1), np.argsort(X), {x: X})
    same(theano, x.argsort(0), np.argsort(X, 0), {x: X})


# --- products -------------------------------------------------------------------------


@probe("T.dot", "T.tensordot")
def products(theano: Any, T: Any) -> None:
    x, v, t = T.dmatrix("x"), T.dvector("v"), T.dtensor3("t")
    cube = np.arange(24.0).reshape(2, 3, 4)
    given = {x: X, v: V, t: cube}
    same(theano, T.dot(x, x.T), X @ X.T, given)
    same(theano, x.dot(v), X @ V, given)
    same(theano, T.dot(v, v), V @ V, given)
    same(theano, T.dot(x, 2.0), X * 2, given)
    same(theano, T.dot(x, t), np.dot(X, cube), given)
    wanted = np.tensordot(X, cube, [[0, 1], [0, 1]])
    same(theano, T.tensordot(x, t, axes=[[0, 1], [0, 1]]), wanted, given)
    same(theano, T.tensordot(x, t.transpose(1, 0, 2), axes=1),
         np.tensordot(X, cube.transpose(1, 0, 2), 1), given)  # fmt: skip


@probe("T.batched_dot", "T.batched_tensordot")
def batched(theano: Any, T: Any) -> None:
    a, b = T.dtensor3("a"), T.dtensor3("b")
    left, right = np.arange(12.0).reshape(2, 3, 2), np.arange(8.0).reshape(2, 2, 2)
    same(theano, T.batched_dot(a, b), left @ right, {a: left, b: right})
    same(theano, T.batched_dot(a, b[:, 0]), (left @ right[:, 0, :, None])[..., 0],
         {a: left, b: right})  # fmt: skip
    same(theano, T.batched_tensordot(a, b, axes=[[2], [1]]), left @ right,
         {a: left, b: right})  # fmt: skip


@probe("T.extra_ops.to_one_hot")
def to_one_hot(theano: Any, T: Any) -> None:
    y = T.ivector("y")
    same(theano, T.extra_ops.to_one_hot(y, nb_class=3), np.eye(3)[I], {y: I})
    made = T.extra_ops.to_one_hot(y, 3, dtype="int32")
    assert value(theano, made, {y: I}).dtype == "int32"


@probe(
    "T.Elemwise",
    differs="the class of elementwise ops, for `isinstance`; it is not built from "
    "`theano.scalar` ops (write a function of tensors, or a custom op)",
)
def elemwise(theano: Any, T: Any) -> None:
    assert isinstance((T.exp(T.vector())).owner.op, T.Elemwise)
    assert not isinstance(T.dot(T.vector(), T.vector()).owner.op, T.Elemwise)
