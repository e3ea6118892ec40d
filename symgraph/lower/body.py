"""Body: the steps of one graph, that of a function or one inside it.

Runs the lowering passes over a graph and writes its units as steps. The function's own
graph finds leaves and outputs in slots of their names; the graph inside a loop or a
branch is told by the outer one where its leaves and outputs are (`OuterBuffers`), and
uses the outer one's atoms, so that its extents are polynomials of the same call. In: a
Graph, a `ProgramBuilder`. Out: steps.
"""

from collections.abc import Sequence

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Variable
from symgraph.lower import single_op_kernels
from symgraph.lower.blocks import in_blocks
from symgraph.lower.bounds import OUTSIDE, with_bounds
from symgraph.lower.builder import KernelBuilder
from symgraph.lower.canonical import canonical
from symgraph.lower.contractions import add_convolution, add_product
from symgraph.lower.extents import Extents
from symgraph.lower.failures import text_of
from symgraph.lower.fuse import Fusion
from symgraph.lower.fusion_groups import Group, late_homes, made_by
from symgraph.lower.ir import Kernel, Size
from symgraph.lower.loop_nest import LoopNest
from symgraph.lower.memory import is_change, place
from symgraph.lower.nested import Nested, OuterBuffers
from symgraph.lower.pairs import split
from symgraph.lower.prepare import decompose, prepare
from symgraph.lower.program_builder import ProgramBuilder
from symgraph.lower.schedule import named, schedule
from symgraph.lower.small_products import small_products, within_unroll_budget
from symgraph.lower.step_list import StepList
from symgraph.lower.steps import Branch, Copy, Demand, HostCall, Launch, ResolveExtents
from symgraph.lower.verify import verify, verify_stores
from symgraph.lower.verify_placement import verify_placement
from symgraph.lower.views import matrix_of

FLOAT_PRODUCTS = ("float32", "float64")


