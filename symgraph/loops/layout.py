"""The operands of a loop, and of its step, by role: the one decoder of their order.

    outer inputs   (n, *sequences, *initial states, *non_sequences)
    inner inputs   (*sequence rows, *for each state one variable per tap, *non_sequences)
    inner outputs  (*new row of each state, *collected rows[, condition])
    outer outputs  (*states, *collected[, count])

`n` is the number of steps, a 0-d int64 of at least 0. A sequence has at least n rows;
step t reads row t. A state whose furthest tap is -L has L initial rows; its output holds
these and then the n new rows, or only the last `keep` of all. Collected rows make an
array of n rows. With `until` the loop ends after the step whose condition is true;
`count` tells how many steps were done, and rows after them are zero. With `backwards`
step t reads row n - 1 - t of each sequence, and its collected rows become row n - 1 - t;
states are as ever, their rows in the order of the steps. Gradients are such loops: they
read what the forward loop stored, and give the gradients of sequences, without a copy.

`ScanLayout` has the fields of a loop and says which operand is what; `Scan` (scan.py) is
the op. Files that take loops apart, here and below, ask for roles and never count
positions themselves.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from symgraph.core.inner import Inner
from symgraph.core.node import Op, Variable


class Parts(NamedTuple):
    """Operands of a scan, by role."""

    n: Any
    sequences: list[Any]
    initial: list[Any]
    rest: list[Any]

    def operands(self) -> list[Any]:
        """All of them, in their order."""
        return [self.n, *self.sequences, *self.initial, *self.rest]


class InnerParts(NamedTuple):
    """Inputs of a step, by role; `taps` has one list for each state."""

    rows: list[Variable]
    taps: list[list[Variable]]
    rest: list[Variable]


class Results(NamedTuple):
    """Outputs of a scan or of its step, by role; `last` is count or condition."""

    states: list[Any]
    collected: list[Any]
    last: Any


class ScanLayout(Op):
    """A loop of n steps; see the head of this file for the order of operands.

    Attributes
    ----------
    inner : the step
    sequences : how many sequences there are
    states : for each state its taps, negative, ascending
    keep : for each state None (all rows come out) or how many of the last ones do
    until : whether the step has a condition that ends the loop
    backwards : whether sequences are read, and collected rows written, from row n - 1
        to row 0; not together with `until`
    truncate : how many steps its gradient goes back at most; None for all. Nothing but
        the gradient reads it.
    recomputed : whether, where the loop is part of a step, the gradient of that loop runs
        it again instead of storing what it gave. Nothing but the gradient reads it.
    """

    inner: Inner
    sequences: int
    states: tuple[tuple[int, ...], ...]
    keep: tuple[int | None, ...]
    until: bool
    backwards: bool = False
    truncate: int | None = None
    recomputed: bool = False

    @property
    def inputs(self) -> list[Variable]:
        """Variables inside that stand for the rows and states (Theano's name)."""
        return list(self.inner.inputs)

    @property
    def outputs(self) -> list[Variable]:
        """What a step computes, of the variables `inputs` (Theano's name)."""
        return list(self.inner.outputs)

    @property
    def lengths(self) -> list[int]:
        """How many initial rows each state has."""
        return [-min(taps) for taps in self.states]

    def parts(self, operands: Sequence[Any]) -> Parts:
        """The operands by role."""
        first = 1 + self.sequences
        last = first + len(self.states)
        return Parts(
            operands[0],
            list(operands[1:first]),
            list(operands[first:last]),
            list(operands[last:]),
        )

    def inner_parts(self) -> InnerParts:
        """The inputs of the step by role."""
        inputs = list(self.inner.inputs)
        rows, rest = inputs[: self.sequences], inputs[self.sequences :]
        taps = []
        for places in self.states:
            taps.append(rest[: len(places)])
            rest = rest[len(places) :]
        return InnerParts(rows, taps, rest)

    def results(self, outputs: Sequence[Any]) -> Results:
        """The outputs (of the scan, or of its step) by role."""
        found, last = list(outputs), None
        if self.until:
            *found, last = found
        count = len(self.states)
        return Results(found[:count], found[count:], last)
