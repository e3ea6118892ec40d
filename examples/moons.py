"""Two moons told apart by a small tanh network and plain gradient descent.

The network is 2-H-2: one hidden layer of tanh units and a softmax, all data in every
step. Each number of hidden units gives a decision boundary; few bend too little, many
follow the noise. The picture needs matplotlib.

    python examples/moons.py
    python examples/moons.py --hidden 3 --passes 2000 --plot moons.png
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.data import moons

LEARNING_RATE, REGULARIZATION = 0.01, 0.01


def build_model(hidden, n, seed=0):
    """Return compiled functions for a network: step(x, y) and predict(x)."""
    random = np.random.RandomState(seed)
    w1 = sg.shared(random.randn(2, hidden) / np.sqrt(2), name="W1")
    b1 = sg.shared(np.zeros(hidden), name="b1")
    w2 = sg.shared(random.randn(hidden, 2) / np.sqrt(hidden), name="W2")
    b2 = sg.shared(np.zeros(2), name="b2")

    x, y = T.dmatrix("x"), T.ivector("y")
    a1 = T.tanh(x.dot(w1) + b1)
    probabilities = T.nnet.softmax(a1.dot(w2) + b2)
    penalty = REGULARIZATION / 2 * (T.sum(T.sqr(w1)) + T.sum(T.sqr(w2))) / n
    loss = T.nnet.categorical_crossentropy(probabilities, y).mean() + penalty

    dw2, db2, dw1, db1 = sg.grad(loss, [w2, b2, w1, b1])
    step = sg.function(
        [x, y],
        loss,
        updates=[
            (w2, w2 - LEARNING_RATE * dw2),
            (w1, w1 - LEARNING_RATE * dw1),
            (b2, b2 - LEARNING_RATE * db2),
            (b1, b1 - LEARNING_RATE * db1),
        ],
    )
    predict = sg.function([x], T.argmax(probabilities, axis=1))
    return step, predict


def plot_boundaries(path, x, y, predictors):
    """Draw the regions of each predictor with the points, one panel for each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(4, len(predictors))
    rows = -(-len(predictors) // columns)
    figure = Figure(figsize=(3.2 * columns, 3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    (left, bottom), (right, top) = x.min(axis=0) - 0.5, x.max(axis=0) + 0.5
    across, up = np.meshgrid(
        np.linspace(left, right, 200), np.linspace(bottom, top, 200)
    )
    points = np.stack([across.ravel(), up.ravel()], axis=1)
    for panel, (hidden, predict) in zip(panels, predictors.items(), strict=False):
        regions = predict(points).reshape(across.shape)
        panel.contourf(across, up, regions, levels=[-0.5, 0.5, 1.5], cmap="RdYlBu")
        panel.scatter(
            x[:, 0], x[:, 1], c=y, s=12, cmap="RdYlBu", edgecolors="k", lw=0.4
        )
        panel.set(title=f"hidden units: {hidden}", xticks=[], yticks=[])
    for panel in panels[len(predictors) :]:
        panel.set_visible(False)
    figure.savefig(path, format="png")


def main(argv=None):
    """Train each size, print losses and accuracy, draw the boundaries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=[1, 2, 3, 4, 5, 20, 50]
    )
    parser.add_argument("--passes", type=int, default=20000)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--plot", metavar="FILE.png")
    options = parser.parse_args(argv)
    x, y = moons(options.points)
    every = max(1, options.passes // 5)
    predictors = {}
    for hidden in options.hidden:
        print(f"hidden layer of {hidden}")
        step, predictors[hidden] = build_model(hidden, len(x))
        for done in range(0, options.passes, every):
            losses = step.repeat(min(every, options.passes - done), x, y)
            print(f"Loss after iteration {done}: {np.ravel(losses)[0]:f}")
        print(f"accuracy {np.mean(predictors[hidden](x) == y):.3f}")
    if options.plot:
        plot_boundaries(options.plot, x, y, predictors)
        print(f"boundaries drawn in {options.plot}")


if __name__ == "__main__":
    main()
