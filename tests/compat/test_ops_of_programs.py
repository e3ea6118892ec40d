"""Ops as programs for Theano write them: the forms of its tutorial on new ops."""

import numpy as np
import pytest

GIVEN = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def double(theano):
    """An op with make_node, perform, grad, R_op and infer_shape."""

    class DoubleOp(theano.Op):
        __props__ = ()

        def make_node(self, x):
            x = theano.tensor.as_tensor_variable(x)
            return theano.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] * 2

        def infer_shape(self, node, i0_shapes):
            return i0_shapes

        def grad(self, inputs, output_grads):
            return [output_grads[0] * 2]

        def R_op(self, inputs, eval_points):
            if eval_points[0] is None:
                return eval_points
            return self.grad(inputs, eval_points)

    return DoubleOp()


def test_an_op_with_all_methods(theano, double):
    x, v = theano.tensor.dmatrices("x", "v")
    f = theano.function([x, v], [double(x), theano.tensor.Rop(double(x), x, v)])
    np.testing.assert_array_equal(f(GIVEN, GIVEN + 1)[0], 2 * GIVEN)
    np.testing.assert_array_equal(f(GIVEN, GIVEN + 1)[1], 2 * GIVEN + 2)
    theano.gradient.verify_grad(double, [GIVEN])


def test_parameters_make_ops_equal(theano):
    class Axpb(theano.Op):
        __props__ = ("a", "b")

        def __init__(self, a, b):
            self.a = a
            self.b = b
            super(Axpb, self).__init__()  # noqa: UP008  (as programs have it)

        def make_node(self, x):
            x = theano.tensor.as_tensor_variable(x)
            return theano.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = self.a * inputs[0] + self.b

        def infer_shape(self, node, i0_shapes):
            return i0_shapes

    assert Axpb(4, 7) == Axpb(4, 7) != Axpb(2, 3)
    x = theano.tensor.dmatrix("x")
    f = theano.function([x], Axpb(4, 7)(x) + Axpb(2, 3)(x))
    np.testing.assert_array_equal(f(GIVEN), 6 * GIVEN + 10)


def test_a_function_as_an_op_whose_infer_shape_joins_tuples(theano):
    T = theano.tensor

    def infer_shape(node, input_shapes):
        ashp, bshp = input_shapes
        return [ashp[:-1] + bshp[-1:]]

    @theano.compile.ops.as_op(
        itypes=[T.dmatrix, T.dmatrix], otypes=[T.dmatrix], infer_shape=infer_shape
    )
    def numpy_dot(a, b):
        return np.dot(a, b)

    x, y = T.dmatrices("x", "y")
    f = theano.function([x, y], numpy_dot(x, y))
    np.testing.assert_array_equal(f(GIVEN, GIVEN.T), GIVEN @ GIVEN.T)


def test_inputs_without_gradient(theano):
    T = theano.tensor

    class Power(theano.Op):
        __props__ = ()

        def make_node(self, x, n):
            inputs = [T.as_tensor_variable(v) for v in (x, n)]
            return theano.gof.Apply(self, inputs, [inputs[0].type()])

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] ** inputs[1]

        def connection_pattern(self, node):
            return [[True], [False]]

        def grad(self, inputs, output_grads):
            x, n = inputs
            slope = output_grads[0] * n * x ** (n - 1)
            return [slope, theano.gradient.DisconnectedType()()]

        def infer_shape(self, node, shapes):
            return [shapes[0]]

    x = T.dvector("x")
    f = theano.function([x], T.grad(Power()(x, np.float64(3.0)).sum(), x))
    np.testing.assert_allclose(f([1.0, 2.0]), [3.0, 12.0])


def test_print_and_op_from_graph(theano, capsys):
    T = theano.tensor
    x, y = T.dvectors("x", "y")
    op = theano.OpFromGraph([x, y], [x * y + y])
    shown = theano.printing.Print("value", attrs=("shape",))(op(x, y))
    f = theano.function([x, y], [*theano.tensor.grad(shown.sum(), [x, y]), shown])
    assert [v.tolist() for v in f([1.0], [2.0])] == [[2.0], [2.0], [4.0]]
    assert capsys.readouterr().out == "value shape = (1,)\n"
