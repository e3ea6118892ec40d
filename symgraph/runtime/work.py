"""How many operations a step of a program does, and how many bytes it has to move.

Operations are those of the formula: each float primitive and each fold counts one, a
product of matrices 2 m n k, a convolution 2 N K out C / groups window, whichever
algorithm does it. Bytes are those that cannot be avoided: what the step reads and
writes of each buffer, once, however often its loops come by. In: a step, its kernels,
the slots of a call. Out: numbers. What a machine makes of them is in roofline.py.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from symgraph.core.dtypes import ITEMSIZE, is_complex, is_float
from symgraph.core.record import Record
from symgraph.lower.ir import (
    Access,
    Call,
    Expression,
    Fold,
    Kernel,
    Load,
    Loop,
    Size,
    Statement,
    Store,
    expressions,
)
from symgraph.lower.steps import (
    Branch,
    Contraction,
    Convolution,
    Copy,
    Demand,
    HostCall,
    Launch,
    Program,
    ResolveExtents,
    Step,
)
from symgraph.lower.steps import Loop as Repeat

#: primitives that choose or convert, and do not compute
_FREE = frozenset(("cast", "where", "isnan", "signbit", "real", "imag", "and", "or",
                   "not", "lt", "le", "gt", "ge", "eq", "ne"))  # fmt: skip


class Work(Record):
    """Operations and bytes of one execution of a step, its dtype, and its extents."""

    flops: int
    bytes: int
    dtype: str
    label: str = ""


def work_of(program: Program, step: Step, slots: Sequence[int] | np.ndarray) -> Work:
    """The work of a step for the sizes that a call has put into the slots.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T, numpy as np
    >>> x = T.dvector("x")
    >>> p = sg.function([x], x * x + 1).program
    >>> work = work_of(p, p.steps[0], [0 if s == ("error",) else 100 for s in p.slots])
    >>> work.flops, work.bytes
    (200, 1600)
    """
    match step:
        case Launch():
            kernel = program.kernels[step.kernel]
            sizes = {
                name: int(slots[slot])
                for name, slot in zip(kernel.sizes, step.sizes, strict=True)
            }
            return _Counter(kernel, sizes).work()
        case Contraction():
            m, n, k = (int(slots[s]) for s in (step.rows, step.columns, step.inner))
            count = 1 if step.count is None else int(slots[step.count])
            kept = 0 if step.beta == 0 else m * n
            return Work(
                2 * m * n * k * count,
                ITEMSIZE[step.dtype] * count * (m * k + k * n + m * n + kept),
                step.dtype,
                f"{f'{count}x ' if step.count is not None else ''}{m}x{n}x{k}",
            )
        case Convolution():
            return _convolution(step, slots)
        case Copy():
            size = int(slots[step.size])
            return Work(0, 2 * size, "float32", f"{size} bytes")
        case Repeat():
            times = int(slots[step.count])
            inside = _together(program, step.body, slots)
            return Work(
                inside.flops * times, inside.bytes * times, inside.dtype,
                f"{times} times {len(step.body)} steps",
            )  # fmt: skip
        case Branch():
            sides = [
                _together(program, side, slots) for side in (step.then, step.otherwise)
            ]
            return max(sides, key=lambda work: (work.flops, work.bytes))
        case HostCall():
            call = program.calls[step.number]
            arrays = [*call.inputs, *call.outputs]
            moved = sum(
                ITEMSIZE[dtype] * math.prod(int(slots[e]) for e in extents)
                for _, dtype, extents in arrays
            )
            return Work(0, moved, "float32", "in Python")
        case ResolveExtents():
            return Work(0, 8, "float32", "an extent")
        case Demand():
            return Work(0, 8 * len(step.guards), "float32", "a check")
    raise AssertionError(step)


def _together(
    program: Program, steps: Sequence[Step], slots: Sequence[int] | np.ndarray
) -> Work:
    """The work of several steps; lengths that change in a loop count as at its end."""
    works = [work_of(program, step, slots) for step in steps]
    wide = any(work.dtype == "float64" for work in works)
    return Work(
        sum(work.flops for work in works),
        sum(work.bytes for work in works),
        "float64" if wide else "float32",
    )


def _convolution(step: Convolution, slots: Sequence[int] | np.ndarray) -> Work:
    batch, channels, filters, depth = (
        int(slots[s]) for s in (step.batch, step.channels, step.filters, step.depth)
    )
    image, made, window = (
        [int(slots[s]) for s in extents]
        for extents in (step.extents, step.out_extents, step.window)
    )
    points = math.prod(made)
    weights = filters * depth * math.prod(window)
    images = batch * (channels * math.prod(image) + filters * points)
    text = "x".join(str(e) for e in (batch, channels, *(e for e in image if e > 1)))
    return Work(
        2 * batch * points * weights, ITEMSIZE[step.dtype] * (images + weights),
        step.dtype,
        f"{text} by {'x'.join(map(str, (filters, *(e for e in window if e > 1))))}",
    )  # fmt: skip


class _Counter:
    """Walks a kernel; extents are numbers."""

    def __init__(self, kernel: Kernel, sizes: Mapping[str, int]) -> None:
        self.kernel = kernel
        self.sizes = sizes
        self.flops = 0
        self.widest = "float32"
        self.extents: dict[str, int] = {}
        self.loads: dict[str, int] = {}
        self.stores: dict[str, int] = {}

    def work(self) -> Work:
        self._block(self.kernel.body, 1)
        dtypes = {b.name: b.dtype for b in self.kernel.buffers}
        moved = sum(
            elements * ITEMSIZE[dtypes[name]]
            for found in (self.loads, self.stores)
            for name, elements in found.items()
        )
        loops = [self._size(s.extent) for s in self.kernel.body if isinstance(s, Loop)]
        label = "+".join(map(str, loops))
        return Work(self.flops, moved, self.widest, label)

    def _size(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def _block(self, body: tuple[Statement, ...], times: int) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                extent = self._size(statement.extent)
                self.extents[statement.index] = extent
                self._block(statement.body, times * extent)
                continue
            if isinstance(statement, Store):
                self._touch(self.stores, statement.buffer, statement.access, times)
            if isinstance(statement, Fold) and is_float(_dtype(statement.value)):
                self.flops += times
            for expression in expressions(statement):
                if isinstance(expression, Load):
                    self._touch(self.loads, expression.buffer, expression.access, times)
                elif isinstance(expression, Call):
                    self._count(expression, times)

    def _count(self, call: Call, times: int) -> None:
        if call.function in _FREE:
            return
        if is_float(call.dtype) or is_complex(call.dtype):
            self.flops += times
            if call.dtype == "float64":
                self.widest = "float64"

    def _touch(
        self, found: dict[str, int], buffer: str, access: Access, times: int
    ) -> None:
        """Count the distinct elements of an access; those of a buffer are the same."""
        elements = times
        if access.dynamic is None:
            elements = 1
            for index, stride in access.terms:
                if self._size(stride) != 0:
                    elements *= self.extents[index]
            elements = min(elements, times)
        found[buffer] = max(found.get(buffer, 0), elements)


def _dtype(expression: Expression) -> str:
    return expression.dtype
