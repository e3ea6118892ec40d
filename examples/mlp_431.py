"""A 4-3-1 network of sigmoid units, written by hand: forward, cost, gradient, updates.

The same expressions serve one example at a time and a whole batch: only the number of
rows of x differs, and nothing is compiled again for it.

    python examples/mlp_431.py
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T

X = np.array([[0.1, 0.9, 0.2, 0.4], [0.8, 0.3, 0.7, 0.5], [0.4, 0.6, 0.1, 0.9]])
Y = np.array([[0.2], [0.8], [0.5]])


def build(learning_rate=0.1, seed=0):
    """Declare and compile the network; return its training step and its predictor."""
    random = np.random.default_rng(seed)
    x, y = T.dmatrix("x"), T.dmatrix("y")
    w1 = sg.shared(random.standard_normal((4, 3)) / 2, name="w1")
    b1 = sg.shared(np.zeros(3), name="b1")
    w2 = sg.shared(random.standard_normal((3, 1)) / 3**0.5, name="w2")
    b2 = sg.shared(np.zeros(1), name="b2")
    params = [w1, b1, w2, b2]

    hidden = T.nnet.sigmoid(T.dot(x, w1) + b1)
    output = T.nnet.sigmoid(T.dot(hidden, w2) + b2)
    cost = ((output - y) ** 2).sum()
    gradients = sg.grad(cost, params)
    updates = [
        (p, p - learning_rate * g) for p, g in zip(params, gradients, strict=True)
    ]
    train = sg.function([x, y], cost, updates=updates)
    predict = sg.function([x], output)
    return train, predict


def main(argv=None):
    """Train with batches of 1 and of 3 rows, and print cost and outputs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000)
    options = parser.parse_args(argv)
    for batch in (1, len(X)):
        train, predict = build()
        print(f"batch of {batch}")
        print(f"  cost before: {train(X[:batch], Y[:batch]):.6f}")
        for _ in range(options.steps * batch // len(X)):
            train.epoch(X, Y, batch_size=batch)  # every row once
        for row, target, output in zip(X, Y, predict(X), strict=True):
            print(f"  {row} -> {output[0]:.4f}, wanted {target[0]:.1f}")


if __name__ == "__main__":
    main()
