"""Functions of sparse matrices against NumPy on dense ones, on both backends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_cases import MODES, A, B, C, D, E, dense, random_matrix

import symgraph as sg
import symgraph.tensor as T
from symgraph import sparse
from symgraph.errors import ArgumentError
from symgraph.sparse import SparseVariable

#: name → (expression, the same of arrays); a, b are (4, 5), c is (5, 3), d (5, 2), e (4, 5)
CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "dot": (lambda a, b, c, d, e: sparse.dot(a, d), lambda a, b, c, d, e: a @ d),
    "T.dot": (lambda a, b, c, d, e: T.dot(a, d), lambda a, b, c, d, e: a @ d),
    "matmul": (lambda a, b, c, d, e: a @ d, lambda a, b, c, d, e: a @ d),
    "left": (lambda a, b, c, d, e: d.T @ a.T, lambda a, b, c, d, e: d.T @ a.T),
    "vector": (lambda a, b, c, d, e: a.dot(d[:, 0]), lambda a, b, c, d, e: a @ d[:, 0]),
    "left vector": (lambda a, b, c, d, e: T.dot(e[:, 0], a),
                    lambda a, b, c, d, e: e[:, 0] @ a),
    "sparse": (lambda a, b, c, d, e: a @ c, lambda a, b, c, d, e: a @ c),
    "structured": (lambda a, b, c, d, e: sparse.structured_dot(c.T, b.T),
                   lambda a, b, c, d, e: c.T @ b.T),
    "usmm": (lambda a, b, c, d, e: sparse.usmm(2.0, a, d, e[:, :2]),
             lambda a, b, c, d, e: 2 * a @ d + e[:, :2]),
    "sampling": (lambda a, b, c, d, e: sparse.sampling_dot(e[:, :2], d, a),
                 lambda a, b, c, d, e: a * (e[:, :2] @ d.T)),
    "add": (lambda a, b, c, d, e: a + b, lambda a, b, c, d, e: a + b),
    "sub": (lambda a, b, c, d, e: a - b, lambda a, b, c, d, e: a - b),
    "mul": (lambda a, b, c, d, e: a * b, lambda a, b, c, d, e: a * b),
    "neg": (lambda a, b, c, d, e: -a, lambda a, b, c, d, e: -a),
    "add dense": (lambda a, b, c, d, e: a + e, lambda a, b, c, d, e: a + e),
    "from dense": (lambda a, b, c, d, e: e - a, lambda a, b, c, d, e: e - a),
    "mul dense": (lambda a, b, c, d, e: a * e, lambda a, b, c, d, e: a * e),
    "dense mul": (lambda a, b, c, d, e: e * a, lambda a, b, c, d, e: a * e),
    "mul vector": (lambda a, b, c, d, e: a * d[:, 0], lambda a, b, c, d, e: a * d[:, 0]),
    "mul number": (lambda a, b, c, d, e: 3 * a / 2, lambda a, b, c, d, e: a * 1.5),
    "mul scalar": (lambda a, b, c, d, e: a * e[0, 0], lambda a, b, c, d, e: a * e[0, 0]),
    "div": (lambda a, b, c, d, e: a / e, lambda a, b, c, d, e: a / e),
    "transpose": (lambda a, b, c, d, e: a.T, lambda a, b, c, d, e: a.T),
    "toarray": (lambda a, b, c, d, e: a.toarray(), lambda a, b, c, d, e: a),
    "csr_from_dense": (lambda a, b, c, d, e: sparse.csr_from_dense(e * (e > 0)),
                       lambda a, b, c, d, e: e * (e > 0)),
    "csc_from_dense": (lambda a, b, c, d, e: sparse.csc_from_dense(e),
                       lambda a, b, c, d, e: e),
    "row": (lambda a, b, c, d, e: sparse.csr_from_dense(e[0]),
            lambda a, b, c, d, e: e[:1]),
    "formats": (lambda a, b, c, d, e: a.tocsr().tocsc(), lambda a, b, c, d, e: a),
    "cast": (lambda a, b, c, d, e: a.astype("float32"),
             lambda a, b, c, d, e: a.astype("float32")),
    "sum": (lambda a, b, c, d, e: a.sum(), lambda a, b, c, d, e: a.sum()),
    "sum 0": (lambda a, b, c, d, e: sparse.sp_sum(a, 0), lambda a, b, c, d, e: a.sum(0)),
    "sum 1": (lambda a, b, c, d, e: a.sum(axis=1), lambda a, b, c, d, e: a.sum(1)),
    "hstack": (lambda a, b, c, d, e: sparse.hstack([a, b, a], format="csr"),
               lambda a, b, c, d, e: np.hstack([a, b, a])),
    "vstack": (lambda a, b, c, d, e: sparse.vstack([a, b]),
               lambda a, b, c, d, e: np.vstack([a, b])),
    "diag": (lambda a, b, c, d, e: sparse.diag(a), lambda a, b, c, d, e: np.diag(a)),
    "square": (lambda a, b, c, d, e: sparse.square_diagonal(d[:, 0]),
               lambda a, b, c, d, e: np.diag(d[:, 0])),
    "row_scale": (lambda a, b, c, d, e: sparse.row_scale(a, e[:, 0]),
                  lambda a, b, c, d, e: a * e[:, :1]),
    "col_scale": (lambda a, b, c, d, e: sparse.col_scale(a, e[0]),
                  lambda a, b, c, d, e: a * e[0]),
    "slice": (lambda a, b, c, d, e: a[1:3], lambda a, b, c, d, e: a[1:3]),
    "element": (lambda a, b, c, d, e: a[2, -1], lambda a, b, c, d, e: a[2, -1]),
    "both": (lambda a, b, c, d, e: a[::-2, 1:], lambda a, b, c, d, e: a[::-2, 1:]),
    "list": (lambda a, b, c, d, e: a[[0, 2, 2]], lambda a, b, c, d, e: a[[0, 2, 2]]),
    "columns": (lambda a, b, c, d, e: a[:, np.array([-1, 0])],
                lambda a, b, c, d, e: a[:, [-1, 0]]),
    "one row": (lambda a, b, c, d, e: a[1], lambda a, b, c, d, e: a[1:2]),
    "clean": (lambda a, b, c, d, e: sparse.clean(a * (e > 0)),
              lambda a, b, c, d, e: a * (e > 0)),
    "sorted": (lambda a, b, c, d, e: sparse.ensure_sorted_indices(a),
               lambda a, b, c, d, e: a),
    "exp": (lambda a, b, c, d, e: sparse.structured_exp(a),
            lambda a, b, c, d, e: np.where(a, np.exp(a), 0)),
    "tanh": (lambda a, b, c, d, e: sparse.tanh(a), lambda a, b, c, d, e: np.tanh(a)),
    "power": (lambda a, b, c, d, e: sparse.structured_pow(a, 3),
              lambda a, b, c, d, e: a**3),
    "plus": (lambda a, b, c, d, e: sparse.structured_add(a, 5.0),
             lambda a, b, c, d, e: np.where(a, a + 5, 0)),
    "larger": (lambda a, b, c, d, e: sparse.structured_maximum(a, 1.0),
               lambda a, b, c, d, e: np.where(a, np.maximum(a, 1), 0)),
    "smaller": (lambda a, b, c, d, e: sparse.structured_minimum(abs(a), 1.0),
                lambda a, b, c, d, e: np.minimum(abs(a), 1)),
    "ones": (lambda a, b, c, d, e: sparse.sp_ones_like(a), lambda a, b, c, d, e: a != 0),
    "zeros": (lambda a, b, c, d, e: sparse.sp_zeros_like(a), lambda a, b, c, d, e: a * 0),
    "shape": (lambda a, b, c, d, e: a.shape, lambda a, b, c, d, e: a.shape),
    "nnz": (lambda a, b, c, d, e: a.nnz, lambda a, b, c, d, e: np.count_nonzero(a)),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("formats", [("csr", "csr", "csc"), ("csc", "csr", "csr")])
def test_functions_are_those_of_dense_matrices(
    mode: str, formats: tuple[str, ...]
) -> None:
    inputs = [
        sparse.matrix(f, n, "float64") for f, n in zip(formats, "abc", strict=True)
    ]
    inputs += [T.dmatrix("d"), T.dmatrix("e")]
    outputs = {name: make(*inputs) for name, (make, _) in CASES.items()}
    matrices = [m.asformat(f) for m, f in zip((A, B, C), formats, strict=True)]
    found = sg.function(inputs, outputs, mode=mode)(*matrices, D, E)
    for name, (_, oracle) in CASES.items():
        want = np.asarray(oracle(A.toarray(), B.toarray(), C.toarray(), D, E))
        have = found[name]
        assert scipy.issparse(have) == isinstance(outputs[name], SparseVariable), name
        if scipy.issparse(have):
            assert have.format == outputs[name].format, name
            assert have.dtype == outputs[name].dtype, name
        loose = 1e-6 if name == "cast" else 1e-12
        np.testing.assert_allclose(dense(have), want, loose, loose, err_msg=name)
    assert found["clean"].nnz == np.count_nonzero(A.toarray() * (E > 0))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.integers(0, 4), st.integers(0, 4), st.integers(0, 4),
    st.sampled_from(["csr", "csc"]), st.sampled_from(["csr", "csc"]),
    st.sampled_from(["float32", "float64", "int32", "complex128"]),
)  # fmt: skip
def test_products_and_sums_of_every_shape(
    m: int, n: int, k: int, first: str, second: str, dtype: str
) -> None:
    a = random_matrix(m, n, first, 1, dtype)
    b = random_matrix(n, k, second, 2, dtype)
    x, y = sparse.matrix(first, "x", dtype), sparse.matrix(second, "y", dtype)
    v = b.toarray()
    z = T.TensorType(dtype, (None, None))("z")
    outputs = [
        *(x @ y, x @ z, z.T @ x.T, x + x.tocsc(), x.toarray(), x[: m // 2]),
        *(sparse.vstack([x, x]), sparse.sp_sum(x, 1)),
    ]
    found = sg.function([x, y, z], outputs, mode="FAST_COMPILE")(a, b, v)
    p = a.toarray()
    wanted = [
        p @ v,
        p @ v,
        v.T @ p.T,
        p + p,
        p,
        p[: m // 2],
        np.vstack([p, p]),
        p.sum(1),
    ]
    for have, want in zip(found, wanted, strict=True):
        assert dense(have).shape == want.shape
        np.testing.assert_allclose(dense(have), want, 1e-5, 1e-5)


def test_elements_that_are_given_twice_add_up() -> None:
    parts = (np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3]))
    x = sparse.CSR(*parts, (2, 2))
    outputs = [x.toarray(), x @ np.eye(2), x + x, x @ x, x * x.toarray(), x.tocsc()]
    p = np.array([[0.0, 3.0], [4.0, 0.0]])
    wanted = [p, p, 2 * p, p @ p, p * p, p]
    for have, want in zip(
        sg.function([], outputs, mode="FAST_COMPILE")(), wanted, strict=True
    ):
        np.testing.assert_allclose(dense(have), want)


def test_matrices_of_scipy_are_constants() -> None:
    d = T.dmatrix("d")
    f = sg.function(
        [d], [sparse.dot(A, d), sparse.as_sparse(B) + A], mode="FAST_COMPILE"
    )
    first, second = f(D)
    np.testing.assert_allclose(first, A.toarray() @ D)
    np.testing.assert_allclose(second.toarray(), (A + B).toarray())
    assert sparse.as_sparse_variable(A).type.shape == (4, 5)
    assert sparse.as_sparse(scipy.coo_array(A)).format == "csr"


def test_the_forms_of_theano_are_the_functions() -> None:
    x, v = sparse.csr_matrix("x", "float64"), T.dvector("v")
    c = A.tocsc()
    made = sparse.CSM("csc")(c.data, c.indices, c.indptr, c.shape)
    assert (made.eval() != A).nnz == 0
    assert (sparse.as_sparse(A).value != A).nnz == 0
    added = sparse.structured_add_s_v(x, v).eval({x: A, v: D[:, 0]}).toarray()
    p = A.toarray()
    np.testing.assert_allclose(added, np.where(p, p + D[:, 0], 0))
    assert sparse._is_sparse_variable(x)
    assert not sparse._is_sparse_variable(A)
    assert sparse._is_sparse(A)
    assert sparse._is_dense_variable(v)
    assert sparse.basic.dot is sparse.true_dot
    with pytest.raises(ArgumentError, match="csr"):
        sparse.CSM("bsr")
