"""Wrong programs of one line: each is told with the user's line and a cure.

Each line runs as a program of its own, beside the names of `_names`. What it raises must
be an error of symgraph's that names the line, and says more than that something is wrong.
"""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import MissingAttributeError, ShapeError, SymgraphError

L, O, U = nn.layers, nn.objectives, nn.updates  # noqa: E741


def _names() -> dict[str, Any]:
    """What the programs may use: variables, shared variables, layers, a loss."""
    x, y, z = T.dmatrix("x"), T.dvector("y"), T.dscalar("z")
    w, b = sg.shared(np.ones((3, 2)), name="w"), sg.shared(np.zeros(2), name="b")
    return {
        "np": np, "sg": sg, "T": T, "nn": nn, "L": L, "O": O, "U": U,
        "x": x, "y": y, "z": z, "w": w, "b": b, "c": T.dmatrix("c"),
        "i": T.ivector("i"), "k": T.lscalar("k"),
        "m": T.TensorType("float64", (4, 3))("m"),
        "n": T.TensorType("float64", (5, 2))("n"),
        "inp": L.InputLayer((None, 3), name="in"),
        "img": L.InputLayer((None, 3, 8, 8), name="img"),
        "seq": L.InputLayer((None, 5, 3), name="seq"),
        "loss": (T.dot(x, w) ** 2).sum(),
    }  # fmt: skip


