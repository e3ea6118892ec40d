"""The first hour with Theano, in symgraph: only the import lines differ.

python examples/theano_tour.py
"""

import argparse

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def scalars_and_matrices():
    """Build expressions, compile them, call them."""
    x, y = T.dscalar("x"), T.dscalar("y")
    add = sg.function([x, y], x + y)
    print("2 + 3 =", add(2, 3))

    a, b = T.dmatrices("a", "b")
    add_matrices = sg.function([a, b], a + b)
    print("matrices:", add_matrices([[1, 2], [3, 4]], [[10, 20], [30, 40]]).tolist())

    logistic = sg.function([a], 1 / (1 + T.exp(-a)))
    print("logistic:", np.round(logistic([[0, 1], [-1, -2]]), 4).tolist())

    difference = a - b
    several = sg.function([a, b], [difference, abs(difference), difference**2])
    print("several:", [r.tolist() for r in several([[1, 1]], [[0, 3]])])

    start = sg.function([x, sg.In(y, value=1)], x + y)
    print("default value:", start(33), start(33, 2))


def gradients():
    """Derive expressions and look at what the compiler made of them."""
    x = T.dscalar("x")
    slope = sg.grad(x**2, x)
    print("d(x**2)/dx at 4:", sg.function([x], slope)(4))
    print("second derivative of x**3 at 2:", sg.function([x], sg.grad(3 * x**2, x))(2))

    m = T.dmatrix("m")
    logistic = T.sum(1 / (1 + T.exp(-m)))
    dlogistic = sg.function([m], sg.grad(logistic, m))
    print("logistic slope:", np.round(dlogistic([[0, 1], [-1, -2]]), 4).tolist())


def shared_state():
    """Keep state between calls: an accumulator, and givens in place of it."""
    state = sg.shared(0, name="state")
    step = T.lscalar("step")
    accumulate = sg.function([step], state, updates=[(state, state + step)])
    print("accumulator:", accumulate(1), accumulate(300), "then", state.get_value())
    other = T.scalar("other", dtype=state.dtype)
    skip = sg.function([step, other], state * 2 + step, givens=[(state, other)])
    print("givens:", skip(1, 3), "state is still", state.get_value())


def weighted_sum(steps):
    """Learn weights so that x * W, summed, reaches a target: starts at 0.9."""
    x, target = T.fvector("x"), T.fscalar("target")
    weights = sg.shared(np.asarray([0.2, 0.7]), "W")
    y = (x * weights).sum()
    cost = T.sqr(target - y)
    (slope,) = sg.grad(cost, [weights])
    learn = sg.function([x, target], y, updates=[(weights, weights - 0.1 * slope)])
    for _ in range(steps):
        print(f"x * W summed: {learn([1.0, 1.0], 20.0):.6g}")


def main(argv=None):
    """Run the stations of the tour one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args(argv)
    scalars_and_matrices()
    gradients()
    shared_state()
    weighted_sum(options.steps)


if __name__ == "__main__":
    main()
