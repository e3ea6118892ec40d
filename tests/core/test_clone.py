"""`clone`: replacements, dtypes, new leaves."""

import copy
import pickle

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.traverse import leaves
from symgraph.errors import ArgumentError, DtypeError, ShapeError


def test_replaced_variables_are_gone_and_the_original_is_untouched() -> None:
    x, y = T.dvectors("x", "y")
    z = x * 2
    made = sg.clone(z, {x: y + 1})
    np.testing.assert_array_equal(made.eval({y: [1.0, 2.0]}), [4.0, 6.0])
    np.testing.assert_array_equal(z.eval({x: [1.0, 2.0]}), [2.0, 4.0])


def test_pairs_lists_and_tuples_are_taken() -> None:
    x = T.dscalar("x")
    assert [type(sg.clone(kind([x * 2]), [(x, 3.0)])) for kind in (list, tuple)] == [
        list,
        tuple,
    ]
    assert float(sg.clone(x * 2, [(x, 3.0)]).eval()) == 6.0


def test_new_leaves_are_made_when_asked_and_share_values() -> None:
    x, w = T.dvector("x"), sg.shared(np.ones(2), name="w")
    made = sg.clone(x * w, share_inputs=False)
    new = leaves([made])
    assert not {x, w} & set(new)
    assert [v.name for v in new] == ["x", "w"]
    w.set_value(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(made.eval({new[0]: [1.0, 1.0]}), [3.0, 4.0])


def test_another_dtype_is_refused_unless_told() -> None:
    x, i = T.dvector("x"), T.ivector("i")
    with pytest.raises(DtypeError, match="int32"):
        sg.clone(x * 2, {x: i})
    made = sg.clone(x * 2, {x: i}, strict=False)
    np.testing.assert_array_equal(made.eval({i: [1, 2]}), [2.0, 4.0])


def test_another_rank_and_things_that_are_no_variables_are_refused() -> None:
    x, m = T.dvector("x"), T.dmatrix("m")
    with pytest.raises(ShapeError, match="rank 2"):
        sg.clone(x, {x: m})
    with pytest.raises(ArgumentError, match="'x'"):
        sg.clone(x, {"x": m})
    with pytest.raises(ArgumentError, match="3"):
        sg.clone(3)


def test_an_expression_survives_pickling_and_deep_copies() -> None:
    x = T.dmatrix("x")
    y = T.exp(x).sum(axis=0)
    for made in (pickle.loads(pickle.dumps([x, y])), copy.deepcopy([x, y])):
        again, copied = made
        assert copied.owner.op == y.owner.op
        assert hash(copied.owner.op) == hash(y.owner.op)
        value = np.ones((2, 3))
        np.testing.assert_allclose(copied.eval({again: value}), y.eval({x: value}))


def test_the_old_name_of_share_inputs_is_taken() -> None:
    x = T.dvector("x")
    assert leaves([sg.clone(x * 2, copy_inputs=False)])[0] is not x
    assert leaves([sg.clone(x * 2, copy_inputs=True)])[0] is x
