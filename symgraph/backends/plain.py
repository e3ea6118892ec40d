"""Contractions and convolutions as plain kernels, for devices without a library.

    product       c[n, i, j] = alpha * sum_k a[n, i, k] b[n, k, j] + beta * c[n, i, j]
    forward       y[n, o, f] = act(b[f] + sum_{c, t} x[n, o s + t d - p, c] w[f, c, t])
    input         x[n, i, c] = sum_{f, t} y[n, (i + p - t d) / s, f] w[f, c, t],
                  where the quotient is whole and exists
    filters       w[f, c, t] = sum_{n, o} x[n, o s + t d - p, c] y[n, o, f]

s are the strides, d the dilations, p the padding, and x outside its extents is 0; with
`flip` the weight of tap t stands at the other end of the window. A filter of group g sees
channels g c .. g c + c - 1. In: a step and what its slots mean. Out: a kernel in loops,
and the `Launch` of it.
"""

from collections.abc import Sequence
from typing import Protocol

from symgraph.lower.ir import (
    Access,
    Buffer,
    Call,
    Const,
    Expression,
    Fold,
    Index,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Size,
    SizeValue,
    Statement,
    Store,
)
from symgraph.lower.sizes import ONE, SizePolynomial
from symgraph.lower.steps import Contraction, Convolution, Launch, Operand

Body = tuple[Statement, ...]


class Slots(Protocol):
    """The table of slots of the program that is being made."""

    def size(self, slot: int) -> SizePolynomial:
        """What a slot means."""

    def slot(self, key: SizePolynomial) -> int:
        """The slot of a size."""


