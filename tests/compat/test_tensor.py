"""Where ``theano.tensor`` and its inner modules differ from symgraph's."""

import copy
import pickle

import numpy as np
import pytest

from symgraph.errors import (
    ArgumentError,
    ConversionError,
    DtypeError,
    NotSupportedError,
    ShapeError,
)


def test_softmax_of_a_vector_is_a_row_and_of_more_axes_an_error(theano):
    T = theano.tensor
    for function in (T.nnet.softmax, T.nnet.logsoftmax, T.nnet.nnet.softmax):
        assert function(T.vector()).broadcastable == (True, False)
        with pytest.raises(ShapeError, match="vector or a matrix"):
            function(T.tensor3("x"))
    x, b = np.array([[1.0, 2.0]]), np.array([0.5, -0.5])
    out = T.nnet.softmax_with_bias(x, b).eval()
    np.testing.assert_allclose(out, [[0.5, 0.5]])


def test_relu_of_an_array_is_an_array(theano):
    relu = theano.tensor.nnet.relu
    assert relu(np.array([-1.0, 2.0])).tolist() == [0, 2]
    assert relu(theano.tensor.vector()).ndim == 1
    assert relu(np.array([-1.0, 2.0]), 0.5).eval().tolist() == [-0.5, 2]


def test_volumes_may_have_time_before_channels(theano):
    from theano.tensor.nnet.conv3d2d import conv3d

    x = np.random.default_rng(0).normal(size=(1, 3, 2, 4, 4))
    w = np.random.default_rng(1).normal(size=(5, 2, 2, 3, 3))
    shapes = (1, 3, 2, 4, 4), (5, 2, 2, 3, 3)
    out = conv3d(signals=x, filters=w, border_mode="valid").eval()
    other = conv3d(x, w, *shapes).eval()
    swapped = theano.tensor.nnet.conv3d(x.swapaxes(1, 2), w.swapaxes(1, 2)).eval()
    np.testing.assert_allclose(out, swapped.swapaxes(1, 2))
    np.testing.assert_allclose(other, out)


def test_pooling_with_symbolic_windows_is_a_value_error(theano):
    pool = theano.tensor.signal.pool
    x, ws = theano.tensor.tensor4(), theano.tensor.ivector("ws")
    with pytest.raises(ArgumentError, match="symbolic window"):
        pool.pool_2d(x, ws=ws, ignore_border=True, pad=None)
    with pytest.raises(ArgumentError, match="symbolic window"):
        pool.pool_3d(x, ws=(1, 2, ws[0]))


def test_the_older_names_of_pooling(theano):
    from theano.tensor.signal.downsample import max_pool_2d

    image = np.arange(16.0).reshape(1, 1, 4, 4)
    assert max_pool_2d(image, (2, 2)).eval().tolist() == [[[[5, 7], [13, 15]]]]
    same = theano.tensor.signal.pool.max_pool_2d_same_size(image, (2, 2)).eval()
    assert same.sum() == 5 + 7 + 13 + 15
    assert same.shape == image.shape


def test_the_gradient_of_an_integer_cost_is_zero(theano):
    a, b = theano.shared(1), theano.shared(2.0)
    cost = a + theano.tensor.cast(b, "int64")
    ga, gb = theano.grad(cost, [a, b])
    assert (ga.eval(), gb.eval(), ga.dtype) == (0, 0, "float64")
    assert theano.grad(cost, a).eval() == 0
    with pytest.raises(ValueError, match="does not depend on"):
        theano.grad(cost, theano.shared(1, name="c"))


def test_the_value_of_a_constant_expression_is_found(theano):
    T = theano.tensor
    value = T.get_scalar_constant_value
    assert value(T.constant(2) * 3) == 6
    assert value(T.ones((2, 2)) * 4) == 4
    with pytest.raises(T.NotScalarConstantError, match="not a constant"):
        value(T.scalar("x"))
    with pytest.raises(T.NotScalarConstantError, match="no scalar"):
        value(T.constant([1, 2]))


def test_asarray_knows_floatX(theano):
    assert theano._asarray([1], dtype="float32").dtype == "float32"
    with pytest.raises(ConversionError, match="no value yet"):
        theano._asarray(theano.tensor.vector())


def test_a_list_with_slices_is_read_as_a_tuple(theano):
    x = theano.tensor.dmatrix("x")
    value = np.arange(6.0).reshape(2, 3)
    out = x[[slice(None), slice(1, None)]].eval({x: value})
    assert out.tolist() == value[:, 1:].tolist()
    assert x[[1, 0]].eval({x: value}).tolist() == value[[1, 0]].tolist()


def test_arrays_on_the_left_defer_to_variables(theano):
    x = theano.tensor.fvector("x")
    for made in (np.ones(3) * x, np.float64(2) - x, np.arange(3) > x):
        assert isinstance(made, theano.Variable)
    assert (np.float64(2) * x).dtype == "float64"
    assert (np.float32(2) * x).dtype == "float32"


def test_variables_are_keys_and_can_be_copied_and_pickled(theano):
    T = theano.tensor
    x, w = T.dvector("x"), theano.shared(np.ones(2), name="w")
    expression = (x * w).sum()
    assert {x: 1, w: 2}[w] == 2
    again_w, again_x, again = pickle.loads(pickle.dumps((w, x, expression)))
    assert again.eval({again_x: [1.0, 2.0]}) == 3
    again_w.set_value(np.zeros(2))
    assert again.eval({again_x: [1.0, 2.0]}) == 0
    assert expression.eval({x: [1.0, 2.0]}) == 3
    twice = copy.deepcopy({"params": [w], "cost": expression})
    assert isinstance(twice["params"][0], theano.compile.SharedVariable)
    assert twice["params"][0].get_value().tolist() == [1, 1]