class Body:
    """Plans one graph."""

    def __init__(
        self,
        builder: ProgramBuilder,
        graph: Graph,
        leaves: Sequence[Variable],
        fixed_rows: Sequence[int | None] = (),
        outer: OuterBuffers | None = None,
        sized: int = 0,
    ) -> None:
        """`sized` of the last values that the graph keeps are sizes to be compared."""
        self.builder = builder
        self.program = builder.program
        self.leaves = list(leaves)
        self.outer = outer
        #: (which of the kept values, its value, what must be true then)
        self.demands: list[tuple[int, bool, Demand]] = []
        first = len(graph.kept) - sized
        self._sized = range(first, first + sized)
        self._lower(graph)
        self.extents.fixed_rows = fixed_rows

    def _lower(self, graph: Graph) -> None:
        graph = decompose(graph)
        self._roots: tuple[Variable, ...] | None = None
        self.resized: list[Variable] = []
        if graph.updates:
            graph, self.resized = _apart(graph, self._extents(graph))
        graph, unrolled = small_products(graph, self._extents(graph))
        graph = prepare(graph, self._extents(graph))
        asked: dict[Variable, int] = {}  # what was added to `kept`, and where it is
        while True:  # what decides extents must be computed, and may decide some itself
            homes = late_homes(graph)
            homes |= {v: graph.kept[position] for v, position in asked.items()}
            found = self._extents(graph)
            for position in self._sized:
                found.atoms.recipe(graph.kept[position])
            late = [v for v in found.late if v not in homes]
            if not late:
                break
            asked |= {v: len(graph.kept) + k for k, v in enumerate(late)}
            kept = (*graph.kept, *late)
            graph = graph.replace(kept=kept)
            graph = prepare(graph, self._extents(graph))
        self.graph, self._homes = graph, homes
        self.late: dict[Variable, list[Variable]] = {}
        for v in self._extents(graph).late:
            self.late.setdefault(homes[v], []).append(v)
        if self.outer is not None:
            self.outer.atoms.adopt(self.extents.atoms)
            self.extents.atoms = self.outer.atoms
        #: recipes of the sizes that are kept
        self.sizes = [self.extents.atoms.recipe(graph.kept[p]) for p in self._sized]
        self.extents.atoms.closed = True
        self.unrolled = within_unroll_budget(graph, self.extents, unrolled)

    def _extents(self, graph: Graph) -> Extents:
        """Extents of the graph; a step that changed nothing costs nothing."""
        if graph.roots != self._roots:
            self._roots = graph.roots
            outer = self.outer
            if outer is None:
                self.extents = Extents(graph, self.leaves)
            else:
                atoms = outer.atoms.copy()
                self.extents = Extents(graph, self.leaves, atoms, outer.shapes)
        return self.extents

    def write(self) -> StepList:
        """Write all steps."""
        graph = self.graph
        self.fusion = Fusion(graph, self.extents, self._homes, self.unrolled)
        units = self.fusion.units
        told = len(self.builder.codes)
        written = [self._written(unit) for unit in units]
        for code, variable in list(self.builder.codes.items())[told:]:
            assert variable.owner is not None
            text = text_of(variable.owner, self.extents, self.builder.slot)
            self.program.failures[code] = text
        placement = place(
            graph, self.fusion, written, self.leaves, self.builder.in_place
        )
        for number, unit in enumerate(units):
            if isinstance(unit, Apply) and is_change(unit, placement):
                written[number] = single_op_kernels.write_change(
                    self.fusion, unit, self.builder.codes
                )
        if self.builder.verify != "off":
            verify_placement(graph, self.fusion, written, placement, self.leaves)
        outer = self.outer
        slots = (None, ()) if outer is None else (outer.leaves, outer.outputs)
        self.w = w = StepList(self.builder, self.extents, placement, *slots)
        for unit, build in zip(units, written, strict=True):
            self._step(unit, build)
            self._bind_late(unit)
            self._demand(unit)
        w.begin(())
        for target, source in placement.copies:
            w.nodes = () if source.owner is None else (source.owner,)
            size = self.extents.size(source) * ITEMSIZE[source.type.dtype]
            w.add(Copy(w.stored(target), w.buffer(source), w.size(size)))
        w.close()
        return w

    def _bind_late(self, unit: Group | Apply) -> None:
        """Read what a unit has computed, if extents wait for it."""
        for variable in made_by(unit):
            for late in self.late.get(variable, ()):
                own = self.extents.atoms.late.index(late)
                slot, dtype = self.w.buffer(variable), variable.type.dtype
                self.w.add(ResolveExtents(self.builder.late(own, slot, dtype)))

    def _demand(self, unit: Group | Apply) -> None:
        """Look at the guards of a condition that a unit has computed."""
        made = set(made_by(unit))
        for position, holds, demand in self.demands:
            condition = self.graph.kept[position]
            if condition in made:
                sides = ((demand,), ()) if holds else ((), (demand,))
                self.w.add(Branch(self.w.buffer(condition), *sides))

    # --- kernels ----------------------------------------------------------------------

    def _written(self, unit: Group | Apply) -> KernelBuilder | None:
        if isinstance(unit, Group):
            return LoopNest(self.fusion, unit, self.builder.codes).write()
        if (
            self._is_product(unit)
            or unit.op.convolves
            or unit.op.host
            or unit.op.has_inner
        ):
            return None
        return single_op_kernels.write(self.fusion, unit, self.builder.codes)

    def _is_product(self, node: Apply) -> bool:
        if node.op.accumulates:
            return True
        if node.op.factors is None:
            return False
        return node.outputs[0].type.dtype in FLOAT_PRODUCTS and all(
            matrix_of(v, self.extents) is not None for v in node.inputs
        )

    def _step(self, unit: Group | Apply, build: KernelBuilder | None) -> None:
        nodes = [v.owner for v in made_by(unit)] if isinstance(unit, Group) else [unit]
        self.w.begin([node for node in nodes if node is not None])
        if build is not None:
            for one in (build, *build.rest):
                self._kernel(one)
            return
        assert isinstance(unit, Apply)
        if unit.op.host:
            self._host(unit)
        elif unit.op.has_inner:
            Nested(self.w, self._inside).add(unit)
            self.w.end()
        elif unit.op.convolves:
            add_convolution(self.w, unit)
        else:
            add_product(self.w, unit)

    def _inside(
        self, graph: Graph, leaves: list[Variable], outer: OuterBuffers
    ) -> "Body":
        """The planner of a graph inside this one."""
        return Body(self.builder, graph, leaves, (), outer)

    def _host(self, node: Apply) -> None:
        """Call Python for a node: everything lies contiguous in memory."""

        def told(variables: Sequence[Variable]) -> tuple[object, ...]:
            return tuple(
                (
                    self.w.address(v),
                    v.type.dtype,
                    tuple(self.w.size(e) for e in self.extents.shape(v)),
                )
                for v in variables
            )

        file, line = node.outputs[0].place
        stored = [v for v in node.outputs if v in self.w.placement.of]
        assert len(stored) == len(node.outputs)
        number = self.builder.call(
            node, told(node.inputs), told(node.outputs), f"{file}:{line}"
        )
        self.w.add(HostCall(number))

    def _kernel(self, build: KernelBuilder) -> None:
        places = [node.outputs[0].place for node in self.w.nodes]
        kernel = schedule(build.finish("k", places), build.sizes)
        if not kernel.body:
            return
        can_fail = any(node.op.can_fail for node in self.w.nodes)
        if self.builder.verify == "bounds":
            kernel, checked = self._with_bounds(kernel, build)
            can_fail |= checked
        kernel, sizes = canonical(in_blocks(split(kernel, build.sizes)))
        if self.builder.verify == "steps":
            verify_stores(kernel)
        elif self.builder.verify != "off":
            verify(kernel)
        self.w.add(
            Launch(
                self.builder.kernel(kernel),
                tuple(self.w.buffer(v) for v in build.buffers),
                tuple(self.w.size(build.sizes[s]) for s in sizes),
                can_fail,
                self.w.span(),
            )
        )

    def _with_bounds(self, kernel: Kernel, build: KernelBuilder) -> tuple[Kernel, bool]:
        """The kernel with checks of loaded places, and whether it needs any."""
        variables = {b.name: v for v, b in build.buffers.items()}

        def length(buffer: str) -> Size:
            return named(self.extents.size(variables[buffer]), build.sizes)

        code = OUTSIDE + len(self.program.failures)
        made = with_bounds(kernel, length, code)
        if made == kernel:
            return kernel, False
        where = ", ".join(f"{file}:{line}" for file, line in kernel.origin)
        self.program.failures[code] = f"a kernel leaves its memory, made at {where}"
        return made.replace(sizes=tuple(build.sizes)), True


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
        graph = graph.replace(outputs=outputs, updates=tuple(kept))
    return graph, targets
