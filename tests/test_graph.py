"""`sg.graph`: Theano's orders, and comparisons of expressions."""

import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, GraphError
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

x, y, z = T.dscalars("x", "y", "z")


def test_inputs_are_found_depth_first_from_left_to_right() -> None:
    out = (z + x) * (y + z)
    assert inputs([out]) == [z, x, y]
    assert inputs([x + y, z]) == [z, x, y]  # the last variable is searched first
    w = sg.shared(1.0)
    assert inputs([w * x]) == [w, x]
    two = T.constant(2.0)
    assert inputs([x * two]) == [x, two]


def test_blockers_end_the_search() -> None:
    s = x + y
    assert inputs([s * z], blockers=[s]) == [z]
    assert ancestors([s * z], blockers=[s])[1:] == [s, z]
    assert ancestors([x]) == [x]


def test_variables_between_inputs_and_outputs() -> None:
    two = T.constant(2.0)
    s = x * two
    found, loose = variables_and_orphans([x], [s + y])
    assert set(found) == {s, x, two, y} | {found[0]}
    assert loose == orphans([x], [s + y]) == [two, y]
    assert variables([s], [s + y])[-1] is y
    assert s.owner not in ops([s], [s + y])


def test_nodes_between_inputs_and_outputs() -> None:
    s = x * y
    out = T.exp(s) + s
    assert set(ops([x, y], [out])) == {out.owner, s.owner, out.owner.inputs[0].owner}
    assert list_of_nodes([x, y], [out])[0] is out.owner
    assert len(list_of_nodes([x, y], [out])) == 3
    assert list_of_nodes([s], [out]) == [out.owner, out.owner.inputs[0].owner]


def test_io_toposort_computes_inputs_from_right_to_left() -> None:
    left, right = T.exp(x), T.log(y)
    out = left + right
    assert io_toposort([x, y], [out]) == [right.owner, left.owner, out.owner]
    assert io_toposort([left, y], [out]) == [right.owner, out.owner]
    orderings = {right.owner: [left.owner]}
    assert io_toposort([x, y], [out], orderings)[0] is left.owner


def test_cycles_are_told() -> None:
    left, right = T.exp(x), T.log(y)
    circle = {right.owner: [left.owner], left.owner: [right.owner]}
    with pytest.raises(GraphError, match="cycle"):
        io_toposort([x, y], [left + right], circle)
    with pytest.raises(GraphError, match="cycle"):
        general_toposort(["a"], {"a": ["b"], "b": ["a"]}.__getitem__)


def test_general_toposort_orders_anything() -> None:
    needs = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []}
    order = general_toposort(["d"], needs.__getitem__)
    assert order[0] == "a"
    assert order[-1] == "d"
    assert sorted(order) == ["a", "b", "c", "d"]


def test_long_chains_are_walked_without_recursion() -> None:
    out = x
    for _ in range(3000):
        out = T.exp(out)
    assert len(io_toposort([x], [out])) == 3000
    assert len(ancestors([out])) == 3001
    assert is_same_graph(out, out)


def test_is_same_graph_compares_ops_leaves_and_constants() -> None:
    assert is_same_graph(x * 2 + y, x * 2 + y)
    assert not is_same_graph(x * 2 + y, x * 3 + y)
    assert not is_same_graph(x * 2 + y, y + x * 2)
    assert not is_same_graph(x, y)
    assert is_same_graph(x + 1, y + 1, {x: y})
    assert is_same_graph(x + 1, y + 1, [(y, x)])
    assert is_same_graph(x * 2, y * z, {y: x, z: T.constant(2.0)})
    assert not is_same_graph(T.sum(T.dvector()), T.sum(T.dvector()))


def test_equal_computations_have_corresponding_inputs() -> None:
    assert equal_computations([x + 1, T.exp(x)], [y + 1, T.exp(y)], [x], [y])
    assert not equal_computations([x + 1], [y + 1])
    assert not equal_computations([x + y], [y + y], [x], [y])
    assert not equal_computations([x + 1], [x + 1, x])
    assert equal_computations([x - y], [y - x], [x, y], [y, x])
    assert not equal_computations([x - y], [x - y], [x, y], [y, x])
    assert not equal_computations([x], [T.fscalar()])
    with pytest.raises(ArgumentError, match="1 entries, in_ys 0"):
        equal_computations([x], [x], [x], [])


def test_clone_makes_all_nodes_new() -> None:
    s = x * y
    s.name = "s"
    ins, outs = clone([x], [T.exp(s), s, y])
    assert ins[0] is not x
    assert ins[0].name == "x"
    assert outs[1].name == "s"
    assert outs[2] is y
    assert equal_computations([T.exp(s)], [outs[0]], [x], ins)
    assert outs[0].owner.inputs[0] is outs[1]
    same, outs = clone([x], [s], copy_inputs=False)
    assert same == [x]
    assert outs[0].owner is not s.owner


def test_what_is_no_list_of_variables_is_refused() -> None:
    with pytest.raises(ArgumentError, match="pass a list"):
        inputs(x)
    with pytest.raises(ArgumentError, match="3 is not a variable"):
        ancestors([3])  # type: ignore[list-item]
