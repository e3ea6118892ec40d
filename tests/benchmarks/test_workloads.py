"""Definitions and the NumPy reference: stored losses, gradients, counts of operations."""

import dataclasses

import numpy as np
import pytest

from benchmarks import reference, workloads
from benchmarks.workloads import (
    FUNCTIONS,
    NETWORKS,
    Conv,
    Dense,
    Flatten,
    Network,
    Pool,
)

CHEAP = [
    *workloads.GROUPS["small"],
    "rnn_addition",
    "mnist_softmax",
    "mnist_mlp",
]
TINY = Network(
    "tiny",
    (
        Conv(3, 3, "same"),
        workloads.Activation("leaky"),
        Conv(2, 3, "valid"),
        workloads.Activation("tanh"),
        Pool(3, 2),
        Flatten(),
        Dense(4),
    ),
    (2, 9, 9),
    "crossentropy",
    workloads.Rule("nesterov", 0.1, 0.9),
    batch=3,
    batches=1,
    dtype="float64",
    decay=0.01,
    classes=4,
)


@pytest.mark.parametrize("name", CHEAP)
def test_the_stored_losses_are_those_of_the_reference(name):
    network = NETWORKS[name]
    assert reference.losses(network) == pytest.approx(
        reference.stored_losses(network), rel=1e-12
    )


@pytest.mark.parametrize("name", ["rnn_large", "lstm"])
def test_the_first_stored_loss_of_larger_networks(name):
    network = NETWORKS[name]
    wanted = reference.stored_losses(network)[:1]
    assert reference.losses(network, steps=1) == pytest.approx(wanted, rel=1e-12)


def test_every_network_has_stored_losses():
    for network in NETWORKS.values():
        stored = reference.stored_losses(network)
        assert len(stored) == 3
        assert np.isfinite(stored).all()


SEQUENCES = {
    "batch": 3,
    "batches": 1,
    "time": 4,
    "dtype": "float64",
    "rule": workloads.Rule("sgd", 0.1),
}
TINY_RNN = Network(
    "tiny_rnn",
    (workloads.Recurrent(5), workloads.Linear(1), workloads.Activation("sigmoid")),
    (2,),
    "sequence",
    data="addition",
    **SEQUENCES,
)
TINY_LSTM = Network(
    "tiny_lstm",
    (workloads.Lstm(5), Dense(4)),
    (2,),
    "crossentropy",
    data="sequence",
    classes=4,
    **SEQUENCES,
)


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (TINY, 6),
        (dataclasses.replace(TINY, loss="binary"), 6),
        (TINY_RNN, 3),
        (TINY_LSTM, 5),
    ],
    ids=["crossentropy", "binary", "recurrent", "lstm"],
)
def test_gradients_of_the_reference_are_finite_differences(network, count):
    (x,), (y,) = workloads.batches(network)
    model = reference.Model(network)
    _, gradients = model.gradients(x, y)
    rng = np.random.default_rng(0)
    checked = 0
    for values, own in zip(model.values, gradients, strict=True):
        for value, g in zip(values, own, strict=True):
            place = tuple(rng.integers(0, n) for n in value.shape)
            kept, found = value[place], []
            for sign in (1, -1):
                value[place] = kept + sign * 1e-6
                found.append(model.gradients(x, y)[0])
            value[place] = kept
            assert g[place] == pytest.approx((found[0] - found[1]) / 2e-6, abs=1e-7)
            checked += 1
    assert checked == count


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        (workloads.Rule("sgd", 0.1), 0.9, 0.8),
        (workloads.Rule("momentum", 0.1, 0.9), 0.9, 0.71),
        (workloads.Rule("nesterov", 0.1, 0.9), 0.81, 0.539),
        (workloads.Rule("adam", 0.1), 0.9, 0.8),
    ],
)
def test_update_rules_with_a_gradient_of_one(rule, first, second):
    network = workloads.Network(**{**vars(TINY), "rule": rule})
    model = reference.Model(network)
    value, moments = np.ones(1), (np.zeros(1), np.zeros(1))
    for model.count, want in ((1, first), (2, second)):
        model._update(value, np.ones(1), *moments)
        assert value[0] == pytest.approx(want, abs=1e-6)


def test_a_network_counts_two_operations_for_each_multiply_add():
    # forward, and the gradient of the weights; inputs have no gradient
    assert workloads.operations(NETWORKS["or_gate"]) == 2 * 2 * (4 * 2 * 1)
    # 784 x 512, 512 x 512, 512 x 10: three products each but two for the first
    products = 3 * (512 * 512 + 512 * 10) + 2 * 784 * 512
    assert workloads.operations(NETWORKS["mnist_mlp"]) == 2 * 128 * products
    shapes = workloads.shapes(NETWORKS["lasagne_cnn"])
    assert shapes[-3:-1] == [(128,), (128,)]
    # each of 8 steps: 2 x 16 of the input, 16 x 16 of the state, 16 x 1 of the output
    products = 3 * (16 * 16 + 16) + 2 * 2 * 16
    assert workloads.operations(NETWORKS["rnn_addition"]) == 2 * 8 * products
    steps = 50 * 4 * (2 * 64 * 128 + 3 * 128 * 128)
    last = 3 * 128 * 10
    assert workloads.operations(NETWORKS["lstm"]) == 2 * 64 * (steps + last)
    assert (32, 28, 28) in shapes
    assert (32, 13, 13) in shapes


def test_batches_and_stacks_have_the_stated_shapes_and_dtypes():
    network = NETWORKS["mnist_mlp"]
    x, y = workloads.batches(network, "int32")
    assert (len(x), x[0].shape, x[0].dtype) == (40, (128, 784), np.float32)
    assert (y[0].shape, y[0].dtype) == ((128,), np.int32)
    assert workloads.stacked(NETWORKS["mlp431_b1"])[0].shape == (6000, 1, 4)
    x, y = workloads.batches(NETWORKS["rnn_addition"])
    assert (len(x), x[0].shape, y[0].shape) == (1000, (8, 1, 2), (8, 1, 1))
    weights = 2.0 ** np.arange(8)
    a, b, total = ((bits * weights).sum() for bits in (*x[0][:, 0].T, y[0][:, 0, 0]))
    assert (a + b) % 256 == total
    assert workloads.stacked(NETWORKS["lstm"])[0].shape == (8, 50, 64, 64)
    assert workloads.stacked(NETWORKS["moons_h50"])[0].shape == (1, 200, 2)


def test_logsumexp_and_softmax_do_not_overflow():
    x = np.array([[1000.0, 1000.0], [0.0, -1000.0]])
    assert reference.FUNCTIONS["logsumexp"](x) == pytest.approx([1000 + np.log(2), 0])
    assert reference.FUNCTIONS["softmax"](x).tolist() == [[0.5, 0.5], [1, 0]]


def test_groups_give_each_workload_once_in_order_and_refuse_other_names():
    found = [w.name for w in workloads.chosen(["moons_h3", "small", "or_gate"])]
    assert found == workloads.GROUPS["small"]
    assert set(workloads.GROUPS["all"]) == {*NETWORKS, *FUNCTIONS}
    assert "chain-1000000-float32" in workloads.GROUPS["quick"]
    with pytest.raises(ValueError, match="no workload or group 'vgg'"):
        workloads.chosen(["vgg"])
