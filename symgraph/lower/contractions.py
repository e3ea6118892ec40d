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
from symgraph.lower.extents import Extents
from symgraph.lower.memory import Placement, Storage
from symgraph.lower.sizes import ONE, ZERO, Poly
from symgraph.lower.steps import (
    Contraction,
    Convolution,
    Copy,
    Operand,
    Program,
    Span,
    Step,
)
from symgraph.lower.views import Matrix, matrix_of, view_of
from symgraph.ops.epilogue import ACTIVATIONS, ConvolutionEpilogue

AXES = 3


class Contractions:
    """What the planner inherits to write these steps."""

    extents: Extents
    program: Program
    storage: Placement

    def _span(self) -> Span:
        """From when until when the present unit runs."""
        raise NotImplementedError

    def _add(self, step: Step) -> None:
        raise NotImplementedError

    def _size(self, size: Poly) -> int:
        raise NotImplementedError

    def _buffer(self, variable: Variable) -> int:
        raise NotImplementedError

    def _buffer_slot(self, storage: Storage) -> int:
        raise NotImplementedError

    # --- convolutions -----------------------------------------------------------------

    def _convolution(self, node: Apply) -> None:
        """A convolution or one of its adjoints."""
        op: Any = node.op
        (out,) = node.outputs
        if not op.channels_last:
            raise KernelError(
                f"{op.name} of images with the channels first, for which there are no "
                "loops: the rewrites that lowering needs have not run"
            )
        one, other = node.inputs[:2]
        x, w, y = {
            "forward": (one, other, out),
            "input": (out, other, one),
            "filters": (one, out, other),
        }[op.convolves]
        image, result, filters = (self.extents.shape(v) for v in (x, y, w))
        bias = node.inputs[2] if isinstance(op, ConvolutionEpilogue) else None
        activation = ACTIVATIONS[getattr(op, "activation", "none")]
        front = [low for low, _ in op.padding]
        self._add(
            Convolution(
                op.convolves, out.type.dtype,
                self._memory(x), self._memory(w), self._memory(y),
                self._size(image[0]), self._size(image[-1]), self._size(result[-1]),
                self._size(filters[1]), self._lifted(image[1:-1]),
                self._lifted(result[1:-1]), self._lifted(filters[2:]),
                _lifted(op.strides), _lifted(front, 0), _lifted(op.dilation),
                op.groups, op.flip,
                None if bias is None else self._memory(bias), activation,
                float(getattr(op, "slope", 0.0)) if activation == 2 else None,
                self._span(),
            )
        )  # fmt: skip

    def _memory(self, variable: Variable) -> int:
        """Slot of the address of what lies as it is."""
        view = view_of(variable, self.extents)
        return self._buffer(variable if view is None else view.source)

    def _lifted(self, extents: Sequence[Poly]) -> tuple[int, ...]:
        missing = (ONE,) * (AXES - len(extents))
        return tuple(self._size(extent) for extent in (*missing, *extents))

    # --- products ---------------------------------------------------------------------

    def _product(self, node: Apply) -> None:
        (out,) = node.outputs
        alpha: Any = 1.0
        beta: Any = 0.0
        if node.op.accumulates:
            z, alpha_v, a, b, beta_v = node.inputs
            alpha, beta = self._factor(alpha_v), self._factor(beta_v)
            if self._buffer(z) != self._buffer(out):
                size = self.extents.size(z) * ITEMSIZE[z.type.dtype]
                self._add(Copy(self._buffer(out), self._buffer(z), self._size(size)))
        else:
            a, b = node.inputs
        left, right = matrix_of(a, self.extents), matrix_of(b, self.extents)
        assert left is not None and right is not None
        a_shape, b_shape = self.extents.shape(a), self.extents.shape(b)
        count = step = None
        if node.op.is_batched:
            count = self._size(a_shape[0])
            a_shape, b_shape = a_shape[1:], b_shape[1:]
            step = self._size(a_shape[0] * b_shape[1])
        rows = a_shape[0] if len(a_shape) == 2 else ONE
        columns = b_shape[1] if len(b_shape) == 2 else ONE
        first = self._operand(left, row_vector=len(a_shape) == 1)
        second = self._operand(right, row_vector=False)
        self._add(
            Contraction(
                out.type.dtype, self._size(rows), self._size(columns),
                self._size(a_shape[-1]), first, second, self._buffer(out),
                alpha, beta, count, step, self._span(),
            )
        )  # fmt: skip

    def _operand(self, matrix: Matrix, row_vector: bool) -> Operand:
        # a vector on the left is one row: its column form, transposed
        offset = None if matrix.offset == ZERO else self._size(matrix.offset)
        batch = None if matrix.batch == ZERO else self._size(matrix.batch)
        return Operand(
            self._buffer(matrix.source), offset, matrix.transposed or row_vector,
            self._size(matrix.lead), batch,
        )  # fmt: skip

    def _factor(self, variable: Variable) -> Any:
        if isinstance(variable, Constant):
            return float(variable.data)
        return ("slot", self._buffer(variable))


def _lifted(values: Sequence[int], fill: int = 1) -> tuple[int, ...]:
    return (fill,) * (AXES - len(values)) + tuple(values)
