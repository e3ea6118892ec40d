"""Which computed extents are 1 in a call and broadcast, where nobody could know it.

A compiled function takes extents that meet as equal. Where one of them depends on values
(a mask, `unique`) or is no plain extent of an input (a diagonal), and is 1 in a call, the
function is compiled again with that extent promised. Which ones these are is found by
evaluating the graph with NumPy, once for each combination of shapes. In: a Request, the
arguments of a call. Out: variables and their axes.
"""

from collections.abc import Sequence

import numpy as np

from symgraph.backends.reference import evaluate
from symgraph.compile.arguments import Request
from symgraph.core.inner import inners
from symgraph.core.node import Apply, Variable

#: (variable, axes of extent 1), each a variable that is computed
Ones = tuple[tuple[Variable, tuple[int, ...]], ...]


def computed_ones(request: Request, arrays: Sequence[np.ndarray]) -> Ones:
    """Computed variables with axes of extent 1 that meet other extents in this call.

    Of what loops and branches read, and of what is written into a part, all extents of 1
    are told; those that are computed inside are not seen.
    """
    given = dict(zip((e.variable for e in request.inputs), arrays, strict=True))
    shapes: dict[Variable, tuple[int, ...]] = {v: a.shape for v, a in given.items()}
    found: dict[Variable, set[int]] = {}

    def promise(variable: Variable) -> None:
        told(variable, (0,) * variable.ndim)

    def told(variable: Variable, whole: tuple[int, ...]) -> None:
        own = shapes.get(variable)
        if variable.owner is None or own is None:
            return
        lead = len(whole) - len(own)
        for axis, extent in enumerate(own):
            if extent == 1 != whole[axis + lead] and variable.type.shape[axis] is None:
                found.setdefault(variable, set()).add(axis)

    def watch(node: Apply, results: tuple[np.ndarray, ...]) -> None:
        for variable, array in zip(node.outputs, results, strict=True):
            shapes[variable] = np.shape(array)
        whole = np.shape(results[0])
        match node.op.name:
            case "elementwise":
                for variable in node.inputs:
                    told(variable, whole)
            case "broadcast_to":
                told(node.inputs[0], whole)
            case "sum_to":
                told(node.inputs[1], shapes.get(node.inputs[0], whole))
            case "set_subtensor":
                promise(node.inputs[1])
            case _ if any(inners(node.op)):  # what meets in there is not seen
                for variable in node.inputs:
                    promise(variable)

    evaluate([*request.outputs, *(new for _, new in request.updates)], given, watch)
    return tuple((variable, tuple(sorted(axes))) for variable, axes in found.items())
