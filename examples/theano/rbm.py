"""A restricted Boltzmann machine by persistent contrastive divergence, for Theano.

python -m symgraph.compat examples/theano/rbm.py

The Gibbs chain is a scan whose random numbers come back as updates. Tieleman 2008,
Training restricted Boltzmann machines using approximations to the likelihood gradient.
"""

import argparse

import numpy as np
import theano
import theano.tensor as T
from digits_data import load
from theano.tensor.shared_randomstreams import RandomStreams


class RBM:
    """F(v) = -v b - sum_i log(1 + exp(c_i + v W_i)); p(v) is exp(-F(v)) / Z."""

    def __init__(self, input, n_visible, n_hidden, numpy_rng, theano_rng):
        bound = 4 * np.sqrt(6.0 / (n_hidden + n_visible))
        W = numpy_rng.uniform(low=-bound, high=bound, size=(n_visible, n_hidden))
        self.W = theano.shared(np.asarray(W, dtype=theano.config.floatX), name="W")
        self.hbias = theano.shared(np.zeros(n_hidden, dtype=theano.config.floatX))
        self.vbias = theano.shared(np.zeros(n_visible, dtype=theano.config.floatX))
        self.input, self.n_visible, self.rng = input, n_visible, theano_rng
        self.params = [self.W, self.hbias, self.vbias]

    def free_energy(self, v):
        """F of each row."""
        wx_b = T.dot(v, self.W) + self.hbias
        return -T.sum(T.log(1 + T.exp(wx_b)), axis=1) - T.dot(v, self.vbias)

    def sample_h_given_v(self, v):
        """Activation, probability and sample of the hidden units."""
        pre = T.dot(v, self.W) + self.hbias
        mean = T.nnet.sigmoid(pre)
        sample = self.rng.binomial(
            size=mean.shape, n=1, p=mean, dtype=theano.config.floatX
        )
        return [pre, mean, sample]

    def sample_v_given_h(self, h):
        """Activation, probability and sample of the visible units."""
        pre = T.dot(h, self.W.T) + self.vbias
        mean = T.nnet.sigmoid(pre)
        sample = self.rng.binomial(
            size=mean.shape, n=1, p=mean, dtype=theano.config.floatX
        )
        return [pre, mean, sample]

    def gibbs_hvh(self, h):
        """One step of the chain, from hidden to hidden units."""
        visible = self.sample_v_given_h(h)
        return visible + self.sample_h_given_v(visible[2])

    def get_cost_updates(self, lr, persistent, k):
        """Pseudo-likelihood, and updates of parameters, chain and random streams."""
        outputs, updates = theano.scan(
            self.gibbs_hvh,
            outputs_info=[None, None, None, None, None, persistent],
            n_steps=k,
            name="gibbs_hvh",
        )
        chain_end = outputs[2][-1]
        cost = T.mean(self.free_energy(self.input)) - T.mean(
            self.free_energy(chain_end)
        )
        gradients = T.grad(cost, self.params, consider_constant=[chain_end])
        for gradient, param in zip(gradients, self.params):
            updates[param] = param - gradient * T.cast(lr, dtype=theano.config.floatX)
        updates[persistent] = outputs[5][-1]
        return self.pseudo_likelihood(updates), updates

    def pseudo_likelihood(self, updates):
        """n * mean log sigmoid(F(v with bit i flipped) - F(v)), another i each time."""
        bit = theano.shared(value=0, name="bit")
        xi = T.round(self.input)
        flipped = T.set_subtensor(xi[:, bit], 1 - xi[:, bit])
        gap = self.free_energy(flipped) - self.free_energy(xi)
        updates[bit] = (bit + 1) % self.n_visible
        return T.mean(self.n_visible * T.log(T.nnet.sigmoid(gap)))


def main(argv=None):
    """Train and print pseudo-likelihoods; they are returned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args(argv)
    (train_x, _), _, _ = load()
    train_x.set_value(np.round(train_x.get_value(borrow=True)))
    index, x, batch = T.lscalar("index"), T.matrix("x"), 20
    rng = np.random.RandomState(123)
    rbm = RBM(x, 64, 80, rng, RandomStreams(rng.randint(2**30)))
    chain = theano.shared(np.zeros((batch, 80), dtype=theano.config.floatX))
    cost, updates = rbm.get_cost_updates(lr=0.05, persistent=chain, k=options.steps)
    train = theano.function(
        [index],
        cost,
        updates=updates,
        givens={x: train_x[index * batch : (index + 1) * batch]},
        name="train_rbm",
    )
    found = []
    for epoch in range(options.epochs):
        found.append(np.mean([train(i) for i in range(1500 // batch)]))
        print(f"epoch {epoch + 1}, log pseudo-likelihood {found[-1]:.2f}")
    return found


if __name__ == "__main__":
    main()
