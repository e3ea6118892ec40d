"""The extents of every variable of a graph, and what a call must check about them.

Walks a frozen graph once. Each variable gets a tuple of `Poly`. Where an op needs two
extents to be equal (broadcasting, inner extents of a product, joined axes) and they are
not the same polynomial, they are taken as equal from there on and a `Check` is left
for the moment when a call binds its arguments. So one compiled function serves all
sizes, and a size that does not fit is refused with the user's line before anything
runs. In: a Graph. Out: `Extents`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable, described
from symgraph.lower.sizes import ONE, Atoms, Poly, poly, product
from symgraph.ops.shape import Extent as ExtentOf
from symgraph.ops.slices import filled, slice_bounds

Shape = tuple[Poly, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Two sizes that a call must find equal.

    `broadcast` says that the mismatch is harmless where one of them is 1: the function
    is then compiled again with that axis known to broadcast.
    """

    left: Poly
    right: Poly
    message: str
    broadcast: bool


@dataclass(frozen=True, slots=True)
class Range:
    """An index that a call must find inside its axis, or (`empty`) an extent over 0."""

    index: Poly
    extent: Poly
    message: str
    empty: bool = False


class Extents:
    """Shapes as polynomials: `shape(variable)`; `checks` for the moment of a call."""

    def __init__(self, graph: Graph, leaves: Sequence[Variable]) -> None:
        self.leaves = tuple(leaves)
        self.atoms = Atoms(self.leaves)
        self.checks: list[Check] = []
        self.ranges: list[Range] = []
        self._given: dict[Variable, tuple[Any, ...]] = {}
        self.atoms.shape_of = self._raw
        self._shapes: dict[Variable, tuple[Any, ...]] = {}
        with graph.interner:
            for leaf in self.leaves:
                self._shapes[leaf] = tuple(
                    e if e is not None else ExtentOf(axis)(leaf)
                    for axis, e in enumerate(leaf.type.shape)
                )
            for node in graph.applies():
                self._visit(node)
            # settle everything that a later check may have bound
            self._given = dict(self._shapes)
            for variable, shape in self._given.items():
                self._shapes[variable] = tuple(self.atoms.poly(e) for e in shape)

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
        shapes = [self._as_given(v) for v in node.inputs]
        require = _REQUIREMENTS.get(node.op.name)
        if require is not None:
            require(self, node, [self._polys(v) for v in node.inputs])
        if node.op.name == "elementwise":
            self._broadcast(node)
            outputs: Sequence[Sequence[Any]] = [self._broadcast_shape(node)]
        else:
            outputs = node.op.infer_shape(node.inputs, shapes)
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
        return tuple(self.atoms.poly(e) for e in self._raw(variable))

    def _broadcast_shape(self, node: Apply) -> tuple[Any, ...]:
        """The extent of each axis: that of the first operand that is not 1 there."""
        ndim = node.outputs[0].ndim
        result: list[Any] = []
        for axis in range(-ndim, 0):
            best: Any = 1
            for operand in node.inputs:
                shape = self._raw(operand)
                if -axis <= len(shape):
                    size = self.atoms.poly(shape[axis])
                    if size != ONE:
                        best = shape[axis]
                        if size.constant is not None:
                            best = size.constant
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
                else:
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
            if atom is not None and atom not in other.atoms():
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


_REQUIREMENTS: dict[str, Requirement] = {
    "dot": _dot,
    "batched_dot": _batched_dot,
    "gemm": _gemm,
    "concatenate": _concatenate,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "scatter_add": _scatter,
    "scatter_set": _scatter,
    "set_subtensor": _set_subtensor,
    "subtensor": _subtensor,
    "reduce": _reduce,
    "sum_to": _sum_to,
}
