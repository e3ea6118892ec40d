"""Probes of ``theano`` itself, of its config, graphs, streams, GPUs and loops."""

import contextlib
import io
from typing import Any

import numpy as np
from theano_probes import V, X, probe, refused, same, value

# --- functions, shared variables, settings --------------------------------------------


@probe("theano.config.floatX")
def float_x(theano: Any, T: Any) -> None:
    assert theano.config.floatX == "float64"
    with theano.config.change_flags(floatX="float32"):
        assert T.matrix().dtype == theano.config.floatX == "float32"


@probe(
    "theano.function",
    differs="an update is cast where nothing is lost (float32 into float64), Theano "
    "refuses it; values that broadcast by an extent of 1 unknown before are accepted; "
    "`mode` is a name or `theano.compile.mode.Mode`, linkers other than `py` mean the "
    "compiled program",
)
def function(theano: Any, T: Any) -> None:
    x, y = T.fvector("x"), T.fscalar("y")
    w = theano.shared(np.float32(1), name="w")
    f = theano.function([x, theano.In(y, value=2.0)], [x * y + w], updates={w: w + y})
    first = f([1, 2])
    assert isinstance(first, list)
    assert first[0].tolist() == [3, 5]
    assert w.get_value() == 3
    assert f([1, 2], y=3.0)[0].tolist() == [6, 9]
    named = theano.function([x], {"a": x + 1, "b": x.sum()}, allow_input_downcast=True)
    assert named(np.array([1.0, 2.0]))["b"] == 3
    assert theano.function([], updates=[(w, w * 0)])() is None
    refused(TypeError, lambda: theano.function([x], x)(np.zeros(2)))
    refused(ValueError, lambda: theano.function([x, y], x))
    refused(TypeError, lambda: theano.function([], x + 1))
    given = theano.function([], x.sum(), givens=[(x, T.ones((3,), "float32"))])
    assert given() == 3
    assert f.maker.fgraph.toposort()
    f.free()


@probe(
    "theano.shared",
    differs="a list becomes an array (Theano: a generic value); random states are not "
    "accepted, RandomStreams are",
)
def shared(theano: Any, T: Any) -> None:
    w = theano.shared(value=np.zeros((1, 3), "float32"), name="w", borrow=True)
    assert (w.dtype, w.ndim, w.broadcastable, w.name) == (
        "float32", 2, (False, False), "w",
    )  # fmt: skip
    assert theano.shared(3.0).dtype == "float64"
    assert theano.shared(3).dtype == "int64"
    assert theano.shared(X[:1], broadcastable=(True, False)).broadcastable[0]
    w.set_value(np.ones((2, 2), "float32"))
    assert w.get_value(borrow=True).shape == (2, 2)
    refused(TypeError, lambda: w.set_value(np.ones((2, 2))))
    w.default_update = w * 2
    theano.function([], w.sum())()
    assert w.get_value()[0, 0] == 2


@probe("theano.In")
def inputs(theano: Any, T: Any) -> None:
    x, y = T.dscalars("x", "y")
    total = theano.shared(0.0)
    f = theano.function([x, theano.In(y, value=1.0, name="step")], x + y)
    assert f(1.0) == 2
    assert f(1.0, step=3.0) == 4
    g = theano.function([theano.In(x, allow_downcast=True, borrow=True)], x + total)
    assert g(1.0) == 1


@probe("theano.grad", "T.grad")
def grad(theano: Any, T: Any) -> None:
    x, w = T.dvector("x"), theano.shared(2.0)
    cost = (w * x**2).sum()
    gx, gw = T.grad(cost, [x, w])
    assert value(theano, gx, {x: V}).tolist() == (4 * V).tolist()
    assert value(theano, gw, {x: V}) == (V**2).sum()
    assert isinstance(theano.grad(cost, wrt=(x,)), tuple)
    known = theano.grad(None, wrt=x, known_grads={cost: 1.0})
    assert value(theano, known, {x: V}).tolist() == (4 * V).tolist()
    y = x * 3
    partial = theano.grad((x * y).sum(), x, consider_constant=[y])
    assert value(theano, partial, {x: V}).tolist() == (3 * V).tolist()
    z = T.dscalar("z")
    refused(ValueError, lambda: theano.grad(cost, z))
    assert value(theano, theano.grad(cost, z, disconnected_inputs="ignore")) == 0
    assert theano.grad(cost, z, None, "ignore", return_disconnected="None") is None
    refused(TypeError, lambda: theano.grad(x, x))


