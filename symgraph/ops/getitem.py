"""Indexing, the public functions: `getitem`, `set_subtensor`, `inc_subtensor`, `take`.

`getitem` is ``x[index]``; it keeps its plan (see ops/index_plan.py) with the result, so
that the writing functions know what ``x[index]`` read. Reading and writing by a plan
are in ops/reading.py and ops/writing.py.
"""

from typing import Any

from symgraph.core.node import Variable, as_variable
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.ops.families import cast
from symgraph.ops.index_plan import element_of, index_array, parse
from symgraph.ops.indexing import Take
from symgraph.ops.reading import picked, read
from symgraph.ops.shape import extent, normalize_axis, variable
from symgraph.ops.writing import write


def _lists_axes(index: Any) -> bool:
    """Whether it has one entry per axis: a tuple, or as in Theano a list with slices."""
    return isinstance(index, tuple) or (
        isinstance(index, list) and any(isinstance(item, slice) for item in index)
    )


@public
def getitem(x: Any, index: Any) -> Variable:
    """out = x[index], with NumPy's meaning.

    Parameters
    ----------
    x : tensor
    index : int, slice, None, Ellipsis, array of integers or bools, or a tuple of those
        ints and bounds may be 0-d integer variables, arrays and masks variables, arrays
        or lists. Integer arrays, and the positions where masks are true, broadcast
        against each other; their axes come where the arrays stand, or first if
        something stands between them.

    Raises
    ------
    IndexRangeError : a known index lies outside a known extent, or at run time
    AxisError : more indices than axes
    ShapeError : a mask has another shape than the axes it stands for, or arrays do not
        broadcast together
    DtypeError : an index holds no integers

    References
    ----------
    NumPy 2.4, Indexing on ndarrays, "Combining advanced and basic indexing".

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.TensorType("float32", (None, 10))("x")
    >>> x[0, ::-2].type, x[:, None, 2:].type
    (float32 (5,), float32 (None, 1, 8))
    >>> x[[0, 2], 1:].type, x[x > 0].type
    (float32 (2, 9), float32 (None,))
    """
    x = as_variable(x)
    items = tuple(index) if _lists_axes(index) else (index,)
    direct = element_of(x, items)
    if direct is not None:
        return direct
    plan = parse(x, items)
    core = read(plan)
    out = core
    if plan.pattern != tuple(range(core.ndim)):
        out = PUBLIC["dimshuffle"](core, *plan.pattern)
    out.__dict__["_indexing"] = plan
    return out


@public
def set_subtensor(
    x: Variable,
    y: Any,
    inplace: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> Variable:
    """out = a copy of a, with ``a[index] = y``, where x is the term ``a[index]``.

    Parameters
    ----------
    x : what indexing gave, ``a[index]``
    y : new values, broadcast to the shape of x; cast to the dtype of x where NumPy's
        assignment would do it quietly (float64 to float32, but not float to int)
    inplace, tolerate_inplace_aliasing : accepted for compatibility; memory reuse is
        decided when a function is compiled

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> a = T.fmatrix("a")
    >>> T.set_subtensor(a[:, 0], 0.0).type
    float32 (None, None)
    """
    return write(x, y, "set")


@public
def inc_subtensor(
    x: Variable,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
    ignore_duplicates: bool = False,
) -> Variable:
    """out = a copy of a, with ``a[index] += y``, where x is the term ``a[index]``.

    Repeated indices add up. See `set_subtensor` for the arguments.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> a, i = T.fmatrix("a"), T.lvector("i")
    >>> T.inc_subtensor(a[i], 1.0).type
    float32 (None, None)
    """
    if ignore_duplicates:
        raise NotSupportedError(
            "inc_subtensor: ignore_duplicates=True is not supported; repeated indices "
            "always add up"
        )
    return write(x, y, "set" if set_instead_of_inc else "inc")


@public
def take(
    x: Any, indices: Any, axis: int | None = None, mode: str = "raise"
) -> Variable:
    """out[a, i, b] = x[a, indices[i], b]; a, b stand for the axes around `axis`.

    Parameters
    ----------
    indices : integers, any rank
    axis : int, or None for the flattened x
    mode : "raise", "wrap" or "clip"
        what happens to indices outside the axis.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.take(T.fmatrix("W"), T.imatrix("words"), axis=0).type
    float32 (None, None, None)
    """
    x = as_variable(x)
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    axis = normalize_axis(axis, x.ndim, "take", x)
    places = index_array(as_variable(indices))
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"take: mode={mode!r}; use 'raise', 'wrap' or 'clip'")
    if mode == "wrap":
        places = PUBLIC["mod"](places, variable(extent(x, axis)))
    elif mode == "clip":
        last = variable(extent(x, axis)) - 1
        places = PUBLIC["minimum"](PUBLIC["maximum"](places, 0), last)
    return Take(axis)(x, cast(places, "int64"))


@public
def pick(x: Any, y: Any) -> Variable:
    """out[i] = x[i, y[i]]: one element of each row; i stands for all axes but the last.

    It is a sum over a mask, so that it and its gradient fuse with what computes x.

    Parameters
    ----------
    x : (..., n)
    y : integers (...), in -n .. n - 1; others fail at run time

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.pick(T.fmatrix("p"), T.ivector("y")).type
    float32 (None,)
    """
    return picked(as_variable(x), index_array(as_variable(y)))
