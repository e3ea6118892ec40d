"""Sizes as polynomials: chains of equal extents, and long sums of extents."""

import pytest

import symgraph.tensor as T
from symgraph.lower.sizes import ONE, Atoms, Poly, poly


def atom(number: int) -> Poly:
    return Poly((((number,), 1),))


def test_a_chain_of_equal_extents_ends_at_the_last():
    atoms = Atoms(())
    for k in range(3000):
        atoms.bind(k, atom(k + 1))
    assert atoms.resolve(atom(0)) == atom(3000)
    assert atoms.resolve(atom(0) * atom(7) + atom(2999)) == (
        atom(3000) * atom(3000) + atom(3000)
    )


def test_a_chain_that_is_extended_later_is_followed_to_its_new_end():
    atoms = Atoms(())
    atoms.bind(0, atom(1))
    assert atoms.resolve(atom(0)) == atom(1)
    atoms.bind(1, atom(2) + 1)
    assert atoms.resolve(atom(0)) == atom(2) + 1
    atoms.bind(2, poly(4))
    assert atoms.resolve(atom(0)).constant == 5
    assert atoms.resolve(atom(1)).constant == 5


def test_polynomials_of_bound_atoms_are_settled_once_and_for_all():
    atoms = Atoms(())
    atoms.bind(3, atom(1) * atom(2))
    atoms.bind(1, atom(2) + ONE)
    assert atoms.resolve(atom(3)) == atom(2) * atom(2) + atom(2)
    atoms.bind(2, poly(3))
    assert atoms.resolve(atom(3)).constant == 12


def test_extents_bound_in_a_circle_are_refused():
    atoms = Atoms(())
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
    assert Atoms([n]).poly(total) == atom(0) * (count + 1)


def test_substitution_takes_all_atoms_at_once():
    both = atom(0) * atom(1) + atom(0)
    assert both.substitute({0: atom(1), 1: atom(0)}) == atom(0) * atom(1) + atom(1)
    assert atom(5).substitute({5: poly(2)}).constant == 2
    assert atom(5).substitute({4: poly(2)}) == atom(5)
