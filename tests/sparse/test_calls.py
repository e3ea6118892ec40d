"""Sparse inputs, outputs, shared values, updates and givens; what is refused."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as scipy
from sparse_cases import MODES, A, B, D, E

import symgraph as sg
import symgraph.tensor as T
from symgraph import sparse
from symgraph.errors import (
    ArgumentError,
    ConversionError,
    DisconnectedInputError,
    DtypeError,
    GradientError,
    IndexRangeError,
    InputError,
    MissingInputError,
    NotSupportedError,
    ShapeError,
    UnusedInputError,
    UpdateError,
)
from symgraph.sparse import values


@pytest.mark.parametrize("mode", MODES)
def test_values_go_in_and_come_out_in_every_form(mode: str) -> None:
    x, y, s = sparse.csr_matrix("x"), sparse.csc_matrix("y"), T.dscalar("s")
    one = sg.function([x], x * 2, mode=mode)
    assert (one(A) != A * 2).nnz == 0
    assert (one(x=A.tocsc()) != A * 2).nnz == 0
    many = sg.function([s, x, y], {"p": x @ y.T, "q": s * 2}, mode=mode)
    found = many(3.0, y=B, x=A)
    np.testing.assert_allclose(found["p"].toarray(), (A @ B.T).toarray())
    assert float(found["q"]) == 6.0
    assert sg.function([x], [x.T], mode=mode)(A)[0].shape == (5, 4)
    assert one(scipy.csr_matrix((0, 3))).shape == (0, 3)
    assert (x * 2).eval({x: A}).shape == (4, 5)
    assert sparse.sp_sum(x).eval({x: A}) == pytest.approx(A.sum())
    kept = sg.shared(0.0)
    none = sg.function([x], None, updates=[(kept, x.sum())], mode=mode)
    assert none(A) is None
    assert float(kept.get_value()) == pytest.approx(A.sum())


@pytest.mark.parametrize("mode", MODES)
def test_shared_matrices_are_updated(mode: str) -> None:
    w = sg.shared(A, name="w")
    step = sg.function([], w.sum(), updates=[(w, w + w * 2)], mode=mode)
    assert float(step()) == pytest.approx(A.sum())
    assert float(step()) == pytest.approx(3 * A.sum())
    np.testing.assert_allclose(w.get_value().toarray(), 9 * A.toarray())
    w.set_value(B)
    assert float(step()) == pytest.approx(B.sum())
    other = sg.function([], [], updates={w: sparse.as_sparse(A.tocsc())}, mode=mode)
    other()
    assert (w.get_value() != A).nnz == 0
    with pytest.raises(ShapeError, match="extent 5 of axis 0"):
        w.set_value(A.T)
    with pytest.raises(UpdateError, match="shape"):
        sg.function([], [], updates={w: w.T})


def test_a_matrix_is_replaced_by_another() -> None:
    x = sparse.csr_matrix("x", "float64")
    f = sg.function([], x.sum(), givens={x: sparse.as_sparse(A)}, mode="FAST_COMPILE")
    assert float(f()) == pytest.approx(A.sum())


@pytest.mark.parametrize("mode", MODES)
def test_a_layer_is_trained_on_sparse_inputs(mode: str) -> None:
    x, t = sparse.csr_matrix("x", "float64"), T.dmatrix("t")
    w = sg.shared(np.zeros((5, 2)), name="w")
    cost = T.mean(T.sqr(sparse.dot(x, w) - t))
    train = sg.function(
        [x, t], cost, updates=[(w, w - 0.3 * sg.grad(cost, w))], mode=mode
    )
    target = A.toarray() @ D
    losses = [float(train(A, target)) for _ in range(40)]
    assert losses[-1] < losses[0] / 20


def test_parts_that_are_not_needed_are_no_inputs() -> None:
    x, y = sparse.csr_matrix("x", "float64"), sparse.csr_matrix("y", "float64")
    f = sg.function([x], x.sum(), mode="FAST_COMPILE")
    assert [e.name for e in f.request.inputs] == ["x.data"]
    with pytest.raises(UnusedInputError, match=r"y\.data"):
        sg.function([x, y], x.sum())
    with pytest.raises(MissingInputError, match="no value"):
        f()
    with pytest.raises(InputError, match="takes 1 values"):
        f(A, A)
    with pytest.raises(InputError, match="no input 'z'"):
        f(A, z=A)


REFUSED: dict[str, tuple[type[Exception], str, Callable[[Any, Any], Any]]] = {
    "dense function": (ConversionError, "dense_from_sparse", lambda x, d: T.exp(x)),
    "no matrix": (ConversionError, "no sparse matrix", lambda x, d: sparse.as_sparse(d)),
    "value": (ConversionError, "no sparse matrix", lambda x, d: sparse.as_sparse([1.0])),
    "scalar": (ShapeError, "scalar", lambda x, d: x @ 2.0),
    "rank": (ShapeError, "vectors and matrices", lambda x, d: x @ T.dtensor3()),
    "inner": (ShapeError, "inner extents differ", lambda x, d: sparse.dot(A, np.eye(4))),
    "both": (ShapeError, "inner extents differ", lambda x, d: sparse.as_sparse(A) @ A),
    "add": (ShapeError, "extents 4 and 5", lambda x, d: sparse.add(A, A.T)),
    "mul": (ShapeError, "extents 4 and 5", lambda x, d: sparse.mul(A, A.T)),
    "mul rank": (ShapeError, "rank 3", lambda x, d: x * T.dtensor3()),
    "divisor": (ArgumentError, "divisor", lambda x, d: sparse.true_div(d, x)),
    "stack": (ShapeError, "do not stack", lambda x, d: sparse.vstack([A, A.T])),
    "nothing": (ArgumentError, "one sparse matrix or more", lambda x, d: sparse.hstack([])),
    "format": (ArgumentError, "csr", lambda x, d: sparse.matrix("coo")),
    "asformat": (ArgumentError, "csr", lambda x, d: x.asformat("bsr")),
    "axes": (ArgumentError, "two axes", lambda x, d: x[0, 0, 0]),
    "index": (ArgumentError, "ints and slices", lambda x, d: x[T.dvector()]),
    "sum": (ArgumentError, "axes 0 and 1", lambda x, d: x.sum(2)),
    "scale": (ShapeError, "must be a vector", lambda x, d: sparse.row_scale(x, d)),
    "diagonal": (ShapeError, "a vector", lambda x, d: sparse.square_diagonal(d)),
    "from dense": (ShapeError, "a matrix", lambda x, d: sparse.csr_from_dense(1.0)),
    "sampling": (ShapeError, "a matrix", lambda x, d: sparse.sampling_dot(d[0], d, x)),
    "data": (ShapeError, "data must be", lambda x, d: sparse.CSR(d, [0], [0, 1], (1, 1))),
    "indices": (ShapeError, "integers", lambda x, d: sparse.CSC(d[0], [0.5], [0], (0, 1))),
    "extents": (ShapeError, "two extents", lambda x, d: sparse.CSR(d[0], [0], [0], (1,))),
    "bools": (DtypeError, "bools", lambda x, d: x.astype("bool") @ (d > 0)),
    "expression": (ArgumentError, "not an input", lambda x, d: sg.function([x * 2], d)),
    "list": (ArgumentError, "must be a list", lambda x, d: sg.function(x, x)),
    "name": (AttributeError, "no 'nothing'", lambda x, d: sparse.nothing),
    "integers": (GradientError, "real float",
                 lambda x, d: sg.grad(x.astype("int32").sum(), x)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_programs_are_refused_while_building(case: str) -> None:
    error, text, build = REFUSED[case]
    with pytest.raises(error, match=text):
        build(sparse.csr_matrix("x", "float64"), T.dmatrix("d"))


def test_the_text_of_an_error_shows_the_matrix() -> None:
    x = sparse.csr_matrix("weights", "float64")
    with pytest.raises(ConversionError) as caught:
        T.sum(x)
    text = str(caught.value)
    assert "weights : SparseType(format='csr'" in text
    assert "test_calls.py:" in text


def test_wrong_values_are_refused_by_calls() -> None:
    x, d = sparse.csr_matrix("x", "float32"), T.fmatrix("d")
    f = sg.function([x, d], x @ d, mode="FAST_COMPILE")
    with pytest.raises(InputError, match=r"scipy\.sparse"):
        f(np.eye(3), np.eye(3, dtype="float32"))
    with pytest.raises(InputError, match="lose data"):
        f(A, np.eye(5, dtype="float32"))
    single = A.astype("float32")
    with pytest.raises(ShapeError, match=r"\(4, 5\) and \(3, 3\)"):
        f(single, np.eye(3, dtype="float32"))
    assert f(single.astype("int8"), np.eye(5, dtype="float32")).dtype == "float32"
    typed = sparse.SparseType("csr", "float64", (4, 7))("t")
    with pytest.raises(ShapeError, match="extent 5 of axis 1 where 7"):
        sg.function([typed], typed * 2, mode="FAST_COMPILE")(A)
    broken = A.copy()
    broken.indices[0] = 9
    with pytest.raises(ValueError, match="indices"):
        f(broken.astype("float32"), np.eye(5, dtype="float32"))


@pytest.mark.parametrize("mode", MODES)
def test_structures_that_are_none_are_refused_by_calls(mode: str) -> None:
    i, p, d = T.lvector("i"), T.lvector("p"), T.dmatrix("d")
    x = sparse.CSR(np.ones(2), i, p, (2, 3))
    f = sg.function([i, p, d], x @ d, mode=mode)
    good = np.array([0, 1, 2])
    np.testing.assert_allclose(f([0, 2], good, np.eye(3)), [[1, 0, 0], [0, 0, 1]])
    with pytest.raises(IndexRangeError, match="extent 3"):
        f([0, 3], good, np.eye(3))
    with pytest.raises(ShapeError, match="from 0 to"):
        f([0, 2], good + 1, np.eye(3))
    with pytest.raises(ShapeError, match="must not fall"):
        f([0, 2], np.array([0, 3, 2]), np.eye(3))
    with pytest.raises(IndexRangeError):
        sg.function([d], sparse.as_sparse(A)[7, 0] + d, mode=mode)(E)


def test_without_scipy_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    values.scipy_sparse.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    try:
        x = sparse.CSR(np.ones(1), [0], [0, 1], (1, 1))
        with pytest.raises(NotSupportedError, match="pip install scipy"):
            sg.function([], x @ np.eye(1), mode="FAST_COMPILE")()
    finally:
        monkeypatch.undo()
        values.scipy_sparse.cache_clear()


def test_many_steps_take_sparse_inputs_and_give_dense_outputs() -> None:
    x = sparse.csr_matrix("x", "float64")
    kept = sg.shared(0.0)
    f = sg.function([x], x.sum(), updates=[(kept, kept + 1)])
    found = f.repeat(3, A)
    np.testing.assert_allclose(found, [A.sum()] * 3)
    assert float(kept.get_value()) == 3.0
    with pytest.raises(NotSupportedError, match="step by step"):
        sg.function([x], x * 2).repeat(2, A)


def test_matrices_are_cloned_printed_and_held_constant() -> None:
    x, y, d = sparse.csr_matrix("x"), sparse.csr_matrix("y"), T.dmatrix("d")
    doubled, total = sg.clone([x * 2, x.sum()], replace={x: y})
    f = sg.function([y], [doubled, total], mode="FAST_COMPILE")
    assert (f(A)[0] != A * 2).nnz == 0
    assert float(f(A)[1]) == pytest.approx(A.sum())
    text = sg.printing.debugprint(x * 2, file="str")
    assert "x.data" in text
    assert "x.indptr" in text
    cost = T.sum(x @ d)
    with pytest.raises(DisconnectedInputError):
        sg.grad(cost, x, consider_constant=[x])
    assert sg.grad(cost, d, consider_constant=[x]).ndim == 2
    with pytest.raises(ArgumentError, match="not a variable"):
        sg.clone(A)
