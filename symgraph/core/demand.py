"""Computing what is needed, and no more: of an op that chooses, one branch.

In: roots, the values that are known, and how a node is computed. Out: more known values.
"""

from collections.abc import Callable, Sequence

import numpy as np

from symgraph.core.node import Apply, Variable
from symgraph.core.traverse import applies

Visit = Callable[[Apply, list[np.ndarray]], None]


def compute(
    roots: Sequence[Variable], known: dict[Variable, np.ndarray], visit: Visit
) -> None:
    """Visit nodes, inputs first, until the roots are known; `visit` adds to `known`."""
    order = applies(roots, blockers=list(known))
    if not any(node.op.chooses for node in order):
        for node in order:
            visit(node, [known[v] for v in node.inputs])
        return
    nothing = np.zeros(())
    stack = list(reversed(roots))
    while stack:
        owner = stack[-1].owner
        if stack[-1] in known or owner is None:
            stack.pop()
            continue
        needed: Sequence[Variable] = owner.inputs
        if owner.op.chooses:
            condition = owner.inputs[0]
            needed = [condition]
            if condition in known:
                read = owner.op.reads(bool(known[condition]))
                needed = [owner.inputs[k] for k in read]
        waiting = [v for v in needed if v not in known]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            visit(owner, [known.get(v, nothing) for v in owner.inputs])
