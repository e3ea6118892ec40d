"""The values of a group inside its loops: each member at given positions.

A position is that of a loop, or a constant: axes of small known extent ("points", see
lower/small_products.py) and unrolled inner axes have no loop, so a member has one value
for each of their points, computed when somebody asks for it. A reduction over points is
written out on the spot; one over loops has been folded by lower/loop_nest.py, which
remembers it. In: a Group and a KernelBuilder with open loops. Out: Kernel IR expressions.
"""

from collections.abc import Iterator, Sequence
from itertools import product

from symgraph.core.node import Apply, Constant, Variable
from symgraph.lower.builder import ORIGIN, KernelBuilder, Position
from symgraph.lower.fuse import Fusion
from symgraph.lower.fusion_groups import (
    RENAMING,
    Axes,
    Axis,
    Group,
    is_cheap,
    is_computed,
)
from symgraph.lower.ir import Access, Const, Expression, Load, SizeValue
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, poly, row_major
from symgraph.ops.families import SCALARS

COMBINE = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum",
           "all": "and", "any": "or"}  # fmt: skip
#: error flags of kernels; runtime/executor.py turns them into exceptions
INDEX_ERROR = 1

Positions = tuple[Position, ...]


class GroupValues:
    """What lower/loop_nest.py writes its loops around."""

    def __init__(
        self, fusion: Fusion, group: Group, codes: dict[int, Variable]
    ) -> None:
        self.fusion = fusion
        self.group = group
        self.codes = codes
        self.extents = fusion.extents
        self.build = KernelBuilder(fusion.extents, fusion.stored)
        self.position: dict[Axis, Position] = {}
        self.inner: list[Axis] = []
        self.unrolled = False
        self.written: set[Variable] = set()
        self.rows: dict[Variable, Variable] = {}
        self.computed: set[tuple[Variable, Positions]] = set()
        self.kept: set[tuple[Variable, Positions]] = set()

    # --- positions ----------------------------------------------------------------------

    def is_loop(self, axis: Axis | None) -> bool:
        """Whether an axis has a loop: it is neither 1, nor points, nor unrolled."""
        return axis is not None and not (self.unrolled and axis.inner)

    def _choices(
        self, axes: Axes, shape: Sequence[SizePolynomial]
    ) -> Iterator[tuple[Position, ...]]:
        """For each axis its loop's position, or all of its points."""
        for axis, extent in zip(axes, shape, strict=True):
            if extent == ONE:
                yield (ORIGIN,)
            elif self.is_loop(axis):
                yield (self.position[axis],)  # type: ignore[index]
            else:
                count = extent.constant
                assert count is not None, "points of an unknown extent"
                yield tuple(Position(poly(k)) for k in range(count))

    def places(self, variable: Variable) -> Iterator[Positions]:
        """Where a member has values at the present positions of the loops."""
        axes = self.group.members[variable]
        return product(*self._choices(axes, self.extents.shape(variable)))

    def inside(self, variable: Variable, positions: Positions) -> Iterator[Positions]:
        """The positions that a reduction at `positions` reads, in open inner loops."""
        node = variable.owner
        assert node is not None
        reduced = node.op.axes  # type: ignore[attr-defined]
        domain = self.group.domains[variable]
        choices = list(self._choices(domain, self.extents.shape(node.inputs[0])))
        rest = iter(positions)
        for axis in range(len(choices)):
            if axis not in reduced:
                choices[axis] = (next(rest),)
        return product(*choices)

    def _spot(
        self, variable: Variable, positions: Positions
    ) -> tuple[Variable, Positions]:
        """A member at its points, wherever the loops are."""
        axes = self.group.members[variable]
        pairs = zip(axes, positions, strict=True)
        return variable, tuple(p for a, p in pairs if not self.is_loop(a))

    def _row_access(self, variable: Variable, positions: Positions) -> Access:
        """The place of a value in its scratch row."""
        shape = self.extents.shape(variable)
        axes = self.group.members[variable]
        at, extents = [], []
        for axis, extent, position in zip(axes, shape, positions, strict=True):
            if extent != ONE and not self.is_loop(axis):
                at.append(position)
                extents.append(extent)
        at += [self.position[a] for a in self.inner]
        extents += [a.extent for a in self.inner]
        return self.build.access(at, row_major(extents))

    # --- values -----------------------------------------------------------------------

    def store(self, variable: Variable) -> None:
        """Write all values of a member at the present positions of the loops.

        The part of a concatenation is written where the whole has it.
        """
        part = self.fusion.parts.get(variable)
        whole = variable if part is None else part.whole
        strides = row_major(self.extents.shape(whole))
        for positions in self.places(variable):
            value = self.value(variable, positions)
            places = list(positions)
            if part is not None:
                places[part.axis] = self.build.scaled(
                    positions[part.axis], part.start, ONE
                )
            access = self.build.access(places, strides)
            self.build.store_early(self.build.buffer(whole, "out"), access, value)

    def value(self, variable: Variable, positions: Positions) -> Expression:
        """The value of a member."""
        found = self.build.recall((variable, positions))
        if found is not None:
            return found
        stack = [(variable, positions)]
        while True:  # operands first: a chain in a body may be long
            current = stack[-1]
            waiting = [at for at in self._made_of(*current) if not self._is_known(*at)]
            if waiting:
                stack += reversed(waiting)
                continue
            stack.pop()
            found = self._value(*current)
            if not stack:
                return found

    def _is_known(self, variable: Variable, positions: Positions) -> bool:
        return self.build.recall((variable, positions)) is not None

    def _made_of(
        self, variable: Variable, positions: Positions
    ) -> Iterator[tuple[Variable, Positions]]:
        """The members, and where, that the value of a member is computed from.

        Of nodes with an operand at the same place only; others ask for theirs.
        """
        node = variable.owner
        assert node is not None
        if node.op.name not in ("elementwise", "cast") or self._is_kept(
            variable, positions
        ):
            return
        for k, operand in enumerate(node.inputs):
            own = self._operand_positions(node, k, positions)
            source, below = self._below(operand, own)
            if below is not None and source in self.group.members:
                yield source, below

    def _is_kept(self, variable: Variable, positions: Positions) -> bool:
        """Whether a value is read back from where an earlier pass put it."""
        if self._is_saved(variable):
            return True
        return variable in self.rows and self._spot(variable, positions) in self.kept

    def _is_saved(self, variable: Variable) -> bool:
        return (
            variable in self.written
            and variable not in self.fusion.parts
            and not is_cheap(variable.owner)
        )

    def _value(self, variable: Variable, positions: Positions) -> Expression:
        key = (variable, positions)
        found = self.build.recall(key)
        if found is not None:
            return found
        dtype = variable.type.dtype
        if self._is_saved(variable):
            strides = row_major(self.extents.shape(variable))
            access = self.build.access(positions, strides)
            name = self.build.buffer(variable, "inout")
            result = self.build.emit(Load(name, access, dtype))
        elif variable in self.rows:
            access = self._row_access(variable, positions)
            spot = self._spot(variable, positions)
            if spot in self.kept:
                row = self.build.buffer(self.rows[variable], "scratch")
                result = self.build.emit(Load(row, access, dtype))
            else:
                result = self._compute(variable, positions)
                row = self.build.buffer(self.rows[variable], "scratch")
                self.build.store(row, access, result)
                self.computed.add(spot)
        else:
            result = self._compute(variable, positions)
        self.build.remember(key, result)
        return result

    def operand(self, out: Variable, k: int, positions: Positions) -> Expression:
        """Operand `k` of the node that computes `out` at `positions`.

        For a reduction these are positions in its operand.
        """
        node = out.owner
        assert node is not None
        operand = node.inputs[k]
        if isinstance(operand, Constant) and operand.data.size == 1:
            return Const(operand.data.item(), operand.type.dtype)
        own = self._operand_positions(node, k, positions)
        source, below = self._below(operand, own)
        if below is not None:
            if source in self.group.members:
                return self.value(source, below)
            if source in self.fusion.inline:
                return self._inlined(source, below)
        return self.build.load(operand, own)

    def _operand_positions(
        self, node: Apply, k: int, positions: Positions
    ) -> Sequence[Position]:
        operand = node.inputs[k]
        match node.op.name:
            case "reduce":
                return positions
            case "take":
                at = node.op.axis  # type: ignore[attr-defined]
                return positions[at : at + operand.ndim]
            case "random_bits":
                return ()
        shift = len(positions) - operand.ndim
        return [
            ORIGIN if extent == ONE else positions[shift + i]
            for i, extent in enumerate(self.extents.shape(operand))
        ]

    def _below(
        self, variable: Variable, positions: Sequence[Position]
    ) -> tuple[Variable, Positions | None]:
        """What lies below renamings of axes, and where; None through other views."""
        while variable.owner is not None and not is_computed(variable.owner):
            node = variable.owner
            if node.op.name in RENAMING:
                positions = self.build.renamed(node, positions)
            elif node.op.name == "reshape":
                source = self.extents.shape(node.inputs[0])
                target = self.extents.shape(variable)
                pairs = zip(positions, target, strict=True)
                rest = iter([p for p, extent in pairs if extent != ONE])
                if [e for e in source if e != ONE] != [e for e in target if e != ONE]:
                    return variable, None
                positions = [ORIGIN if e == ONE else next(rest) for e in source]
            else:
                return variable, None
            variable = node.inputs[0]
        return variable, tuple(positions)

    def _inlined(self, variable: Variable, positions: Positions) -> Expression:
        """A value that belongs to no group, computed here."""
        node = variable.owner
        assert node is not None
        operands: list[Expression] = []
        for k, operand in enumerate(node.inputs):
            own = self._operand_positions(node, k, positions)
            below, places = self._below(operand, own)
            if below in self.fusion.inline and places is not None:
                operands.append(self._inlined(below, places))
            else:
                operands.append(self.build.load(operand, own))
        if node.op.name == "cast":
            return self.build.call("cast", variable.type.dtype, *operands)
        return self._apply(node.op.scalar, operands, variable.type.dtype)  # type: ignore[attr-defined]

    def _compute(self, variable: Variable, positions: Positions) -> Expression:
        node = variable.owner
        assert node is not None
        dtype = variable.type.dtype
        match node.op.name:
            case "elementwise":
                count = len(node.inputs)
                operands = [self.operand(variable, k, positions) for k in range(count)]
                return self._apply(node.op.scalar, operands, dtype)  # type: ignore[attr-defined]
            case "cast":
                value = self.operand(variable, 0, positions)
                return self.build.call("cast", dtype, value)
            case "reduce":
                return self._reduced(variable, positions)
            case "check_index":
                return checked_index(
                    self.build, self.operand(variable, 0, positions),
                    self.operand(variable, 1, positions), variable, self.codes,
                    node.op.negative,  # type: ignore[attr-defined]
                )  # fmt: skip
            case "take":
                return self._taken(variable, positions)
            case "random_bits":
                strides = row_major(self.extents.shape(variable))
                flat = ORIGIN
                for position, stride in zip(positions, strides, strict=True):
                    part = self.build.scaled(position, ZERO, stride)
                    flat = Position(flat.offset + part.offset, flat.terms + part.terms)
                return self.build.call(
                    "philox", "uint64", self.operand(variable, 0, positions),
                    self.operand(variable, 1, positions), self.build.index(flat),
                )  # fmt: skip
        raise AssertionError(f"{node.op.name} is not a computing node")

    def _reduced(self, variable: Variable, positions: Positions) -> Expression:
        """A reduction over points, in their order."""
        total: Expression | None = None
        combine = COMBINE[variable.owner.op.combine]  # type: ignore[union-attr]
        for inside in self.inside(variable, positions):
            value = self.operand(variable, 0, inside)
            if total is None:
                total = value
            else:
                total = self.build.call(combine, variable.type.dtype, total, value)
        assert total is not None
        return total

    def _apply(
        self, name: str, operands: Sequence[Expression], dtype: str
    ) -> Expression:
        scalar = SCALARS[name]
        if scalar.body is None:
            return self.build.call(name, dtype, *operands)
        m = self.build.primitives
        result = scalar.body(m, *(m.operand(e) for e in operands))
        return m.cast(result, dtype).expression

    def _taken(self, variable: Variable, positions: Positions) -> Expression:
        node = variable.owner
        assert node is not None
        at = node.op.axis  # type: ignore[attr-defined]
        source, indices = node.inputs
        extent = self.extents.shape(source)[at]
        value: Expression = (
            Const(extent.constant, "int64")
            if extent.constant is not None
            else SizeValue(self.build.size(extent))
        )
        index = self.operand(variable, 1, positions)
        if not node.op.safe:  # type: ignore[attr-defined]
            index = checked_index(self.build, index, value, variable, self.codes)
        rank = indices.ndim
        inside = [*positions[:at], Position(dynamic=index), *positions[at + rank :]]
        return self.build.load(source, inside)


def checked_index(
    build: KernelBuilder,
    index: Expression,
    extent: Expression,
    variable: Variable,
    codes: dict[int, Variable],
    negative: bool = True,
) -> Expression:
    """An index, negative ones wrapped; sets the error flag where it lies outside."""
    call = build.call
    if index.dtype != "int64":
        index = call("cast", "int64", index)
    zero = Const(0, "int64")
    wrapped = index
    if negative:
        wrapped = call(
            "where", "int64", call("lt", "bool", index, zero),
            call("add", "int64", index, extent), index,
        )  # fmt: skip
    outside = call(
        "or", "bool", call("lt", "bool", wrapped, zero),
        call("ge", "bool", wrapped, extent),
    )  # fmt: skip
    code = next((c for c, v in codes.items() if v is variable), None)
    if code is None:
        code = INDEX_ERROR + len(codes)
        codes[code] = variable
    build.fail(outside, code)
    # an index outside must not touch foreign memory while the flag travels
    return call("where", "int64", outside, zero, wrapped)
