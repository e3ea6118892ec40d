"""Sums of products: dot and what is made of it.

The ops are `Dot` (vectors and matrices) and `BatchedDot` (a stack of matrix products);
`Gemm`, which rewrites make, is in ops/gemm.py. Products of tensors of higher rank are
these between reshapes. All operands of an op have one dtype; the public functions
promote.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.composite import composite_of
from symgraph.core.dtypes import is_complex, is_discrete, upcast
from symgraph.core.node import Apply, Layout, Op, Shape, Variable, as_operands, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import broadcast_extents_of, cast
from symgraph.ops.shape import (
    extent_key,
    extents,
    inferred_extents,
    normalize_axis,
    product,
)

Gradients = Sequence[Variable | None]


def _named(v: Variable, fallback: str) -> str:
    return v.name or fallback


def check_extents(
    what: str, a: Variable, axis_a: int, b: Variable, axis_b: int, kind: str = "inner"
) -> None:
    """ShapeError where two known extents that are summed over (or shared) differ."""
    m, n = a.type.shape[axis_a], b.type.shape[axis_b]
    if m is not None and n is not None and m != n:
        raise ShapeError(
            f"{what}: {kind} extents differ, {m} ({_named(a, 'left operand')}, axis "
            f"{axis_a}) and {n} ({_named(b, 'right operand')}, axis {axis_b})"
            f"{listing(a, b)}\nTranspose, reshape or dimshuffle one operand."
        )


def check_dtypes(what: str, *operands: Variable) -> str:
    """The one dtype of the operands of a product."""
    dtypes = {v.type.dtype for v in operands}
    if len(dtypes) > 1:
        raise DtypeError(
            f"{what}: operands have dtypes {', '.join(sorted(dtypes))}, expected one"
            f"{listing(*operands)}\nCast them first."
        )
    (dtype,) = dtypes
    if dtype == "bool":
        raise DtypeError(
            f"{what}: it is not defined for two bools{listing(*operands)}\n"
            "Cast one operand to a number, or use any(and_(a, b))."
        )
    return dtype


def adjoint(x: Variable) -> Variable:
    """The transpose, of complex numbers the conjugate too: what gradients multiply by."""
    found: Variable = PUBLIC["conj"](_transposed(x))
    return found


def _transposed(x: Variable) -> Variable:
    return PUBLIC["dimshuffle"](x, *range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


def _mismatch(what: str, a: np.ndarray, b: np.ndarray) -> ShapeError:
    return ShapeError(f"{what}: shapes {a.shape} and {b.shape} do not fit together")


class Dot(Op):
    """out[i, j] = sum over k of a[i, k] * b[k, j]; a may lack i, b may lack j."""

    name = "dot"
    factors = (0, 1)

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Ranks 1 or 2, equal dtypes, equal inner extents."""
        a, b = inputs
        if not (1 <= a.ndim <= 2 and 1 <= b.ndim <= 2):
            raise ShapeError(
                f"dot: the op takes vectors and matrices{listing(a, b)}\n"
                "Use the function dot for other ranks."
            )
        dtype = check_dtypes("dot", a, b)
        check_extents("dot", a, a.ndim - 1, b, 0)
        return (fast_type(dtype, a.type.shape[:-1] + b.type.shape[1:]),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Rows of a, columns of b."""
        a, b = shapes
        return (a[:-1] + b[1:],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """ga = g @ b.T and gb = a.T @ g, as each pair of ranks has it."""
        (g,), (a, b) = gradients, inputs
        if g is None or is_discrete(a.type.dtype):
            return (None, None)
        if a.ndim == 2 and b.ndim == 2:
            return (Dot()(g, adjoint(b)), Dot()(adjoint(a), g))
        conj = PUBLIC["conj"]
        if a.ndim == 1 and b.ndim == 1:
            return (g * conj(b), g * conj(a))
        if a.ndim == 1:
            return (Dot()(conj(b), g), _outer(conj(a), g))
        return (_outer(g, conj(b)), Dot()(g, conj(a)))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's dot."""
        a, b = arrays
        if a.shape[-1] != b.shape[0]:
            raise _mismatch("dot", a, b)
        with np.errstate(all="ignore"):
            return (np.asarray(np.dot(a, b)),)

    def always_fits(self, node: Apply) -> bool:
        """Whether the inner extents are known to be equal."""
        a, b = (inferred_extents(v) for v in node.inputs)
        inner = b[0] if len(b) == 1 else b[-2]
        return extent_key(a[-1]) == extent_key(inner)

    def layout(self, position: int) -> Layout:
        """As BLAS takes it, without a copy."""
        return "matrix"

    def require(self, sizes: Sizes) -> None:
        """Inner extents are equal."""
        a, b = sizes.shapes
        inner = b[0] if len(b) == 1 else b[-2]
        sizes.equal(a[-1], inner, (0, 1), what="inner extents")


class BatchedDot(Op):
    """out[s, i, j] = sum over k of a[s, i, k] * b[s, k, j]."""

    name = "batched_dot"
    factors = (0, 1)
    is_batched = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Rank 3 both, equal dtypes, equal batch and inner extents."""
        a, b = inputs
        if a.ndim != 3 or b.ndim != 3:
            raise ShapeError(
                f"batched_dot: the op takes two stacks of matrices{listing(a, b)}\n"
                "Use the function batched_dot or matmul for other ranks."
            )
        dtype = check_dtypes("batched_dot", a, b)
        check_extents("batched_dot", a, 0, b, 0, "batch")
        check_extents("batched_dot", a, 2, b, 1)
        batch = a.type.shape[0] if a.type.shape[0] is not None else b.type.shape[0]
        return (fast_type(dtype, (batch, a.type.shape[1], b.type.shape[2])),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Batch, rows of a, columns of b."""
        a, b = shapes
        return ((a[0], a[1], b[2]),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """As `Dot`, for each matrix of the batch."""
        (g,), (a, b) = gradients, inputs
        if g is None or is_discrete(a.type.dtype):
            return (None, None)
        return (BatchedDot()(g, adjoint(b)), BatchedDot()(adjoint(a), g))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's matmul of stacks of equal length."""
        a, b = arrays
        if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
            raise _mismatch("batched_dot", a, b)
        with np.errstate(all="ignore"):
            return (np.matmul(a, b),)

    def layout(self, position: int) -> Layout:
        """As BLAS takes it, without a copy."""
        return "matrix"

    def require(self, sizes: Sizes) -> None:
        """Batch and inner extents are equal."""
        a, b = sizes.shapes
        sizes.equal(a[0], b[0], (0, 1), what="batch extents")
        sizes.equal(a[2], b[1], (0, 1), what="inner extents")


# --- public functions --------------------------------------------------------------


def _promoted(*values: Any) -> tuple[Variable, ...]:
    operands = as_operands(*values)
    common = upcast(*(v.type.dtype for v in operands))
    return tuple(cast(v, common) for v in operands)


def _outer(a: Variable, b: Variable) -> Variable:
    return PUBLIC["dimshuffle"](a, 0, "x") * PUBLIC["dimshuffle"](b, "x", 0)


@public
def dot(a: Any, b: Any) -> Variable:
    """out = sum over the last axis of a and the last but one (or only) axis of b.

    Scalars multiply. Vectors give their inner product, matrices the matrix product;
    other ranks follow NumPy's dot.

    Parameters
    ----------
    a : (..., k)
    b : (k,) or (..., k, n)
        one or both may be sparse matrices, see `symgraph.sparse.dot`

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.dot(T.fmatrix("x"), T.fvector("w")).type
    float32 (None,)
    """
    if (composite := composite_of(a, b)) is not None:
        return composite.product(a, b)
    a, b = _promoted(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return Dot()(a, b)
    return _contracted("dot", a, b, (a.ndim - 1,), (max(b.ndim - 2, 0),))


@public
def matmul(a: Any, b: Any) -> Variable:
    """out = a @ b: matrix products over the last two axes, the others broadcast.

    Parameters
    ----------
    a : (..., m, k) or (k,)
    b : (..., k, n) or (k,)
        Where both have rank 3, only an extent of 1 that is known while the graph is
        built broadcasts; this saves a copy. Other ranks broadcast in a call, too.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.matmul(T.ftensor3("a"), T.fmatrix("b")).type
    float32 (None, None, None)
    """
    if (composite := composite_of(a, b)) is not None:
        return composite.product(a, b)
    a, b = _promoted(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            f"matmul: scalars have no axis to sum over{listing(a, b)}\n"
            "Use * for scalars."
        )
    if b.ndim <= 2:
        return dot(a, b)
    if a.ndim == 1:
        row = matmul(PUBLIC["dimshuffle"](a, "x", 0), b)
        kept = [axis for axis in range(row.ndim) if axis != row.ndim - 2]
        return PUBLIC["dimshuffle"](row, *kept)
    check_extents("matmul", a, a.ndim - 1, b, b.ndim - 2)
    shape_a, shape_b = extents(a), extents(b)
    batch = max(a.ndim, b.ndim) - 2
    _check_batch(a, b)
    shared = broadcast_extents_of([shape_a[:-2], shape_b[:-2]], batch)
    count = product(shared)
    stacks = [
        PUBLIC["reshape"](
            PUBLIC["broadcast_to"](x, (*shared, *shape[-2:])), (count, *shape[-2:])
        )
        if batch != 1 or x.ndim != 3 or x.type.shape[0] == 1
        else x
        for x, shape in ((a, shape_a), (b, shape_b))
    ]
    out = BatchedDot()(*stacks)
    return out if batch == 1 else PUBLIC["reshape"](out, (*shared, *extents(out)[1:]))


def _check_batch(a: Variable, b: Variable) -> None:
    left, right = a.type.shape[:-2], b.type.shape[:-2]
    for axis in range(1, min(len(left), len(right)) + 1):
        m, n = left[-axis], right[-axis]
        if m is not None and n is not None and 1 not in (m, n) and m != n:
            raise ShapeError(
                f"matmul: batch extents differ, {m} ({_named(a, 'left operand')}) and "
                f"{n} ({_named(b, 'right operand')}){listing(a, b)}\n"
                "They must be equal or 1."
            )


@public
def batched_dot(a: Any, b: Any) -> Variable:
    """out[s] = dot(a[s], b[s]) for each s.

    Parameters
    ----------
    a : (batch, k), (batch, m, k) or of higher rank
    b : (batch, k), (batch, k, n) or of higher rank
        an operand of rank 1 holds one scalar for each s.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.batched_dot(T.ftensor3("a"), T.fmatrix("b")).type
    float32 (None, None)
    """
    a, b = _promoted(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            f"batched_dot: a scalar has no batch axis{listing(a, b)}\n"
            "Use * for scalars."
        )
    check_extents("batched_dot", a, 0, b, 0, "batch")
    if a.ndim == 1:
        return PUBLIC["dimshuffle"](a, 0, *["x"] * (b.ndim - 1)) * b
    if b.ndim == 1:
        return a * PUBLIC["dimshuffle"](b, 0, *["x"] * (a.ndim - 1))
    if a.ndim == 3 and b.ndim == 3:
        return BatchedDot()(a, b)
    return _contracted("batched_dot", a, b, (a.ndim - 1,), (max(b.ndim - 2, 1),), 1)


@public
def tensordot(a: Any, b: Any, axes: Any = 2) -> Variable:
    """out = sum over paired axes of a and b; the other axes follow, a's before b's.

    Parameters
    ----------
    axes : int n, for the last n axes of a with the first n of b; or a pair of axes or
        lists of axes: (of a, of b)

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.tensordot(T.ftensor3("a"), T.fmatrix("b"), [[1], [0]]).type
    float32 (None, None, None)
    """
    a, b = _promoted(a, b)
    return _contracted("tensordot", a, b, *_axes_of("tensordot", a, b, axes, 0))


@public
def batched_tensordot(a: Any, b: Any, axes: Any = 2) -> Variable:
    """out[s] = tensordot(a[s], b[s]); axes are counted with the batch axis.

    Parameters
    ----------
    axes : int, or a pair of axes or lists of axes, none of them 0
    """
    a, b = _promoted(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"batched_tensordot: scalars have no batch{listing(a, b)}")
    pairs = _axes_of("batched_tensordot", a, b, axes, 1)
    return _contracted("batched_tensordot", a, b, *pairs, 1)


@public
def outer(x: Any, y: Any) -> Variable:
    """out[i, j] = x[i] * y[j], of the flattened operands."""
    x, y = as_operands(x, y)
    return _outer(PUBLIC["flatten"](x), PUBLIC["flatten"](y))


@public
def inner(a: Any, b: Any) -> Variable:
    """out = sum over the last axes of a and b; scalars multiply."""
    a, b = _promoted(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim == 1 and b.ndim == 1:
        return Dot()(a, b)
    return _contracted("inner", a, b, (a.ndim - 1,), (b.ndim - 1,))


@public
def vdot(a: Any, b: Any) -> Variable:
    """out = sum of conj(a) * b over all elements."""
    a, b = _promoted(a, b)
    if is_complex(a.type.dtype):
        a = PUBLIC["conj"](a)
    return Dot()(PUBLIC["flatten"](a), PUBLIC["flatten"](b))


def _axes_of(
    what: str, a: Variable, b: Variable, axes: Any, batch: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, Variable):
        raise ArgumentError(f"{what}: axes must be ints, not{listing(axes)}")
    if isinstance(axes, int | np.integer):
        count = int(axes)
        if not 0 <= count <= min(a.ndim, b.ndim) - batch:
            raise ShapeError(
                f"{what}: axes={count} for operands of rank {a.ndim} and {b.ndim}"
                f"{listing(a, b)}"
            )
        return tuple(range(a.ndim - count, a.ndim)), tuple(range(batch, batch + count))
    if len(axes) != 2:
        raise ArgumentError(
            f"{what}: axes={axes!r}; pass an int, or a pair (axes of a, axes of b)"
        )
    found = []
    for x, some in zip((a, b), axes, strict=True):
        listed = some if isinstance(some, list | tuple | np.ndarray) else (some,)
        found.append(tuple(normalize_axis(axis, x.ndim, what, x) for axis in listed))
        if len(set(found[-1])) != len(found[-1]) or (batch and 0 in found[-1]):
            told = f"axes {tuple(listed)} name an axis twice, or the batch axis"
            raise ArgumentError(f"{what}: {told}{listing(x)}")
    if len(found[0]) != len(found[1]):
        raise ArgumentError(
            f"{what}: {len(found[0])} axes of a are paired with {len(found[1])} of b"
            f"{listing(a, b)}"
        )
    return found[0], found[1]


def _contracted(
    what: str,
    a: Variable,
    b: Variable,
    axes_a: tuple[int, ...],
    axes_b: tuple[int, ...],
    batch: int = 0,
) -> Variable:
    """Sum over pairs of axes, as one matrix product (or one for each of a batch)."""
    for i, j in zip(axes_a, axes_b, strict=True):
        check_extents(what, a, i, b, j)
    if batch:
        check_extents(what, a, 0, b, 0, "batch")
    free_a = [i for i in range(batch, a.ndim) if i not in axes_a]
    free_b = [j for j in range(batch, b.ndim) if j not in axes_b]
    lead = list(range(batch))
    shape_a, shape_b = extents(a), extents(b)
    rows, columns = [shape_a[i] for i in free_a], [shape_b[j] for j in free_b]
    if not axes_a and not batch:
        left = PUBLIC["dimshuffle"](a, *range(a.ndim), *["x"] * b.ndim)
        return left * b
    stack = [shape_a[0]] if batch else []
    left = _arranged(a, [lead, free_a, list(axes_a)])
    right = _arranged(b, [lead, list(axes_b), free_b])
    out = BatchedDot()(left, right) if batch else Dot()(left, right)
    if len(rows) == 1 and len(columns) == 1:
        return out
    return PUBLIC["reshape"](out, (*stack, *rows, *columns))


def _arranged(x: Variable, groups: list[list[int]]) -> Variable:
    """Each group of axes as one axis; the first, the batch, is left out if empty."""
    groups = [group for i, group in enumerate(groups) if group or i]
    order = [axis for group in groups for axis in group]
    shape = extents(x)
    if order != list(range(x.ndim)):
        x = PUBLIC["dimshuffle"](x, *order)
    if all(len(group) == 1 for group in groups):
        return x
    merged = (product(shape[axis] for axis in group) for group in groups)
    return PUBLIC["reshape"](x, tuple(merged))
