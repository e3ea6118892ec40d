"""`ifelse`: values, types, extents, derivatives of all orders, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import samples_branches
from structure import check_errors, check_gradients, check_values

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze, verify
from symgraph.core.traverse import applies
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    DtypeError,
    IndexRangeError,
    ShapeError,
)
from symgraph.loops.ifelse import IfElse
from symgraph.ops.shape import extent_key, inferred_extents

REFERENCE = "FAST_COMPILE"
assert samples_branches  # fills the samples


def test_samples_agree_with_numpy_and_wrong_ones_are_refused() -> None:
    check_values("ifelse")
    check_errors("ifelse")
    assert check_gradients("ifelse") > 20


def function(inputs: list[Any], outputs: Any) -> Any:
    return sg.function(inputs, outputs, mode=REFERENCE)


def test_it_gives_the_branch_that_the_condition_chooses() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    f = function([c, x], sg.ifelse(c, x * 2, x.sum(keepdims=True)))
    np.testing.assert_array_equal(f(1, [1.0, 2.0]), [2.0, 4.0])
    np.testing.assert_array_equal(f(-1, [1.0, 2.0]), [2.0, 4.0])
    np.testing.assert_array_equal(f(0, [1.0, 2.0]), [3.0])


@pytest.mark.parametrize("mode", [REFERENCE, "FAST_RUN"])
def test_only_one_branch_is_evaluated(mode: str) -> None:
    calls = []

    @sg.as_op(T.dvector, T.dvector, infer_shape=lambda node, shapes: shapes)
    def counted(v: np.ndarray) -> np.ndarray:
        calls.append(len(v))
        return v * 2

    c, x = T.dscalar("c"), T.dvector("x")
    f = sg.function([c, x], sg.ifelse(c > 0, counted(T.exp(x)), x + 1), mode=mode)
    assert (f(-1.0, [0.0]).tolist(), calls) == ([1.0], [])
    assert (f(1.0, [0.0]).tolist(), calls) == ([2.0], [1])


def test_compiled_code_agrees_with_the_reference_on_values_and_gradients() -> None:
    c, x, y = T.dscalar("c"), T.dvector("x"), T.dvector("y")
    inner = sg.ifelse(c < -1, T.log(y), x + y)
    out = sg.ifelse(c > 0, T.exp(x) * 2, inner)
    outputs = [out, *sg.grad((out**2).sum(), [x, y])]
    compiled, reference = sg.function([c, x, y], outputs), function([c, x, y], outputs)
    for value in (1.0, -0.5, -2.0):
        given = (value, [1.0, 2.0], [3.0, 4.0])
        for have, want in zip(compiled(*given), reference(*given), strict=True):
            np.testing.assert_allclose(have, want, 1e-12)


def test_compiled_extents_may_depend_on_the_condition() -> None:
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    f = sg.function([c, x, y], sg.ifelse(c, x * 2, y) + 1)
    assert f(1, [1.0], [1.0, 2.0]).tolist() == [3.0]
    assert f(0, [1.0], [1.0, 2.0]).tolist() == [2.0, 3.0]


def test_extents_that_decide_one_another_make_no_circle() -> None:
    c, x, y = T.dscalar("c"), T.dvector("x"), T.dvector("y")
    first = sg.ifelse(y.sum() > 0, T.ones(((x > 0).sum(),)), x)
    inner = sg.ifelse(first.sum() > 0, T.concatenate([first, y * 2]), y)
    out = T.tanh(sg.ifelse(c > 0, inner, T.tanh(first)))
    dx = sg.grad(out.sum(), x)
    compiled, reference = sg.function([c, x, y], dx), function([c, x, y], dx)
    for value in (1.0, -1.0):
        given = (value, X3, [-v for v in Y4])
        np.testing.assert_allclose(compiled(*given), reference(*given), 1e-12)


X3, Y4 = [1.0, -2.0, 3.0], [1.0, 2.0, -3.0, 4.0]


@pytest.mark.parametrize("number", range(3))
def test_compiled_branches_may_differ_in_shape_in_every_way(number: int) -> None:
    c, d, x, y = T.dscalar("c"), T.dscalar("d"), T.dvector("x"), T.dvector("y")
    n, k = (x > 0).sum(), (y > 0).sum()
    counted = sg.ifelse(d > 0, T.ones((n,)), x * 2)
    joined = T.exp(T.concatenate([y, T.ones((k,))]))
    out = (
        sg.ifelse(c > 0, sg.ifelse(d > 0, T.exp(y), x * 2), y * 1),
        sg.ifelse(c > 0, counted, joined),
        sg.ifelse((y.sum() > 0) & (c > 0), sg.ifelse(d > 0, y, x), T.tanh(x)),
    )[number]
    outputs = [out, T.tanh(out) * 2, *sg.grad((out**2).sum(), [x, y])]
    given = [c, d, x, y]
    compiled, reference = sg.function(given, outputs), function(given, outputs)
    for signs in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)):
        found, wanted = compiled(*signs, X3, Y4), reference(*signs, X3, Y4)
        for have, want in zip(found, wanted, strict=True):
            assert have.shape == want.shape
            np.testing.assert_allclose(have, want, 1e-12)


def test_lists_of_branches_give_a_list_and_names() -> None:
    c, x, n = T.dscalar("c"), T.dvector("x"), T.iscalar("n")
    out = sg.ifelse(c > 0, [x, n], (x + 1, n * 2), name="chosen")
    assert isinstance(out, list)
    assert [v.name for v in out] == ["chosen0", "chosen1"]
    assert out[0].owner is out[1].owner
    first, second = function([c, x, n], out)(-1.0, [1.0], 3)
    assert (first.tolist(), int(second)) == ([2.0], 6)


def test_a_number_takes_the_dtype_of_the_other_branch() -> None:
    x = T.fscalar("x")
    out = sg.ifelse(x > 0, x, 0)
    assert out.type == x.type
    assert float(function([x], out)(-3.0)) == 0.0


def test_extents_that_both_branches_have_stay_known() -> None:
    c = T.bscalar("c")
    a, b = T.tensor("float64", (2, 3, None)), T.tensor("float64", (2, 4, None))
    assert sg.ifelse(c, a, b).type.shape == (2, None, None)


def test_extents_are_one_expression_where_the_branches_agree() -> None:
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    (agreed,) = inferred_extents(sg.ifelse(c, T.exp(x), x + 1))
    assert extent_key(agreed) == extent_key(x.shape[0])
    (chosen,) = inferred_extents(sg.ifelse(c, x, y))
    f = function([c, x, y], chosen)
    assert [int(f(k, [1.0], [1.0, 2.0])) for k in (1, 0)] == [1, 2]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_flow_through_the_chosen_branch_only(sign: float) -> None:
    sg.verify_grad(
        lambda x, y: sg.ifelse(x.sum() * sign > 0, T.sin(x) * y, x * y**2),
        [np.array([1.0, 2.0]), np.array([0.3, 0.4])],
        mode=REFERENCE,
    )


def test_a_branch_without_the_variable_gives_zeros() -> None:
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    dx, dy = sg.grad(sg.ifelse(c, x, y).sum(), [x, y])
    f = function([c, x, y], [dx, dy])
    assert [v.tolist() for v in f(1, [1.0, 2.0], [3.0])] == [[1, 1], [0]]
    assert [v.tolist() for v in f(0, [1.0, 2.0], [3.0])] == [[0, 0], [1]]


def test_gradients_of_gradients_and_products_with_jacobians() -> None:
    c, x, v = T.bscalar("c"), T.dvector("x"), T.dvector("v")
    cost = sg.ifelse(c, (x**3).sum(), (x * x).sum())
    f = function([c, x], sg.hessian(cost, x))
    np.testing.assert_allclose(f(1, [1.0, 2.0]), np.diag([6.0, 12.0]))
    np.testing.assert_allclose(f(0, [1.0, 2.0]), np.diag([2.0, 2.0]))
    pushed = function([c, x, v], sg.Rop(sg.ifelse(c, x**2, x), x, v))
    np.testing.assert_allclose(pushed(1, [1.0, 2.0], [1.0, 10.0]), [2.0, 40.0])
    np.testing.assert_allclose(pushed(0, [1.0, 2.0], [1.0, 10.0]), [1.0, 10.0])


def test_several_outputs_where_one_has_no_gradient() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    first, _ = sg.ifelse(c, [x * 2, T.argmax(x)], [x * 3, T.argmin(x)])
    f = function([c, x], sg.grad(first.sum(), x))
    assert f(0, [1.0, 2.0]).tolist() == [3.0, 3.0]


def test_nothing_flows_to_the_condition() -> None:
    c, x = T.dscalar("c"), T.dvector("x")
    with pytest.raises(DisconnectedInputError):
        sg.grad(sg.ifelse(c, x, 2 * x).sum(), c)


def test_a_frozen_graph_takes_over_refined_types() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    known = T.tensor("float64", (3,))
    out = sg.ifelse(c, x * 2, x + 1)
    graph = freeze([c, known], [out], substitutes={x: known})
    verify(graph)
    assert graph.outputs[0].type.shape == (3,)


def test_equal_choices_merge_in_a_frozen_graph() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    graph = freeze([c, x], [sg.ifelse(c, x, x + 1), sg.ifelse(c, x, x + 1)])
    assert graph.outputs[0] is graph.outputs[1]
    found = [n for n in applies(graph.outputs) if isinstance(n.op, IfElse)]
    assert len(found) == 1


def test_wrong_calls_are_refused_with_the_variables() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    with pytest.raises(ShapeError, match=r"scalar[\s\S]*x : float64[\s\S]*any\(\)"):
        sg.ifelse(x, x, x)
    with pytest.raises(DtypeError, match=r"float64 and float32[\s\S]*test_ifelse.py"):
        sg.ifelse(c, x, T.fvector("y"))
    with pytest.raises(ShapeError, match="ranks 1 and 2"):
        sg.ifelse(c, x, T.dmatrix("m"))
    with pytest.raises(ArgumentError, match="1 and 2 values"):
        sg.ifelse(c, [x], [x, x])
    with pytest.raises(ArgumentError, match="empty"):
        sg.ifelse(c, [], [])


@pytest.mark.parametrize("k", [1, -2, 3])
def test_a_variable_index_in_a_branch_is_the_one_of_the_call(k: int) -> None:
    x, c, i = T.dmatrix("x"), T.dscalar("c"), T.lscalar("i")
    data = np.arange(15.0).reshape(5, 3)
    outputs = [
        sg.ifelse(T.gt(c, 0), x[i], x[0]),
        sg.ifelse(T.gt(c, 0), x[i:].sum(), x.sum()),
        sg.ifelse(T.gt(c, 0), T.set_subtensor(x[i], 0.0), x),
    ]
    f = sg.function([x, c, i], outputs)
    g = sg.function([x, c, i], outputs, mode="FAST_COMPILE")
    for sign in (1.0, -1.0):
        for a, b in zip(f(data, sign, k), g(data, sign, k), strict=True):
            np.testing.assert_array_equal(a, b)


def test_indices_of_a_branch_are_looked_at_when_it_is_entered() -> None:
    x, k = T.dmatrix("x"), T.lscalar("k")
    total = sg.shared(0.0, "total")
    safe = T.lt(k, x.shape[0])
    outputs = [
        sg.ifelse(safe, x[k].sum(), T.constant(-1.0)),
        sg.ifelse(T.gt(x.shape[0], 0), x.max(axis=0), T.zeros((2,), "float64")),
        sg.ifelse(safe, T.constant(2.0), sg.ifelse(T.gt(k, 8), x[k, 0], x[0, 0])),
    ]
    f, g = (
        sg.function([x, k], outputs, updates=[(total, total + outputs[0])], mode=mode)
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    data = np.arange(6.0).reshape(3, 2)
    for extent, number in ((3, 1), (3, 5), (1, 3), (3, 0)):
        pairs = zip(f(data[:extent], number), g(data[:extent], number), strict=True)
        for a, b in pairs:
            np.testing.assert_array_equal(a, b)
    before = total.get_value()
    for h in (f, g):
        with pytest.raises(IndexRangeError, match="lies outside axis 0"):
            h(data, 9)
        with pytest.raises(IndexRangeError):
            h(data[:0], 0)
    assert total.get_value() == before


def test_indices_of_a_branch_in_a_step_are_looked_at_when_it_is_entered() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    picked = sg.scan(
        lambda i: sg.ifelse(T.lt(i, x.shape[0]), x[i], T.constant(0.0)), T.arange(n)
    )[0]
    f = sg.function([x, n], picked)
    assert f(np.array([3.0, 4.0]), 4).tolist() == [3, 4, 0, 0]
    assert f(np.array([]), 2).tolist() == [0, 0]
    late = sg.scan(lambda i: sg.ifelse(T.lt(i, 2), x[i], T.constant(0.0)), T.arange(n))[
        0
    ]
    f = sg.function([x, n], late)
    with pytest.raises(IndexRangeError):
        f(np.array([3.0]), 2)
    assert f(np.array([3.0]), 1).tolist() == [3]


def test_sizes_that_nested_branches_are_given_are_known_where_they_are() -> None:
    x, b, m = T.dmatrix("x"), T.scalar("b", "bool"), T.dmatrix("m")
    value = sg.ifelse(b, T.tanh(x), sg.ifelse(b, x, x * 2)) - m
    f = sg.function([x, b, m], [value, sg.grad(value.sum(), x)])
    given = np.ones((3, 2))
    np.testing.assert_array_equal(f(given, False, given)[0], given)
    np.testing.assert_array_equal(f(given, False, given)[1], 2 * given)
    np.testing.assert_allclose(f(given, True, given)[1], 1 - np.tanh(given) ** 2)
    assert not any("bind" in line for line in str(f.kernels).splitlines())
