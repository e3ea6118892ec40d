"""Positions and sizes that are computed while a function runs, in loops and outside.

Each program is compared with a NumPy loop, and its gradient with differences; value and
gradient are asked for in one function, for both loops then run over the same step.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

X = np.array([3.0, 9.0, 1.0, 4.0])
M = np.arange(1.0, 17.0).reshape(4, 4) / 8


def differences(value: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """(value(x + h) - value(x - h)) / 2h for each element."""
    found = np.zeros_like(x)
    for k in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[k] = 1e-5 * max(1.0, abs(x[k]))
        found[k] = (value(x + step) - value(x - step)) / (2 * step[k])
    return found


def rows(step: Callable[..., Any], count: int, *states: Any) -> Any:
    """The values of a step, collected; with a state, the states."""
    found = []
    for t in range(count):
        if states:
            states = (step(t, *states),)
            found.append(states[0])
        else:
            found.append(step(t))
    return np.array(found)


def put(x: Any, key: Any, value: Any) -> Any:
    x = np.array(x)
    x[key] = value
    return x


def scanned(step: Any, count: int = 4, initial: Any = None, **options: Any) -> Any:
    outputs, _ = sg.scan(
        step, sequences=T.arange(count), outputs_info=initial, **options
    )
    return outputs


START = T.constant(1.0)
#: name → (symbolic program of a vector or matrix, NumPy's, where)
LOOPS: dict[str, tuple[Any, Any, np.ndarray]] = {
    "product of elements": (
        lambda x: scanned(lambda k, p: p * x[k], initial=START),
        lambda x: rows(lambda k, p: p * x[k], 4, 1.0), X),
    "backwards": (
        lambda x: scanned(lambda k, p: p * x[k] + 1, initial=START, go_backwards=True),
        lambda x: rows(lambda k, p: p * x[3 - k] + 1, 4, 1.0), X),
    "windows": (
        lambda x: scanned(lambda k: (x[k : k + 2] ** 2).sum(), 3),
        lambda x: rows(lambda k: (x[k : k + 2] ** 2).sum(), 3), X),
    "windows from the end": (
        lambda x: scanned(lambda k: (x[-k - 1 :] ** 2).sum(), 3),
        lambda x: rows(lambda k: (x[-k - 1 :] ** 2).sum(), 3), X),
    "windows with a step": (
        lambda x: scanned(lambda k: (x[k::2] ** 2).sum(), 3),
        lambda x: rows(lambda k: (x[k::2] ** 2).sum(), 3), X),
    "reversed windows": (
        lambda x: scanned(lambda k: (x[k::-1] * (k + 1.0)).sum(), 3),
        lambda x: rows(lambda k: (x[k::-1] * (k + 1.0)).sum(), 3), X),
    "diagonal": (
        lambda m: scanned(lambda t: m[t, t] ** 2),
        lambda m: rows(lambda t: m[t, t] ** 2, 4), M),
    "rows": (
        lambda m: scanned(lambda t, h: T.tanh(m[t] + h), initial=T.zeros((4,))),
        lambda m: rows(lambda t, h: np.tanh(m[t] + h), 4, np.zeros(4)), M),
    "columns": (
        lambda m: scanned(lambda t: m[:, t].sum() * m[t, 0]),
        lambda m: rows(lambda t: m[:, t].sum() * m[t, 0], 4), M),
    "corner": (
        lambda m: scanned(lambda t: (m[: t + 1, t:] ** 2).sum()),
        lambda m: rows(lambda t: (m[: t + 1, t:] ** 2).sum(), 4), M),
    "position of a maximum": (
        lambda m: scanned(lambda t: m[t, T.argmax(m[t] * m[0, t])] ** 2),
        lambda m: rows(lambda t: m[t, np.argmax(m[t] * m[0, t])] ** 2, 4), M),
    "window from a maximum": (
        lambda m: scanned(lambda t: (m[t, T.argmax(-m[t]) :] ** 2).sum()),
        lambda m: rows(lambda t: (m[t, np.argmax(-m[t]) :] ** 2).sum(), 4), M),
    "table of positions": (
        lambda m: scanned(
            lambda t, h: m[T.constant(np.array([3, 1, 3, 0]))[t]] * h,
            initial=T.ones((4,))),
        lambda m: rows(lambda t, h: m[[3, 1, 3, 0][t]] * h, 4, np.ones(4)), M),
    "written windows": (
        lambda x: scanned(lambda k: T.set_subtensor(T.zeros((5,))[k : k + 2], x[k])),
        lambda x: rows(lambda k: put(np.zeros(5), np.s_[k : k + 2], x[k]), 4), X),
    "added windows": (
        lambda x: scanned(lambda k: T.inc_subtensor(x[k:], x[k] ** 2)),
        lambda x: rows(lambda k: put(x, np.s_[k:], x[k:] + x[k] ** 2), 4), X),
    "written rows": (
        lambda m: scanned(lambda k: T.set_subtensor(T.zeros((4, 4))[k], m[k] ** 2)),
        lambda m: rows(lambda k: put(np.zeros((4, 4)), k, m[k] ** 2), 4), M),
    "written states": (
        lambda m: scanned(
            lambda k, b: T.set_subtensor(b[k], T.tanh(m[k] + b[0])),
            initial=T.zeros((4, 4))),
        lambda m: rows(lambda k, b: put(b, k, np.tanh(m[k] + b[0])), 4,
                       np.zeros((4, 4))), M),
    "cross-entropy": (
        lambda m: scanned(lambda t: -T.log(T.nnet.softmax(m[t])[(3 * t) % 4])),
        lambda m: rows(
            lambda t: -np.log(np.exp(m[t]) / np.exp(m[t]).sum())[(3 * t) % 4], 4), M),
    "two loops": (
        lambda x: scanned(lambda k: x[k] * 2) * scanned(lambda k: x[3 - k] ** 2),
        lambda x: rows(lambda k: x[k] * 2, 4) * rows(lambda k: x[3 - k] ** 2, 4), X),
    "loop in a loop": (
        lambda m: scanned(
            lambda t: sg.scan(lambda k: m[t, k] * m[k, t], sequences=T.arange(4))[0]),
        lambda m: rows(
            lambda t: rows(lambda k: m[t, k] * m[k, t], 4), 4), M),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_value_and_gradient_of_loops_in_one_function(name: str) -> None:
    symbolic, plain, x = LOOPS[name]
    v = T.TensorType("float64", (None,) * x.ndim)()
    weight = np.linspace(0.5, 1.5, plain(x).size).reshape(plain(x).shape)
    result = symbolic(v)
    f = sg.function([v], [result, sg.grad((result * weight).sum(), v)])
    for _ in range(2):
        value, gradient = f(x)
        np.testing.assert_allclose(value, plain(x), rtol=1e-9)
        want = differences(lambda x: float((plain(x) * weight).sum()), x)
        np.testing.assert_allclose(gradient, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["product of elements", "diagonal", "windows"])
def test_gradient_alone_and_second_derivatives(name: str) -> None:
    symbolic, plain, x = LOOPS[name]
    v = T.TensorType("float64", (None,) * x.ndim)()
    gradient = sg.grad(symbolic(v).sum(), v)
    second = sg.grad((gradient * gradient).sum(), v)
    f, g = sg.function([v], gradient), sg.function([v], [symbolic(v), gradient, second])
    np.testing.assert_allclose(
        f(x), differences(lambda x: float(plain(x).sum()), x), rtol=1e-6, atol=1e-6
    )
    want = differences(lambda x: float((f(x) ** 2).sum()), x)
    np.testing.assert_allclose(g(x)[2], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_assignments_at_steps_of_a_sequence_with_its_rows(rows: int) -> None:
    x = T.dvector()
    steps, _ = sg.scan(
        lambda i, v: T.set_subtensor(T.zeros((3, 3))[i : i + 1], v),
        sequences=[T.arange(x.shape[0]), x],
    )
    value, gradient = sg.function([x], [steps, sg.grad(steps.sum(), x)])(X[:rows])
    want = np.zeros((rows, 3, 3))
    for i in range(rows):
        want[i, i] = X[i]
    np.testing.assert_array_equal(value, want)
    np.testing.assert_array_equal(gradient, np.full(rows, 3.0))


def test_positions_given_as_sequence() -> None:
    K, P = T.ivector(), T.dmatrix()
    steps, _ = sg.scan(lambda k, p: -T.log(p[k]), sequences=[K, P])
    f = sg.function([K, P], [steps, sg.grad(steps.sum(), P)])
    p, k = M / 4, np.array([2, 0, 3, 1], "int32")
    value, gradient = f(k, p)
    want = np.zeros_like(p)
    want[range(4), k] = -1 / p[range(4), k]
    np.testing.assert_allclose(value, -np.log(p[range(4), k]))
    np.testing.assert_allclose(gradient, want)


def test_a_state_that_counts_is_an_index() -> None:
    x = T.dvector()
    (_, sums), _ = sg.scan(
        lambda i, v: [(i + 3) % 4, v + x[i] * x[i]],
        outputs_info=[T.constant(np.int64(0)), T.constant(0.0)],
        n_steps=3,
    )
    value, gradient = sg.function([x], [sums[-1], sg.grad(sums[-1], x)])(X)
    used = [0, 3, 2]
    np.testing.assert_allclose(value, (X[used] ** 2).sum())
    want = np.zeros(4)
    want[used] = 2 * X[used]
    np.testing.assert_allclose(gradient, want)


#: name → (symbolic, NumPy's) of a vector, positions computed outside of loops
WHOLE: dict[str, tuple[Any, Any]] = {
    "set from a maximum on": (
        lambda x: T.set_subtensor(x[T.argmax(x) :], 0.0),
        lambda x: put(x, np.s_[np.argmax(x) :], 0.0)),
    "set up to a minimum": (
        lambda x: T.set_subtensor(x[: T.argmin(x)], 5.0),
        lambda x: put(x, np.s_[: np.argmin(x)], 5.0)),
    "added backwards": (
        lambda x: T.inc_subtensor(x[T.argmax(x) :: -1], x[1]),
        lambda x: put(x, np.s_[np.argmax(x) :: -1], x[: np.argmax(x) + 1][::-1] + x[1])),
    "set in steps": (
        lambda x: T.set_subtensor(x[T.argmax(x) :: 2], 7.0),
        lambda x: put(x, np.s_[np.argmax(x) :: 2], 7.0)),
    "set to searchsorted": (
        lambda x: T.set_subtensor(x[: T.searchsorted(T.sort(x), 3.5)], -x[0]),
        lambda x: put(x, np.s_[: np.searchsorted(np.sort(x), 3.5)], -x[0])),
    "from the first nonzero": (
        lambda x: T.set_subtensor(x[T.nonzero(x > 3.5)[0][0] :], x[0] * x[1]),
        lambda x: put(x, np.s_[np.nonzero(x > 3.5)[0][0] :], x[0] * x[1])),
    "up to a cast sum": (
        lambda x: x[: T.cast((x > 2).sum(), "int32")] ** 2,
        lambda x: x[: int((x > 2).sum())] ** 2),
    "between two": (
        lambda x: x[T.argmin(x) - 2 : T.argmax(x) + 2] ** 2,
        lambda x: x[np.argmin(x) - 2 : np.argmax(x) + 2] ** 2),
    "square of a matrix": (
        lambda x: T.inc_subtensor(
            T.outer(x, x)[: T.argmax(x) + 1, : T.argmax(x) + 1], 1.0),
        lambda x: np.outer(x, x) + put(
            np.zeros((4, 4)), np.s_[: np.argmax(x) + 1, : np.argmax(x) + 1], 1.0)),
    "columns of rows": (
        lambda x: T.set_subtensor(T.outer(x, x)[T.argmin(x) :, 1:3], 0.0),
        lambda x: put(np.outer(x, x), np.s_[np.argmin(x) :, 1:3], 0.0)),
    "joined with unique": (
        lambda x: T.clip(T.concatenate([T.cosh(x / 4), T.unique(x)]), -1, 8),
        lambda x: np.clip(np.concatenate([np.cosh(x / 4), np.unique(x)]), -1, 8)),
    "joined with what a mask selects": (
        lambda x: T.sin(T.concatenate([T.sqr(x), x[(x > 2).nonzero()], x[::-1]])),
        lambda x: np.sin(np.concatenate([x**2, x[x > 2], x[::-1]]))),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_value_and_gradient_at_computed_positions(name: str) -> None:
    symbolic, plain = WHOLE[name]
    x = T.dvector()
    weight = np.linspace(0.5, 1.5, plain(X).size).reshape(plain(X).shape)
    result = symbolic(x)
    f = sg.function([x], [result, sg.grad((result * weight).sum(), x)])
    for _ in range(2):
        value, gradient = f(X)
        np.testing.assert_allclose(value, plain(X), rtol=1e-9)
        want = differences(lambda x: float((plain(x) * weight).sum()), X)
        np.testing.assert_allclose(gradient, want, rtol=1e-6, atol=1e-6)


def test_joined_parts_of_other_dtypes_wait_for_the_memory_of_the_whole() -> None:
    k, m = T.fvector(), T.dmatrix()
    e = T.clip(T.concatenate([T.cosh(k), T.unique(m)]), -1, 2)
    loss = (e * 0.3).sum() + 0.1 * T.sin(e).sum()
    f = sg.function([k, m], [e, sg.grad(loss, m)])
    ones, given = np.ones(9, "float32"), np.array([[0.3], [2.5], [-1.2]])
    value, gradient = f(ones, given)
    want = np.clip(np.concatenate([np.cosh(ones), np.unique(given)]), -1, 2)
    np.testing.assert_allclose(value, want)
    inside = (given > -1) & (given < 2)
    np.testing.assert_allclose(gradient, np.where(inside, 0.3 + 0.1 * np.cos(given), 0))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_a_loop_of_no_steps_reads_no_positions(mode: str) -> None:
    x = T.dvector()
    states, _ = sg.scan(
        lambda i, b: T.set_subtensor(b[i + 1], T.tanh(b[i]) + x[i] * x[i]),
        sequences=T.arange(x.shape[0]),
        outputs_info=T.zeros((x.shape[0] + 1,)),
    )
    f = sg.function([x], [states, sg.grad(T.sqr(states).sum(), x)], mode=mode)
    value, gradient = f(np.zeros(0))
    assert value.shape == (0, 1)
    assert gradient.shape == (0,)
    assert f(np.ones(2))[1].shape == (2,)


def test_a_part_of_one_row_broadcasts_in_a_step_and_in_its_gradient() -> None:
    x = T.dmatrix("x")
    rows, _ = sg.map(lambda r: r + r[:1] * 2, x)
    f = sg.function([x], [rows, sg.grad(T.sqr(rows).sum(), x)])
    for shape in ((2, 3), (3, 1), (1, 4)):
        given = np.linspace(-1, 1, shape[0] * shape[1]).reshape(shape)
        value, gradient = f(given)
        want = given + given[:, :1] * 2
        np.testing.assert_allclose(value, want)
        slope = 2 * want
        slope[:, 0] += 4 * want.sum(axis=1)
        np.testing.assert_allclose(gradient, slope)
