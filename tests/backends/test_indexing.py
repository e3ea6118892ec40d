"""Indexing, compiled: gradients of reads and writes, errors of the run, memory in place."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import IndexRangeError, ShapeError

X = np.random.default_rng(3).normal(size=(3, 4, 5))
MASK = T.TensorType("bool", (None, None))("mask")
ROWS = T.TensorType("bool", (None,))("rows")
I, K = T.lvector("i"), T.lscalar("k")
GIVEN: dict[Variable, Any] = {
    MASK: X[:, :, 0] > 0,
    ROWS: np.array([True, False, True]),
    I: np.array([1, -1, 1]),
    K: np.int64(-2),
}
#: with masks, repeated indices, symbolic numbers
DRAWN: list[Any] = [
    MASK, (MASK, None, K), (ROWS, slice(None), K), (slice(None), I), (I, ..., I),
    (K, slice(None, K), I), (I, None, slice(None, None, -2), [1, 1, 4]),
]  # fmt: skip


def test_gradients_of_reads_and_writes_are_those_of_the_reference() -> None:
    x, y = T.dtensor3("x"), T.dscalar("y")
    outputs = []
    for index in DRAWN:
        part = x[index]
        out = T.set_subtensor(part, y * part)
        outputs += sg.grad(T.sum(out**2), [x, y])
    inputs = [x, y, *GIVEN]
    wanted, got = (
        sg.function(inputs, outputs, mode, on_unused_input="ignore")(
            X, 1.5, *GIVEN.values()
        )
        for mode in ("FAST_COMPILE", "FAST_RUN")
    )
    for k, (want, have) in enumerate(zip(wanted, got, strict=True)):
        np.testing.assert_allclose(have, want, 1e-12, 1e-12, err_msg=str(DRAWN[k // 2]))


def test_known_indices_that_are_all_equal_add_up() -> None:
    x = T.matrix("x", shape=(2, 2))
    f = sg.function([x], T.inc_subtensor(x[-1, [1, -1]], 1.0))
    assert f(np.zeros((2, 2))).tolist() == [[0, 0], [0, 2]]


def test_an_index_out_of_range_names_variable_axis_extent_and_line() -> None:
    w = T.dmatrix("w")
    for out in (w[:, I], T.set_subtensor(w[:, I], 0.0), w[[0, 0], I]):
        f = sg.function([w, I], out)
        with pytest.raises(IndexRangeError) as caught:
            f(np.ones((3, 4)), [0, 9])
        text = str(caught.value)
        for word in ("axis 1", "extent 4", "test_indexing.py", "i : int64", "w"):
            assert word in text


def test_a_mask_of_another_shape_names_both() -> None:
    w = T.dmatrix("w")
    for out in (
        w[ROWS],
        T.set_subtensor(w[ROWS], 0.0),
        T.inc_subtensor(w[ROWS], w[ROWS]),
    ):
        f = sg.function([w, ROWS], out)
        with pytest.raises(ShapeError) as caught:
            f(np.ones((3, 4)), [True, False])
        text = str(caught.value)
        for word in ("axis 0 of the mask", "2 and 3", "rows : bool", "w : float64"):
            assert word in text


def test_a_shared_table_is_changed_where_it_lies() -> None:
    table = sg.shared(np.zeros((6, 2)), "table")
    y = T.dmatrix("y")
    f = sg.function([I, y], [], updates=[(table, T.inc_subtensor(table[I], y))])
    f([1, -1, 1], np.ones((3, 2)))
    assert table.get_value()[:, 0].tolist() == [0, 2, 0, 0, 0, 1]
    assert "for i1 in s0" in str(f.kernels)
    assert str(f.kernels).count("vector") == 2  # the check of the indices, the rows
    with pytest.raises(IndexRangeError):
        f([0, 6, 0], np.ones((3, 2)))
    assert table.get_value()[0].tolist() == [0, 0]  # as it was


def test_changes_of_changes_need_one_piece_of_memory() -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    first = T.set_subtensor(T.exp(x)[0], 1.0)
    second = T.inc_subtensor(first[I], y)
    third = T.set_subtensor(second[:, 1], -1.0)
    moved = T.set_subtensor(second[:2], second[2:4])
    given = [np.ones((4, 2)), np.ones((3, 2)), [0, 2, -1]]
    for outputs in ([third, T.sum(third)], [second, third], [moved, first], [moved]):
        wanted, got = (
            sg.function([x, y, I], outputs, mode)(*given)
            for mode in ("FAST_COMPILE", "FAST_RUN")
        )
        for want, have in zip(wanted, got, strict=True):
            np.testing.assert_allclose(have, want, 1e-12)


def test_a_mask_that_is_true_once_broadcasts_with_other_indices() -> None:
    x = T.dmatrix("x")
    f = sg.function([x, ROWS, I], [x[ROWS, I], T.inc_subtensor(x[ROWS, I], 1.0)])
    a = np.arange(12.0).reshape(3, 4)
    columns = np.array([3, 0, 3])
    for rows in ([False, True, False], [True, True, True]):
        read, added = f(a, rows, columns)
        assert read.tolist() == a[np.array(rows), columns].tolist()
        told = a.copy()
        np.add.at(told, (np.array(rows), columns), 1.0)
        assert added.tolist() == told.tolist()
    with pytest.raises(ShapeError):
        f(a, [True, True, False], columns)
