"""Program: the whole function as kernels, products, copies, and a table of slots.

`plan` runs the lowering passes over an optimised graph (lower/body.py) and gathers their
results. A program knows no machine: a backend writes its kernels and the driver that
runs its steps; the runtime binds its slots (addresses and sizes) for the shapes of a
call. In: Graph. Out: Program.
"""

from collections.abc import Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Variable
from symgraph.lower.body import Body
from symgraph.lower.extents import Extents
from symgraph.lower.sheet import Sheet
from symgraph.lower.sizes import ZERO, Poly, lates_of, poly
from symgraph.lower.steps import Program


def plan(
    graph: Graph,
    shared: list[Variable],
    blas: bool = True,
    original: Graph | None = None,
    lengths: Sequence[int | None] = (),
) -> Program:
    """Lower an optimised graph.

    Parameters
    ----------
    graph : Graph
    shared : the shared variables, in the order of their leaves after the inputs
    blas : without it products of floats are written as loops too
    original : the graph before rewriting; what it needs of sizes is checked as well,
        for a rewrite may drop the op where two extents meet
    lengths : numbers of rows of inputs; the program is for calls that have just these
    """
    with graph.interner:
        sheet = Sheet(blas)
        body = Body(sheet, graph, [*graph.inputs, *shared], lengths)
        body.write()
        program = sheet.program
        program.steps, program.sources = body.steps, body.sources
        sheet.share()
        extents = body.extents
        program.checks = [*extents.checks, *program.checks]
        program.ranges = [*extents.ranges, *program.ranges]
        sheet.take_recipes(extents.atoms)
        program.resized = [shared.index(target) for target in body.resized]
        count = len(graph.inputs)
        program.leaves = [
            ("input" if k < count else "shared", v.type.dtype, v.ndim)
            for k, v in enumerate(body.leaves)
        ]
        program.outputs = [(v.type.dtype, extents.shape(v)) for v in body.graph.outputs]
        if original is not None:
            _keep_checks(sheet, extents, Extents(original, body.leaves))
        return program


def _keep_checks(sheet: Sheet, extents: Extents, before: Extents) -> None:
    """Put the checks of the graph as it was before rewriting first.

    Rewriting took extents that meet as equal. Where one of them is 1 and broadcasts,
    that check must fail before those of what was made of it. Checks of values that the
    function computes are made when it has them, by the rewritten graph alone, and so are
    those of indices that only a branch uses.
    """
    atoms, program = extents.atoms, sheet.program

    def is_late(*sizes: Poly) -> bool:
        return any(
            lates_of(before.atoms.recipes[atom])
            for size in sizes
            for atom in size.atoms()
        )

    def here(size: Poly) -> Poly:
        result = ZERO
        for monomial, coefficient in size.terms:
            term = poly(coefficient)
            for atom in monomial:
                number = atoms.number(before.atoms.recipes[atom])
                term = term * Poly((((number,), 1),))
            result = result + term
        return result

    first = [
        check.replace(left=here(check.left), right=here(check.right))
        for check in before.checks
        if not is_late(check.left, check.right)
    ]
    known = {(c.left, c.right) for c in first}
    rest = [c for c in program.checks if (c.left, c.right) not in known]
    program.checks = first + rest
    ranges = [
        entry.replace(index=here(entry.index), extent=here(entry.extent))
        for entry in before.ranges
        if not is_late(entry.index, entry.extent)
    ]
    at_once = {(r.index, r.extent) for r in program.ranges if r.late is None}
    in_branches = {(r.index, r.extent) for r in program.ranges} - at_once
    ranges = [r for r in ranges if (r.index, r.extent) not in in_branches]
    told = {(entry.index, entry.extent) for entry in ranges}
    others = [r for r in program.ranges if (r.index, r.extent) not in told]
    program.ranges = ranges + others
    sheet.take_recipes(atoms)
