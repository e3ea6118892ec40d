"""The lockstep device as users meet it: everything that the CPU does, elsewhere."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.registry import backend_of
from symgraph.errors import ConfigError, DeviceError, LockstepError, NotSupportedError

HERE = backend_of("lockstep").memory


def both(inputs: Any, outputs: Any, *arrays: Any, bound: float = 1e-9) -> None:
    """Compare the device with the CPU, twice."""
    f = sg.function(inputs, outputs, device="lockstep")
    g = sg.function(inputs, outputs)
    for _ in range(2):
        for have, want in zip(f(*arrays), g(*arrays), strict=True):
            assert have.shape == want.shape
            np.testing.assert_allclose(have, want, bound, bound)


def test_scans_and_their_gradients() -> None:
    x = T.dmatrix("x")
    states, _ = sg.scan(
        lambda v, *p: T.tanh(p[0] * 0.5 + T.dot(p[1], x) + v),
        sequences=x, outputs_info={"initial": x[:2], "taps": [-2, -1]},
    )  # fmt: skip
    cost = (states[1:] ** 2).sum()
    given = np.random.default_rng(0).normal(size=(4, 4))
    both([x], [states, states[-1], sg.grad(cost, x)], given)


def test_a_loop_that_ends_early_and_computed_shapes() -> None:
    x = T.dvector("x")
    powers, _ = sg.scan(
        lambda p: (p * 2, sg.until(p * 2 > x.max())), outputs_info=T.constant(1.0),
        n_steps=20,
    )  # fmt: skip
    outputs = [powers, x[x > 0], T.unique(x), T.nonzero(x < 0)[0], T.sort(x)[::-1]]
    both([x], outputs, np.array([3.0, -1.0, 40.0, 3.0]))
    both([x], outputs, np.array([1.0, -5.0]))


def test_branches_and_python() -> None:
    x = T.dmatrix("x")
    y = sg.ifelse(x.sum() > 0, T.nlinalg.matrix_inverse(x), x * 2)
    given = np.eye(3) + 0.1
    both([x], [y, sg.grad(y.sum(), x)], given)
    both([x], [y], -given)


def test_a_singular_matrix_is_told_as_on_the_cpu() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], T.nlinalg.matrix_inverse(x), device="lockstep")
    with pytest.raises(sg.errors.LinearAlgebraError, match="singular"):
        f(np.ones((2, 2)))
    np.testing.assert_allclose(f(np.eye(2)), np.eye(2))


def test_indices_outside_are_told() -> None:
    x, i = T.dvector("x"), T.lvector("i")
    f = sg.function([x, i], x[i], device="lockstep")
    with pytest.raises(IndexError, match="5"):
        f(np.ones(3), [0, 5])


def test_random_streams_draw_the_same_numbers() -> None:
    def draws(device: str) -> Any:
        with sg.config.override(device=device):
            random = T.RandomStreams(seed=3)
            f = sg.function([], [random.uniform((5,)), random.normal((2, 3))])
        return [f(), f()]

    for one, other in zip(draws("cpu"), draws("lockstep"), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, 1e-12)


@pytest.mark.parametrize("shuffle", [False, 7])
def test_a_network_trains_as_on_the_cpu(shuffle: Any) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(10, 4)), random.integers(0, 3, 10)
    kept = []
    for device in ("cpu", "lockstep"):
        with sg.config.override(device=device):
            a, t = T.dmatrix("a"), T.lvector("t")
            w = sg.shared(np.linspace(-1, 1, 12).reshape(4, 3), "w")
            b = sg.shared(np.zeros(3), "b")
            p = T.nnet.softmax(T.dot(a, w) + b)
            loss = T.nnet.categorical_crossentropy(p, t).mean()
            slopes = sg.grad(loss, [w, b])
            updates = [(v, v - 0.5 * g) for v, g in zip((w, b), slopes, strict=True)]
            step = sg.function([a, t], loss, updates=updates)
        losses = step.epoch(x, y, batch_size=4, shuffle=shuffle)
        more = step.repeat(2, x, y)
        kept.append([losses, more, w.get_value(), b.get_value()])
    for one, other in zip(*kept, strict=True):
        np.testing.assert_allclose(one, other, 1e-9)


def test_values_live_on_the_device() -> None:
    before = HERE.used
    w = sg.shared(np.arange(6.0).reshape(2, 3), "w", device="lockstep")
    assert HERE.used >= before + 48
    assert w.container.device == "lockstep"
    value = w.get_value(borrow=True)
    value[...] = 0
    assert w.get_value().sum() == 15
    w.set_value(np.ones((4, 1)))
    assert w.get_value().shape == (4, 1)
    w.zero()
    assert not w.get_value().any()
    del w
    assert HERE.used == before


def test_values_of_another_device_are_refused() -> None:
    w = sg.shared(1.0, "weight")
    with pytest.raises(DeviceError, match=r"lives on 'cpu'[\s\S]*weight"):
        sg.function([], w * 2, device="lockstep")
    v = sg.shared(1.0, "far", device="lockstep")
    with pytest.raises(DeviceError, match=r"'cpu' cannot use[\s\S]*far"):
        sg.function([], v * 2)


def test_an_unknown_device_is_refused_where_it_is_given() -> None:
    with pytest.raises(ConfigError, match="lockstep"):
        sg.config.device = "lockstop"
    with pytest.raises(sg.errors.ModeError, match="lockstep"):
        sg.function([], T.constant(1.0), device="lockstop")
    with pytest.raises(sg.errors.ModeError, match="lockstep"):
        sg.shared(1.0, device="lockstop")


def test_functions_and_values_are_copied_and_pickled() -> None:
    w = sg.shared(2.0, "w", device="lockstep")
    f = sg.function([], w * 3, updates=[(w, w + 1)], device="lockstep")
    other = pickle.loads(pickle.dumps(f))
    third = copy.deepcopy(f)
    assert (float(f()), float(other()), float(third())) == (6.0, 6.0, 6.0)
    assert other.request.shared[0].container.device == "lockstep"
    assert float(w.get_value()) == 3.0


def test_what_has_no_meaning_there_says_so() -> None:
    f = sg.function([], T.constant(1.0) * 2, device="lockstep")
    with pytest.raises(NotSupportedError, match="lockstep"):
        f.profile()


def test_other_shapes_and_empty_arrays() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], [x.sum(axis=0), T.dot(x, x.T), x * 2], device="lockstep")
    for shape in ((2, 3), (0, 3), (4, 0), (1, 1), (2, 3)):
        given = np.ones(shape)
        total, square, double = f(given)
        np.testing.assert_array_equal(total, given.sum(axis=0))
        np.testing.assert_array_equal(square, given @ given.T)
        np.testing.assert_array_equal(double, given * 2)


def test_debug_mode_watches_the_threads() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], T.nnet.softmax(x).sum(axis=0), "DEBUG", device="lockstep")
    np.testing.assert_allclose(f(np.zeros((2, 4))), np.full(4, 0.5))


def test_freed_memory_is_not_read() -> None:
    block = HERE.block(8)
    address = block.address
    del block
    with pytest.raises(LockstepError, match="freed"):
        HERE.read(address, "float64", (1,))
