"""Loops and branches as native steps: values, addresses, memory, failures."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import IndexRangeError, ShapeError
from symgraph.lower.steps import Branch, Loop, walk

RANDOM = np.random.default_rng(3)


def both(inputs: list[Any], outputs: Any, *values: Any) -> None:
    """The compiled function gives what the reference gives."""
    fast = sg.function(inputs, outputs)
    slow = sg.function(inputs, outputs, mode="FAST_COMPILE")
    found, wanted = fast(*values), slow(*values)
    if not isinstance(found, list):
        found, wanted = [found], [wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_a_recurrence_runs_as_a_loop_of_the_program() -> None:
    x, h, w = T.dmatrix("x"), T.dvector("h"), T.dmatrix("w")
    out, _ = sg.scan(lambda a, b, w: T.tanh(a + T.dot(b, w)), x, h, non_sequences=w)
    f = sg.function([x, h, w], out)
    assert any(isinstance(step, Loop) for step in f.program.steps)
    args = RANDOM.normal(size=(6, 3)), RANDOM.normal(size=3), RANDOM.normal(size=(3, 3))
    both([x, h, w], [out, out[-1], out[::2]], *args)
    assert f(args[0][:0], *args[1:]).shape == (0, 3)


@pytest.mark.parametrize("taps", [(-1,), (-2, -1), (-3, -1), (-4,)])
@pytest.mark.parametrize("last", [False, True])
def test_states_with_taps_in_full_and_as_rings(
    taps: tuple[int, ...], last: bool
) -> None:
    start, n = T.dmatrix("start"), T.lscalar("n")
    out, _ = sg.scan(
        lambda *rows: sum(rows) * 0.5 + 1,
        outputs_info={"initial": start, "taps": list(taps)},
        n_steps=n,
    )
    depth = -min(taps)
    for count in (1, 2, 5):
        both(
            [start, n], out[-1] if last else out, RANDOM.normal(size=(depth, 2)), count
        )


def test_sequences_are_read_where_they_lie_backwards_and_transposed() -> None:
    x = T.dmatrix("x")
    for sequence in (x[::-1], x.T, x[1:], x[::2], x.T[::-1], x * 2):
        out, _ = sg.scan(lambda a: a.sum() + a, sequence)
        both([x], out, RANDOM.normal(size=(4, 4)))


def test_loops_go_backwards_and_their_gradients_read_what_was_stored() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    for back in (False, True):
        out, _ = sg.scan(
            lambda a, h, w: T.tanh(a + T.dot(h, w)),
            x,
            T.zeros_like(x[0]),
            non_sequences=w,
            go_backwards=back,
        )
        cost = (out**2).sum() + out[-1].sum()
        args = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(3, 3))
        both([x, w], [cost, *sg.grad(cost, [x, w])], *args)


def test_until_ends_the_loop_and_tells_how_far_it_came() -> None:
    limit = T.dscalar("limit")
    out, _ = sg.scan(
        lambda v: (v * 2, sg.until(v * 2 > limit)),
        outputs_info=T.constant(1.0),
        n_steps=50,
    )
    f = sg.function([limit], [out, out[-1], out.shape[0]])
    for value, count in ((100.0, 7), (1.0, 1), (1e300, 50)):
        rows, final, steps = f(value)
        assert rows.shape == (count,)
        assert steps == count
        assert final == rows[-1] == 2.0**count


def test_an_index_outside_inside_a_loop_leaves_shared_values_alone() -> None:
    x, i = T.dvector("x"), T.lvector("i")
    kept = sg.shared(np.zeros(2), name="kept")
    out, _ = sg.scan(lambda k, x: x[k], i, non_sequences=x)
    f = sg.function([x, i], out, updates=[(kept, kept + 1)])
    np.testing.assert_array_equal(f([1.0, 2.0], [1, 0, -1]), [2.0, 1.0, 2.0])
    with pytest.raises(IndexRangeError):
        f([1.0, 2.0], [0, 5])
    np.testing.assert_array_equal(kept.get_value(), [1.0, 1.0])


def test_slices_inside_a_loop_may_have_lengths_of_the_step() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    out, _ = sg.scan(lambda k, x: x[:k].sum() + x[k], T.arange(n), non_sequences=x)
    both([x, n], out, np.arange(1.0, 6.0), 5)


def test_loops_inside_loops() -> None:
    a = T.dmatrix("a")

    def row(r: Any) -> Any:
        inner, _ = sg.scan(lambda v, total: T.tanh(total) + v * v, r, T.constant(0.0))
        return inner[-1]

    out, _ = sg.scan(row, a)
    f = sg.function([a], out)
    assert sum(isinstance(s, Loop) for s in walk(f.program.steps)) == 2
    both([a], out, RANDOM.normal(size=(3, 4)))


def test_more_steps_than_a_sequence_has_are_refused() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    out, _ = sg.scan(lambda v: v * 2, x, n_steps=n)
    f = sg.function([x, n], out)
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0], 2), [2.0, 4.0])
    with pytest.raises(ShapeError, match="4 steps"):
        f([1.0, 2.0, 3.0], 4)


def test_only_one_branch_runs() -> None:
    c, a, i = T.dscalar("c"), T.dvector("a"), T.lscalar("i")
    out = T.ifelse(c > 0, T.exp(a)[i], a.sum())
    f = sg.function([c, a, i], out)
    assert any(isinstance(step, Branch) for step in f.program.steps)
    assert f(-1.0, [1.0, 2.0], 1) == 3.0
    assert f(1.0, [0.0, 0.0], 1) == 1.0


def test_native_loops_run_loops() -> None:
    total = sg.shared(0.0, name="total")
    x = T.dvector("x")
    out, _ = sg.scan(lambda v, s: s + v, x, T.constant(0.0))
    f = sg.function([x], out[-1], updates=[(total, total + out[-1])])
    np.testing.assert_array_equal(f.repeat(3, [1.0, 2.0]), [3.0, 3.0, 3.0])
    assert total.get_value() == 9.0
    np.testing.assert_array_equal(
        f.epoch([1.0, 2.0, 3.0, 4.0, 5.0], batch_size=2), [3.0, 7.0, 5.0]
    )


def test_a_cached_loop_is_the_same_loop() -> None:
    x = T.dvector("x")
    out, _ = sg.scan(lambda v, s: s * 0.5 + v, x, T.constant(0.25))
    first = sg.function([x], out)
    second = sg.function([x], out)
    assert second.timings.cached
    np.testing.assert_array_equal(first([1.0, 2.0]), second([1.0, 2.0]))


def test_extents_of_rows_told_by_values_of_the_step_alone() -> None:
    """The gradient of a row's columns is put into zeros, whose extents it takes."""
    x, h = T.dmatrix("x"), T.dmatrix("h")
    w = T.constant(RANDOM.normal(size=(2, 4)))

    def step(row: Any, state: Any) -> Any:
        sums = row + T.dot(state, w)
        return T.tanh(sums[:, :2]) * sums[:, 2:]

    out, _ = sg.scan(step, T.dot(x, T.dot(h, w))[None], h)
    both([x, h], sg.grad(out.sum(), [x, h]), np.ones((3, 3)), np.ones((3, 2)))


