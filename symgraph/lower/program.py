"""Program: the whole function as kernels, products, copies, and a table of slots.

`plan` runs the lowering passes over an optimised graph and orders their results. A
program knows no machine: a backend writes its kernels and the driver that runs its
steps; the runtime binds its slots (addresses and sizes) for the shapes of a call.
In: Graph. Out: Program.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable
from symgraph.lower import opaque, parallel
from symgraph.lower.builder import Builder
from symgraph.lower.canonical import canonical
from symgraph.lower.contractions import Contractions
from symgraph.lower.extents import Extents
from symgraph.lower.failures import text_of
from symgraph.lower.fuse import Fusion
from symgraph.lower.grain import LEAST, MOST_BLOCKS
from symgraph.lower.groups import Group
from symgraph.lower.ir import Kernel
from symgraph.lower.memory import Storage, place
from symgraph.lower.nest import Nest
from symgraph.lower.pairs import split
from symgraph.lower.prepare import decompose, prepare
from symgraph.lower.schedule import schedule
from symgraph.lower.sizes import ZERO, Poly, poly
from symgraph.lower.small import bearable, thin_products
from symgraph.lower.steps import Copy, Launch, Program, Step
from symgraph.lower.tiling import CONVOLUTIONS, convolution
from symgraph.lower.views import matrix_of

FLOAT_PRODUCTS = ("float32", "float64")


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
        planner = _Planner(graph, shared, blas, lengths)
        if original is not None:
            planner.keep_checks(Extents(original, planner.leaves))
        return planner.program


class _Planner(Contractions):
    def __init__(
        self,
        graph: Graph,
        shared: list[Variable],
        blas: bool,
        lengths: Sequence[int | None],
    ) -> None:
        self.leaves = [*graph.inputs, *shared]
        self.blas = blas
        graph = decompose(graph)
        self.extents = Extents(graph, self.leaves)
        self._roots = graph.roots
        graph, resized = _apart(graph, self.extents)
        graph, points = thin_products(graph, self._extents(graph))
        graph = prepare(graph, self._extents(graph))
        self.graph = graph
        self.extents = self._extents(graph)
        self.extents.lengths = lengths
        points = bearable(graph, self.extents, points)
        self.fusion = Fusion(graph, self.extents, points)
        self.codes: dict[int, Variable] = {}
        self.program = Program(resized=[shared.index(target) for target in resized])
        self._slot: dict[Any, int] = {}
        self._kernels: dict[Any, str] = {}
        self._divisions: dict[str, parallel.Division | None] = {}
        self._meant: dict[Launch, dict[str, Poly]] = {}
        self._nodes: tuple[Apply, ...] = ()
        written = [self._written(unit) for unit in self.fusion.units]
        self.storage = place(graph, self.fusion, written, self.leaves)
        for number, (unit, build) in enumerate(
            zip(self.fusion.units, written, strict=True)
        ):
            self._step(unit, build, number)
        for target, source in self.storage.copies:
            self._nodes = () if source.owner is None else (source.owner,)
            size = self.extents.size(source) * ITEMSIZE[source.type.dtype]
            self._add(
                Copy(self._buffer_slot(target), self._buffer(source), self._size(size))
            )
        self._share()
        self._finish(len(shared))

    def _extents(self, graph: Graph) -> Extents:
        """Extents of the graph; a step that changed nothing costs nothing."""
        if graph.roots != self._roots:
            self.extents, self._roots = Extents(graph, self.leaves), graph.roots
        return self.extents

    # --- kernels ----------------------------------------------------------------------

    def _written(self, unit: Group | Apply) -> Builder | None:
        if isinstance(unit, Group):
            return Nest(self.fusion, unit, self.codes).write()
        if self._is_product(unit) or unit.op.name in CONVOLUTIONS:
            return None
        return opaque.write(self.fusion, unit, self.codes)

    def _is_product(self, node: Apply) -> bool:
        if node.op.name == "gemm":
            return True
        if node.op.name not in ("dot", "batched_dot"):
            return False
        return node.outputs[0].type.dtype in FLOAT_PRODUCTS and all(
            matrix_of(v, self.extents) is not None for v in node.inputs
        )

    def _step(self, unit: Group | Apply, build: Builder | None, number: int) -> None:
        self.unit = number
        nodes = [v.owner for v in unit.members] if isinstance(unit, Group) else [unit]
        self._nodes = tuple(node for node in nodes if node is not None)
        if build is None:
            assert isinstance(unit, Apply)
            if unit.op.name in CONVOLUTIONS:
                self._tiles(convolution(unit, self.extents))
            else:
                self._product(unit)
            return
        places = [node.outputs[0].place for node in self._nodes]
        kernel = schedule(build.finish("k", places), build.sizes)
        if not kernel.body:
            return
        kernel, sizes = canonical(split(kernel, build.sizes))
        key = kernel.replace(origin=())
        name = self._kernels.get(key)
        if name is None:
            name = self._kernels[key] = f"k{len(self._kernels)}"
            self.program.kernels[name] = kernel.replace(name=name)
        launch = Launch(
            name,
            tuple(self._buffer(v) for v in build.buffers),
            tuple(self._size(build.sizes[s]) for s in sizes),
            any(node.op.can_fail for node in self._nodes),
        )
        meanings = dict(zip(kernel.sizes, (build.sizes[s] for s in sizes), strict=True))
        self._add(self._divided(launch, kernel, meanings, build))

    # --- parts for threads --------------------------------------------------------------

    def _divided(
        self, launch: Launch, kernel: Kernel, sizes: dict[str, Poly], build: Builder
    ) -> Launch:
        """The launch with what the pool must know, if the kernel can be divided."""
        self._meant[launch] = sizes
        rows = dict(build.scratch)
        private = [(n, rows[v]) for n, v in enumerate(build.buffers) if v in rows]
        division = parallel.division_of(
            kernel, sizes, [kernel.buffers[n].name for n, _ in private]
        )
        known = self._divisions.setdefault(launch.kernel, division)
        if division is None or known is None or known.index != division.index:
            return launch
        count = division.units.constant
        work = parallel.work_of(kernel, sizes)
        if work.constant is not None and work.constant < LEAST:
            return launch
        if count is not None and count <= division.align:
            return launch
        scratch = ZERO
        for _, size in private:
            scratch = scratch + size + 64
        key = ("grain", division.units, work, division.align, scratch)
        partials = None
        if division.partial != ZERO:
            partials = self._workspace(division.partial * (MOST_BLOCKS + 1))
        self._meant[
            divided := launch.replace(
                grain=self._new_slot(key),
                private=tuple((n, self._size(size)) for n, size in private),
                partials=partials,
            )
        ] = sizes
        return divided

    def _share(self) -> None:
        """Have those kernels take parts of their range that the pool may run."""
        program = self.program
        used = {
            step.kernel
            for step in program.steps
            if isinstance(step, Launch) and step.grain is not None
        }
        for name in used:
            division = self._divisions[name]
            assert division is not None
            program.kernels[name] = program.kernels[name].replace(
                split=division.align, divided=division.index
            )
        for number, step in enumerate(program.steps):
            if isinstance(step, Launch) and step.kernel in used:
                units, partial = parallel.range_of(
                    program.kernels[step.kernel], self._meant[step]
                )
                program.steps[number] = step.replace(
                    units=self._size(units),
                    width=None if partial == ZERO else self._size(partial),
                )
        if any(
            isinstance(what, tuple) and what[0] == "grain" for what in program.slots
        ):
            self._new_slot(("parallel",))

    def _add(self, step: Step) -> None:
        self.program.steps.append(step)
        self.program.sources.append(self._nodes)

    # --- slots ------------------------------------------------------------------------

    def _new_slot(self, key: Any) -> int:
        found = self._slot.get(key)
        if found is None:
            found = self._slot[key] = len(self.program.slots)
            self.program.slots.append(key)
        return found

    def _size(self, size: Poly) -> int:
        return self._new_slot(size)

    def _buffer(self, variable: Variable) -> int:
        """Slot of the address of a stored variable, leaf or constant."""
        if isinstance(variable, Constant):
            for k, array in enumerate(self.program.constants):
                if array is variable.data:
                    return self._new_slot(("constant", k))
            self.program.constants.append(variable.data)
            return self._new_slot(("constant", len(self.program.constants) - 1))
        return self._buffer_slot(self.storage.of[variable])

    def _buffer_slot(self, storage: Storage) -> int:
        return self._new_slot(storage)

    def keep_checks(self, before: Extents) -> None:
        """Put the checks of the graph as it was before rewriting first.

        Rewriting took extents that meet as equal. Where one of them is 1 and broadcasts,
        that check must fail before those of what was made of it.
        """
        atoms = self.extents.atoms

        def here(size: Poly) -> Poly:
            result = ZERO
            for monomial, coefficient in size.terms:
                term = poly(coefficient)
                for atom in monomial:
                    number = atoms.number(before.atoms.recipes[atom])
                    term = term * Poly((((number,), 1),))
                result = result + term
            return result

        program = self.program
        first = [
            check.replace(left=here(check.left), right=here(check.right))
            for check in before.checks
        ]
        known = {(c.left, c.right) for c in first}
        rest = [c for c in program.checks if (c.left, c.right) not in known]
        program.checks = first + rest
        ranges = [
            entry.replace(index=here(entry.index), extent=here(entry.extent))
            for entry in before.ranges
        ]
        told = {(entry.index, entry.extent) for entry in ranges}
        others = [r for r in program.ranges if (r.index, r.extent) not in told]
        program.ranges = ranges + others
        program.recipes = list(atoms.recipes)

    # --- the rest ---------------------------------------------------------------------

    def _finish(self, shared: int) -> None:
        program = self.program
        count = len(self.leaves) - shared
        program.leaves = [
            ("input" if k < count else "shared", v.type.dtype, v.ndim)
            for k, v in enumerate(self.leaves)
        ]
        program.outputs = [
            (v.type.dtype, self.extents.shape(v)) for v in self.graph.outputs
        ]
        program.checks = list(self.extents.checks)
        program.ranges = list(self.extents.ranges)
        program.temps = list(self.storage.temps)
        for code, variable in self.codes.items():
            assert variable.owner is not None
            program.failures[code] = text_of(variable.owner, self.extents, self._size)
        program.recipes = list(self.extents.atoms.recipes)


def _apart(graph: Graph, extents: Extents) -> tuple[Graph, list[Variable]]:
    """Updates that may change the shape made outputs, and their targets."""
    kept: list[tuple[Variable, Variable]] = []
    news: list[Variable] = []
    targets: list[Variable] = []
    for target, new in graph.updates:
        if new is target or extents.shape(target) == extents.shape(new):
            kept.append((target, new))
        else:
            targets.append(target)
            news.append(new)
    if news:
        outputs = (*graph.outputs, *news)
        graph = Graph(graph.inputs, outputs, tuple(kept), graph.interner)
    return graph, targets
