"""Handwritten digits as shared variables, as old tutorials keep their data."""

import numpy as np
import theano
import theano.tensor as T

from symgraph.data import load_digits


def load(count=1500):
    """(images, labels) for training, the same for testing, and the arrays of all."""
    x, y = load_digits()
    order = np.random.RandomState(3).permutation(len(x))
    x, y = x[order].astype(theano.config.floatX), y[order]

    def hold(images, labels):
        shared_x = theano.shared(images, borrow=True)
        shared_y = theano.shared(labels.astype(theano.config.floatX), borrow=True)
        return shared_x, T.cast(shared_y, "int32")

    return hold(x[:count], y[:count]), hold(x[count:], y[count:]), (x, y)
