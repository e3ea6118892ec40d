"""The steps of a program, and the program: what lowering hands to a backend.

Steps name everything by slots, positions in one table of int64 that the runtime fills
for the shapes of a call: addresses of buffers and sizes. Plain data; `program.plan`
makes it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Apply
from symgraph.core.record import Record, fresh
from symgraph.lower.checks import Check, Range
from symgraph.lower.ir import Kernel
from symgraph.lower.sizes import SizeExpression, SizePolynomial

#: the first and the last moment at which a step needs memory, as in `Program.temps`
Span = tuple[int, int]


class Launch(Record):
    """Run a kernel: slots of its buffers, then of its sizes."""

    kernel: str
    buffers: tuple[int, ...]
    sizes: tuple[int, ...]
    can_fail: bool = False
    span: Span = (0, 0)


class Operand(Record):
    """A matrix: slot of its memory, offset and leading dimension (elements) as slots."""

    buffer: int
    offset: int | None
    transposed: bool
    lead: int
    batch: int | None = None


class Contraction(Record):
    """c = alpha * a @ b + beta * c, matrices with their rows one after the other.

    Extents are slots. There are slots[count] such products, `Operand.batch` and `step`
    (slots) elements apart; without a count there is one. `alpha` and `beta` are numbers,
    or slots of 0-d buffers given as ("slot", index). How it is done is the device's
    affair.
    """

    dtype: str
    rows: int
    columns: int
    inner: int
    a: Operand
    b: Operand
    c: int
    alpha: Any = 1.0
    beta: Any = 0.0
    count: int | None = None
    step: int | None = None
    span: Span = (0, 0)


class Convolution(Record):
    """y = x * w, a convolution of images whose last axis is the channels, or an adjoint.

    `kind` says which of x, w and y is computed from the others: "forward" y, "input" x,
    "filters" w. Spatial axes are lifted to three, depth, height and width. A forward one
    may add `bias`, one number for each filter, and apply an activation
    (ops/epilogue.py: `ACTIVATIONS`), with the slope of its negative side.

    Attributes
    ----------
    x : slot of images, batch x extents x channels
    w : slot of weights, filters x channels / groups x window
    y : slot of results, batch x out_extents x filters
    batch, channels, filters, depth : slots; `depth` are the channels of a group
    extents, out_extents, window : three slots each
    strides, padding, dilation : three numbers each; padding is that in front
    groups, flip : with `flip` the window is turned round
    bias : slot, or None
    """

    kind: str
    dtype: str
    x: int
    w: int
    y: int
    batch: int
    channels: int
    filters: int
    depth: int
    extents: tuple[int, ...]
    out_extents: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    flip: bool = False
    bias: int | None = None
    activation: int = 0
    slope: float | None = None
    span: Span = (0, 0)


class Copy(Record):
    """Copy bytes from one buffer to another."""

    target: int
    source: int
    size: int


class HostCall(Record):
    """Call Python back: entry `number` of the program's `calls`."""

    number: int


class ResolveExtents(Record):
    """Fill the slots that depend on a value the program has just computed.

    Entry `number` of the program's `dynamic_extents`.
    """

    number: int


class Demand(Record):
    """Leave the program where one of these slots, guards of checks, holds an error flag."""

    guards: tuple[int, ...]


class Pointer(Record):
    """An address that moves with the steps of a loop.

    slots[slot] = slots[base] + slots[offset] + row(t) * slots[stride], where row(t) is
    t, or with a `modulo` (t + shift) % modulo. `offset` and `stride` are in bytes.
    """

    slot: int
    base: int
    stride: int
    offset: int | None = None
    shift: int = 0
    modulo: int | None = None


class ZeroTail(Record):
    """Zero the rows of a buffer from the step at which a loop ended.

    slots[count] rows of slots[row] bytes, of which the first `first` plus the number of
    steps done are kept.
    """

    buffer: int
    row: int
    count: int
    first: int


class CopyTail(Record):
    """Copy the last rows of a ring after t steps.

    Row number j of slots[target] is row (t + shift + j) % ring of slots[base]; there are
    `count` of them, of slots[row] bytes.
    """

    target: int
    base: int
    row: int
    ring: int
    shift: int
    count: int


