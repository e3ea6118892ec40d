"""Softmax regression on MNIST, or on any set in its four IDX files.

python examples/logistic_mnist.py FOLDER
python examples/logistic_mnist.py FOLDER --epochs 5 --learning-rate 0.1
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.data import load_mnist


def build(inputs, classes, learning_rate):
    """Declare and compile the model: a training step and the accuracy of a set."""
    x, y = T.fmatrix("x"), T.ivector("y")
    weights = sg.shared(np.zeros((inputs, classes), "float32"), name="W")
    bias = sg.shared(np.zeros(classes, "float32"), name="b")
    prediction = T.nnet.softmax(T.dot(x, weights) + bias)
    cost = T.nnet.categorical_crossentropy(prediction, y).mean()
    dw, db = sg.grad(cost, [weights, bias])
    rate = np.float32(learning_rate)
    train = sg.function(
        [x, y],
        cost,
        updates=[(weights, weights - rate * dw), (bias, bias - rate * db)],
    )
    right = T.eq(T.argmax(prediction, axis=1), y)
    accuracy = sg.function([x, y], T.mean(right, dtype="float32"))
    return train, accuracy


def main(argv=None):
    """Train for some epochs; print each one's cost and the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder with the four IDX files")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    options = parser.parse_args(argv)
    mnist = load_mnist(options.folder).flat()
    classes = int(mnist.y_train.max()) + 1
    train, accuracy = build(mnist.x_train.shape[1], classes, options.learning_rate)
    for epoch in range(options.epochs):
        costs = train.epoch(
            mnist.x_train, mnist.y_train, batch_size=options.batch_size, shuffle=epoch
        )
        print(f"Epoch: {epoch + 1:04d} cost= {np.mean(costs):.9f}")
    print("Optimization Finished!")
    print(f"Accuracy: {accuracy(mnist.x_test, mnist.y_test):.4f}")


if __name__ == "__main__":
    main()
