"""Walking graphs: ancestors, topological order, copies with replacements.

Everything is iterative, so deep graphs do not meet the recursion limit. Orders are
deterministic: depth first, inputs from left to right.
"""

from collections.abc import Iterable, Mapping, Sequence

from symgraph.core.node import Apply, Variable, building
from symgraph.errors import GraphError


def ancestors(
    outputs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Variable]:
    """All variables that the outputs depend on, themselves included, leaves first."""
    stop = set(blockers)
    seen: set[Variable] = set()
    found: list[Variable] = []
    stack: list[tuple[Variable, bool]] = [(v, False) for v in reversed(list(outputs))]
    while stack:
        variable, expanded = stack.pop()
        if expanded:
            found.append(variable)
            continue
        if variable in seen:
            continue
        seen.add(variable)
        stack.append((variable, True))
        if variable.owner is not None and variable not in stop:
            stack.extend((v, False) for v in reversed(variable.owner.inputs))
    return found


def applies(
    outputs: Iterable[Variable], blockers: Iterable[Variable] = ()
) -> list[Apply]:
    """The applications that compute the outputs, in topological order."""
    stop = set(blockers)
    order: list[Apply] = []
    done: set[Apply] = set()
    open_: set[Apply] = set()
    stack: list[tuple[Apply, bool]] = [
        (v.owner, False)
        for v in reversed(list(outputs))
        if v.owner is not None and v not in stop
    ]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            open_.discard(node)
            done.add(node)
            order.append(node)
            continue
        if node in done:
            continue
        if node in open_:
            raise GraphError(f"the graph has a cycle through {node.op}")
        needed = [
            (owner, False)
            for v in node.inputs
            if (owner := v.owner) is not None and owner not in done and v not in stop
        ]
        if not needed:
            done.add(node)
            order.append(node)
            continue
        open_.add(node)
        stack.append((node, True))
        needed.reverse()
        stack += needed
    return order


def leaves(outputs: Iterable[Variable]) -> list[Variable]:
    """Variables without an owner that the outputs depend on, left to right."""
    return [v for v in ancestors(outputs) if v.owner is None]


def replace(
    outputs: Sequence[Variable], replacements: Mapping[Variable, Variable]
) -> list[Variable]:
    """Copies of the outputs with variables replaced; untouched parts stay the same.

    Replacements are not searched again for variables to replace.
    """
    made: dict[Variable, Variable] = dict(replacements)
    for node in applies(outputs, blockers=replacements):
        if all(made.get(v, v) is v for v in node.inputs):
            continue
        before = building.place
        building.place = node.outputs[0].place
        try:
            operands = [made.get(v, v) for v in node.inputs]
            copies = node.op.refined(operands).make(*operands)
        finally:
            building.place = before
        for old, new in zip(node.outputs, copies, strict=True):
            if old not in made:
                made[old] = new
                if new.name is None and new.owner is not None:
                    new.name = old.name
    return [made.get(v, v) for v in outputs]