PROGRAMS = """
x[0] = 1
x[0] += 1
x[0, 1] = y
np.array([x, x])
3 in x
f"{x:.3f}"
"%f" % z
float(z)
int(z)
len(x)
range(k)
[1, 2, 3][k]
x < y < z
T.switch(c, 1)
T.exp("a")
T.exp(None)
T.exp([x, "a"])
x + "a"
x + None
x + [1, "a"]
m + n
m * n
T.dot(m, n)
T.dot(m, m)
T.dot(z, "x")
m @ m
T.concatenate([m, n], axis=0)
T.concatenate([m, y])
T.concatenate([])
T.stack([m, n])
m.reshape((5, 5))
m.reshape("a")
m.reshape((2, -1, -1))
m.T.reshape((4, 3, 2))
m.dimshuffle(0, 0)
m.dimshuffle(0, 3)
m.transpose(0, 1, 2)
m.sum(axis=2)
m.sum(axis="rows")
m.max(axis=5)
m.argmax(axis=-3)
m[7]
m[0, 0, 0]
m["a"]
m[1.5]
m[T.dscalar()]
y[None][2]
m.astype("float16")
m.astype("flaot32")
T.cast(m, "int128")
T.dmatrix(3)
T.TensorType("float65", (3,))
T.zeros((-1, 3))
T.zeros("a")
T.arange(0, 5, 0)
T.eye(2.5)
T.tile(m, -1)
T.repeat(m, -2)
T.repeat(m, 2, axis=4)
T.clip(m, n, 1)
T.nnet.softmax(m, axis=3)
T.nnet.conv2d(m, m)
T.nnet.categorical_crossentropy(m, n)
T.nnet.relu(m, alpha="a")
T.set_subtensor(m, 3)
T.set_subtensor(m[0], n)
T.inc_subtensor(m[:2], n)
T.ones_like(3) + n + m
sg.grad(x, w)
sg.grad(loss, y)
sg.grad(loss, "w")
sg.grad(loss, [w, 3])
sg.grad(i.sum(), i)
sg.jacobian(x, w)
sg.Rop(loss, w, y)
sg.function(x, x)
sg.function([x], y)
sg.function([x, x], x)
sg.function([x], x, updates=(w, w + 1))
sg.function([x], x, updates=[(x, x + 1)])
sg.function([x], x, updates=[(w, w.sum())])
sg.function([x], x, updates=[(w, i)])
sg.function([x], x, updates={w: "a"})
sg.function([x], x, updates=[(w, w + 1), (w, w + 2)])
sg.function([x], x, updates=w)
sg.function([x, y], x)
sg.function([w], w)
sg.function([3], x)
sg.function([x], "a")
sg.function([x], x, mode="FAST")
sg.function([x], x, givens=[x])
sg.function([x], x, givens={x: y})
sg.function([x], x)(1.0)
sg.function([x], x)([[1.0]], 2)
sg.function([x], x)()
sg.function([x], x)(y=3)
sg.function([x], x)("a")
sg.function([x], x)(x)
sg.function([i], i)(np.ones(3))
sg.function([m], m)(np.ones((3, 3)))
sg.function([x, c], x + c)(np.ones((2, 3)), np.ones((4, 5)))
sg.function([x, c], T.dot(x, c))(np.ones((2, 3)), np.ones((4, 5)))
sg.function([x, i], x[i])(np.ones((2, 3)), np.array([5], "i"))
sg.function([x], x).repeat(-1, np.ones((2, 2)))
sg.function([x], x).epoch(np.ones((2, 2)))
w.set_value(np.ones(3))
w.set_value("a")
w.set_value(x)
sg.shared(x)
sg.shared("a")
sg.shared([1, [2, 3]])
sg.scan(lambda a: a + x, sequences=3)
sg.scan(lambda a: a, outputs_info=z)
sg.scan(lambda: 1, sequences=y)
sg.scan(lambda a, s: [a, s, 1], sequences=y, outputs_info=z)
sg.scan(3, sequences=y)
sg.ifelse(x, y, z)
sg.ifelse(z > 0, x, y)
L.DenseLayer(inp, -1)
L.DenseLayer(inp, 2.5)
L.DenseLayer(inp, "ten")
L.DenseLayer(inp, 10, nonlinearity="relu")
L.DenseLayer(inp, 10, W=np.ones((4, 10)))
L.DenseLayer(inp, 10, W="glorot")
L.DenseLayer(inp, 10, b=np.ones(3))
L.DenseLayer(x, 10)
L.DenseLayer(10, inp)
L.DenseLayer([inp, inp], 10)
L.InputLayer(3)
L.InputLayer((None, -3))
L.InputLayer((None, 3), x.sum())
L.Conv2DLayer(inp, 8, 3)
L.Conv2DLayer(img, 8, (3, 3, 3))
L.Conv2DLayer(img, 8, 30)
L.Conv2DLayer(img, 8, 3, pad="smae")
L.Conv2DLayer(img, 8, 3, stride=0)
L.MaxPool2DLayer(inp, 2)
L.MaxPool2DLayer(img, 0)
L.MaxPool2DLayer(img, "two")
L.DropoutLayer(inp, p=1.5)
L.DropoutLayer(inp, p=-0.1)
L.ConcatLayer([inp, img])
L.ConcatLayer(inp)
L.ElemwiseSumLayer([inp, L.DenseLayer(inp, 4)])
L.ReshapeLayer(inp, ([5], 3))
L.FlattenLayer(inp, 5)
L.DimshuffleLayer(inp, (0, 0, 1))
L.EmbeddingLayer(inp, -3, 2)
L.LSTMLayer(inp, 4)
L.LSTMLayer(seq, 0)
L.RecurrentLayer(seq, 4, nonlinearity="tanh")
L.BatchNormLayer(inp, axes=7)
L.SliceLayer(inp, 7, axis=1)
L.get_output(3)
L.get_output(inp, "a")
L.get_output(L.DenseLayer(inp, 4), {x: y})
L.get_all_params(3)
L.set_all_param_values(L.DenseLayer(inp, 4), [np.ones(3)])
L.set_all_param_values(L.DenseLayer(inp, 4), [np.ones((3, 4)), np.ones(5)])
O.squared_error(m, n)
O.categorical_crossentropy(m, n)
O.categorical_crossentropy(m, T.dvector("t"))
O.categorical_crossentropy(m, 3.5)
O.binary_crossentropy(m, n)
O.aggregate(m, n)
O.aggregate(m, mode="avg")
O.binary_hinge_loss(m, n)
U.sgd(loss, w, 0.1)
U.sgd(loss, [w], "fast")
U.sgd(x, [w], 0.1)
U.sgd(loss, [x], 0.1)
U.sgd(loss, [3], 0.1)
U.sgd([loss, loss], [w], 0.1)
U.adam([w], loss)
U.adam(loss, [sg.shared(np.ones(3), name="q")])
U.momentum(loss, [w], 0.1, "a")
U.total_norm_constraint(w, 3)
U.norm_constraint(w, "a")
nn.regularization.regularize_layer_params(3, nn.regularization.l2)
nn.regularization.regularize_network_params(inp, "l2")
nn.init.GlorotUniform(gain="selu")
nn.init.Orthogonal().sample((3,))
x.summ()
x.foo
x.sahpe
""".strip().splitlines()


