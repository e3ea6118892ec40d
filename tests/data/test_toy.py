"""Truth tables and moons."""

import numpy as np
import pytest

from symgraph.data.toy import gate, gate_names, moons
from symgraph.errors import DataError

TRUTH = {
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "xor": lambda a, b: a ^ b,
    "nand": lambda a, b: 1 - (a & b),
    "not": lambda a: 1 - a,
}


@pytest.mark.parametrize("name", gate_names())
def test_gate_table_is_that_of_the_logical_function(name):
    x, y = gate(name)
    assert len({tuple(row) for row in x.tolist()}) == 2 ** x.shape[1] == len(x)
    for row, (value,) in zip(x.astype(int).tolist(), y.tolist(), strict=True):
        assert value == TRUTH[name](*row)


def test_gate_has_the_dtype_asked_for():
    assert [a.dtype for a in gate("or", dtype="float64")] == [np.float64] * 2


def test_unknown_gate_is_refused_with_the_known_names():
    with pytest.raises(DataError, match=r"'nor'.*or, and, xor"):
        gate("nor")


def test_moons_without_noise_lie_on_two_unit_circles():
    x, y = moons(101, noise=0)
    radius = np.hypot(*(x - np.array([[0, 0], [1, 0.5]])[y]).T)
    assert np.allclose(radius, 1)
    assert np.bincount(y).tolist() == [50, 51]


def test_moons_noise_has_the_spread_asked_for():
    clean, noisy = moons(4000, noise=0)[0], moons(4000, noise=0.2)[0]
    assert np.std(noisy - clean) == pytest.approx(0.2, rel=0.05)


def test_moons_depend_on_the_seed():
    assert np.array_equal(moons(seed=1)[0], moons(seed=1)[0])
    assert not np.array_equal(moons(seed=1)[0], moons(seed=2)[0])


@pytest.mark.parametrize("arguments", [{"n": 1}, {"noise": -1}, {"noise": np.nan}])
def test_moons_refuse_sizes_out_of_range(arguments):
    with pytest.raises(DataError, match=r"moons: (n|noise) = "):
        moons(**arguments)
