"""An LSTM over masked sequences of symbols, by scan, written for Theano.

python -m symgraph.compat examples/theano/lstm.py

Each sequence holds symbols of two kinds; its class is the kind that it began with, which
must be kept until the end. Hochreiter and Schmidhuber 1997, Long short-term memory.
"""

import argparse
from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as T
from theano import config

SYMBOLS = 8


def sequences(rng, count, longest):
    """Symbols (time, count), mask of the same shape, classes."""
    lengths = rng.randint(longest // 2, longest + 1, count)
    x = rng.randint(2, SYMBOLS, (longest, count)).astype("int64")
    y = rng.randint(0, 2, count).astype("int32")
    x[0] = y
    mask = (np.arange(longest)[:, None] < lengths).astype(config.floatX)
    return x, mask, y


def parameters(rng, size):
    """Shared variables by name, as such programs keep them."""

    def floats(*shape):
        return (0.3 * rng.randn(*shape)).astype(config.floatX)

    values = OrderedDict(
        Wemb=floats(SYMBOLS, size), W=floats(size, 4 * size), U=floats(size, 4 * size),
        b=np.zeros(4 * size, config.floatX), out=floats(size, 2),
    )  # fmt: skip
    values["b"][size : 2 * size] = 1
    return OrderedDict(
        (name, theano.shared(v, name=name)) for name, v in values.items()
    )


def lstm_layer(tparams, embedded, mask, size):
    """Hidden states (time, batch, size); where the mask is 0, the state stays."""

    def part(gates, number):
        return gates[:, number * size : (number + 1) * size]

    def step(m_, x_, h_, c_):
        gates = T.dot(h_, tparams["U"]) + x_
        i = T.nnet.sigmoid(part(gates, 0))
        f = T.nnet.sigmoid(part(gates, 1))
        o = T.nnet.sigmoid(part(gates, 2))
        c = f * c_ + i * T.tanh(part(gates, 3))
        c = m_[:, None] * c + (1.0 - m_)[:, None] * c_
        h = o * T.tanh(c)
        return m_[:, None] * h + (1.0 - m_)[:, None] * h_, c

    state = T.dot(embedded, tparams["W"]) + tparams["b"]
    samples = embedded.shape[1]
    (hidden, _cells), _updates = theano.scan(
        step,
        sequences=[mask, state],
        outputs_info=[
            T.alloc(np.asarray(0.0, config.floatX), samples, size),
            T.alloc(np.asarray(0.0, config.floatX), samples, size),
        ],
        name="lstm_layers",
        n_steps=embedded.shape[0],
    )
    return hidden


def main(argv=None):
    """Train and print losses; they are returned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--length", type=int, default=12)
    parser.add_argument("--size", type=int, default=16)
    options = parser.parse_args(argv)
    rng = np.random.RandomState(5)
    tparams = parameters(rng, options.size)
    x, mask, y = T.matrix("x", dtype="int64"), T.matrix("mask"), T.vector("y", "int32")
    n_timesteps, n_samples = x.shape[0], x.shape[1]
    embedded = tparams["Wemb"][x.flatten()].reshape(
        [n_timesteps, n_samples, options.size]
    )
    hidden = lstm_layer(tparams, embedded, mask, options.size)
    mean = (hidden * mask[:, :, None]).sum(axis=0) / mask.sum(axis=0)[:, None]
    pred = T.nnet.softmax(T.dot(mean, tparams["out"]))
    cost = -T.log(pred[T.arange(n_samples), y] + 1e-8).mean()
    grads = T.grad(cost, wrt=list(tparams.values()))
    steps = [theano.shared(p.get_value() * 0.0) for p in tparams.values()]
    squares = [0.95 * s + 0.05 * g**2 for s, g in zip(steps, grads)]
    moved = [
        (p, p - 0.02 * g / T.sqrt(s + 1e-4))
        for p, g, s in zip(tparams.values(), grads, squares)
    ]
    updates = list(zip(steps, squares)) + moved
    train = theano.function([x, mask, y], cost, updates=updates, name="train")
    losses = []
    for number in range(options.steps):
        losses.append(float(train(*sequences(rng, 32, options.length))))
        if number % 10 == 0:
            print(f"step {number}, cost {losses[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
