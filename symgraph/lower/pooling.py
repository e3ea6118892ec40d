"""Kernels of pooling and its adjoints, for both layouts.

For each image: loops over the positions of windows, and inside them the elements of a
window, one after the other in the text where they are few. Channels are the vector axis
where they come last, else the last spatial axis is, where lanes cannot meet. Where the
extents are known, positions whose windows reach over an end get loops of their own that
visit only what lies inside; else indices are held inside the input and what lies
outside is masked. Gradients are spread: an image is filled with zeros, then each window
adds to what it read; windows that meet no others just write.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from math import prod
from typing import Any

from symgraph.core.node import Apply, Variable
from symgraph.core.record import Record
from symgraph.lower.builder import KernelBuilder, Position
from symgraph.lower.ir import Const, Expression
from symgraph.lower.sizes import ONE, SizePolynomial, poly, row_major

Codes = dict[int, Variable]

#: windows of more elements are loops
UNROLLED = 16
#: more kinds of positions than these are handled by masks
KINDS = 16
FAR = 2**62


class Run(Record):
    """Positions along an axis whose windows hold elements `low` .. `high` - 1.

    With `held` some of them may lie outside the input.
    """

    first: int
    count: SizePolynomial
    low: int
    high: int
    held: bool = False


class Element(Record):
    """One element of a window: where it lies in x, and whether it does (None: always).

    `number` is its place in the window, in row-major order.
    """

    number: Expression
    places: tuple[Position, ...]
    inside: Expression | None


class _Windows:
    """The loops of one pooling op. `x` and `y` tell the two shapes."""

    def __init__(self, build: KernelBuilder, op: Any, x: Variable, y: Variable) -> None:
        self.build = build
        self.op = op
        self.shape = build.extents.shape(x)
        self.small = build.extents.shape(y)
        self.extents = self.op.spatial(self.shape)
        self.outs = self.op.spatial(self.small)
        self.channels = self.shape[-1 if self.op.channels_last else 1]
        self.runs = [
            self._exact(axis) or self._held(axis) for axis in range(self.op.rank)
        ]
        if prod(map(len, self.runs)) > KINDS:
            self.runs = [self._held(axis) for axis in range(self.op.rank)]
        last = max((a for a, n in enumerate(self.outs) if n != ONE), default=-1)
        in_channels = self.op.channels_last and self.channels != ONE
        self.vector_axis = -1 if in_channels else last

    @property
    def is_held(self) -> bool:
        """Whether an element may lie outside of x."""
        return any(run.held for runs in self.runs for run in runs)

    @property
    def are_apart(self) -> bool:
        """Whether no element of x lies in two windows."""
        return all(s >= n for s, n in zip(self.op.strides, self.op.size, strict=True))

    @property
    def are_all(self) -> bool:
        """Whether it is known that every element of x lies in a window."""
        for axis, (extent, out) in enumerate(zip(self.extents, self.outs, strict=True)):
            step, size = self.op.strides[axis], self.op.size[axis]
            end = (out - 1) * step + (size - self.op.padding[axis][0]) - extent
            if step > size or end.constant is None or end.constant < 0:
                return False
        return True

    def _exact(self, axis: int) -> list[Run] | None:
        """Runs of positions, where the extent is known."""
        extent, out = self.extents[axis].constant, self.outs[axis].constant
        if extent is None or out is None:
            return None
        size, step, low = self._along(axis)
        found: list[list[int]] = []
        for position in range(out):
            start = position * step - low
            first, last = max(0, -start), min(size, extent - start)
            if found and found[-1][2:] == [first, last]:
                found[-1][1] += 1
            else:
                found.append([position, 1, first, last])
        return [Run(first, poly(count), a, b) for first, count, a, b in found]

    def _held(self, axis: int) -> list[Run]:
        """One run, masked where windows may reach over an end."""
        op, size = self.op, self.op.size[axis]
        held = not op.ignore_border or any(op.padding[axis])
        return [Run(0, self.outs[axis], 0, size, held)]

    def _along(self, axis: int) -> tuple[int, int, int]:
        op = self.op
        return op.size[axis], op.strides[axis], op.padding[axis][0]

    # --- loops ------------------------------------------------------------------------

    def images(self) -> Iterator[list[Position]]:
        """The loop over the batch, in two steps if channels come before pixels."""
        with ExitStack() as stack:
            outer = [stack.enter_context(self.build.loop(self.shape[0]))]
            if not self.op.channels_last:
                outer.append(stack.enter_context(self.build.loop(self.channels)))
            yield outer

    def visit(
        self, outer: list[Position], vector: bool,
        body: Callable[["_Window"], None],
    ) -> None:  # fmt: skip
        """Run `body` for each window (and channel, where channels come last)."""
        for runs in product(*self.runs):
            with ExitStack() as stack:
                where = list(outer)
                spatial = []
                for axis, run in enumerate(runs):
                    chosen = vector and axis == self.vector_axis
                    loop = self.build.loop(run.count, "vector" if chosen else "serial")
                    index = stack.enter_context(loop)
                    spatial.append(self.build.scaled(index, poly(run.first), ONE))
                where += spatial
                tail: list[Position] = []
                if self.op.channels_last:
                    loop = self.build.loop(self.channels, "vector")
                    tail = [stack.enter_context(loop)]
                body(_Window(self, runs, [*where, *tail], outer, spatial, tail))

    def clear(self, out: Variable, outer: list[Position]) -> None:
        """Fill an image (a plane of it, where channels come first) with zeros."""
        strides = row_major(self.shape)[: len(outer)]
        size = self.shape[len(outer) :]
        total = ONE
        for extent in size:
            total = total * extent
        with self.build.loop(total, "vector") as flat:
            access = self.build.access([*outer, flat], [*strides, ONE])
            zero = _zero(out.type.dtype)
            self.build.store(self.build.buffer(out, "out"), access, zero)


class _Window:
    """One window while its loops are written: `where` is its position in y."""

    def __init__(
        self, windows: _Windows, runs: Sequence[Run], where: list[Position],
        outer: list[Position], spatial: list[Position], tail: list[Position],
    ) -> None:  # fmt: skip
        self.windows, self.runs, self.where = windows, runs, where
        self.outer, self.spatial, self.tail = outer, spatial, tail
        self.build = windows.build
        self.looped = prod(run.high - run.low for run in runs) > UNROLLED

    def elements(self) -> Iterator[Element]:
        """Each element once; where there are many, one element inside loops."""
        strides = row_major([poly(n) for n in self.windows.op.size])
        ranges = [range(run.low, run.high) for run in self.runs]
        if not self.looped:
            for element in product(*ranges):
                number = sum(
                    r * (s.constant or 0) for r, s in zip(element, strides, strict=True)
                )
                steps = [Position(poly(r)) for r in element]
                yield self._element(Const(number, "int64"), steps)
            return
        with ExitStack() as stack:
            steps = []
            flat = Position()
            for run, stride in zip(self.runs, strides, strict=True):
                loop = self.build.loop(poly(run.high - run.low))
                index = stack.enter_context(loop)
                steps.append(self.build.scaled(index, poly(run.low), ONE))
                flat = _sum(flat, self.build.scaled(steps[-1], poly(0), stride))
            yield self._element(self.build.index(flat), steps)

    def _element(self, number: Expression, steps: Sequence[Position]) -> Element:
        places = list(self.outer)
        inside: Expression | None = None
        for axis, (out, step, run) in enumerate(
            zip(self.spatial, steps, self.runs, strict=True)
        ):
            _, stride, low = self.windows._along(axis)
            place = _sum(self.build.scaled(out, poly(-low), poly(stride)), step)
            if run.held:
                place, here = self._hold(place, self.windows.extents[axis])
                inside = here if inside is None else self._both(inside, here)
            places.append(place)
        return Element(number, (*places, *self.tail), inside)

    def _hold(
        self, place: Position, extent: SizePolynomial
    ) -> tuple[Position, Expression]:
        """The nearest position inside the axis, and whether it is this one."""
        call, index = self.build.call, self.build.index(place)
        first, last = Const(0, "int64"), self.build.index(Position(extent - ONE))
        near = call("minimum", "int64", call("maximum", "int64", index, first), last)
        return Position(dynamic=near), call("eq", "bool", index, near)

    def _both(self, a: Expression, b: Expression | None) -> Expression:
        return a if b is None else self.build.call("and", "bool", a, b)

    def combined(
        self, combine: str, dtype: str, values: Iterable[Expression]
    ) -> Expression:
        """Values of the elements, combined in their order."""
        if self.looped:
            total = self.build.init(combine, dtype)
            for value in values:
                self.build.fold(total, value)
            return total
        result: Expression | None = None
        for value in values:
            result = (
                value
                if result is None
                else self.build.call(combine, dtype, result, value)
            )
        assert result is not None, "a window has at least one element"
        return result

    def loaded(self, x: Variable, masked: bool) -> Iterator[Expression]:
        """Elements of x; with `masked`, 0 for those outside."""
        for element in self.elements():
            value = self.build.load(x, element.places)
            if masked:
                value = self.kept(element.inside, value)
            yield value

    def kept(self, condition: Expression | None, value: Expression) -> Expression:
        """The value where the condition holds, else 0."""
        if condition is None:
            return value
        dtype = value.dtype
        return self.build.call("where", dtype, condition, value, _zero(dtype))

    def chosen(
        self, x: Variable, y: Variable, ties: str
    ) -> Iterator[tuple[Element, Expression]]:
        """Each element, with whether the maximum is taken from it."""
        build, found = self.build, self.build.load(y, self.where)

        def is_peak(element: Element) -> Expression:
            value = build.load(x, element.places)
            return self._both(build.call("eq", "bool", value, found), element.inside)

        if self.looped and ties == "first":
            far = Const(FAR, "int64")
            numbers = (
                build.call("where", "int64", is_peak(e), e.number, far)
                for e in self.elements()
            )
            first = self.combined("minimum", "int64", numbers)
            for element in self.elements():
                hit = build.call("eq", "bool", element.number, first)
                yield element, self._both(hit, element.inside)
            return
        taken: Expression | None = None
        for element in self.elements():
            peak = hit = is_peak(element)
            if ties == "first":
                if taken is not None:
                    free = build.call("not", "bool", taken)
                    hit = build.call("and", "bool", peak, free)
                    peak = build.call("or", "bool", taken, peak)
                taken = peak
            yield element, hit

    def put(
        self, out: Variable, places: Sequence[Position], value: Expression, add: bool
    ) -> None:
        """Write an element, or add to it."""
        build, dtype = self.build, out.type.dtype
        access = build.access(places, row_major(build.extents.shape(out)))
        buffer = build.buffer(out, "inout" if add else "out")
        if add:
            value = build.call("add", dtype, build.reload(buffer, access, dtype), value)
        build.store(buffer, access, value)


def _sum(a: Position, b: Position) -> Position:
    assert a.dynamic is None and b.dynamic is None
    return Position(a.offset + b.offset, a.terms + b.terms)


def _zero(dtype: str) -> Const:
    return Const(0.0 if dtype.startswith("float") else 0, dtype)


# --- the ops -----------------------------------------------------------------------


def pool(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """y[o] = max or sum of x over window o."""
    (x,), (y,) = node.inputs, node.outputs
    windows = _Windows(build, node.op, x, y)
    mode = windows.op.mode
    combine = "maximum" if mode == "max" else "add"

    def body(window: _Window) -> None:
        # held indices stay inside the window, so a maximum needs no mask
        values = window.loaded(x, masked=mode == "sum")
        total = window.combined(combine, y.type.dtype, values)
        window.put(y, window.where, total, False)

    for outer in windows.images():
        windows.visit(outer, True, body)


def pick(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """out[o] = sum of v over the elements that y[o] was taken from."""
    (x, y, v), (out,) = node.inputs, node.outputs
    windows = _Windows(build, node.op, x, out)

    def body(window: _Window) -> None:
        values = (
            window.kept(hit, build.load(v, element.places))
            for element, hit in window.chosen(x, y, windows.op.ties)
        )
        total = window.combined("add", out.type.dtype, values)
        window.put(out, window.where, total, False)

    for outer in windows.images():
        windows.visit(outer, True, body)


def spread_sum(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """dx[i] = sum of g[o] over the windows that hold i."""
    g, (dx,) = node.inputs[0], node.outputs

    def values(window: _Window) -> Iterator[tuple[Element, Expression]]:
        value = build.load(g, window.where)
        for element in window.elements():
            yield element, window.kept(element.inside, value)

    _spread(_Windows(build, node.op, dx, g), dx, values)


def spread_max(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """dx[i] = sum of g[o] over the windows whose maximum was taken from i."""
    (x, y, g), (dx,) = node.inputs, node.outputs
    windows = _Windows(build, node.op, dx, g)

    def values(window: _Window) -> Iterator[tuple[Element, Expression]]:
        value = build.load(g, window.where)
        for element, hit in window.chosen(x, y, windows.op.ties):
            yield element, window.kept(hit, value)

    _spread(windows, dx, values)


def _spread(
    windows: _Windows, dx: Variable,
    values: Callable[[_Window], Iterator[tuple[Element, Expression]]],
) -> None:  # fmt: skip
    """Each window adds to the elements of dx that it holds, or writes them."""
    add = not windows.are_apart or windows.is_held
    axis = windows.vector_axis
    lanes_apart = axis < 0 or (
        windows.op.strides[axis] >= windows.op.size[axis]
        and not any(run.held for run in windows.runs[axis])
    )

    def body(window: _Window) -> None:
        for element, value in values(window):
            window.put(dx, element.places, value, add)

    for outer in windows.images():
        if add or not windows.are_all:
            windows.clear(dx, outer)
        windows.visit(outer, lanes_apart, body)
