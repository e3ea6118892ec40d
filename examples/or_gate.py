"""Logical gates learned from their truth tables, with layers.

One sigmoid unit, mean square error, gradient descent with learning rate 2: enough for
OR, AND and NOT. XOR is not linearly separable, so it gets a hidden layer.

    python examples/or_gate.py
    python examples/or_gate.py --gates or xor --steps 5000
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.data import gate

HIDDEN = {"xor": 4}


def learn(name, steps, learning_rate=2.0, seed=1):
    """Train a network for one gate; return its inputs and what it predicts for them."""
    inputs, targets = gate(name)
    nn.random.set_rng(np.random.RandomState(seed))
    x, y = T.fmatrix("x"), T.fmatrix("y")
    with sg.config.override(floatX="float32"):
        layer = nn.layers.InputLayer((None, inputs.shape[1]), x)
        if name in HIDDEN:
            layer = nn.layers.DenseLayer(
                layer,
                HIDDEN[name],
                W=nn.init.Uniform(1.0),
                nonlinearity=nn.nonlinearities.tanh,
            )
        layer = nn.layers.DenseLayer(layer, 1, nonlinearity=nn.nonlinearities.sigmoid)
        prediction = nn.layers.get_output(layer)
        loss = nn.objectives.squared_error(prediction, y).mean()
        params = nn.layers.get_all_params(layer, trainable=True)
        updates = nn.updates.sgd(loss, params, learning_rate)
        train = sg.function([x, y], loss, updates=updates)
        predict = sg.function([x], prediction)
    train.repeat(steps, inputs, targets)  # all steps in one native call
    return inputs, predict(inputs)


def main(argv=None):
    """Learn each gate and print its truth table as the network sees it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", nargs="+", default=["or", "and", "not", "xor"])
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args(argv)
    for name in options.gates:
        print(f"Testing {name.upper()} operator")
        inputs, outputs = learn(name, options.steps)
        for row, output in zip(inputs.astype(int), outputs, strict=True):
            left = f"{row[0]} {name} {row[1]}" if len(row) == 2 else f"{name} {row[0]}"
            print(f"{left}: [[{output[0]:.8f}]]")


if __name__ == "__main__":
    main()