@probe("theano.gradient.disconnected_grad")
def disconnected_grad(theano: Any, T: Any) -> None:
    x = T.dscalar("x")
    slope = theano.grad(x * theano.gradient.disconnected_grad(x), x)
    assert value(theano, slope, {x: 3.0}) == 3


@probe("theano.clone")
def clone(theano: Any, T: Any) -> None:
    x, y = T.dscalars("x", "y")
    made = theano.clone(x * 2, replace={x: y + 1}, strict=True, share_inputs=True)
    assert value(theano, made, {y: 2.0}) == 6
    assert theano.clone(x * 1, copy_inputs=True).owner.inputs[0] is x
    w = theano.shared(1.0, name="w")
    copy = theano.clone(w, share_inputs=False)
    assert isinstance(copy, theano.compile.SharedVariable)
    copy.default_update = copy + w
    theano.function([], [copy * 1])()
    assert copy.get_value() == w.get_value() == 2


@probe("theano.Variable", "T.Variable", "theano.gof.Variable")
def variable(theano: Any, T: Any) -> None:
    x = theano.Variable(T.matrix().type)
    assert isinstance(x, T.Variable)
    assert isinstance(T.scalar(), theano.gof.Variable)
    assert isinstance(theano.shared(1.0), theano.Variable)
    assert isinstance(T.constant(1.0), theano.Variable)
    assert {x: 1}[x] == 1
    assert (x == T.matrix()) is False
    x.tag.note = "mine"
    x.name = "x"
    assert (x.tag.note, x.owner) == ("mine", None)


@probe(
    "theano.compile.SharedVariable",
    "T.sharedvar.SharedVariable",
    "T.sharedvar.TensorSharedVariable",
)
def shared_variable(theano: Any, T: Any) -> None:
    for kind in (
        theano.compile.SharedVariable,
        T.sharedvar.SharedVariable,
        T.sharedvar.TensorSharedVariable,
    ):
        assert isinstance(theano.shared(1.0), kind)
        assert not isinstance(T.scalar(), kind)


@probe(
    "T.TensorVariable",
    differs="shared variables and constants are instances too",
)
def tensor_variable(theano: Any, T: Any) -> None:
    assert isinstance(T.matrix() + 1, T.TensorVariable)
    assert not isinstance(X, T.TensorVariable)
    assert isinstance(theano.shared(1.0), T.TensorVariable)


@probe("T.TensorConstant")
def tensor_constant(theano: Any, T: Any) -> None:
    assert isinstance(T.constant(3), T.TensorConstant)
    assert T.constant(3).data == 3
    assert not isinstance(T.scalar(), T.TensorConstant)


@probe("theano.config.device", differs="always `cpu`")
def device(theano: Any, T: Any) -> None:
    assert theano.config.device == "cpu"
    assert not theano.config.device.startswith(("cuda", "gpu"))


# --- graphs ---------------------------------------------------------------------------


@probe("theano.gof.graph.inputs")
def graph_inputs(theano: Any, T: Any) -> None:
    x, y, z = (theano.shared(0, name=n) for n in "xyz")
    assert theano.gof.graph.inputs([(x + y) + z]) == [x, y, z]
    assert theano.gof.graph.inputs([x, y]) == [y, x]


@probe("theano.gof.graph.is_same_graph")
def is_same_graph(theano: Any, T: Any) -> None:
    x, y = T.dvectors("x", "y")
    assert theano.gof.graph.is_same_graph(T.exp(x) + 1, T.exp(x) + 1)
    assert not theano.gof.graph.is_same_graph(T.exp(x) + 1, T.exp(y) + 1)
    assert theano.gof.graph.is_same_graph(T.exp(x), T.exp(y), givens={x: y})


# --- random streams -------------------------------------------------------------------


