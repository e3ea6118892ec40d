"""`scan` in Theano's forms, against loops in NumPy, on the reference backend."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import (
    ArgumentError,
    DtypeError,
    MissingInputError,
    ShapeError,
    UpdateError,
)


def compiled(inputs: Any, outputs: Any, **options: Any) -> Any:
    """A function on the reference backend."""
    return sg.function(inputs, outputs, mode="FAST_COMPILE", **options)


def test_a_running_sum_gives_every_partial_sum() -> None:
    x = T.dvector("x")
    out, updates = sg.scan(lambda row, total: total + row, x, T.constant(0.0))
    assert updates == {}
    assert out.type.dtype == "float64"
    np.testing.assert_array_equal(compiled([x], out)([1, 2, 3]), [1, 3, 6])


def test_arguments_come_as_rows_then_outputs_then_non_sequences() -> None:
    seen = []

    def step(*args: Any) -> Any:
        seen.extend(v.name for v in args)
        return args[0] + args[2], args[1] * args[4]

    x, y, h, w = T.dvector("x"), T.dvector("y"), T.dscalar("h"), T.dscalar("w")
    info = [None, dict(initial=T.zeros((2,)), taps=[-2])]
    with pytest.raises(ArgumentError, match="2 rows of sequences"):
        sg.scan(lambda a: a, [x, y], h)
    outs, _ = sg.scan(step, [x, y], info, [h, w])
    assert seen == ["x[t]", "y[t]", "output 1[t-2]", "h", "w"]
    assert len(outs) == 2


def test_taps_of_sequences_shift_the_rows() -> None:
    x = T.dvector("x")
    out, _ = sg.scan(
        lambda before, now, after: before + 10 * now + 100 * after,
        dict(input=x, taps=[-1, 0, 1]),
    )
    np.testing.assert_array_equal(
        compiled([x], out)([1, 2, 3, 4]), [321, 432]
    )  # fmt: skip
    late, _ = sg.scan(lambda a, b: a - b, [dict(input=x, taps=[2]), x])
    np.testing.assert_array_equal(compiled([x], late)([1, 2, 4, 8]), [3, 6])


def test_taps_of_outputs_come_in_the_order_given() -> None:
    def fibonacci(one: Any, two: Any) -> Any:
        return two + 2 * one

    start = T.dvector("start")
    out, _ = sg.scan(
        fibonacci, outputs_info=dict(initial=start, taps=[-1, -3]), n_steps=4
    )
    rows = [1.0, 2.0, 3.0]
    for _ in range(4):
        rows.append(rows[-3] + 2 * rows[-1])
    np.testing.assert_array_equal(compiled([start], out)([1, 2, 3]), rows[3:])


def test_going_backwards_reads_the_last_row_first() -> None:
    x = T.dvector("x")
    out, _ = sg.scan(lambda a: 2 * a, x, go_backwards=True)
    np.testing.assert_array_equal(compiled([x], out)([1, 2, 3]), [6, 4, 2])
    two, _ = sg.scan(lambda a: 2 * a, x, go_backwards=True, n_steps=2)
    np.testing.assert_array_equal(compiled([x], two)([1, 2, 3]), [6, 4])


def test_the_shortest_sequence_tells_the_number_of_steps() -> None:
    x, y = T.dvectors("x", "y")
    out, _ = sg.scan(lambda a, b: a * b, [x, y])
    np.testing.assert_array_equal(compiled([x, y], out)([1, 2, 3], [4, 5]), [4, 10])


def test_a_symbolic_number_of_steps_may_be_zero_or_one() -> None:
    n, h = T.iscalar("n"), T.dvector("h")
    out, _ = sg.scan(lambda s: s * 2, outputs_info=h, n_steps=n)
    f = compiled([n, h], out)
    assert f(0, [1.0, 2.0]).shape == (0, 2)
    assert f(1, [1.0, 2.0]).tolist() == [[2.0, 4.0]]
    assert f(3, [1.0, 2.0])[-1].tolist() == [8.0, 16.0]


def test_no_steps_give_results_without_rows() -> None:
    x = T.dmatrix("x")
    out, _ = sg.map(lambda row: T.stack([row.sum(), row.max()]), x)
    assert compiled([x], out)(np.zeros((0, 3))).shape == (0, 2)


def test_a_condition_ends_the_loop_after_its_step() -> None:
    top = T.dscalar("top")
    out, _ = sg.scan(
        lambda a: (a * 2, sg.until(a * 2 > top)), outputs_info=1.0, n_steps=100
    )
    f = compiled([top], out)
    assert f(5.0).tolist() == [2.0, 4.0, 8.0]
    assert f(1.0).tolist() == [2.0]


def test_updates_of_the_step_advance_with_the_steps() -> None:
    c = sg.shared(1.0, "c")
    outs, updates = sg.scan(lambda: (c * 10, {c: c + 1}), n_steps=3)
    f = compiled([], outs, updates=updates)
    assert f().tolist() == [10.0, 20.0, 30.0]
    assert float(c.get_value()) == 4.0
    only, updates = sg.scan(lambda: [(c, c + 1)], n_steps=5)
    assert only is None
    compiled([], [], updates=updates)()
    assert float(c.get_value()) == 9.0


def test_a_step_may_say_that_it_updates_nothing() -> None:
    x = T.dvector("x")
    for nothing in ([], {}, None):
        outs, updates = sg.scan(lambda a, n=nothing: ([a, a * 2], n), x)
        assert len(outs) == 2
        assert updates == {}


def test_random_streams_give_fresh_numbers_at_each_step() -> None:
    stream = T.RandomStreams(3)
    out, updates = sg.scan(lambda: stream.uniform((2,)), n_steps=3)
    assert len(updates) == 1
    f = compiled([], out, updates=updates)
    numbers = np.concatenate([f(), f()])
    assert len(np.unique(numbers)) == 12
    again = T.RandomStreams(3).uniform((2,))
    alone = compiled([], again)
    np.testing.assert_array_equal(numbers, [alone() for _ in range(6)])


def test_shared_variables_are_captured_and_strict_refuses_them() -> None:
    w = sg.shared(np.eye(2) * 3, "w")
    out, _ = sg.scan(lambda h: T.dot(h, w.T), outputs_info=T.ones((2,)), n_steps=2)
    assert compiled([], out)().tolist() == [[3.0, 3.0], [9.0, 9.0]]
    with pytest.raises(MissingInputError, match=r"w : float64 .*\n.*non_sequences"):
        sg.scan(
            lambda h: T.dot(h, w), outputs_info=T.ones((2,)), n_steps=2, strict=True
        )
    sg.scan(
        lambda h, _: T.dot(h, w), None, T.ones((2,)), w, n_steps=2, strict=True
    )  # fmt: skip


def test_a_list_comes_back_where_it_was_asked_for() -> None:
    x = T.dvector("x")
    assert isinstance(sg.scan(lambda a: a, x)[0], sg.Variable)
    assert isinstance(sg.scan(lambda a: [a], x)[0], sg.Variable)
    assert len(sg.scan(lambda a: a, x, return_list=True)[0]) == 1
    assert len(sg.scan(lambda a: [a, a + 1], x)[0]) == 2


def test_loops_stand_inside_loops() -> None:
    x = T.dmatrix("x")

    def row_sum(row: Any) -> Any:
        return sg.scan(lambda a, s: s + a, row, 0.0)[0][-1]

    out, _ = sg.scan(row_sum, x)
    np.testing.assert_array_equal(compiled([x], out)([[1, 2], [3, 4]]), [3, 7])


def test_folds_give_the_last_row() -> None:
    x = T.dvector("x")
    minus = lambda a, s: a - s  # noqa: E731
    left, right = sg.foldl(minus, x, 0.0)[0], sg.foldr(minus, x, 0.0)[0]
    pair, _ = sg.reduce(lambda a, s, p: [s + a, p * a], x, [0.0, 1.0])
    f = compiled([x], [left, right, *pair])
    assert [float(v) for v in f([1, 2, 4])] == [3.0, 3.0, 7.0, 8.0]


def test_a_step_that_changes_dtype_rank_or_shape_is_refused() -> None:
    h = T.fvector("h")
    with pytest.raises(DtypeError, match=r"h\[t-1\].*float32.*float64"):
        sg.scan(lambda s: s * np.float64(2.0) * T.dscalar("d"), None, h, n_steps=2)
    with pytest.raises(ShapeError, match=r"rank 1.*gives rank 0"):
        sg.scan(lambda s: s.sum(), None, h, n_steps=2)
    known = T.fvector("k", shape=(3,))
    with pytest.raises(ShapeError, match=r"extent 3, but the step gives 6"):
        sg.scan(lambda s: T.concatenate([s, s]), None, known, n_steps=2)
    out, _ = sg.scan(lambda s: T.concatenate([s, s]), None, h, n_steps=2)
    with pytest.raises(ShapeError, match=r"step 0 gives shape \(6,\)"):
        compiled([h], out)(np.zeros(3, "float32"))


def test_extents_of_values_inside_are_told_by_what_is_outside() -> None:
    h, w = T.dmatrix("h"), T.dmatrix("w")
    rng = T.RandomStreams(3)

    def step(before: Any) -> Any:
        mean = T.dot(before, w)
        return mean + rng.binomial(size=mean.shape, p=0.5, dtype="float64")

    out, updates = sg.scan(step, outputs_info=[h], n_steps=4)
    call = compiled([h, w], out, updates=updates)
    found = call(np.zeros((3, 2)), np.zeros((2, 2)))
    assert found.shape == (4, 3, 2)
    assert set(np.unique(found)) == {0, 1}


def test_results_whose_shape_depends_on_the_step_are_refused() -> None:
    with pytest.raises(ShapeError, match="depends on values of the step"):
        sg.scan(lambda i: T.zeros((i,)), T.arange(4))


def test_a_state_of_extent_1_may_grow_while_it_is_unknown() -> None:
    x = T.dmatrix("x")
    out, _ = sg.scan(lambda r, h: h * 0.5 + r, x, T.zeros((1,)))
    assert compiled([x], out)(np.ones((2, 1))).tolist() == [[1.0], [1.5]]
    with pytest.raises(ShapeError, match="gives shape"):
        compiled([x], out)(np.ones((2, 3)))


def test_mistakes_in_the_arguments_are_named() -> None:
    x, y = T.dvector("x", shape=(3,)), T.dvector("y")
    with pytest.raises(ShapeError, match="n_steps=5, but a sequence allows 3"):
        sg.scan(lambda a: a, x, n_steps=5)
    with pytest.raises(ShapeError, match="5 steps, but a sequence has 2 rows"):
        compiled([y], sg.scan(lambda a: a, y, n_steps=5)[0])([1, 2])
    with pytest.raises(ArgumentError, match="Pass n_steps"):
        sg.scan(lambda: T.constant(1.0))
    with pytest.raises(ArgumentError, match="an entry for each output"):
        sg.scan(lambda a, s: [a, s], x, 0.0)
    with pytest.raises(ArgumentError, match="negative taps"):
        sg.scan(lambda a: a, None, dict(initial=x, taps=[1]), n_steps=2)
    with pytest.raises(ShapeError, match="4 rows"):
        sg.scan(lambda a: a, None, dict(initial=x, taps=[-4]), n_steps=2)
    with pytest.raises(ShapeError, match="an axis to go along"):
        sg.scan(lambda a: a, T.dscalar("s"))
    with pytest.raises(UpdateError, match="not shared"):
        sg.scan(lambda a: (a, {x: x + 1}), x)
    with pytest.raises(ArgumentError, match="'input'"):
        sg.scan(lambda a: a, dict(taps=[0]))
