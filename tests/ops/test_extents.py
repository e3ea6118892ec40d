"""Extents as expressions: equal ones have one key, long ones take linear time."""

import copy

import pytest

import symgraph.tensor as T
from symgraph.ops.shape import (
    extent_key,
    extents,
    factors,
    is_never_negative,
)


def test_extents_that_are_built_alike_have_one_key():
    x, y = T.dvectors("x", "y")

    def built():
        return (x.shape[0] + y.shape[0]) * 2

    assert extent_key(built()) == extent_key(built())
    assert extent_key(built()) != extent_key((y.shape[0] + x.shape[0]) * 2)
    assert extent_key(T.exp(x).shape[0]) == extent_key(extents(x)[0])


def test_variables_have_keys_of_their_own_even_when_they_are_copied():
    n, m = T.lscalars("n", "m")
    assert extent_key(n) is n
    assert extent_key(n + 1) != extent_key(m + 1)
    again = copy.copy(n)
    assert extent_key(again + 1) != extent_key(n + 1)


def test_a_known_extent_is_its_own_key():
    assert extent_key(3) == extent_key(T.constant(3)) == 3


@pytest.mark.parametrize("count", [3, 3000])
def test_the_key_of_an_extent_that_is_used_twice_in_each_step(count):
    n = T.lscalar("n")

    def built():
        total = n
        for _ in range(count):
            total = total * 2 + total
        return total

    assert extent_key(built()) == extent_key(built())
    assert not is_never_negative(built())


@pytest.mark.parametrize("count", [3, 3000])
def test_sums_and_products_of_extents_are_never_negative(count):
    x = T.dvector("x")
    total = extents(x)[0]
    for _ in range(count):
        total = total * 2 + total
    assert is_never_negative(total)
    assert is_never_negative(T.maximum(total - 1, 0))
    assert not is_never_negative(total - 1)


def test_a_long_product_of_extents_has_its_factors_in_order():
    x, n = T.dvector("x"), T.lscalar("n")
    size = extents(x)[0]
    product = size
    for k in range(2000):
        product = product * (2 if k < 3 else n)
    number, symbols = factors(product)
    assert number == 8
    assert symbols == [size, *[n] * 1997]
