"""Program: the whole function as kernels, products, copies, and a table of slots.

`plan` runs the lowering passes over an optimised graph and orders their results. A
program knows no machine: a backend writes its kernels and the driver that runs its
steps; the runtime binds its slots (addresses and sizes) for the shapes of a call.
In: Graph. Out: Program.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable, listing
from symgraph.lower import opaque
from symgraph.lower.builder import Builder
from symgraph.lower.canonical import canonical
from symgraph.lower.extents import Check, Extents, Range
from symgraph.lower.fuse import Fusion
from symgraph.lower.groups import Group
from symgraph.lower.ir import Kernel
from symgraph.lower.memory import Storage, place
from symgraph.lower.nest import Nest
from symgraph.lower.pairs import split
from symgraph.lower.prepare import decompose, prepare
from symgraph.lower.schedule import schedule
from symgraph.lower.sizes import ONE, ZERO, Poly, Recipe, poly
from symgraph.lower.views import Matrix, matrix_of

FLOAT_PRODUCTS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Launch:
    """Run a kernel: slots of its buffers, then of its sizes."""

    kernel: str
    buffers: tuple[int, ...]
    sizes: tuple[int, ...]
    can_fail: bool = False


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix for BLAS: slot of its memory, offset and leading dimension as slots."""

    buffer: int
    offset: int | None
    transposed: bool
    lead: int
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """c = alpha * a @ b + beta * c by BLAS; extents are slots.

    `alpha` and `beta` are numbers, or slots of 0-d buffers given as ("slot", index).
    """

    dtype: str
    rows: int
    columns: int
    inner: int
    a: Operand
    b: Operand
    c: int
    alpha: Any = 1.0
    beta: Any = 0.0
    count: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy bytes from one buffer to another."""

    target: int
    source: int
    size: int


Step = Launch | Product | Copy


@dataclass(slots=True)
class Program:
    """A function ready for a backend. Slot 0 is the error flag.

    Attributes
    ----------
    kernels : name → Kernel
    steps : in order of execution
    slots : what each slot holds: ("error",), ("leaf", k), ("output", k), ("temp", k),
        ("constant", k), or a Poly
    recipes : how each atom of the Polys is computed
    leaves : (kind, dtype, rank) of inputs and shared variables, in order
    temps : (bytes, first step, last step)
    outputs : (dtype, extents)
    checks, ranges : what a call must verify
    failures : error flag → message
    resized : shared variables (their positions) whose updates may have another shape;
        their new values are the last outputs, in this order
    """

    kernels: dict[str, Kernel] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    slots: list[Any] = field(default_factory=lambda: [("error",)])
    recipes: list[Recipe] = field(default_factory=list)
    leaves: list[tuple[str, str, int]] = field(default_factory=list)
    constants: list[np.ndarray] = field(default_factory=list)
    temps: list[tuple[Poly, int, int]] = field(default_factory=list)
    outputs: list[tuple[str, tuple[Poly, ...]]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    resized: list[int] = field(default_factory=list)


def plan(
    graph: Graph,
    shared: list[Variable],
    blas: bool = True,
    original: Graph | None = None,
) -> Program:
    """Lower an optimised graph.

    Parameters
    ----------
    graph : Graph
    shared : the shared variables, in the order of their leaves after the inputs
    blas : without it products of floats are written as loops too
    original : the graph before rewriting; what it needs of sizes is checked as well,
        for a rewrite may drop the op where two extents meet
    """
    with graph.interner:
        planner = _Planner(graph, shared, blas)
        if original is not None:
            planner.keep_checks(Extents(original, planner.leaves))
        return planner.program


class _Planner:
    def __init__(self, graph: Graph, shared: list[Variable], blas: bool) -> None:
        self.leaves = [*graph.inputs, *shared]
        self.blas = blas
        graph = decompose(graph)
        graph, resized = _apart(graph, Extents(graph, self.leaves))
        graph = prepare(graph, Extents(graph, self.leaves))
        self.graph = graph
        self.extents = Extents(graph, self.leaves)
        self.fusion = Fusion(graph, self.extents)
        self.codes: dict[int, Variable] = {}
        self.program = Program(resized=[shared.index(target) for target in resized])
        self._slot: dict[Any, int] = {}
        self._kernels: dict[Any, str] = {}
        written = [self._written(unit) for unit in self.fusion.units]
        self.storage = place(graph, self.fusion, written, self.leaves)
        for number, (unit, build) in enumerate(
            zip(self.fusion.units, written, strict=True)
        ):
            self._step(unit, build, number)
        for target, source in self.storage.copies:
            size = self.extents.size(source) * ITEMSIZE[source.type.dtype]
            self._add(
                Copy(self._buffer_slot(target), self._buffer(source), self._size(size))
            )
        self._finish(len(shared))

    # --- kernels ----------------------------------------------------------------------

    def _written(self, unit: Group | Apply) -> Builder | None:
        if isinstance(unit, Group):
            return Nest(self.fusion, unit, self.codes).write()
        if self._is_product(unit):
            return None
        return opaque.write(self.fusion, unit, self.codes)

    def _is_product(self, node: Apply) -> bool:
        if node.op.name == "gemm":
            return True
        if node.op.name not in ("dot", "batched_dot"):
            return False
        return (
            self.blas
            and node.outputs[0].type.dtype in FLOAT_PRODUCTS
            and all(matrix_of(v, self.extents) is not None for v in node.inputs)
        )

    def _step(self, unit: Group | Apply, build: Builder | None, number: int) -> None:
        if build is None:
            assert isinstance(unit, Apply)
            self._product(unit)
            return
        nodes = [v.owner for v in unit.members] if isinstance(unit, Group) else [unit]
        places = [node.outputs[0].place for node in nodes if node is not None]
        kernel = schedule(build.finish("k", places), build.sizes)
        kernel, sizes = canonical(split(kernel, build.sizes))
        key = replace(kernel, origin=())
        name = self._kernels.get(key)
        if name is None:
            name = self._kernels[key] = f"k{len(self._kernels)}"
            self.program.kernels[name] = replace(kernel, name=name)
        self._add(
            Launch(
                name,
                tuple(self._buffer(v) for v in build.buffers),
                tuple(self._size(build.sizes[s]) for s in sizes),
                any(node is not None and node.op.can_fail for node in nodes),
            )
        )

    def _add(self, step: Step) -> None:
        self.program.steps.append(step)

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

    # --- products ---------------------------------------------------------------------

    def _product(self, node: Apply) -> None:
        (out,) = node.outputs
        alpha: Any = 1.0
        beta: Any = 0.0
        if node.op.name == "gemm":
            z, alpha_v, a, b, beta_v = node.inputs
            alpha, beta = self._factor(alpha_v), self._factor(beta_v)
            if self._buffer(z) != self._buffer(out):
                size = self.extents.size(z) * ITEMSIZE[z.type.dtype]
                self._add(Copy(self._buffer(out), self._buffer(z), self._size(size)))
        else:
            a, b = node.inputs
        left, right = matrix_of(a, self.extents), matrix_of(b, self.extents)
        assert left is not None and right is not None
        a_shape, b_shape = self.extents.shape(a), self.extents.shape(b)
        count = step = None
        if node.op.name == "batched_dot":
            count = self._size(a_shape[0])
            a_shape, b_shape = a_shape[1:], b_shape[1:]
            step = self._size(a_shape[0] * b_shape[1])
        rows = a_shape[0] if len(a_shape) == 2 else ONE
        columns = b_shape[1] if len(b_shape) == 2 else ONE
        first = self._operand(left, row_vector=len(a_shape) == 1)
        second = self._operand(right, row_vector=False)
        self._add(
            Product(
                out.type.dtype, self._size(rows), self._size(columns),
                self._size(a_shape[-1]), first, second, self._buffer(out),
                alpha, beta, count, step,
            )
        )  # fmt: skip

    def _operand(self, matrix: Matrix, row_vector: bool) -> Operand:
        # a vector on the left is one row: its column form, transposed
        offset = None if matrix.offset == ZERO else self._size(matrix.offset)
        batch = None if matrix.batch == ZERO else self._size(matrix.batch)
        return Operand(
            self._buffer(matrix.source), offset, matrix.transposed or row_vector,
            self._size(matrix.lead), batch,
        )  # fmt: skip

    def _factor(self, variable: Variable) -> Any:
        if isinstance(variable, Constant):
            return float(variable.data)
        return ("slot", self._buffer(variable))

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
            replace(check, left=here(check.left), right=here(check.right))
            for check in before.checks
        ]
        known = {(c.left, c.right) for c in first}
        rest = [c for c in program.checks if (c.left, c.right) not in known]
        program.checks = first + rest
        ranges = {(r.index, r.extent) for r in program.ranges}
        for entry in before.ranges:
            index, extent = here(entry.index), here(entry.extent)
            if (index, extent) not in ranges:
                program.ranges.append(replace(entry, index=index, extent=extent))
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
            file, line = variable.place
            node = variable.owner
            assert node is not None
            program.failures[code] = (
                f"{node.op.name}: an index lies outside its axis, at {file}:{line}"
                f"{listing(*node.inputs)}"
            )
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
