"""Products and convolutions as steps: BLAS, or an operation of the tile library.

In: a node whose operands are matrices in memory, or a `Tiling`. Out: `Product` and
`Tiles` steps of the program that is being planned. Which products are small enough for
BLAS follows from their sizes; where these are known only by a call, the step has both.
"""

from typing import Any

from symgraph.config import config
from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.node import Apply, Constant, Variable
from symgraph.lower.extents import Extents
from symgraph.lower.grain import MOST_BLOCKS
from symgraph.lower.memory import Placement, Storage
from symgraph.lower.sizes import ONE, ZERO, Poly, poly, product
from symgraph.lower.steps import (
    LONG_INNER,
    SMALL_PRODUCT,
    Copy,
    Operand,
    Product,
    Program,
    Step,
    Tiles,
)
from symgraph.lower.tiling import RATE, Parameter, Tiling
from symgraph.lower.views import Matrix, matrix_of, view_of


class Contractions:
    """What the planner inherits to write these steps."""

    extents: Extents
    program: Program
    storage: Placement
    blas: bool
    unit: int  # number of the unit that is being written

    def _workspace(self, size: Poly) -> int:
        """Slot of memory of this many bytes that only the present unit uses."""
        raise NotImplementedError

    def _add(self, step: Step) -> None:
        raise NotImplementedError

    def _new_slot(self, key: Any) -> int:
        raise NotImplementedError

    def _size(self, size: Poly) -> int:
        raise NotImplementedError

    def _buffer(self, variable: Variable) -> int:
        raise NotImplementedError

    def _buffer_slot(self, storage: Storage) -> int:
        raise NotImplementedError

    # --- tiles ------------------------------------------------------------------------

    def _tiles(self, tiling: Tiling) -> None:
        given = {n: self._parameter(v) for n, v in tiling.parameters.items()}
        if tiling.workspace is not None:
            given["workspace"] = self._workspace(tiling.workspace)
        grain = self._new_slot(("grain", poly(MOST_BLOCKS), tiling.work, 1, ZERO))
        self._add(Tiles(tiling.operation, tiling.dtype, tuple(given.items()), grain))

    def _parameter(self, value: Parameter) -> Any:
        match value:
            case None:
                return ("literal", 0)
            case Variable():
                view = view_of(value, self.extents)
                return self._buffer(value if view is None else view.source)
            case Poly():
                if value.constant is not None:
                    return ("literal", value.constant)
                return self._size(value)
            case float():
                return ("number", value)
        return ("literal", value)

    # --- products ---------------------------------------------------------------------

    def _product(self, node: Apply) -> None:
        (out,) = node.outputs
        alpha: Any = 1.0
        beta: Any = 0.0
        if node.op.name == "gemm":
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
        if node.op.name == "batched_dot":
            count = self._size(a_shape[0])
            a_shape, b_shape = a_shape[1:], b_shape[1:]
            step = self._size(a_shape[0] * b_shape[1])
        rows = a_shape[0] if len(a_shape) == 2 else ONE
        columns = b_shape[1] if len(b_shape) == 2 else ONE
        first = self._operand(left, row_vector=len(a_shape) == 1)
        second = self._operand(right, row_vector=False)
        batch = ONE if count is None else self.extents.shape(a)[0]
        sizes = (batch, rows, columns, a_shape[-1])
        tiles = None
        inner = a_shape[-1].constant
        wish = config.blas if self.blas else "own"
        total = product(sizes)
        if wish == "auto" and total.constant is not None:
            wish = "blas" if total.constant <= SMALL_PRODUCT else "own"
        elif wish == "auto" and _at_least(total) > SMALL_PRODUCT:
            wish = "own"
        if wish != "blas":
            tiles = self._tiled_product(out, first, second, sizes, alpha, beta)
        if wish == "own" and tiles is not None:
            self._add(tiles)
            return
        self._add(
            Product(
                out.type.dtype, self._size(rows), self._size(columns),
                self._size(a_shape[-1]), first, second, self._buffer(out),
                alpha, beta, count, step, tiles, (inner or LONG_INNER + 1) > LONG_INNER,
            )
        )  # fmt: skip

    def _tiled_product(
        self, out: Variable, a: Operand, b: Operand, sizes: tuple[Poly, Poly, Poly, Poly],
        alpha: Any, beta: Any,
    ) -> "Tiles":  # fmt: skip
        """A product on the tiles."""
        dtype = out.type.dtype
        itemsize = ITEMSIZE[dtype]
        batch, rows, columns, depth = sizes
        given: dict[str, Any] = {"c": self._buffer(out)}
        for name, value in zip(
            ("batch", "rows", "columns", "depth"), sizes, strict=True
        ):
            given[name] = self._parameter(value)
        for name, operand in (("a", a), ("b", b)):
            place: Any = operand.buffer
            if operand.offset is not None:
                place = ("bytes", operand.buffer, operand.offset, itemsize)
            near, far = ("across", "down") if not operand.transposed else (
                "down", "across",
            )  # fmt: skip
            given[name] = place
            given[f"{name}_{near}"] = ("literal", 1)
            given[f"{name}_{far}"] = operand.lead
            if operand.batch is not None:
                given[f"{name}_batch"] = operand.batch
        given["c_down"] = given["columns"]
        given["c_batch"] = self._parameter(rows * columns)
        for name, factor, usual in (("alpha", alpha, 1.0), ("beta", beta, 0.0)):
            if isinstance(factor, tuple):
                given[name] = factor[1]
            elif factor != usual:
                given[name] = ("number", factor)
        work = batch * rows * columns * depth * RATE[dtype]
        grain = self._new_slot(("grain", poly(MOST_BLOCKS), work, 1, ZERO))
        return Tiles("gemm", dtype, tuple(given.items()), grain)

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


def _at_least(size: Poly) -> int:
    """The least value of a polynomial whose atoms are at least 1 (0: not known)."""
    coefficients = [coefficient for _, coefficient in size.terms]
    return sum(coefficients) if min(coefficients, default=0) > 0 else 0
