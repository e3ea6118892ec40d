"""The table of times to compile: all families build, the table has a row for each."""

import pytest

import symgraph as sg
from benchmarks import compile_time
from benchmarks.compile_time import FAMILIES, Row, table


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_compiles(family):
    inputs, outputs = FAMILIES[family](12)
    sg.function(inputs, outputs)


def test_a_row_tells_milliseconds_per_node():
    assert Row("chain", 200, 0.1, 0.5).per_node_ms == 2.5


def test_the_table_has_a_section_for_each_family():
    text = table([Row("chain", 10, 0.01, 0.02), Row("wide_sum", 1000, 0.01, 2.0)])
    assert "## chain\n" in text
    assert "## wide sum\n" in text
    assert "| 1,000 | 0.01 s | 2.00 s | 2.00 ms |" in text


def test_the_largest_sizes_are_those_that_are_promised():
    assert compile_time.SIZES[-1] == 10_000
