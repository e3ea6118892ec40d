"""What an op of the user promises, and the errors when it does not keep it.

`values` are what `perform` wrote, `gradients` what `grad` or `L_op` returned, `extents`
what `infer_shape` told. Each is checked once, here, and the message names the op, the
output or input, and the line of the method that is at fault.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.backends.reference import evaluate
from symgraph.core.dtypes import NUMPY, is_complex, is_discrete, is_integer
from symgraph.core.node import (
    Apply,
    Constant,
    Extent,
    Shape,
    Variable,
    as_variable,
    listing,
)
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import leaves
from symgraph.core.types import TensorType
from symgraph.errors import ConversionError, GradientError, UserOpError
from symgraph.ops.families import cast
from symgraph.ops.gradient import gradient_like
from symgraph.ops.undefined import DisconnectedType, Marker


def line_of(function: Any) -> str:
    """File and line where a method or function of the user is defined."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"


def method(op: Any, name: str) -> str:
    """``MyOp.grad (file:line)``."""
    return f"{type(op).__name__}.{name}{line_of(getattr(op, name))}"


def applied(node: Apply) -> str:
    """Where a node was made, as a line of a message."""
    file, line = node.outputs[0].place
    return f"\n  applied at {file}:{line}{listing(*node.inputs)}"


# --- perform -------------------------------------------------------------------------


def value(node: Apply, position: int, type: TensorType, written: Any) -> np.ndarray:
    """One output of `perform` as an array of its type; UserOpError tells the mismatch."""
    array = None if written is None else _array(written, type)
    if (
        array is None
        or array.dtype != NUMPY[type.dtype]
        or len(array.shape) != len(type.shape)
        or any(told not in (None, n) for told, n in zip(type.shape, array.shape))
    ):
        raise _broken(node, position, type, array)
    return array


def _broken(
    node: Apply, position: int, type: TensorType, array: np.ndarray | None
) -> UserOpError:
    """What is wrong with an output of `perform`."""
    what, where = method(node.op, "perform"), applied(node)
    if array is None:
        return UserOpError(
            f"{what} did not write output {position}{where}\n"
            f"Assign it: output_storage[{position}][0] = ..."
        )
    label = f"{what} wrote output {position}"
    if array.dtype.name != type.dtype:
        return UserOpError(
            f"{label} with dtype {array.dtype.name}, make_node says {type.dtype}{where}\n"
            "Convert the value with astype, or change the type in make_node."
        )
    if array.ndim != type.ndim:
        return UserOpError(
            f"{label} with {array.ndim} axes, make_node says {type.ndim}{where}"
        )
    pairs = zip(array.shape, type.shape, strict=True)
    axis = next(i for i, (have, told) in enumerate(pairs) if told not in (None, have))
    return UserOpError(
        f"{label} with extent {array.shape[axis]} of axis {axis}, told was "
        f"{type.shape[axis]}{where}\nMake perform, make_node and infer_shape agree."
    )


def _array(written: Any, type: TensorType) -> np.ndarray:
    """Python numbers take the dtype of the output where that loses nothing."""
    python = isinstance(written, bool | int | float | complex)
    if python and not isinstance(written, np.generic):
        wide = np.asarray(written)
        if np.can_cast(wide.dtype, NUMPY[type.dtype], "same_kind"):
            return wide.astype(NUMPY[type.dtype])
        return wide
    try:
        return np.asarray(written)
    except ValueError as error:
        raise UserOpError(f"a value that is no array was written: {error}") from None


# --- infer_shape ---------------------------------------------------------------------


def extents(op: Any, node: Apply, told: Any) -> tuple[Shape, ...]:
    """What `infer_shape` returned, as extents: ints, or 0-d int64 variables."""
    what = method(op, "infer_shape")
    if not isinstance(told, list | tuple) or len(told) != len(node.outputs):
        count = len(told) if isinstance(told, list | tuple) else repr(told)
        raise UserOpError(
            f"{what} returned {count} shapes for {len(node.outputs)} outputs"
            f"{applied(node)}\nReturn a list with a tuple of extents for each output."
        )
    shapes = []
    for position, (shape, out) in enumerate(zip(told, node.outputs, strict=True)):
        entries = _entries(shape)
        if len(entries) != out.ndim:
            raise UserOpError(
                f"{what} returned {len(entries)} extents for output {position}, which "
                f"has {out.ndim} axes{applied(node)}"
            )
        shapes.append(tuple(_extent(what, node, position, e) for e in entries))
    return tuple(shapes)


