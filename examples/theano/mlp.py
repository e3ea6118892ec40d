"""A multilayer perceptron with weight decay, written for Theano.

python -m symgraph.compat examples/theano/mlp.py
"""

import argparse

import numpy as np
import theano
import theano.tensor as T
from digits_data import load
from logistic_regression import LogisticRegression, minibatch_functions, run


class HiddenLayer:
    """activation(x W + b), W uniform as Glorot and Bengio 2010 advise."""

    def __init__(self, rng, input, n_in, n_out, W=None, b=None, activation=T.tanh):
        self.input = input
        if W is None:
            bound = np.sqrt(6.0 / (n_in + n_out))
            values = np.asarray(
                rng.uniform(low=-bound, high=bound, size=(n_in, n_out)),
                dtype=theano.config.floatX,
            )
            if activation == theano.tensor.nnet.sigmoid:
                values *= 4
            W = theano.shared(value=values, name="W", borrow=True)
        if b is None:
            zeros = np.zeros((n_out,), dtype=theano.config.floatX)
            b = theano.shared(value=zeros, name="b", borrow=True)
        self.W, self.b = W, b
        linear = T.dot(input, self.W) + self.b
        self.output = linear if activation is None else activation(linear)
        self.params = [self.W, self.b]


class MLP:
    """One hidden layer, and a logistic regression on top of it."""

    def __init__(self, rng, input, n_in, n_hidden, n_out):
        self.hidden = HiddenLayer(rng, input, n_in, n_hidden)
        self.top = LogisticRegression(self.hidden.output, n_hidden, n_out)
        self.L1 = abs(self.hidden.W).sum() + abs(self.top.W).sum()
        self.L2_sqr = (self.hidden.W**2).sum() + (self.top.W**2).sum()
        self.params = self.hidden.params + self.top.params


def main(argv=None):
    """Train and print losses; they are returned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rate", type=float, default=0.2)
    options = parser.parse_args(argv)
    train, test, _ = load()
    x, y = T.matrix("x"), T.ivector("y")
    model = MLP(np.random.RandomState(1234), x, 64, 100, 10)
    cost = model.top.negative_log_likelihood(y) + 0.00 * model.L1 + 1e-4 * model.L2_sqr
    step, wrong = minibatch_functions(
        x, y, cost, model.top.errors(y), model.params, options.rate, 50, train, test
    )
    return run(step, wrong, options.epochs)


if __name__ == "__main__":
    main()