class Loop(Record):
    """Run `body` slots[count] times; `pointers` move before each time.

    With `until` (slot of the address of a bool) it ends after the step that made it
    true; the number of steps done is stored to the int64 at slots[done], and `clears`
    what was not reached. `last` is done at the end.
    """

    count: int
    body: tuple["Step", ...]
    pointers: tuple[Pointer, ...]
    last: tuple[CopyTail, ...] = ()
    until: int | None = None
    done: int | None = None
    clears: tuple[ZeroTail, ...] = ()


class Branch(Record):
    """Run the first body if the bool at slots[condition] is true, else the second."""

    condition: int
    then: tuple["Step", ...]
    otherwise: tuple["Step", ...]


Step = (
    Launch
    | Contraction
    | Convolution
    | Copy
    | HostCall
    | ResolveExtents
    | Demand
    | Loop
    | Branch
)


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps and those inside them."""
    for step in steps:
        yield step
        match step:
            case Loop():
                yield from walk(step.body)
            case Branch():
                yield from walk(step.then)
                yield from walk(step.otherwise)


def changed(steps: Sequence[Any], change: Callable[[Any], Any]) -> list[Any]:
    """The steps with `change` applied to each that has none inside."""
    made: list[Any] = []
    for step in steps:
        match step:
            case Loop():
                made.append(step.replace(body=tuple(changed(step.body, change))))
            case Branch():
                made.append(
                    step.replace(
                        then=tuple(changed(step.then, change)),
                        otherwise=tuple(changed(step.otherwise, change)),
                    )
                )
            case _:
                made.append(change(step))
    return made


class HostFunction(Record):
    """A node that is computed in Python, and where its arrays are.

    `inputs` and `outputs` are (slot of the address, dtype, slots of the extents).
    """

    node: Apply
    inputs: tuple[tuple[int, str, tuple[int, ...]], ...]
    outputs: tuple[tuple[int, str, tuple[int, ...]], ...]
    place: str


class DynamicExtent(Record):
    """A data-dependent extent: slot of the address of its 0-d value, and the dtype."""

    slot: int
    dtype: str


class Program(Record, frozen=False):
    """A function ready for a backend. Slot 0 is the error flag.

    Attributes
    ----------
    kernels : name → Kernel
    steps : in order of execution
    slots : what each slot holds: ("error",), ("leaf", k), ("output", k), ("temp", k),
        ("constant", k), or a SizePolynomial; ("host",), the address of the
        function that calls Python back; ("row", k), an address that a loop moves;
        ("watch",), the address of what loops ask whether to go on;
        ("guard", k), 0 or an error flag, see lower/checks.py
    recipes : how each atom of the Polys is computed
    leaves : (kind, dtype, rank) of inputs and shared variables, in order
    temps : (bytes, first moment, last moment); what runs later has a later moment
    outputs : (dtype, extents)
    checks, ranges : what a call must verify
    failures : error flag → message
    resized : shared variables (their positions) whose updates may have another shape;
        their new values are the last outputs, in this order
    calls : what `HostCall` steps call
    dynamic_extents : what `ResolveExtents` steps read, in the order in which they run
    sources : for each step the nodes that it computes
    """

    kernels: dict[str, Kernel] = fresh(factory=dict)
    steps: list[Step] = fresh(factory=list)
    slots: list[Any] = fresh(factory=lambda: [("error",)])
    recipes: list[SizeExpression] = fresh(factory=list)
    leaves: list[tuple[str, str, int]] = fresh(factory=list)
    constants: list[np.ndarray] = fresh(factory=list)
    temps: list[tuple[SizePolynomial, int, int]] = fresh(factory=list)
    outputs: list[tuple[str, tuple[SizePolynomial, ...]]] = fresh(factory=list)
    checks: list[Check] = fresh(factory=list)
    ranges: list[Range] = fresh(factory=list)
    failures: dict[int, str] = fresh(factory=dict)
    resized: list[int] = fresh(factory=list)
    calls: list[HostFunction] = fresh(factory=list)
    dynamic_extents: list[DynamicExtent] = fresh(factory=list)
    sources: list[tuple[Apply, ...]] = fresh(factory=list)
