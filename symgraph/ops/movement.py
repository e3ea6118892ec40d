"""Ops that rearrange data: DimShuffle, Reshape, Concatenate; dimshuffle and reshape.

In: tensors. Out: the same elements in another order or shape; no arithmetic happens.
Lowering turns the three ops into index maps, mostly without a copy. Functions of axes
are in ops/arrange.py, joining and splitting in ops/joining.py, slices in
ops/indexing.py.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_discrete
from symgraph.core.node import Apply, Op, Shape, Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import AxisError, DtypeError, ShapeError
from symgraph.ops.shape import (
    AnyExtent,
    as_shape,
    extent_key,
    extents,
    factors,
    floor_divide,
    folded,
    multiply,
    normalize_axis,
    product,
    static,
    static_shape,
    total,
    variable,
)

Gradients = Sequence[Variable | None]
Pattern = tuple[int | str, ...]


class DimShuffle(Op):
    """Axis i of the output is axis pattern[i] of x, or a new axis of extent 1 for "x".

    Axes of x that the pattern leaves out must be known to have extent 1.
    """

    pattern: Pattern

    name = "dimshuffle"
    is_view = True
    is_repeated = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The extents in the order of the pattern."""
        (x,) = inputs
        kept = [p for p in self.pattern if p != "x"]
        for p in kept:
            if not isinstance(p, int) or not 0 <= p < x.ndim:
                raise AxisError(
                    f"dimshuffle: the pattern {self.pattern} names axis {p!r} of an "
                    f"operand of rank {x.ndim}{listing(x)}\n"
                    'Entries are axes of the operand, or "x" for a new axis.'
                )
        if len(set(kept)) != len(kept):
            raise AxisError(
                f"dimshuffle: the pattern {self.pattern} names an axis twice"
                f"{listing(x)}"
            )
        for axis, known in enumerate(x.type.shape):
            if axis not in kept and known != 1:
                raise ShapeError(
                    f"dimshuffle: the pattern {self.pattern} drops axis {axis}, which "
                    f"is not known to have extent 1{listing(x)}\nReduce or index the "
                    "axis; squeeze(x, axis) or addbroadcast promises that it is 1."
                )
        shape = tuple(1 if p == "x" else x.type.shape[int(p)] for p in self.pattern)
        return (fast_type(x.type.dtype, shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents in the order of the pattern."""
        return (tuple(1 if p == "x" else shapes[0][int(p)] for p in self.pattern),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """The gradient with its axes put back; new axes vanish, dropped ones return."""
        (x,), (g,) = inputs, gradients
        if g is None or is_discrete(x.type.dtype):
            return (None,)
        new = [i for i, p in enumerate(self.pattern) if p == "x"]
        known = [i for i in new if g.type.shape[i] == 1]
        unknown = [i for i in new if g.type.shape[i] != 1]
        if unknown:
            g = PUBLIC["sum"](g, axis=tuple(unknown))
        place = {}
        at = 0
        for i, p in enumerate(self.pattern):
            if i in unknown:
                continue
            if i not in known:
                place[p] = at
            at += 1
        return (dimshuffle(g, *(place.get(axis, "x") for axis in range(x.ndim))),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's reshape and transpose."""
        (x,) = arrays
        kept = [int(p) for p in self.pattern if p != "x"]
        dropped = tuple(axis for axis in range(x.ndim) if axis not in kept)
        moved = np.transpose(x, (*dropped, *kept)).reshape([x.shape[a] for a in kept])
        new = tuple(i for i, p in enumerate(self.pattern) if p == "x")
        return (np.ascontiguousarray(np.expand_dims(moved, new)).reshape(
            [1 if p == "x" else x.shape[int(p)] for p in self.pattern]
        ),)  # fmt: skip

    def always_fits(self, node: Apply) -> bool:
        """Any shape is taken."""
        return True

    def render(self, parts: list[str]) -> str:
        """x.T, or dimshuffle(x, 0, 'x')"""
        if self.pattern == (1, 0):
            return f"{parts[0]}.T" if parts[0].isidentifier() else f"({parts[0]}).T"
        return f"dimshuffle({parts[0]}, {', '.join(map(repr, self.pattern))})"


class Reshape(Op):
    """The elements of x, in row-major order, with other extents (`ndim` of them)."""

    ndim: int

    name = "reshape"
    is_view = True
    gathers = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Known extents from constants; the numbers of elements must agree."""
        x, *shape = inputs
        if len(shape) != self.ndim:
            raise ShapeError(f"reshape: {len(shape)} extents for ndim={self.ndim}")
        for v in shape:
            if v.ndim or v.type.dtype != "int64":
                raise DtypeError(f"reshape: an extent must be a 0-d int64{listing(v)}")
        known = list(static_shape(shape))
        if any(e is not None and e < 0 for e in known):
            raise ShapeError(f"reshape: negative extent in {_text(known)}{listing(x)}")
        if None not in x.type.shape:
            count = prod(e for e in x.type.shape if e is not None)
            given = prod(e for e in known if e is not None)
            if known.count(None) == 1 and given and count % given == 0:
                known[known.index(None)] = count // given
            elif (None not in known and given != count) or (
                None in known and (count % given if given else count)
            ):
                raise ShapeError(
                    f"reshape: {count} elements do not fit into shape {_text(known)}"
                    f"{listing(x)}\nThe product of the extents must stay the same."
                )
        elif None not in known:
            given = prod(e for e in known if e is not None)
            count = prod(e for e in x.type.shape if e is not None)
            if (given % count) if count else given:
                raise ShapeError(
                    f"reshape: {given} elements are wanted, no multiple of the "
                    f"known extents' product {count}{listing(x)}"
                )
        return (fast_type(x.type.dtype, tuple(known)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents given, ints where they are constants."""
        return (tuple(map(folded, inputs[1:])),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """The gradient in the shape of x."""
        x, *shape = inputs
        (g,) = gradients
        nothing = (None,) * len(shape)
        if g is None or is_discrete(x.type.dtype):
            return (None, *nothing)
        return (_reshaped(g, extents(x)), *nothing)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through the extents."""
        return (True, *(False,) * self.ndim)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's reshape."""
        x, *shape = arrays
        wanted = tuple(int(e) for e in shape)
        if any(e < 0 for e in wanted) or prod(wanted) != x.size:
            raise ShapeError(f"reshape: {x.size} elements do not fit into {wanted}")
        return (np.ascontiguousarray(x).reshape(wanted),)

    def require(self, sizes: Sizes) -> None:
        """There are as many elements as before."""
        x, *_ = sizes.shapes
        new = prod(map(sizes.of, sizes.inputs[1:]), start=sizes.one)
        sizes.equal(prod(x, start=sizes.one), new, (0,), what="number of elements")

    def render(self, parts: list[str]) -> str:
        """reshape(x, (n, 3))"""
        x, *shape = parts
        comma = "," if len(shape) == 1 else ""
        return f"reshape({x}, ({', '.join(shape)}{comma}))"


class Concatenate(Op):
    """The inputs one after the other along an axis; all other extents agree."""

    axis: int

    name = "concatenate"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The sum of the extents along the axis, the common extents elsewhere."""
        if not inputs:
            raise ShapeError("concatenate: no tensors given")
        first = inputs[0]
        if any(v.ndim != first.ndim for v in inputs):
            raise ShapeError(
                f"concatenate: ranks {[v.ndim for v in inputs]} differ"
                f"{listing(*inputs)}\nUse stack to join along a new axis."
            )
        if not 0 <= self.axis < first.ndim:
            raise AxisError(
                f"concatenate: axis {self.axis} of rank {first.ndim}{listing(*inputs)}"
            )
        if any(v.type.dtype != first.type.dtype for v in inputs):
            raise DtypeError(f"concatenate: dtypes differ{listing(*inputs)}")
        shape: list[int | None] = []
        for axis in range(first.ndim):
            column = [v.type.shape[axis] for v in inputs]
            if axis == self.axis:
                whole = [e for e in column if e is not None]
                shape.append(sum(whole) if len(whole) == len(column) else None)
                continue
            known = sorted({e for e in column if e is not None})
            if len(known) > 1:
                raise ShapeError(
                    f"concatenate along axis {self.axis}: extents {known} of axis "
                    f"{axis} "
                    f"differ{listing(*inputs)}\nAll axes but the joined one must agree."
                )
            shape.append(known[0] if known else None)
        return (fast_type(first.type.dtype, tuple(shape)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The sum along the axis; elsewhere an extent that is known, or the first."""
        result: list[AnyExtent] = []
        for axis in range(len(shapes[0])):
            column = [shape[axis] for shape in shapes]
            if axis == self.axis:
                result.append(total(column))
            else:
                known = [e for e in map(static, column) if e is not None]
                result.append(known[0] if known else column[0])
        return (tuple(result),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """Each input gets its slice of the gradient."""
        (g,) = gradients
        if g is None or is_discrete(inputs[0].type.dtype):
            return (None,) * len(inputs)
        return slices(g, [extents(v)[self.axis] for v in inputs], self.axis)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's concatenate."""
        return (np.concatenate(arrays, axis=self.axis),)

    def is_light(self, node: Apply) -> bool:
        """Its elements are copied."""
        return True

    def require(self, sizes: Sizes) -> None:
        """All extents but those along the axis are equal."""
        first, *others = sizes.shapes
        for i, shape in enumerate(others, 1):
            for axis, size in enumerate(shape):
                if axis != self.axis:
                    sizes.equal(first[axis], size, (0, i), axis)

    def render(self, parts: list[str]) -> str:
        """concatenate([a, b], axis=0)"""
        return f"concatenate([{', '.join(parts)}], axis={self.axis})"


def slices(x: Variable, sizes: Sequence[AnyExtent], axis: int) -> list[Variable]:
    """Consecutive parts of x along an axis, with these extents."""
    parts = []
    start: AnyExtent = 0
    ends = [total(sizes[: i + 1]) for i in range(len(sizes))]
    for end in ends:
        index = (*(slice(None),) * axis, slice(start, end))
        parts.append(PUBLIC["getitem"](x, index))
        start = end
    return parts


def _text(shape: Sequence[int | None]) -> str:
    comma = "," if len(shape) == 1 else ""
    return f"({', '.join('?' if e is None else str(e) for e in shape)}{comma})"


# --- axes --------------------------------------------------------------------------


@public
def dimshuffle(x: Any, *pattern: Any) -> Variable:
    """Axes of x in another order; "x" inserts an axis of extent 1.

    Parameters
    ----------
    pattern : axes of x and "x", as arguments or as one tuple. Axes that are left out
        must be known to have extent 1.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.matrix("x", shape=(None, 3)).dimshuffle(1, "x", 0).type.shape
    (3, 1, None)
    """
    x = as_variable(x)
    if len(pattern) == 1 and isinstance(pattern[0], list | tuple):
        pattern = tuple(pattern[0])
    axes = tuple(
        p
        if isinstance(p, str) and p == "x"
        else normalize_axis(p, x.ndim, "dimshuffle", x)
        for p in pattern
    )
    return x if axes == tuple(range(x.ndim)) else DimShuffle(axes)(x)


# --- reshape -----------------------------------------------------------------------


def _reshaped(x: Variable, shape: Sequence[AnyExtent]) -> Variable:
    if len(shape) == x.ndim:
        pairs = zip(shape, x.type.shape, strict=True)
        if all(known is not None and static(e) == known for e, known in pairs):
            return x
    return Reshape(len(shape))(x, *map(variable, shape))


@public
def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Variable:
    """The elements of x, in row-major order, with other extents.

    Parameters
    ----------
    newshape : int, tuple of ints and scalars, or vector
        one -1 stands for whatever is left. Symbolic factors cancel while building:
        ``x.reshape((x.shape[0], -1))`` knows its second extent if x knows its others.
    ndim : rank of the result, needed only for a vector of unknown length

    Raises
    ------
    ShapeError : known extents that cannot match, or more than one -1

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.tensor4("x", shape=(None, 3, 8, 8))
    >>> x.reshape((x.shape[0], -1)).type.shape
    (None, 192)
    """
    x = as_variable(x)
    if ndim is not None and isinstance(newshape, int) and ndim != 1:
        raise ShapeError(f"reshape: pass one tuple, not {newshape}, {ndim}{listing(x)}")
    shape = as_shape(newshape, "reshape", ndim, minimum=-1)
    missing = [i for i, e in enumerate(shape) if static(e) == -1]
    if len(missing) > 1:
        raise ShapeError(f"reshape: only one extent can be -1{listing(x)}")
    if missing:
        (at,) = missing
        rest = _quotient(x, [e for i, e in enumerate(shape) if i != at])
        shape = (*shape[:at], rest, *shape[at + 1 :])
    return _reshaped(x, shape)


def _quotient(x: Variable, known: Sequence[AnyExtent]) -> AnyExtent:
    """Number of elements of x divided by the product of extents, cancelled."""
    above, numerator = 1, []
    for value in extents(x):
        number, symbols = factors(value)
        above *= number
        numerator += symbols
    below, denominator = 1, []
    keys = [extent_key(v) for v in numerator]
    for value in known:
        number, symbols = factors(value)
        below *= number
        for v in symbols:
            key = extent_key(v)
            if key in keys:
                place = keys.index(key)
                del keys[place], numerator[place]
            else:
                denominator.append(v)
    if below == 0:
        raise ShapeError(f"reshape: -1 is undefined beside an extent 0{listing(x)}")
    if not denominator and above % below == 0:
        return multiply(product(numerator), above // below)
    if not denominator and not numerator:
        raise ShapeError(
            f"reshape: {above} elements cannot be divided into {below}{listing(x)}\n"
            "The product of the extents must stay the same."
        )
    return floor_divide(
        multiply(product(numerator), above), multiply(product(denominator), below)
    )


@public
def flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> Variable:
    """The first ``ndim - 1`` axes of x, then all others as one.

    `outdim` is Theano's old name for `ndim`.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.tensor3("x", shape=(None, 4, 5)).flatten(2).type.shape
    (None, 20)
    """
    x = as_variable(x)
    rank = outdim if ndim is None else ndim
    rank = 1 if rank is None else rank
    if not 1 <= rank <= max(1, x.ndim):
        raise ShapeError(
            f"flatten: ndim={rank} for an operand of rank {x.ndim}{listing(x)}\n"
            f"Use 1..{max(1, x.ndim)}."
        )
    if x.ndim == rank:
        return x
    shape = extents(x)
    return _reshaped(x, (*shape[: rank - 1], product(shape[rank - 1 :])))


@public
def ravel(x: Any) -> Variable:
    """All elements of x as a vector, in row-major order."""
    return flatten(x, 1)
