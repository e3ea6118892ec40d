"""`elemwise_op`: Python functions of numbers, fused or compiled by Numba."""

import math
import subprocess
import sys
from collections.abc import Callable
from math import exp as exponential
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, DtypeError, GradientError, UserOpError
from symgraph.extend.scalar_function import FUNCTIONS, identity
from symgraph.extend.tracing import UntraceableError, traced

SCALE = 3.0
x, y = T.dvectors("x", "y")
A, B = np.linspace(-2, 2, 23), np.linspace(0.5, 3, 23)


def values(out: Any, mode: str | None = None) -> Any:
    return sg.function([x, y], out, mode=mode, on_unused_input="ignore")(A, B)


def squared(v: float) -> float:
    return v * v


def steps(p: float, q: float) -> float:
    if p > 0:
        return math.exp(p) * q
    total = 0.0
    for i in range(3):
        total += squared(p) * i / (i + q)
    return total


STEPS = sg.elemwise_op(
    steps,
    grad=lambda g, out, p, q: (
        g * T.switch(p > 0, out, 2 * p * (1 / (1 + q) + 2 / (2 + q))),
        g
        * T.switch(p > 0, T.exp(p), -(p**2) * ((1 + q) ** -2.0 + 2 * (2 + q) ** -2.0)),
    ),
)

#: functions that primitives can say → the same in NumPy
FUSED: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda a: math.tanh(a) * a, lambda a: np.tanh(a) * a),
    (lambda a: exponential(-a) + SCALE, lambda a: np.exp(-a) + 3),
    (lambda a, b: a / b - 2**b, lambda a, b: a / b - 2**b),
    (lambda a, b: np.maximum(a, b) % 2, lambda a, b: np.maximum(a, b) % 2),
    (lambda a: a**3 + a**-2.0 + (+a) // 2, lambda a: a**3 + a**-2.0 + a // 2),
    (lambda a: (a > 0) * a + (1 < a), lambda a: (a > 0) * a + (a > 1)),
    (lambda a, b: np.where(a < b, a, 1), lambda a, b: np.where(a < b, a, 1)),
    (lambda a: math.log(abs(a), 2) - math.pi, lambda a: np.log2(abs(a)) - np.pi),
    (lambda a: squared(a) + math.atan2(a, 2), lambda a: a * a + np.arctan2(a, 2)),
    (lambda a: np.square(a) - np.reciprocal(a), lambda a: a * a - 1 / a),
    (lambda a: math.erf(a) + math.floor(a),
     lambda a: [math.erf(v) for v in a] + np.floor(a)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FUSED)))
def test_arithmetic_and_common_functions_fuse(number: int) -> None:
    function, oracle = FUSED[number]
    operands = (x, y)[: function.__code__.co_argcount]
    made = sg.elemwise_op(function)
    assert made.scalar not in FUNCTIONS
    with np.errstate(all="ignore"):
        want = oracle(*(A, B)[: len(operands)])
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        np.testing.assert_allclose(values(made(*operands), mode), want, 1e-12, 1e-14)
    f = sg.function(operands, T.exp(made(*operands)) + 1)
    assert len(f.program.kernels) == 1


