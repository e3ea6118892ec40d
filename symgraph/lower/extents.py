"""The extents of every variable of a graph, and what a call must check about them.

Walks a frozen graph once. Each variable gets a tuple of `SizePolynomial`. Where an op
needs two extents to be equal (broadcasting, inner extents of a product, joined axes)
and they are not the same polynomial, they are taken as equal from there on and a
`Check` is left for the moment when a call binds its arguments. So one compiled function
serves all sizes, and a size that does not fit is refused with the user's line before
anything runs. In: a Graph. Out: `Extents`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Op, Variable, described, listing
from symgraph.loops.conditions import Path
from symgraph.lower.checks import Check, Range
from symgraph.lower.sizes import ONE, SizePolynomial, SizeSymbols, poly, product
from symgraph.ops.shape import Extent as ExtentOf

Shape = tuple[SizePolynomial, ...]


class Required:
    """What an op is given to state its requirements: `core.sizes.Sizes` of `Extents`."""

    one = ONE

    def __init__(self, extents: "Extents", node: Apply) -> None:
        self.extents = extents
        self.node = node
        self.of = extents.atoms.poly
        self.shapes = [extents.present(v) for v in node.inputs]

    @property
    def inputs(self) -> Sequence[Variable]:
        """The operands."""
        return self.node.inputs

    def given(self, position: int) -> tuple[Any, ...]:
        """Extents of an operand as ints and 0-d int64 variables."""
        return self.extents.unbound(self.node.inputs[position])

    def equal(
        self,
        left: SizePolynomial,
        right: SizePolynomial,
        operands: Sequence[int],
        axis: int | None = None,
        what: str = "",
        broadcast: bool = False,
    ) -> None:
        """Two sizes are the same."""
        self.extents.equate(left, right, self.node, operands, axis, what, broadcast)

    def divides(
        self, number: int, size: SizePolynomial, operands: Sequence[int]
    ) -> None:
        """A number of channels is a multiple of the number of groups."""
        if number == 1 or size.constant is not None:
            return
        whole = self.extents.atoms.quotient(size, number) * number
        self.equal(size, whole, operands, what="channels by groups")

    def inside(
        self,
        index: SizePolynomial,
        extent: SizePolynomial,
        text: str,
        operands: Sequence[int] = (0,),
    ) -> None:
        """An index lies in an axis."""
        self.extents.ranges.append(Range(index, extent, self._placed(text, operands)))

    def positive(
        self,
        size: SizePolynomial,
        text: str,
        operands: Sequence[int] = (0,),
        index: SizePolynomial | None = None,
    ) -> None:
        """A size is above 0."""
        text = self._placed(text, operands)
        shown = size if index is None else index
        self.extents.ranges.append(Range(shown, size, text, True))

    def _placed(self, text: str, operands: Sequence[int]) -> str:
        file, line = self.node.outputs[0].place
        shown = listing(*(self.node.inputs[i] for i in operands))
        return f"{text}, at {file}:{line}{shown}"


class Extents:
    """Shapes as polynomials: `shape(variable)`; `checks` for the moment of a call."""

    def __init__(
        self,
        graph: Graph,
        leaves: Sequence[Variable],
        atoms: SizeSymbols | None = None,
        shapes: Sequence[Shape] | None = None,
        paths: Mapping[Apply, Path] | None = None,
    ) -> None:
        """Walk a graph; `atoms` and `shapes` (of the leaves) are those of an outer one.

        `paths` tells of nodes that are needed under conditions only. What they require
        is not taken for true around them, and comes in `guarded`.
        """
        self.leaves = tuple(leaves)
        #: number of rows (axis 0) of leaves for which code may be specialised
        self.fixed_rows: Sequence[int | None] = ()
        self.atoms = SizeSymbols(self.leaves) if atoms is None else atoms
        self._known_late = len(self.atoms.late)
        self.checks: list[Check] = []
        self.ranges: list[Range] = []
        #: conditions → what must be true where they hold
        self.guarded: dict[Path, tuple[list[Check], list[Range]]] = {}
        self._given: dict[Variable, tuple[Any, ...]] = {}
        self.atoms.shape_of = self.stated
        self._shapes: dict[Variable, tuple[Any, ...]] = {}
        #: variable → (number of bound atoms at the time, its shape as Polys)
        self._present: dict[Variable, tuple[int, Shape]] = {}
        with graph.interner:
            for number, leaf in enumerate(self.leaves):
                self._shapes[leaf] = tuple(
                    e if e is not None else ExtentOf(axis)(leaf)
                    for axis, e in enumerate(leaf.type.shape)
                )
                if shapes is not None:
                    self._preset(leaf, shapes[number])
            under: dict[Path, list[Apply]] = {}
            for node in graph.applies():
                path = paths[node] if paths else ()
                if path:
                    under.setdefault(path, []).append(node)
                    self._infer(node)
                else:
                    self._visit(node)
            self._visit_under((), under)
            # settle everything that a later check may have bound
            self._given = dict(self._shapes)
            self._shapes = {v: self.present(v) for v in self._given}

    def _preset(self, leaf: Variable, shape: Shape) -> None:
        """Take the extents of a leaf of an inner graph from the outer one."""
        for own, outer in zip(self._shapes[leaf], shape, strict=True):
            if isinstance(own, Variable):
                self.atoms.preset(own, outer)

    @property
    def late(self) -> list[Variable]:
        """Variables of this graph whose values decide extents."""
        return self.atoms.late[self._known_late :]

    def shape(self, variable: Variable) -> Shape:
        """Extents of a variable."""
        found = self._shapes.get(variable)
        if found is None:
            if isinstance(variable, Constant):
                found = tuple(poly(e) for e in variable.data.shape)
            else:
                raise KeyError(variable)
            self._shapes[variable] = found
        return found

    def size(self, variable: Variable) -> SizePolynomial:
        """Number of elements."""
        return product(self.shape(variable))

    def literal(self, size: SizePolynomial) -> int | None:
        """A size as a number, if it is one for the rows that are told in `fixed_rows`."""
        if size.constant is not None or not self.fixed_rows:
            return size.constant
        values: dict[int, int] = {}
        for atom in size.atoms():
            recipe = self.atoms.recipes[atom]
            if recipe[0] != "extent" or recipe[2] != 0:
                return None
            leaf = recipe[1]
            length = self.fixed_rows[leaf] if leaf < len(self.fixed_rows) else None
            if length is None:
                return None
            values[atom] = length
        return size.value(values)

    def given(self, variable: Variable) -> tuple[Any, ...]:
        """Extents of a variable as ints and 0-d int64 variables."""
        raw = self._given.get(variable, ())
        return tuple(
            known.constant if known.constant is not None else e
            for known, e in zip(self.shape(variable), raw, strict=bool(raw))
        )

    def raw(self, variable: Variable) -> tuple[Any, ...]:
        """Extents of a variable as they were before any were taken as equal."""
        return self._given.get(variable, ())

    def scalar(self, variable: Variable) -> SizePolynomial:
        """A 0-d int64 variable as a size."""
        return self.atoms.poly(variable)

    def stated(self, variable: Variable) -> tuple[Any, ...]:
        """Extents of a variable as an op states them: ints, variables or sizes."""
        found = self._shapes.get(variable)
        if found is None and variable.owner is not None:
            # not in the graph: an extent of a loop's rows, told in terms of its step
            self._infer(variable.owner)
            found = self._shapes[variable]
        return self.shape(variable) if found is None else found

    def _visit(self, node: Apply) -> None:
        self._require(node)
        self._infer(node)

    def _require(self, node: Apply) -> None:
        if type(node.op).require is not Op.require:
            node.op.require(Required(self, node))

    def _visit_under(self, path: Path, under: Mapping[Path, Sequence[Apply]]) -> None:
        """What nodes require that are needed under more conditions than `path`."""
        steps = {p[len(path)] for p in under if p[: len(path)] == path and p != path}
        outer = self.checks, self.ranges
        for step in sorted(steps, key=[s for p in under for s in p].index):
            inner = (*path, step)
            present = dict(self._present)
            with self.atoms.branch():
                self.checks, self.ranges = [], []
                for node in under.get(inner, ()):
                    self._require(node)
                if self.checks or self.ranges:
                    self.guarded[inner] = self.checks, self.ranges
                self._visit_under(inner, under)
            self._present = present
        self.checks, self.ranges = outer

    def _infer(self, node: Apply) -> None:
        if node.op.name == "elementwise":
            outputs: Sequence[Sequence[Any]] = [self._broadcast_shape(node)]
        else:
            given = [self.unbound(v) for v in node.inputs]
            outputs = node.op.extents_of(node, given)
        for variable, shape in zip(node.outputs, outputs, strict=True):
            self._shapes[variable] = tuple(
                known if known is not None else given
                for known, given in zip(variable.type.shape, shape, strict=True)
            )

    def unbound(self, variable: Variable) -> tuple[Any, ...]:
        """Extents as ints and variables, the form that `infer_shape` takes."""
        found = self.stated(variable)
        return tuple(
            e.constant
            if isinstance(e, SizePolynomial) and e.constant is not None
            else e
            for e in found
        )

    def present(self, variable: Variable) -> Shape:
        found = self._present.get(variable)
        if found is None or found[0] != self.atoms.bindings:
            shape = tuple([self.atoms.poly(e) for e in self.stated(variable)])
            found = self._present[variable] = self.atoms.bindings, shape
        return found[1]

    def _broadcast_shape(self, node: Apply) -> tuple[Any, ...]:
        """The extent of each axis: that of the first operand that is not 1 there."""
        ndim = node.outputs[0].ndim
        result: list[Any] = []
        pairs = [(self.stated(v), self.present(v)) for v in node.inputs]
        for axis in range(-ndim, 0):
            best: Any = 1
            for shape, sizes in pairs:
                if -axis <= len(shape) and sizes[axis] != ONE:
                    best = shape[axis]
                    constant = sizes[axis].constant
                    if constant is not None:
                        best = constant
                        break
            result.append(best)
        return tuple(result)

    def equate(
        self,
        left: SizePolynomial,
        right: SizePolynomial,
        node: Apply,
        operands: Sequence[int],
        axis: int | None,
        what: str = "",
        broadcast: bool = False,
    ) -> None:
        """Take two sizes as equal from here on; leave a check unless they are."""
        left, right = self.atoms.resolve(left), self.atoms.resolve(right)
        if left == right:
            return
        name = getattr(node.op, "scalar", node.op.name)
        file, line = node.outputs[0].place
        place = what or (f"axis {axis}" if axis is not None else "sizes")
        lines = "".join(f"\n  {described(node.inputs[i])}" for i in operands)
        message = (
            f"{name}: {place}: {{left}} and {{right}} differ, at {file}:{line}{lines}"
        )
        self.checks.append(Check(left, right, message, broadcast))
        for one, other in ((left, right), (right, left)):
            atom = one.atom
            if atom is None or atom in other.atoms():
                continue
            if self.atoms.lates(other) - self.atoms.lates(one):
                continue  # what is known early stays known
            self.atoms.bind(atom, other)
            return