def told(program: str) -> tuple[Exception, str]:
    """The error of a program, and all that a traceback prints of it."""
    with pytest.raises(SymgraphError) as caught:
        exec(compile(program, "user_program.py", "exec"), _names())
    notes = getattr(caught.value, "__notes__", [])
    return caught.value, "\n".join([str(caught.value), *notes])


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_line_stands_in_the_message(program: str) -> None:
    error, text = told(program)
    if not isinstance(error, MissingAttributeError):  # Python itself shows the line
        assert "user_program.py:1" in text
    assert len(text) > 30


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("x[0] = 1", ("set_subtensor(x[index], value)", "x : float64")),
        ("x[0] += 1", ("inc_subtensor", "x : float64")),
        ("3 in x", ("any(eq(x, value))", "x : float64")),
        ("f'{x:.3f}'", ("'.3f'", "x : float64", "get_value()")),
        ("x.summ()", ("'summ'", "Did you mean sum", "x : float64")),
        ("T.switch(c, 1)", ("condition c, 1 and None", "nonzero")),
        (
            "sg.function([x], x, updates=(w, w + 1))",
            ("updates=[(variable, expr", "w :"),
        ),
        ("sg.function([x], x, givens=[x])", ("givens=[(variable, expression)]", "x :")),
        ("U.adam([w], loss)", ("The loss comes first", "expected a list")),
        ("U.sgd(loss, w, 0.1)", ("a single variable", "Write [w].", "w : float64")),
        ("U.sgd(loss, 7, 0.1)", ("params is 7", "get_all_params(layer, trainable")),
        (
            "L.DenseLayer(inp, 2, nonlinearity='tanh')",
            ("nonlinearities.tanh", "'tanh'"),
        ),
        ("L.DenseLayer(inp, 2, nonlinearity=3)", ("nonlinearity=3 is a int",)),
        ("L.RecurrentLayer(seq, 4, nonlinearity='elu')", ("nonlinearities.elu",)),
        (
            "T.lscalar() << T.TensorType('uint64', ())('u')",
            ("int64 and uint64 have no",),
        ),
        (
            "sg.function([x, i], T.nnet.categorical_crossentropy(x, i))"
            "(np.ones((4, 3)), np.zeros(2, 'i'))",
            ("2 and 4 differ", "i : int64"),
        ),
        ("L.InputLayer(3)", ("shape=3 is no tuple", "(None, 3)")),
        ("L.get_output(3)", ("expected a layer or a list of layers", "int: 3")),
        ("L.get_output(x)", ("not a Variable", "x : float64")),
        ("L.get_output(inp, {x: y})", ("a key of inputs is a Variable", "x : float64")),
        ("L.get_output(inp, y)", ("rank 1", "(None, 3)", "y : float64", "dimshuffle")),
        ("L.get_all_params([inp, 3])", ("int: 3",)),
        (
            "sg.function([x], x).epoch(np.ones((2, 2)))",
            ("batch_size is missing", "=32"),
        ),
        (
            "nn.regularization.regularize_network_params(inp, 'l2')",
            ("penalty='l2' is a str", "regularization.l2"),
        ),
        (
            "nn.regularization.regularize_layer_params(3, nn.regularization.l2)",
            ("3 is a int, expected a layer",),
        ),
    ],
)
def test_operands_and_cures(program: str, words: tuple[str, ...]) -> None:
    _, text = told(program)
    for word in words:
        assert word in text


def test_names_that_are_alike_are_told_of_a_module_too() -> None:
    with pytest.raises(AttributeError, match="did you mean dot"):
        _ = T.dott


def test_the_line_is_noted_once() -> None:
    error, text = told("m + n")
    assert text.count("user_program.py:1") == 1
    assert isinstance(error, ShapeError)
    assert "met at" not in str(error)


def test_attributes_that_are_missing_are_missing_for_hasattr() -> None:
    x = T.dvector("x")
    assert not hasattr(x, "tocsr")
    assert getattr(x, "nothing", 3) == 3
    assert len(PROGRAMS) > 150
