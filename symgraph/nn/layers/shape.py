"""Layers that move elements: flatten, reshape, dimshuffle, pad, slice."""

import math
from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable, listing
from symgraph.errors import ArgumentError, AxisError, IndexRangeError, ShapeError
from symgraph.nn.layers.base import Layer, LayerShape
from symgraph.nn.utils import as_tuple


class FlattenLayer(Layer):
    """The first ``outdim - 1`` axes of x, then all others as one.

    Parameters
    ----------
    incoming : Layer or shape
    outdim : int, axes of the output

    Examples
    --------
    >>> from symgraph.nn.layers import FlattenLayer, InputLayer
    >>> FlattenLayer(InputLayer((None, 3, 8, 8))).output_shape
    (None, 192)
    """

    saved = ("outdim",)

    def __init__(self, incoming: Any, outdim: int = 2, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        if not 1 <= outdim <= max(1, rank):
            raise ArgumentError(
                f"{self!r}: outdim={outdim} for the input shape {self.input_shape}; "
                f"use 1 .. {max(1, rank)}"
            )
        self.outdim = outdim

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """None for the last extent where one of its factors is unknown."""
        kept = self.outdim - 1
        return (*input_shape[:kept], _size(input_shape[kept:]))

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The flattened expression."""
        return T.flatten(input, self.outdim)


flatten = FlattenLayer


class ReshapeLayer(Layer):
    """The elements of x, in row-major order, with other extents.

    Parameters
    ----------
    incoming : Layer or shape
    shape : tuple
        each entry an int; ``[i]`` for the extent of axis i of the input; -1, at most
        once, for whatever is left; or a scalar integer variable.

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, ReshapeLayer
    >>> ReshapeLayer(InputLayer((None, 100, 20)), ([0], [1], 5, -1)).output_shape
    (None, 100, 5, 4)
    """

    saved = ("shape",)

    def __init__(self, incoming: Any, shape: Any, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.shape = tuple(shape)
        for entry in self.shape:
            self._check_entry(entry)
        if sum(_is_int(entry) and entry == -1 for entry in self.shape) > 1:
            raise ArgumentError(f"{self!r}: shape {self.shape} has more than one -1")
        self.get_output_shape_for(self.input_shape)

    def _check_entry(self, entry: Any) -> None:
        if isinstance(entry, Variable):
            if entry.ndim != 0:
                raise ArgumentError(
                    f"{self!r}: a variable in the shape must be a scalar"
                    f"{listing(entry)}"
                )
        elif _is_reference(entry):
            if not 0 <= entry[0] < len(self.input_shape):
                raise ArgumentError(
                    f"{self!r}: shape {self.shape} refers to axis {entry[0]} of the "
                    f"input shape {self.input_shape}"
                )
        elif not _is_int(entry) or entry == 0 or entry < -1:
            raise ArgumentError(
                f"{self!r}: shape {self.shape} holds {entry!r}; use positive ints, -1, "
                "[i] for axis i of the input, or scalar variables"
            )

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """References resolved and -1 computed, as far as extents are known."""
        out: list[int | None] = []
        rest_in: list[int | None] = list(input_shape)  # without what [i] takes over
        rest_out: list[int | None] = []
        for entry in self.shape:
            if _is_reference(entry):
                extent = input_shape[entry[0]]
                out.append(extent)
                if extent is None and rest_in[entry[0]] is None:
                    rest_in[entry[0]] = 1
                else:
                    rest_out.append(extent)
                continue
            known = None if isinstance(entry, Variable) else int(entry)
            out.append(known)
            if known != -1:
                rest_out.append(known)
        size_in, size_out = _size(rest_in), _size(rest_out)
        if -1 in out:
            at = out.index(-1)
            out[at] = None
            if size_in is not None and size_out is not None:
                out[at] = size_in // size_out
                size_out *= size_in // size_out
        if size_in is not None and size_out is not None and size_in != size_out:
            raise ShapeError(
                f"{self!r}: the input shape {tuple(input_shape)} cannot be reshaped to "
                f"{self.shape}, the numbers of elements differ"
            )
        return tuple(out)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The reshaped expression."""
        wanted = tuple(
            input.shape[entry[0]] if _is_reference(entry) else entry
            for entry in self.shape
        )
        return T.reshape(input, wanted, ndim=len(wanted))


reshape = ReshapeLayer


class DimshuffleLayer(Layer):
    """Axes of x in another order; "x" inserts an axis of extent 1.

    Parameters
    ----------
    incoming : Layer or shape
    pattern : tuple of axes and "x"; an axis that is left out must have extent 1

    Examples
    --------
    >>> from symgraph.nn.layers import DimshuffleLayer, InputLayer
    >>> DimshuffleLayer(InputLayer((2, 3, 5, 7)), (3, 2, 1, "x", 0)).output_shape
    (7, 5, 3, 1, 2)
    """

    saved = ("pattern",)

    def __init__(self, incoming: Any, pattern: Any, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.pattern = tuple(pattern)
        used = [p for p in self.pattern if not isinstance(p, str)]
        for p in self.pattern:
            if p != "x" and not _is_int(p):
                raise ArgumentError(
                    f"{self!r}: pattern {self.pattern} holds {p!r}; use axes and 'x'"
                )
        if len(set(used)) != len(used):
            raise ArgumentError(
                f"{self!r}: pattern {self.pattern} names an axis more than once"
            )
        rank = len(self.input_shape)
        for p in used:
            if not 0 <= p < rank:
                raise AxisError(
                    f"{self!r}: pattern {self.pattern} names axis {p} of the input "
                    f"shape {self.input_shape}"
                )
        self.get_output_shape_for(self.input_shape)

    def _dropped(self, rank: int) -> list[int]:
        return [axis for axis in range(rank) if axis not in self.pattern]

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """The extents in the new order."""
        for axis in self._dropped(len(input_shape)):
            if input_shape[axis] not in (1, None):
                raise ShapeError(
                    f"{self!r}: pattern {self.pattern} drops axis {axis} of extent "
                    f"{input_shape[axis]}; only axes of extent 1 can be dropped"
                )
        return tuple(1 if p == "x" else input_shape[p] for p in self.pattern)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The shuffled expression; that dropped axes have extent 1 is checked later."""
        unknown = [
            axis for axis in self._dropped(input.ndim) if input.type.shape[axis] is None
        ]
        if unknown:
            input = T.addbroadcast(input, *unknown)
        return input.dimshuffle(*self.pattern)


dimshuffle = DimshuffleLayer


class PadLayer(Layer):
    """x with a border of constant value around all axes but the first `batch_ndim`.

    Parameters
    ----------
    incoming : Layer or shape
    width : int; or for each padded axis an int, or a pair (before, after)
    val : number
    batch_ndim : int, leading axes without a border

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, PadLayer
    >>> PadLayer(InputLayer((None, 3, 8, 8)), width=(1, (0, 2))).output_shape
    (None, 3, 10, 10)
    """

    saved = ("width", "val", "batch_ndim")

    def __init__(
        self,
        incoming: Any,
        width: Any,
        val: Any = 0,
        batch_ndim: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.width = width
        self.val = val
        self.batch_ndim = batch_ndim
        rank = len(self.input_shape)
        if not 0 <= batch_ndim <= rank:
            raise ArgumentError(
                f"{self!r}: batch_ndim={batch_ndim} for the input shape "
                f"{self.input_shape}; use 0 .. {rank}"
            )
        borders = [as_tuple(each, 2) for each in as_tuple(width, rank - batch_ndim)]
        if any(not _is_int(side) or side < 0 for pair in borders for side in pair):
            raise ArgumentError(f"{self!r}: width={width!r}; use ints from 0 up")
        self._borders = [(0, 0)] * batch_ndim + borders

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """The borders added to the extents."""
        return tuple(
            None if extent is None else extent + before + after
            for extent, (before, after) in zip(input_shape, self._borders, strict=True)
        )

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """A tensor of the constant, in which x is set."""
        if all(pair == (0, 0) for pair in self._borders):
            return input
        extents = [input.shape[axis] for axis in range(input.ndim)]
        whole = tuple(
            extent + (before + after) if before + after else extent
            for extent, (before, after) in zip(extents, self._borders, strict=True)
        )
        inside = tuple(
            slice(before, before + extent) if before + after else slice(None)
            for extent, (before, after) in zip(extents, self._borders, strict=True)
        )
        base = T.full(whole, self.val, dtype=input.dtype)
        return T.set_subtensor(base[inside], input)


pad = PadLayer


class SliceLayer(Layer):
    """Part of x along one axis.

    Parameters
    ----------
    incoming : Layer or shape
    indices : int, which drops the axis, or slice
    axis : int

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, SliceLayer
    >>> x = InputLayer((2, 3, 4))
    >>> SliceLayer(x, 0, axis=1).output_shape
    (2, 4)
    >>> SliceLayer(x, slice(-2, None)).output_shape
    (2, 3, 2)
    """

    saved = ("indices", "axis")

    def __init__(
        self, incoming: Any, indices: Any, axis: int = -1, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        if not _is_int(indices) and not isinstance(indices, slice):
            raise ArgumentError(
                f"{self!r}: indices={indices!r} must be an int or a slice"
            )
        rank = len(self.input_shape)
        if not -rank <= axis < rank:
            raise AxisError(
                f"{self!r}: axis {axis} of the input shape {self.input_shape}"
            )
        self.slice = self.indices = indices
        self.axis = axis
        extent = self.input_shape[axis]
        if _is_int(indices) and extent is not None and not -extent <= indices < extent:
            raise IndexRangeError(
                f"{self!r}: index {indices} lies outside axis {axis} of the input "
                f"shape {self.input_shape}"
            )

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """Without the axis for an int, else as many elements as the slice takes."""
        out = list(input_shape)
        if _is_int(self.slice):
            del out[self.axis]
        elif self.slice != slice(None) and out[self.axis] is not None:
            out[self.axis] = len(range(*self.slice.indices(out[self.axis])))
        return tuple(out)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The part."""
        axis = self.axis % input.ndim
        return input[(slice(None),) * axis + (self.slice,)]


# --- pieces ------------------------------------------------------------------------


def _is_int(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool | Variable)


def _is_reference(entry: Any) -> bool:
    """Whether an entry is [i]; a file brings it back as (i,)."""
    return isinstance(entry, list | tuple) and len(entry) == 1 and _is_int(entry[0])


def _size(extents: Any) -> int | None:
    """Product of extents, None where one is unknown."""
    known = [extent for extent in extents if extent is not None]
    return math.prod(known) if len(known) == len(list(extents)) else None
