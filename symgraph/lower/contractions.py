"""Products and convolutions as steps: what is to be computed, not how.

In: a node whose operands are matrices in memory, or images with the channels last; its
spatial axes are lifted to three (depth, height, width) with extents of 1. Out:
`Contraction` and `Convolution` steps of the program that is being planned. A device
chooses what does them.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.node import Apply, Constant, Variable
from symgraph.errors import KernelError
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial
from symgraph.lower.step_list import StepList
from symgraph.lower.steps import Contraction, Convolution, Copy, Operand
from symgraph.lower.views import Matrix, matrix_of
from symgraph.ops.epilogue import ACTIVATIONS, ConvolutionEpilogue

AXES = 3


# --- convolutions ---------------------------------------------------------------------


def add_convolution(w: StepList, node: Apply) -> None:
    """A convolution or one of its adjoints."""
    op: Any = node.op
    (out,) = node.outputs
    if not op.channels_last:
        raise KernelError(
            f"{op.name} of images with the channels first, for which there are no "
            "loops: the rewrites that lowering needs have not run"
        )
    one, other = node.inputs[:2]
    x, filters, y = {
        "forward": (one, other, out),
        "input": (out, other, one),
        "filters": (one, out, other),
    }[op.convolves]
    image, result, window = (w.extents.shape(v) for v in (x, y, filters))
    bias = node.inputs[2] if isinstance(op, ConvolutionEpilogue) else None
    activation = ACTIVATIONS[getattr(op, "activation", "none")]
    front = [low for low, _ in op.padding]
    w.add(
        Convolution(
            op.convolves, out.type.dtype,
            w.address(x), w.address(filters), w.address(y),
            w.size(image[0]), w.size(image[-1]), w.size(result[-1]),
            w.size(window[1]), _lifted_sizes(w, image[1:-1]),
            _lifted_sizes(w, result[1:-1]), _lifted_sizes(w, window[2:]),
            _lifted(op.strides), _lifted(front, 0), _lifted(op.dilation),
            op.groups, op.flip,
            None if bias is None else w.address(bias), activation,
            float(getattr(op, "slope", 0.0)) if activation == 2 else None,
            w.span(),
        )
    )  # fmt: skip


def _lifted_sizes(w: StepList, extents: Sequence[SizePolynomial]) -> tuple[int, ...]:
    missing = (ONE,) * (AXES - len(extents))
    return tuple(w.size(extent) for extent in (*missing, *extents))


# --- products -------------------------------------------------------------------------


def add_product(w: StepList, node: Apply) -> None:
    """A product of matrices, or of many."""
    (out,) = node.outputs
    alpha: Any = 1.0
    beta: Any = 0.0
    if node.op.accumulates:
        z, alpha_v, a, b, beta_v = node.inputs
        alpha, beta = _factor(w, alpha_v), _factor(w, beta_v)
        if w.buffer(z) != w.buffer(out):
            size = w.extents.size(z) * ITEMSIZE[z.type.dtype]
            w.add(Copy(w.buffer(out), w.buffer(z), w.size(size)))
    else:
        a, b = node.inputs
    left, right = matrix_of(a, w.extents), matrix_of(b, w.extents)
    assert left is not None and right is not None
    a_shape, b_shape = w.extents.shape(a), w.extents.shape(b)
    count = step = None
    if node.op.is_batched:
        count = w.size(a_shape[0])
        a_shape, b_shape = a_shape[1:], b_shape[1:]
        step = w.size(a_shape[0] * b_shape[1])
    rows = a_shape[0] if len(a_shape) == 2 else ONE
    columns = b_shape[1] if len(b_shape) == 2 else ONE
    first = _operand(w, left, row_vector=len(a_shape) == 1)
    second = _operand(w, right, row_vector=False)
    w.add(
        Contraction(
            out.type.dtype, w.size(rows), w.size(columns),
            w.size(a_shape[-1]), first, second, w.buffer(out),
            alpha, beta, count, step, w.span(),
        )
    )  # fmt: skip


def _operand(w: StepList, matrix: Matrix, row_vector: bool) -> Operand:
    # a vector on the left is one row: its column form, transposed
    offset = None if matrix.offset == ZERO else w.size(matrix.offset)
    batch = None if matrix.batch == ZERO else w.size(matrix.batch)
    return Operand(
        w.buffer(matrix.source), offset, matrix.transposed or row_vector,
        w.size(matrix.lead), batch,
    )  # fmt: skip


def _factor(w: StepList, variable: Variable) -> Any:
    if isinstance(variable, Constant):
        return float(variable.data)
    return ("slot", w.buffer(variable))


def _lifted(values: Sequence[int], fill: int = 1) -> tuple[int, ...]:
    return (fill,) * (AXES - len(values)) + tuple(values)
