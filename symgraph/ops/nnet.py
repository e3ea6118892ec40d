"""Softmax and its kin, cross-entropies, one-hot: named compositions.

`Softmax`, `LogSoftmax` and `LogSumExp` are ops, so that rewrites can recognise them;
`decompose` gives the primitive ops they stand for, shifted by the maximum so that
nothing overflows. Cross-entropies are plain expressions, of which the stable forms are
found by rewrites and by `Softmax.grad`. `NNET` lists what ``T.nnet`` offers.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import canonical, is_float, is_integer, to_float
from symgraph.core.node import (
    Op,
    Shape,
    Variable,
    as_operands,
    as_variable,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import AxisError, DtypeError, ShapeError
from symgraph.ops.families import Elementwise, cast
from symgraph.ops.indexing import CheckIndex
from symgraph.ops.labels import labelled, one_hot_rows
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import (
    as_extent,
    extent_key,
    inferred_extents,
    normalize_axes,
    normalize_axis,
    variable,
)

Gradients = Sequence[Variable | None]


def _check(op: Op, x: Variable, axes: Iterable[int]) -> None:
    if not is_float(x.type.dtype):
        raise DtypeError(
            f"{op.name}: it is defined for real floats{listing(x)}\nCast the operand."
        )
    for axis in axes:
        if not 0 <= axis < x.ndim:
            raise AxisError(f"{op.name}: axis {axis} of {x.ndim} axes{listing(x)}")


def _peak(x: np.ndarray, axes: int | tuple[int, ...]) -> np.ndarray:
    """Maximum along axes, 0 where it is infinite."""
    found = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    return np.where(np.isinf(found), x.dtype.type(0), found)


def peak(x: Variable, axes: tuple[int, ...]) -> Variable:
    """The maximum over axes, which stay with extent 1; that of nothing is -inf."""
    kept = iter(range(x.ndim))
    pattern = ["x" if axis in axes else next(kept) for axis in range(x.ndim)]
    return PUBLIC["dimshuffle"](Reduce("max", axes, True)(x), *pattern)


def _shifted(x: Variable, axis: int) -> Variable:
    return x - peak(x, (axis,))


class Softmax(Op):
    """out = exp(x) / sum of exp(x) along `axis`."""

    axis: int

    name = "softmax"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x."""
        (x,) = inputs
        _check(self, x, (self.axis,))
        return (x.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of x."""
        return (shapes[0],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """y * (g - sum(g * y)); where g = a / y, as below a log, a - y * sum(a).

        The second form has no division, so that it is right where y underflows to 0.
        """
        (g,), (y,) = gradients, outputs
        if g is None:
            return (None,)
        result: Variable | None = None
        for term in _terms(g):
            numerator = _numerator(term, y)
            if numerator is None:
                part = y * (term - self._total(term * y))
            else:
                numerator = self._spread(numerator, y)
                part = numerator - y * self._total(numerator)
            result = part if result is None else result + part
        return (result,)

    def _spread(self, a: Variable, y: Variable) -> Variable:
        """`a` with the shape of y, so that its sum counts every element."""
        if a.ndim == y.ndim:
            own, wanted = inferred_extents(a), inferred_extents(y)
            if extent_key(own[self.axis]) == extent_key(wanted[self.axis]):
                return a
        return PUBLIC["fill"](y, a)

    def _total(self, x: Variable) -> Variable:
        return PUBLIC["sum"](x, axis=self.axis, keepdims=True)

    def decompose(self, *inputs: Variable) -> Variable:
        """exp(x - max) / sum of that."""
        weights = PUBLIC["exp"](_shifted(inputs[0], self.axis))
        return weights / PUBLIC["sum"](weights, axis=self.axis, keepdims=True)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """exp(x - max) / sum of that, by NumPy."""
        (x,) = arrays
        with np.errstate(all="ignore"):
            weights = np.exp(x - np.max(x, self.axis, keepdims=True, initial=-np.inf))
            return (weights / np.sum(weights, axis=self.axis, keepdims=True),)


def _terms(g: Variable) -> Iterator[Variable]:
    """The summands of a sum."""
    stack = [g]
    while stack:
        v = stack.pop()
        if v.owner is not None and v.owner.op == Elementwise("add"):
            stack.extend(reversed(v.owner.inputs))
        else:
            yield v


def _numerator(g: Variable, y: Variable) -> Variable | None:
    """A with g = a / y, where g is built so; else None."""
    node = g.owner
    if node is None or not isinstance(node.op, Elementwise):
        return None
    match node.op.scalar, node.inputs:
        case "div", (a, divisor) if divisor is y:
            return a
        case "neg", (a,):
            inner = _numerator(a, y)
            return None if inner is None else -inner
        case "div", (a, divisor):
            inner = _numerator(a, y)
            return None if inner is None else inner / divisor
        case "mul", (a, b):
            for one, other in ((a, b), (b, a)):
                inner = _numerator(one, y)
                if inner is not None:
                    return inner * other
    return None


class LogSoftmax(Op):
    """out = x - log(sum of exp(x) along `axis`)."""

    axis: int

    name = "log_softmax"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x."""
        (x,) = inputs
        _check(self, x, (self.axis,))
        return (x.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of x."""
        return (shapes[0],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """g - softmax(x) * sum(g)."""
        (g,), (x,) = gradients, inputs
        if g is None:
            return (None,)
        total = PUBLIC["sum"](g, axis=self.axis, keepdims=True)
        return (g - Softmax(self.axis)(x) * total,)

    def decompose(self, *inputs: Variable) -> Variable:
        """With s = x - max: s - log(sum of exp(s))."""
        shifted = _shifted(inputs[0], self.axis)
        total = PUBLIC["sum"](PUBLIC["exp"](shifted), axis=self.axis, keepdims=True)
        return shifted - PUBLIC["log"](total)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The decomposition, by NumPy."""
        (x,) = arrays
        with np.errstate(all="ignore"):
            shifted = x - np.max(x, self.axis, keepdims=True, initial=-np.inf)
            total = np.sum(np.exp(shifted), axis=self.axis, keepdims=True)
            return (shifted - np.log(total),)


class LogSumExp(Op):
    """out = log(sum of exp(x) over `axes`), the axes dropped."""

    axes: tuple[int, ...]

    name = "logsumexp"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The axes that stay."""
        (x,) = inputs
        _check(self, x, self.axes)
        return (fast_type(x.type.dtype, self._kept(x.type.shape)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The axes that stay."""
        return (self._kept(shapes[0]),)

    def _kept(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(e for axis, e in enumerate(shape) if axis not in self.axes)

    def _expanded(self, y: Variable, ndim: int) -> Variable:
        kept = iter(range(y.ndim))
        pattern = ["x" if axis in self.axes else next(kept) for axis in range(ndim)]
        return PUBLIC["dimshuffle"](y, *pattern)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """g * softmax(x) over the axes."""
        (g,), (x,), (y,) = gradients, inputs, outputs
        if g is None:
            return (None,)
        if len(self.axes) == 1:
            weights = Softmax(self.axes[0])(x)
        else:
            weights = PUBLIC["exp"](x - self._expanded(y, x.ndim))
        return (self._expanded(g, x.ndim) * weights,)

    def decompose(self, *inputs: Variable) -> Variable:
        """m + log(sum of exp(x - m)); m is the maximum, or 0 where that is infinite."""
        (x,) = inputs
        most = peak(x, self.axes)
        most = PUBLIC["switch"](PUBLIC["isinf"](most), cast(0, x.type.dtype), most)
        total = PUBLIC["sum"](PUBLIC["exp"](x - most), axis=self.axes)
        kept = [axis for axis in range(x.ndim) if axis not in self.axes]
        return PUBLIC["log"](total) + PUBLIC["dimshuffle"](most, *kept)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The decomposition, by NumPy."""
        (x,) = arrays
        with np.errstate(all="ignore"):
            most = _peak(x, self.axes)
            total = np.sum(np.exp(x - most), axis=self.axes)
            return (np.asarray(np.log(total) + np.squeeze(most, self.axes)),)


# --- public functions --------------------------------------------------------------


def _as_float(x: Any) -> Variable:
    x = as_variable(x)
    return cast(x, to_float(x.type.dtype))


def _row_axis(x: Variable, axis: int, what: str) -> int:
    if x.ndim == 0:
        raise AxisError(f"{what}: a scalar has no axis to normalise{listing(x)}")
    return normalize_axis(axis, x.ndim, what, x)


@public
def softmax(x: Any, axis: int = -1) -> Variable:
    """out = exp(x) / sum of exp(x) along `axis`; the shape stays.

    Parameters
    ----------
    x : any rank from 1 up; integers become floats
    axis : int

    References
    ----------
    Bridle 1990; the shift by the maximum: Goodfellow et al. 2016, section 4.1.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.nnet.softmax(T.fmatrix("z")).type
    float32 (None, None)
    """
    x = _as_float(x)
    return Softmax(_row_axis(x, axis, "softmax"))(x)


@public
def log_softmax(x: Any, axis: int = -1) -> Variable:
    """out = log(softmax(x)), without overflow or log of 0; the shape stays."""
    x = _as_float(x)
    return LogSoftmax(_row_axis(x, axis, "log_softmax"))(x)


@public
def logsoftmax(x: Any, axis: int = -1) -> Variable:
    """Theano's name of `log_softmax`."""
    return log_softmax(x, axis)


@public
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """out = log(sum of exp(x)) over axes, without overflow.

    Parameters
    ----------
    axis : int, sequence of ints, or None for all
    keepdims : bool
        keep the axes, with extent 1.
    """
    x = _as_float(x)
    axes = normalize_axes(axis, x.ndim, "logsumexp", x)
    if not axes:
        return x
    op = LogSumExp(axes)
    return op._expanded(op(x), x.ndim) if keepdims else op(x)


@public
def one_hot(y: Any, n: Any, dtype: Any = None) -> Variable:
    """out[..., j] = 1 where y[...] = j, else 0, for j in 0 .. n - 1.

    Parameters
    ----------
    y : integers in 0 .. n - 1; others fail at run time
    n : int or scalar
    dtype : of the result; "floatX" by default

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.one_hot(T.ivector("y"), 10, "float32").type
    float32 (None, 10)
    """
    y = as_variable(y)
    count = variable(as_extent(n, "one_hot"))
    if not is_integer(y.type.dtype):
        raise DtypeError(
            f"one_hot: labels must be integers{listing(y)}\nCast them to int64."
        )
    checked = CheckIndex(-1, "the classes", False)(y, count)
    places = PUBLIC["dimshuffle"](checked, *range(y.ndim), "x")
    hit = PUBLIC["eq"](places, PUBLIC["arange"](count))
    return cast(hit, canonical("floatX" if dtype is None else dtype))


@public
def to_one_hot(y: Any, nb_class: Any, dtype: Any = None) -> Variable:
    """Theano's name of `one_hot`."""
    return one_hot(y, nb_class, dtype)


@public
def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """out[i] = -sum over j of t[i, j] * log(p[i, j]), or -log(p[i, t[i]]) for labels.

    Parameters
    ----------
    coding_dist : p, floats (..., n), such as the result of `softmax`
    true_dist : t, probabilities (..., n), or integer labels (...) in 0 .. n - 1;
        labels outside fail at run time, and so do integers (..., 1).

    Returns
    -------
    (...)

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> p = T.nnet.softmax(T.fmatrix("z"))
    >>> T.nnet.categorical_crossentropy(p, T.ivector("y")).type
    float32 (None,)
    """
    p, t = _as_float(coding_dist), as_variable(true_dist)
    if p.ndim and t.ndim == p.ndim:
        t = one_hot_rows("categorical_crossentropy", p, t)
        for axis, (a, b) in enumerate(zip(p.type.shape, t.type.shape, strict=True)):
            if a is not None and b is not None and a != b:
                raise ShapeError(
                    f"categorical_crossentropy: extents of axis {axis} differ, {a} and "
                    f"{b}{listing(p, t)}"
                )
        return -PUBLIC["sum"](t * PUBLIC["log"](p), axis=-1)
    if t.ndim != p.ndim - 1:
        raise ShapeError(
            "categorical_crossentropy: targets must have the rank of the predictions, "
            f"or one less for integer labels{listing(p, t)}\nFlatten one of them."
        )
    if not is_integer(t.type.dtype):
        raise DtypeError(
            f"categorical_crossentropy: labels must be integers{listing(t)}\n"
            "Cast them to int64, or pass one-hot targets of the rank of p."
        )
    return -labelled(PUBLIC["log"](p), t)


@public
def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Variable:
    """out[i] = -log(p[i, t[i]]): `categorical_crossentropy` of integer labels."""
    p, t = as_variable(coding_dist), as_variable(true_one_of_n)
    if t.ndim != p.ndim - 1:
        raise ShapeError(
            "crossentropy_categorical_1hot: labels have one axis less than the "
            f"predictions{listing(p, t)}"
        )
    return categorical_crossentropy(p, t)


@public
def binary_crossentropy(output: Any, target: Any) -> Variable:
    """out = -(t * log(p) + (1 - t) * log(1 - p)), elementwise.

    Parameters
    ----------
    output : p, probabilities
    target : t, in 0 .. 1

    See Also
    --------
    sigmoid_binary_crossentropy : from the logits, stable without any rewrite
    """
    p, t = as_operands(output, target)
    p = _as_float(p)
    one, log = scalar_constant(1, p.type.dtype), PUBLIC["log"]
    return -(t * log(p) + (one - t) * log(one - p))


@public
def sigmoid_binary_crossentropy(output: Any, target: Any) -> Variable:
    """out = max(z, 0) - z * t + log1p(exp(-abs(z))): the cross-entropy of sigmoid(z).

    Parameters
    ----------
    output : z, logits
    target : t, in 0 .. 1
    """
    z, t = as_operands(output, target)
    return PUBLIC["softplus"](z) - z * t


@public
def crossentropy_softmax_argmax_1hot_with_bias(
    x: Any, b: Any, y_idx: Any
) -> tuple[Variable, Variable, Variable]:
    """(-log(softmax(x + b)[i, y[i]]), softmax(x + b), argmax of its rows)."""
    logits = _as_float(as_variable(x) + as_variable(b))
    loss = -labelled(log_softmax(logits), as_variable(y_idx))
    return loss, softmax(logits), PUBLIC["argmax"](logits, axis=-1)


#: the names of the namespace ``T.nnet``; each is a public function
NNET = (
    "softmax", "logsoftmax", "log_softmax", "logsumexp", "sigmoid", "softplus",
    "softsign", "relu", "elu", "selu", "hard_sigmoid", "ultra_fast_sigmoid",
    "categorical_crossentropy", "binary_crossentropy", "sigmoid_binary_crossentropy",
    "crossentropy_categorical_1hot", "crossentropy_softmax_argmax_1hot_with_bias",
    "one_hot", "to_one_hot",
)  # fmt: skip
