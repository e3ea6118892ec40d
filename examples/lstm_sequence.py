"""An LSTM tells in which order two signals came, in sequences of different lengths.

A sequence is noise (the letters a to d) with an X or a Y somewhere in its first part, and
another X or Y in its second part; the class is the pair: XX, XY, YX or YY. What came first
must be kept until the end: the temporal order problem of Hochreiter and Schmidhuber 1997,
experiment 6a, with shorter sequences. Letters go through an embedding; a mask tells where
each sequence ends.

    python examples/lstm_sequence.py
    python examples/lstm_sequence.py --cell gru --longest 40
"""

import argparse
import time

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn

LETTERS = "abcdXY"


def sequences(count, longest, random):
    """Letters (count, longest), mask (count, longest), classes (count,)."""
    x = random.integers(0, 4, (count, longest))
    lengths = random.integers(longest // 2, longest + 1, count)
    signals = random.integers(0, 2, (count, 2))
    places = [
        (lengths * random.uniform(low, high, count)).astype(int)
        for low, high in ((0.0, 0.3), (0.5, 0.8))
    ]
    for place, signal in zip(places, signals.T, strict=True):
        x[np.arange(count), place] = 4 + signal
    mask = np.arange(longest) < lengths[:, None]
    return x.astype("int32"), mask.astype("float32"), signals @ [2, 1]


def build(cell, units, learning_rate, seed):
    """Declare and compile the network: a training step, and the classes it finds."""
    nn.random.set_rng(np.random.RandomState(seed))
    x, mask, y = T.imatrix("x"), T.fmatrix("mask"), T.lvector("y")
    with sg.config.override(floatX="float32"):
        letters = nn.layers.InputLayer((None, None), x)
        layer = nn.layers.EmbeddingLayer(
            letters, len(LETTERS), 8, W=nn.init.Normal(1.0)
        )
        kinds = {
            "lstm": nn.layers.LSTMLayer,
            "gru": nn.layers.GRULayer,
            "rnn": nn.layers.RecurrentLayer,
        }
        layer = kinds[cell](
            layer,
            units,
            mask_input=nn.layers.InputLayer((None, None), mask),
            grad_clipping=5.0,
            only_return_final=True,
        )
        layer = nn.layers.DenseLayer(layer, 4, nonlinearity=nn.nonlinearities.softmax)
        p = nn.layers.get_output(layer)
        loss = nn.objectives.categorical_crossentropy(p, y).mean()
        params = nn.layers.get_all_params(layer, trainable=True)
        updates = nn.updates.adam(loss, params, learning_rate)
    train = sg.function([x, mask, y], loss, updates=updates)
    classes = sg.function([x, mask], T.argmax(p, axis=1))
    return train, classes


def main(argv=None):
    """Train, print loss and accuracy of each epoch, then show a few sequences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", choices=["lstm", "gru", "rnn"], default="lstm")
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--longest", type=int, default=20)
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    random = np.random.default_rng(options.seed)
    data = sequences(options.sequences, options.longest, random)
    test_x, test_mask, test_y = sequences(500, options.longest, random)
    train, classes = build(
        options.cell, options.units, options.learning_rate, options.seed
    )
    for epoch in range(options.epochs):
        start = time.perf_counter()
        losses = train.epoch(*data, batch_size=50, shuffle=epoch)
        seconds = time.perf_counter() - start
        accuracy = np.mean(classes(test_x, test_mask) == test_y)
        print(
            f"epoch {epoch + 1:2d} ({seconds:.2f} s): loss {losses.mean():.4f}, "
            f"accuracy {accuracy:.3f}"
        )
    names = ("XX", "XY", "YX", "YY")
    found = classes(test_x[:4], test_mask[:4])
    for row, mask, index in zip(test_x, test_mask, found, strict=False):
        text = "".join(LETTERS[i] for i in row[mask > 0])
        print(f"{text:{options.longest}s} -> {names[index]}")


if __name__ == "__main__":
    main()
