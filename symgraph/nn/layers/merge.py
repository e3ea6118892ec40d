"""Layers with several inputs: concatenation, elementwise merges and sums.

Inputs whose extents differ can be cropped to the smallest: `cropping` has one entry per
axis, None (as it is), "lower" (the first elements), "upper" (the last) or "center"; a
missing entry is None.
"""

from collections.abc import Callable, Sequence
from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Constant, Variable, listing
from symgraph.errors import ArgumentError, AxisError, ShapeError
from symgraph.nn.layers.base import LayerShape, MergeLayer

CROPS = ("lower", "center", "upper")


def autocrop(inputs: Sequence[Any], cropping: Sequence[str | None] | None) -> list[Any]:
    """Return the inputs, cropped along some axes to their smallest extents.

    Parameters
    ----------
    inputs : expressions of equal rank
    cropping : one entry per axis, see the top of this file; None crops nothing

    Examples
    --------
    >>> a, b = T.tensor("a", shape=(2, 5)), T.tensor("b", shape=(4, 3))
    >>> [x.type.shape for x in autocrop([a, b], [None, "center"])]
    [(2, 3), (4, 3)]
    """
    inputs = [T.as_tensor_variable(x) for x in inputs]
    if cropping is None:
        return inputs
    ndim = inputs[0].ndim
    if any(x.ndim != ndim for x in inputs):
        raise ShapeError(f"autocrop: the inputs differ in rank{listing(*inputs)}")
    indices: list[list[Any]] = [[] for _ in inputs]
    for axis, how in enumerate(_padded(cropping, ndim)):
        extents = [_extent(x, axis) for x in inputs]
        least = _least(extents)
        for index, extent in zip(indices, extents, strict=True):
            index.append(_crop(how, extent, least))
    return [
        x if all(part == slice(None) for part in index) else x[tuple(index)]
        for x, index in zip(inputs, indices, strict=True)
    ]


def autocrop_array_shapes(
    input_shapes: Sequence[Any], cropping: Sequence[str | None] | None
) -> list[LayerShape]:
    """Return the shapes of what `autocrop` gives.

    Examples
    --------
    >>> autocrop_array_shapes([(2, 5), (None, 3)], [None, "center"])
    [(2, 3), (None, 3)]
    """
    shapes = [tuple(shape) for shape in input_shapes]
    if cropping is None:
        return shapes
    ndim = len(shapes[0])
    if any(len(shape) != ndim for shape in shapes):
        raise ShapeError(f"autocrop: the input shapes {shapes} differ in rank")
    columns: list[Sequence[int | None]] = []
    for extents, how in zip(
        zip(*shapes, strict=True), _padded(cropping, ndim), strict=True
    ):
        if how is None:
            columns.append(extents)
        else:
            known = [extent for extent in extents if extent is not None]
            least = min(known) if len(known) == len(extents) else None
            columns.append([least] * len(extents))
    return list(zip(*columns, strict=True))


class ConcatLayer(MergeLayer):
    """The inputs one after the other along an axis.

    Parameters
    ----------
    incomings : list of Layers and shapes; extents agree on all other axes
    axis : int
    cropping : see the top of this file; `axis` is never cropped

    Examples
    --------
    >>> from symgraph.nn.layers import ConcatLayer, InputLayer
    >>> ConcatLayer([InputLayer((None, 3)), InputLayer((None, 4))]).output_shape
    (None, 7)
    """

    saved = ("axis", "cropping")

    def __init__(
        self,
        incomings: Sequence[Any],
        axis: int = 1,
        cropping: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incomings, **kwargs)
        self.axis = axis
        rank = len(self.input_shapes[0])
        if not -rank <= axis < rank:
            raise AxisError(f"{self!r}: axis {axis} of inputs {self.input_shapes}")
        if cropping is not None:
            cropping = _padded(cropping, rank)
            cropping[axis] = None
        self.cropping = cropping
        self.get_output_shape_for(self.input_shapes)

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """The sum of the extents along the axis."""
        shapes = autocrop_array_shapes(input_shapes, self.cropping)
        _check_ranks(self, shapes)
        out: list[int | None] = []
        for axis, extents in enumerate(zip(*shapes, strict=True)):
            known = [extent for extent in extents if extent is not None]
            if axis == self.axis % len(shapes[0]):
                out.append(sum(known) if len(known) == len(extents) else None)
                continue
            if len(set(known)) > 1:
                raise ShapeError(
                    f"{self!r}: the input shapes {shapes} differ at axis {axis}; only "
                    f"axis {self.axis}, along which they are joined, may differ"
                )
            out.append(known[0] if known else None)
        return tuple(out)

    def get_output_for(  # type: ignore[override]
        self, inputs: Any, **kwargs: Any
    ) -> Variable:
        """The inputs, cropped and joined."""
        return T.concatenate(autocrop(inputs, self.cropping), axis=self.axis)


concat = ConcatLayer


