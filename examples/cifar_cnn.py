"""Experiments with a convolutional network on CIFAR-10, or on any pictures by class.

How deep should it be, how much dropout, weight decay, how large a batch? Each option
changes one of these; several values give one training each and a table at the end. The
validation part decides; test images are used once, for the best.

    python examples/cifar_cnn.py cifar10.zip
    python examples/cifar_cnn.py cifar10.zip --depth 1 2 3 --epochs 4
    python examples/cifar_cnn.py cifar-10-binary.tar.gz --dropout 0 0.25 0.5 --flip
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

import symgraph as sg
from symgraph import nn
from symgraph.data import Rescale, held_out, load_cifar10, load_image_folder
from symgraph.train.augment import random_flip
from symgraph.train.callbacks import Lambda, Linear

FILTERS = (32, 64, 64, 128)  # of the first, second, ... layer
OPTIONS = ("depth", "dropout", "l2", "batch_size", "learning_rate")


def build_model(shape, classes, depth, dropout, l2, learning_rate):
    """Declare `depth` convolutions, with a pooling behind the first and the third."""
    layer = nn.layers.InputLayer((None, *shape))
    for number, filters in enumerate(FILTERS[:depth]):
        layer = nn.layers.Conv2DLayer(
            layer, filters, 3, pad="same", W=nn.init.HeNormal("relu")
        )
        if number % 2 == 0:
            layer = nn.layers.MaxPool2DLayer(layer, 2)
    layer = nn.layers.DenseLayer(layer, 512)
    layer = nn.layers.DropoutLayer(layer, p=dropout)
    layer = nn.layers.DenseLayer(layer, classes, nonlinearity=nn.nonlinearities.softmax)
    return nn.Model(
        layer,
        learning_rate=learning_rate,
        regularization=l2,
        metrics=["accuracy"],
        preprocessing=Rescale(1 / 255),  # bytes in, from 0 to 1 in the network
    )


def show(run):
    """Print an epoch."""
    loss, right = (run.numbers[name] for name in ("loss", "validation_accuracy"))
    print(f"  epoch {run.epoch}: loss {loss:.4f}, validation {right:.4f}")


def run(data, options, depth, dropout, l2, batch_size, learning_rate):
    """Train one network; return its validation accuracy, seconds, and the model."""
    rows, held = held_out(data.y_train, 0.1, options.seed)
    nn.random.set_rng(np.random.RandomState(options.seed))
    model = build_model(
        data.image_shape, len(data.classes), depth, dropout, l2, learning_rate
    )
    history = model.fit(
        data.x_train[rows],
        data.y_train[rows],
        epochs=options.epochs,
        batch_size=batch_size,
        validation=(data.x_train[held], data.y_train[held]),
        callbacks=[Linear(by="epoch"), Lambda(show)],
        augmentation=random_flip if options.flip else None,
        seed=options.seed,
        verbose=0,
    )
    return history["validation_accuracy"][-1], history.seconds, model


def main(argv=None):
    """Train a network for each combination of options; test the best of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder, zip archive, or the binary version")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--depth", type=int, nargs="+", default=[3])
    parser.add_argument("--dropout", type=float, nargs="+", default=[0.5])
    parser.add_argument("--l2", type=float, nargs="+", default=[0.0])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[64])
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[0.001])
    parser.add_argument("--flip", action="store_true", help="mirror pictures at random")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    binary = options.data.endswith(".tar.gz") or next(
        Path(options.data).glob("*.bin"), 0
    )
    data = load_cifar10(options.data) if binary else load_image_folder(options.data, 32)
    results = []
    with sg.config.override(floatX="float32"):
        for values in itertools.product(*(getattr(options, name) for name in OPTIONS)):
            wishes = dict(zip(OPTIONS, values, strict=True))
            print(", ".join(f"{name} {value}" for name, value in wishes.items()))
            results.append((*run(data, options, **wishes), values))
    print("   ".join(("validation", "seconds", *OPTIONS)))
    for accuracy, seconds, _, values in results:
        print(f"{accuracy:10.4f}   {seconds:7.1f}   " + "   ".join(map(str, values)))
    best = max(results, key=lambda result: result[0])
    accuracy = best[2].evaluate(data.x_test, data.y_test)["accuracy"]
    print(f"test accuracy of the best: {accuracy:.4f}")


if __name__ == "__main__":
    main()
