"""Views of stored memory as offset and strides, and which of them are matrices.

`view_of` follows slices, transposes, broadcasts and reshapes down to the memory below.
`matrix_of` says how a BLAS product can read a variable without a copy.
"""

from collections.abc import Container

from symgraph.core.node import Variable
from symgraph.core.record import Record
from symgraph.lower.extents import Extents
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, row_major
from symgraph.ops.slices import filled, slice_bounds, wrapped


class View(Record):
    """Elements of `source` at offset + sum(index * stride)."""

    source: Variable
    offset: SizePolynomial
    strides: tuple[SizePolynomial, ...]


class Matrix(Record):
    """A view as BLAS takes it: rows or columns contiguous, `lead` apart."""

    source: Variable
    offset: SizePolynomial
    transposed: bool
    lead: SizePolynomial
    batch: SizePolynomial = ZERO


def view_of(
    variable: Variable, extents: Extents, stored: Container[Variable] = ()
) -> View | None:
    """The view that a variable is, or None where its memory has no strides.

    `stored` are views that will be copied, and so have memory of their own.
    """
    node = variable.owner
    name = node.op.name if node is not None else ""
    if (
        variable in stored
        or node is None
        or name
        not in (
            "dimshuffle",
            "broadcast_to",
            "subtensor",
            "reshape",
        )
    ):
        if name in ("iota", "extent"):
            return None
        return View(variable, ZERO, row_major(extents.shape(variable)))
    below = view_of(node.inputs[0], extents, stored)
    if below is None:
        return None
    shape = extents.shape(node.inputs[0])
    if name == "dimshuffle":
        strides = [
            ZERO if entry == "x" else below.strides[entry]
            for entry in node.op.pattern  # type: ignore[attr-defined]
        ]
        return View(below.source, below.offset, tuple(strides))
    if name == "broadcast_to":
        extra = variable.ndim - len(shape)
        inner = [
            ZERO if extent == ONE else stride
            for extent, stride in zip(shape, below.strides, strict=True)
        ]
        return View(below.source, below.offset, (ZERO,) * extra + tuple(inner))
    if name == "subtensor":
        offset, kept = below.offset, []
        entries = filled(node.op.spec, list(node.inputs[1:]))  # type: ignore[attr-defined]
        poly = extents.atoms.poly
        for entry, extent, stride in zip(
            entries, extents.given(node.inputs[0]), below.strides, strict=True
        ):
            if isinstance(entry, tuple):
                first, _, step = slice_bounds(entry, extent)
                if not isinstance(step, int):
                    return None  # its sign is not known
                offset = offset + poly(first) * stride
                kept.append(poly(step) * stride)
            else:
                offset = offset + poly(wrapped(entry, extent)) * stride
        return View(below.source, offset, tuple(kept))
    contiguous = all(
        extent == ONE or stride == want
        for extent, stride, want in zip(
            shape, below.strides, row_major(shape), strict=True
        )
    )
    target = extents.shape(variable)
    if contiguous:
        return View(below.source, below.offset, row_major(target))
    own = [(e, s) for e, s in zip(shape, below.strides, strict=True) if e != ONE]
    if [e for e, _ in own] == [e for e in target if e != ONE]:
        rest = iter(s for _, s in own)
        return View(
            below.source,
            below.offset,
            tuple(ZERO if e == ONE else next(rest) for e in target),
        )
    return None


def matrix_of(
    variable: Variable, extents: Extents, stored: Container[Variable] = ()
) -> Matrix | None:
    """How BLAS reads a vector, a matrix, or a batch of matrices, without a copy.

    `stored` : see `view_of`
    """
    view = view_of(variable, extents, stored)
    if view is None:
        return None
    shape, strides = extents.shape(variable), view.strides
    batch = ZERO
    if len(shape) == 3:
        batch, shape, strides = strides[0], shape[1:], strides[1:]
    if len(shape) == 1:
        stride = ONE if shape[0] == ONE else strides[0]
        if stride == ZERO or _backward(stride):
            return None
        return Matrix(view.source, view.offset, False, stride)
    (rows, columns), (down, across) = shape, strides
    if ZERO in shape:  # nothing is read, whatever the strides
        return Matrix(
            view.source, view.offset, False, ONE if columns == ZERO else columns, batch
        )
    for transposed, lead, unit, count, run in (
        (False, down, across, rows, columns),
        (True, across, down, columns, rows),
    ):
        if unit != ONE and run != ONE:
            continue
        if count == ONE:
            return Matrix(view.source, view.offset, transposed, run, batch)
        constant = lead.constant
        if lead == ZERO or (lead != run and _backward(lead)):
            continue
        least = run.constant
        if constant is not None and least is not None and constant < least:
            continue
        return Matrix(view.source, view.offset, transposed, lead, batch)
    return None


def row_lies_contiguous(
    variable: Variable, extents: Extents, stored: Container[Variable] = ()
) -> bool:
    """Whether each entry along the first axis is one piece of memory."""
    view = view_of(variable, extents, stored)
    if view is None:
        return False
    shape = extents.shape(variable)[1:]
    return all(
        extent == ONE or stride == wanted
        for extent, stride, wanted in zip(
            shape, view.strides[1:], row_major(shape), strict=True
        )
    )


def _backward(stride: SizePolynomial) -> bool:
    """Whether a stride may be negative; extents are not, so its coefficients tell."""
    return any(coefficient < 0 for _, coefficient in stride.terms)
