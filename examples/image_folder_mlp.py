"""A dense network on pictures in folders: cats and dogs, or any classes.

Every picture becomes 32 x 32 x 3 numbers; two hidden layers of 768 and 384 rectified
units, a softmax, plain gradient descent on the binary cross-entropy of each output. Then
a report for each class, as of a first try with a data set.

    python examples/image_folder_mlp.py cats-and-dogs.zip
    python examples/image_folder_mlp.py FOLDER --epochs 50 --size 16
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.data import load_image_folder
from symgraph.train import confusion_matrix


def build_model(shape, classes, hidden, learning_rate):
    """Declare and compile: a training step and the classes of images."""
    x, y = T.TensorType("uint8", (None, *shape))("x"), T.ivector("y")
    layer = nn.layers.InputLayer((None, *shape), T.cast(x, "float32") / np.float32(255))
    for units in hidden:
        layer = nn.layers.DenseLayer(layer, units, W=nn.init.GlorotUniform("relu"))
    layer = nn.layers.DenseLayer(layer, classes, nonlinearity=nn.nonlinearities.softmax)
    output = nn.layers.get_output(layer)
    wanted = nn.utils.one_hot(y, classes)
    loss = nn.objectives.binary_crossentropy(output, wanted).mean()
    params = nn.layers.get_all_params(layer, trainable=True)
    updates = nn.updates.sgd(loss, params, learning_rate)
    return sg.function([x, y], loss, updates=updates), sg.function(
        [x], T.argmax(output, axis=1)
    )


def report(counts, names):
    """Lines of precision, recall and F1 for each class, from a confusion matrix."""
    width = max(9, *map(len, names))
    yield f"{'':{width}}  precision  recall  f1-score  images"
    for number, name in enumerate(names):
        right = counts[number, number]
        precision = right / max(1, counts[:, number].sum())
        recall = right / max(1, counts[number].sum())
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        total = counts[number].sum()
        yield f"{name:{width}}  {precision:9.2f}  {recall:6.2f}  {f1:8.2f}  {total:6d}"


def main(argv=None):
    """Train and print losses, the report of the test images and their accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder or zip archive of pictures by class")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--hidden", type=int, nargs="+", default=[768, 384])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    data = load_image_folder(options.data, options.size, test=0.25, seed=options.seed)
    print(f"{len(data.y_train)} training and {len(data.y_test)} test pictures")
    with sg.config.override(floatX="float32"):
        nn.random.set_rng(np.random.RandomState(options.seed))
        train, predict = build_model(
            data.image_shape, len(data.classes), options.hidden, options.learning_rate
        )
    batch = min(options.batch_size, len(data.y_train))
    for epoch in range(options.epochs):
        losses = train.epoch(
            data.x_train, data.y_train, batch_size=batch, shuffle=options.seed + epoch
        )
        print(f"epoch {epoch + 1}/{options.epochs} loss {np.mean(losses):.4f}")
    answers = predict(data.x_test)
    counts = confusion_matrix(answers, data.y_test, len(data.classes))
    print("\n".join(report(counts, data.classes)))
    print(f"accuracy {np.trace(counts) / counts.sum():.4f}")


if __name__ == "__main__":
    main()
