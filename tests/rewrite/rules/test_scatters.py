"""Descent on a table of which rows are read: only those rows are written."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.errors import IndexRangeError
from symgraph.rewrite.pipeline import optimize

START = np.random.default_rng(1).normal(size=(40, 3))


def test_a_step_of_descent_on_a_table_writes_the_rows_it_read() -> None:
    rows, rate = T.lvector("rows"), T.dscalar("rate")
    tables = []
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        table = sg.shared(START, "table")
        loss = T.sum((table[rows] - 1) ** 2)
        step = sg.function(
            [rows, rate], loss, mode,
            updates=[(table, table - rate * sg.grad(loss, table))],
        )  # fmt: skip
        for _ in range(3):
            step([1, -1, 1, 7], 0.1)
        tables.append(table.get_value())
    np.testing.assert_allclose(tables[1], tables[0], 1e-12)
    changed = (tables[1] != START).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [1, 7, 39]
    assert "120" not in str(step.kernels).partition("program")[2]  # no pass over all
    with pytest.raises(IndexRangeError):
        step([0, 40], 0.1)
    assert np.array_equal(table.get_value(), tables[1])


def test_a_gradient_that_somebody_else_reads_stays_whole() -> None:
    table, rows = T.dmatrix("table"), T.lvector("rows")
    g = sg.grad(T.sum(table[rows] ** 2), table)
    graph = optimize(freeze([table, rows], [table - g, g])).graph
    assert [n.op.name for n in graph.applies()].count("scatter_add") == 1
    assert any(getattr(n.op, "scalar", "") == "sub" for n in graph.applies())