class _Made:
    """A kernel in the making: its buffers and sizes, by slot."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.buffers: dict[str, tuple[Buffer, int]] = {}
        self.sizes: dict[int, str] = {}

    def buffer(self, name: str, slot: int, dtype: str, role: str = "in") -> None:
        """A buffer, and the slot of its address."""
        self.buffers[name] = Buffer(name, dtype, role), slot

    def size(self, slot: int) -> Size:
        """A size by its slot: the number itself where it is known."""
        known = self.slots.size(slot).constant
        if known is not None:
            return known
        return self.sizes.setdefault(slot, f"s{len(self.sizes)}")

    def launch(
        self, name: str, body: Body, step: Contraction | Convolution
    ) -> tuple[Kernel, Launch]:
        """The kernel, and its launch in place of a step."""
        kernel = Kernel(
            name, tuple(b for b, _ in self.buffers.values()),
            tuple(self.sizes.values()), body,
        )  # fmt: skip
        slots = tuple(slot for _, slot in self.buffers.values())
        return kernel, Launch(name, slots, tuple(self.sizes), span=step.span)


def product(step: Contraction, name: str, slots: Slots) -> tuple[Kernel, Launch]:
    """The kernel of a product, and its launch."""
    made, dtype = _Made(slots), step.dtype
    reads_c = step.beta != 0.0
    for part, operand in (("a", step.a), ("b", step.b)):
        made.buffer(part, operand.buffer, dtype)
    factors: dict[str, Expression] = {}
    for part, factor in (("alpha", step.alpha), ("beta", step.beta)):
        if isinstance(factor, tuple):
            made.buffer(part, factor[1], dtype)
            factors[part] = Load(part, Access(), dtype)
        else:
            factors[part] = Const(factor, dtype)
    made.buffer("c", step.c, dtype, "inout" if reads_c else "out")

    def place(operand: Operand, down: str, across: str) -> Access:
        lead = made.size(operand.lead)
        if operand.transposed:
            down, across = across, down
        terms: tuple[tuple[str, Size], ...] = ((down, lead), (across, 1))
        if step.count is not None and operand.batch is not None:
            terms = (("n", made.size(operand.batch)), *terms)
        offset = 0 if operand.offset is None else made.size(operand.offset)
        return Access(offset, terms)

    columns = made.size(step.columns)
    whole: tuple[tuple[str, Size], ...] = (("i", columns), ("j", 1))
    if step.count is not None:
        assert step.step is not None
        whole = (("n", made.size(step.step)), *whole)
    here = Access(0, whole)
    term = Call(
        "mul",
        (
            Load("a", place(step.a, "i", "k"), dtype),
            Load("b", place(step.b, "k", "j"), dtype),
        ),
        dtype,
    )
    result: Expression = Call("mul", (factors["alpha"], Local("sum", dtype)), dtype)
    if reads_c:
        old = Call("mul", (factors["beta"], Load("c", here, dtype)), dtype)
        result = Call("add", (result, old), dtype)
    body: Body = (
        Init("sum", "add", dtype),
        Loop("k", made.size(step.inner), (Fold("sum", term),)),
        Store("c", here, result),
    )
    body = (Loop("j", columns, body),)
    body = (Loop("i", made.size(step.rows), body),)
    if step.count is not None:
        body = (Loop("n", made.size(step.count), body),)
    return made.launch(name, body, step)


def convolution(step: Convolution, name: str, slots: Slots) -> tuple[Kernel, Launch]:
    """The kernel of a convolution or an adjoint, and its launch."""
    return _Convolution(step, slots).launch(name)


#: an index of a loop and its extent
Axis = tuple[str, Size, SizePolynomial]


class _Convolution:
    """Loops over what is computed, sums over the rest."""

    def __init__(self, step: Convolution, slots: Slots) -> None:
        self.step = step
        self.made = made = _Made(slots)
        written = {"forward": "y", "input": "x", "filters": "w"}[step.kind]
        for part in ("x", "w", "y"):
            role = "out" if part == written else "in"
            made.buffer(part, getattr(step, part), step.dtype, role)
        if step.bias is not None:
            made.buffer("bias", step.bias, step.dtype)
        self.written = written

    def launch(self, name: str) -> tuple[Kernel, Launch]:
        """The kernel and its launch."""
        step = self.step
        taps = [self._axis(f"t{k}", slot) for k, slot in enumerate(step.window)]
        outs = [self._axis(f"o{k}", slot) for k, slot in enumerate(step.out_extents)]
        ins = [self._axis(f"i{k}", slot) for k, slot in enumerate(step.extents)]
        batch, filters = self._axis("n", step.batch), self._axis("f", step.filters)
        channels, depth = self._axis("h", step.channels), self._axis("c", step.depth)
        around, summed = {
            "forward": ([batch, *outs, filters], [*taps, depth]),
            "input": ([batch, *ins, channels], [*taps, filters]),
            "filters": ([filters, depth, *taps], [batch, *outs]),
        }[step.kind]
        inner: Body = (*self._lets(), Fold("sum", self._term()))
        for index, extent, _ in reversed(summed):
            inner = (Loop(index, extent, inner),)
        store = Store(self.written, self._place(around), self._result())
        body: Body = (Init("sum", "add", step.dtype), *inner, store)
        for index, extent, _ in reversed(around):
            body = (Loop(index, extent, body),)
        return self.made.launch(name, body, step)

    def _axis(self, index: str, slot: int) -> Axis:
        return index, self.made.size(slot), self.made.slots.size(slot)

    def _place(self, axes: Sequence[Axis]) -> Access:
        """The element at these indices of an array that has just these axes."""
        terms: list[tuple[str, Size]] = []
        stride = ONE
        for index, _, extent in reversed(axes):
            terms.append((index, self.made.size(self.made.slots.slot(stride))))
            stride = stride * extent
        return Access(0, tuple(reversed(terms)))

    # --- what is added up -----------------------------------------------------------------

    def _lets(self) -> list[Let]:
        """Positions in x and y for each axis, the group, and whether there is anything."""
        step = self.step
        lets: list[Let] = []
        valid: list[Expression] = []
        sought = "q" if step.kind == "input" else "p"
        for k in range(len(step.window)):
            low, by, dilation = step.padding[k], step.strides[k], step.dilation[k]
            tap: Expression = Index(f"t{k}")
            if step.flip and step.kind == "filters":  # others turn what they load
                tap = _sub(_plus(self._size(step.window[k]), -1), tap)
            tap = _times(tap, dilation)
            if step.kind == "input":
                far = _sub(_plus(Index(f"i{k}"), low), tap)
                place = _int("floordiv", far, _number(by))
                if by != 1:
                    valid.append(_is("eq", _int("mod", far, _number(by)), _number(0)))
                end = self._size(step.out_extents[k])
            else:
                place = _plus(_times(Index(f"o{k}"), by), -low)
                place = _int("add", place, tap)
                end = self._size(step.extents[k])
            lets.append(Let(f"{sought}{k}", place))
            here = Local(f"{sought}{k}", "int64")
            valid += [_is("le", _number(0), here), _is("lt", here, end)]
        if step.groups != 1:
            groups = _number(step.groups)
            filters = self._size(step.filters)
            own = _int("floordiv", _int("mul", Index("f"), groups), filters)
            lets.append(Let("group", own))
            if step.kind == "input":
                depth = self._size(step.depth)
                other = _int("floordiv", Index("h"), depth)
                valid.append(_is("eq", other, Local("group", "int64")))
        inside = valid[0]
        for more in valid[1:]:
            inside = Call("and", (inside, more), "bool")
        lets.append(Let("inside", inside))
        return lets

    def _term(self) -> Expression:
        """One product, or 0 where there is none; what is loaded always exists."""
        step = self.step
        factors = [
            self._loaded(part) for part in ("x", "w", "y") if part != self.written
        ]
        return Call(
            "where",
            (
                Local("inside", "bool"),
                Call("mul", tuple(factors), step.dtype),
                Const(0.0, step.dtype),
            ),
            step.dtype,
        )

    def _loaded(self, part: str) -> Expression:
        step = self.step
        spatial = range(len(step.window))
        if part == "w":
            channel: Expression = Index("c")
            if step.kind == "input":
                channel = Index("h")
                if step.groups != 1:
                    channel = _int("mod", channel, self._size(step.depth))
            taps: list[Expression] = [Index(f"t{k}") for k in spatial]
            if step.flip:
                ends = [self._size(slot) for slot in step.window]
                taps = [
                    _sub(_plus(end, -1), tap)
                    for end, tap in zip(ends, taps, strict=True)
                ]
            indices: list[Expression] = [Index("f"), channel, *taps]
            extents = [step.filters, step.depth, *step.window]
        elif part == "x":
            channel = Index("c")
            if step.groups != 1:
                first = _int("mul", Local("group", "int64"), self._size(step.depth))
                channel = _int("add", first, channel)
            places: list[Expression] = [Local(f"p{k}", "int64") for k in spatial]
            indices = [Index("n"), *places, channel]
            extents = [step.batch, *step.extents, step.channels]
        else:
            word = "q" if step.kind == "input" else "o"
            places = [
                Local(f"q{k}", "int64") if word == "q" else Index(f"o{k}")
                for k in spatial
            ]
            indices = [Index("n"), *places, Index("f")]
            extents = [step.batch, *step.out_extents, step.filters]
        place = indices[0]
        for index, slot in zip(indices[1:], extents[1:], strict=True):
            place = _int("add", _int("mul", place, self._size(slot)), index)
        if part != "w":  # outside, the first element stands for nothing
            place = Call("where", (Local("inside", "bool"), place, _number(0)), "int64")
        return Load(part, Access(0, (), place), step.dtype)

    def _size(self, slot: int) -> Expression:
        size = self.made.size(slot)
        return _number(size) if isinstance(size, int) else SizeValue(size)

    def _result(self) -> Expression:
        """What is stored: the sum, with bias and activation."""
        step, dtype = self.step, self.step.dtype
        result: Expression = Local("sum", dtype)
        if step.bias is not None:
            bias = Load("bias", Access(0, (("f", 1),)), dtype)
            result = Call("add", (result, bias), dtype)
        zero = Const(0.0, dtype)
        if step.activation == 1:
            result = Call("maximum", (result, zero), dtype)
        elif step.activation == 2:
            assert step.slope is not None
            low = Call("mul", (Const(step.slope, dtype), result), dtype)
            positive = Call("gt", (result, zero), "bool")
            result = Call("where", (positive, result, low), dtype)
        return result


def _number(value: int) -> Expression:
    return Const(value, "int64")


def _int(function: str, a: Expression, b: Expression) -> Expression:
    return Call(function, (a, b), "int64")


def _is(function: str, a: Expression, b: Expression) -> Expression:
    return Call(function, (a, b), "bool")


def _plus(a: Expression, number: int) -> Expression:
    return _int("add", a, _number(number)) if number else a


def _times(a: Expression, number: int) -> Expression:
    return a if number == 1 else _int("mul", a, _number(number))


def _sub(a: Expression, b: Expression) -> Expression:
    return _int("sub", a, b)
