"""Products: samples against NumPy, errors with their texts, Gemm."""

import numpy as np
import pytest
from family_checks import (
    cases,
    check_error,
    check_gradient,
    check_value,
    compare_gradient,
)
from samples import Sample
from samples_functions import ORACLES, SAMPLES

import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.text import expression
from symgraph.core.types import TensorType
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.contraction import BatchedDot, Dot
from symgraph.ops.gemm import Gemm

NAMES = {"dot", "matmul", "batched_dot", "tensordot", "batched_tensordot", "outer",
         "inner", "vdot"}  # fmt: skip
HERE = {name: SAMPLES[name] for name in sorted(NAMES)}


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.error is None))
def test_the_value_is_numpys(name: str, sample: Sample) -> None:
    check_value(name, sample, ORACLES[name])


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.gradient))
def test_the_gradient_is_the_numeric_derivative(name: str, sample: Sample) -> None:
    check_gradient(name, sample)


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.error is not None))
def test_a_wrong_call_raises_its_named_error(name: str, sample: Sample) -> None:
    check_error(name, sample)


def test_unequal_inner_extents_are_named_with_operands_axes_and_cure() -> None:
    x = TensorType("float32", (None, 784))("x")
    W = TensorType("float32", (800, 10))("W")
    with pytest.raises(ShapeError) as caught:
        T.dot(x, W)
    text = str(caught.value)
    assert "dot: inner extents differ, 784 (x, axis 1) and 800 (W, axis 0)" in text
    assert "x : float32 (None, 784)   made at" in text
    assert "ranspose" in text


def test_unequal_inner_extents_raise_at_run_time_where_they_were_unknown() -> None:
    a, b = T.dmatrix("a"), T.dmatrix("b")
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(4, 2\)"):
        evaluate([T.dot(a, b)], {a: np.ones((2, 3)), b: np.ones((4, 2))})
    s, t = T.dtensor3("s"), T.dtensor3("t")
    for shape in ((1, 3, 2), (2, 1, 2)):  # nothing broadcasts in batched_dot
        with pytest.raises(ShapeError, match="batched_dot"):
            evaluate([T.batched_dot(s, t)], {s: np.ones((2, 2, 3)), t: np.ones(shape)})


def test_products_of_two_matrices_are_one_dot_node() -> None:
    a, b = T.fmatrix("a"), T.fmatrix("b")
    for out in (T.dot(a, b), a @ b, a.dot(b), T.tensordot(a, b, 1)):
        assert out.owner.op == Dot()
        assert out.owner.inputs == (a, b)
        assert expression(out) == "a @ b"
    s = T.ftensor3("s")
    assert T.matmul(s, s).owner.op == BatchedDot()


def test_operands_of_different_dtypes_are_promoted() -> None:
    assert T.dot(T.fmatrix(), T.imatrix()).type.dtype == "float64"
    assert T.dot(T.fmatrix(), T.wmatrix()).type.dtype == "float32"
    with pytest.raises(DtypeError, match="Cast"):
        Dot()(T.fmatrix(), T.dmatrix())


def test_known_extents_survive_products_of_higher_rank() -> None:
    a = TensorType("float32", (2, None, 5))("a")
    b = TensorType("float32", (5, 7))("b")
    assert T.dot(a, b).type.shape == (2, None, 7)
    assert T.tensordot(a, b, [[2], [0]]).type.shape == (2, None, 7)
    c = TensorType("float32", (2, 5, 3))("c")
    assert T.batched_dot(a, c).type.shape == (2, None, 3)
    assert T.matmul(a, c).type.shape == (2, None, 3)


def test_the_gradient_of_a_complex_product_is_that_of_its_parts() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 3, 3))
    v, a, b = T.zmatrix("v"), T.dmatrix("a"), T.dmatrix("b")
    w = random.normal(size=(3, 3))
    parts = T.dot(a, a) - T.dot(b, b), T.dot(a, b) + T.dot(b, a)
    wanted = T.grad(T.sum(parts[0] * w + parts[1] * w.T), [a, b])
    product = T.dot(v, v)
    found = T.grad(T.sum(T.real(product) * w + T.imag(product) * w.T), v)
    (g,) = evaluate([found], {v: x + 1j * y})
    real, imaginary = evaluate(wanted, {a: x, b: y})
    np.testing.assert_allclose(g, real + 1j * imaginary, 1e-12)


@pytest.mark.parametrize("rows,columns", [(3, 4), (1, 4), (3, 1), (1, 1)])
def test_gemm_is_the_expression_it_stands_for(rows: int, columns: int) -> None:
    random = np.random.default_rng(0)
    shape = tuple(1 if n == 1 else None for n in (rows, columns))
    z = TensorType("float64", shape)("z")
    a, b, alpha, beta = T.dmatrix("a"), T.dmatrix("b"), T.dscalar("p"), T.dscalar("q")
    values = {
        z: random.normal(size=(rows, columns)),
        alpha: np.array(0.7),
        a: random.normal(size=(3, 5)),
        b: random.normal(size=(5, 4)),
        beta: np.array(-1.3),
    }
    out = Gemm()(z, alpha, a, b, beta)
    told = -1.3 * values[z] + 0.7 * values[a] @ values[b]
    np.testing.assert_allclose(evaluate([out], values)[0], told, rtol=1e-13)
    compare_gradient(out, values)


def test_gemm_checks_ranks_dtypes_and_extents() -> None:
    z, m, s = T.dmatrix("z"), T.dmatrix("m"), T.dscalar("s")
    with pytest.raises(ShapeError):
        Gemm()(z, m, m, m, s)
    with pytest.raises(DtypeError):
        Gemm()(z, s, T.fmatrix(), m, s)
    fixed = TensorType("float64", (2, 3))("fixed")
    with pytest.raises(ShapeError, match="outer"):
        Gemm()(fixed, s, TensorType("float64", (4, 5))("a"), m, s)


def test_a_second_derivative_through_dot_is_right() -> None:
    a, b = T.dmatrix("a"), T.dmatrix("b")
    first = T.grad(T.sum(T.sqr(T.dot(a, b))), a)
    random = np.random.default_rng(1)
    compare_gradient(
        first, {a: random.normal(size=(2, 3)), b: random.normal(size=(3, 2))}
    )
