"""What is drawn, as a networkx graph: a node for each leaf and application.

In: a compiled function, a frozen graph, or expressions. Out: a `networkx.DiGraph` whose
nodes carry `label`, `type`, `kind` and `place`, with edges from operands to users. A
constant has a node for each of its users, which keeps edges short. How it is laid out
and drawn is left to layout.py and drawing.py.
"""

from collections.abc import Iterable
from typing import Any

from symgraph.compile.callable import CompiledFunction
from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.core.shared import SharedVariable
from symgraph.core.text import INFIX, expression
from symgraph.core.traverse import applies, leaves
from symgraph.errors import ArgumentError

STAGES = ("graph", "optimized")
#: what a node can be
KINDS = ("input", "shared", "constant", "operation", "output", "update")


def network(what: Any, stage: str = "graph") -> Any:
    """Graph to draw.

    Parameters
    ----------
    what : CompiledFunction, Graph, variable, or list of variables
    stage : of a compiled function, "graph" (as built) or "optimized"

    Returns
    -------
    networkx.DiGraph; nodes are numbered in topological order

    Examples
    --------
    >>> x, y = T.dvectors("x", "y")
    >>> made = network((x + y) * y)
    >>> [made.nodes[n]["label"] for n in made]
    ['x', 'y', '+', '*', 'output']
    """
    if stage not in STAGES:
        raise ArgumentError(f"viz: stage={stage!r}, expected one of {STAGES}")
    if isinstance(what, CompiledFunction):
        what = what.specialization.graph if stage == "graph" else what.rewritten.graph
    if isinstance(what, Graph):
        updates = [(expression(target), new) for target, new in what.updates]
        inputs = set(what.inputs)
        return _network(what.outputs, updates, inputs)
    variables = [what] if isinstance(what, Variable) else what
    if not isinstance(variables, Iterable):
        raise ArgumentError(
            f"viz: {what!r} cannot be drawn; pass a compiled function, a graph, or "
            "expressions"
        )
    variables = list(variables)
    if not variables or not all(isinstance(v, Variable) for v in variables):
        raise ArgumentError("viz: pass a compiled function, a graph, or expressions")
    return _network(variables, [], None)


def _network(
    outputs: Iterable[Variable],
    updates: list[tuple[str, Variable]],
    inputs: set[Variable] | None,
) -> Any:
    import networkx

    outputs = list(outputs)
    roots = [*outputs, *(new for _, new in updates)]
    made = networkx.DiGraph()
    number: dict[Variable, int] = {}

    def add(variable: Variable, label: str, kind: str) -> int:
        file, line = variable.place
        key = len(made)
        made.add_node(
            key, label=label, type=str(variable.type), kind=kind, place=f"{file}:{line}"
        )
        return key

    def key_of(operand: Variable) -> int:
        if isinstance(operand, Constant):
            return add(operand, expression(operand), "constant")
        return number[operand]

    for leaf in leaves(roots):
        if not isinstance(leaf, Constant):
            number[leaf] = add(leaf, expression(leaf), _leaf_kind(leaf, inputs))
    for node in applies(roots):
        operands = [key_of(v) for v in dict.fromkeys(node.inputs)]
        key = add(node.outputs[0], _operation(node), "operation")
        number.update(dict.fromkeys(node.outputs, key))
        made.add_edges_from((operand, key) for operand in operands)
    for output in outputs:
        source = key_of(output)
        made.add_edge(source, add(output, output.name or "output", "output"))
    for name, new in updates:
        source = key_of(new)
        made.add_edge(source, add(new, f"new {name}", "update"))
    return made


def _leaf_kind(leaf: Variable, inputs: set[Variable] | None) -> str:
    if isinstance(leaf, SharedVariable):
        return "shared"
    return "input" if inputs is None or leaf in inputs else "shared"


def _operation(node: Any) -> str:
    name = getattr(node.op, "symbol", None) or node.op.name
    if name in INFIX:
        return INFIX[name][0]
    return str(node.op)
