"""``theano.gof``: functions over graphs, which are those of `symgraph.graph`."""

from symgraph.graph import (
    ancestors,
    clone,
    equal_computations,
    general_toposort,
    inputs,
    io_toposort,
    is_same_graph,
    list_of_nodes,
    ops,
    orphans,
    variables,
    variables_and_orphans,
)

__all__ = [
    "ancestors", "clone", "equal_computations", "general_toposort", "inputs",
    "io_toposort", "is_same_graph", "list_of_nodes", "ops", "orphans", "variables",
    "variables_and_orphans",
]  # fmt: skip
