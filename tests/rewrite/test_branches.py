"""What one branch alone needs is moved into it; then only the chosen branch runs."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import Graph, freeze, verify
from symgraph.core.node import Apply, Op, Shape, Variable
from symgraph.core.traverse import applies
from symgraph.core.types import TensorType
from symgraph.loops.ifelse import IfElse
from symgraph.rewrite.branches import JOINED, NAME
from symgraph.rewrite.pipeline import optimize

CALLS: list[str] = []


class Counted(Op):
    """out = 2 * x; calls are written down under a label."""

    label: str

    name = "counted_for_tests"
    host: ClassVar[bool] = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        return (inputs[0].type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        return (shapes[0],)

    def grad(self, inputs: Any, outputs: Any, gradients: Any) -> Any:
        (g,) = gradients
        return (Counted(f"d{self.label}")(g),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        CALLS.append(self.label)
        return (2 * arrays[0],)


def optimized(
    inputs: list[Variable], outputs: list[Variable]
) -> tuple[Graph, set[str]]:
    result = optimize(freeze(inputs, outputs), assume_equal=True)
    verify(result.graph)
    return result.graph, {firing.rule for firing in result.firings}


def choices(graph: Graph) -> list[Apply]:
    return [node for node in applies(graph.roots) if isinstance(node.op, IfElse)]


def run(graph: Graph, *values: Any) -> tuple[list[Any], list[str]]:
    CALLS.clear()
    arrays = evaluate(graph.outputs, dict(zip(graph.inputs, values, strict=True)))
    return [a.tolist() for a in arrays], sorted(CALLS)


c, d = T.dscalars("c", "d")
x, y = T.dvectors("x", "y")
A, B, C = Counted("a"), Counted("b"), Counted("c")


def test_only_the_chosen_branch_is_evaluated() -> None:
    graph, fired = optimized([c, x, y], [sg.ifelse(c > 0, A(x), B(T.exp(y)))])
    assert fired == {NAME}
    assert run(graph, 1.0, [3.0], [0.0]) == ([[6.0]], ["a"])
    assert run(graph, -1.0, [3.0], [0.0]) == ([[2.0]], ["b"])


def test_what_both_branches_or_others_need_is_evaluated_once() -> None:
    shared = C(x)
    graph, _ = optimized([c, x], [sg.ifelse(c > 0, A(shared), B(shared))])
    assert run(graph, 1.0, [3.0]) == ([[12.0]], ["a", "c"])
    graph, _ = optimized([c, x], [sg.ifelse(c > 0, A(shared), x), shared + 1])
    assert run(graph, -1.0, [3.0]) == ([[3.0], [7.0]], ["c"])


def test_nested_choices_evaluate_one_way_only() -> None:
    inner = sg.ifelse(d > 0, A(x), B(x))
    graph, _ = optimized([c, d, x], [sg.ifelse(c > 0, inner, C(x))])
    (outer,) = choices(graph)
    assert outer.op.then.outputs[0].owner.op.name == "ifelse"  # type: ignore
    assert run(graph, 1.0, 1.0, [1.0])[1] == ["a"]
    assert run(graph, 1.0, -1.0, [1.0])[1] == ["b"]
    assert run(graph, -1.0, 1.0, [1.0])[1] == ["c"]


def test_a_condition_of_one_branch_moves_with_it() -> None:
    inner = sg.ifelse(C(x).sum() > 0, A(x), B(x))
    graph, _ = optimized([c, x], [sg.ifelse(c > 0, inner, x)])
    assert run(graph, -1.0, [1.0])[1] == []
    assert run(graph, 1.0, [1.0])[1] == ["a", "c"]


def test_arithmetic_of_scalars_stays_outside_where_its_operands_are() -> None:
    n = x.shape[0] * 2 + 1
    graph, _ = optimized([c, x], [sg.ifelse(c > 0, A(T.zeros((n,))), B(x))])
    (choice,) = choices(graph)
    assert any(v.type.dtype == "int64" for v in choice.inputs)
    inside = {node.op.name for node in applies(choice.op.then.outputs)}  # type: ignore
    assert inside == {"broadcast_to", "counted_for_tests"}
    assert run(graph, 1.0, [1.0]) == ([[0.0, 0.0, 0.0]], ["a"])


def test_scalar_functions_of_the_user_are_not_evaluated_in_vain() -> None:
    slow = sg.elemwise_op(lambda a: a if a > 0 else -a)
    graph, _ = optimized([c, d], [sg.ifelse(c > 0, slow(d), d)])
    (choice,) = choices(graph)
    assert len(list(applies(choice.op.then.outputs))) == 1  # type: ignore


def test_choices_of_one_condition_become_one_and_share_their_branch() -> None:
    shared = A(x)
    first, second = sg.ifelse(c > 0, shared, y), sg.ifelse(c > 0, shared + 1, B(y))
    graph, fired = optimized([c, x, y], [first, second])
    assert fired == {NAME, JOINED}
    assert len(choices(graph)) == 1
    assert run(graph, 1.0, [1.0], [1.0]) == ([[2.0], [3.0]], ["a"])
    assert run(graph, -1.0, [1.0], [1.0]) == ([[1.0], [2.0]], ["b"])


def test_choices_that_read_one_another_stay_apart() -> None:
    first = sg.ifelse(c > 0, A(x), x)
    graph, _ = optimized([c, x], [sg.ifelse(c > 0, T.exp(first), first), first])
    assert len(choices(graph)) == 2
    assert run(graph, -1.0, [1.0]) == ([[1.0], [1.0]], [])
    both, calls = run(graph, 1.0, [0.5])
    np.testing.assert_allclose(both, [[np.e], [1.0]])
    assert calls == ["a"]


def test_joining_makes_no_circle_among_choices_of_two_conditions() -> None:
    a1, b2 = sg.ifelse(c > 0, x, y), sg.ifelse(d > 0, x, y)
    a2, b1 = sg.ifelse(d > 0, a1 * 2, y), sg.ifelse(c > 0, b2 * 3, y)
    graph, _ = optimized([c, d, x, y], [a1, a2, b1, b2])
    assert run(graph, 1.0, 1.0, [1.0], [5.0])[0] == [[1.0], [2.0], [3.0], [1.0]]
    assert run(graph, 1.0, -1.0, [1.0], [5.0])[0] == [[1.0], [5.0], [15.0], [5.0]]


@pytest.mark.parametrize(("value", "label"), [(1.0, "a"), (0.0, "b")])
def test_a_known_condition_leaves_one_branch(value: float, label: str) -> None:
    graph, _ = optimized([x], [sg.ifelse(T.constant(value), A(x), B(x))])
    assert choices(graph) == []
    assert run(graph, [1.0])[1] == [label]


def test_equal_branches_need_no_choice() -> None:
    graph, _ = optimized([c, x], [sg.ifelse(c > 0, A(x), A(x))])
    assert choices(graph) == []


def test_the_forward_part_stays_lazy_beside_its_gradient() -> None:
    cost = sg.ifelse(c > 0, A(x), B(x)).sum()
    graph, _ = optimized([c, x], [cost, sg.grad(cost, x)])
    values, calls = run(graph, 1.0, [1.0])
    assert values == [2.0, [2.0]]
    assert "b" not in calls


def test_a_graph_without_choices_is_left_alone() -> None:
    graph, fired = optimized([x], [T.exp(x)])
    assert fired == set()
    assert [n.op.name for n in graph.applies()] == ["elementwise"]


PADDED = {
    "ends": lambda w: T.pad(w, [(1, 0), (0, 1)]),
    "one side": lambda w: T.pad(w, [(2, 0), (0, 0)]),
    "edge": lambda w: T.pad(w, [(1, 1), (0, 1)], mode="edge"),
    "joined": lambda w: T.concatenate([w, w[:1]], axis=0),
    "set": lambda w: T.set_subtensor(T.zeros((4, 5))[1:3, 1:4], w),
    "tiled": lambda w: T.tile(w, (2, 1)),
}


@pytest.mark.parametrize("name", PADDED)
def test_promised_shapes_of_branches_are_expanded_once(name: str) -> None:
    """What a choice gives has a shape that its type does not tell."""
    w = sg.shared(np.arange(6.0).reshape(2, 3))
    p = PADDED[name](w)
    for chosen in (
        T.sqr(sg.ifelse(p.sum() > 0, p * 2, p)),
        sg.ifelse(p.sum() > 0, p, -p),
    ):
        graph = freeze([], [sg.grad(T.sqr(chosen).sum(), w)])
        result = optimize(graph, assume_equal=True)
        values = {v: w.get_value() for v in graph.leaves() if v.type == w.type}
        (wanted,), (found,) = (
            evaluate(g.outputs, values) for g in (graph, result.graph)
        )
        np.testing.assert_allclose(found, wanted)
