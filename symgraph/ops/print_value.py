"""`Print`: an identity that prints its operand whenever a function computes it.

In: a variable. Out: the same value. Each application prints, so equal ones are not
merged, and none is evaluated while compiling.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.core.node import Op, Shape, Variable, as_variable
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError


def print_attributes(op: "Print", value: np.ndarray) -> None:
    """Write ``message attribute = value`` for each attribute."""
    for name in op.attrs:
        found = getattr(value, name)
        shown = found() if callable(found) else found
        print(op.message, name, "=", shown)  # noqa: T201


class Print(Op):
    """out = x; prints a message and attributes of the value when it is computed.

    Print is a host op: compiled functions call it in Python. The gradient passes through
    and prints nothing. An application whose value nobody needs does not print.

    Parameters
    ----------
    message : str
    attrs : names of attributes or methods of the NumPy array: ("shape", "mean")
    global_fn : ``(op, array)``, called instead

    Examples
    --------
    >>> x = T.dvector("x")
    >>> f = sg.function([x], sg.printing.Print("x is", ("__str__", "shape"))(x) * 2)
    >>> y = f([1.0, 2.0])
    x is __str__ = [1. 2.]
    x is shape = (2,)
    """

    message: str
    attrs: tuple[str, ...]
    global_fn: Callable[..., None]
    number: int

    name = "print"
    host: ClassVar[bool] = True
    foldable = False

    def __init__(
        self,
        message: str = "",
        attrs: Sequence[str] = ("__str__",),
        global_fn: Callable[..., None] = print_attributes,
        number: int = 0,
    ) -> None:
        if isinstance(attrs, str) or not all(isinstance(a, str) for a in attrs):
            raise ArgumentError(f"Print: attrs={attrs!r}; give a tuple of names")
        for attribute in attrs:
            if not hasattr(np.ndarray, attribute):
                raise ArgumentError(f"Print: arrays have no attribute {attribute!r}")
        if not callable(global_fn):
            raise ArgumentError(f"Print: global_fn={global_fn!r} is no function")
        super().__init__(str(message), tuple(attrs), global_fn, number)

    def __call__(self, *inputs: Any) -> Any:
        """The operand, printed: each call makes an op of its own."""
        (x,) = inputs
        return self.replace(number=next(_numbers)).make(as_variable(x))[0]

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The operand's type."""
        return (inputs[0].type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The operand's extents."""
        return (shapes[0],)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """The gradient passes through."""
        return (gradients[0],)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Print, and give the operand."""
        self.global_fn(self, arrays[0])
        return (arrays[0],)

    def __repr__(self) -> str:
        return f"Print({self.message!r}, {self.attrs!r}, {self.number})"

    def __str__(self) -> str:
        return f"Print{{message={self.message!r}, attrs={self.attrs}}}"

    def render(self, parts: list[str]) -> str:
        """Print(x)"""
        return f"Print({parts[0]})"


_numbers = itertools.count(1)
