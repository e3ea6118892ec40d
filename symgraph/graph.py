"""``sg.graph``: walking, ordering and comparing expressions, under Theano's names.

Orders are those of Theano 1.0, on which programs rely: a search goes depth first from
the last of the given variables to the first, and through inputs from left to right;
`io_toposort` computes the inputs of a node from right to left. In: lists of variables.
Out: lists, each entry once. core/traverse.py has what the package itself uses.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import replace
from symgraph.errors import ArgumentError, GraphError

__all__ = [
    "Apply", "Constant", "Variable", "ancestors", "clone", "equal_computations",
    "general_toposort", "graph_inputs", "inputs", "io_toposort", "is_same_graph",
    "list_of_nodes", "ops", "orphans", "variables", "variables_and_orphans",
]  # fmt: skip
Node = TypeVar("Node", bound=Hashable)


def ancestors(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] | None = None
) -> list[Variable]:
    """All variables that the given ones depend on, themselves included.

    Parameters
    ----------
    variable_list : where the search starts, with the last one
    blockers : variables that are listed, but whose inputs are not looked at

    Examples
    --------
    >>> x, y = T.dscalars("x", "y")
    >>> ancestors([(x + y) * x])
    [mul.out, add.out, x, y]
    """
    stop = set(blockers or ())

    def inputs_of(v: Variable) -> Sequence[Variable]:
        return v.owner.inputs if v.owner is not None and v not in stop else ()

    return _search(_variables(variable_list, "ancestors"), inputs_of)


def inputs(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] | None = None
) -> list[Variable]:
    """The leaves (constants included) that the given variables depend on.

    Examples
    --------
    >>> x, y, z = T.dscalars("x", "y", "z")
    >>> inputs([(z + x) * y])
    [z, x, y]
    """
    return [v for v in ancestors(variable_list, blockers) if v.owner is None]


graph_inputs = inputs


def variables_and_orphans(
    i: Iterable[Variable], o: Iterable[Variable]
) -> tuple[list[Variable], list[Variable]]:
    """All variables between `i` and `o`, and those leaves of them that are not in `i`."""
    stop = set(i)

    def around(v: Variable) -> Sequence[Variable]:
        if v.owner is None or v in stop:
            return ()
        return (*v.owner.inputs, *v.owner.outputs)

    found = _search(_variables(o, "variables"), around)
    return found, [v for v in found if v.owner is None and v not in stop]


def variables(i: Iterable[Variable], o: Iterable[Variable]) -> list[Variable]:
    """All variables between `i` and `o`, both included, other outputs of nodes too."""
    return variables_and_orphans(i, o)[0]


def orphans(i: Iterable[Variable], o: Iterable[Variable]) -> list[Variable]:
    """Leaves that `o` depends on and that are not in `i`; constants are among them.

    Examples
    --------
    >>> x, y = T.dscalars("x", "y")
    >>> orphans([x], [x * y + 2])
    [y, 2.0]
    """
    return variables_and_orphans(i, o)[1]


def ops(i: Iterable[Variable], o: Iterable[Variable]) -> list[Apply]:
    """The applications between `i` and `o`; Theano gives a set, this is a list."""
    stop = list(i)
    own = set(stop)
    owners = (v.owner for v in variables(stop, o) if v not in own)
    return list(dict.fromkeys(node for node in owners if node is not None))


def list_of_nodes(
    inputs: Iterable[Variable], outputs: Iterable[Variable]
) -> list[Apply]:
    """The applications between inputs and outputs, those of the outputs first."""
    stop = set(inputs)

    def before(node: Apply) -> list[Apply]:
        owners = (v.owner for v in node.inputs if v not in stop)
        return [n for n in owners if n is not None and not stop & set(n.outputs)]

    starts = [
        v.owner for v in _variables(outputs, "list_of_nodes") if v.owner is not None
    ]
    return _search(starts, before)


def io_toposort(
    inputs: Iterable[Variable],
    outputs: Iterable[Variable],
    orderings: Mapping[Apply, Iterable[Apply]] | None = None,
) -> list[Apply]:
    """The applications between inputs and outputs, each after those it reads.

    Parameters
    ----------
    inputs : variables that need no computing
    orderings : application → applications that must come before it

    Raises
    ------
    GraphError : there is a cycle

    Examples
    --------
    >>> x, y = T.dscalars("x", "y")
    >>> io_toposort([x, y], [T.exp(x) + T.log(y)])
    [log(y), exp(x), add(exp.out, log.out)]
    """
    computed: set[Variable] = set(inputs)
    todo = [v.owner for v in reversed(_variables(outputs, "io_toposort"))]
    before = {node: list(nodes) for node, nodes in (orderings or {}).items()}
    open_: set[Apply] = set()
    order: dict[Apply, None] = {}
    while todo:
        node = todo.pop()
        if node is None or node in order or node.outputs[0] in computed:
            continue
        needed = [
            v.owner for v in node.inputs if v not in computed and v.owner is not None
        ]
        needed += [n for n in before.get(node, ()) if n not in order]
        if needed:
            if node in open_:
                raise GraphError(f"io_toposort: there is a cycle through {node.op}")
            open_.add(node)
            todo += [node, *needed]
        else:
            order[node] = None
            computed.update(node.outputs)
    return list(order)


def general_toposort(
    outputs: Iterable[Node], deps: Callable[[Node], Iterable[Node]]
) -> list[Node]:
    """Whatever the outputs depend on, each thing after what it depends on.

    Parameters
    ----------
    outputs : hashable things
    deps : thing → the things it depends on directly

    Raises
    ------
    GraphError : there is a cycle

    Examples
    --------
    >>> general_toposort(["c"], lambda name: {"c": ["a", "b"], "b": ["a"]}.get(name, []))
    ['a', 'b', 'c']
    """
    needs: dict[Node, list[Node]] = {}
    clients: dict[Node, list[Node]] = {}

    def found_of(thing: Node) -> Sequence[Node]:
        needs[thing] = list(dict.fromkeys(deps(thing)))
        for other in needs[thing]:
            clients.setdefault(other, []).append(thing)
        return needs[thing]

    reached = _search(list(outputs), found_of)
    ready = deque(thing for thing in reached if not needs[thing])
    order: list[Node] = []
    left = {thing: len(others) for thing, others in needs.items()}
    while ready:
        thing = ready.popleft()
        order.append(thing)
        for client in clients.get(thing, ()):
            left[client] -= 1
            if not left[client]:
                ready.append(client)
    if len(order) != len(reached):
        raise GraphError("general_toposort: there is a cycle")
    return order


def clone(
    i: Sequence[Variable], o: Sequence[Variable], copy_inputs: bool = True
) -> tuple[list[Variable], list[Variable]]:
    """Copies of inputs and outputs; all nodes between them are new.

    Parameters
    ----------
    copy_inputs : False keeps the inputs themselves
    """
    table = {v: (v.clone() if copy_inputs else v) for v in i}
    order = io_toposort(i, o)
    for node in order:
        copy = Apply(
            node.op,
            tuple(table.get(v, v) for v in node.inputs),
            tuple(v.type for v in node.outputs),
            node.outputs[0].place,
        )
        for old, new in zip(node.outputs, copy.outputs, strict=True):
            new.name = old.name
            table.setdefault(old, new)
    return [table[v] for v in i], [table.get(v, v) for v in o]


def is_same_graph(
    var1: Variable,
    var2: Variable,
    givens: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
) -> bool:
    """Whether two expressions apply equal ops to the same leaves, in the same way.

    Constants are the same if their dtype, shape and values are.

    Parameters
    ----------
    givens : variable → what it counts as, in either expression

    Examples
    --------
    >>> x, y = T.dscalars("x", "y")
    >>> is_same_graph(x + 1, x + 1), is_same_graph(x + 1, y + 1)
    (True, False)
    >>> is_same_graph(x + 1, y + 1, {x: y})
    True
    """
    pairs = givens.items() if isinstance(givens, Mapping) else givens or ()
    table = {old: PUBLIC["as_tensor"](new) if not isinstance(new, Variable) else new
             for old, new in pairs}  # fmt: skip
    roots = (
        replace(_variables([var1, var2], "is_same_graph"), table)
        if table
        else (var1, var2)
    )
    return _same([(roots[0], roots[1])], {})


def equal_computations(
    xs: Sequence[Variable],
    ys: Sequence[Variable],
    in_xs: Sequence[Variable] = (),
    in_ys: Sequence[Variable] = (),
) -> bool:
    """Whether the lists `xs` and `ys` compute the same of `in_xs` and `in_ys`.

    Leaves beside those must be the same variables, or equal constants.

    Examples
    --------
    >>> x, y = T.dscalars("x", "y")
    >>> equal_computations([x * 2], [y * 2]), equal_computations([x * 2], [y * 2], [x], [y])
    (False, True)
    """
    given, other = list(in_xs or ()), list(in_ys or ())
    if len(given) != len(other):
        raise ArgumentError(
            f"equal_computations: in_xs has {len(given)} entries, in_ys {len(other)}"
        )
    if len(xs) != len(ys) or any(
        a.type.dtype != b.type.dtype or a.ndim != b.ndim
        for a, b in zip((*xs, *given), (*ys, *other), strict=True)
    ):
        return False
    return _same(list(zip(xs, ys, strict=True)), dict(zip(given, other, strict=True)))


# --- inside --------------------------------------------------------------------------


def _search(
    starts: Iterable[Node], expand: Callable[[Node], Sequence[Node]]
) -> list[Node]:
    """Depth first: the last start first, what one expands to from left to right."""
    stack = list(starts)
    found: dict[Node, None] = {}
    while stack:
        thing = stack.pop()
        if thing not in found:
            found[thing] = None
            stack.extend(reversed(expand(thing)))
    return list(found)


def _variables(given: Iterable[Variable], what: str) -> list[Variable]:
    if isinstance(given, Variable):
        raise ArgumentError(f"{what}: pass a list of variables, not one variable")
    found = list(given)
    for entry in found:
        if not isinstance(entry, Variable):
            raise ArgumentError(f"{what}: {entry!r} is not a variable")
    return found


def _same(
    pairs: list[tuple[Variable, Variable]], counts_as: Mapping[Variable, Variable]
) -> bool:
    """Whether each pair is the same computation; node by node, each pair once."""
    met: set[tuple[Variable, Variable]] = set()
    own = set(counts_as.values())
    while pairs:
        left, right = pairs.pop()
        if (left, right) in met:
            continue
        met.add((left, right))
        if left in counts_as or right in own:
            if counts_as.get(left) is not right:
                return False
            continue
        if left is right:
            if not counts_as or left.owner is None:
                continue  # else what it depends on may count as something else
        if isinstance(left, Constant) and isinstance(right, Constant):
            if left.type != right.type or left.data.tobytes() != right.data.tobytes():
                return False
            continue
        one, other = left.owner, right.owner
        if (
            one is None
            or other is None
            or left.index != right.index
            or one.op != other.op
            or len(one.inputs) != len(other.inputs)
        ):
            return False
        pairs.extend(zip(one.inputs, other.inputs, strict=True))
    return True