def test_what_changes_gradients_only_is_nothing_in_a_loop() -> None:
    x = T.dvector("x")
    kinds = (
        sg.gradient.zero_grad,
        sg.gradient.disconnected_grad,
        lambda v: sg.gradient.grad_clip(v, -1, 1),
    )
    for kind in kinds:
        out, _ = sg.scan(lambda a, b, kind=kind: a + kind(T.tanh(b)), x, x[0])
        both([x], [out, sg.grad(out.sum(), x)], RANDOM.normal(size=4))


def test_a_reshaped_slice_is_read_where_it_lies() -> None:
    x, w = T.dtensor3("x"), T.dmatrix("w")
    args = RANDOM.normal(size=(5, 3, 4)), RANDOM.normal(size=(4, 2))
    for part in (x[1:], x[:-1], x[2], x[::2], x[:, 1:], x[::-1]):
        rows = part.reshape((-1, 4))
        both([x, w], [T.dot(rows, w), T.exp(rows).sum(axis=1), rows.T], *args)
    f = sg.function([x, w], T.dot(x[1:].reshape((-1, 4)), w))
    assert len(f.program.steps) == 1


def test_a_number_of_steps_below_zero_is_refused_in_a_call() -> None:
    x, n, v = T.dmatrix("x"), T.lscalar("n"), T.dvector("v")
    total = sg.scan(lambda a, s: s + a, x, T.zeros((3,), "float64"), n_steps=n)[0]
    f = sg.function([x, n], total)
    assert f(np.ones((4, 3)), 0).shape == (0, 3)
    with pytest.raises(ShapeError, match="number of steps is -3, below 0"):
        f(np.ones((4, 3)), -3)
    taps = sg.scan(lambda a, b: a * b, [{"input": v, "taps": [-1, 2]}])[0]
    g = sg.function([v], taps)
    assert g(np.arange(4.0)).tolist() == [0]
    with pytest.raises(ShapeError, match="below 0"):
        g(np.arange(2.0))
