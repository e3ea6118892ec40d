"""Which values a program stores, and which each kernel computes for itself.

Scalars of extents and constants and one-hot masks are computed where they are used; so
are masks and derivatives that are cheap to make again from one stored operand.
Everything else that crosses the border of a group, is a result, or must lie in memory
is stored. In: a `OperandAccess` (before fusion) or the units (after). Out: the values
that are inline with what they cost, and the set of those that are stored.
"""

from collections.abc import Mapping, Sequence

from symgraph.core.node import Apply, Constant, Variable
from symgraph.lower.fusion_groups import (
    Unit,
    is_cheap,
    is_computed,
    is_iota,
)
from symgraph.lower.operand_access import OperandAccess

#: operations of an inline value, at most, with those of what it is made of
INLINE = 16
#: cheap operations that are repeated rather than stored
STEPS = 3


def inline_values(
    reading: OperandAccess, nodes: Sequence[Apply]
) -> dict[Variable, int]:
    """Values so cheap that every kernel computes them for itself.

    Scalars made of extents, constants and 0-d leaves by cheap ops, and comparisons
    with an iota (one-hot masks). They belong to no group, so they tie no groups
    together. What another unit or a result needs in memory is not inline, nor is what
    takes more than `INLINE` operations, written out: each of its users would repeat them.
    Gives their numbers of operations.
    """
    found: dict[Variable, int] = {}
    needed = {reading.behind(root).source for root in reading.graph.roots}
    for node in nodes:
        if is_computed(node) and not node.op.is_fused:
            needed.update(reading.behind(v).source for v in node.inputs)
        if node.op.gathers:
            needed.add(reading.behind(node.inputs[0]).source)
    for node in nodes:
        if node.op.name not in ("elementwise", "cast") or not is_cheap(node):
            continue
        (out,) = node.outputs
        below = [reading.behind(v).source for v in node.inputs]
        scalar = out.ndim == 0
        mask = out.type.dtype == "bool" and any(is_iota(v) for v in node.inputs)
        if (
            out not in needed
            and (scalar or mask)
            and all(
                isinstance(v, Constant)
                or v in found
                or (v.owner is None and v.ndim == 0)
                or (v.owner is not None and v.owner.op.is_inlined)
                for v in below
            )
        ):
            count = 1 + sum(found.get(v, 0) for v in below)
            if count <= INLINE:
                found[out] = count
    return found


def stored_values(
    reading: OperandAccess, units: Sequence[Unit], unit_of: Mapping[Variable, Unit]
) -> set[Variable]:
    """What needs memory; cheap values of one stored operand are sunk to their users."""
    stored: set[Variable] = set()
    crossing: dict[Variable, None] = {}
    for unit in units:
        if isinstance(unit, Apply):
            stored.update(unit.outputs)
            for operand in unit.op.in_memory(unit.inputs):
                stored.add(reading.behind(operand).source)
            continue
        for out in unit.members:
            for use in reading.reads(unit, out):
                if use.source in reading.inline:
                    stored.update(reading.beneath(use.source))
                elif not use.direct:
                    stored.add(use.source)
                elif unit_of.get(use.source) is not unit:
                    crossing[use.source] = None
    for root in reading.graph.roots:
        stored.add(reading.behind(root).source)
        if root in unit_of:
            stored.add(root)
    order = {v: k for k, node in enumerate(reading.nodes) for v in node.outputs}
    for variable in sorted(crossing, key=lambda v: order.get(v, -1)):
        if variable in stored:
            continue
        recipe = _recipe(reading, variable, stored)
        if recipe is None:
            stored.add(variable)
        else:
            reading.inline.update(recipe)
            for member in recipe:
                stored.update(reading.beneath(member))
    return {v for v in stored if v.owner is None or is_computed(v.owner)}


def _recipe(
    reading: OperandAccess, variable: Variable, stored: set[Variable]
) -> dict[Variable, int] | None:
    """Cheap nodes that make a value of one stored operand, with their number, or None.

    A mask ``h > 0`` or a derivative ``1 - y**2`` is computed again by those who need
    it, from what is in memory anyway, rather than stored beside it.
    """
    steps: list[Variable] = []
    bases: set[Variable] = set()
    stack = [variable]
    while stack:
        current = stack.pop()
        node = current.owner
        if isinstance(current, Constant) or current in steps:
            continue
        if current in stored or node is None or current in reading.inline:
            bases.add(current)
            continue
        if (
            node.op.name not in ("elementwise", "cast")
            or not is_cheap(node)
            or any(v.ndim not in (0, current.ndim) for v in node.inputs)
            or any(
                v.ndim and reading.dims(v) != reading.dims(current) for v in node.inputs
            )
        ):
            return None
        steps.append(current)
        if len(steps) > STEPS:
            return None
        stack.extend(node.inputs)
    if len([v for v in bases if v.ndim]) != 1:
        return None
    length = len(steps) + sum(reading.inline.get(v, 0) for v in bases)
    return dict.fromkeys(steps, length) if length <= INLINE else None


def summed_products(reading: OperandAccess, nodes: Sequence[Apply]) -> set[Variable]:
    """Products that only a sum reads: they stay with it, never with their factors.

    So the terms of a thin product of matrices are not stored.
    """
    readers: dict[Variable, int] = {}
    for node in nodes:
        for variable in node.inputs:
            readers[variable] = readers.get(variable, 0) + 1
    for root in reading.graph.roots:
        readers[root] = readers.get(root, 0) + 2
    found: set[Variable] = set()
    for node in nodes:
        if node.op.name != "reduce" or node.op.combine != "sum":  # type: ignore[attr-defined]
            continue
        below = node.inputs[0]
        if (
            readers[below] == 1
            and below not in reading.inline
            and below.owner is not None
            and getattr(below.owner.op, "scalar", "") == "mul"
        ):
            found.add(below)
    return found
