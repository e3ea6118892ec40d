"""Linear algebra beyond its samples: failures, complex numbers, shapes, no SciPy."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.errors import (
    ArgumentError,
    DtypeError,
    GradientError,
    LinearAlgebraError,
    NotSupportedError,
    ShapeError,
    VerifyGradError,
)
from symgraph.ops import linalg_solve, matrices
from symgraph.ops.linalg_cholesky import Cholesky
from symgraph.ops.linalg_inverse import MatrixInverse
from symgraph.ops.linalg_solve import LeastSquares, Solve, SolveMatrix

MODE = "FAST_COMPILE"
SINGULAR = np.ones((3, 3))
POSITIVE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
GENERAL = np.array([[1.0, -2.0, 0.3], [1.5, 0.4, 1.0], [0.2, -0.7, -1.1]])

# --- failures -------------------------------------------------------------------------

FAILING: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "inv": (T.linalg.inv, SINGULAR),
    "solve": (lambda x: T.linalg.solve(x, x[0]), SINGULAR),
    "triangular": (lambda x: T.linalg.solve_triangular(x, x[0]), np.tril(SINGULAR, -1)),
    "cholesky": (T.linalg.cholesky, -POSITIVE),
    "upper": (lambda x: T.linalg.cholesky(x, lower=False), -POSITIVE),
    "eigh": (lambda x: T.linalg.eigh(x)[0], np.full((3, 3), np.nan)),
    "svd": (lambda x: T.linalg.svdvals(x), np.full((3, 3), np.nan)),
    "power": (lambda x: T.linalg.matrix_power(x, -2), SINGULAR),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_has_no_result_raises_a_named_error(name: str) -> None:
    function, value = FAILING[name]
    x = T.dmatrix("x")
    out = function(x)
    with pytest.raises(LinearAlgebraError) as caught:
        evaluate([out], {x: value})
    text = str(caught.value)
    assert "(3, 3)" in text
    assert "x : float64" in text
    assert "test_linalg.py:" in text
    assert isinstance(caught.value, np.linalg.LinAlgError)


def test_a_batch_with_one_singular_matrix_is_named_as_a_batch() -> None:
    x = T.dtensor3("x")
    values = np.stack([POSITIVE, SINGULAR])
    with pytest.raises(LinearAlgebraError, match=r"one of a batch .* \(2, 3, 3\)"):
        evaluate([T.linalg.inv(x)], {x: values})


def test_a_matrix_that_is_not_positive_definite_gives_nan_if_that_is_asked() -> None:
    x = T.dtensor3("x")
    values = np.stack([POSITIVE, -POSITIVE])
    for lower in (True, False):
        factor = T.slinalg.Cholesky(lower=lower, on_error="nan")(x)
        (found,) = evaluate([factor], {x: values})
        assert np.isnan(found[1]).all()
        right = np.linalg.cholesky(POSITIVE)
        np.testing.assert_allclose(found[0], right if lower else right.T, 1e-12)


def test_the_gradient_of_a_failed_cholesky_factor_is_nan() -> None:
    x = T.dmatrix("x")
    cost = T.slinalg.Cholesky(on_error="nan")(x).sum()
    (found,) = evaluate([sg.grad(cost, x)], {x: -POSITIVE})
    assert np.isnan(found[np.tril_indices(3)]).all()


@pytest.mark.parametrize(
    "function",
    [T.linalg.inv, T.linalg.det, T.linalg.cholesky, T.linalg.eigh, T.linalg.eig,
     T.linalg.slogdet, T.linalg.expm],
)  # fmt: skip
def test_a_matrix_that_turns_out_not_to_be_square_is_refused(
    function: Callable[[Any], Any],
) -> None:
    x = T.dmatrix("x")
    out = function(x)
    out = out[0] if isinstance(out, tuple) else out
    with pytest.raises(ShapeError, match=r"square matrix .* \(2, 3\)"):
        evaluate([out], {x: np.ones((2, 3))})


def test_shapes_that_turn_out_not_to_fit_are_refused() -> None:
    a, b = T.dmatrices("a", "b")
    values = {a: POSITIVE, b: np.ones((2, 2))}
    for out in (T.linalg.solve(a, b), T.linalg.lstsq(a, b)[0]):
        with pytest.raises(ShapeError, match="do not fit"):
            evaluate([out], values)


def test_ops_refuse_what_their_functions_would_convert() -> None:
    i, x = T.imatrix("i"), T.dmatrix("x")
    with pytest.raises(DtypeError, match="int32"):
        SolveMatrix("general").make(i, i)
    with pytest.raises(DtypeError, match="float32, float64"):
        LeastSquares(0.0).make(x, T.fmatrix("y"))
    with pytest.raises(ShapeError, match="batches differ"):
        SolveMatrix("general").make(T.dtensor3("a"), x)
    assert MatrixInverse()(i).type.dtype == "float64"
    with pytest.raises(ArgumentError, match="A_structure"):
        Solve("banded")
    assert Cholesky(True, destructive=True) == Cholesky()


def test_gradients_that_do_not_exist_are_refused() -> None:
    x, z = T.dmatrix("x"), T.zmatrix("z")
    u = T.linalg.svd(x)[0]
    with pytest.raises(GradientError, match="full_matrices=False"):
        sg.grad(u.sum(), x)
    q = T.linalg.qr(x, "complete")[0]
    with pytest.raises(GradientError, match="reduced"):
        sg.grad(q.sum(), x)
    for part in (
        T.linalg.cholesky(z),
        T.linalg.qr(z)[1],
        T.linalg.svd(z, False)[0],
        T.linalg.eigh(z)[1],
        T.linalg.eigvalsh(z),
    ):
        with pytest.raises(GradientError, match="complex"):
            sg.grad(abs(part).sum(), z)


def test_singular_values_of_a_full_decomposition_have_a_gradient() -> None:
    x = T.dmatrix("x")
    s = T.linalg.svd(x)[1]
    sg.verify_grad(lambda x: T.linalg.svd(x)[1], [GENERAL[:2]], mode=MODE)
    assert s.type.shape == (None,)


# --- complex numbers ------------------------------------------------------------------


def slope(cost: Variable, x: Variable, at: np.ndarray, way: np.ndarray) -> float:
    """Difference quotient of a real cost along a direction."""
    h = 1e-5
    ends = [float(evaluate([cost], {x: at + s * h * way})[0]) for s in (1, -1)]
    return (ends[0] - ends[1]) / (2 * h)


WAY = np.array([[0.3, -1.0, 0.2], [0.5, 0.7, -0.4], [-0.6, 0.1, 0.9]])
ANALYTIC: dict[str, Callable[[Any], Any]] = {
    "inv": T.linalg.inv,
    "pinv": lambda x: T.linalg.pinv(x[:, :2]),
    "det": T.linalg.det,
    "sign": lambda x: T.linalg.slogdet(x)[0],
    "log": lambda x: T.linalg.slogdet(x)[1],
    "both": lambda x: T.linalg.slogdet(x)[0] * T.linalg.slogdet(x)[1],
    "solve": lambda x: T.linalg.solve(x, x[0]),
    "triangular": lambda x: T.linalg.solve_lower_triangular(x, x[1]),
    "lstsq": lambda x: T.linalg.lstsq(x[:, :2], x[:, 2])[0],
    "residuals": lambda x: T.linalg.lstsq(x[:, :2], x[:, 2])[1],
    "expm": T.linalg.expm,
    "values": lambda x: T.linalg.eig(x)[0],
    "vectors": lambda x: abs(T.linalg.eig(x)[1]),
    "svdvals": T.linalg.svdvals,
    "power": lambda x: T.linalg.matrix_power(x, -3),
    "dot": lambda x: T.dot(x, T.dot(x[0], x)) + T.dot(x[0], x[1]),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_gradients_at_complex_matrices(name: str) -> None:
    z = T.zmatrix("z")
    out = ANALYTIC[name](z)
    weight = np.cos(np.arange(9.0)).reshape(3, 3)
    at = GENERAL + 1j * WAY
    (value,) = evaluate([out], {z: at})
    parts = weight.ravel()[: value.size].reshape(value.shape)
    cost = T.sum(T.real(out) * parts) + T.sum(T.imag(out) * np.flip(parts))
    (g,) = evaluate([sg.grad(cost, z)], {z: at})
    for way in (WAY, 1j * WAY.T, WAY + 2j * WAY[::-1]):
        exact = float(np.sum(np.real(np.conj(g) * way)))
        assert exact == pytest.approx(slope(cost, z, at, way), rel=1e-6)


@pytest.mark.parametrize("name", ["values", "vectors", "inv", "expm"])
def test_gradients_of_complex_results_of_real_matrices(name: str) -> None:
    def cost(x: Any) -> Any:
        found = ANALYTIC[name](x)
        return T.sum(abs(found) ** 2 * np.cos(np.arange(3.0)))

    sg.verify_grad(cost, [GENERAL], mode=MODE, n_tests=1)
    sg.verify_grad(lambda x: sg.grad(cost(x), x), [GENERAL], mode=MODE, n_tests=1)


# --- shapes ---------------------------------------------------------------------------

BATCHES = st.lists(st.integers(0, 3), max_size=2).map(tuple)
SIZES = st.integers(0, 4)


def typed(array: np.ndarray, known: bool) -> Variable:
    shape = array.shape if known else (None,) * array.ndim
    made: Variable = T.TensorType(array.dtype.name, shape)("x")
    return made


@settings(max_examples=60, deadline=None, derandomize=True)
@given(BATCHES, SIZES, SIZES, st.booleans(), st.sampled_from(["float32", "float64"]))
def test_factors_of_every_shape_multiply_to_their_matrix(
    batch: tuple[int, ...], m: int, n: int, known: bool, dtype: str
) -> None:
    value = np.random.default_rng(m + 5 * n).normal(size=(*batch, m, n)).astype(dtype)
    x = typed(value, known)
    q, r = T.linalg.qr(x)
    u, s, vh = T.linalg.svd(x, full_matrices=False)
    p = T.linalg.pinv(x, 1e-5)
    u2, s2, vh2 = T.linalg.svd(x)
    outs = [
        T.matmul(q, r) - x,
        T.matmul(u * s.dimshuffle(*range(len(batch)), "x", len(batch)), vh) - x,
        T.matmul(T.matmul(x, p), x) - x,
        T.linalg.svdvals(x) - s,
        s2 - s,
    ]
    for found in evaluate(outs, {x: value}):
        bound = 2e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(found, np.zeros_like(found), atol=bound)
    full = [a.shape for a in evaluate([u2, vh2], {x: value})]
    assert full == [(*batch, m, m), (*batch, n, n)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(BATCHES, BATCHES, SIZES, SIZES, st.booleans())
def test_solutions_of_every_shape_broadcast_as_numpy_does(
    left: tuple[int, ...], right: tuple[int, ...], n: int, k: int, known: bool
) -> None:
    try:
        np.broadcast_shapes(left, right)
    except ValueError:
        return
    random = np.random.default_rng(n)
    a = random.normal(size=(*left, n, n)) + 4 * np.eye(n)
    b = random.normal(size=(*right, n, k))
    x, y = typed(a, True), typed(b, True)
    if known is False:
        shape = tuple(1 if e == 1 else None for e in a.shape)
        x = T.TensorType("float64", shape)("x")
    for structure, used in (("gen", a), ("lower triangular", np.tril(a))):
        out = T.linalg.solve(x, y, structure)
        (found,) = evaluate([out], {x: a, y: b})
        np.testing.assert_allclose(found, np.linalg.solve(used, b), 1e-9, 1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(BATCHES, SIZES, st.booleans(), st.booleans())
def test_symmetric_matrices_of_every_shape(
    batch: tuple[int, ...], n: int, lower: bool, known: bool
) -> None:
    half = np.random.default_rng(n).normal(size=(*batch, n, n))
    value = half @ np.swapaxes(half, -1, -2) + np.eye(n)
    x = typed(value, known)
    w, v = T.linalg.eigh(x, "L" if lower else "U")
    c = T.linalg.cholesky(x, lower)
    rebuilt, factor, log, values = evaluate(
        [T.matmul(v * w.dimshuffle(*range(len(batch)), "x", len(batch)),
                  v.swapaxes(-1, -2)), c, T.linalg.logdet(x), w],
        {x: value},
    )  # fmt: skip
    np.testing.assert_allclose(rebuilt, value, 1e-9, 1e-12)
    turned = np.swapaxes(factor, -1, -2)
    again = factor @ turned if lower else turned @ factor
    np.testing.assert_allclose(again, value, 1e-9, 1e-12)
    np.testing.assert_allclose(log, np.log(values).sum(axis=-1), 1e-9, 1e-12)


# --- the names, and SciPy -------------------------------------------------------------


def test_the_namespaces_have_the_names_of_theano_and_numpy() -> None:
    assert T.linalg.inv is T.nlinalg.matrix_inverse
    assert T.nlinalg.norm is T.linalg.norm
    assert T.nlinalg.diag is T.diag
    assert T.nlinalg.trace is T.trace
    assert {"cholesky", "solve", "Cholesky", "Solve"} <= set(dir(T.slinalg))
    with pytest.raises(AttributeError, match="it has"):
        _ = T.linalg.nothing


def test_triangles_are_solved_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = T.dmatrices("a", "b")
    outs = [T.linalg.solve_triangular(a, b, lower=low) for low in (True, False)]
    values = {a: GENERAL, b: POSITIVE}
    with_scipy = evaluate(outs, values)
    monkeypatch.setattr(linalg_solve, "scipy_linalg", lambda: None)
    for one, other in zip(with_scipy, evaluate(outs, values), strict=True):
        np.testing.assert_allclose(one, other, 1e-12)


def test_what_only_scipy_can_do_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hasattr(matrices.needs_scipy("it"), "expm")
    monkeypatch.setattr(matrices, "scipy_linalg", lambda: None)
    with pytest.raises(NotSupportedError, match="pip install scipy"):
        matrices.needs_scipy("it")


def test_the_exponential_of_a_matrix_that_overflows_is_not_a_number() -> None:
    x = T.dmatrix("x")
    (found,) = evaluate([T.linalg.expm(x)], {x: np.full((2, 2), np.inf)})
    assert np.isnan(found).all()


# --- compiled functions ---------------------------------------------------------------


def test_compiled_functions_call_lapack_with_gradients_of_both_orders() -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    out = T.linalg.solve(T.linalg.expm(x), v) + T.linalg.eigh(x + x.T)[0]
    cost = T.sum(T.sin(out)) + T.linalg.logdet(x) + T.linalg.norm(x, "nuc")
    first = sg.grad(cost, [x, v])
    second = sg.grad(T.sum(T.sqr(first[0])), [x, v])
    outputs = [cost, *first, *second]
    values = (GENERAL, POSITIVE[0])
    some = [sg.function([x, v], outputs, mode=m)(*values) for m in (MODE, "FAST_RUN")]
    for one, other in zip(*some, strict=True):
        np.testing.assert_allclose(one, other, 1e-8, 1e-10)


def test_an_operand_may_be_a_view_of_what_is_computed() -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    outputs = [
        T.linalg.solve(x.T, (v * 2)[::-1]),
        T.linalg.inv(x.reshape((1, 3, 3))),
        T.linalg.det(x[:2, 1:]),
    ]
    found = sg.function([x, v], outputs)(GENERAL, POSITIVE[0])
    wanted = [
        np.linalg.solve(GENERAL.T, 2 * POSITIVE[0][::-1]),
        np.linalg.inv(GENERAL)[None],
        np.linalg.det(GENERAL[:2, 1:]),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-12)


def test_a_failure_in_a_compiled_function_leaves_shared_variables_as_they_are() -> None:
    x = T.dmatrix("covariance")
    kept = sg.shared(np.eye(3), name="kept")
    step = sg.function([x], T.linalg.cholesky(x).sum(), updates=[(kept, kept + x)])
    step(POSITIVE)
    with pytest.raises(LinearAlgebraError) as caught:
        step(-POSITIVE)
    assert "covariance : float64" in str(caught.value)
    assert "test_linalg.py:" in str(caught.value)
    assert "(3, 3)" in str(caught.value)
    np.testing.assert_array_equal(kept.get_value(), np.eye(3) + POSITIVE)
    assert np.isfinite(step(POSITIVE))


def test_theano_s_classes_take_their_options_first() -> None:
    x = T.dmatrix("x")
    made = [
        T.nlinalg.SVD(False, True)(x)[1],
        T.nlinalg.QRFull("reduced")(x)[0],
        T.nlinalg.Eigh("U")(x + x.T)[0],
        T.nlinalg.MatrixPinv()(x),
        T.nlinalg.AllocDiag(offset=1)(x[0]),
        T.nlinalg.ExtractDiag()(x),
        T.slinalg.Eigvalsh(lower=False)(x + x.T, POSITIVE),
        T.nlinalg.Det()(x),
        T.nlinalg.MatrixInverse()(x),
        T.slinalg.Expm()(x),
    ]
    plain = [
        T.linalg.svdvals(x),
        T.linalg.qr(x)[0],
        T.linalg.eigh(x + x.T, "U")[0],
        T.linalg.pinv(x),
        T.linalg.alloc_diag(x[0], 1),
        T.linalg.extract_diag(x),
        T.linalg.eigvalsh(x + x.T, POSITIVE, False),
        T.linalg.det(x),
        T.linalg.inv(x),
        T.linalg.expm(x),
    ]
    for one, other in zip(
        *(evaluate(v, {x: GENERAL}) for v in (made, plain)), strict=True
    ):
        np.testing.assert_allclose(one, other, 1e-12)
    with pytest.raises(TypeError, match="options"):
        T.nlinalg.SVD(True, True, True)


# --- a check that cannot fail checks nothing ------------------------------------------

PLANTED: dict[str, tuple[str, str, Callable[[Any], Any], int]] = {
    "inverse": ("linalg_inverse", "MatrixInverse", T.linalg.inv, 0),
    "pinv": ("linalg_inverse", "MatrixPinv", lambda x: T.linalg.pinv(x[:, :2]), 0),
    "det": ("linalg_inverse", "Det", T.linalg.det, 0),
    "slogdet": ("linalg_inverse", "SlogDet", T.linalg.logdet, 0),
    "solve": ("linalg_solve", "SolveMatrix", lambda x: T.linalg.solve(x, x[0]), 1),
    "lstsq": ("linalg_solve", "LeastSquares",
              lambda x: T.linalg.lstsq(x[:, :2], x[:, 2])[0], 0),
    "cholesky": ("linalg_cholesky", "Cholesky",
                 lambda x: T.linalg.cholesky(T.dot(x, x.T)), 0),
    "qr": ("linalg_qr", "Qr", lambda x: T.linalg.qr(x), 0),
    "svd": ("linalg_svd", "Svd", lambda x: T.linalg.svd(x, False), 0),
    "svdvals": ("linalg_svd", "SingularValues", T.linalg.svdvals, 0),
    "eigh": ("linalg_eigen", "Eigh", lambda x: T.linalg.eigh(T.dot(x, x.T)), 0),
    "eigvalsh": ("linalg_eigen", "EigenvaluesH",
                 lambda x: T.linalg.eigvalsh(T.dot(x, x.T)), 0),
    "eig": ("linalg_eig", "Eig", lambda x: abs(T.linalg.eigvals(x)), 0),
    "expm": ("linalg_expm", "Expm", T.linalg.expm, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_gradient_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file, kind, function, operand = PLANTED[name]
    op = getattr(importlib.import_module(f"symgraph.ops.{file}"), kind)
    right = op.grad

    def wrong(self: Any, inputs: Any, outputs: Any, gradients: Any) -> Any:
        found = list(right(self, inputs, outputs, gradients))
        found[operand] = found[operand] * 1.001
        return found

    sg.verify_grad(function, [GENERAL], mode=MODE, n_tests=1)
    monkeypatch.setattr(op, "grad", wrong)
    with pytest.raises(VerifyGradError):
        sg.verify_grad(function, [GENERAL], mode=MODE, n_tests=1)
