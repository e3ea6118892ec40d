"""What a step takes from outside: found by walking back from what it computes.

A variable is inside if it depends on the arguments of the loop. What is outside is
computed once and handed in, except what costs nothing inside: views (transposes,
slices, broadcasts) and the arithmetic of extents are repeated in the step, so that a
product can read its operand in place; and except what may not fit unless a branch of the
step is chosen. In: what the step returned. Out: the step closed
over operands.
"""

from collections.abc import Iterable, Sequence

from symgraph.core.inner import Inner
from symgraph.core.node import Constant, Variable, listing
from symgraph.core.shared import SharedVariable
from symgraph.core.traverse import ancestors, applies, replace
from symgraph.errors import MissingInputError
from symgraph.loops.conditions import conditions_of, unsafe
from symgraph.ops.families import Cast, Elementwise


def is_view(v: Variable) -> bool:
    """Whether v costs nothing to have: no arithmetic but that of extents."""
    node = v.owner
    if node is None:
        return False
    if node.op.is_repeated:
        return True
    number = v.ndim == 0 and v.type.dtype == "int64"
    return number and isinstance(node.op, Elementwise | Cast)


def enclose(
    arguments: Sequence[Variable], outputs: Sequence[Variable]
) -> tuple[Inner, list[Variable]]:
    """The step as an inner graph, and the operands for its further inputs.

    Parameters
    ----------
    arguments : leaves that differ from step to step; the first inputs
    outputs : what the step computes, in terms of arguments and of what is outside
    """
    inside = set(arguments)
    nodes = applies(outputs)
    for node in nodes:
        if any(v in inside for v in node.inputs):
            inside.update(node.outputs)
    varying = _not_constant(outputs)
    unchosen = unsafe(conditions_of(outputs))
    made: dict[Variable, Variable] = {}

    def take(v: Variable) -> None:
        stack = [v]
        while stack:
            u = stack.pop()
            if u in inside or u in made or u not in varying:
                continue
            if is_view(u) or u.owner in unchosen:
                assert u.owner is not None
                stack.extend(reversed(u.owner.inputs))
            else:
                made[u] = Variable(u.type, None, 0, u.name, u.place)

    for node in nodes:
        if node.outputs[0] in inside:
            for v in node.inputs:
                take(v)
    for v in outputs:
        take(v)
    found = replace(outputs, made)
    return Inner((*arguments, *made.values()), found), list(made)


def _not_constant(outputs: Sequence[Variable]) -> set[Variable]:
    """Variables that some leaf which is no constant takes part in."""
    found: set[Variable] = set()
    for v in ancestors(outputs):
        if v.owner is None:
            if not isinstance(v, Constant):
                found.add(v)
        elif any(u in found for u in v.owner.inputs):
            found.add(v)
    return found


def free_leaves(
    outputs: Iterable[Variable], known: Iterable[Variable]
) -> list[Variable]:
    """Leaves that outputs depend on other than through `known`, without constants."""
    stop = set(known)
    return [
        v
        for v in ancestors(outputs, blockers=stop)
        if v.owner is None and v not in stop and not isinstance(v, Constant)
    ]


def refuse_free(outputs: Iterable[Variable], known: Iterable[Variable]) -> None:
    """MissingInputError where a strict step uses a shared variable not handed in.

    Other variables are taken as non-sequences in any case, as in Theano.
    """
    found = [v for v in free_leaves(outputs, known) if isinstance(v, SharedVariable)]
    if found:
        raise MissingInputError(
            "scan: with strict=True, the step uses shared variables that are not among "
            f"its arguments{listing(*found)}\nAdd them to non_sequences."
        )
