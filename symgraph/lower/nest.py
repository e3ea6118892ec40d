"""Write a group as loops: the kernel of fused elementwise values and reductions.

    for outer axes:                         # the last one a vector loop, or
        for inner axes: fold, fold ...      # pass 0        an inner one is
        for inner axes: fold, store ...     # pass 1: may use what pass 0 gave
        store what has no inner axes

A value belongs to the pass after the reductions it depends on. Small inner extents are
written out (no loop), so a softmax of 10 classes runs 16 rows at a time. Costly
values that several passes need are kept, where they are stored or in a scratch row.
In: a Group. Out: a Kernel in the making (`Builder`), whose sizes and buffers the
program binds.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.node import Constant, Variable
from symgraph.lower.builder import ORIGIN, Builder, Position
from symgraph.lower.fuse import Fusion
from symgraph.lower.groups import RENAMING, Axes, Axis, Group, is_cheap
from symgraph.lower.ir import Access, Const, Expression, Load, Local, SizeValue
from symgraph.lower.sizes import ONE, ZERO, poly, product, row_major
from symgraph.ops.families import SCALARS

COMBINE = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum",
           "all": "and", "any": "or"}  # fmt: skip
#: error flags of kernels; runtime/executor.py turns them into exceptions
INDEX_ERROR = 1
UNROLL = 16


class Nest:
    """Writes one group into a `Builder`."""

    def __init__(
        self, fusion: Fusion, group: Group, codes: dict[int, Variable]
    ) -> None:
        self.fusion = fusion
        self.group = group
        self.codes = codes
        self.extents = fusion.extents
        self.build = Builder(fusion.extents, fusion.stored)
        self.position: dict[Axis, Position] = {}
        self.levels: dict[Variable, int] = {}
        self.written: set[Variable] = set()
        self.rows: dict[Variable, Variable] = {}
        self.computed: set[Variable] = set()
        self.kept: set[Variable] = set()
        self.outer, self.inner = self._loop_order()
        self._choose_vector()

    # --- order of the loops -----------------------------------------------------------

    def _loop_order(self) -> tuple[list[Axis], list[Axis]]:
        """Outer and inner axes in the order in which memory runs through them."""
        best: Axes = ()
        for variable, axes in self.group.members.items():
            full = self.group.domains.get(variable, axes)
            known = tuple(a for a in full if a is not None)
            better = len(known) > len(best) or (
                len(known) == len(best)
                and variable in self.fusion.stored
                and variable not in self.group.domains
            )
            if better:
                best = known
        order = [a for a in best if a in self.group.axes]
        order += [a for a in self.group.axes if a not in order]
        return [a for a in order if not a.inner], [a for a in order if a.inner]

    def _choose_vector(self) -> None:
        """Pick the axis that vectors run along, and whether inner axes are unrolled."""
        weight: dict[Axis, int] = {}
        for variable, axes in self.group.members.items():
            seen = [axes] if variable in self.fusion.stored else []
            seen += [
                use.axes
                for use in self.fusion.reads(self.group, variable)
                if use.direct and use.source not in self.group.members
            ]
            for one in seen:
                known = [a for a in one if a is not None]
                if known:
                    last = known[-1]
                    weight[last] = weight.get(last, 0) + 10 ** len(known)
        inner_size = product([a.extent for a in self.inner]).constant
        outer_size = product([a.extent for a in self.outer]).constant
        self.unrolled = bool(
            self.inner
            and self.outer
            and inner_size is not None
            and 0 < inner_size <= UNROLL
            and (outer_size is None or outer_size > inner_size)
        )
        choices = self.outer if self.unrolled or not self.inner else self.group.axes
        self.vector: Axis | None = None
        if choices:
            fallback = (self.inner or self.outer)[-1]
            self.vector = max(choices, key=lambda a: (weight.get(a, 0), a is fallback))
            for axes in (self.outer, self.inner):
                if self.vector in axes:
                    axes.remove(self.vector)
                    axes.append(self.vector)

    # --- the kernel -------------------------------------------------------------------

    def write(self) -> Builder:
        """Write all loops."""
        passes = self._passes()
        self._plan_rows(passes)
        with ExitStack() as stack:
            for axis in self.outer:
                self._open(stack, axis)
            for number in range(passes):
                self._write_pass(number)
            for variable in self._pending(passes, full=False):
                self._store(variable)
        return self.build

    def _plan_rows(self, passes: int) -> None:
        """Scratch rows for costly values that more than one pass needs."""
        if self.unrolled or self.vector not in self.inner:
            return
        count: dict[Variable, int] = {}
        for number in range(passes):
            roots = [
                v
                for v in self.group.members
                if (
                    self._operand_level(v) == number
                    if self._reduces(v)
                    else v in self.fusion.stored
                    and self._is_full(v)
                    and self._level(v) == number
                )
            ]
            seen: set[Variable] = set()
            stack = list(roots)
            while stack:
                variable = stack.pop()
                for use in self.fusion.reads(self.group, variable):
                    source = use.source
                    if (
                        use.direct
                        and source in self.group.members
                        and source not in seen
                        and self._is_full(source)
                        and not self._reduces(source)
                        and not (
                            source in self.fusion.stored
                            and self._level(source) < number
                        )
                    ):
                        seen.add(source)
                        stack.append(source)
            for variable in seen | {v for v in roots if not self._reduces(v)}:
                count[variable] = count.get(variable, 0) + 1
        size = product([a.extent for a in self.inner])
        for variable, passes_of in count.items():
            if (
                passes_of > 1
                and variable not in self.fusion.stored
                and not is_cheap(variable.owner)
            ):
                row = Variable(variable.type, name="row")
                self.build.scratch.append((row, size * ITEMSIZE[row.type.dtype]))
                self.rows[variable] = row

    def _row_access(self, variable: Variable) -> Access:
        positions = [self.position[a] for a in self.inner]
        strides = row_major([a.extent for a in self.inner])
        return self.build.access(positions, strides)

    def _open(self, stack: ExitStack, axis: Axis) -> None:
        kind = "vector" if axis is self.vector else "serial"
        self.position[axis] = stack.enter_context(self.build.loop(axis.extent, kind))

    @contextmanager
    def _inner_loops(self) -> Iterator[None]:
        with ExitStack() as stack:
            for axis in self.inner:
                self._open(stack, axis)
            yield

    def _inner_points(self) -> Iterator[dict[Axis, Position]]:
        """The constant positions of unrolled inner axes."""
        counts = [a.extent.constant or 0 for a in self.inner]
        for flat in range(math.prod(counts)):
            point, rest = {}, flat
            for axis, count in zip(reversed(self.inner), reversed(counts), strict=True):
                point[axis] = Position(poly(rest % count))
                rest //= count
            yield point

    def _write_pass(self, number: int) -> None:
        reductions = [
            v
            for v in self.group.domains
            if self._reduces(v) and self._operand_level(v) == number
        ]
        pending = self._pending(number, full=True)
        accumulators: dict[Variable, Local] = {}
        if self.unrolled:
            for point in self._inner_points():
                self.position.update(point)
                for variable in reductions:
                    self._fold_unrolled(variable)
                for variable in pending:
                    self._store(variable)
            self.written.update(pending)
            return
        for variable in reductions:
            combine = COMBINE[variable.owner.op.combine]  # type: ignore[union-attr]
            accumulators[variable] = self.build.init(combine, variable.type.dtype)
        if reductions or pending:
            with self._inner_loops():
                for variable in reductions:
                    self.build.fold(accumulators[variable], self._operand(variable, 0))
                for variable in pending:
                    self._store(variable)
        self.written.update(pending)
        self.kept |= self.computed
        for variable, accumulator in accumulators.items():
            self.build.remember(self._key(variable), accumulator)

    def _fold_unrolled(self, variable: Variable) -> None:
        key = self._key(variable)
        value = self._operand(variable, 0)
        before = self.build.recall(key)
        if before is not None:
            combine = COMBINE[variable.owner.op.combine]  # type: ignore[union-attr]
            value = self.build.call(combine, variable.type.dtype, before, value)
        self.build.remember(key, value, self.build.depth)

    def _reduces(self, variable: Variable) -> bool:
        node = variable.owner
        return (
            node is not None
            and node.op.name == "reduce"
            and any(a is not None and a.inner for a in self.group.domains[variable])
        )

    def _is_full(self, variable: Variable) -> bool:
        return any(a is not None and a.inner for a in self.group.members[variable])

    def _pending(self, number: int, full: bool) -> list[Variable]:
        """Stored members of a level up to `number` that are not written yet."""
        return [
            v
            for v in self.group.members
            if v in self.fusion.stored
            and v not in self.written
            and self._is_full(v) == full
            and self._level(v) <= number
        ]

    def _passes(self) -> int:
        count = 0
        for variable in self.group.members:
            if self._reduces(variable):
                count = max(count, self._operand_level(variable) + 1)
            elif variable in self.fusion.stored and self._is_full(variable):
                count = max(count, self._level(variable) + 1)
        return count

    def _operand_level(self, variable: Variable) -> int:
        return max(
            (
                self._level(use.source)
                for use in self.fusion.reads(self.group, variable)
                if use.direct and use.source in self.group.members
            ),
            default=0,
        )

    def _level(self, variable: Variable) -> int:
        """Number of reductions that must be finished before this value can be had."""
        found = self.levels.get(variable)
        if found is None:
            found = self._operand_level(variable) + self._reduces(variable)
            self.levels[variable] = found
        return found

    # --- values -----------------------------------------------------------------------

    def _key(self, variable: Variable) -> tuple[Variable, tuple[Position, ...]]:
        axes = self.group.members[variable]
        return variable, tuple(ORIGIN if a is None else self.position[a] for a in axes)

    def _positions(self, axes: Axes) -> list[Position]:
        return [ORIGIN if a is None else self.position[a] for a in axes]

    def _store(self, variable: Variable) -> None:
        positions = self._positions(self.group.members[variable])
        shape = self.extents.shape(variable)
        value = self.value(variable)
        access = self.build.access(positions, row_major(shape))
        self.build.store_early(self.build.buffer(variable, "out"), access, value)

    def value(self, variable: Variable) -> Expression:
        """The value of a member at the current positions."""
        key = self._key(variable)
        found = self.build.recall(key)
        if found is not None:
            return found
        if variable in self.written and not is_cheap(variable.owner):
            shape = self.extents.shape(variable)
            access = self.build.access(
                self._positions(self.group.members[variable]), row_major(shape)
            )
            result = self.build.emit(
                Load(self.build.buffer(variable, "inout"), access, variable.type.dtype)
            )
        elif variable in self.kept:
            access = self._row_access(variable)
            row = self.build.buffer(self.rows[variable], "inout")
            result = self.build.emit(Load(row, access, variable.type.dtype))
        else:
            result = self._compute(variable)
            if variable in self.rows:
                row = self.build.buffer(self.rows[variable], "out")
                self.build.store(row, self._row_access(variable), result)
                self.computed.add(variable)
        self.build.remember(key, result)
        return result

    def _operand(self, out: Variable, k: int) -> Expression:
        node = out.owner
        assert node is not None
        operand = node.inputs[k]
        axes = self.fusion.operand_axes(self.group, out, k)
        if isinstance(operand, Constant) and operand.data.size == 1:
            return Const(operand.data.item(), operand.type.dtype)
        use = self.fusion.trace(operand, axes)
        if use.direct and use.source in self.group.members:
            return self.value(use.source)
        if use.source in self.fusion.inline and use.direct:
            return self._inlined(use.source, self._positions(use.axes))
        return self.build.load(operand, self._positions(axes))

    def _inlined(self, variable: Variable, positions: list[Position]) -> Expression:
        """A value that belongs to no group, computed here."""
        node = variable.owner
        assert node is not None
        operands: list[Expression] = []
        for operand in node.inputs:
            shift = len(positions) - operand.ndim
            own = [
                ORIGIN if extent == ONE else positions[shift + i]
                for i, extent in enumerate(self.extents.shape(operand))
            ]
            below, places = self._renamed(operand, own)
            if below in self.fusion.inline:
                operands.append(self._inlined(below, places))
            else:
                operands.append(self.build.load(operand, own))
        if node.op.name == "cast":
            return self.build.call("cast", variable.type.dtype, *operands)
        return self._apply(node.op.scalar, operands, variable.type.dtype)  # type: ignore[attr-defined]

    def _renamed(
        self, variable: Variable, positions: list[Position]
    ) -> tuple[Variable, list[Position]]:
        """Positions in what lies below renamings of axes."""
        while variable.owner is not None and variable.owner.op.name in RENAMING:
            positions = self.build.renamed(variable.owner, positions)
            variable = variable.owner.inputs[0]
        return variable, positions

    def _compute(self, variable: Variable) -> Expression:
        node = variable.owner
        assert node is not None
        dtype = variable.type.dtype
        match node.op.name:
            case "elementwise":
                operands = [self._operand(variable, k) for k in range(len(node.inputs))]
                return self._apply(node.op.scalar, operands, dtype)  # type: ignore[attr-defined]
            case "cast":
                value = self._operand(variable, 0)
                return self.build.call("cast", dtype, value)
            case "reduce":
                return self._operand(variable, 0)  # nothing but extents of 1
            case "check_index":
                return checked_index(
                    self.build, self._operand(variable, 0),
                    self._operand(variable, 1), variable, self.codes,
                )  # fmt: skip
            case "take":
                return self._taken(variable)
            case "random_bits":
                strides = row_major(self.extents.shape(variable))
                flat = ORIGIN
                positions = self._positions(self.group.members[variable])
                for position, stride in zip(positions, strides, strict=True):
                    part = self.build.scaled(position, ZERO, stride)
                    flat = Position(flat.offset + part.offset, flat.terms + part.terms)
                return self.build.call(
                    "philox", "uint64", self._operand(variable, 0),
                    self._operand(variable, 1), self.build.index(flat),
                )  # fmt: skip
        raise AssertionError(f"{node.op.name} is not a computing node")

    def _apply(
        self, name: str, operands: Sequence[Expression], dtype: str
    ) -> Expression:
        scalar = SCALARS[name]
        if scalar.body is None:
            return self.build.call(name, dtype, *operands)
        m = self.build.primitives
        result = scalar.body(m, *(m.operand(e) for e in operands))
        return m.cast(result, dtype).expression

    def _taken(self, variable: Variable) -> Expression:
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
        index = checked_index(
            self.build, self._operand(variable, 1), value, variable, self.codes
        )
        positions = self._positions(self.group.members[variable])
        rank = indices.ndim
        inside = [*positions[:at], Position(dynamic=index), *positions[at + rank :]]
        return self.build.load(source, inside)


def checked_index(
    build: Builder,
    index: Expression,
    extent: Expression,
    variable: Variable,
    codes: dict[int, Variable],
) -> Expression:
    """An index wrapped into its extent; sets the error flag where it lies outside."""
    call = build.call
    if index.dtype != "int64":
        index = call("cast", "int64", index)
    zero = Const(0, "int64")
    negative = call("lt", "bool", index, zero)
    wrapped = call(
        "where", "int64", negative, call("add", "int64", index, extent), index
    )
    outside = call(
        "or", "bool", call("lt", "bool", wrapped, zero),
        call("ge", "bool", wrapped, extent),
    )  # fmt: skip
    code = INDEX_ERROR + len(codes)
    codes[code] = variable
    build.fail(outside, code)
    # an index outside must not touch foreign memory while the flag travels
    return call("where", "int64", outside, zero, wrapped)
