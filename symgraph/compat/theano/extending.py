"""Names around custom ops and updates that only Theano's programs use.

In and out: as in Theano. Ops, `OpFromGraph` and scan themselves are symgraph's.
"""

from collections import OrderedDict
from typing import Any

from symgraph.core.op import PUBLIC
from symgraph.core.shared import SharedVariable
from symgraph.errors import UpdateError

__all__ = ["OrderedUpdates", "view_op"]


class OrderedUpdates(OrderedDict[Any, Any]):
    """Updates of shared variables in order; ``+`` joins two that do not contradict."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise UpdateError(
                f"OrderedUpdates: an update goes to a shared variable, not to {key!r}"
            )
        super().__setitem__(key, value)

    def update(self, *others: Any, **named: Any) -> None:  # type: ignore[override]
        """Add updates; another new value for the same variable is refused."""
        for key, value in OrderedDict(*others, **named).items():
            if key in self and self[key] is not value:
                raise UpdateError(f"OrderedUpdates: two different updates of {key!r}")
            self[key] = value

    def __add__(self, other: Any) -> "OrderedUpdates":
        made = OrderedUpdates()
        made.update(self)
        made.update(other)
        return made

    def __radd__(self, other: Any) -> "OrderedUpdates":
        made = OrderedUpdates()
        made.update(other)
        made.update(self)
        return made


def view_op(x: Any) -> Any:
    """out = x, as a new variable."""
    return PUBLIC["copy"](x)
