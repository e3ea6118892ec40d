"""Every unit of a graph finds in memory what it reads: nothing is overwritten too early.

Follows the units in their order and notes which variable each storage holds. It knows
nothing of how lower/memory.py decides; a broken rule is a defect of that. In: the units
of a graph, their kernels, where variables are. Out: nothing, or ProgramError.
"""

from collections.abc import Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.errors import ProgramError
from symgraph.lower.builder import KernelBuilder
from symgraph.lower.fuse import Fusion
from symgraph.lower.fusion_groups import Group
from symgraph.lower.memory import Placement, Storage


def verify_placement(
    graph: Graph,
    fusion: Fusion,
    kernels: Sequence[KernelBuilder | None],
    placement: Placement,
    leaves: Sequence[Variable],
) -> None:
    """Raise ProgramError where something is read that has been overwritten."""
    home = placement.of
    held: dict[Storage, Variable] = {home[leaf]: leaf for leaf in leaves}

    def read(variable: Variable, reader: object) -> None:
        if isinstance(variable, Constant):
            return
        found = held.get(home[variable])
        if found is not variable:
            raise ProgramError(
                f"{reader} reads {variable!r} from {home[variable]}, which holds "
                f"{'nothing' if found is None else repr(found)}"
            )

    for unit, build in zip(fusion.units, kernels, strict=True):
        if build is None:
            reads = list(fusion.sources(unit))
            writes = list(unit.outputs)  # type: ignore[union-attr]
        else:
            roles = [
                (v, b.role)
                for one in (build, *build.rest)
                for v, b in one.buffers.items()
            ]
            writes = [v for v, role in roles if role in ("out", "inout")]
            reads = [v for v, role in roles if role == "in" and v not in writes]
            if not isinstance(unit, Group):
                writes += unit.outputs  # one without elements has no kernel
        for variable in reads:
            read(variable, unit)
        for variable in writes:
            held[home[variable]] = variable
    for target, source in placement.copies:
        read(source, "the copy at the end")
        held[target] = source
    wanted = [(("output", k), v) for k, v in enumerate(graph.outputs)]
    wanted += [(home[target], new) for target, new in graph.updates]
    for storage, variable in wanted:
        if held.get(storage) is not variable:
            raise ProgramError(f"{storage} does not hold {variable!r} at the end")