def test_functions_that_branch_and_loop_are_compiled() -> None:
    assert STEPS.scalar in FUNCTIONS
    want = [steps(a, b) for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(values(STEPS(x, y), "FAST_COMPILE"), want, 1e-14)
    np.testing.assert_allclose(values(STEPS(x, y)), want, 1e-14)
    assert STEPS.scalar + "(v" in sg.function([x, y], STEPS(x, y) + 1).source


def test_broadcasting_and_other_dtypes() -> None:
    m, n = T.fmatrix("m"), T.lvector("n")
    assert STEPS(m, m[0]).type.dtype == "float32"
    assert STEPS(m, n).type.dtype == "float64"
    f = sg.function([m], STEPS(m, m[0]))
    given = np.array([[1.0, 2.0, 3.0], [0.5, -0.5, 1.0]], "float32")
    want = [[steps(*pair) for pair in zip(row, given[0], strict=True)] for row in given]
    np.testing.assert_allclose(f(given), want, 1e-6)
    with pytest.raises(DtypeError, match="complex"):
        STEPS(T.zvector(), 1.0)


def test_gradients_agree_with_differences() -> None:
    sg.verify_grad(STEPS, [np.array([0.5, -0.7]), np.array([1.0, 2.0])])
    curve = sg.elemwise_op(
        lambda a: math.tanh(a) * a,
        grad=lambda g, out, a: g * (T.tanh(a) + a / T.cosh(a) ** 2),
    )  # fmt: skip
    sg.verify_grad(curve, [np.array([0.5, -0.7])])
    second = sg.function([x], sg.grad(sg.grad(curve(x).sum(), x).sum(), x))
    slopes = sg.function([x], sg.grad(curve(x).sum(), x))
    step = 1e-6
    wanted = (slopes(A + step) - slopes(A - step)) / (2 * step)
    np.testing.assert_allclose(second(A), wanted, 1e-6, 1e-8)
    row = T.dvector("row")
    total = STEPS(T.dmatrix("m"), row).sum()
    assert sg.grad(total, row).ndim == 1


def test_infinities_and_nan_come_without_exceptions() -> None:
    for function in (
        lambda a: math.log(a),
        lambda a: 1 / a,
        lambda a: math.exp(a) if a > 0 else 1 / a,
    ):
        made = sg.elemwise_op(function)
        found = [
            sg.function([x], made(x), mode=mode)([0.0, -1.0, 1000.0])
            for mode in ("FAST_COMPILE", "FAST_RUN")
        ]
        np.testing.assert_array_equal(np.isfinite(found[0]), np.isfinite(found[1]))
        np.testing.assert_allclose(found[0], found[1], 1e-14)


def test_the_name_tells_what_is_computed() -> None:
    def made(factor: float) -> Callable[[float], float]:
        return lambda a: a * factor + squared(a)

    assert identity(made(2.0)) == identity(made(2.0)) != identity(made(3.0))
    first, second = (
        sg.elemwise_op(made(2.0), grad=lambda g, out, a: g) for _ in range(2)
    )
    assert first.scalar != second.scalar  # their gradients may differ
    assert first.scalar[:-2] in second.scalar or second.scalar.startswith(first.scalar)


def test_a_decorated_function_keeps_its_name_and_text() -> None:
    @sg.elemwise_op(grad=lambda g, out, a: g)
    def named(a: float) -> float:
        """Says what it does."""
        return a + 1

    assert (named.__name__, named.__doc__) == ("named", "Says what it does.")
    assert repr(named) == "<elementwise named>"
    assert named.function(1.0) == 2.0


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a if a > 0 else -a,
        lambda a: min(a, 1.0),
        lambda a: float(a) + 1,
        lambda a: 3.0,
        lambda a: a > 0,
        lambda a: math.gcd(int(a), 2),
        lambda a: [a][0].real,
        lambda a: math.sin(1.0) * a,
    ],
)
def test_what_primitives_cannot_say_is_not_traced(function: Any) -> None:
    class AnyPrimitive:
        def __getattr__(self, name: str) -> Any:
            return lambda *operands: operands[0]

    with pytest.raises(UntraceableError):
        traced(function, AnyPrimitive(), [np.float64(1.0)])


def test_wrong_gradients_are_refused() -> None:
    def plus(a: float) -> float:
        return a + 1

    def asked(grad: Any) -> None:
        sg.grad(sg.elemwise_op(plus, grad=grad)(x).sum(), x)

    with pytest.raises(GradientError, match=r"plus has no gradient"):
        asked(None)
    with pytest.raises(
        GradientError, match=r"plus \(.*test_elementwise.py.*2 values for 1"
    ):
        asked(lambda g, out, a: (g, g))
    with pytest.raises(GradientError, match="0 axes, the output 1"):
        asked(lambda g, out, a: 1.0)
    with pytest.raises(GradientError, match="dtype int64"):
        asked(lambda g, out, a: T.cast(g, "int64"))


def test_wrong_definitions_and_calls_are_refused() -> None:
    with pytest.raises(ArgumentError, match="3 is no Python function"):
        sg.elemwise_op(3)
    with pytest.raises(ArgumentError, match="fixed number of operands"):
        sg.elemwise_op(lambda *a: a[0])
    with pytest.raises(ArgumentError, match="grad takes 1 arguments, expected 3"):
        sg.elemwise_op(lambda a: a, grad=lambda g: g)
    with pytest.raises(ArgumentError, match="grad=3 is no function"):
        sg.elemwise_op(lambda a: a, grad=3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="takes 2 operands, 1 are given"):
        STEPS(x)


def test_what_numba_cannot_compile_is_told_with_the_line() -> None:
    def raising(a: float) -> float:
        if a > 0:
            raise ValueError("no")
        return a

    def strange(a: float) -> Any:
        return a.nothing if a > 0 else a

    with pytest.raises(
        UserOpError, match=r"raising \(.*test_elementwise.py:\d+\) needs Python"
    ):
        sg.function([x], sg.elemwise_op(raising)(x))
    with pytest.raises(UserOpError, match=r"strange \(.*cannot be compiled by Numba"):
        sg.function([x], sg.elemwise_op(strange)(x))
    several = sg.elemwise_op(lambda a: (a, a) if a > 0 else (a, 1.0))
    with pytest.raises(UserOpError, match="It must return one number"):
        values(several(x), "FAST_COMPILE")


PROGRAM = """
import sys
import symgraph as sg, symgraph.tensor as T
@sg.elemwise_op
def climb(a):
    total = 0.0
    while total < a:
        total += 1.0
    return total
x = T.dvector("x")
f = sg.function([x], climb(x))
assert f([2.5, -1.0]).tolist() == [3.0, 0.0]
print(f.timings.cached, "numba" in sys.modules)
"""


@pytest.mark.slow
def test_code_from_the_cache_needs_no_numba(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path / "cache"))
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    printed = [
        subprocess.run(
            [sys.executable, script], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert printed == [["False", "True"], ["True", "False"]]
