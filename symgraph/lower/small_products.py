"""Products too thin for tiles: written as sums of products, which fuse.

    a @ b  becomes  sum over k of a[i, k] * b[k, j]

where the extent k, or both i and j, or one of them beside a long k, is known and at
most `POINTS`. Nothing of the three axes is stored: fusion computes the products where
they are summed, together with what makes the operands and what uses the result (bias,
activation, gradient, update). Such axes are *unrolled*: no loop runs along them, each
element, a *point*, is a value of its own in the loops over the other axes. So are axes
that a reduction sums up in full and that are short beside the others: the 10 classes of
a softmax over many rows. In: Graph, Extents. Out: Graph, and the extents of unrolled
axes.
"""

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.traverse import applies
from symgraph.lower.extents import Extents
from symgraph.lower.sizes import ONE, SizePolynomial
from symgraph.lower.views import view_of
from symgraph.ops.families import Elementwise
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reduction import Reduce

#: the largest extent of an unrolled axis, in products and in reductions
POINTS = 4
REDUCED = 16
#: points of one variable, and of all variables of a graph, at most
MOST = 64
MOST_OF_ALL = 2000
#: matrices of at least this many known elements are read by BLAS at its own speed
LARGE = 1 << 16

_MULTIPLY = Elementwise("mul")
_ADD = Elementwise("add")
_COPY = Elementwise("materialize")


def small_products(graph: Graph, extents: Extents) -> tuple[Graph, frozenset[int]]:
    """The graph with thin products written as sums, and the points that it has."""
    unrolled: set[int] = set()
    made: dict[Variable, Variable] = {}
    with graph.interner:
        for node in applies(graph.roots):
            inputs = [made.get(v, v) for v in node.inputs]
            found = _points(node, extents)
            if found is not None:
                unrolled |= found
                assert node.op.factors is not None
                left, right = node.op.factors
                order = _wanted_order(node.inputs[left], node.inputs[right], extents)
                if order is not None:
                    (copy,) = _COPY.make(_shuffled(inputs[right], order))
                    inputs[right] = _shuffled(copy, order)
                made[node.outputs[0]] = _sum_of_products(node, inputs)
                continue
            if node.op.name == "reduce":
                unrolled |= _short_axes(node, extents)
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
    if not made:
        return graph, frozenset(unrolled)
    return graph.with_roots([made.get(v, v) for v in graph.roots]), frozenset(unrolled)


def within_unroll_budget(
    graph: Graph, extents: Extents, unrolled: frozenset[int]
) -> frozenset[int]:
    """The extents whose axes, unrolled, do not make a kernel too long."""
    while unrolled:
        counts = [_count(extents.shape(v), unrolled) for v in _computed(graph)]
        if max(counts, default=0) <= MOST and sum(counts) <= MOST_OF_ALL:
            break
        unrolled -= {max(unrolled)}
    return unrolled


def _computed(graph: Graph) -> list[Variable]:
    return [
        v
        for node in graph.applies()
        if node.op.name in ("elementwise", "cast", "reduce")
        for v in node.outputs
    ]


def _count(shape: tuple[SizePolynomial, ...], unrolled: frozenset[int]) -> int:
    result = 1
    for extent in shape:
        if extent.constant in unrolled:
            result *= extent.constant or 1
    return result


def _points(node: Apply, extents: Extents) -> frozenset[int] | None:
    """The points of a thin product of floats; None for any other node."""
    if node.op.factors is None or node.op.is_batched:
        return None
    if node.outputs[0].type.dtype not in ("float32", "float64"):
        return None
    a, b = (node.inputs[k] for k in node.op.factors)
    left, right = extents.shape(a), extents.shape(b)
    sizes = (
        left[0] if a.ndim == 2 else ONE,
        left[-1],
        right[1] if b.ndim == 2 else ONE,
    )
    rows, inner, columns = (_is_small(s) for s in sizes)
    known = [s.constant for s in sizes]
    if not (inner or rows or columns):
        return None
    if not inner and not (rows and columns):
        # one long operand, one long axis of the result
        other = known[0] if columns else known[2]
        if other is None and known[1] is None:
            return None
        if (other or 1) * (known[1] or 1) >= LARGE:
            return None
    return frozenset(
        k for k, small in zip(known, (rows, inner, columns), strict=True)
        if small and k is not None and k > 1
    )  # fmt: skip


def _wanted_order(
    left: Variable, right: Variable, extents: Extents
) -> tuple[int, int] | None:
    """The order of axes in which a copy of a thin right operand pays, or None.

    Vectors along its long axis are read again for each row, so it must be contiguous.
    """
    if left.ndim != 2 or right.ndim != 2 or _is_small(extents.shape(left)[0]):
        return None
    inner, columns = extents.shape(right)
    if _is_small(inner) == _is_small(columns) or ONE in (inner, columns):
        return None
    long = 0 if _is_small(columns) else 1
    along, across = view_of(left, extents), view_of(right, extents)
    if long == 0 and along is not None and along.strides[1] != ONE:
        return None  # vectors run along its rows
    if across is not None and across.strides[long] == ONE:
        return None
    return (1, 0) if long == 0 else (0, 1)


def _short_axes(node: Apply, extents: Extents) -> set[int]:
    """Extents of short axes that are reduced while a longer one stays."""
    shape = extents.shape(node.inputs[0])
    reduced = node.op.axes  # type: ignore[attr-defined]
    sizes = [shape[k].constant for k in reduced]
    kept = [e.constant for k, e in enumerate(shape) if k not in reduced]
    found = {s for s in sizes if s is not None and 1 < s <= REDUCED}
    if len(found) != len(sizes) or len(sizes) != 1:
        return set()
    if not any(e is None or e > max(found) for e in kept):
        return set()
    return found


def _is_small(size: SizePolynomial) -> bool:
    return size.constant is not None and 0 < size.constant <= POINTS


def _sum_of_products(node: Apply, inputs: list[Variable]) -> Variable:
    if not node.op.accumulates:
        return _product(*inputs)
    z, alpha, a, b, beta = inputs
    return _binary(_ADD, _scaled(beta, z), _scaled(alpha, _product(a, b)))


def _scaled(factor: Variable, x: Variable) -> Variable:
    if isinstance(factor, Constant) and factor.data == 1:
        return x
    return _binary(_MULTIPLY, factor, x)


def _binary(op: Elementwise, a: Variable, b: Variable) -> Variable:
    return op.make(a, b)[0]


def _product(a: Variable, b: Variable) -> Variable:
    """sum over k of a[..., k] * b[k, ...]"""
    if a.ndim == 2 and b.ndim == 2 and a.type.shape[1] == b.type.shape[0] == 1:
        return _binary(_MULTIPLY, a, b)
    rows, columns = a.ndim - 1, b.ndim - 1
    left: tuple[int | str, ...] = (*range(a.ndim), *["x"] * columns)
    right: tuple[int | str, ...] = (*["x"] * rows, *range(b.ndim))
    pair = _binary(_MULTIPLY, _shuffled(a, left), _shuffled(b, right))
    return Reduce("sum", (rows,)).make(pair)[0]


def _shuffled(x: Variable, pattern: tuple[int | str, ...]) -> Variable:
    if pattern == tuple(range(x.ndim)):
        return x
    return DimShuffle(pattern).make(x)[0]
