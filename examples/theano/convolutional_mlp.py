"""Two layers of convolution and pooling, then a perceptron, written for Theano.

python -m symgraph.compat examples/theano/convolutional_mlp.py
"""

import argparse

import numpy as np
import theano
import theano.tensor as T
from digits_data import load
from logistic_regression import LogisticRegression, minibatch_functions, run
from mlp import HiddenLayer
from theano.tensor.nnet import conv2d
from theano.tensor.signal import pool


class ConvPoolLayer:
    """tanh of the largest response in each 2 x 2 block."""

    def __init__(self, rng, input, filter_shape, image_shape, poolsize=(2, 2)):
        assert image_shape[1] == filter_shape[1]
        fan_in = np.prod(filter_shape[1:])
        fan_out = filter_shape[0] * np.prod(filter_shape[2:]) // np.prod(poolsize)
        bound = np.sqrt(6.0 / (fan_in + fan_out))
        self.W = theano.shared(
            np.asarray(
                rng.uniform(low=-bound, high=bound, size=filter_shape),
                dtype=theano.config.floatX,
            ),
            borrow=True,
        )
        self.b = theano.shared(np.zeros((filter_shape[0],), dtype=theano.config.floatX))
        maps = conv2d(
            input=input,
            filters=self.W,
            filter_shape=filter_shape,
            input_shape=image_shape,
        )
        pooled = pool.pool_2d(input=maps, ws=poolsize, ignore_border=True)
        self.output = T.tanh(pooled + self.b.dimshuffle("x", 0, "x", "x"))
        self.params = [self.W, self.b]


def main(argv=None):
    """Train and print losses; they are returned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.2)
    options = parser.parse_args(argv)
    rng, batch = np.random.RandomState(23455), 50
    train, test, _ = load()
    x, y = T.matrix("x"), T.ivector("y")
    image = x.reshape((batch, 1, 8, 8))
    first = ConvPoolLayer(rng, image, (8, 1, 3, 3), (batch, 1, 8, 8))
    second = ConvPoolLayer(rng, first.output, (16, 8, 2, 2), (batch, 8, 3, 3), (1, 1))
    hidden = HiddenLayer(rng, second.output.flatten(2), 16 * 2 * 2, 50)
    top = LogisticRegression(hidden.output, 50, 10)
    params = top.params + hidden.params + second.params + first.params
    step, wrong = minibatch_functions(
        x, y, top.negative_log_likelihood(y), top.errors(y), params,
        options.rate, batch, train, test,
    )  # fmt: skip
    return run(step, wrong, options.epochs)


if __name__ == "__main__":
    main()
