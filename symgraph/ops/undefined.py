"""What an op says of an input that has no gradient: Theano's names.

`DisconnectedType` marks an input that nothing flows to; `grad_undefined` and
`grad_not_implemented` mark one whose gradient must not be asked for: asking is an error
that tells the op and the reason. They stand where a gradient would; they are no
variables. autodiff/reverse.py and extend/contract.py look for them.
"""

from typing import Any


class Marker:
    """Takes the place of a gradient; `type` tells why there is none."""

    owner = None
    name = None

    def __init__(self, type: "DisconnectedType | NullType") -> None:
        self.type = type

    def __repr__(self) -> str:
        return f"<{self.type}>"


class DisconnectedType:
    """The type of what no gradient flows to: ``DisconnectedType()()`` is such a value."""

    def __call__(self, name: str | None = None) -> Marker:
        """Make the value that stands for "nothing flows"."""
        return Marker(self)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(DisconnectedType)

    def __str__(self) -> str:
        return "disconnected"


class NullType:
    """The type of a gradient that is not defined, and the reason."""

    def __init__(self, why_null: str = "no reason is given") -> None:
        self.why_null = why_null

    def __call__(self, name: str | None = None) -> Marker:
        """Make the value that stands for "asking for this gradient is an error"."""
        return Marker(self)

    def __str__(self) -> str:
        return f"undefined: {self.why_null}"


def grad_undefined(op: Any, x_pos: int, x: Any, comment: str = "") -> Marker:
    """What `grad` of an op returns for an input whose gradient is undefined.

    Parameters
    ----------
    op, x_pos, x : the op, the number of the input, the input
    comment : the reason, for the error message
    """
    return NullType(f"{op}: the gradient of input {x_pos} is undefined. {comment}")()


def grad_not_implemented(op: Any, x_pos: int, x: Any, comment: str = "") -> Marker:
    """What `grad` of an op returns for an input whose gradient nobody has written.

    Parameters
    ----------
    op, x_pos, x : the op, the number of the input, the input
    comment : for the error message
    """
    return NullType(
        f"{op}: the gradient of input {x_pos} is not implemented. {comment}"
    )()
