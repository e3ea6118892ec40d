"""Functions over graphs: orders that old programs rely on, comparisons."""

import numpy as np


def test_leaves_come_depth_first_and_listed_ones_from_the_last(theano):
    x, y, z = (theano.shared(0, name=n) for n in "xyz")
    leaves = theano.gof.graph.inputs
    assert leaves([x, y, z]) == [z, y, x]
    assert leaves([(x + y) + z]) == [x, y, z]
    assert leaves([x + (y + z)]) == [x, y, z]
    assert leaves(reversed([x + y, z * y])) == [x, y, z]


def test_blockers_end_the_search(theano):
    x, y = theano.tensor.dscalars("x", "y")
    inner = x + y
    assert theano.gof.graph.inputs([inner * 2], [inner])[0].ndim == 0
    assert x not in theano.gof.graph.inputs([inner * 2], [inner])
    assert theano.gof.graph.ancestors([inner]) == [inner, x, y]


def test_applications_come_in_order(theano):
    x = theano.tensor.dvector("x")
    out = theano.tensor.exp(x) + 1
    order = theano.gof.graph.io_toposort([x], [out])
    assert [str(node.op) for node in order] == ["exp", "add"]


def test_equal_graphs_are_found_equal(theano):
    T = theano.tensor
    x, y = T.dvectors("x", "y")
    same = theano.gof.graph.is_same_graph
    assert same(T.exp(x) * 2, T.exp(x) * 2)
    assert not same(T.exp(x) * 2, T.exp(x) * 3)
    assert not same(T.exp(x) * 2, T.exp(y) * 2)
    assert not same(T.exp(x), T.log(x))
    assert same(T.exp(x) * 2, T.exp(y) * 2, givens={x: y})
    assert not same(x + 1, x)
    assert not same(x.sum(axis=0), T.dmatrix("m").sum(axis=0))


def test_lists_of_computations_are_compared(theano):
    T = theano.tensor
    from theano.scan_module.scan_utils import equal_computations as equal

    x, y = T.dvectors("x", "y")
    w = theano.shared(np.zeros(3))
    assert equal([x * w, x], [x * w, x])
    assert not equal([x * w], [x * w, x])
    assert equal([x * w], [y * w], [x], [y])
    assert not equal([x * w], [y * w])
