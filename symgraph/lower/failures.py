"""What the error flags of kernels mean, in words.

An extent that is known only when the function runs stands in a text as ``{slot n}``:
the number of the slot that then holds it; runtime/executor.py puts it in. In: the node
whose index lies outside. Out: the text, with the user's line and the operands.
"""

from collections.abc import Callable

from symgraph.core.node import Apply, listing
from symgraph.lower.extents import Extents
from symgraph.lower.sizes import SizePolynomial


def text_of(
    node: Apply, extents: Extents, slot: Callable[[SizePolynomial], int]
) -> str:
    """The text of a failure; `slot` gives the slot of a size."""
    op = node.op
    if op.name == "check_index":
        size = extents.scalar(node.inputs[1])
    else:
        size = extents.shape(node.inputs[0])[op.axis]  # type: ignore[attr-defined]
    known = size.constant
    extent = f"{{slot {slot(size)}}}" if known is None else str(known)
    file, line = node.outputs[0].place
    what: str = op.failure(extent)  # type: ignore[attr-defined]
    shown = node.inputs[:1] if op.name == "check_index" else node.inputs
    return f"{what}, at {file}:{line}{listing(*shown)}"