class ElemwiseMergeLayer(MergeLayer):
    """out = f(f(x1, x2), x3) ...

    Parameters
    ----------
    incomings : list of Layers and shapes; extents agree or are 1, which broadcasts
    merge_function : f of two expressions, such as `T.mul` or `T.maximum`
    cropping : see the top of this file

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> from symgraph.nn.layers import ElemwiseMergeLayer, InputLayer
    >>> pair = [InputLayer((None, 3)), InputLayer((None, 1))]
    >>> ElemwiseMergeLayer(pair, T.mul).output_shape
    (None, 3)
    """

    saved = ("merge_function", "cropping")

    def __init__(
        self,
        incomings: Sequence[Any],
        merge_function: Callable[[Any, Any], Any],
        cropping: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incomings, **kwargs)
        self.merge_function = merge_function
        self.cropping = cropping
        self.get_output_shape_for(self.input_shapes)

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """The broadcast of the shapes."""
        shapes = autocrop_array_shapes(input_shapes, self.cropping)
        _check_ranks(self, shapes)
        out: list[int | None] = []
        for axis, extents in enumerate(zip(*shapes, strict=True)):
            known = {extent for extent in extents if extent not in (None, 1)}
            if len(known) > 1:
                raise ShapeError(
                    f"{self!r}: the input shapes {shapes} differ at axis {axis}; crop "
                    "them with cropping= or make them equal"
                )
            if known:
                out.append(known.pop())
            else:
                out.append(None if None in extents else 1)
        return tuple(out)

    def get_output_for(  # type: ignore[override]
        self, inputs: Any, **kwargs: Any
    ) -> Variable:
        """The inputs, cropped and merged from left to right."""
        first, *others = autocrop(inputs, self.cropping)
        for other in others:
            first = self.merge_function(first, other)
        return first


class ElemwiseSumLayer(ElemwiseMergeLayer):
    """out = c1 x1 + c2 x2 + ...

    Parameters
    ----------
    incomings : list of Layers and shapes; extents agree or are 1, which broadcasts
    coeffs : number for all inputs, or list with one for each
    cropping : see the top of this file

    Examples
    --------
    >>> from symgraph.nn.layers import ElemwiseSumLayer, InputLayer
    >>> ElemwiseSumLayer([InputLayer((None, 3))] * 2, coeffs=[1, -1]).output_shape
    (None, 3)
    """

    saved = ("coeffs", "cropping")

    def __init__(
        self,
        incomings: Sequence[Any],
        coeffs: Any = 1,
        cropping: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incomings, T.add, cropping, **kwargs)
        if isinstance(coeffs, list | tuple):
            if len(coeffs) != len(self.input_layers):
                raise ArgumentError(
                    f"{self!r}: {len(coeffs)} coefficients for "
                    f"{len(self.input_layers)} inputs"
                )
            self.coeffs = list(coeffs)
        else:
            self.coeffs = [coeffs] * len(self.input_layers)

    def get_output_for(  # type: ignore[override]
        self, inputs: Any, **kwargs: Any
    ) -> Variable:
        """The inputs, scaled, cropped and added."""
        scaled = [
            x if not isinstance(c, Variable) and c == 1 else x * c
            for x, c in zip(inputs, self.coeffs, strict=True)
        ]
        return super().get_output_for(scaled, **kwargs)


# --- pieces ------------------------------------------------------------------------


def _padded(cropping: Sequence[str | None], ndim: int) -> list[str | None]:
    entries = list(cropping)
    for entry in entries:
        if entry is not None and entry not in CROPS:
            raise ArgumentError(
                f"cropping={entries}: {entry!r} is not None or in {CROPS}"
            )
    if len(entries) > ndim:
        raise ArgumentError(f"cropping={entries} for inputs of {ndim} axes")
    return entries + [None] * (ndim - len(entries))


def _extent(x: Any, axis: int) -> Any:
    """Extent of an axis: an int where it is known, else a scalar variable."""
    known = x.type.shape[axis]
    if known is not None:
        return known
    found = x.shape[axis]
    return int(found.data) if isinstance(found, Constant) else found


def _least(extents: Sequence[Any]) -> Any:
    numbers = [extent for extent in extents if isinstance(extent, int)]
    symbols = [extent for extent in extents if not isinstance(extent, int)]
    parts = ([min(numbers)] if numbers else []) + symbols
    least = parts[0]
    for part in parts[1:]:
        least = T.cast(T.minimum(least, part), "int64")
    return least


def _crop(how: str | None, extent: Any, least: Any) -> slice:
    if how is None or (isinstance(extent, int) and extent == least):
        return slice(None)
    if how == "lower":
        return slice(None, least)
    start = extent - least
    if how == "upper":
        return slice(start, None)
    start = start // 2
    return slice(start, start + least)


def _check_ranks(layer: MergeLayer, shapes: Sequence[LayerShape]) -> None:
    if len({len(shape) for shape in shapes}) > 1:
        raise ShapeError(f"{layer!r}: the input shapes {shapes} differ in rank")
