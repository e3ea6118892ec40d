"""Scan: a loop whose step is an inner graph.

This file has the op: types, shapes, the reference. The order of its operands is in
layout.py, what users call in build.py, the gradient in reverse.py.
"""

from collections.abc import Sequence

import numpy as np

from symgraph.core.dtypes import NUMPY
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Layout, Shape, Variable, listing
from symgraph.core.sizes import Sizes
from symgraph.core.traverse import applies, replace
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import DtypeError, ShapeError
from symgraph.loops.fitting import check_operand, check_step, infer_step_types, stacked
from symgraph.loops.layout import Results, ScanLayout
from symgraph.loops.reverse import vjp
from symgraph.ops.shape import (
    AnyExtent,
    Extent,
    add,
    folded,
    inferred_extents,
    static,
    variable,
)

Gradients = Sequence[Variable | None]


class Scan(ScanLayout):
    """A loop of n steps; `ScanLayout` says what its fields and operands are."""

    name = "scan"
    can_fail = True
    foldable = False
    has_inner = True

    # --- types ---------------------------------------------------------------------

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Checks what comes in against the step; rows as the step types them."""
        given = self.parts(inputs)
        inside = self.inner_parts()
        check_step(self)
        n = given.n
        if n.type.dtype != "int64" or n.ndim:
            raise DtypeError(f"scan: the number of steps must be 0-d int64{listing(n)}")
        for outer, inner in zip(given.sequences, inside.rows, strict=True):
            check_operand(outer, inner, 1, "sequence")
        for outer, row, length in zip(
            given.initial, inside.taps, self.lengths, strict=True
        ):
            check_operand(outer, row[0], 1, "initial state")
            if outer.type.shape[0] not in (None, length):
                raise ShapeError(
                    f"scan: an initial state of {outer.type.shape[0]} rows, its taps "
                    f"ask for {length}{listing(outer)}"
                )
        for outer, inner in zip(given.rest, inside.rest, strict=True):
            check_operand(outer, inner, 0, "non-sequence")
        steps = static(n)
        made = self.results(self.inner.outputs)
        types: list[TensorType] = []
        for taps, length, keep in zip(
            inside.taps, self.lengths, self.keep, strict=True
        ):
            whole = None if steps is None else steps + length
            rows = whole if keep is None else keep
            types.append(stacked(taps[0].type, rows))
        types += [stacked(v.type, steps) for v in made.collected]
        if self.until:
            types.append(fast_type("int64", ()))
        return tuple(types)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Rows as above; extents of rows in terms of the operands."""
        given, outer = self.parts(inputs), self.parts(shapes)
        n = folded(given.n)
        found: list[Shape] = []
        taps = self.inner_parts().taps
        for row, inner, length, keep in zip(
            outer.initial, taps, self.lengths, self.keep, strict=True
        ):
            known = inner[0].type.shape
            told = tuple(
                e if k is None else k for e, k in zip(row[1:], known, strict=True)
            )
            found.append((add(n, length) if keep is None else keep, *told))
        collected = self.results(self.inner.outputs).collected
        found += [(n, *row) for row in self._row_shapes(collected, inputs, shapes)]
        if self.until:
            found.append(())
        return tuple(found)

    def _row_shapes(
        self,
        rows: Sequence[Variable],
        inputs: Sequence[Variable],
        shapes: Sequence[Shape],
    ) -> list[Shape]:
        """Extents of collected rows, in terms of the operands of the scan."""
        given, outer, inside = (
            self.parts(inputs),
            self.parts(shapes),
            self.inner_parts(),
        )
        known: dict[Variable, Shape] = {}
        known.update(
            (v, s[1:]) for v, s in zip(inside.rows, outer.sequences, strict=True)
        )
        for taps, s in zip(inside.taps, outer.initial, strict=True):
            known.update((v, s[1:]) for v in taps)
        known.update(dict(zip(inside.rest, outer.rest, strict=True)))
        values = dict(zip(inside.rest, given.rest, strict=True))
        return [
            tuple(_outside(e, row, known, values) for e in inferred_extents(row))
            for row in rows
        ]

    def refined(self, inputs: Sequence[Variable]) -> "Scan":
        """The scan whose step knows what the types of the operands tell."""
        inner = infer_step_types(self, inputs)
        return self if inner is self.inner else self.replace(inner=inner)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """A scan over the steps in reverse; see reverse.py."""
        return vjp(self, inputs, outputs, gradients)

    def connection(self) -> tuple[bool, ...]:
        """Everything but the number of steps."""
        rest = len(self.inner_parts().rest)
        return (False, *(True,) * (self.sequences + len(self.states) + rest))

    # --- value -----------------------------------------------------------------------

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Step after step, by the references of the nodes of the step."""
        n, sequences, initial, rest = self.parts(arrays)
        steps = int(n)
        self._check_rows(steps, sequences, initial)
        histories = [list(rows) for rows in initial]
        made = self.results(self.inner.outputs)
        collected: list[list[np.ndarray]] = [[] for _ in made.collected]
        count = 0
        for t in range(steps):
            at = steps - 1 - t if self.backwards else t
            found = self._step([x[at] for x in sequences], histories, t, rest)
            for history, row, new in zip(
                histories, found.states, made.states, strict=True
            ):
                _check_row(row, history[0], new, t)
                history.append(row)
            for rows, row, new in zip(
                collected, found.collected, made.collected, strict=True
            ):
                _check_row(row, rows[0] if rows else row, new, t)
                rows.append(row)
            count += 1
            if found.last is not None and bool(found.last):
                break
        shapes = [rows[0].shape if rows else () for rows in collected]
        if not count and collected:  # no step tells the shapes
            shapes = self._shapes_of_none(arrays)
        out = []
        for history, keep, length in zip(
            histories, self.keep, self.lengths, strict=True
        ):
            whole = length + steps if keep is None else keep
            out.append(_filled(history[-whole:] if whole else [], whole, history[0]))
        for rows, new, shape in zip(collected, made.collected, shapes, strict=True):
            if self.backwards:
                rows.reverse()
            out.append(_filled(rows, steps, np.zeros(shape, NUMPY[new.type.dtype])))
        if self.until:
            out.append(np.asarray(count, np.int64))
        return tuple(out)

    def _shapes_of_none(self, arrays: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
        """Shapes of the rows that a loop of no steps would have collected."""
        leaves = [Variable(fast_type(a.dtype.name, (None,) * a.ndim)) for a in arrays]
        made = self.results(self.inner.outputs).collected
        told = self._row_shapes(made, leaves, [a.shape for a in arrays])
        computed = [e for row in told for e in row if isinstance(e, Variable)]
        values = iter(Inner(leaves, computed).reference(arrays))
        return [
            tuple(int(next(values)) if isinstance(e, Variable) else e for e in row)
            for row in told
        ]

    def _step(
        self,
        rows: list[np.ndarray],
        histories: list[list[np.ndarray]],
        t: int,
        rest: list[np.ndarray],
    ) -> Results:
        taps = [
            history[t + length + tap]
            for history, length, places in zip(
                histories, self.lengths, self.states, strict=True
            )
            for tap in places
        ]
        return self.results(self.inner.reference([*rows, *taps, *rest]))

    def _check_rows(
        self, steps: int, sequences: list[np.ndarray], initial: list[np.ndarray]
    ) -> None:
        inside = self.inner_parts()
        if steps < 0:
            raise ShapeError(f"scan: the number of steps is {steps}, below 0")
        for x, row in zip(sequences, inside.rows, strict=True):
            if len(x) < steps:
                raise ShapeError(
                    f"scan: {steps} steps, but a sequence has {len(x)} rows"
                    f"{listing(row)}"
                )
        for x, taps, length in zip(initial, inside.taps, self.lengths, strict=True):
            if len(x) != length:
                raise ShapeError(
                    f"scan: an initial state has {len(x)} rows, its taps ask for "
                    f"{length}{listing(taps[0])}"
                )

    # --- text ------------------------------------------------------------------------

    def insides(self) -> tuple[tuple[str, Inner], ...]:
        """The graphs inside, for printing."""
        return (("step", self.inner),)

    def is_light(self, node: Apply) -> bool:
        """As it was told."""
        return self.recomputed

    def in_memory(self, inputs: Sequence[Variable]) -> Sequence[Variable]:
        """All but the number of steps."""
        return inputs[1:]

    def layout(self, position: int) -> Layout:
        """A step reads rows of sequences, and all of the rest as it is."""
        if position == 0:
            return "any"
        return "rows" if position <= self.sequences else "contiguous"

    def require(self, sizes: Sizes) -> None:
        """No number is below 0, sequences are long enough, states have their taps."""
        shapes = sizes.shapes
        n = sizes.of(sizes.inputs[0])
        lengths = [shapes[k][0] for k in range(1, 1 + self.sequences)]
        if n.constant is None and n not in lengths:
            text = "scan: the number of steps is {index}, below 0"
            sizes.positive(n + 1, text, index=n)
        for k in range(1, 1 + self.sequences):
            room = shapes[k][0] - n + 1
            if room.constant is None or room.constant <= 0:
                text = "scan: {index} steps, more than a sequence has entries"
                sizes.positive(room, text, (k,), n)
        for k, taps in enumerate(self.states, 1 + self.sequences):
            what = "entries of an initial state"
            sizes.equal(shapes[k][0], sizes.of(-taps[0]), (k,), 0, what)

    def render(self, parts: list[str]) -> str:
        """scan(n steps over x, from h, with W)"""
        given = self.parts(parts)
        text = f"scan({given.n} steps"
        words = ("over", "from", "with")
        for word, names in zip(words, given[1:], strict=True):
            text += f", {word} {', '.join(names)}" if names else ""
        return text + (", backwards)" if self.backwards else ")")

    def __str__(self) -> str:
        return self.name


# --- extents of rows ---------------------------------------------------------------


def _outside(
    extent: AnyExtent,
    row: Variable,
    known: dict[Variable, Shape],
    values: dict[Variable, Variable],
) -> AnyExtent:
    """An extent inside the step in terms of what is outside."""
    if static(extent) is not None:
        return folded(extent)
    assert isinstance(extent, Variable)
    table: dict[Variable, Variable] = dict(values)
    for node in applies([extent]):
        if isinstance(node.op, Extent):
            (x,), (out,) = node.inputs, node.outputs
            if x in known:
                table[out] = variable(known[x][node.op.axis])
            elif (told := inferred_extents(x)[node.op.axis]) is not out:
                table[out] = variable(_outside(told, row, known, values))
    table.pop(row, None)
    (found,) = replace([extent], table)
    inside = [v for v in _sources(found) if v in known]
    if inside:
        raise ShapeError(
            f"scan: the shape of a result depends on values of the step"
            f"{listing(row, *inside)}\nAll rows of a result have one shape; pad them."
        )
    return folded(found)


def _sources(v: Variable) -> list[Variable]:
    """Variables that the value of v is computed from."""
    found: list[Variable] = [v]
    for node in applies([v]):
        found.extend(node.inputs)
    return found


# --- values ------------------------------------------------------------------------


def _check_row(row: np.ndarray, like: np.ndarray, made: Variable, t: int) -> None:
    if row.shape != like.shape:
        raise ShapeError(
            f"scan: step {t} gives shape {row.shape} where there was {like.shape}"
            f"{listing(made)}\nA step has to keep the shapes of states and results."
        )


def _filled(rows: list[np.ndarray], count: int, like: np.ndarray) -> np.ndarray:
    """The rows as one array of `count` rows; zeros where there are none."""
    out = np.zeros((count, *like.shape), like.dtype)
    if rows:
        out[: len(rows)] = rows
    return out
