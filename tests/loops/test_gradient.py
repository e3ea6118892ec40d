"""Gradients through `scan`: against unrolled loops and against finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

RNG = np.random.default_rng(0)
STEPS, BATCH, INPUTS, HIDDEN = 5, 2, 3, 4
VALUES = (
    RNG.normal(size=(STEPS, BATCH, INPUTS)),
    RNG.normal(size=(INPUTS, HIDDEN)),
    RNG.normal(size=(HIDDEN, HIDDEN)),
    RNG.normal(size=(BATCH, HIDDEN)),
)


def compiled(inputs: Any, outputs: Any, **options: Any) -> Any:
    """A function on the reference backend."""
    return sg.function(
        inputs, outputs, mode="FAST_COMPILE", on_unused_input="ignore", **options
    )


class Network:
    """A recurrent network twice: by scan, and written out."""

    def __init__(self) -> None:
        self.inputs = [T.dtensor3("x"), *T.dmatrices("W", "U", "h")]
        x, w, u, h = self.inputs

        def step(row: Any, h: Any) -> Any:
            return T.tanh(T.dot(row, w) + T.dot(h, u))

        self.looped, _ = sg.scan(step, x, h)
        rows = []
        for t in range(STEPS):
            h = step(x[t], h)
            rows.append(h)
        self.unrolled = T.stack(rows)

    def compare(self, of: Callable[[Any], Any]) -> None:
        """The same quantity of both, to 1e-12 of its size."""
        both = [compiled(self.inputs, of(v))(*VALUES) for v in
                (self.looped, self.unrolled)]  # fmt: skip
        for one, other in zip(*both, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


def cost(hidden: Any) -> Any:
    """A scalar that reads all rows, and the last one once more."""
    return (hidden**2).sum() + T.sin(hidden[-1]).sum()


def test_values_and_gradients_agree_with_the_unrolled_loop(network: Network) -> None:
    network.compare(lambda h: [h, *sg.grad(cost(h), network.inputs)])


def test_the_gradient_of_the_last_row_alone_agrees(network: Network) -> None:
    network.compare(lambda h: sg.grad(h[-1].sum(), network.inputs))


def test_second_derivatives_agree_with_the_unrolled_loop(network: Network) -> None:
    def of(hidden: Any) -> Any:
        slopes = sg.grad(cost(hidden), network.inputs)
        return sg.grad(sum((g**2).sum() for g in slopes), network.inputs)

    both = [compiled(network.inputs, of(v))(*VALUES)
            for v in (network.looped, network.unrolled)]  # fmt: skip
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-10)


def test_products_with_the_jacobian_go_through_a_loop(network: Network) -> None:
    u = network.inputs[2]
    network.compare(lambda h: [sg.Rop(h, u, u * 0.5), sg.Lop(h, u, T.cos(h))])


def verify(function: Callable[..., Any], *points: np.ndarray) -> None:
    """Gradient, and gradient of the gradient, against differences."""
    sg.verify_grad(function, list(points), 1, mode="FAST_COMPILE")

    def slope(*inputs: Any) -> Any:
        return sg.grad((function(*inputs) ** 2).sum(), inputs[0])

    sg.verify_grad(slope, list(points), 1, mode="FAST_COMPILE", rel_tol=1e-5)


VECTOR = RNG.normal(size=5)


def test_taps_of_sequences_and_outputs() -> None:
    verify(
        lambda x: sg.scan(
            lambda a, b, far, near: T.tanh(a * b + far * near),
            dict(input=x, taps=[-1, 1]),
            dict(initial=x[:3], taps=[-3, -1]),
        )[0],
        VECTOR,
    )


def test_one_distant_tap_going_backwards() -> None:
    verify(
        lambda x: sg.scan(
            lambda a, old: T.sin(a * old), x, dict(initial=x[:3] * 2, taps=[-3]),
            go_backwards=True,
        )[0],
        VECTOR,
    )  # fmt: skip


@pytest.mark.parametrize("last", [False, True])
def test_a_loop_that_ends_early_is_gone_back_over_as_far_as_it_went(last: bool) -> None:
    def out(x: Any) -> Any:
        rows, _ = sg.scan(
            lambda a, s: (T.sin(a * s) + s, sg.until(s > 1.6)), x, T.constant(1.0)
        )
        return rows[-1:] if last else rows

    verify(out, np.abs(VECTOR) + 0.3)


def test_loops_inside_loops() -> None:
    def inner(row: Any, start: Any) -> Any:
        return sg.scan(lambda a, s: T.tanh(s * a) + a, row, start)[0]

    matrix = RNG.normal(size=(3, 2))
    verify(lambda m: sg.scan(lambda row: inner(row, 0.5), m)[0], matrix)
    verify(
        lambda m: sg.scan(lambda row, s: inner(row, s)[-1], m, T.constant(0.3))[0],
        matrix,
    )


def test_several_outputs_with_an_integer_state() -> None:
    def out(x: Any) -> Any:
        (h, _, y), _ = sg.scan(
            lambda a, h, k: [T.tanh(a * h) * (k + 1.0), k + 1, h * a],
            x,
            [x[0] + 2, T.constant(0), None],
        )
        return h[-1] * y

    verify(out, VECTOR[:4])


def test_truncation_stops_after_so_many_steps() -> None:
    x = T.dvector("x")

    def slope(k: int) -> Any:
        out, _ = sg.scan(
            lambda a, s: T.tanh(a * s) + a, x, T.constant(1.0), truncate_gradient=k
        )
        return compiled([x], sg.grad(out[-1], x))(VECTOR)

    whole = slope(-1)
    np.testing.assert_array_equal(slope(9), whole)
    np.testing.assert_array_equal(slope(2)[:3], 0)
    np.testing.assert_array_equal(slope(2)[3:], whole[3:])


def test_truncation_gives_nothing_to_initial_rows_it_does_not_reach() -> None:
    start, w = T.dvector("start"), T.dscalar("w")
    out, _ = sg.scan(
        lambda a, b: T.sin(a + b * w), None, dict(initial=start, taps=[-2, -1]),
        n_steps=4, truncate_gradient=3,
    )  # fmt: skip
    f = compiled([start, w], sg.grad(out[-1], start))
    assert f([0.3, 0.2], 0.7)[0] == 0
    assert f([0.3, 0.2], 0.7)[1] != 0


def test_the_gradient_sees_the_random_numbers_of_the_step() -> None:
    stream = T.RandomStreams(1)
    x = T.dvector("x")
    out, _ = sg.scan(
        lambda a, s: T.tanh(a * stream.uniform(())) * s + a, x, T.constant(1.0)
    )
    f = compiled([x], [out.sum(), sg.grad(out.sum(), x)], no_default_updates=True)
    moved = [(f(VECTOR + e)[0] - f(VECTOR - e)[0]) / 2e-6 for e in 1e-6 * np.eye(5)]
    np.testing.assert_allclose(f(VECTOR)[1], moved, rtol=1e-6)


def test_a_result_that_is_an_operand_or_an_earlier_row_passes_gradients() -> None:
    verify(
        lambda x: T.concatenate(
            sg.scan(lambda a, s: [a * s, s, a], x, [x[0], None, None])[0]
        ),
        VECTOR[:3],
    )


def test_no_steps_hand_the_gradient_to_the_initial_state() -> None:
    x, h = T.dvector("x"), T.dscalar("h")
    out, _ = sg.scan(lambda a, s: a * s, x, h)
    slopes = compiled([x, h], sg.grad(out.sum() + h * 3, [x, h]))(np.zeros(0), 2.0)
    assert slopes[0].shape == (0,)
    assert slopes[1] == 3.0


def test_values_whose_shape_differs_from_step_to_step_are_computed_again() -> None:
    x, m = T.dmatrix("x"), T.bmatrix("m")
    out, _ = sg.scan(lambda a, b: (T.exp(a)[b > 0]).sum(), [x, m])
    slow = sg.function([x, m], sg.grad(out.sum(), x), mode="FAST_COMPILE")
    values = np.arange(6.0).reshape(2, 3) / 6
    mask = np.array([[1, 0, 1], [0, 1, 0]], "int8")
    wanted = np.exp(values) * mask
    np.testing.assert_allclose(slow(values, mask), wanted)
    fast = sg.function([x, m], sg.grad(out.sum(), x))
    np.testing.assert_allclose(fast(values, mask), wanted)


@pytest.mark.parametrize("taps", [[-1], [-2], [-3, -1]])
@pytest.mark.parametrize("row", range(-5, 5))
def test_the_gradient_of_any_single_row(taps: list[int], row: int) -> None:
    depth = -min(taps)
    x, start = T.dvector("x"), T.dvector("start")

    def step(value: Any, *old: Any) -> Any:
        return T.sin(value + sum(old) * 0.7)

    rows, _ = sg.scan(
        step, x, dict(initial=start if depth > 1 else start[0], taps=taps)
    )
    states = [start[k] for k in range(depth)]
    for t in range(5):
        states.append(step(x[t], *(states[t + depth + tap] for tap in taps)))
    written = T.stack(states[depth:])

    def of(h: Any) -> Any:
        return sg.grad(h[row] * 3 + h[-1] * h[row // 2], [x, start])

    f = compiled([x, start], [*of(rows), *of(written)])
    one, begun, other, wanted = f(VECTOR, VECTOR[:3])
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(begun, wanted, rtol=1e-12, atol=1e-14)
