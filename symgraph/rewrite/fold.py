"""Constant folding: a node whose inputs are known is evaluated by its NumPy reference.

In: a node with constants as inputs. Out: the constant it computes, or None where
folding is of no use or not allowed: results beyond `LIMIT` elements, random numbers,
ops that fail at run time (they shall fail then, not now), repetition (`BroadcastTo`
costs nothing, the array it stands for would cost memory).
"""

import numpy as np

from symgraph.core.dtypes import NUMPY
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.public import PUBLIC
from symgraph.errors import SymgraphError
from symgraph.ops.families import Cast, Elementwise
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, rule

LIMIT = 10**6
#: a result may be this many times larger than the inputs
GROWTH = 16


def value_of(v: Variable) -> np.ndarray | None:
    """The array a variable stands for, if it is known: a constant, or one repeated."""
    if isinstance(v, Constant):
        return v.data
    node = v.owner
    if node is not None and node.op.name == "broadcast_to":
        arrays = [u.data for u in node.inputs if isinstance(u, Constant)]
        if len(arrays) == len(node.inputs):
            shape = tuple(int(e) for e in arrays[1:])
            if int(np.prod(shape)) <= LIMIT:
                return np.broadcast_to(arrays[0], shape)
    return None


@rule(
    "constant_to_value", on="*", nan=EXACT,
    example=lambda x: x * PUBLIC["exp"](2.0),
)  # fmt: skip
def fold(node: Apply, context: Context) -> Variable | None:
    """A node whose inputs are all known is replaced by its value."""
    if not node.inputs or not node.op.foldable:
        return None
    for v in node.inputs:
        if v.owner is not None and v.owner.op.name != "broadcast_to":
            return None
        if v.owner is None and not isinstance(v, Constant):
            return None
    elementwise = isinstance(node.op, Elementwise | Cast)
    if elementwise and not all(isinstance(v, Constant) for v in node.inputs):
        return None  # the repetition is moved out instead
    out = node.outputs[0]
    if None not in out.type.shape:
        size = int(np.prod([e for e in out.type.shape if e is not None]))
        if size > LIMIT:
            return None
    arrays = [value_of(v) for v in node.inputs]
    known = [a for a in arrays if a is not None]
    if len(known) != len(arrays):
        return None
    try:
        with np.errstate(all="ignore"):
            results = node.op.values_of(node, known)
    except (SymgraphError, ArithmeticError, ValueError, TypeError, IndexError):
        return None  # it shall fail when the function runs, as the user wrote it
    value = np.array(results[0], dtype=NUMPY[out.type.dtype], order="C")
    if value.size > LIMIT or value.ndim != out.ndim:
        return None
    if value.size > 1024 and value.size > GROWTH * sum(a.size for a in known):
        return None
    pairs = zip(out.type.shape, value.shape, strict=True)
    if any(told is not None and told != found for told, found in pairs):
        return None
    return Constant(value)
