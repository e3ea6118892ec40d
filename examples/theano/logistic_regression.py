"""Softmax regression, written for Theano: shared data, minibatches by givens.

python -m symgraph.compat examples/theano/logistic_regression.py
"""

import argparse

import numpy as np
import theano
import theano.tensor as T
from digits_data import load


class LogisticRegression:
    """p(y | x) = softmax(x W + b)."""

    def __init__(self, input, n_in, n_out):
        self.W = theano.shared(
            value=np.zeros((n_in, n_out), dtype=theano.config.floatX),
            name="W",
            borrow=True,
        )
        self.b = theano.shared(
            value=np.zeros((n_out,), dtype=theano.config.floatX), name="b", borrow=True
        )
        self.p_y_given_x = T.nnet.softmax(T.dot(input, self.W) + self.b)
        self.y_pred = T.argmax(self.p_y_given_x, axis=1)
        self.params = [self.W, self.b]

    def negative_log_likelihood(self, y):
        """Mean of -log p of the labels."""
        return -T.mean(T.log(self.p_y_given_x)[T.arange(y.shape[0]), y])

    def errors(self, y):
        """Fraction of wrong predictions."""
        if y.ndim != self.y_pred.ndim:
            raise TypeError("y has another shape than the predictions", y.type)
        return T.mean(T.neq(self.y_pred, y))


def minibatch_functions(x, y, cost, errors, params, rate, batch, train, test):
    """A training step and an evaluation, both called with the number of a minibatch."""
    index = T.lscalar("index")

    def part(data):
        rows = slice(index * batch, (index + 1) * batch)
        return {x: data[0][rows], y: data[1][rows]}

    gradients = T.grad(cost=cost, wrt=params)
    updates = [(p, p - rate * g) for p, g in zip(params, gradients)]
    step = theano.function(
        inputs=[index], outputs=cost, updates=updates, givens=part(train)
    )
    wrong = theano.function([index], errors, givens=part(test))
    return step, wrong


def run(step, wrong, epochs, batch=50, train=1500, test=297):
    """Print and return the mean loss of each epoch."""
    losses = []
    for epoch in range(epochs):
        losses.append(np.mean([step(i) for i in range(train // batch)]))
        missed = np.mean([wrong(i) for i in range(test // batch)])
        print(f"epoch {epoch + 1}, loss {losses[-1]:.4f}, test errors {missed:.1%}")
    return losses


def main(argv=None):
    """Train and print losses; they are returned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=0.3)
    options = parser.parse_args(argv)
    train, test, _ = load()
    x, y = T.matrix("x"), T.ivector("y")
    model = LogisticRegression(input=x, n_in=64, n_out=10)
    step, wrong = minibatch_functions(
        x, y, model.negative_log_likelihood(y), model.errors(y), model.params,
        options.rate, 50, train, test,
    )  # fmt: skip
    return run(step, wrong, options.epochs)


if __name__ == "__main__":
    main()
