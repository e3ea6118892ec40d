"""Memory is written over only where nobody reads what stood there."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import IndexRangeError


def test_a_value_that_is_read_later_is_not_changed_where_it_lies() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    i = T.lvector("i")
    t = T.dot(x, w)
    cut = T.set_subtensor(t[1:, :2], 7.0)
    added = T.inc_subtensor(t[i], 1.0)
    f = sg.function([x, w, i], [T.dot(cut, w), T.dot(added, w), T.dot(t, t)])
    a, b = np.random.default_rng(0).standard_normal((2, 4, 4))
    at = np.array([0, 2])
    whole = a @ b
    one, other = whole.copy(), whole.copy()
    one[1:, :2] = 7.0
    other[at] += 1.0
    for have, want in zip(
        f(a, b, at), [one @ b, other @ b, whole @ whole], strict=True
    ):
        np.testing.assert_allclose(have, want, 1e-12)


def test_a_change_whose_base_a_later_product_reads() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    t = T.dot(x, w)
    cut = T.set_subtensor(t[0], 0.0)
    f = sg.function([x, w], T.dot(T.dot(cut, w), t))
    a, b = np.random.default_rng(0).standard_normal((2, 4, 4))
    one = a @ b
    one[0] = 0.0
    np.testing.assert_allclose(f(a, b), one @ b @ (a @ b), 1e-12)


def test_a_product_is_not_written_over_its_operands() -> None:
    x = T.dmatrix("x")
    a, b = np.random.default_rng(0).standard_normal((2, 40, 40))
    products = [
        (lambda w: T.dot(w, x), a @ b),
        (lambda w: T.dot(w, w), a @ a),
        (lambda w: w - T.dot(w, x), a - a @ b),
        (lambda w: w + 0.5 * T.dot(x, w), a + 0.5 * b @ a),
        (lambda w: 2 * w - T.dot(w.T, x), 2 * a - a.T @ b),
    ]
    for product, wanted in products:
        w = sg.shared(a)
        sg.function([x], updates=[(w, product(w))], on_unused_input="ignore")(b)
        np.testing.assert_allclose(w.get_value(), wanted, 1e-10)


def test_a_part_or_a_turned_matrix_is_not_overwritten_while_it_is_read() -> None:
    x = T.dmatrix("x")
    a, b = np.random.default_rng(0).standard_normal((2, 6, 6))
    products = [
        (lambda w: T.dot(w.T, x), a.T @ b),
        (lambda w: T.dot(w[::-1], x), a[::-1] @ b),
        (lambda w: w - T.dot(x, w[:, ::-1]), a - b @ a[:, ::-1]),
        (lambda w: T.sort(w.T, axis=1), np.sort(a.T, axis=1)),
        (lambda w: T.set_subtensor(w[:3], w[3:]), np.vstack([a[3:], a[3:]])),
        (lambda w: T.inc_subtensor(w[::-1], w), a + a[::-1]),
        (lambda w: T.cumsum(w[::-1], axis=0), np.cumsum(a[::-1], axis=0)),
    ]
    for product, wanted in products:
        w = sg.shared(a)
        sg.function([x], updates=[(w, product(w))], on_unused_input="ignore")(b)
        np.testing.assert_allclose(w.get_value(), wanted, 1e-10)


def test_a_row_that_every_result_reads_is_not_overwritten() -> None:
    x = T.dmatrix("x")
    a = np.random.default_rng(0).standard_normal((40, 40))
    v = a[0]
    steps = [
        (lambda w: T.max(T.tanh(x * w), axis=1), np.tanh(a * v).max(1)),
        (lambda w: T.tanh(x + w).sum(axis=1), np.tanh(a + v).sum(1)),
        (lambda w: T.exp(x.T * w).sum(axis=0), np.exp(a.T * v).sum(0)),
        (lambda w: w - w.max(), v - v.max()),
        (lambda w: w * T.sqr(w).sum(), v * (v**2).sum()),
        (lambda w: w[::-1] + x[0] * 2, v[::-1] + a[0] * 2),
        (lambda w: w[0] + w * 2, v[0] + v * 2),
        (lambda w: T.switch(w > w[-1], w, 0.0), np.where(v > v[-1], v, 0)),
        (lambda w: T.softmax(w) + w.min(), np.exp(v) / np.exp(v).sum() + v.min()),
    ]
    for step, wanted in steps:
        w = sg.shared(v)
        sg.function([x], updates=[(w, step(w))], on_unused_input="ignore")(a)
        np.testing.assert_allclose(w.get_value(), wanted, 1e-10)


def test_what_may_fail_does_not_write_over_the_old_value() -> None:
    v, i = T.dvector("v"), T.lvector("i")
    old = np.arange(4.0)
    changes = [
        lambda w: w + v[i],
        lambda w: w[i] + v,
        lambda w: T.inc_subtensor(w[i], v),
        lambda w: T.set_subtensor(w[i], w[:4] * v),
        lambda w: w * T.take(v, i) - T.take(w, i),
        lambda w: T.inc_subtensor(T.tanh(w)[i], v[i]),
        lambda w: T.switch(v[i] > 0, w + 1, w - 1),
    ]
    for change in changes:
        w = sg.shared(old)
        f = sg.function([v, i], updates=[(w, change(w))])
        for bad in ([0, 1, 2, 4], [0, 3, -5, 1], [9, 0, 0, 0]):
            with pytest.raises(IndexRangeError):
                f(np.ones(4), bad)
            np.testing.assert_array_equal(w.get_value(), old)
        f(np.ones(4), [3, 2, 1, 0])
        assert (w.get_value() != old).any()
