"""``theano.function`` and what it returns; shared variables; modes; streams; GPUs."""

import copy
from collections import OrderedDict

import numpy as np
import pytest

from symgraph.errors import ModeError, NotSupportedError, UpdateError


def test_updates_may_be_given_in_any_form_and_read_old_values(theano):
    for form in (dict, OrderedDict, list, tuple, theano.OrderedUpdates):
        a, b = theano.shared(1.0), theano.shared(2.0)
        step = theano.function([], a, updates=form([(a, b), (b, a + b)]))
        assert step() == 1
        assert (a.get_value(), b.get_value()) == (2, 3)


def test_updates_of_scans_join_and_take_shared_variables_only(theano):
    a, b = theano.shared(1.0), theano.shared(2.0)
    joined = theano.OrderedUpdates([(a, a + 1)]) + OrderedDict([(b, a)])
    assert list(joined) == [a, b]
    with pytest.raises(UpdateError):
        joined[theano.tensor.scalar()] = a


def test_a_function_has_theano_s_attributes(theano):
    x, w = theano.tensor.dvector("x"), theano.shared(2.0, name="w")
    f = theano.function([x], theano.Out(x * w, borrow=True), name="f", profile=False)
    names = [type(node.op).__name__ for node in f.maker.fgraph.toposort()]
    assert any(
        isinstance(n.op, theano.tensor.Elemwise) for n in f.maker.fgraph.toposort()
    )
    assert not any(name.startswith("Gpu") for name in names)
    assert f.fn([1.0]) == 2
    assert f.get_shared() == [w]
    f.trust_input = True
    assert copy.copy(f)([1.0]) == f.copy(name="g")([1.0]) == 2
    assert f.copy(name="g").name == "g"
    lists = theano.function([x], [theano.Out(x * w), x])
    assert [a.tolist() for a in lists([1.0])] == [[2], [1]]


def test_older_forms_of_inputs(theano):
    x, y = theano.tensor.dscalars("x", "y")
    f = theano.function([x, theano.Param(y, default=2.0, name="by")], x * y)
    assert (f(3.0), f(3.0, by=3.0)) == (6, 9)
    total = theano.function([x, (y, 5.0)], x + y)
    assert total(1.0) == 6


def test_modes_by_name_and_as_objects(theano):
    x = theano.tensor.dscalar()
    for mode in (
        None, "FAST_RUN", "FAST_COMPILE", "Mode", theano.compile.mode.get_default_mode(),
        theano.Mode(linker="py", optimizer="fast_compile"),
        theano.compile.get_mode("DebugMode"),
    ):  # fmt: skip
        assert theano.function([x], x + 1, mode=mode)(1.0) == 2
    with pytest.raises(ModeError):
        theano.function([x], x, mode=object())
    with pytest.raises(ModeError, match="FAST_WALK"):
        theano.function([x], x, mode="FAST_WALK")


@pytest.mark.parametrize("optimizer", [None, "None"])
def test_a_mode_without_optimizer_compiles_the_graph_as_it_is(theano, optimizer):
    x = theano.tensor.dscalar()
    f = theano.function([x], x + x, mode=theano.Mode("cvm", optimizer))
    assert f(1.0) == 2
    assert f.rewritten.firings == ()
    full = theano.function([x], x + x, mode=theano.Mode("cvm", "fast_run"))
    assert full.rewritten.firings != ()


def test_default_updates_of_clones_keep_the_type_of_the_variable(theano):
    """As layers that normalize a batch do: the clone carries the running average."""
    T = theano.tensor
    mean = theano.shared(np.zeros(3), name="mean")
    running = theano.clone(mean, share_inputs=False)
    x = T.dmatrix("x")
    running.default_update = 0.5 * running + 0.5 * x.mean(axis=0)
    out = x - x.mean(axis=0) + 0 * running
    f = theano.function([x], out)
    f(np.ones((2, 3)))
    assert mean.get_value().tolist() == [0.5] * 3
    theano.function([x], out, no_default_updates=True)(np.ones((2, 3)))
    assert mean.get_value().tolist() == [0.5] * 3


def test_shared_variables_promise_no_extents(theano):
    w = theano.shared(np.zeros((1, 3), "float32"))
    assert w.broadcastable == (False, False)
    w.set_value(np.zeros((4, 2), "float32"))
    marked = theano.shared(np.zeros((1, 3)), broadcastable=(np.True_, np.False_))
    assert marked.broadcastable == (True, False)
    marked.set_value(np.zeros((1, 7)))


def test_what_cannot_be_shared_is_refused_by_name(theano):
    for state in (np.random.RandomState(1), np.random.default_rng(1)):
        with pytest.raises(NotSupportedError, match="random state"):
            theano.shared(state)
    with pytest.raises(NotSupportedError, match="'gpu0'"):
        theano.shared(1.0, target="gpu0")
    assert theano.shared([1.0, 2.0]).get_value().tolist() == [1, 2]


def test_streams_are_seeded_as_in_theano(theano):
    from theano.sandbox.rng_mrg import MRG_RandomStreams
    from theano.tensor.shared_randomstreams import RandomStreams

    def first(rng):
        return theano.function([], rng.uniform((3,)), mode="FAST_COMPILE")()

    assert (first(MRG_RandomStreams()) == first(MRG_RandomStreams(12345))).all()
    assert (first(MRG_RandomStreams(1)) != first(MRG_RandomStreams(2))).any()
    rng = RandomStreams(seed=5)
    draw = theano.function([], rng.normal((4,)), mode="FAST_COMPILE")
    one = draw()
    assert (draw() != one).any()
    rng.seed(5)
    assert (draw() == one).all()
    row = rng.multinomial(pvals=[[0.0, 1.0]])
    assert row.eval().tolist() == [[0, 1]]
    again = MRG_RandomStreams(3)
    again.set_rstate(9)
    assert (first(again) == first(MRG_RandomStreams(9))).all()
    with pytest.raises(NotSupportedError, match="no GPU"):
        MRG_RandomStreams(use_cuda=True)


def test_a_gpu_is_absent_and_says_so(theano):
    from theano import gpuarray

    gpuarray.use("cpu")
    with pytest.raises(NotSupportedError, match="cuda0"):
        gpuarray.use("cuda0")
    with pytest.raises(NotSupportedError, match="CPU"):
        gpuarray.get_context(None)
    assert gpuarray.dnn.version(raises=False) == -1
    with pytest.raises(NotSupportedError):
        gpuarray.dnn.version()
    with pytest.raises(ImportError):
        from theano.sandbox.cuda import basic_ops  # noqa: F401


def test_view_op_is_the_identity(theano):
    x = theano.tensor.dvector()
    out = theano.compile.view_op(x)
    assert out is not x
    assert out.eval({x: [1.0]}) == 1


def test_seeds_of_old_tests(theano):
    from theano.tests import unittest_tools

    assert unittest_tools.fetch_seed() == 666
    unittest_tools.seed_rng()
    one = np.random.rand()
    unittest_tools.seed_rng()
    assert np.random.rand() == one
    unittest_tools.verify_grad(theano.tensor.sqr, [np.array([1.0, 2.0])])
