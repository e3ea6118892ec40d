"""Derivatives of sparse matrices, of both orders, against finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sparse_cases import MODES, A, B, C, D, E, dense

import symgraph as sg
import symgraph.tensor as T
from symgraph import sparse
from symgraph.errors import DisconnectedInputError
from symgraph.sparse import SparseVariable

#: name → expression of matrices of the formats and shapes in test_values
CASES: dict[str, Callable[..., Any]] = {
    "dense": lambda a, b, c, d, e: a @ d,
    "left": lambda a, b, c, d, e: T.dot(d.T, a.T),
    "vector": lambda a, b, c, d, e: a @ d[:, 0],
    "sparse": lambda a, b, c, d, e: a @ c,
    "sampling": lambda a, b, c, d, e: sparse.sampling_dot(e[:, :2], d, a),
    "add": lambda a, b, c, d, e: a + b,
    "mul": lambda a, b, c, d, e: a * (a + b),
    "mul dense": lambda a, b, c, d, e: a * e,
    "div": lambda a, b, c, d, e: a / (e + 3),
    "toarray": lambda a, b, c, d, e: a.toarray() * e,
    "add dense": lambda a, b, c, d, e: a + e,
    "from dense": lambda a, b, c, d, e: sparse.csc_from_dense(e),
    "formats": lambda a, b, c, d, e: a.tocsr().tocsc(),
    "sums": lambda a, b, c, d, e: a.sum(axis=0) * d[:, 0],
    "stack": lambda a, b, c, d, e: sparse.vstack([a, b]),
    "beside": lambda a, b, c, d, e: sparse.hstack([a, b]),
    "diag": lambda a, b, c, d, e: sparse.diag(a),
    "square": lambda a, b, c, d, e: sparse.square_diagonal(d[:, 0]),
    "scale": lambda a, b, c, d, e: sparse.row_scale(sparse.col_scale(a, e[0]), e[:, 0]),
    "slice": lambda a, b, c, d, e: a[1:, ::2],
    "element": lambda a, b, c, d, e: a[0, 0] * d[0, 0],
    "sigmoid": lambda a, b, c, d, e: sparse.structured_sigmoid(a),
    "chain": lambda a, b, c, d, e: sparse.tanh(a @ c) @ (c.T @ d),
}


def expression(
    name: str, formats: tuple[str, ...], points: list[Any]
) -> Callable[..., Any]:
    """The case as a function of the elements of the matrices, and of d and e."""

    def made(*leaves: Any) -> Any:
        matrices = [
            SparseVariable(
                m.format, leaf,
                *(T.constant(p.astype("int64")) for p in (m.indices, m.indptr)),
                m.shape[1 if m.format == "csr" else 0],
            )
            for leaf, m in zip(leaves, points, strict=False)
        ]  # fmt: skip
        out = CASES[name](*matrices, *leaves[3:])
        return out.data if isinstance(out, SparseVariable) else out

    return made


@pytest.mark.parametrize("formats", [("csr", "csr", "csc"), ("csc", "csr", "csr")])
@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_both_orders(name: str, formats: tuple[str, ...]) -> None:
    points = [m.asformat(f) for m, f in zip((A, B, C), formats, strict=True)]
    values = [*(m.data for m in points), D, E]
    make = expression(name, formats, points)

    def slopes(*leaves: Any) -> Any:
        out = make(*leaves)
        found = sg.grad(T.sum(T.sin(out)), list(leaves), disconnected_inputs="ignore")
        return [g for g in found if g.owner is not None]

    sg.verify_grad(make, values, mode="FAST_COMPILE", n_tests=1)
    sg.verify_grad(slopes, values, mode="FAST_COMPILE", n_tests=1)


@pytest.mark.parametrize("name", CASES)
def test_rop_is_the_transpose_of_lop(name: str) -> None:
    values = [A.data, B.data, C.data, D, E]
    leaves = [T.dvector(n) for n in "abc"] + [T.dmatrix(n) for n in "de"]
    out = expression(name, (), [A, B, C])(*leaves)
    random = np.random.default_rng(2)
    ways = [random.normal(size=v.shape) for v in values]
    shape = sg.function(leaves, out.shape, "FAST_COMPILE", on_unused_input="ignore")(
        *values
    )
    u = random.normal(size=tuple(shape))
    pushed = T.sum(sg.Rop(out, leaves, ways) * u)
    pulled = sg.Lop(out, leaves, u, disconnected_inputs="ignore")
    other = sum(T.sum(g * w) for g, w in zip(pulled, ways, strict=True))
    left, right = sg.function(
        leaves, [pushed, other], "FAST_COMPILE", on_unused_input="ignore"
    )(*values)
    assert left == pytest.approx(right, rel=1e-10)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_the_gradient_of_a_matrix_has_its_structure(mode: str) -> None:
    x, w = sparse.csr_matrix("x", "float64"), T.dmatrix("w")
    cost = T.sum(T.sqr(T.dot(x, w)))
    to_x, to_w = sg.grad(cost, [x, w])
    assert isinstance(to_x, SparseVariable)
    f = sg.function([x, w], [to_x, to_w], mode=mode)
    found, other = f(A, D)
    p = A.toarray()
    np.testing.assert_allclose(other, 2 * p.T @ p @ D, 1e-12)
    np.testing.assert_allclose(found.toarray(), 2 * p @ D @ D.T * (p != 0), 1e-12)
    assert found.nnz == A.nnz
    assert isinstance(sg.grad(cost, x), SparseVariable)
    with pytest.raises(DisconnectedInputError, match=r"x\.data"):
        sg.grad(T.sum(w), x)


def test_a_wrong_gradient_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from symgraph.errors import VerifyGradError
    from symgraph.sparse.product import CompressedDot

    right = CompressedDot.grad

    def wrong(self: Any, inputs: Any, outputs: Any, gradients: Any) -> Any:
        found = list(right(self, inputs, outputs, gradients))
        found[3] = found[3] * 1.01
        return found

    monkeypatch.setattr(CompressedDot, "grad", wrong)
    make = expression("dense", (), [A, B, C])
    with pytest.raises(VerifyGradError):
        sg.verify_grad(make, [A.data, B.data, C.data, D, E], mode="FAST_COMPILE")


def test_compiled_derivatives_are_those_of_the_reference() -> None:
    x, d = sparse.csc_matrix("x", "float64"), T.dmatrix("d")
    out = (x @ (x.T + x.T)).toarray() @ (x @ d)
    first = sg.grad(T.sum(T.sin(out)), [x, d])
    second = sg.grad(T.sum(T.sqr(first[0].data)), [x, d])
    outputs = [*first, *second]
    some = [sg.function([x, d], outputs, mode=m)(A.tocsc(), D) for m in MODES]
    for one, other in zip(*some, strict=True):
        np.testing.assert_allclose(dense(one), dense(other), 1e-10)
