"""Order: sort, argsort, topk, searchsorted, unique; ops that NumPy carries out.

Compiled functions call NumPy's sort, which is hard to surpass. Positions are integers,
so derivatives go through `take_along_axis`: sorting is a permutation once the order is
known. Quantiles are in ops/quantiles.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import canonical, is_complex, is_discrete
from symgraph.core.node import Op, Shape, Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.shape import (
    AnyExtent,
    as_extent,
    extents,
    folded,
    normalize_axis,
    static,
    variable,
)

Gradients = Sequence[Variable | None]
KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def _check(x: Variable, axis: int, what: str) -> None:
    if not 0 <= axis < x.ndim:
        raise ShapeError(f"{what}: axis {axis} of {x.ndim} axes{listing(x)}")
    if is_complex(x.type.dtype):
        raise DtypeError(
            f"{what}: complex numbers have no order{listing(x)}\nSort abs(x) or real(x)."
        )


class Sort(Op):
    """out = x sorted along an axis, ascending, NaN last."""

    axis: int
    kind: str

    name = "sort"
    host = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x."""
        (x,) = inputs
        _check(x, self.axis, "sort")
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
        """Each element gets the gradient of the place it went to."""
        (x,), (g,) = inputs, gradients
        if g is None or is_discrete(x.type.dtype):
            return (None,)
        order = ArgSort(self.axis, self.kind)(x)
        places = ArgSort(self.axis, self.kind)(order)
        return (PUBLIC["take_along_axis"](g, places, self.axis),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's sort."""
        return (np.sort(arrays[0], axis=self.axis, kind=self.kind),)  # type: ignore[call-overload]


class ArgSort(Op):
    """out = indices that sort x along an axis, int64."""

    axis: int
    kind: str

    name = "argsort"
    host = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """int64, the shape of x."""
        (x,) = inputs
        _check(x, self.axis, "argsort")
        return (fast_type("int64", x.type.shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of x."""
        return (shapes[0],)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through positions."""
        return (False,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's argsort."""
        kind: Any = self.kind
        found = np.argsort(arrays[0], axis=self.axis, kind=kind)
        return (found.astype(np.int64, copy=False),)


class ArgTopK(Op):
    """out = indices of the k largest along an axis, largest first; int64.

    For a negative k, of the -k smallest, smallest first. NaN counts as the largest.
    """

    axis: int

    name = "argtopk"
    host = True
    can_fail = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """int64; k elements along the axis."""
        x, k = inputs
        _check(x, self.axis, "topk")
        if k.ndim or k.type.dtype != "int64":
            raise DtypeError(f"topk: k must be a 0-d int64{listing(k)}")
        number, whole = static(k), x.type.shape[self.axis]
        if number is not None:
            try:
                _check_k(number, whole, self.axis)
            except ShapeError as error:
                raise ShapeError(f"{error}{listing(x)}") from None
        shape = list(x.type.shape)
        shape[self.axis] = None if number is None else abs(number)
        return (fast_type("int64", tuple(shape)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """As x, with the absolute value of k along the axis."""
        k = folded(inputs[1])
        count: AnyExtent = abs(k) if isinstance(k, int) else PUBLIC["abs"](k)
        shape = shapes[0]
        return ((*shape[: self.axis], count, *shape[self.axis + 1 :]),)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through positions."""
        return (False, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's argpartition, then argsort of what it found."""
        x, k = arrays[0], int(arrays[1])
        count = x.shape[self.axis]
        _check_k(k, count, self.axis)
        rows = np.moveaxis(x, self.axis, -1)
        if k > 0:
            found = np.argpartition(rows, count - k, axis=-1)[..., count - k :]
        else:
            found = np.argpartition(rows, -k - 1, axis=-1)[..., :-k]
        best = np.take_along_axis(rows, found, -1)
        order = np.argsort(best, axis=-1)[..., :: 1 if k < 0 else -1]
        found = np.take_along_axis(found, order, -1).astype(np.int64, copy=False)
        return (np.ascontiguousarray(np.moveaxis(found, -1, self.axis)),)


def _check_k(k: int, count: int | None, axis: int) -> None:
    if k == 0 or (count is not None and abs(k) > count):
        raise ShapeError(
            f"topk: k is {k} for axis {axis} of extent {count}; use 1 .. extent for the "
            "largest, -extent .. -1 for the smallest"
        )


class SearchSorted(Op):
    """out = where each v would be put into the sorted vector x to keep the order.

    `side` "left": before what is equal to v, "right": behind it.
    """

    side: str

    name = "searchsorted"
    host = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """int64, the shape of v."""
        x, v = inputs
        if x.ndim != 1:
            raise ShapeError(f"searchsorted: x must be a vector{listing(x)}")
        for operand in inputs:
            if is_complex(operand.type.dtype):
                raise DtypeError(
                    f"searchsorted: complex numbers have no order{listing(operand)}"
                )
        return (fast_type("int64", v.type.shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of v."""
        return (shapes[1],)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through positions."""
        return (False, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's searchsorted."""
        x, v = arrays
        found = np.searchsorted(x, v, side=self.side)  # type: ignore[call-overload]
        return (np.asarray(found, dtype=np.int64),)


class Unique(Op):
    """What `unique` needs to know of a vector.

    Outputs: position of the first of each distinct value, ascending by value; for each
    element the number of its value; how often each value occurs; how many there are.
    The first and the third are padded with zeros to the extent of x. NaN equals NaN.
    """

    name = "unique"
    host = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Three int64 vectors of the extent of x, and a scalar."""
        (x,) = inputs
        if x.ndim != 1:
            raise ShapeError(f"unique: expected a vector{listing(x)}")
        whole = fast_type("int64", x.type.shape)
        return (whole, whole, whole, fast_type("int64", ()))

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extent of x, three times."""
        return (shapes[0], shapes[0], shapes[0], ())

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through positions."""
        return (False,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's unique, padded."""
        (x,) = arrays
        _, first, inverse, counts = np.unique(
            x, return_index=True, return_inverse=True, return_counts=True
        )
        padded = [np.zeros(x.size, np.int64) for _ in range(2)]
        padded[0][: first.size], padded[1][: counts.size] = first, counts
        return (
            padded[0], inverse.reshape(-1).astype(np.int64), padded[1],
            np.array(first.size, np.int64),
        )  # fmt: skip


# --- public functions --------------------------------------------------------------


def _ordered(
    x: Any, axis: Any, kind: str, order: Any, what: str
) -> tuple[Variable, int]:
    x = as_variable(x)
    if kind not in KINDS:
        raise ArgumentError(f"{what}: kind={kind!r}; use one of {', '.join(KINDS)}")
    if order is not None:
        raise ArgumentError(f"{what}: order={order!r}; tensors have no fields")
    if axis is None:
        return PUBLIC["flatten"](x), 0
    return x, normalize_axis(axis, x.ndim, what, x)


@public
def sort(
    x: Any, axis: int | None = -1, kind: str = "quicksort", order: None = None
) -> Variable:
    """out = x sorted along `axis`, ascending, NaN last.

    Parameters
    ----------
    axis : int, or None for the flattened x
    kind : "quicksort", "mergesort", "heapsort" or "stable", as in NumPy
    order : accepted for compatibility; only None

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> f = sg.function([x], [T.sort(x), T.argsort(x)], "FAST_COMPILE")
    >>> [v.tolist() for v in f([3.0, 1.0, 2.0])]
    [[1.0, 2.0, 3.0], [1, 2, 0]]
    """
    x, axis = _ordered(x, axis, kind, order, "sort")
    return Sort(axis, kind)(x)


@public
def argsort(
    x: Any, axis: int | None = -1, kind: str = "quicksort", order: None = None
) -> Variable:
    """out = indices that sort x along `axis`, int64; arguments as for `sort`."""
    x, axis = _ordered(x, axis, kind, order, "argsort")
    return ArgSort(axis, kind)(x)


@public
def argtopk(
    x: Any, kth: Any, axis: int | None = -1, sorted: bool = True,
    idx_dtype: Any = "int64",
) -> Variable:  # fmt: skip
    """out = indices of the k largest elements along `axis`, the largest first.

    Parameters
    ----------
    kth : k, int or scalar; for a negative one the -k smallest, the smallest first
    axis : int, or None for the flattened x
    sorted : accepted for compatibility; the result always is in order
    idx_dtype : dtype of the indices

    Raises
    ------
    ShapeError : k is 0 or larger than the extent; at run time if it is not known

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.argtopk(T.fmatrix("x"), 3).type
    int64 (None, 3)
    """
    x = as_variable(x)
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    axis = normalize_axis(axis, x.ndim, "topk", x)
    wanted = canonical(idx_dtype)
    if not wanted.startswith(("int", "uint")):
        raise DtypeError(f"topk: idx_dtype={idx_dtype!r} is no integer dtype")
    k = as_extent(kth, "topk", minimum=-(2**62))
    return cast(ArgTopK(axis)(x, variable(k)), wanted)


@public
def topk(
    x: Any, kth: Any, axis: int | None = -1, sorted: bool = True,
    idx_dtype: Any = "int64",
) -> Variable:  # fmt: skip
    """out = the k largest elements along `axis`; arguments as for `argtopk`.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> f = sg.function([x], [T.topk(x, 2), T.topk(x, -1)], "FAST_COMPILE")
    >>> [v.tolist() for v in f([3.0, 1.0, 2.0])]
    [[3.0, 2.0], [1.0]]
    """
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[0]


@public
def topk_and_argtopk(
    x: Any, kth: Any, axis: int | None = -1, sorted: bool = True,
    idx_dtype: Any = "int64",
) -> tuple[Variable, Variable]:  # fmt: skip
    """``(topk(...), argtopk(...))``, which share the work."""
    x = as_variable(x)
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    found = argtopk(x, kth, axis, sorted, idx_dtype)
    return PUBLIC["take_along_axis"](x, found, axis), found


@public
def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> Variable:
    """out = where each v would be put into the sorted vector x to keep the order, int64.

    Parameters
    ----------
    v : any rank; the result has its shape
    side : "left", before what equals v, or "right", behind it
    sorter : indices that sort x, if it is not sorted

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.searchsorted(T.dvector("edges"), T.dmatrix("v")).type
    int64 (None, None)
    """
    x, v = as_variable(x), as_variable(v)
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side={side!r}; use 'left' or 'right'")
    if sorter is not None:
        x = PUBLIC["take"](x, sorter, axis=0)
    return SearchSorted(side)(x, v)


@public
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: None = None,
) -> Any:  # fmt: skip
    """The distinct elements of a tensor, ascending.

    Parameters
    ----------
    return_index : also the position of the first of each in the flattened tensor
    return_inverse : also, in the shape of the tensor, the number of each element's value
    return_counts : also how often each value occurs
    axis : only None

    Returns
    -------
    vector, or a tuple of it and of what was asked for, in this order

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> f = sg.function([x], list(T.unique(x, return_counts=True)), "FAST_COMPILE")
    >>> [v.tolist() for v in f([3.0, 1.0, 3.0])]
    [[1.0, 3.0], [1, 2]]
    """
    x = as_variable(ar)
    if axis is not None:
        raise ArgumentError(
            f"unique: axis={axis!r}; distinct rows are not supported, only elements"
        )
    flat = PUBLIC["flatten"](x)
    first, inverse, counts, number = Unique()(flat)
    count = PUBLIC["maximum"](number, np.int64(0))
    first = first[:count]
    results = [PUBLIC["take"](flat, first, axis=0)]
    if return_index:
        results.append(first)
    if return_inverse:
        results.append(PUBLIC["reshape"](inverse, extents(x)))
    if return_counts:
        results.append(counts[:count])
    return results[0] if len(results) == 1 else tuple(results)
