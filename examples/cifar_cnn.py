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
import time
from pathlib import Path

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.data import held_out, load_cifar10, load_image_folder
from symgraph.train import fit
from symgraph.train.augment import random_flip

FILTERS = (32, 64, 64, 128)  # of the first, second, ... layer
OPTIONS = ("depth", "dropout", "l2", "batch_size", "learning_rate")


def build_network(images, shape, classes, depth, dropout):
    """Declare `depth` convolutions, with a pooling behind the first and the third."""
    layer = nn.layers.InputLayer((None, *shape), images)
    for number, filters in enumerate(FILTERS[:depth]):
        layer = nn.layers.Conv2DLayer(
            layer, filters, 3, pad="same", W=nn.init.HeNormal("relu")
        )
        if number % 2 == 0:
            layer = nn.layers.MaxPool2DLayer(layer, 2)
    layer = nn.layers.DenseLayer(layer, 512)
    layer = nn.layers.DropoutLayer(layer, p=dropout)
    return nn.layers.DenseLayer(layer, classes, nonlinearity=nn.nonlinearities.softmax)


def compile_functions(shape, classes, depth, dropout, l2, learning_rate):
    """Compile the training step and the share of right answers; both take bytes."""
    x, y = T.TensorType("uint8", (None, *shape))("x"), T.ivector("y")
    images = T.cast(x, "float32") / np.float32(255)
    network = build_network(images, shape, classes, depth, dropout)
    loss = T.nnet.categorical_crossentropy(nn.layers.get_output(network), y).mean()
    if l2:
        loss += l2 * nn.regularization.regularize_network_params(
            network, nn.regularization.l2
        )
    params = nn.layers.get_all_params(network, trainable=True)
    rate = sg.shared(np.float32(learning_rate), name="rate")
    step = sg.function([x, y], loss, updates=nn.updates.adam(loss, params, rate))
    answers = T.argmax(nn.layers.get_output(network, deterministic=True), axis=1)
    right = sg.function([x, y], T.sum(T.eq(answers, y), dtype="int64"))

    def accuracy(images, labels):
        counts = right.epoch(images, labels, batch_size=min(250, len(labels)))
        return float(np.sum(counts) / len(labels))

    return step, accuracy, rate


def run(data, options, depth, dropout, l2, batch_size, learning_rate):
    """Train one network; return its validation accuracy and how to measure it."""
    rows, held = held_out(data.y_train, 0.1, options.seed)
    nn.random.set_rng(np.random.RandomState(options.seed))
    step, accuracy, rate = compile_functions(
        data.image_shape, len(data.classes), depth, dropout, l2, learning_rate
    )
    start = time.perf_counter()
    history = fit(
        step,
        data.x_train[rows],
        data.y_train[rows],
        epochs=options.epochs,
        batch_size=batch_size,
        seed=options.seed,
        validate=lambda: {"accuracy": accuracy(data.x_train[held], data.y_train[held])},
        monitor="accuracy",
        before_epoch=lambda epoch: rate.set_value(
            np.float32(learning_rate * (1 - (epoch - 1) / options.epochs))
        ),
        augment=random_flip if options.flip else None,
        callbacks=[lambda r: print(f"  epoch {r.epoch}: loss {r.loss:.4f}, "
                                   f"validation {r.validation['accuracy']:.4f}")],
    )  # fmt: skip
    seconds = time.perf_counter() - start
    return history.records[-1].validation["accuracy"], seconds, accuracy


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
    print(f"test accuracy of the best: {best[2](data.x_test, data.y_test):.4f}")


if __name__ == "__main__":
    main()
