"""Where every stored value lives: outputs, shared variables in place, or scratch memory.

Lifetimes and in-place writes are decided here and nowhere else. A new value of a shared
variable is written over the old one when nothing reads the old one afterwards and no
later step can fail; otherwise it is copied when everything has been computed, so a call
that fails leaves shared variables as they were. In: Graph, Fusion, the written kernels.
Out: `Placement`.
"""

from collections.abc import Sequence

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record, fresh
from symgraph.lower.builder import KernelBuilder
from symgraph.lower.fuse import Fusion
from symgraph.lower.fusion_groups import Group, can_fail, made_by
from symgraph.lower.ir import Access, Let, Load, Loop, Statement, Store, expressions
from symgraph.lower.sizes import SizePolynomial

#: ("leaf", k), ("output", k) or ("temp", k)
Storage = tuple[str, int]


class Placement(Record, frozen=False):
    """Storage of every stored variable.

    Attributes
    ----------
    of : variable → storage
    temps : (bytes, first step, last step) of each temporary
    copies : (target, source variable) to carry out after all steps
    """

    of: dict[Variable, Storage] = fresh(factory=dict)
    temps: list[tuple[SizePolynomial, int, int]] = fresh(factory=list)
    copies: list[tuple[Storage, Variable]] = fresh(factory=list)


def place(
    graph: Graph,
    fusion: Fusion,
    kernels: Sequence[KernelBuilder | None],
    leaves: Sequence[Variable],
    in_place: bool = True,
) -> Placement:
    """Give every stored variable its memory; nothing is overwritten unless `in_place`."""
    result = Placement()
    for k, leaf in enumerate(leaves):
        result.of[leaf] = ("leaf", k)
    reads = [_reads(fusion, unit) for unit in fusion.units]
    made: dict[Variable, int] = {}  # by the last of the units that write it
    begun: dict[Variable, int] = {}
    for number, unit in enumerate(fusion.units):
        for variable in made_by(unit):
            made[variable] = number
            begun.setdefault(variable, number)
    for k, variable in enumerate(graph.outputs):
        if variable in result.of:
            result.copies.append((("output", k), variable))
        else:
            result.of[variable] = ("output", k)
    kept = set(graph.kept)  # when these are read, checks may fail
    fails = [
        number
        for number, unit in enumerate(fusion.units)
        if can_fail(unit) or any(v in kept for v in made_by(unit))
    ]
    for target, new in graph.updates:
        home = result.of[target]
        if new is target:
            continue
        over = (
            in_place
            and new not in result.of
            and new in made
            and not any(number >= made[new] for number in fails)
            and not any(target in reads[n] for n in range(made[new] + 1, len(reads)))
            and _same_places(fusion.units[made[new]], kernels[made[new]], target, new)
            and _is_base_alone(
                fusion, fusion.units[made[new]], kernels[made[new]], target
            )
            and not any(_is_copied(result, target))
        )
        if over:
            result.of[new] = home
        else:
            result.copies.append((home, new))
    last = _last_uses(reads, made, result, len(fusion.units))
    bases = _overwritten(fusion, kernels, last) if in_place else {}
    for variable in reversed(made):  # what is changed into a result lies where it will
        base = bases.get(variable)
        if base is not None and result.of.get(variable, ("",))[0] == "output":
            result.of.setdefault(base, result.of[variable])
    for variable in made:
        base = bases.get(variable)
        if base is not None and variable not in result.of:
            kind, number = result.of[base]
            if kind == "temp":  # results stay as they are
                size, first, _ = result.temps[number]
                end = last.get(variable, made[variable])
                result.temps[number] = (size, first, end)
                result.of[variable] = result.of[base]
        if variable in fusion.stored and variable not in result.of:
            size = fusion.extents.size(variable) * ITEMSIZE[variable.type.dtype]
            result.of[variable] = ("temp", len(result.temps))
            result.temps.append(
                (size, begun[variable], last.get(variable, made[variable]))
            )
    for number, build in enumerate(kernels):
        for row, size in build.scratch if build is not None else ():
            result.of[row] = ("temp", len(result.temps))
            result.temps.append((size, number, number))
    return result


