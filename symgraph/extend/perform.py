"""The host ops that call an op of the user back from compiled code.

`Perform` computes the outputs, whose extents come as further operands, and checks that
they are as told. Where nobody can tell them, `PerformFirst` computes the outputs before,
gives their extents and a ticket, and keeps the outputs until `Perform` shows the ticket.
"""

import itertools
import os
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.core.node import Apply, Constant, Op, Shape, Variable
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import UserOpError
from symgraph.extend import contract

#: outputs that are kept at most, per thread; what is dropped is computed again
KEPT = 64


class Call:
    """An op of the user applied to inputs of known types; equal where the op is.

    `node` is what `perform` gets: the user's node, with leaves in place of its inputs.
    """

    def __init__(self, op: Any, node: Apply) -> None:
        self.op = op
        self.place = node.outputs[0].place
        inputs = [
            v if isinstance(v, Constant) else Variable(v.type, None, 0, v.name, v.place)
            for v in node.inputs
        ]
        self.node = Apply(op, inputs, [v.type for v in node.outputs], self.place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.op == other.op

    def __hash__(self) -> int:
        return hash(self.op)

    def __repr__(self) -> str:
        return self.op.signature()

    def __str__(self) -> str:
        return str(self.op)

    def run(
        self, arrays: Sequence[np.ndarray], types: Sequence[TensorType]
    ) -> tuple[np.ndarray, ...]:
        """Call `perform` and check what it wrote."""
        inputs = list(arrays)
        for changed in self.op.destroy_map.values():
            for position in changed:
                inputs[position] = inputs[position].copy()
        storage: list[list[Any]] = [[None] for _ in types]
        try:
            self.op.perform(self.node, inputs, storage)
        except Exception as error:
            file, line = self.place
            error.add_note(f"in perform of {self.op}, applied at {file}:{line}")
            raise
        return tuple(
            contract.value(self.node, position, type, cell[0])
            for position, (type, cell) in enumerate(zip(types, storage, strict=True))
        )


class Perform(Op):
    """outputs = what `perform` computes of the first `count` inputs.

    The further inputs are the extents that the types leave open, in order, and with
    `ticket` what `PerformFirst` gave.
    """

    call: Call
    types: tuple[TensorType, ...]
    count: int
    ticket: bool

    name = "perform"
    host: ClassVar[bool] = True
    can_fail: ClassVar[bool] = True
    foldable = False

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """As `make_node` said."""
        return self.types

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """What the types tell, else the operands."""
        rest = iter(inputs[self.count :])
        return tuple(
            tuple(next(rest) if e is None else e for e in type.shape)
            for type in self.types
        )

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Call back, or take what is kept for the ticket; UserOpError on a wrong extent."""
        inputs = arrays[: self.count]
        found = _kept().pop(int(arrays[-1]), None) if self.ticket else None
        if found is None:
            found = self.call.run(inputs, self.types)
        told = iter(arrays[self.count :])
        for position, (type, array) in enumerate(zip(self.types, found, strict=True)):
            for axis, known in enumerate(type.shape):
                if known is None and (extent := int(next(told))) != array.shape[axis]:
                    raise UserOpError(
                        f"{contract.method(self.call.op, 'perform')} wrote output "
                        f"{position} with extent {array.shape[axis]} of axis {axis}, "
                        f"infer_shape told {extent}{contract.applied(self.call.node)}\n"
                        "Make perform and infer_shape agree."
                    )
        return found

    def __str__(self) -> str:
        return str(self.call)

    def render(self, parts: list[str]) -> str:
        """MyOp(x)"""
        return f"{self.call}({', '.join(parts[: self.count])})"


class PerformFirst(Op):
    """The extents that the types leave open, each a 0-d int64, and a ticket.

    Computes the outputs, and keeps them for the `Perform` that shows the ticket.
    """

    call: Call
    types: tuple[TensorType, ...]

    name = "perform_first"
    host: ClassVar[bool] = True
    can_fail: ClassVar[bool] = True
    foldable = False

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """0-d int64 numbers."""
        count = sum(type.shape.count(None) for type in self.types)
        return (fast_type("int64", ()),) * (count + 1)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """No axes."""
        return ((),) * len(self.infer(*inputs))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Call back, and read the shapes."""
        found = self.call.run(arrays, self.types)
        ticket = next(_tickets)
        kept = _kept()
        kept[ticket] = found
        if len(kept) > KEPT:
            del kept[next(iter(kept))]
        extents = [
            array.shape[axis]
            for type, array in zip(self.types, found, strict=True)
            for axis, known in enumerate(type.shape)
            if known is None
        ]
        return tuple(np.asarray(n, np.int64) for n in (*extents, ticket))

    def __str__(self) -> str:
        return f"shapes of {self.call}"


#: tickets start at random, so that none is valid in another process
_tickets = itertools.count(int.from_bytes(os.urandom(7)))
_here = threading.local()


def _kept() -> dict[int, tuple[np.ndarray, ...]]:
    found: dict[int, tuple[np.ndarray, ...]] = _here.__dict__.setdefault("kept", {})
    return found
