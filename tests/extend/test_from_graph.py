"""`OpFromGraph`: inlining, shared variables, overridden derivatives, errors."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.core.inner import Inner
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    DtypeError,
    GradientError,
    GraphError,
    MissingInputError,
    ShapeError,
)
from symgraph.gradient import DisconnectedType, NullType
from symgraph.ops.shape import extent_key, inferred_extents

x, y = T.dvectors("x", "y")
a, b = T.dvectors("a", "b")
A, B = np.array([1.0, 2.0]), np.array([3.0, 4.0])


def value(outputs: Any, mode: str = "FAST_COMPILE") -> Any:
    f = sg.function([a, b], outputs, mode=mode, on_unused_input="ignore")
    found = f(A, B)
    return [v.tolist() for v in found] if isinstance(found, list) else found.tolist()


def gradients(op: Any) -> Any:
    return value(sg.grad(op(a, b).sum(), [a, b]))


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_value_and_gradients_are_those_of_the_expression(mode: str) -> None:
    w = sg.shared(2.0, "w")
    op = sg.OpFromGraph([x, y], [x * y * w + x, x - y], name="both")
    first, second = op(a, b)
    slopes = sg.grad((first * second).sum(), [a, b, w])
    direct = ((a * b * w + a) * (a - b)).sum()
    assert value([first, *slopes], mode) == value(
        [a * b * w + a, *sg.grad(direct, [a, b, w])], mode
    )
    w.set_value(3.0)
    assert value(first, mode) == (A * B * 3 + A).tolist()


def test_in_the_users_graph_it_is_a_node_and_in_a_frozen_one_it_is_not() -> None:
    op = sg.OpFromGraph([x, y], [T.exp(x) * y], name="product")
    out = op(a, b)
    assert out.owner.op is op
    assert out.owner.inputs == (a, b)
    assert sg.printing.pprint(out) == "product(a, b)"
    frozen = freeze([a, b], [out, T.exp(a) * b])
    assert frozen.outputs[0] is frozen.outputs[1]


def test_ops_of_ops_and_ops_in_branches_and_loops_are_written_out() -> None:
    inner = sg.OpFromGraph([x], [x * 2], name="inner")
    outer = sg.OpFromGraph([x, y], [inner(x) + inner(y)], name="outer")
    assert {n.op.name for n in freeze([a, b], [outer(a, b)]).applies()} == {
        "elementwise"
    }
    chosen = sg.ifelse(a.sum() > 0, outer(a, b), a)
    assert value(chosen) == (2 * A + 2 * B).tolist()
    graph = freeze([a, b], [chosen])
    (choice,) = (n.op for n in graph.applies() if n.op.name == "ifelse")
    assert isinstance(choice.then, Inner)
    rows, _ = sg.scan(lambda v: inner(v[None])[0], sequences=[a])
    assert value(rows) == (2 * A).tolist()


def test_extents_and_known_shapes() -> None:
    op = sg.OpFromGraph([x, y], [T.concatenate([x, y])])
    known = T.tensor("float64", (3,))
    (extent,) = inferred_extents(op(a, known))
    (wanted,) = inferred_extents(T.concatenate([a, known]))
    assert extent_key(extent) == extent_key(wanted)
    fixed = sg.OpFromGraph([known], [known * 2])
    assert fixed(a).type.shape == (3,)


def test_numbers_become_inputs_of_the_right_dtype() -> None:
    n = T.fscalar("n")
    assert sg.OpFromGraph([n], [n * 2])(3).type.dtype == "float32"


def test_each_form_of_override() -> None:
    def half(inputs: list[Any], gs: list[Any]) -> Any:
        return gs[0] * 0.5

    op = sg.OpFromGraph([x, y], [x * y], grad_overrides=["default", half])
    assert gradients(op) == [B.tolist(), [0.5, 0.5]]
    op = sg.OpFromGraph([x, y], [x * y], grad_overrides=[None, half])
    assert gradients(op) == [B.tolist(), [0.5, 0.5]]
    op = sg.OpFromGraph(
        [x, y], [x * y], lop_overrides=lambda i, o, g: [o[0], i[0] * g[0]]
    )
    assert gradients(op) == [(A * B).tolist(), A.tolist()]
    o, g = T.dvectors("o", "g")
    pulled = sg.OpFromGraph([x, y, o, g], [g * 7, g * 8])
    op = sg.OpFromGraph([x, y], [x * y], lop_overrides=pulled)
    assert gradients(op) == [[7, 7], [8, 8]]


def test_overrides_of_gradients_have_derivatives_themselves() -> None:
    op = sg.OpFromGraph(
        [x], [x**2], grad_overrides=lambda inputs, gs: [inputs[0] ** 3 * gs[0]]
    )
    slope = sg.grad(op(a).sum(), a)
    assert value(sg.grad(slope.sum(), a)) == (3 * A**2).tolist()


def test_shared_variables_keep_their_gradient_beside_an_override() -> None:
    w = sg.shared(2.0, "w")
    for rules in (lambda i, g: [g[0] * 5], [lambda i, g: g[0] * 5]):
        op = sg.OpFromGraph([x], [x * w], grad_overrides=rules)
        assert value(sg.grad(op(a).sum(), [a, w])) == [[5, 5], 3.0]


def test_marks_of_disconnected_and_undefined_gradients() -> None:
    op = sg.OpFromGraph(
        [x, y], [x * y], grad_overrides=[DisconnectedType()(), NullType("my reason")()]
    )
    with pytest.raises(DisconnectedInputError):
        sg.grad(op(a, b).sum(), a)
    with pytest.raises(GradientError, match="my reason"):
        sg.grad(op(a, b).sum(), b)
    op = sg.OpFromGraph([x, y], [x * y], lop_overrides=NullType("all of it")())
    with pytest.raises(GradientError, match="all of it"):
        sg.grad(op(a, b).sum(), a)


def test_rop_uses_its_override() -> None:
    op = sg.OpFromGraph([x], [x**2], rop_overrides=lambda i, e: [e[0] * 100 + i[0]])
    assert value(sg.Rop(op(a), a, b)) == (100 * B + A).tolist()
    op = sg.OpFromGraph(
        [x], [x**2, x], rop_overrides=["default", lambda i, e: e[0] * 7]
    )
    assert value(sg.Rop(op(a), a, b)) == [(2 * A * B).tolist(), (7 * B).tolist()]
    plain = sg.OpFromGraph([x], [x**2])
    assert value(sg.Rop(plain(a), a, b)) == (2 * A * B).tolist()


def test_gradients_replaced_on_the_instance_or_in_a_subclass() -> None:
    def guided(inputs: Any, gs: Any) -> Any:
        return (gs[0] * (inputs[0] > 0) * (gs[0] > 0),)

    class Guided(sg.OpFromGraph):
        def grad(self, inputs: Any, output_gradients: Any) -> Any:
            return guided(inputs, output_gradients)

    changed = sg.OpFromGraph([x], [T.nnet.relu(x)])
    changed.grad = guided  # type: ignore[method-assign]
    for op in (changed, Guided([x], [T.nnet.relu(x)])):
        dx = sg.grad((op(a - 1.5) * (b - 3.5)).sum(), a)
        assert value(dx) == [0.0, 0.5]


def test_connection_pattern_cuts_the_flow() -> None:
    op = sg.OpFromGraph([x, y], [x * y], connection_pattern=[[True], [False]])
    with pytest.raises(DisconnectedInputError):
        sg.grad(op(a, b).sum(), b)


def test_wrong_definitions_and_calls_are_refused() -> None:
    with pytest.raises(MissingInputError, match=r"no inputs[\s\S]*y : float64"):
        sg.OpFromGraph([x], [x * y])
    with pytest.raises(GraphError, match="without an owner"):
        sg.OpFromGraph([x * 2], [x])
    with pytest.raises(ArgumentError, match="outputs must be a list"):
        sg.OpFromGraph([x], x * 2)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="not both"):
        sg.OpFromGraph([x], [x], lop_overrides=[None, abs], grad_overrides=abs)
    with pytest.raises(ArgumentError, match="grad_overrides has 2 entries, expected 1"):
        sg.OpFromGraph([x], [x], grad_overrides=[None, None])
    with pytest.raises(ArgumentError, match="unknown arguments"):
        sg.OpFromGraph([x], [x], grads=1)
    op = sg.OpFromGraph([x], [x * 2])
    with pytest.raises(ArgumentError, match="takes 1 inputs, 2"):
        op(a, b)
    with pytest.raises(DtypeError, match="input 0 has dtype float32"):
        op(T.fvector())
    with pytest.raises(ShapeError, match="input 0 has type"):
        op(T.dmatrix())
    wrong = sg.OpFromGraph([x], [x * 2], grad_overrides=lambda i, g: [g[0], g[0]])
    with pytest.raises(GradientError, match="2 gradients for 1 inputs"):
        sg.grad(wrong(a).sum(), a)
    with pytest.raises(ArgumentError, match="override 3"):
        sg.grad(sg.OpFromGraph([x], [x], grad_overrides=[3])(a).sum(), a)