@probe(
    "theano.sandbox.rng_mrg.MRG_RandomStreams",
    differs="the numbers are those of symgraph's own generator (Philox), the same on "
    "every machine; `multinomial` draws once per row (`n=1`)",
)
def streams(theano: Any, T: Any) -> None:
    from theano.sandbox.rng_mrg import MRG_RandomStreams

    def draws(seed: Any) -> Any:
        rng = MRG_RandomStreams(seed)
        x = T.matrix("x")
        wanted = [
            rng.uniform(size=x.shape, low=-1.0, high=1.0, dtype="float32"),
            rng.normal((50,), avg=2.0, std=0.5),
            rng.binomial(size=x.shape, n=1, p=0.25, dtype=theano.config.floatX),
            rng.binomial((4,), p=0.5),
            rng.multinomial(pvals=[[0.2, 0.8], [1.0, 0.0]]),
            rng.choice(size=(3,), a=5),
        ]
        assert [v.dtype for v in wanted[3:]] == ["int64"] * 3
        assert rng.updates()
        f = theano.function([x], wanted, mode="FAST_COMPILE")
        return f(np.zeros((20, 20))), f(np.zeros((20, 20)))

    first, second = draws(7)
    again, _ = draws(np.int64(7))
    for a, b in zip(first, again, strict=True):
        assert (a == b).all()
    assert (first[0] != second[0]).any()
    assert abs(first[1].mean() - 2) < 0.4
    assert abs(first[2].mean() - 0.25) < 0.1
    assert set(np.unique(first[2])) == {0, 1}
    assert first[4].sum(axis=1).tolist() == [1, 1]


# --- loops and branches ---------------------------------------------------------------


@probe("theano.scan")
def scan(theano: Any, T: Any) -> None:
    x, h0, w = T.dvector("x"), T.dscalar("h0"), theano.shared(0.5)
    h, updates = theano.scan(
        fn=lambda a, before, scale: scale * before + a,
        sequences=[x],
        outputs_info=[h0],
        non_sequences=[w],
        strict=True,
        name="loop",
    )
    assert value(theano, h[-1], {x: V, h0: 4.0}) == (4 / 2 + 2) / 4 + 0.25 - 1.5
    assert not updates
    (squares, powers), _ = theano.scan(
        lambda i, p: [i * i, p * 2.0],
        sequences=T.arange(4),
        outputs_info=[None, dict(initial=T.constant(1.0), taps=[-1])],
    )
    assert value(theano, squares).tolist() == [0, 1, 4, 9]
    assert value(theano, powers).tolist() == [2, 4, 8, 16]
    fibonacci, _ = theano.scan(
        lambda a, b: (a + b, theano.scan_module.until(a + b > 20)),
        outputs_info=dict(initial=T.constant(np.array([1.0, 1.0])), taps=[-2, -1]),
        n_steps=50,
    )
    assert value(theano, fibonacci).tolist() == [2, 3, 5, 8, 13, 21]
    # h1 = 4w + 2, h2 = w h1 + 0.5, h3 = w h2 - 1.5, each differentiated by w at 0.5
    slope = theano.grad(h[-1], w)
    assert value(theano, slope, {x: V, h0: 4.0}) == 2.5 + 0.5 * (4 + 0.5 * 4)


@probe("theano.map")
def mapping(theano: Any, T: Any) -> None:
    x = T.dmatrix("x")
    rows, _ = theano.map(lambda row: row.sum(), sequences=x, name="sums")
    same(theano, rows, X.sum(1), {x: X})


@probe("theano.foldl", "theano.foldr")
def folds(theano: Any, T: Any) -> None:
    x = T.dvector("x")
    left, _ = theano.foldl(lambda e, s: s / 2 + e, x, T.constant(0.0), name="left")
    right, _ = theano.foldr(lambda e, s: s / 2 + e, x, T.constant(0.0))
    assert value(theano, left, {x: V}) == 2 / 4 + 0.5 / 2 - 1.5
    assert value(theano, right, {x: V}) == 2 + 0.5 / 2 - 1.5 / 4


@probe("theano.ifelse.ifelse")
def ifelse(theano: Any, T: Any) -> None:
    from theano.ifelse import ifelse as branch

    x, y = T.dscalars("x", "y")
    out = branch(T.lt(x, y), x * 2, y * 3)
    assert value(theano, out, {x: 1.0, y: 2.0}) == 2
    assert value(theano, out, {x: 3.0, y: 2.0}) == 6
    many = branch(T.lt(x, y), [x, y], [y, x])
    assert value(theano, many[0], {x: 3.0, y: 2.0}) == 2


