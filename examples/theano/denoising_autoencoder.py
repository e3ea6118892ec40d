"""An autoencoder that repairs damaged digits, written for Theano.

python -m symgraph.compat examples/theano/denoising_autoencoder.py

Vincent et al. 2008, Extracting and composing robust features with denoising
autoencoders.
"""

import argparse

import numpy as np
import theano
import theano.tensor as T
from digits_data import load
from theano.sandbox.rng_mrg import MRG_RandomStreams as RandomStreams


class DenoisingAutoencoder:
    """z = sigmoid(W' sigmoid(W x~ + b) + b'), with pixels of x set to 0 in x~."""

    def __init__(self, numpy_rng, theano_rng, input, n_visible, n_hidden):
        bound = 4 * np.sqrt(6.0 / (n_hidden + n_visible))
        W = numpy_rng.uniform(low=-bound, high=bound, size=(n_visible, n_hidden))
        self.W = theano.shared(
            value=np.asarray(W, dtype=theano.config.floatX), name="W", borrow=True
        )
        self.b = theano.shared(np.zeros(n_hidden, dtype=theano.config.floatX), "b")
        self.b_prime = theano.shared(
            value=np.zeros(n_visible, dtype=theano.config.floatX), borrow=True
        )
        self.theano_rng, self.x = theano_rng, input
        self.params = [self.W, self.b, self.b_prime]

    def corrupted(self, corruption_level):
        """The input with each pixel set to 0 at this probability."""
        return self.x * self.theano_rng.binomial(
            size=self.x.shape, n=1, p=1 - corruption_level, dtype=theano.config.floatX
        )

    def cost_updates(self, corruption_level, learning_rate):
        """Mean cross-entropy of the repaired images, and a step down."""
        y = T.nnet.sigmoid(T.dot(self.corrupted(corruption_level), self.W) + self.b)
        z = T.nnet.sigmoid(T.dot(y, self.W.T) + self.b_prime)
        L = -T.sum(self.x * T.log(z) + (1 - self.x) * T.log(1 - z), axis=1)
        cost = T.mean(L)
        gradients = T.grad(cost, self.params)
        return cost, [
            (p, p - learning_rate * g) for p, g in zip(self.params, gradients)
        ]


def main(argv=None):
    """Train and print losses; they are returned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--corruption", type=float, default=0.3)
    options = parser.parse_args(argv)
    (train_x, _), _, _ = load()
    rng = np.random.RandomState(123)
    theano_rng = RandomStreams(rng.randint(2**30))
    index, x, batch = T.lscalar(), T.matrix("x"), 20
    da = DenoisingAutoencoder(rng, theano_rng, x, n_visible=64, n_hidden=100)
    cost, updates = da.cost_updates(options.corruption, learning_rate=0.1)
    step = theano.function(
        [index],
        cost,
        updates=updates,
        givens={x: train_x[index * batch : (index + 1) * batch]},
    )
    losses = []
    for epoch in range(options.epochs):
        count = train_x.get_value(borrow=True).shape[0] // batch
        losses.append(np.mean([step(i) for i in range(count)]))
        print(f"epoch {epoch + 1}, cost {losses[-1]:.3f}")
    return losses


if __name__ == "__main__":
    main()
