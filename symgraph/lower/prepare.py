"""Make a graph ready for loops: copies where memory must be contiguous.

Most movements are free, as index arithmetic. Where the layout of memory matters (a
reshape of a transposed tensor, an operand of a matrix product that no leading dimension
describes, a result that is only a view) an explicit copy is put in. It fuses with what
computes its operand. In: Graph, Extents. Out: Graph.
"""

from collections.abc import Container, Sequence

from symgraph.core.graph import Graph, freeze
from symgraph.core.inner import Inner, all_applies
from symgraph.core.node import Apply, Layout, Op, Variable, at_place_of
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import applies
from symgraph.lower.extents import Extents
from symgraph.lower.fusion_groups import is_computed
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, row_major
from symgraph.lower.views import View, matrix_of, row_lies_contiguous, view_of
from symgraph.ops.creation import Iota
from symgraph.ops.families import Elementwise
from symgraph.ops.movement import Reshape
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import extents as sizes_of


def decompose(graph: Graph) -> Graph:
    """The graph with named compositions (softmax, argmax) written out, in bodies too."""
    if not any(hasattr(node.op, "decompose") for node in all_applies(graph.roots)):
        return graph
    with graph.interner:
        while True:
            made: dict[Variable, Variable] = {}
            for node in graph.applies():
                inputs = [made.get(v, v) for v in node.inputs]
                write_out = getattr(node.op, "decompose", None)
                op = _decomposed_op(node.op) if node.op.has_inner else node.op
                with at_place_of(node.outputs[0]):
                    if write_out is not None:
                        made[node.outputs[0]] = write_out(*inputs)
                    elif op is not node.op or any(
                        a is not b for a, b in zip(inputs, node.inputs, strict=True)
                    ):
                        made.update(zip(node.outputs, op.make(*inputs), strict=True))
            if not made:
                return graph
            graph = graph.with_roots([made.get(v, v) for v in graph.roots])


def _decomposed_op(op: Op) -> Op:
    """The op of a loop or branch whose inner graphs have no compositions."""
    changes = {}
    for name in op.fields:
        inner = getattr(op, name)
        if isinstance(inner, Inner):
            body = freeze(inner.inputs, inner.outputs)
            made = decompose(body)
            if made is not body:
                changes[name] = Inner(inner.inputs, made.outputs)
    return op.replace(**changes) if changes else op


def prepare(graph: Graph, extents: Extents) -> Graph:
    """The graph with copies where they are needed."""
    copy = Elementwise("materialize")
    made: dict[Variable, Variable] = {}
    flat: set[Variable] = set()  # reshapes whose operand is copied

    def is_view(variable: Variable) -> bool:
        return variable.owner is not None and not is_computed(variable.owner)

    def lies(given: Variable, layout: Layout) -> bool:
        """Whether a view lies in memory as it must."""
        match layout:
            case "contiguous":
                return _is_contiguous(given, extents, flat)
            case "rows":
                return row_lies_contiguous(given, extents, flat)
            case "matrix":
                return matrix_of(given, extents, flat) is not None
        return layout == "any"

    def prepared(node: Apply) -> tuple[Variable, ...]:
        inputs = [made.get(v, v) for v in node.inputs]
        if isinstance(node.op, Reshape):
            if not _keeps_layout(node, extents, flat):
                if is_view(inputs[0]):
                    inputs[0] = copy(inputs[0])
                flat.add(node.outputs[0])
        else:
            for k, given in enumerate(node.inputs):
                if is_view(inputs[k]) and not lies(given, node.op.layout(k)):
                    inputs[k] = copy(inputs[k])
        op = node.op
        if isinstance(op, Reduce):
            shape = extents.shape(node.inputs[0])
            rest = tuple(axis for axis in op.axes if shape[axis] != ONE)
            if rest != op.axes:  # a sum of one term is no loop, and never in one
                inputs[0], axes = _without_ones(inputs[0], op.axes, rest)
                if not axes:
                    return (inputs[0],)
                op = op.replace(axes=axes)
        if op is node.op and all(
            a is b for a, b in zip(inputs, node.inputs, strict=True)
        ):
            return node.outputs
        return op.make(*inputs)

    with graph.interner:
        for node in applies(graph.roots):
            with at_place_of(node.outputs[0]):
                for old, new in zip(node.outputs, prepared(node), strict=True):
                    made[old] = new
        roots = []
        for root in graph.roots:
            new = made.get(root, root)
            if new.owner is None or is_view(new):
                new = copy(new)
            roots.append(new)
    return graph.with_roots(roots)


def _without_ones(
    x: Variable, axes: Sequence[int], rest: Sequence[int]
) -> tuple[Variable, tuple[int, ...]]:
    """X without those of `axes` that are not in `rest`, and where these are then."""
    gone = set(axes) - set(rest)
    kept = [axis for axis in range(x.ndim) if axis not in gone]
    sizes = [sizes_of(x)[axis] for axis in kept]
    made = PUBLIC["reshape"](x, tuple(sizes), len(sizes))
    return made, tuple(kept.index(axis) for axis in rest)


def _is_contiguous(
    variable: Variable, extents: Extents, stored: Container[Variable]
) -> bool:
    """Whether a view is all of a stored variable's memory, in order."""
    view = view_of(variable, extents, stored)
    return (
        view is not None
        and view.offset == ZERO
        and _in_order(view, extents.shape(variable))
    )


def _in_order(view: View, shape: Sequence[SizePolynomial]) -> bool:
    """Whether the elements of a view lie one after the other."""
    return all(
        extent == ONE or stride == wanted
        for extent, stride, wanted in zip(
            shape, view.strides, row_major(shape), strict=True
        )
    )


def _keeps_layout(node: Apply, extents: Extents, stored: Container[Variable]) -> bool:
    """Whether a reshape can be read in place: of contiguous memory, or of ones only."""
    source = node.inputs[0]
    if [e for e in extents.shape(source) if e != ONE] == [
        e for e in extents.shape(node.outputs[0]) if e != ONE
    ]:
        return True
    owner = source.owner
    if owner is None or is_computed(owner) or isinstance(owner.op, Iota):
        return True
    if isinstance(owner.op, Reshape):
        return _keeps_layout(owner, extents, stored)
    view = view_of(source, extents, stored)
    return view is not None and _in_order(view, extents.shape(source))