def test_methods_of_variables_that_old_programs_call(theano):
    T = theano.tensor
    x = T.dmatrix("x")
    value = np.array([[1.0, -2.0], [3.0, 4.0]])
    for made, wanted in (
        (x.dimshuffle((1, 0)), value.T),
        (x.norm(2), np.sqrt((value**2).sum())),
        (x.norm(1, axis=0), np.abs(value).sum(0)),
        (x.swapaxes(0, 1), value.T),
        (x.astype("float32"), value.astype("float32")),
        (x.clip(0, 3), value.clip(0, 3)),
        (x.copy(), value),
        (x.diagonal(), value.diagonal()),
        (x.trace(), value.trace()),
        (x.size, 4),
        (x.T.ravel(), value.T.ravel()),
        (x.repeat(2, axis=0), value.repeat(2, 0)),
        (x.conj(), value),
        (x.exp(), np.exp(value)),
        (x.fill(2.0), np.full((2, 2), 2.0)),
        (abs(x) // 2 % 2, abs(value) // 2 % 2),
        (-(x**2), -(value**2)),
        (1 / x, 1 / value),
        ((x > 0) & ~(x > 3), (value > 0) & ~(value > 3)),
    ):
        np.testing.assert_allclose(made.eval({x: value}), wanted)
    rows, columns = T.row().shape[0], x.shape[1]
    assert (rows.ndim, columns.dtype) == (0, "int64")
    assert x.type == T.dmatrix().type
    assert x.type("y").name == "y"


def test_dimshuffle_drops_only_axes_that_broadcast(theano):
    with pytest.raises(ValueError, match=r"axis|axes"):
        theano.tensor.matrix().dimshuffle(0)


def test_half_precision_is_refused_by_name(theano):
    with pytest.raises(DtypeError, match="float16"):
        theano.tensor.matrix(dtype="float16")
    with pytest.raises(DtypeError, match="float16"):
        theano.shared(np.ones(2, "float16"))


def test_truth_and_length_of_variables(theano):
    x = theano.tensor.dvector("x")
    assert bool(x)
    with pytest.raises(TypeError, match="truth"):
        bool(x < 1)
    with pytest.raises(TypeError, match="len"):
        len(x)
    assert len(list(theano.tensor.row().shape)) == 2


def test_solvers_are_made_with_options_then_called(theano):
    from theano.tensor import slinalg

    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3))
    spd, b = a @ a.T + np.eye(3), rng.normal(size=3)
    factor = slinalg.Cholesky(lower=True, on_error="nan")(spd).eval()
    np.testing.assert_allclose(factor @ factor.T, spd)
    for structure, matrix in (
        ("general", a),
        ("symmetric", spd),
        ("lower_triangular", np.tril(a)),
        ("upper_triangular", np.triu(a)),
    ):
        x = slinalg.Solve(A_structure=structure)(matrix, b).eval()
        np.testing.assert_allclose(matrix @ x, b, atol=1e-10)
    with pytest.raises(ArgumentError, match="A_structure='banded'"):
        slinalg.Solve("banded")


def test_ops_of_the_first_axis(theano):
    from theano.tensor import subtensor

    x, i = np.arange(6.0).reshape(3, 2), np.array([0, 0, 2])
    assert subtensor.advanced_subtensor1(x, i).eval().tolist() == x[i].tolist()
    added = theano.tensor.advanced_inc_subtensor1(x, 1.0, i).eval()
    assert (added - x)[:, 0].tolist() == [2, 0, 1]
    replaced = theano.tensor.advanced_set_subtensor1(x, 7.0, i).eval()
    assert replaced[:, 1].tolist() == [7, 3, 7]
    read = theano.tensor.as_tensor_variable(x)[0]
    assert isinstance(read.owner.op, subtensor.Subtensor)


def test_shapes_of_pooled_tensors(theano):
    from theano.tensor.signal.pool import Pool, pool_2d

    x = np.zeros((2, 3, 7, 6))
    for border, stride, pad in ((True, (2, 1), (1, 1)), (False, (3, 3), (0, 0)),
                                (False, (1, 1), (0, 0)), (True, None, (0, 0))):  # fmt: skip
        made = pool_2d(x, (3, 2), border, stride, pad).eval()
        told = Pool.out_shape(
            x.shape, (3, 2), ignore_border=border, stride=stride, pad=pad
        )
        assert list(made.shape) == told


def test_nothing_is_a_shared_random_state(theano):
    from theano.tensor.shared_randomstreams import RandomStateSharedVariable

    assert not isinstance(theano.shared(1.0), RandomStateSharedVariable)
    with pytest.raises(NotSupportedError, match="use RandomStreams"):
        RandomStateSharedVariable("state")


def test_the_graph_of_a_step_can_be_looked_at(theano):
    x, w = theano.tensor.dvector("x"), theano.shared(2.0)
    out, _ = theano.scan(lambda e: w * e, x)
    (op,) = (
        node.op
        for node in theano.gof.graph.io_toposort([x], [out])
        if isinstance(node.op, theano.scan_module.scan_op.Scan)
    )
    leaves = theano.gof.graph.inputs(op.outputs)
    assert op.inputs[0] in leaves
    assert out.copy(name="loop").name == "loop"


def test_a_sparse_variable_is_recognised(theano):
    s = theano.sparse.csr_matrix("s")
    assert theano.sparse.basic._is_sparse_variable(s)
    assert not theano.sparse.basic._is_sparse_variable(theano.tensor.matrix())
