"""Program: the whole function as kernels, products, copies, and a table of slots.

`plan` runs the lowering passes over an optimised graph (lower/body.py) and gathers their
results. A program knows no machine: a backend writes its kernels and the driver that
runs its steps; the runtime binds its slots (addresses and sizes) for the shapes of a
call. In: Graph. Out: Program.
"""

from collections.abc import Mapping, Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Variable
from symgraph.lower.body import Body
from symgraph.lower.checks import Check, Range
from symgraph.lower.guards import Required, holds_if, is_late, required
from symgraph.lower.program_builder import ProgramBuilder
from symgraph.lower.sizes import ZERO, SizeExpression, SizePolynomial, poly
from symgraph.lower.steps import Demand, Program
from symgraph.lower.verify_program import verify_program


def plan(
    graph: Graph,
    shared: list[Variable],
    original: Graph | None = None,
    fixed_rows: Sequence[int | None] = (),
    verify: str = "steps",
    in_place: bool = True,
) -> Program:
    """Lower an optimised graph.

    Parameters
    ----------
    graph : Graph
    shared : the shared variables, in the order of their leaves after the inputs
    original : the graph before rewriting; what it needs of sizes is checked as well,
        for a rewrite may drop the op where two extents meet
    fixed_rows : numbers of rows of inputs; the program is for calls that have just these
    verify : "steps" proves that steps and stores obey their rules, "on" that kernels do;
        with "bounds" kernels check the places that they load from memory as well
    in_place : whether values may be written over what they are computed from
    """
    with graph.interner:
        builder = ProgramBuilder(verify, in_place)
        leaves = [*graph.inputs, *shared]
        found = None if original is None else required(original, leaves)
        sized = 0
        if found is not None and graph.kept:
            sized = len(found.sizes)
        body = Body(builder, graph, leaves, fixed_rows, sized=sized)
        kept = None
        if found is not None:
            kept = _Before(builder, body, found, graph)
        written = body.write()
        program = builder.program
        program.steps, program.sources = written.steps, written.sources
        extents = body.extents
        program.checks = [*extents.checks, *program.checks]
        program.ranges = [*extents.ranges, *program.ranges]
        builder.take_recipes(extents.atoms)
        program.resized = [shared.index(target) for target in body.resized]
        count = len(graph.inputs)
        program.leaves = [
            ("input" if k < count else "shared", v.type.dtype, v.ndim)
            for k, v in enumerate(body.leaves)
        ]
        program.outputs = [(v.type.dtype, extents.shape(v)) for v in body.graph.outputs]
        if kept is not None and original is not None:
            kept.put_first()
            original.__dict__.pop("_required", None)  # it is large
        if verify != "off":
            verify_program(program)
        return program


class _Before:
    """The checks of the graph as it was before rewriting; they come first.

    Rewriting took extents that meet as equal. Where one of them is 1 and broadcasts,
    that check must fail before those of what was made of it. Checks of values that the
    function computes are made when it has them. What only a branch requires is demanded
    where its condition has been computed.
    """

    def __init__(
        self, builder: ProgramBuilder, body: Body, found: Required, graph: Graph
    ) -> None:
        self.builder, self.atoms = builder, body.extents.atoms
        self.before = found.extents
        self.checks: list[Check] = []
        self.ranges: list[Range] = []
        is_kept = len(graph.kept) == len(found.guards) + len(found.sizes)
        self.lates = dict(zip(found.sizes, body.sizes, strict=True)) if is_kept else {}
        self.late = [self._check(check) for check in found.checks if is_kept]
        for number, guard in enumerate(found.guards if is_kept else ()):
            checks = [builder.guarded(self._check(c), self.atoms) for c in guard.checks]
            ranges = [builder.guarded(self._range(r), self.atoms) for r in guard.ranges]
            self.checks += checks
            self.ranges += ranges
            slots = [c.guard for c in checks] + [r.guard for r in ranges]
            demand = Demand(tuple(slot for slot in slots if slot is not None))
            body.demands.append((number, holds_if(guard.path), demand))

    def _here(self, size: SizePolynomial) -> SizePolynomial:
        """A size in the atoms of the program."""
        result = ZERO
        for monomial, coefficient in size.terms:
            term = poly(coefficient)
            for atom in monomial:
                recipe = self.before.atoms.recipes[atom]
                number = self.atoms.number(_with_lates(recipe, self.lates))
                term = term * SizePolynomial((((number,), 1),))
            result = result + term
        return result

    def _check(self, check: Check) -> Check:
        return check.replace(left=self._here(check.left), right=self._here(check.right))

    def _range(self, entry: Range) -> Range:
        index, extent = self._here(entry.index), self._here(entry.extent)
        return entry.replace(index=index, extent=extent)

    def put_first(self) -> None:
        """Put the checks before those of the rewritten graph."""
        program, before = self.builder.program, self.before
        first = [
            self._check(c)
            for c in before.checks
            if not is_late(before, c.left, c.right)
        ]
        known = {(c.left, c.right) for c in first}
        rest = [
            c
            for c in program.checks
            if c.guard is not None or (c.left, c.right) not in known
        ]
        told = {(c.left, c.right) for c in rest}
        late = [c for c in self.late if (c.left, c.right) not in told]
        program.checks = [*first, *self.checks, *rest, *late]
        ranges = [
            self._range(r)
            for r in before.ranges
            if not is_late(before, r.index, r.extent)
        ]
        told = {(r.index, r.extent) for r in ranges}
        others = [
            r
            for r in program.ranges
            if r.guard is not None or (r.index, r.extent) not in told
        ]
        program.ranges = [*ranges, *self.ranges, *others]
        self.builder.take_recipes(self.atoms)


def _with_lates(
    recipe: SizeExpression, lates: Mapping[int, SizeExpression]
) -> SizeExpression:
    """A recipe of the graph before rewriting with the computed values of this one."""
    match recipe:
        case ("late", number):
            return lates[number]
        case ("poly", terms):
            return (
                "poly",
                tuple((c, tuple(_with_lates(r, lates) for r in rs)) for c, rs in terms),
            )
        case ("call", name, *arguments):
            return ("call", name, *(_with_lates(a, lates) for a in arguments))
    return recipe
