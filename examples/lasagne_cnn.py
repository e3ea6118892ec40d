"""A small convolutional network in the manner of Lasagne's tutorial, on colour pictures.

Two 3 x 3 convolutions with 64 and 32 leaky units, one overlapping pooling, 128 dense
units, Nesterov momentum and weight decay. The program has the shape of a Lasagne script:
variables, network, loss, updates, two compiled functions, a loop.

    python examples/lasagne_cnn.py cifar10-folder-or-zip
    python examples/lasagne_cnn.py FOLDER --epochs 20 --batch-norm
"""

import argparse
import time

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.data import held_out, load_image_folder

leaky = nn.nonlinearities.leaky_rectify


def build_cnn(input_var, shape, classes, batch_norm=False):
    """Return the output layer for images (batch, 3, rows, columns)."""
    normalised = nn.layers.batch_norm if batch_norm else lambda layer: layer
    network = nn.layers.InputLayer((None, *shape), input_var=input_var)
    for filters in (64, 32):
        network = normalised(
            nn.layers.Conv2DLayer(
                network, num_filters=filters, filter_size=(3, 3), nonlinearity=leaky
            )
        )
    network = nn.layers.MaxPool2DLayer(network, pool_size=(3, 3), stride=2)
    network = normalised(nn.layers.DenseLayer(network, 128, nonlinearity=leaky))
    return nn.layers.DenseLayer(
        network, classes, nonlinearity=nn.nonlinearities.softmax
    )


def compile_functions(options, shape, classes):
    """Return train(x, y) → loss and check(x, y) → sum of losses, right answers."""
    x, target_var = T.TensorType("uint8", (None, *shape))("x"), T.ivector("targets")
    input_var = T.cast(x, "float32") / np.float32(255)
    network = build_cnn(input_var, shape, classes, options.batch_norm)

    prediction = nn.layers.get_output(network)
    loss = nn.objectives.categorical_crossentropy(prediction, target_var).mean()
    loss = loss + options.l2 * nn.regularization.regularize_network_params(
        network, nn.regularization.l2
    )
    params = nn.layers.get_all_params(network, trainable=True)
    updates = nn.updates.nesterov_momentum(
        loss, params, learning_rate=options.learning_rate, momentum=0.9
    )
    train = sg.function([x, target_var], loss, updates=updates)

    prediction = nn.layers.get_output(network, deterministic=True)
    losses = nn.objectives.categorical_crossentropy(prediction, target_var)
    right = T.eq(T.argmax(prediction, axis=1), target_var)
    check = sg.function([x, target_var], [losses.sum(), T.sum(right, dtype="int64")])
    return train, check


def measure(check, x, y):
    """Return mean loss and accuracy of labelled images."""
    losses, right = check.epoch(x, y, batch_size=min(250, len(y)))
    return np.sum(losses) / len(y), np.sum(right) / len(y)


def main(argv=None):
    """Train, print a line for each epoch and the test accuracy at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder or zip archive, see docs/howto")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--l2", type=float, default=1e-4)
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--batch-norm", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)

    data = load_image_folder(options.data, options.size, seed=options.seed)
    rows, held = held_out(data.y_train, 0.1, options.seed)
    x, y = data.x_train[rows], data.y_train[rows]
    x_val, y_val = data.x_train[held], data.y_train[held]
    with sg.config.override(floatX="float32"):
        nn.random.set_rng(np.random.RandomState(options.seed))
        train, check = compile_functions(options, data.image_shape, len(data.classes))

    batch = min(options.batch_size, len(x))
    for epoch in range(options.epochs):
        start = time.perf_counter()
        losses = train.epoch(x, y, batch_size=batch, shuffle=options.seed + epoch)
        seconds = time.perf_counter() - start
        loss, accuracy = measure(check, x_val, y_val)
        print(f"Epoch {epoch + 1} of {options.epochs} took {seconds:.3f}s")
        print(f"  training loss:       {np.mean(losses):.6f}")
        print(f"  validation loss:     {loss:.6f}")
        print(f"  validation accuracy: {accuracy:.2%}")
    loss, accuracy = measure(check, data.x_test, data.y_test)
    print("Final results:")
    print(f"  test loss:           {loss:.6f}")
    print(f"  test accuracy:       {accuracy:.2%}")


if __name__ == "__main__":
    main()
