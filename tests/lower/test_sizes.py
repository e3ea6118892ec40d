"""Sizes as polynomials: chains of equal extents, long sums; sizes made of numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.lower.sizes import ONE, SizePolynomial, SizeSymbols, poly


def atom(number: int) -> SizePolynomial:
    return SizePolynomial((((number,), 1),))


def test_a_chain_of_equal_extents_ends_at_the_last():
    atoms = SizeSymbols(())
    for k in range(3000):
        atoms.bind(k, atom(k + 1))
    assert atoms.resolve(atom(0)) == atom(3000)
    assert atoms.resolve(atom(0) * atom(7) + atom(2999)) == (
        atom(3000) * atom(3000) + atom(3000)
    )


def test_a_chain_that_is_extended_later_is_followed_to_its_new_end():
    atoms = SizeSymbols(())
    atoms.bind(0, atom(1))
    assert atoms.resolve(atom(0)) == atom(1)
    atoms.bind(1, atom(2) + 1)
    assert atoms.resolve(atom(0)) == atom(2) + 1
    atoms.bind(2, poly(4))
    assert atoms.resolve(atom(0)).constant == 5
    assert atoms.resolve(atom(1)).constant == 5


def test_polynomials_of_bound_atoms_are_settled_once_and_for_all():
    atoms = SizeSymbols(())
    atoms.bind(3, atom(1) * atom(2))
    atoms.bind(1, atom(2) + ONE)
    assert atoms.resolve(atom(3)) == atom(2) * atom(2) + atom(2)
    atoms.bind(2, poly(3))
    assert atoms.resolve(atom(3)).constant == 12


def test_extents_bound_in_a_circle_are_refused():
    atoms = SizeSymbols(())
    atoms.bind(0, atom(1))
    atoms.bind(1, atom(0) + 1)
    with pytest.raises(AssertionError, match="circle"):
        atoms.resolve(atom(0))


@pytest.mark.parametrize("count", [3, 3000])
def test_a_long_sum_of_extents_is_one_polynomial(count):
    n = T.lscalar("n")
    total = n
    for _ in range(count):
        total = total + n
    assert SizeSymbols([n]).poly(total) == atom(0) * (count + 1)


def test_substitution_takes_all_atoms_at_once():
    both = atom(0) * atom(1) + atom(0)
    assert both.substitute({0: atom(1), 1: atom(0)}) == atom(0) * atom(1) + atom(1)
    assert atom(5).substitute({5: poly(2)}).constant == 2
    assert atom(5).substitute({4: poly(2)}) == atom(5)


#: sizes of n (int64), a and b (int8), u (uint8), w (uint64), i (int32), f (float32)
NARROW: dict[str, Callable[..., list[Any]]] = {
    "integers are cast": lambda n, a, b, u, w, i, f: [
        T.cast(n, "int8"), T.cast(n, "uint8"), T.cast(T.cast(n, "uint8"), "int64"),
        T.cast(T.cast(n, "int16"), "uint8") + n, T.cast(i, "int8"), T.cast(w, "int64"),
        T.cast(T.cast(n, "bool"), "int64"), T.cast(a, "uint8"), T.cast(u, "int8"),
    ],
    "integers wrap around": lambda n, a, b, u, w, i, f: [
        a + b, a - b, a * b, -a, abs(a), a // b, a % b, a**2, T.sqr(b), ~u, u - b,
        u - T.cast(1, "uint8"), w - np.uint64(1), i * i, T.maximum(a + b, a),
        T.switch(a > b, a * b, a), T.cast(a + b, "int64") + n, (a + b) * n,
    ],
    "floats are rounded": lambda n, a, b, u, w, i, f: [
        T.cast(v, "int64")
        for v in (
            f * f * 1000, f / np.float32(0.01), f * np.float32(3), n * 0.7, -f * 70,
            T.cast(n, "float32") * np.float32(1.1), T.floor(f / np.float32(0.1)),
            T.cast(T.cast(i, "float32") - i, "float32"), a / b, T.sqr(f) * 100,
            n * 1e300 + f, -n * 1e300,
        )
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", NARROW)
def test_sizes_are_computed_in_their_dtypes(kind: str) -> None:
    names = dict(n="int64", a="int8", b="int8", u="uint8", w="uint64", i="int32")
    given = [T.scalar(name, kind) for name, kind in {**names, "f": "float32"}.items()]
    x = T.dvector("x")
    outputs = [x[:size] for size in NARROW[kind](*given)]
    f, g = (
        sg.function([x, *given], outputs, mode=mode, on_unused_input="ignore")
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    a = np.arange(400.0)
    for values in (
        (300, 100, 100, 0, 0, 65_537, 0.29),
        (-6, -128, -1, 250, 5, 16_777_217, 0.1),
        (16_777_217, 20, 13, 7, 2**64 - 3, -129, 0.7),
        (3, 2, -3, 1, 1, 12, -0.57),
    ):
        for have, want in zip(f(a, *values), g(a, *values), strict=True):
            np.testing.assert_array_equal(have, want)


def test_positions_and_numbers_of_steps_are_computed_in_their_dtypes() -> None:
    x, v, n = T.dvector("x"), T.bvector("v"), T.lscalar("n")
    a, b = T.bscalar("a"), T.bscalar("b")
    outputs = [
        x[T.cast(n, "uint8")],
        T.set_subtensor(x[a + b], 0.0),
        T.inc_subtensor(x[a + b :], 1.0),
        T.arange(a * b),
        T.tile(x[:2], a * b),
        T.reshape(x[:44], (-1, a * b)),
        sg.ifelse(T.gt(x[0], -1), x[: a * b], x[:3]),
        sg.scan(lambda k: x[k + k], sequences=v)[0],
        sg.scan(lambda k: x[a + b] + x[T.cast(k + n, "uint8")], sequences=v)[0],
        sg.scan(lambda s: s + 1, outputs_info=T.constant(0.0), n_steps=a * b)[0],
        x[: v[0] + v[1]],
        x[: v.sum(dtype="int8") + a],
    ]
    f, g = (
        sg.function([x, v, n, a, b], outputs, mode=mode)
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    given = np.arange(400.0), np.array([100, 3], "int8"), 200, 20, 15
    for have, want in zip(f(*given), g(*given), strict=True):
        np.testing.assert_array_equal(have, want)
    assert f(*given)[3].size == 44
