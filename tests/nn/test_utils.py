"""Small tools: parameters, tuples, norms, one-hot."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, ConversionError, ShapeError
from symgraph.nn import init, utils


def test_floatX_follows_the_setting():
    for dtype in ("float32", "float64"):
        with sg.config.override(floatX=dtype):
            assert utils.floatX([1, 2]).dtype == dtype
            assert utils.shared_empty(3).type == T.TensorType(dtype, (None,) * 3)
    assert utils.shared_empty(1, "int32").dtype == "int32"


def test_collect_shared_vars_goes_depth_first():
    a, b, c = (sg.shared(1.0, name=n) for n in "abc")
    x = T.scalar("x")
    assert utils.collect_shared_vars((c + x) * (a + c)) == [c, a]
    assert utils.collect_shared_vars([b, (c + x) * b]) == [b, c]
    assert utils.collect_shared_vars([x]) == []


def test_one_hot(value):
    assert value(utils.one_hot(np.array([2, 0]), 4)).tolist() == [
        [0, 0, 1, 0],
        [1, 0, 0, 0],
    ]
    y = T.ivector("y")
    assert value(utils.one_hot(y), {y: [2, 0]}).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_as_tuple():
    assert utils.as_tuple(2, 3) == (2, 2, 2)
    assert utils.as_tuple([1, 2], 2) == (1, 2)
    with pytest.raises(ArgumentError, match=r"one value or 3 values, not \[1, 2\]"):
        utils.as_tuple([1, 2], 3)
    with pytest.raises(ConversionError, match=r"a int, or 2 of them, not \(1, 2\.5\)"):
        utils.as_tuple((1, 2.5), 2, int)
    with pytest.raises(ConversionError, match="int or float"):
        utils.as_tuple("ab", 2, (int, float))


@pytest.mark.parametrize(
    ("shape", "axes", "over"),
    [((3,), None, ()), ((4, 3), None, 0), ((4, 3, 2), None, (1, 2)), ((4, 3), (1,), 1)],
)
def test_compute_norms_of_arrays_and_expressions(shape, axes, over, value):
    x = np.random.RandomState(0).randn(*shape)
    expected = np.abs(x) if over == () else np.sqrt((x**2).sum(axis=over))
    np.testing.assert_allclose(utils.compute_norms(x, axes), expected)
    np.testing.assert_allclose(
        value(utils.compute_norms(T.constant(x), axes)), expected
    )


@pytest.mark.parametrize(
    "spec",
    [
        init.Constant(2.0),
        np.full((1, 3), 2.0),
        lambda shape: np.full(shape, 2.0),
        lambda shape: sg.shared(np.full(shape, 2.0)),
        [[2.0, 2.0, 2.0]],
    ],
)
def test_a_parameter_from_what_users_give(spec, value):
    param = utils.create_param(spec, (1, 3), "W")
    assert param.name == "W"
    assert value(param).tolist() == [[2.0, 2.0, 2.0]]


def test_new_parameters_have_a_static_shape():
    param = utils.create_param(init.Constant(0), (1, 3))
    assert param.type.shape == (1, 3)
    assert param.broadcastable == (True, False)


@pytest.mark.parametrize("number", [2.5, np.float32(2.5), np.array(2.5)])
def test_numbers_are_parameters_without_axes(number):
    param = utils.create_param(number, (), "alpha")
    assert param.get_value() == 2.5
    assert param.type.shape == ()


def test_variables_are_used_as_they_are():
    own = sg.shared(np.zeros((2, 3)), name="own")
    assert utils.create_param(own, (2, 3), "W") is own
    assert own.name == "own"
    expression = T.matrix("x") * 2
    assert utils.create_param(expression, (2, 3), "W") is expression
    assert expression.name == "W"


@pytest.mark.parametrize(
    ("spec", "shape", "text"),
    [
        (np.zeros((3, 2)), (2, 3), r"'W': the value given has shape \(3, 2\), should"),
        (1.0, (2, 3), r"shape \(\), should be \(2, 3\)"),
        (lambda shape: np.zeros(4), (2, 3), r"the function given returned has shape"),
        (init.Constant(0), (2, 0), r"shape \(2, 0\): every extent must be positive"),
    ],
)
def test_values_of_another_shape(spec, shape, text):
    with pytest.raises(ShapeError, match=text):
        utils.create_param(spec, shape, "W")


def test_variables_of_another_shape():
    with pytest.raises(
        ShapeError, match=r"\(3, 2\), should be \(2, 3\)\n  V : float64"
    ):
        utils.create_param(sg.shared(np.zeros((3, 2)), name="V"), (2, 3), "W")
    with pytest.raises(ShapeError, match=r"\(None,\), should be \(2, 3\)"):
        utils.create_param(T.vector("v"), (2, 3), "W")
    with pytest.raises(ShapeError, match=r"\(None, 4\), should be \(2, 3\)"):
        utils.create_param(T.matrix("v", shape=(None, 4)), (2, 3), "W")


@pytest.mark.parametrize("spec", ["zeros", {}, lambda shape: None])
def test_what_cannot_be_a_parameter(spec):
    with pytest.raises(ConversionError, match="pass an initializer, array, number"):
        utils.create_param(spec, (2, 3), "W")


@pytest.mark.parametrize("backwards", [False, True])
def test_unrolled_steps_give_what_the_loop_gives(backwards, value):
    x, h = T.dmatrix("x"), T.dvector("h")
    w = sg.shared(np.array([[0.5, 1.0], [-1.0, 0.2]]))

    def step(row, one, two, w):
        return T.dot(one, w) + row, two + one

    infos = [h, T.zeros((2,))]
    loop, _ = sg.scan(step, x, infos, w, go_backwards=backwards)
    found = utils.unroll_scan(step, x, infos, w, 3, backwards)
    given = {x: np.arange(6.0).reshape(3, 2), h: np.ones(2)}
    for one, other in zip(found, loop, strict=True):
        np.testing.assert_allclose(value(one, given), value(other, given), rtol=1e-14)


def test_unrolled_steps_that_cannot_be():
    x, h = T.dvector("x"), T.dscalar("h")
    for n in (0, 2.0, True, T.iscalar()):
        with pytest.raises(ArgumentError, match="an int of at least 1"):
            utils.unroll_scan(lambda a, b: a + b, x, h, [], n)
    with pytest.raises(ArgumentError, match="returns 2 outputs, outputs_info has 1"):
        utils.unroll_scan(lambda a, b: [a, b], x, h, [], 2)
