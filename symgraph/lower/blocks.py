"""Long sums of floats in blocks: which loops keep the terms of so many iterations apart.

    for i in n: sum <- x[i]     adds x[i] to a sum that is up to n times as long,

and a float32 sum of ones stays at 2**24 for ever. A loop that adds floats up into what
was declared before it gets a `block`: writers begin the sum anew for each block and add
the blocks in a tree, so that the error grows with the logarithm of n (Higham 1993, The
accuracy of floating point summation; docs/explanation/sums.md). In: a finished Kernel.
Out: the Kernel with blocks.
"""

from symgraph.core.dtypes import is_float
from symgraph.lower.ir import Fold, Init, Kernel, Loop, Statement

#: iterations of a block; their sum is worth the few instructions that end a block
BLOCK = 128


def in_blocks(kernel: Kernel) -> Kernel:
    """The kernel with a block for each loop that adds up more floats than one holds."""
    body, _ = _marked(kernel.body, frozenset())
    return kernel if body is kernel.body else kernel.replace(body=body)


def _marked(
    body: tuple[Statement, ...], sums: frozenset[str]
) -> tuple[tuple[Statement, ...], set[str]]:
    """Statements with their blocks, and the accumulators that they fold into.

    `sums` are the sums of floats that were declared before.
    """
    made: list[Statement] = []
    folded: set[str] = set()
    changed = False
    for statement in body:
        match statement:
            case Init(name, "add", dtype) if is_float(dtype):
                sums |= {name}
            case Fold(name, _):
                folded.add(name)
            case Loop(_, extent, inside, kind):
                inner, names = _marked(inside, sums)
                folded |= names
                long = isinstance(extent, str) or extent > BLOCK
                block = BLOCK if long and kind != "unroll" and names & sums else 0
                if block or inner is not inside:
                    statement = statement.replace(body=inner, block=block)
                    changed = True
        made.append(statement)
    return (tuple(made) if changed else body), folded
