"""Finite differences, and that `verify_grad` finds gradients that are wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import OPS, Op
from symgraph.errors import ArgumentError, GradientError, VerifyGradError

POINT = np.array([[0.3, 0.8, -1.7], [1.1, -0.4, 2.0]])


def test_differences_are_exact_to_ten_digits() -> None:
    x = np.array([0.1, 1.0, 30.0])
    found = sg.gradient.differences(lambda p: np.sum(np.exp(p / 10)), [x])[0]
    np.testing.assert_allclose(found, np.exp(x / 10) / 10, 1e-9)


def test_differences_leave_their_points_alone() -> None:
    x = POINT.copy()
    sg.gradient.differences(lambda p: float((p**2).sum()), [x])
    np.testing.assert_array_equal(x, POINT)


#: one function for each family of ops, and the op whose gradient is made wrong
RIGHT: dict[str, tuple[Callable[..., Any], str]] = {
    "elementwise": (lambda x: T.exp(x) * x, "elementwise"),
    "cast": (lambda x: T.cast(T.cast(x, "complex128"), "complex128").real, "cast"),
    "dimshuffle": (lambda x: x.T * 2.0, "dimshuffle"),
    "reshape": (lambda x: x.reshape((3, 2)) ** 2, "reshape"),
    "concatenate": (lambda x: T.concatenate([x, x * 2]), "concatenate"),
    "broadcast": (lambda x: T.broadcast_to(x, (2, 2, 3)), "broadcast_to"),
    "reduction": (lambda x: T.max(x, axis=1), "reduce"),
    "slicing": (lambda x: x[:, ::-1] * x, "subtensor"),
    "writing": (lambda x: T.set_subtensor(x[0], x[1] ** 2), "set_subtensor"),
    "taking": (lambda x: x[:, [0, 0, 2]] ** 2, "take"),
    "product": (lambda x: T.dot(x, x.T), "dot"),
    "batched product": (
        lambda x: T.batched_dot(x.dimshuffle(0, "x", 1), x.dimshuffle(0, 1, "x")),
        "batched_dot",
    ),
    "softmax": (T.nnet.softmax, "softmax"),
    "log softmax": (T.nnet.logsoftmax, "log_softmax"),
    "rows": (lambda x: sg.jacobian(x[0] ** 3, x), "rows"),
}


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
@pytest.mark.parametrize("family", RIGHT)
def test_right_gradients_pass(family: str, mode: str) -> None:
    sg.verify_grad(RIGHT[family][0], [POINT], rng=np.random.default_rng(1), mode=mode)


@pytest.mark.parametrize("family", RIGHT)
def test_a_planted_wrong_gradient_is_found_in_every_family(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, name = RIGHT[family]
    op: type[Op] = OPS[name]
    right = op.grad
    planted = []

    def wrong(self: Op, *args: Any) -> Any:
        planted.append(self)
        return [g if g is None else g * 1.001 for g in right(self, *args)]

    monkeypatch.setattr(op, "grad", wrong)
    with pytest.raises(VerifyGradError):
        sg.verify_grad(function, [POINT], mode="FAST_COMPILE")
    assert planted


def test_the_error_names_the_worst_element_and_both_values() -> None:
    def wrong(x: Any, y: Any) -> Any:
        return x**2 + T.sum(sg.gradient.zero_grad(y) ** 2) + y

    with pytest.raises(VerifyGradError) as caught:
        sg.verify_grad(
            wrong, [np.ones(2), np.array([1.0, 1.0, 5.0])[:2] * [1, 5]],
            rng=np.random.default_rng(0), mode="FAST_COMPILE",
        )  # fmt: skip
    text = str(caught.value)
    assert "input 1, index (1,), where it is 5.0" in text
    gradient, differences = (float(line.split()[-1]) for line in text.splitlines()[2:4])
    assert 0.5 <= gradient <= 1.5
    assert differences - gradient > 10


def test_one_wrong_element_among_many_is_found() -> None:
    def wrong(x: Any) -> Any:
        return T.set_subtensor(x[7], sg.gradient.zero_grad(x[7])) * 2

    with pytest.raises(VerifyGradError, match=r"index \(7,\)"):
        sg.verify_grad(wrong, [np.linspace(0, 1, 12)], mode="FAST_COMPILE")


def test_a_nan_in_a_gradient_is_found() -> None:
    with pytest.raises(VerifyGradError, match="nan"):
        sg.verify_grad(
            lambda x: T.switch(x > -1, x, 0) + 0 * T.sqrt(T.abs(x) * 0),
            [np.array([0.5])],
            mode="FAST_COMPILE",
        )


def test_float32_is_checked_against_differences_in_float64() -> None:
    point = np.array([0.5, -2.0, 3.0], "float32")
    sg.verify_grad(lambda x: T.tanh(x) * x**2, [point], mode="FAST_COMPILE")
    sg.verify_grad(lambda x: T.cast(T.sin(x), "float32"), [point], mode="FAST_COMPILE")
    with pytest.raises(VerifyGradError):
        sg.verify_grad(
            lambda x: sg.gradient.grad_clip(T.tanh(x), -0.1, 0.1), [point],
            mode="FAST_COMPILE",
        )  # fmt: skip


def test_the_tolerances_are_the_callers() -> None:
    def near(x: Any) -> Any:
        return x + 1e-3 * sg.gradient.zero_grad(x)

    with pytest.raises(VerifyGradError):
        sg.verify_grad(near, [POINT], mode="FAST_COMPILE")
    sg.verify_grad(near, [POINT], abs_tol=1e-2, mode="FAST_COMPILE")
    sg.verify_grad(near, [POINT], rel_tol=1e-2, mode="FAST_COMPILE")
    with pytest.raises(VerifyGradError):  # a step that is far too large
        sg.verify_grad(lambda x: T.sin(9 * x), [POINT], eps=1.0, mode="FAST_COMPILE")


def test_random_state_and_out_type_and_several_outputs_are_taken() -> None:
    sg.verify_grad(
        lambda x: [T.sin(x), T.sum(x**2)], [POINT], n_tests=1,
        rng=np.random.RandomState(3), out_type="float32", mode="FAST_COMPILE",
        no_debug_ref=True, cast_to_output_type=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fun", "point", "error"),
    [
        (lambda x: x * 2, np.array([1, 2]), ArgumentError),
        (lambda x: x > 0, np.array([1.0]), GradientError),
        (lambda x: T.cast(x, "int32"), np.array([1.0]), GradientError),
    ],
)
def test_what_cannot_be_verified_is_refused(
    fun: Callable[..., Any], point: np.ndarray, error: type[Exception]
) -> None:
    with pytest.raises(error):
        sg.verify_grad(fun, [point])


def test_a_gradient_of_the_wrong_shape_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OPS["dimshuffle"], "grad", lambda self, i, o, g: g)
    with pytest.raises(VerifyGradError, match=r"float64 \(3, 2\).* \(2, 3\)"):
        sg.verify_grad(lambda x: x.T * 2, [POINT], mode="FAST_COMPILE")
