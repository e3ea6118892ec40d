"""``sg.printing``: an expression or a compiled function as text.

`pprint` gives one line, `debugprint` one line per node; both are made by core/text.py.
"""

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.core.shared import SharedVariable
from symgraph.core.text import expression, program
from symgraph.core.traverse import leaves
from symgraph.errors import ArgumentError

__all__ = ["debugprint", "pp", "pprint"]


def pprint(variable: Variable) -> str:
    """The expression that computes a variable, on one line.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> sg.printing.pprint((x + y) * 2)
    '(x + y) * 2'
    """
    if not isinstance(variable, Variable):
        raise ArgumentError(f"pprint: {variable!r} is not a variable")
    return expression(variable)


pp = pprint


def debugprint(
    obj: Variable | Graph | Sequence[Variable] | Any, file: TextIO | str | None = None
) -> str | None:
    """Write one line per node: its number, type, and what it computes.

    Parameters
    ----------
    obj : variable, list of variables, Graph, or compiled function (after rewriting)
    file : where to write, standard output by default; "str" returns the text

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> sg.printing.debugprint(T.exp(T.dvector("x")))
    input  x : float64 (None,)
    %0 : float64 (None,) = exp(x)
    output %0
    """
    if isinstance(obj, Variable):
        text = program(_graph([obj]))
    elif isinstance(obj, Graph):
        text = program(obj)
    elif isinstance(obj, list | tuple) and all(isinstance(v, Variable) for v in obj):
        text = program(_graph(obj))
    elif hasattr(obj, "optimized"):
        text = str(obj.optimized)
    else:
        raise ArgumentError(
            f"debugprint: {obj!r} is neither a variable, a list of variables, a graph "
            "nor a compiled function"
        )
    if file == "str":
        return text
    stream = sys.stdout if file is None else file
    stream.write(text + "\n")  # type: ignore[union-attr]
    return None


def _graph(outputs: Sequence[Variable]) -> Graph:
    """The expressions as they are, their free variables as inputs."""
    given = [v for v in leaves(outputs) if not isinstance(v, Constant | SharedVariable)]
    return Graph(tuple(given), tuple(outputs))
