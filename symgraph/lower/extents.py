"""The extents of every variable of a graph, and what a call must check about them.

Walks a frozen graph once. Each variable gets a tuple of `Poly`. Where an op needs two
extents to be equal (broadcasting, inner extents of a product, joined axes) and they are
not the same polynomial, they are taken as equal from there on and a `Check` is left
for the moment when a call binds its arguments. So one compiled function serves all
sizes, and a size that does not fit is refused with the user's line before anything
runs. In: a Graph. Out: `Extents`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable, described, listing
from symgraph.core.record import Record
from symgraph.lower.sizes import ONE, Atoms, Poly, poly, product
from symgraph.ops.shape import Extent as ExtentOf
from symgraph.ops.shape import folded
from symgraph.ops.slices import filled, slice_bounds

Shape = tuple[Poly, ...]


class Check(Record):
    """Two sizes that a call must find equal.

    `broadcast` says that the mismatch is harmless where one of them is 1: the function
    is then compiled again with that axis known to broadcast.
    """

    left: Poly
    right: Poly
    message: str
    broadcast: bool


class Range(Record):
    """An index that a call must find inside its axis, or (`empty`) an extent over 0."""

    index: Poly
    extent: Poly
    message: str
    empty: bool = False


class Extents:
    """Shapes as polynomials: `shape(variable)`; `checks` for the moment of a call."""

    def __init__(
        self,
        graph: Graph,
        leaves: Sequence[Variable],
        atoms: Atoms | None = None,
        shapes: Sequence[Shape] | None = None,
    ) -> None:
        """Walk a graph; `atoms` and `shapes` (of the leaves) are those of an outer one."""
        self.leaves = tuple(leaves)
        #: number of rows (axis 0) of leaves for which code may be specialised
        self.lengths: Sequence[int | None] = ()
        self.atoms = Atoms(self.leaves) if atoms is None else atoms
        self._known_late = len(self.atoms.late)
        self.checks: list[Check] = []
        self.ranges: list[Range] = []
        self._given: dict[Variable, tuple[Any, ...]] = {}
        self.atoms.shape_of = self._raw
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
            for node in graph.applies():
                self._visit(node)
            # settle everything that a later check may have bound
            self._given = dict(self._shapes)
            self._shapes = {v: self._polys(v) for v in self._given}

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

    def size(self, variable: Variable) -> Poly:
        """Number of elements."""
        return product(self.shape(variable))

    def literal(self, size: Poly) -> int | None:
        """A size as a number, if it is one for the rows that are told in `lengths`."""
        if size.constant is not None or not self.lengths:
            return size.constant
        values: dict[int, int] = {}
        for atom in size.atoms():
            recipe = self.atoms.recipes[atom]
            if recipe[0] != "extent" or recipe[2] != 0:
                return None
            leaf = recipe[1]
            length = self.lengths[leaf] if leaf < len(self.lengths) else None
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

    def scalar(self, variable: Variable) -> Poly:
        """A 0-d int64 variable as a size."""
        return self.atoms.poly(variable)

    def _raw(self, variable: Variable) -> tuple[Any, ...]:
        found = self._shapes.get(variable)
        return self.shape(variable) if found is None else found

    def _visit(self, node: Apply) -> None:
        require = _REQUIREMENTS.get(node.op.name)
        if require is not None:
            require(self, node, [self._polys(v) for v in node.inputs])
        if node.op.name == "elementwise":
            self._broadcast(node)
            outputs: Sequence[Sequence[Any]] = [self._broadcast_shape(node)]
        else:
            given = [self._as_given(v) for v in node.inputs]
            outputs = node.op.extents_of(node, given)
        for variable, shape in zip(node.outputs, outputs, strict=True):
            self._shapes[variable] = tuple(
                known if known is not None else given
                for known, given in zip(variable.type.shape, shape, strict=True)
            )

    def _as_given(self, variable: Variable) -> tuple[Any, ...]:
        """Extents as ints and variables, the form that `infer_shape` takes."""
        found = self._raw(variable)
        return tuple(
            e.constant if isinstance(e, Poly) and e.constant is not None else e
            for e in found
        )

    def _polys(self, variable: Variable) -> Shape:
        found = self._present.get(variable)
        if found is None or found[0] != self.atoms.bindings:
            shape = tuple([self.atoms.poly(e) for e in self._raw(variable)])
            found = self._present[variable] = self.atoms.bindings, shape
        return found[1]

    def _broadcast_shape(self, node: Apply) -> tuple[Any, ...]:
        """The extent of each axis: that of the first operand that is not 1 there."""
        ndim = node.outputs[0].ndim
        result: list[Any] = []
        pairs = [(self._raw(v), self._polys(v)) for v in node.inputs]
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

    def _broadcast(self, node: Apply) -> None:
        shapes = [self._polys(v) for v in node.inputs]
        ndim = node.outputs[0].ndim
        for axis in range(-ndim, 0):
            first: int | None = None
            for i, shape in enumerate(shapes):
                if -axis > len(shape) or shape[axis] == ONE:
                    continue
                if first is None:
                    first = i
                elif shapes[first][axis] != shape[axis]:
                    self.equate(
                        shapes[first][axis], shape[axis], node, (first, i),
                        axis + ndim, broadcast=True,
                    )  # fmt: skip

    def equate(
        self,
        left: Poly,
        right: Poly,
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
            if self.atoms.is_late(other) and not self.atoms.is_late(one):
                continue  # what is known early stays known
            self.atoms.bind(atom, other)
            return


Requirement = Callable[[Extents, Apply, list[Shape]], None]


def _dot(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    a, b = shapes
    inner = b[0] if len(b) == 1 else b[-2]
    extents.equate(a[-1], inner, node, (0, 1), None, "inner extents")


def _batched_dot(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    a, b = shapes
    extents.equate(a[0], b[0], node, (0, 1), None, "batch extents")
    extents.equate(a[2], b[1], node, (0, 1), None, "inner extents")


def _gemm(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    z, _, a, b, _ = shapes
    extents.equate(a[1], b[0], node, (2, 3), None, "inner extents")
    extents.equate(z[0], a[0], node, (0, 2), None, "rows")
    extents.equate(z[1], b[1], node, (0, 3), None, "columns")


def _concatenate(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    joined = node.op.axis  # type: ignore[attr-defined]
    for i, shape in enumerate(shapes[1:], 1):
        for axis, size in enumerate(shape):
            if axis != joined:
                extents.equate(shapes[0][axis], size, node, (0, i), axis)


def _reshape(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    new = product([extents.atoms.poly(v) for v in node.inputs[1:]])
    extents.equate(product(shapes[0]), new, node, (0,), None, "number of elements")


def _broadcast_to(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    new = [extents.atoms.poly(v) for v in node.inputs[1:]]
    offset = len(new) - len(shapes[0])
    for axis, size in enumerate(shapes[0]):
        if size != ONE:
            extents.equate(size, new[offset + axis], node, (0,), axis, broadcast=True)


def _scatter(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    base, indices, values = shapes
    axis = node.op.axis  # type: ignore[attr-defined]
    wanted = base[:axis] + indices + base[axis + 1 :]
    for i, (size, want) in enumerate(zip(values, wanted, strict=True)):
        extents.equate(want, size, node, (0, 2), i)


def region_of(extents: Extents, node: Apply, shape: Sequence[Any]) -> list[Any]:
    """Lengths of the slices of a `SetSubtensor`."""
    entries = filled(node.op.spec, list(node.inputs[2:]))  # type: ignore[attr-defined]
    return [
        slice_bounds(entry, extent)[1]
        for entry, extent in zip(entries, shape, strict=True)
        if isinstance(entry, tuple)
    ]


def _set_subtensor(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    _indices(extents, node, shapes, list(node.inputs[2:]))
    region = region_of(extents, node, extents._as_given(node.inputs[0]))
    y = shapes[1]
    for axis in range(-len(y), 0):
        if y[axis] != ONE:
            size = extents.atoms.poly(region[axis])
            extents.equate(size, y[axis], node, (0, 1), axis, broadcast=True)


def _subtensor(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    _indices(extents, node, shapes, list(node.inputs[1:]))


def _indices(
    extents: Extents, node: Apply, shapes: list[Shape], scalars: list[Variable]
) -> None:
    file, line = node.outputs[0].place
    entries = filled(node.op.spec, scalars)  # type: ignore[attr-defined]
    for axis, entry in enumerate(entries):
        if isinstance(entry, tuple):
            continue
        index, extent = extents.atoms.poly(entry), shapes[0][axis]
        if index.constant is not None and extent.constant is not None:
            continue
        extents.ranges.append(
            Range(
                index, extent,
                f"index {{index}} lies outside axis {axis} of extent {{extent}}, at "
                f"{file}:{line}\n  {described(node.inputs[0])}",
            )
        )  # fmt: skip


def _mask_for(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    mask, x = shapes
    first = node.op.axis  # type: ignore[attr-defined]
    for axis, size in enumerate(mask):
        what = f"axis {axis} of the mask and axis {first + axis} of what it indexes"
        extents.equate(size, x[first + axis], node, (0, 1), None, what)


def _reduce(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    if node.op.combine not in ("max", "min"):  # type: ignore[attr-defined]
        return
    file, line = node.outputs[0].place
    for axis in node.op.axes:  # type: ignore[attr-defined]
        if not shapes[0][axis].constant:
            extents.ranges.append(
                Range(
                    shapes[0][axis], shapes[0][axis],
                    f"{node.op.combine} over axis {axis}, which is empty, at "  # type: ignore[attr-defined]
                    f"{file}:{line}\n  {described(node.inputs[0])}",
                    True,
                )
            )  # fmt: skip


def _sum_to(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    for axis, (g, x) in enumerate(zip(*shapes, strict=True)):
        if x != ONE:
            extents.equate(g, x, node, (0, 1), axis, broadcast=True)


def _gradient_like(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    label = node.op.label  # type: ignore[attr-defined]
    for axis, (g, x) in enumerate(zip(*shapes, strict=True)):
        extents.equate(g, x, node, (1,), None, f"{label}, axis {axis}: extents")


def _fits(
    extents: Extents, node: Apply, spatial: Sequence[Poly], window: Sequence[Any]
) -> None:
    """Windows are not empty, and none is larger than the padded axis."""
    op: Any = node.op
    steps = getattr(op, "dilation", (1,) * op.rank)
    file, line = node.outputs[0].place
    for axis, (n, size) in enumerate(zip(spatial, window, strict=True)):
        r = poly(size)
        padded = n + sum(op.padding[axis])
        room = padded - (r - ONE) * steps[axis]
        if op.name.startswith("pool") and not op.ignore_border:
            padded = room = n
        for least, what in (
            (r, "the window is empty"),
            (room, "the window exceeds it"),
        ):
            if least.constant is None or least.constant <= 0:
                extents.ranges.append(
                    Range(
                        padded, least,
                        f"{op.name}: spatial axis {axis} (extent {{index}} with the "
                        f"padding): {what}, at {file}:{line}"
                        f"{listing(*node.inputs[:2])}",
                        True,
                    )
                )  # fmt: skip


def _windows(
    extents: Extents, node: Apply, g: int, spatial: Any, window: Any = None
) -> None:
    """The spatial extents of operand g are the number of windows."""
    op: Any = node.op
    given = [folded(e) for e in spatial]
    out = op.out(given) if window is None else op.out(given, list(map(folded, window)))
    found = op.spatial(extents._polys(node.inputs[g]))
    for axis, (n, wanted) in enumerate(zip(found, out, strict=True)):
        told = extents.atoms.poly(wanted)
        extents.equate(told, n, node, (g,), None, f"windows of spatial axis {axis}")


def _divides(extents: Extents, node: Apply, channels: Poly, operand: int) -> None:
    groups = node.op.groups  # type: ignore[attr-defined]
    if groups == 1 or channels.constant is not None:
        return
    each = extents.atoms.number(
        ("call", "floordiv", extents.atoms._data(channels), ("number", groups))
    )
    whole = Poly((((each,), groups),))
    extents.equate(channels, whole, node, (operand,), None, "channels by groups")


def _convolution(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    x, w = shapes[:2]
    extents.equate(x[op.channel_axis], w[1] * op.groups, node, (0, 1), None, "channels")
    _divides(extents, node, w[0], 1)
    _fits(extents, node, op.spatial(x), w[2:])


def _convolution_input(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    g, w = shapes[:2]
    given = node.inputs[2:]
    extents.equate(g[op.channel_axis], w[0], node, (0, 1), None, "output channels")
    _divides(extents, node, w[0], 1)
    _fits(extents, node, [extents.atoms.poly(v) for v in given], w[2:])
    _windows(extents, node, 0, given, extents._as_given(node.inputs[1])[2:])


def _convolution_weight(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    x, g = shapes[:2]
    given = node.inputs[2:]
    extents.equate(x[0], g[0], node, (0, 1), None, "batch extents")
    _divides(extents, node, x[op.channel_axis], 0)
    _divides(extents, node, g[op.channel_axis], 1)
    window = [extents.atoms.poly(v) for v in given]
    _fits(extents, node, op.spatial(x), window)
    _windows(extents, node, 1, op.spatial(extents._as_given(node.inputs[0])), given)


def _pool(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    if op.name == "pool_sum_input":
        spatial = [extents.atoms.poly(v) for v in node.inputs[1:]]
        _windows(extents, node, 0, node.inputs[1:])
    else:
        spatial = op.spatial(shapes[0])
    _fits(extents, node, spatial, op.size)
    if op.name in ("pool_max_input", "pool_max_pick"):
        x, y, other = shapes
        given = extents._as_given(node.inputs[0])
        _windows(extents, node, 1, op.spatial(given))
        ends = (0, len(x) - 1 if op.channels_last else 1)
        for axis in ends:
            extents.equate(x[axis], y[axis], node, (0, 1), axis)
        like, first = (y, 1) if op.name == "pool_max_input" else (x, 0)
        for axis, (n, wanted) in enumerate(zip(other, like, strict=True)):
            extents.equate(wanted, n, node, (first, 2), axis)


def _scan(extents: Extents, node: Apply, shapes: list[Shape]) -> None:
    """Sequences are long enough, and initial states have the rows of their taps."""
    op: Any = node.op
    n = extents.atoms.poly(node.inputs[0])
    file, line = node.outputs[0].place
    for k in range(1, 1 + op.sequences):
        room = shapes[k][0] - n + ONE
        if room.constant is None or room.constant <= 0:
            extents.ranges.append(
                Range(
                    n, room,
                    f"scan: {{index}} steps, more than a sequence has entries, at "
                    f"{file}:{line}\n  {described(node.inputs[k])}",
                    True,
                )
            )  # fmt: skip
    for k, taps in enumerate(op.states, 1 + op.sequences):
        extents.equate(
            shapes[k][0], poly(-taps[0]), node, (k,), 0, "entries of an initial state"
        )


_REQUIREMENTS: dict[str, Requirement] = {
    "convolution": _convolution,
    "convolution_epilogue": _convolution,
    "convolution_input": _convolution_input,
    "convolution_weight": _convolution_weight,
    "pool": _pool,
    "pool_sum_input": _pool,
    "pool_max_input": _pool,
    "pool_max_pick": _pool,
    "dot": _dot,
    "batched_dot": _batched_dot,
    "gemm": _gemm,
    "concatenate": _concatenate,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "scatter_add": _scatter,
    "scatter_set": _scatter,
    "mask_for": _mask_for,
    "set_subtensor": _set_subtensor,
    "subtensor": _subtensor,
    "reduce": _reduce,
    "scan": _scan,
    "sum_to": _sum_to,
    "gradient_like": _gradient_like,
}
