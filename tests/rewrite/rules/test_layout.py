"""Images have their channels last inside, and copies only at the borders."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.compile.modes import Mode

#: what rewriting gives is looked at, and nothing is compiled
REWRITTEN = Mode("REWRITTEN", optimize=True, compiled=False)


def network():
    random = np.random.default_rng(0)
    x, y = T.ftensor4("x"), T.lvector("y")

    def filters(*shape):
        return sg.shared(random.standard_normal(shape).astype("float32") / 20)

    def layer(x, w, b, activation):
        z = T.nnet.conv2d(x, w, border_mode="half")
        return activation(z + b.dimshuffle("x", 0, "x", "x"))

    params = [filters(8, 1, 5, 5), filters(8), filters(16, 8, 5, 5), filters(16),
              filters(256, 3)]  # fmt: skip
    h = layer(x, params[0], params[1], T.nnet.relu)
    h = T.signal.pool.pool_2d(h, (2, 2), ignore_border=True)
    h = layer(h, params[2], params[3], lambda z: T.nnet.relu(z, 0.1))
    h = T.signal.pool.pool_2d(h, (2, 2), ignore_border=True)
    z = T.dot(h.flatten(2), params[4])
    loss = T.nnet.categorical_crossentropy(T.nnet.softmax(z), y).mean()
    gradients = sg.grad(loss, params)
    updates = [(p, p - 0.1 * g) for p, g in zip(params, gradients, strict=True)]
    return [x, y], loss, updates, params


def ops(f):
    return [node.op for node in f.rewritten.graph.applies()]


def test_a_training_step_moves_axes_only_at_its_borders():
    inputs, loss, updates, _ = network()
    f = sg.function(inputs, loss, updates=updates, mode=REWRITTEN)
    moved = [
        op.pattern
        for op in ops(f)
        if op.name == "dimshuffle" and sorted(map(str, op.pattern)) == list("0123")
    ]
    # the input, then the flattened images and their gradient
    assert sorted(moved) == [(0, 2, 3, 1), (0, 2, 3, 1), (0, 3, 1, 2)]
    images = [op for op in ops(f) if hasattr(op, "channels_last")]
    assert len(images) == 9
    assert all(op.channels_last for op in images)


def test_bias_and_rectifier_are_part_of_the_convolutions():
    inputs, loss, updates, _ = network()
    f = sg.function(inputs, loss, updates=updates, mode=REWRITTEN)
    done = [op.activation for op in ops(f) if op.name == "convolution_epilogue"]
    assert done == ["relu", "leaky_relu"]


def test_masks_of_rectifiers_lie_on_the_small_side_of_the_pools():
    inputs, loss, updates, _ = network()
    f = sg.function(inputs, loss, updates=updates, mode=REWRITTEN)
    for node in f.rewritten.graph.applies():
        if node.op.name in ("convolution_input", "convolution_weight"):
            k = 0 if node.op.name == "convolution_input" else 1
            assert node.inputs[k].owner.op.name == "pool_max_input"


def test_training_compiled_equals_training_by_reference():
    random = np.random.default_rng(1)
    x = random.standard_normal((5, 1, 16, 16)).astype("float32")
    y = random.integers(0, 3, 5)
    losses = []
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        inputs, loss, updates, _ = network()
        f = sg.function(inputs, loss, updates=updates, mode=mode)
        losses.append([float(f(x, y)) for _ in range(4)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_two_rearrangements_become_one_in_their_order() -> None:
    x = T.dtensor3("x")
    a = np.random.default_rng(0).standard_normal((2, 3, 4))
    for first in [(1, 2, 0), (2, 0, 1), (1, 0, 2)]:
        for then in [(1, 2, 0), (0, 2, 1), (2, 1, 0)]:
            f = sg.function([x], T.exp(x.transpose(first).transpose(then)))
            wanted = np.exp(a.transpose(first).transpose(then))
            np.testing.assert_allclose(f(a), wanted, 1e-12)
