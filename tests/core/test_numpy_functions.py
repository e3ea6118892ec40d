"""NumPy's functions and operators of arrays on variables: ours, or an error."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.numpy_functions import FUNCTIONS
from symgraph.errors import SymbolicValueError, SymgraphError

random = np.random.default_rng(7)
ARRAYS = {
    "x": random.normal(size=(3, 4)),
    "w": random.normal(size=(4, 2)),
    "s": random.normal(size=(3, 3)) + 3 * np.eye(3),
    "p": np.array([[2.0, 0.5], [0.5, 1.0]]),
    "v": np.array([0.5, -1.5, 2.5, np.nan]),
    "u": np.array([1.0, 2.0, 4.0]),
    "k": np.array([2, 0, 1, 1]),
    "z": np.array([1 + 2j, -3j]),
}
CALLS = """
np.sum(x); np.sum(x, 0); np.sum(x, axis=1, keepdims=True); np.sum(k, dtype='float32')
np.prod(x, 1); np.mean(x, (0, 1)); np.mean(x, 0, None, None, True); np.max(x, 1)
np.min(x, axis=0, keepdims=True); np.amax(x); np.amin(x, 0); np.all(k); np.any(k > 1, 0)
np.argmax(x); np.argmax(x, 1); np.argmin(x, 0); np.ptp(x, 1)
np.std(x); np.std(x, 0, ddof=1); np.var(x, 1, keepdims=True); np.var(x, 0, None, None, 1)
np.median(x, 1); np.quantile(x, .3, 0); np.percentile(x, 30, axis=1)
np.cumsum(x); np.cumsum(x, 1); np.cumprod(x, axis=0); np.diff(x); np.diff(x, 2, 0)
np.diff(u, prepend=0.); np.sort(x, 0); np.sort(x, axis=None); np.argsort(x)
np.searchsorted(u, x); np.searchsorted(u, u, 'right'); np.unique(k)
np.unique(k, True); np.bincount(k); np.bincount(k, None, 5); np.bincount(k, v[:3][k])
np.dot(x, w); np.dot(u, x); np.dot(ARRAYS['x'], w); np.inner(x, x); np.vdot(u, u)
np.kron(u, u); np.outer(u, u); np.tensordot(x, w, 1); np.tensordot(x, w, [[1], [0]])
np.einsum('ij,jk->ki', x, w); np.einsum('ij->j', x, optimize=True)
np.trace(x); np.trace(x, 1); np.diagonal(x, 1); np.diagonal(x, axis1=1, axis2=0)
np.diag(u); np.diag(x, 1); np.tril(x); np.triu(x, 1)
np.concatenate([x, x]); np.concatenate((x, ARRAYS['x']), axis=1); np.stack([x, x], 1)
np.hstack([x, x]); np.vstack([x, x]); np.meshgrid(u, v); np.meshgrid(u, v, indexing='ij')
np.broadcast_arrays(x, ARRAYS['v']); np.atleast_1d(u[0]); np.atleast_2d(u)
np.atleast_3d(x); np.reshape(x, (2, 6)); np.reshape(x, -1, 'C'); np.ravel(x)
np.transpose(x); np.transpose(x, (1, 0)); np.swapaxes(x, 0, 1); np.moveaxis(x, 0, -1)
np.rollaxis(x, 1); np.squeeze(x[:1], 0); np.expand_dims(x, 1)
np.flip(x); np.flip(x, 1); np.roll(x, 1); np.roll(x, 1, axis=0); np.repeat(x, 2)
np.repeat(x, 2, 1); np.tile(u, 2); np.tile(u, (2, 2)); np.broadcast_to(u, (2, 3))
np.pad(u, 1); np.pad(x, ((1, 0), (0, 2)), 'constant', constant_values=2.)
np.pad(u, (1, 2), mode='edge'); np.zeros_like(x); np.zeros_like(x, 'int8')
np.ones_like(x); np.full_like(x, 3); np.copy(x); np.where(x > 0, x, 0.)
np.where(ARRAYS['x'] > 0, x, -x); np.where(k); np.nonzero(k); np.flatnonzero(k)
np.size(x); np.ndim(x); np.compress([True, False, True], x, 0)
np.take(x, [1, 0], 1); np.take(x, k); np.take_along_axis(x, ARRAYS['x'].argsort(1), 1)
np.choose(k, [v, v, -v]); np.ravel_multi_index((k, k), (3, 3))
np.unravel_index(k, (2, 2)); np.clip(x, -1, 1); np.clip(x, a_min=0, a_max=1)
np.round(x); np.around(x); np.fix(x); np.isneginf(v); np.isposinf(v); np.sinc(x)
np.nan_to_num(v); np.nan_to_num(v, nan=1.); np.real(z); np.imag(z); np.angle(z)
np.isclose(x, x); np.allclose(x, x + 1e-9); np.linspace(0., u[1], 5)
np.linspace(0., u[1], 5, endpoint=False); np.logspace(0., u[1], 3); np.linalg.det(s)
np.linalg.slogdet(s); np.linalg.inv(s); np.linalg.eigvals(p); np.linalg.eigvalsh(p)
np.linalg.matrix_power(s, 3); np.linalg.cholesky(p); np.linalg.qr(s, 'r')
np.linalg.svd(s, compute_uv=False); np.linalg.pinv(s); np.linalg.solve(s, u)
np.linalg.norm(x); np.linalg.norm(x, axis=1); np.linalg.norm(u, 1); np.linalg.cond(s)
ARRAYS['x'] + x; ARRAYS['x'] - x; ARRAYS['u'] / u; ARRAYS['k'] // (k + 1)
2 ** ARRAYS['u'] * u
ARRAYS['x'] @ w; ARRAYS['x'] < x; ARRAYS['x'] == x; ARRAYS['x'] != x; ARRAYS['k'] % (k + 1)
np.float64(2) * x; np.float32(2) - x; np.int64(3) ** k; np.float64(1) <= x
np.True_ & (x > 0)
ARRAYS['k'] << k; ARRAYS['k'] | k; divmod(ARRAYS['u'], u); np.add(x, 1)
np.exp(x, where=True)
"""
EXPRESSIONS = [e.strip() for e in CALLS.replace("\n", ";").split(";") if e.strip()]


def _symbolic() -> dict[str, Variable]:
    return {
        name: T.TensorType(array.dtype.name, (None,) * array.ndim)(name)
        for name, array in ARRAYS.items()
    }


def _values(made: Any, variables: dict[str, Variable]) -> list[np.ndarray]:
    roots = list(made) if isinstance(made, list | tuple) else [made]
    given = {v: ARRAYS[name] for name, v in variables.items()}
    return [
        evaluate([r], given)[0] if isinstance(r, Variable) else np.asarray(r)
        for r in roots
    ]


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")  # since NumPy 2.5
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_numpy_function_of_a_variable_is_ours(text: str) -> None:
    variables = _symbolic()
    names: dict[str, Any] = {"np": np, "ARRAYS": ARRAYS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        wanted = eval(text, {**names, **ARRAYS})
        found = _values(eval(text, {**names, **variables}), variables)
    wanted = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_every_function_of_the_table_is_tried() -> None:
    tried = set(re.findall(r"np\.((?:linalg\.)?\w+)\(", CALLS))
    listed = {
        name.partition("=")[0] for _, names in FUNCTIONS for name in names.split()
    }
    left = {"shape", "empty_like", "astype", "concat", "linalg.eig", "linalg.eigh"}
    assert listed - tried == left


def test_every_ufunc_is_ours_or_raises() -> None:
    ours = []
    for name in sorted(vars(np)):
        ufunc = getattr(np, name)
        if not isinstance(ufunc, np.ufunc) or ufunc.signature is not None:
            continue
        for sample in (np.array([0.3, 0.9]), np.array([1, 3]), np.array([True, False])):
            if name == "reciprocal" and sample.dtype.kind != "f":
                continue  # NumPy's of integers is 0; ours is a float
            variables = [
                T.TensorType(sample.dtype.name, (None,))() for _ in range(ufunc.nin)
            ]
            try:
                with np.errstate(all="ignore"):
                    wanted = ufunc(*[sample] * ufunc.nin)
                made = ufunc(*variables)
            except (TypeError, SymgraphError):
                continue
            made = made if isinstance(made, tuple) else (made,)
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            given = dict.fromkeys(variables, sample)
            for one, other in zip(made, wanted, strict=True):
                np.testing.assert_allclose(
                    evaluate([one], given)[0], other, rtol=1e-3, err_msg=name
                )
            ours.append(name)
    assert len(set(ours)) > 70


X = T.dmatrix("X")
REFUSED = """
np.asarray(X); np.array([X, X]); np.asarray([[X]])
np.sum(X, out=np.zeros(())); np.sum(X, where=[[True]]); np.round(X, 2); np.size(X, 0)
np.asarray(X, object)
np.exp(X, out=np.zeros((1, 1))); np.exp(X, where=np.array([True])); np.exp(X, dtype='f4')
np.add.reduce(X); np.add.at(np.ones(2), [0], X); np.multiply.outer(X, X)
np.histogram(X); np.argwhere(X); np.interp(X, [0, 1], [0, 1]); np.cross(X, X)
np.fill_diagonal(X, 0); np.put(X, 0, 0); np.copyto(np.ones((1, 1)), X); np.save('f', X)
np.array_equal(X, X); np.nansum(X); np.fft.fft(X); np.vectorize(abs)(X); np.split(X, 2)
np.reshape(X, (1,), order='F'); np.argsort(X, kind='stable'); np.std(X, dtype='f4')
np.full(3, X[0, 0]); np.full_like(np.ones(2), X[0, 0]); np.zeros(X[0, 0]); np.float64(X)
np.linalg.cholesky(X, upper=True); np.sum(X, 0, None, None, False, 0, True, 1)
np.isin(X, 1)
np.random.normal(X); np.apply_along_axis(sum, 0, X); np.trim_zeros(X); np.i0(X)
np.gcd(X, X)
"""


@pytest.mark.parametrize(
    "text", [e.strip() for e in REFUSED.replace("\n", ";").split(";") if e.strip()]
)
def test_what_has_no_counterpart_raises(text: str) -> None:
    with pytest.raises((SymbolicValueError, TypeError)):
        eval(text)


def test_an_error_names_function_variable_and_cure() -> None:
    with pytest.raises(SymbolicValueError, match=r"numpy\.argwhere.*\n  X : float64"):
        np.argwhere(X)  # type: ignore[call-overload]
    with pytest.raises(SymbolicValueError, match=r"numpy\.round with decimals=2"):
        np.round(X, 2)  # type: ignore[call-overload]
    array = np.ones(3)
    with pytest.raises(SymbolicValueError, match=r"a = a \+ x"):
        array += X
    with pytest.raises(ValueError, match="sequence"):
        np.ones(2)[0] = X[0, 0]
    with pytest.raises(SymbolicValueError, match="digits"):
        round(X, 2)


def test_shape_and_rank_of_a_variable() -> None:
    assert evaluate([np.shape(X)], {X: np.ones((2, 3))})[0].tolist() == [2, 3]  # type: ignore
    assert np.ndim(X) == 2
    held = np.empty(2, object)
    held[0] = X
    assert held[0] is X


def test_a_constant_is_an_array_and_shared_variables_are_not() -> None:
    assert np.asarray(T.constant([1, 2])).tolist() == [1, 2]
    assert np.array([T.constant(1.5), 2]).tolist() == [1.5, 2]
    with pytest.raises(SymbolicValueError, match="get_value"):
        np.asarray(sg.shared(np.ones(3)))


def test_a_gradient_and_compiled_code_through_numpy_functions() -> None:
    x, w = T.dmatrix("x"), sg.shared(ARRAYS["w"])
    loss = np.mean(np.square(np.tanh(np.dot(x, w))))
    f = sg.function([x], [loss, sg.grad(loss, w)])  # type: ignore[arg-type]
    again = T.sqr(T.tanh(T.dot(x, w))).mean()
    wanted = sg.function([x], [again, sg.grad(again, w)])(ARRAYS["x"])
    for one, other in zip(f(ARRAYS["x"]), wanted, strict=True):
        np.testing.assert_allclose(one, other)
