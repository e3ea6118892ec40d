"""Which loops of a kernel may run their iterations side by side: proved from its sizes.

The iterations of a loop are independent if none of them stores what another one stores or
loads. Accumulators that they share do not count: who runs them side by side combines
what each comes to. In: a Kernel and what its sizes mean, as polynomials of the extents
of a call. Out: the kernel with `Loop.independent` where the proof was found; that it is
missing says nothing.
"""

from collections.abc import Iterator, Mapping

from symgraph.lower.ir import (
    Access,
    Fold,
    Init,
    Kernel,
    Load,
    Loop,
    Statement,
    Store,
    expressions,
    walk,
)
from symgraph.lower.schedule import meaning
from symgraph.lower.sizes import ZERO, SizePolynomial

Sizes = Mapping[str, SizePolynomial]


def with_independence(kernel: Kernel, sizes: Sizes, folds: bool = True) -> Kernel:
    """The kernel with a mark at each loop whose iterations are independent.

    Parameters
    ----------
    sizes : size name → what it stands for
    folds : whether loops are marked that fold into accumulators declared around them

    Examples
    --------
    >>> from symgraph.lower.ir import Buffer, Const
    >>> from symgraph.lower.sizes import poly
    >>> store = Store("y", Access(0, (("i", "n"), ("j", 1))), Const(0.0, "float32"))
    >>> inner = Loop("j", 4, (store,))
    >>> made = Kernel("k", (Buffer("y", "float32", "out"),), ("n",),
    ...               (Loop("i", 3, (inner,)),))
    >>> [[s.independent for s in walk(with_independence(made, {"n": poly(n)}).body)
    ...   if isinstance(s, Loop)] for n in (4, 3)]
    [[True, True], [False, True]]
    """
    scratch = {b.name for b in kernel.buffers if b.role == "scratch"}

    def marked(body: tuple[Statement, ...], private: set[str]) -> tuple[Statement, ...]:
        return tuple(
            s.replace(
                body=marked(s.body, set()),
                independent=(folds or not _folds_out(s)) and _proven(s, sizes, private),
            )
            if isinstance(s, Loop)
            else s
            for s in body
        )

    # each iteration of an outermost loop has scratch rows of its own
    return kernel.replace(body=marked(kernel.body, scratch))


def _folds_out(loop: Loop) -> bool:
    inside = {s.name for s in walk(loop.body) if isinstance(s, Init)}
    return any(isinstance(s, Fold) and s.name not in inside for s in walk(loop.body))


def _proven(loop: Loop, sizes: Sizes, private: set[str]) -> bool:
    if loop.kind == "vector":
        return True
    stored = {s.buffer for s in walk(loop.body) if isinstance(s, Store)} - private
    spans = Spans(loop, sizes, None)
    return all(spans.are_apart(buffer) for buffer in stored)


class Spans:
    """Which elements an iteration of a loop touches, buffer by buffer."""

    def __init__(self, loop: Loop, sizes: Sizes, around: Loop | None) -> None:
        self.loop = loop
        self.sizes = sizes
        self.extent = {
            s.index: s.extent for s in walk(loop.body) if isinstance(s, Loop)
        }
        if around is not None:
            self.extent[around.index] = around.extent

    def are_apart(self, buffer: str) -> bool:
        """Whether no two iterations touch the same element of a buffer.

        With the loop's index i < extent stepping by s, all touched places must be
        low + s * i + near + far, near in 0 .. s - 1, far a multiple of s * extent. What
        loops around add is the same for all iterations, if it is for all places.
        """
        step: SizePolynomial | None = None
        around: set[tuple[tuple[str, SizePolynomial], ...]] = set()
        lows, highs = [], []
        for access in _accesses(self.loop.body, buffer):
            if access.dynamic is not None:
                return False
            low = high = meaning(access.offset, self.sizes)
            terms = {
                index: meaning(stride, self.sizes) for index, stride in access.terms
            }
            own = terms.pop(self.loop.index, ZERO)
            if own == ZERO or (step is not None and own != step):
                return False
            step = own
            whole = step * meaning(self.loop.extent, self.sizes)
            outer = [pair for pair in terms.items() if pair[0] not in self.extent]
            around.add(tuple(sorted(outer, key=lambda pair: pair[0])))
            if len(around) > 1:
                return False
            for index, by in terms.items():
                if index not in self.extent:
                    continue
                if not _is_never_negative(by):
                    return False
                if not _is_multiple(by, whole):
                    high = high + by * (meaning(self.extent[index], self.sizes) - 1)
            lows.append(low)
            highs.append(high)
        return step is not None and all(
            _is_never_negative(step - (high - low) - 1)
            for low in lows
            for high in highs
        )


def _is_multiple(value: SizePolynomial, unit: SizePolynomial) -> bool:
    """Whether a polynomial is known to be a multiple of another one."""
    if value == unit:
        return True
    if len(unit.terms) != 1:
        return False
    ((factors, number),) = unit.terms
    for monomial, coefficient in value.terms:
        rest = list(monomial)
        for atom in factors:
            if atom not in rest:
                return False
            rest.remove(atom)
        if coefficient % number:
            return False
    return True


def _is_never_negative(value: SizePolynomial) -> bool:
    return all(coefficient >= 0 for _, coefficient in value.terms)


def _accesses(body: tuple[Statement, ...], buffer: str) -> Iterator[Access]:
    for statement in walk(body):
        if isinstance(statement, Store) and statement.buffer == buffer:
            yield statement.access
        for expression in expressions(statement):
            if isinstance(expression, Load) and expression.buffer == buffer:
                yield expression.access