def _entries(shape: Any) -> Sequence[Any]:
    if isinstance(shape, Variable) and shape.ndim == 1:
        owner = shape.owner
        if owner is not None and owner.op.name == "make_vector":
            return owner.inputs
        return list(shape)
    return shape if isinstance(shape, list | tuple) else (shape,)


def _extent(what: str, node: Apply, position: int, entry: Any) -> Extent:
    try:
        found = as_variable(entry)
    except ConversionError:
        raise UserOpError(
            f"{what} returned the extent {entry!r} for output {position}"
            f"{applied(node)}\nAn extent is an int or a 0-d integer variable."
        ) from None
    if found.ndim or not is_integer(found.type.dtype):
        raise UserOpError(
            f"{what} returned an extent of type {found.type} for output {position}"
            f"{applied(node)}\nAn extent is an int or a 0-d integer variable."
        )
    if all(isinstance(leaf, Constant) for leaf in leaves([found])):
        return int(evaluate([found])[0])
    return cast(found, "int64")


# --- grad ----------------------------------------------------------------------------


def gradients(op: Any, what: str, node: Apply, found: Any) -> tuple[Any, ...]:
    """What `grad` or `L_op` returned: for each input a variable of its rank, or None."""
    if not isinstance(found, list | tuple):
        found = [found]
    if len(found) != len(node.inputs):
        raise GradientError(
            f"{what} returned {len(found)} gradients for {len(node.inputs)} inputs"
            f"{applied(node)}\nReturn one entry for each input."
        )
    pairs = zip(found, node.inputs, strict=True)
    return tuple(_gradient(what, node, i, g, x) for i, (g, x) in enumerate(pairs))


def _gradient(
    what: str, node: Apply, position: int, g: Any, x: Variable
) -> Variable | Marker | None:
    if g is None or isinstance(g, DisconnectedType):
        return None
    if isinstance(g, Marker):
        return None if isinstance(g.type, DisconnectedType) else g
    label = f"{what}: the gradient of input {position}"
    try:
        part = as_variable(g, None, (x.type.dtype,))
    except ConversionError as error:
        raise GradientError(f"{label}: {error}{applied(node)}") from None
    if is_discrete(x.type.dtype):
        return None
    dtype = part.type.dtype
    if is_discrete(dtype) or (is_complex(dtype) and not is_complex(x.type.dtype)):
        if not _is_zero(part):
            raise GradientError(
                f"{label} has dtype {dtype}, the input {x.type.dtype}{applied(node)}\n"
                "A gradient has the dtype of its input; cast it."
            )
        part = cast(part, x.type.dtype)
    if part.ndim != x.ndim:
        raise GradientError(
            f"{label} has {part.ndim} axes, the input {x.ndim}{applied(node)}\n"
            "A gradient has the shape of its input: sum what was broadcast."
        )
    for axis, (have, want) in enumerate(
        zip(part.type.shape, x.type.shape, strict=True)
    ):
        if have is not None and want is not None and have != want:
            raise GradientError(
                f"{label} has extent {have} of axis {axis}, the input {want}"
                f"{applied(node)}\nA gradient has the shape of its input."
            )
    return gradient_like(
        part, x, f"{type(node.op).__name__}: gradient of input {position}"
    )


def products(op: Any, node: Apply, found: Any) -> tuple[Variable | None, ...]:
    """What `R_op` returned: for each output a variable of its rank, or None."""
    what = method(op, "R_op")
    if not isinstance(found, list | tuple):
        found = [found]
    if len(found) != len(node.outputs):
        raise GradientError(
            f"{what} returned {len(found)} values for {len(node.outputs)} outputs"
            f"{applied(node)}\nReturn one entry for each output."
        )
    results: list[Variable | None] = []
    for position, (value, out) in enumerate(zip(found, node.outputs, strict=True)):
        if value is None or isinstance(value, Marker):
            results.append(None)
            continue
        part = as_variable(value, None, (out.type.dtype,))
        if part.ndim != out.ndim:
            raise GradientError(
                f"{what}: the product for output {position} has {part.ndim} axes, the "
                f"output {out.ndim}{applied(node)}"
            )
        results.append(cast(part, out.type.dtype))
    return tuple(results)


def zeros(out: Variable) -> Variable:
    """The gradient of an output that the cost does not depend on."""
    dtype = "floatX" if is_discrete(out.type.dtype) else None
    made: Variable = PUBLIC["zeros_like"](out, dtype=dtype)
    return made


def _is_zero(part: Variable) -> bool:
    return isinstance(part, Constant) and not part.data.any()
