"""Targets of classifiers: labels that pick a class, and rows that weigh all of them.

What is refused here is what would broadcast or wrap around to a value that nobody meant.
"""

from symgraph.core.dtypes import is_discrete
from symgraph.core.node import Variable, listing
from symgraph.core.public import PUBLIC
from symgraph.errors import ShapeError
from symgraph.ops.index_plan import index_array
from symgraph.ops.reading import picked
from symgraph.ops.shape import extents


def labelled(x: Variable, y: Variable) -> Variable:
    """out[i] = x[i, y[i]] for labels y in 0 .. n - 1; others fail, negative ones too."""
    return picked(x, index_array(y), negative=False)


def one_hot_rows(what: str, p: Variable, t: Variable) -> Variable:
    """Targets t of the rank of p; integers must have an entry for each class of p.

    A column of labels (..., 1) would broadcast as if every class were hot.
    """
    have, want = t.type.shape[-1], p.type.shape[-1]
    if not is_discrete(t.type.dtype) or have == want == 1:
        return t
    if have is not None and have != 1:
        return t  # and where p has another extent, their product is refused
    if have == 1:
        raise ShapeError(
            f"{what}: a column of labels{listing(p, t)}\n"
            "Labels have one axis less than the predictions: flatten them, "
            "or pass one_hot rows."
        )
    return PUBLIC["reshape"](t, (*extents(t)[:-1], extents(p)[-1]))