# --- extending, printing --------------------------------------------------------------


@probe("theano.OpFromGraph")
def op_from_graph(theano: Any, T: Any) -> None:
    x, y = T.dscalars("x", "y")
    op = theano.OpFromGraph([x, y], [x * y + 1])
    out = op(x + 1, y)
    assert value(theano, out, {x: 1.0, y: 3.0}) == 7
    assert value(theano, theano.grad(out, x), {x: 1.0, y: 3.0}) == 3


@probe("theano.printing.Print")
def printing(theano: Any, T: Any) -> None:
    x, said = T.dvector("x"), io.StringIO()
    with contextlib.redirect_stdout(said):
        same(
            theano, theano.printing.Print("x is", attrs=["shape"])(x) * 2, V * 2, {x: V}
        )
    assert said.getvalue().startswith("x is shape = (3,)")


# --- GPUs -----------------------------------------------------------------------------


@probe(
    "theano.sandbox.cuda.cuda_enabled",
    "theano.sandbox.cuda.dnn.dnn_present",
    "theano.sandbox.cuda.dnn.dnn_available",
    "theano.sandbox.gpuarray.pygpu_activated",
    differs="always false: symgraph computes on the CPU here",
)
def gpu(theano: Any, T: Any) -> None:
    import theano.sandbox.cuda.dnn
    import theano.sandbox.gpuarray

    assert not theano.sandbox.cuda.cuda_enabled
    assert not theano.sandbox.cuda.dnn.dnn_available()
    assert not theano.sandbox.cuda.dnn.dnn_present()
    assert theano.sandbox.cuda.dnn.dnn_available.msg
    assert not theano.sandbox.gpuarray.pygpu_activated
    assert not theano.gpuarray.pygpu_activated
    assert not theano.gpuarray.dnn.dnn_present()


@probe(
    "theano.sandbox.cuda.dnn.dnn_batch_normalization_train",
    "theano.sandbox.cuda.dnn.dnn_batch_normalization_test",
    differs="absent, as without a GPU: `hasattr` says no, use raises AttributeError",
)
def gpu_normalization(theano: Any, T: Any) -> None:
    from theano.sandbox.cuda import dnn

    assert not hasattr(dnn, "dnn_batch_normalization_train")
    assert not hasattr(dnn, "dnn_batch_normalization_test")


# --- sparse ---------------------------------------------------------------------------


@probe(
    "theano.sparse.SparseType",
    differs="a sparse variable is no instance of `theano.Variable`; ask "
    "`isinstance(x.type, SparseType)`",
)
def sparse_type(theano: Any, T: Any) -> None:
    s = theano.sparse.csr_matrix(name="s", dtype="float32")
    assert isinstance(s.type, theano.sparse.SparseType)
    assert not isinstance(T.matrix().type, theano.sparse.SparseType)
    assert not isinstance(s, theano.Variable)
    assert s.type.dtype == "float32"


@probe(
    "theano.sparse.as_sparse_variable",
    "theano.sparse.csr_matrix",
    "theano.sparse.dense_from_sparse",
    "theano.sparse.basic.structured_dot",
)
def sparse(theano: Any, T: Any) -> None:
    import scipy.sparse

    s = theano.sparse.csr_matrix(name="s", dtype="float64")
    x = T.dmatrix("x")
    data = scipy.sparse.csr_matrix(X)
    out = theano.sparse.basic.structured_dot(s, x)
    f = theano.function([s, x], out, mode="FAST_COMPILE")
    np.testing.assert_allclose(f(data, X.T), X @ X.T)
    dense = theano.sparse.dense_from_sparse(theano.sparse.as_sparse_variable(data))
    same(theano, dense, X)


@probe("theano.sparse.basic.hstack", "theano.sparse.basic.vstack")
def sparse_stacks(theano: Any, T: Any) -> None:
    import scipy.sparse

    parts = [theano.sparse.as_sparse_variable(scipy.sparse.csr_matrix(X))] * 2
    for name, stack in (("hstack", np.hstack), ("vstack", np.vstack)):
        made = getattr(theano.sparse.basic, name)(parts, format="csr")
        same(theano, theano.sparse.dense_from_sparse(made), stack([X, X]))