def _overwritten(
    fusion: Fusion, kernels: Sequence[KernelBuilder | None], last: dict[Variable, int]
) -> dict[Variable, Variable]:
    """Changed copy → what it is a copy of, where nothing reads that any more."""
    found: dict[Variable, Variable] = {}
    for number, unit in enumerate(fusion.units):
        if isinstance(unit, Group) or not unit.op.changes:
            continue
        (new,), base = unit.outputs, unit.inputs[0]
        if (
            base.owner is not None
            and base in fusion.stored
            and last.get(base) == number
            and fusion.extents.shape(base) == fusion.extents.shape(new)
            and _same_places(unit, kernels[number], base, new)
            and _is_base_alone(fusion, unit, kernels[number], base)
        ):
            found[new] = base
    return found


def _is_base_alone(
    fusion: Fusion, unit: Group | Apply, build: KernelBuilder | None, base: Variable
) -> bool:
    """Whether what a unit reads beside its base is not that base, nor a part of it.

    ``x[:k] += x[0]`` and ``w - dot(w.T, x)`` read elsewhere what they would overwrite.
    """
    if isinstance(unit, Group):
        return True
    op = unit.op
    if build is not None and not op.changes:
        return True  # its own statements tell
    first = 1 if op.changes or op.accumulates else 0
    return all(fusion.behind(v).source is not base for v in unit.inputs[first:])


def is_change(node: Group | Apply, placement: Placement) -> bool:
    """Whether a node changes its first operand where that lies, and need not copy it."""
    if isinstance(node, Group) or not node.op.changes:
        return False
    home = placement.of.get(node.inputs[0])
    return home is not None and home == placement.of.get(node.outputs[0])


def _is_copied(result: Placement, target: Variable) -> list[bool]:
    return [source is target for _, source in result.copies]


def _reads(fusion: Fusion, unit: Group | Apply) -> set[Variable]:
    """Leaves and stored variables that a unit reads."""
    return {
        source for source in fusion.sources(unit) if not isinstance(source, Constant)
    }


def _last_uses(
    reads: Sequence[set[Variable]],
    made: dict[Variable, int],
    result: Placement,
    count: int,
) -> dict[Variable, int]:
    last = dict(made)
    for number, sources in enumerate(reads):
        for variable in sources:
            last[variable] = max(last.get(variable, 0), number)
    for _, variable in result.copies:
        last[variable] = count
    return last


def _same_places(
    unit: Group | Apply, build: KernelBuilder | None, target: Variable, new: Variable
) -> bool:
    """Whether a kernel reads each element of `target` only just before writing it."""
    if build is None:  # a product may read only the matrix it adds to
        assert isinstance(unit, Apply)
        return target not in unit.inputs[1:] and (
            unit.op.accumulates or target not in unit.inputs
        )
    read, written = build.buffers.get(target), build.buffers[new]
    if build.rest:  # what one kernel writes, another may read
        return not any(target in one.buffers for one in (build, *build.rest))
    if read is None:
        return True
    return _ordered(build.statements(), read.name, written.name)


def _ordered(body: Sequence[Statement], read: str, written: str) -> bool:
    """Whether each element of `read` is loaded only before it is stored to `written`.

    Every access that a block loads it also stores, later. Each element is stored once,
    so an iteration, or a block, loads nothing that another one stores.
    """
    loads: dict[Access, int] = {}
    stores: dict[Access, int] = {}
    for number, statement in enumerate(body):
        if isinstance(statement, Loop):
            if not _ordered(statement.body, read, written):
                return False
            continue
        for expression in expressions(statement):
            if isinstance(expression, Load) and expression.buffer == read:
                if not isinstance(statement, Let):
                    return False
                loads[expression.access] = number
        if isinstance(statement, Store) and statement.buffer == written:
            stores[statement.access] = number
    return all(number < stores.get(access, -1) for access, number in loads.items())
