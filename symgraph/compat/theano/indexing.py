"""``advanced_subtensor1`` and its kin: reading and writing along the first axis.

In and out: as Theano's ops of these names; `x[index]` and `set_subtensor` do the work.
"""

from typing import Any

from symgraph.core.node import Variable, as_variable
from symgraph.core.public import PUBLIC

__all__ = [
    "advanced_inc_subtensor", "advanced_inc_subtensor1", "advanced_set_subtensor",
    "advanced_set_subtensor1", "advanced_subtensor", "advanced_subtensor1",
]  # fmt: skip


def advanced_subtensor(x: Any, *index: Any) -> Variable:
    """x[index], with an array of indices for each of the first axes."""
    return as_variable(x)[index]


def advanced_inc_subtensor(x: Any, y: Any, *index: Any) -> Variable:
    """A copy of x with y added at x[index]; equal indices add up."""
    return PUBLIC["inc_subtensor"](as_variable(x)[index], y)


def advanced_set_subtensor(x: Any, y: Any, *index: Any) -> Variable:
    """A copy of x with y at x[index]."""
    return PUBLIC["set_subtensor"](as_variable(x)[index], y)


advanced_subtensor1 = advanced_subtensor
advanced_inc_subtensor1 = advanced_inc_subtensor
advanced_set_subtensor1 = advanced_set_subtensor
