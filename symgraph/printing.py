"""``sg.printing``: an expression or a compiled function as text or as a picture.

`pprint` gives one line, `debugprint` a tree, `program` one line per node,
`min_informative_str` a short tree; they are made by core/text.py and core/tree.py.
`pydotprint` draws (viz/dot.py); `Print` prints values while a function runs.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from symgraph.core import text
from symgraph.core.composite import CompositeVariable
from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.core.shared import SharedVariable
from symgraph.core.traverse import leaves
from symgraph.core.tree import IDS, informative, tree
from symgraph.errors import ArgumentError
from symgraph.ops.print_value import Print

__all__ = [
    "Print", "debugprint", "min_informative_str", "pp", "pprint", "program",
    "pydotprint",  # noqa: F822  (loads late)
]  # fmt: skip


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
    return text.expression(variable)


pp = pprint


def debugprint(
    obj: Variable | Graph | Sequence[Variable] | Any,
    depth: int = -1,
    print_type: bool = False,
    file: TextIO | str | None = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
    done: Any = None,
    print_storage: bool = False,
) -> str | None:
    """Write expressions as trees: each node, then what it is computed from.

    Parameters
    ----------
    obj : variable, list of variables, Graph, or compiled function (its graph after
        rewriting, with the place of each node in the order of computation)
    depth : levels that are shown; -1 for all
    print_type : show the types
    file : where to write, standard output by default; "str" returns the text
    ids : "CHAR" (A, B, ...), "int", "id" (Python's) or "" for none
    stop_on_name : do not go below variables with names
    done, print_storage : accepted for compatibility

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> y = T.exp(x)
    >>> sg.printing.debugprint(y * 2 + y, print_type=True)
    add [id A] <float64 (None,)>
     |mul [id B] <float64 (None,)>
       |exp [id C] <float64 (None,)>
         |x [id D] <float64 (None,)>
       |2 [id E] <float64 ()>
     |exp [id C] <float64 (None,)> ...
    """
    if ids not in IDS:
        raise ArgumentError(f"debugprint: ids={ids!r}; use one of {IDS}")
    roots, graph = _roots(obj, "debugprint")
    return _write(
        tree(
            roots,
            ids=ids,
            depth=depth,
            print_type=print_type,
            stop_on_name=stop_on_name,
            order=graph.applies() if graph is not None else None,
        ),
        file,
    )


def program(
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
    >>> sg.printing.program(T.exp(T.dvector("x")))
    input  x : float64 (None,)
    %0 : float64 (None,) = exp(x)
    output %0
    """
    roots, graph = _roots(obj, "program")
    return _write(text.program(graph if graph is not None else _graph(roots)), file)


def min_informative_str(
    obj: Variable,
    indent_level: int = 0,
    _prev_obs: Any = None,
    _tag_generator: Any = None,
) -> str:
    """What a variable is, as a tree that ends at named variables and constants.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> s = T.exp(x)
    >>> s.name = "s"
    >>> print(sg.printing.min_informative_str(s * y))
    A. mul
     B. s
     C. y
    """
    if not isinstance(obj, Variable):
        raise ArgumentError(f"min_informative_str: {obj!r} is not a variable")
    margin = " " * indent_level
    return "\n".join(margin + line for line in informative(obj).splitlines())


def _roots(obj: Any, what: str) -> tuple[Sequence[Variable], Graph | None]:
    """The variables to show, and the graph that they are of, if there is one."""
    if isinstance(obj, Variable):
        return [obj], None
    if isinstance(obj, CompositeVariable):
        return obj.parts, None
    if isinstance(obj, Graph):
        return obj.roots, obj
    if isinstance(obj, list | tuple) and all(isinstance(v, Variable) for v in obj):
        return obj, None
    if hasattr(obj, "rewritten"):
        graph = obj.rewritten.graph
        return graph.roots, graph
    raise ArgumentError(
        f"{what}: {obj!r} is neither a variable, a list of variables, a graph nor a "
        "compiled function"
    )


def _write(made: str, file: TextIO | str | None) -> str | None:
    if file == "str":
        return made
    stream = sys.stdout if file is None else file
    stream.write(made + "\n")  # type: ignore[union-attr]
    return None


def _graph(outputs: Sequence[Variable]) -> Graph:
    """The expressions as they are, their free variables as inputs."""
    given = [v for v in leaves(outputs) if not isinstance(v, Constant | SharedVariable)]
    return Graph(tuple(given), tuple(outputs))


def __getattr__(name: str) -> Any:
    """`pydotprint`, which loads the drawing when it is first asked for."""
    if name == "pydotprint":
        return importlib.import_module("symgraph.viz.dot").pydotprint
    raise AttributeError(f"symgraph.printing has no {name!r}")
