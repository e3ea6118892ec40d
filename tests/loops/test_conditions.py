"""What only a branch requires: sizes and indices count where it is entered."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.errors import IndexRangeError, ShapeError
from symgraph.loops.conditions import always, conditions_of, unsafe
from symgraph.lower.steps import Branch, Demand, HostCall, walk

MODES = ("FAST_COMPILE", "FAST_RUN")
X3, X4 = np.array([1.0, 2.0, 3.0]), np.ones(4)
c, d = T.dscalars("c", "d")
x, y = T.dvectors("x", "y")
A, B = T.dmatrices("A", "B")

#: expressions whose operands may not fit
MEETING: dict[str, Callable[[], Any]] = {
    "add": lambda: (x + y).sum(),
    "dot": lambda: T.dot(x, y),
    "where": lambda: T.switch(x > 1, y, x).sum(),
    "set": lambda: T.set_subtensor(x[:], y).sum(),
    "stack": lambda: T.stack([x, y]).sum(),
    "reshape": lambda: x.reshape((y.shape[0],)).sum(),
    "mask": lambda: x[y > 0].sum(),
    "scan": lambda: sg.scan(lambda a, b: a * b, [x, y], n_steps=y.shape[0])[0].sum(),
    "cancelled": lambda: (x + y - y).sum(),
}


def test_paths_of_nodes() -> None:
    deep, both = T.exp(x), T.log(y)
    inner = sg.ifelse(d > 0, deep * both, both)
    out = sg.ifelse(c > 0, inner, both)
    graph = freeze([c, d, x, y], [out])
    paths = conditions_of(graph.roots)
    lengths = {str(node.outputs[0].owner.op): len(p) for node, p in paths.items()}
    by_name = {getattr(node.op, "scalar", node.op.name): len(path)
               for node, path in paths.items()}  # fmt: skip
    assert lengths["ifelse"] in (0, 1)
    assert by_name["exp"] == by_name["mul"] == 2
    assert by_name["log"] == 0
    found = {getattr(node.op, "scalar", node.op.name) for node in unsafe(paths)}
    assert found == {"mul", "ifelse"}
    assert len(always(graph.roots)) < len(paths)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MEETING)
def test_operands_that_do_not_fit_are_refused_in_their_branch_alone(
    name: str, mode: str
) -> None:
    f = sg.function([c, x, y], sg.ifelse(c > 0, MEETING[name](), x.sum()), mode=mode)
    assert f(-1.0, X3, X4) == 6.0
    f(1.0, X3, X3)
    with pytest.raises(ShapeError):
        f(1.0, X3, X4)
    assert f(-1.0, X3, X4) == 6.0


@pytest.mark.parametrize("name", ["add", "dot", "where", "cancelled"])
def test_value_and_gradient_together(name: str) -> None:
    cost = sg.ifelse(c > 0, MEETING[name]() ** 2, x.sum()) ** 2
    outputs = [cost, sg.grad(cost, x)]
    f, g = (sg.function([c, x, y], outputs, mode=mode) for mode in MODES)
    for given in ((-1.0, X3, X4), (1.0, X3, X3), (-1.0, X3, X3)):
        for have, want in zip(f(*given), g(*given), strict=True):
            np.testing.assert_allclose(have, want, 1e-12)
    for h in (f, g):
        with pytest.raises(ShapeError):
            h(1.0, X3, X4)


def test_a_size_of_1_broadcasts_in_a_branch() -> None:
    cost = sg.ifelse(c > 0, (x * y).sum() ** 2, x.sum())
    outputs = [cost, *sg.grad(cost, [x, y])]
    f, g = (sg.function([c, x, y], outputs, mode=mode) for mode in MODES)
    for given in ((1.0, X3, [2.0]), (-1.0, X3, [2.0]), (1.0, [2.0], X4)):
        for have, want in zip(f(*given), g(*given), strict=True):
            np.testing.assert_allclose(have, want, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_condition_on_sizes_may_guard_them(mode: str) -> None:
    fits = T.eq(x.shape[0], y.shape[0])
    f = sg.function([x, y], sg.ifelse(fits, (x * y).sum(), T.constant(-1.0)), mode=mode)
    assert [float(f(X3, v)) for v in (X3, X4)] == [14.0, -1.0]


def test_sizes_that_a_branch_requires_are_not_taken_as_equal_outside() -> None:
    n = x.shape[0] + 0 * y.shape[0]
    outputs = [sg.ifelse(c > 0, (x + y).sum(), x.sum()), x.shape[0], y.shape[0], n,
               T.zeros((y.shape[0],)) + 1, x * 2]  # fmt: skip
    f = sg.function([c, x, y], outputs)
    found = f(-1.0, X3, X4)
    assert [int(v) for v in found[1:4]] == [3, 4, 3]
    assert (found[4].shape, found[5].shape) == ((4,), (3,))


def test_each_branch_requires_what_is_its_own() -> None:
    out = sg.ifelse(c > 0, T.dot(A, B).sum(), T.dot(B, A).sum())
    f = sg.function([c, A, B], out)
    one, other = np.ones((2, 3)), np.ones((3, 4))
    assert f(1.0, one, other) == 24.0
    assert f(-1.0, other, one) == 24.0
    with pytest.raises(ShapeError, match=r"inner extents: 4 and 2 differ[\s\S]*B :"):
        f(-1.0, one, other)


def test_branches_inside_branches_require_when_both_are_entered() -> None:
    inner = sg.ifelse(d > 0, (x * y).sum(), T.dot(x, x))
    cost = sg.ifelse(c > 0, inner, y.sum())
    f = sg.function([c, d, x, y], [cost, sg.grad(cost, x)])
    assert f(-1.0, 1.0, X3, X4)[0] == 4.0
    assert f(1.0, -1.0, X3, X4)[0] == 14.0
    with pytest.raises(ShapeError, match="3 and 4 differ"):
        f(1.0, 1.0, X3, X4)


@pytest.mark.parametrize("mode", MODES)
def test_a_branch_of_a_step_requires_when_the_step_enters_it(mode: str) -> None:
    def step(row: Any, total: Any) -> Any:
        return total + sg.ifelse(row.sum() > 0, T.dot(T.tanh(row), y), row.sum())

    cost = sg.scan(step, A, T.constant(0.0))[0][-1] ** 2
    f = sg.function([A, y], [cost, sg.grad(cost, A)], mode=mode)
    low = -np.ones((2, 3))
    assert f(low, X4)[0] == 36.0
    np.testing.assert_array_equal(f(low, X4)[1], np.full((2, 3), -12.0))
    with pytest.raises(ShapeError):
        f(np.array([[-1.0] * 3, [1.0] * 3]), X4)


@pytest.mark.parametrize("mode", MODES)
def test_what_a_step_does_not_choose_is_not_computed_before_the_loop(mode: str) -> None:
    out, _ = sg.scan(lambda v: sg.ifelse(v > 0, T.dot(A, B).sum() * v, v), x)
    f = sg.function([x, A, B], out, mode=mode)
    wide = np.ones((2, 3))
    assert f(-X3, wide, wide).tolist() == [-1, -2, -3]
    with pytest.raises(ShapeError):
        f(X3, wide, wide)


def test_updates_stay_as_they_are_where_a_branch_is_refused() -> None:
    w, count = sg.shared(np.ones(3), "w"), sg.shared(0, "count")
    new = sg.ifelse(c > 0, w + y, w * 2)
    f = sg.function([c, y], [], updates=[(w, new), (count, count + 1)])
    f(-1.0, X4)
    with pytest.raises(ShapeError):
        f(1.0, X4)
    assert (w.get_value().tolist(), int(count.get_value())) == ([2, 2, 2], 1)
    f(1.0, X3)
    assert w.get_value().tolist() == [3, 4, 5]


def test_the_last_row_of_no_steps_may_be_guarded() -> None:
    h, n = T.dvector("h"), T.lscalar("n")
    rows, _ = sg.scan(lambda s: s * 2, outputs_info=h, n_steps=n)
    f = sg.function([h, n], sg.ifelse(n > 0, rows[-1], h))
    assert [f([1.0], k).tolist() for k in range(3)] == [[1.0], [2.0], [4.0]]


def test_an_index_is_refused_in_its_branch_with_its_numbers() -> None:
    k = T.lscalar("k")
    f = sg.function([x, k], sg.ifelse(k < 9, x[k], x[0]))
    assert [float(f(X3, v)) for v in (1, 10)] == [2.0, 1.0]
    with pytest.raises(
        IndexRangeError, match="index 5 lies outside axis 0 of extent 3"
    ):
        f(X3, 5)


def test_entering_a_branch_asks_no_python() -> None:
    k = T.lscalar("k")
    out = sg.ifelse(k < 2, (x + y).sum() + x[k], x.sum())
    f = sg.function([x, y, k], out)
    steps = list(walk(f.program.steps))
    assert any(isinstance(step, Demand) for step in steps)
    assert any(isinstance(step, Branch) for step in steps)
    assert not any(isinstance(step, HostCall) for step in steps)


def test_computed_sizes_are_compared_in_their_branch() -> None:
    some = x[x > 0]
    f = sg.function([c, x, y], sg.ifelse(c > 0, T.dot(some, y), y.sum()))
    assert f(-1.0, X3, X4) == 4.0
    assert f(1.0, [1.0, -1.0, 2.0], [3.0, 4.0]) == 11.0
    with pytest.raises(ShapeError, match="3 and 4"):
        f(1.0, X3, X4)


def test_calls_in_a_row_and_native_loops_look_at_their_own_sizes() -> None:
    f = sg.function([c, x, y], sg.ifelse(c > 0, (x + y).sum(), x.sum()))
    for _ in range(3):
        assert f(-1.0, X3, X4) == 6.0
        assert f(1.0, X3, X3) == 12.0
    assert f.repeat(3, -1.0, X3, X4).tolist() == [6.0, 6.0, 6.0]
    with pytest.raises(ShapeError, match="3 and 4 differ"):
        f.repeat(3, 1.0, X3, X4)
