"""Values that lowering once got wrong, or nearly: fusion, views, extents, memory."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import IndexRangeError, ShapeError

random = np.random.default_rng(0)


def same(inputs: list[Any], outputs: list[Any], values: list[np.ndarray]) -> Any:
    """Compile both ways, compare, and return the native function."""
    f = sg.function(inputs, outputs)
    g = sg.function(inputs, outputs, mode="FAST_COMPILE")
    for a, b in zip(f(*values), g(*values), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    return f


def test_a_value_and_its_transpose_are_not_one_value() -> None:
    x = T.dmatrix("x")
    y = T.tanh(x * 2)
    square = random.normal(size=(5, 5))
    same([x], [y - y.T, y, (y * y.T).sum(axis=0)], [square])
    v = T.dtensor3("v") if hasattr(T, "dtensor3") else T.tensor3("v", "float64")
    z = T.exp(v)
    same(
        [v],
        [z + z.dimshuffle(1, 2, 0), z * z.dimshuffle(2, 1, 0)],
        [random.normal(size=(3, 3, 3))],
    )
    fixed = T.matrix("fixed", "float64", shape=(4, 4))
    s = T.nnet.softmax(fixed)
    same([fixed], [s - s.T, s.sum(axis=0)], [random.normal(size=(4, 4))])


def test_reversed_rows_and_columns_are_operands_of_products() -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    outputs = [
        T.dot(x[0::-1], x.T),
        T.dot(x[::-1], x.T),
        T.dot(x[:, ::-1], x.T),
        T.dot(x[::-1, 0], x),
        T.dot(x, v[::-1]),
        T.dot(v[::2], x[: v.shape[0] : 2].T[: v[::2].shape[0]].T),
    ][:5]
    same([x, v], outputs, [random.normal(size=(4, 4)), random.normal(size=4)])
    same(
        [x],
        [T.dot(x[1:3, 1:], x[1:].T[1:].T[:2].T[: x.shape[1] - 1])],
        [random.normal(size=(4, 3))],
    )


def test_products_of_slices_of_slices() -> None:
    a, b = T.dtensor3("a"), T.dmatrix("b")
    outputs = [
        T.dot(a[0], b),
        T.dot(a[:, 0], b),
        T.dot(a[..., 0], b[:3]),
        T.dot(a[1, ::2, 1:], b[1:, ::3]),
        T.dot(b, a[-1].T),
    ]
    same([a, b], outputs, [random.normal(size=(4, 3, 5)), random.normal(size=(5, 5))])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 3), (3, 1), (1, 1)])
def test_known_extents_of_nothing_and_of_one(shape: tuple[int, int], axis: int) -> None:
    x = T.matrix("x", "float64", shape=shape)
    outputs = [
        x.sum(axis=axis),
        x.prod(axis=axis),
        x * 2,
        x.T,
        T.dot(x, x.T),
        T.concatenate([x, x], axis=axis),
        x.flatten(),
        x.mean() if 0 not in shape else x.sum(),
    ]
    same([x], outputs, [random.normal(size=shape)])


def test_extents_made_of_extents() -> None:
    x = T.dmatrix("x")
    n = x.shape[0]
    outputs = [
        x.reshape((x.shape[1], n)),
        x.reshape((-1,)),
        T.arange(n * 2) + n,
        T.eye(n, x.shape[1]),
        T.zeros((n + 1, 2)),
        x[: n // 2],
        x[-(n // 2) :],
        T.alloc(x.sum(), n, n),
        T.tile(x, (2, 3)),
        T.repeat(x, 2, axis=1),
        x / T.cast(x.size, "float64"),
    ]
    f = same([x], outputs, [random.normal(size=(4, 3))])
    for shape in ((1, 1), (5, 2), (2, 5), (0, 3)):
        assert f(random.normal(size=shape))[2].shape == (2 * shape[0],)


def test_a_broadcast_that_meets_a_product_is_found_at_the_call() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], x - T.dot(x, x.T))
    for shape in ((3, 3), (7, 1), (1, 1)):
        a = random.normal(size=shape)
        np.testing.assert_allclose(f(a), a - a @ a.T)
    with pytest.raises(ShapeError):
        f(np.ones((7, 2)))


def test_softmax_of_one_and_of_many_rows_is_one_kernel() -> None:
    x = T.dmatrix("x")
    f = same([x], [T.nnet.softmax(x)], [random.normal(size=(6, 37))])
    assert len(f.program.kernels) == 1
    assert np.isfinite(f(np.full((2, 3), 1e4))[0]).all()


def test_integer_and_bool_products_are_loops() -> None:
    i, b = T.lmatrix("i"), T.matrix("b", "bool")
    same(
        [i, b],
        [T.dot(i, i.T), T.dot(i, b), T.dot(i, T.cast(b, "int64"))],
        [random.integers(-9, 9, (5, 5)), random.random((5, 5)) > 0.5],
    )


def test_a_step_unknown_until_the_call_is_no_operand_of_blas() -> None:
    x, k = T.dmatrix("x"), T.lscalar("k")
    f = sg.function([x, k], T.dot(x[::k], x.T))
    a = random.normal(size=(5, 4))
    for step in (1, 2, -1, -3, 7):
        np.testing.assert_allclose(f(a, step), a[::step] @ a.T)


@pytest.mark.parametrize(
    "name",
    [
        "exp",
        "log",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "arcsin",
        "arccos",
        "arctan",
        "arcsinh",
        "arctanh",
        "abs",
        "log1p",
        "expm1",
    ],
)
def test_complex_functions_are_those_of_numpy(name: str) -> None:
    z = T.zvector("z")
    parts = np.array([-3.0, -1.5, -0.3, 0.2, 1.7, 20.0])
    values = (parts[:, None] + 1j * parts).ravel()
    with np.errstate(all="ignore"):
        want = getattr(np, name)(values)
    np.testing.assert_allclose(
        sg.function([z], getattr(T, name)(z))(values), want, rtol=1e-11, atol=1e-13
    )


def test_complex_gradient_free_pipeline_agrees_with_numpy() -> None:
    z, w = T.zmatrix("z"), T.cvector("w")
    outputs = [
        T.dot(z, z.T),
        z.sum(axis=0),
        (z * w).mean(),
        z / (w + 2),
        T.conj(z).T,
        z.real,
        z.imag,
        T.abs(z).max(axis=1),
        z[::-1, ::2],
        T.concatenate([z, z * 1j]),
        T.eq(z, z),
        T.set_subtensor(z[0], w),
        z**2,
        T.cast(z.real, "complex64"),
    ]
    a = random.normal(size=(3, 5)) + 1j * random.normal(size=(3, 5))
    b = (random.normal(size=5) + 1j * random.normal(size=5)).astype("complex64")
    same([z, w], outputs, [a, b])


def test_a_mask_of_a_checked_index_is_read_after_it_is_written() -> None:
    z, y = T.dmatrix("z"), T.ivector("y")
    p = T.nnet.softmax(z)
    losses = T.nnet.categorical_crossentropy(p, y)
    right = T.sum(T.cast(T.eq(T.argmax(p, axis=1), y), "int64"))
    labels = np.array([0, 1, 2, 3, 4, 0, 1], "int32")
    same([z, y], [losses, right], [random.normal(size=(7, 5)), labels])


def test_a_repeated_index_that_is_constant_is_added_to_each_time() -> None:
    x, y = T.vector("x", "float64", shape=(3,)), T.dvector("y")
    m, k = T.dmatrix("m"), T.lscalar("k")
    same(
        [x, y, m, k],
        [
            T.inc_subtensor(x[[-2, -2, -2]], y),
            sg.grad(T.sum(x[[1, 1, 1]] * y), x),
            T.inc_subtensor(m[T.stack([k, k, k])], y),
            T.inc_subtensor(m[:, [0, 0, 0]], y),
        ],
        [np.arange(3.0), np.array([1.0, 10.0, 100.0]), np.ones((4, 3)), np.array(2)],
    )


def test_a_step_of_zero_is_refused_in_a_call() -> None:
    x, k = T.dmatrix("x"), T.lscalar("k")
    for out in (x[::k], T.set_subtensor(x[:, ::k], 0.0), sg.grad(T.sum(x[::k]), x)):
        f = sg.function([x, k], out)
        f(np.ones((3, 4)), -1)
        with pytest.raises(IndexRangeError, match=r"slice of axis [01] is 0"):
            f(np.ones((3, 4)), 0)
