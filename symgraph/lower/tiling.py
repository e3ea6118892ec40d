"""Convolutions as operations of the tile library: which one, with which parameters.

In: a node of a prepared graph, images with the channels last. Out: a `Tiling`, the
name of an operation and a value for each of its parameters; spatial axes are lifted to
three (depth, height, width) with extents of 1. The library itself, and in which order
it takes them, is the backend's.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.config import config
from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.node import Apply, Variable
from symgraph.core.record import Record
from symgraph.lower.extents import Extents
from symgraph.lower.sizes import Poly, poly, product
from symgraph.ops.epilogue import ACTIVATIONS

CONVOLUTIONS = {
    "convolution": "convolution",
    "convolution_epilogue": "convolution",
    "convolution_input": "convolution_input",
    "convolution_weight": "convolution_weight",
}
AXES = ("depth", "height", "width")
#: channels and filters from which on Winograd's transforms pay
LEAST = 16
#: channels and filters together for which a block of its tiles fits into the scratch
MOST = 8192
#: bytes of a vector, at most
VECTOR_BYTES = 64
#: parts that a gradient with respect to filters is added up in, at most
PARTS = 16
#: bytes that all these parts but one may take
PARTS_BYTES = 4 << 20
#: picoseconds of one multiply-add
RATE = {"float32": 16, "float64": 32}

#: a variable (its address), a size, or a number whose address is meant
Parameter = Variable | Poly | int | float | None


class Tiling(Record):
    """One operation of the tile library.

    Attributes
    ----------
    operation : its name
    parameters : name → a variable for its address, a size, a float for the address of
        that number, None for no address
    workspace : bytes of memory that its phases share, or None
    work : picoseconds that it takes on one core, about
    """

    operation: str
    dtype: str
    parameters: dict[str, Parameter]
    workspace: Poly | None
    work: Poly


def convolution(node: Apply, extents: Extents) -> Tiling:
    """A convolution or one of its adjoints."""
    op: Any = node.op
    (out,) = node.outputs
    kind = CONVOLUTIONS[op.name]
    if kind == "convolution":
        x, w, y = node.inputs[0], node.inputs[1], out
    elif kind == "convolution_input":
        y, w, x = node.inputs[0], node.inputs[1], out
    else:
        x, y, w = node.inputs[0], node.inputs[1], out
    image, result, filters = (extents.shape(v) for v in (x, y, w))
    bias = node.inputs[2] if op.name == "convolution_epilogue" else None
    activation = ACTIVATIONS[getattr(op, "activation", "none")]
    slope = float(getattr(op, "slope", 0.0)) if activation == 2 else None
    parameters: dict[str, Parameter] = {
        "x": x, "w": w, "y": y, "bias": bias, "slope": slope, "activation": activation,
        "batch": image[0], "channels": image[-1], "filters": result[-1],
        "groups": op.groups, "flip": int(op.flip),
    }  # fmt: skip
    for name, values in (
        ("", _lifted(image[1:-1])), ("out_", _lifted(result[1:-1])),
        ("window_", _lifted(filters[2:])), ("stride_", _lifted(op.strides)),
        ("pad_", _lifted([low for low, _ in op.padding], 0)),
        ("dilation_", _lifted(op.dilation)),
    ):  # fmt: skip
        for axis, value in zip(AXES, values, strict=True):
            parameters[name + axis] = value
    dtype = out.type.dtype
    work = product([*result, *filters[1:]]) * RATE[dtype]
    if _suits_winograd(node, kind, filters, image[-1], result[-1]):
        return _winograd(parameters, kind, work)
    memory = workspace(kind, dtype, filters, op.groups)
    return Tiling(kind, dtype, parameters, memory, work)


def workspace(
    operation: str, dtype: str, window: Sequence[Poly | int], groups: int = 1
) -> Poly:
    """Bytes of memory, aligned to 64, that the phases of a convolution share.

    Parameters
    ----------
    operation : "convolution", "convolution_input" or "convolution_weight"
    dtype : float32 or float64
    window : shape of the weights (K, C/groups, T, R, S)
    groups : of the convolution

    Returns
    -------
    an upper bound for every CPU

    Examples
    --------
    >>> str(workspace("convolution", "float32", (32, 3, 1, 5, 5)))
    '14400'
    """
    item = ITEMSIZE[dtype]
    lanes = VECTOR_BYTES // item
    filters, channels, *taps = (poly(extent) for extent in window)
    columns, depth = filters, channels
    if operation == "convolution_input":
        # a group has filters / groups filters; where that is no polynomial, all
        known = filters.constant
        depth = filters if known is None else poly(known // groups)
        columns = channels * groups
    size = (columns + lanes * groups) * depth * product(taps) * item
    if operation != "convolution_weight":
        return size
    several, known = PARTS_BYTES, size.constant
    if known is not None:
        return poly(min(known * PARTS, known + several))
    return size + several


def _lifted(values: Sequence[Any], fill: int = 1) -> list[Any]:
    return [fill] * (len(AXES) - len(values)) + list(values)


def _suits_winograd(
    node: Apply, kind: str, filters: Sequence[Poly], channels: Poly, made: Poly
) -> bool:
    """Whether Winograd's F(4x4, 3x3) or F(2x2, 3x3) applies and is faster."""
    op: Any = node.op
    if kind == "convolution_weight" or not config.winograd:
        return False
    if node.outputs[0].type.dtype != "float32" or op.rank != 2 or op.groups != 1:
        return False
    if set(op.strides) != {1} or set(op.dilation) != {1}:
        return False
    if any(e != poly(3) for e in filters[2:]):
        return False
    if any(not 0 <= low <= 2 for low, _ in op.padding):
        return False
    if (channels + made).constant is None or (channels + made).constant > MOST:
        return False
    return all((e.constant or 0) >= LEAST for e in (channels, made))


def _winograd(p: dict[str, Parameter], kind: str, work: Poly) -> Tiling:
    chosen = {
        name: p[name]
        for name in (
            "x", "w", "y", "bias", "slope", "activation", "batch", "channels",
            "filters", "height", "width", "out_height", "out_width", "pad_height",
            "pad_width", "flip",
        )
    }  # fmt: skip
    chosen["adjoint"] = 0
    if kind == "convolution_input":
        for one, other in (("x", "y"), ("channels", "filters"), ("height", "out_height"),
                           ("width", "out_width")):  # fmt: skip
            chosen[one], chosen[other] = p[other], p[one]
        for name in ("pad_height", "pad_width"):
            chosen[name] = 2 - p[name]  # type: ignore[operator]
        chosen["adjoint"] = 1
    channels, filters = chosen["channels"], chosen["filters"]
    assert isinstance(channels, Poly) and isinstance(filters, Poly)
    points = (config.winograd + 2) ** 2
    item = ITEMSIZE["float32"]
    memory = channels * (filters + VECTOR_BYTES // item) * (points * item)
    return Tiling(f"winograd{config.winograd}", "float32", chosen, memory, work)
