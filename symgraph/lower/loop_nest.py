"""Write a group as loops: the kernel of fused elementwise values and reductions.

    for outer axes:                         # the last one a vector loop, or
        for inner axes: fold, fold ...      # pass 0        an inner one is
        for inner axes: fold, store ...     # pass 1: may use what pass 0 gave
        store what has no inner axes

A value belongs to the pass after the reductions it depends on. Small inner extents are
written out (no loop), so a softmax of 10 classes runs 16 rows at a time. Costly
values that several passes need are kept, where they are stored or in a scratch row.
What the values are is decided in lower/group_values.py. In: a Group. Out: a Kernel in the
making (`KernelBuilder`), whose sizes and buffers the program binds.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.node import Variable
from symgraph.lower.builder import KernelBuilder
from symgraph.lower.fuse import Fusion
from symgraph.lower.fusion_groups import Axes, Axis, Group, is_cheap
from symgraph.lower.group_values import COMBINE, GroupValues, Positions
from symgraph.lower.ir import Local
from symgraph.lower.sizes import product

UNROLL = 16


class LoopNest(GroupValues):
    """Writes one group into a `KernelBuilder`."""

    def __init__(
        self, fusion: Fusion, group: Group, codes: dict[int, Variable]
    ) -> None:
        super().__init__(fusion, group, codes)
        self.levels: dict[Variable, int] = {}
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
                and variable in self.fusion.saved
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
            seen = [axes] if variable in self.fusion.saved else []
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
            for order in (self.outer, self.inner):
                if self.vector in order:
                    order.remove(self.vector)
                    order.append(self.vector)

    # --- the kernel -------------------------------------------------------------------

    def write(self) -> KernelBuilder:
        """Write all loops."""
        passes = self._passes()
        self._plan_rows(passes)
        with ExitStack() as stack:
            for axis in self.outer:
                self._open(stack, axis)
            for number in range(passes):
                self._write_pass(number)
            for variable in self._pending(passes, full=False):
                self.store(variable)
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
                    else v in self.fusion.saved
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
                total = size * self._point_count(variable) * ITEMSIZE[row.type.dtype]
                self.build.scratch.append((row, total))
                self.rows[variable] = row

    def _point_count(self, variable: Variable) -> int:
        pairs = zip(
            self.group.members[variable], self.extents.shape(variable), strict=True
        )
        return product([e for a, e in pairs if a is None]).constant or 1

    def _open(self, stack: ExitStack, axis: Axis) -> None:
        kind = "vector" if axis is self.vector else "serial"
        self.position[axis] = stack.enter_context(self.build.loop(axis.extent, kind))

    @contextmanager
    def _inner_loops(self) -> Iterator[None]:
        with ExitStack() as stack:
            for axis in self.inner:
                self._open(stack, axis)
            yield

    def _write_pass(self, number: int) -> None:
        accumulators: dict[tuple[Variable, Positions], Local] = {}
        for variable in self.group.domains:
            if self._reduces(variable) and self._operand_level(variable) == number:
                combine = COMBINE[variable.owner.op.combine]  # type: ignore[union-attr]
                for at in self.places(variable):
                    accumulators[variable, at] = self.build.init(
                        combine, variable.type.dtype
                    )
        pending = self._pending(number, full=True)
        if accumulators or pending:
            with self._inner_loops():
                for (variable, at), accumulator in accumulators.items():
                    for inside in self.inside(variable, at):
                        value = self.operand(variable, 0, inside)
                        self.build.fold(accumulator, value)
                for variable in pending:
                    self.store(variable)
        self.written.update(pending)
        self.kept |= self.computed
        for key, accumulator in accumulators.items():
            self.build.remember(key, accumulator)

    def _reduces(self, variable: Variable) -> bool:
        node = variable.owner
        if node is None or node.op.name != "reduce":
            return False
        domain = self.group.domains[variable]
        return any(self._is_inner(domain[k]) for k in node.op.axes)  # type: ignore[attr-defined]

    def _is_inner(self, axis: Axis | None) -> bool:
        return axis is not None and axis.inner and not self.unrolled

    def _is_full(self, variable: Variable) -> bool:
        return any(self._is_inner(a) for a in self.group.members[variable])

    def _pending(self, number: int, full: bool) -> list[Variable]:
        """Stored members of a level up to `number` that are not written yet."""
        return [
            v
            for v in self.group.members
            if v in self.fusion.saved
            and v not in self.written
            and self._is_full(v) == full
            and self._level(v) <= number
        ]

    def _passes(self) -> int:
        count = 0
        for variable in self.group.members:
            if self._reduces(variable):
                count = max(count, self._operand_level(variable) + 1)
            elif variable in self.fusion.saved and self._is_full(variable):
                count = max(count, self._level(variable) + 1)
        return count

    def _operand_level(self, variable: Variable) -> int:
        return max(
            (self._level(source) for source in self._members_read(variable)), default=0
        )

    def _members_read(self, variable: Variable) -> list[Variable]:
        """The members that a member reads where the loops are."""
        return [
            use.source
            for use in self.fusion.reads(self.group, variable)
            if use.direct and use.source in self.group.members
        ]

    def _level(self, variable: Variable) -> int:
        """Number of reductions that must be finished before this value can be had."""
        levels = self.levels
        stack = [variable]
        while variable not in levels:
            current = stack[-1]
            made_of = self._members_read(current)
            waiting = [v for v in made_of if v not in levels]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            before = max((levels[v] for v in made_of), default=0)
            levels[current] = before + self._reduces(current)
        return levels[variable]
