"""Which index lay outside its axis, where compiled code only says that one did.

A kernel raises a flag for the node whose index is wrong; the call is lost then, and there
is time to compute the indices again by NumPy. Only those whose values are still known are:
an index that depends on what an update has changed meanwhile is left out. In: a Request,
the arguments of the call. Out: an error that names index and place.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from symgraph.backends.reference import evaluate, located
from symgraph.compile.arguments import Request
from symgraph.core.node import Apply, Variable
from symgraph.core.traverse import applies
from symgraph.errors import IndexRangeError, SymgraphError
from symgraph.ops.gather import first_outside
from symgraph.ops.shape import Extent, inferred_extents, variable


def named(
    request: Request, arrays: Sequence[np.ndarray], error: IndexRangeError
) -> IndexRangeError:
    """The error with the first index that lies outside, `error` itself if none is found."""
    given = dict(zip((e.variable for e in request.inputs), arrays, strict=True))
    changed = {target for target, _ in request.updates}
    for node in applies([*request.outputs, *(new for _, new in request.updates)]):
        if not (hasattr(node.op, "failure") and hasattr(node.op, "axis")):
            continue
        index, size = _index_and_extent(node)
        if changed.intersection(_read([index, size])):
            continue
        try:
            values, limit = evaluate([index, size], given)
        except SymgraphError:
            continue
        negative = getattr(node.op, "negative", True)
        found = first_outside(values, int(limit), negative)
        if found is not None:
            text = node.op.failure(str(int(limit)), found)
            made = located(IndexRangeError(text), node)
            assert isinstance(made, IndexRangeError)
            return made
    return error


def _index_and_extent(node: Apply) -> tuple[Variable, Variable]:
    """The index, and the extent in terms of extents of leaves."""
    if node.op.name == "check_index":
        index, size = node.inputs
        if size.owner is not None and isinstance(size.owner.op, Extent):
            (x,) = size.owner.inputs
            size = variable(inferred_extents(x)[size.owner.op.axis])
        return index, size
    axis: int = node.op.axis  # type: ignore[attr-defined]
    return node.inputs[1], variable(inferred_extents(node.inputs[0])[axis])


def _read(roots: Sequence[Variable]) -> Iterator[Variable]:
    """Leaves whose values, not only extents, decide on the roots."""
    yield from (v for v in roots if v.owner is None)
    for node in applies(roots):
        if not isinstance(node.op, Extent):
            yield from (v for v in node.inputs if v.owner is None)
