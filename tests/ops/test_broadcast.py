"""BroadcastTo and SumTo: run-time extents of 1, gradients, errors."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import config
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.text import expression
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.broadcast import BroadcastTo, SumTo, sum_like


def test_an_axis_that_turns_out_to_be_1_broadcasts_and_its_gradient_is_summed() -> None:
    x, n = T.matrix("x"), T.lscalar("n")
    y = T.broadcast_to(x, (2, n, 3))
    slope = grad((y * np.arange(24.0).reshape(2, 4, 3)).sum(), x)
    for rows in (1, 4):
        array = np.arange(rows * 3.0).reshape(rows, 3)
        value, found = evaluate([y, slope], {x: array, n: 4})
        assert value.shape == (2, 4, 3)
        weights = np.arange(24.0).reshape(2, 4, 3).sum(0)
        wanted = weights.sum(0, keepdims=True) if rows == 1 else weights
        np.testing.assert_array_equal(found, wanted)


def test_extents_that_do_not_fit_are_found_when_it_runs() -> None:
    x, n = T.vector("x"), T.lscalar("n")
    with pytest.raises(ShapeError, match=r"\(3,\) cannot become \(4,\)"):
        evaluate([T.broadcast_to(x, (n,))], {x: np.zeros(3), n: 4})


def test_broadcast_to_checks_rank_and_extents() -> None:
    with pytest.raises(ShapeError, match="rank 2 cannot become 1"):
        T.broadcast_to(T.matrix("x"), (3,))
    with pytest.raises(DtypeError, match="0-d int64"):
        BroadcastTo(1)(T.vector("x"), T.iscalar("n"))


def test_sum_to_sums_only_where_the_other_has_one() -> None:
    g, x = T.matrices("g", "x")
    y = SumTo()(g, x)
    array = np.arange(6.0).reshape(2, 3)
    for shape, wanted in [
        ((2, 3), array),
        ((1, 3), array.sum(0, keepdims=True)),
        ((2, 1), array.sum(1, keepdims=True)),
        ((1, 1), array.sum().reshape(1, 1)),
    ]:
        found = evaluate([y], {g: array, x: np.zeros(shape)})[0]
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(ShapeError, match="cannot become"):
        evaluate([y], {g: array, x: np.zeros((3, 3))})


def test_gradient_of_sum_to_repeats() -> None:
    g, x = T.matrices("g", "x")
    slope = grad((SumTo()(g, x) * 3).sum(), g)
    found = evaluate([slope], {g: np.ones((2, 3)), x: np.zeros((1, 3))})[0]
    np.testing.assert_array_equal(found, np.full((2, 3), 3.0))


def test_sum_to_knows_what_is_known_of_both() -> None:
    g = T.matrix("g", shape=(1, None))
    assert SumTo()(g, T.matrix("x", shape=(None, 1))).type.shape == (1, 1)
    with pytest.raises(ShapeError, match="axis 1 of extent 4 cannot become 3"):
        SumTo()(T.matrix("g", shape=(2, 4)), T.matrix("x", shape=(2, 3)))
    with pytest.raises(ShapeError, match="ranks differ"):
        SumTo()(g, T.vector("v"))


def test_sum_like_leaves_nothing_to_run_time_where_all_is_known() -> None:
    g = T.tensor3("g", shape=(2, 4, 3))
    found = sum_like(g, T.matrix("x", shape=(1, 3)))
    assert found.type.shape == (1, 3)
    assert "sum_to" not in expression(found)


def test_shapes_that_agree_make_no_node() -> None:
    x = T.matrix("x", shape=(2, 3))
    assert T.broadcast_to(x, (2, 3)) is x
    assert T.alloc(x, 2, 3) is x


def test_fillings_take_the_dtype_of_config_or_of_the_value() -> None:
    with config.override(floatX="float32"):
        assert T.zeros((2,)).type.dtype == "float32"
        assert T.alloc(0.0, 2).type.dtype == "float32"
    assert T.alloc(0, 2).type.dtype == "int8"
    assert T.ones(2, dtype="floatX").type.dtype == "float64"
    assert T.alloc(0.0, 3, 1).type.broadcastable == (False, True)


def test_printing_reads_like_python() -> None:
    x = T.vector("x")
    assert expression(T.broadcast_to(x, (2, x.shape[0]))) == (
        "broadcast_to(x, (2, x.shape[0]))"
    )


# --- extents of 1 that only a call tells -----------------------------------------------


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_einsum_broadcasts_extents_of_one(mode: str) -> None:
    x, w = T.dmatrices("x", "w")
    for text in ("ij,jk->ik", "ij,ij->j", "ij,jk", "ii,ij->ij", "...j,j...->..."):
        out = T.einsum(text, x, w)
        f = sg.function([x, w], [out, sg.grad(T.sqr(out).sum(), x)], mode=mode)
        for left, right in (
            [(3, 3), (3, 3)], [(3, 3), (1, 3)], [(3, 3), (3, 1)], [(1, 1), (3, 3)],
            [(1, 1), (1, 1)],
        ):  # fmt: skip
            a = np.arange(1.0, 1 + np.prod(left)).reshape(left)
            b = np.arange(2.0, 2 + np.prod(right)).reshape(right)
            if text.startswith("...") and 1 in (*left, *right) and left != right:
                continue
            value, gradient = f(a, b)
            np.testing.assert_allclose(value, np.einsum(text, a, b))
            assert gradient.shape == a.shape
            step = np.zeros_like(a)
            step[0, 0] = 1e-6
            up, down = (
                np.square(np.einsum(text, v, b)).sum() for v in (a + step, a - step)
            )
            np.testing.assert_allclose(gradient[0, 0], (up - down) / 2e-6, rtol=1e-5)


def test_einsum_names_extents_that_do_not_fit() -> None:
    x, w = T.dmatrices("x", "w")
    f = sg.function([x, w], T.einsum("ij,jk->ik", x, w))
    with pytest.raises(ShapeError, match="3 and 2"):
        f(np.ones((2, 2)), np.ones((3, 4)))
    with pytest.raises(ShapeError, match="extents 2 and 3"):
        T.einsum("ij,jk,j", x, T.matrix(shape=(2, 4)), T.vector(shape=(3,)))
    one = T.einsum("ij,jk,j->ik", x, T.matrix(shape=(1, 4)), T.vector(shape=(3,)))
    assert one.type.shape == (None, 4)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_quantiles_of_an_empty_axis_are_a_shape_error(mode: str) -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    for out, given in [
        (T.median(x, axis=1), np.ones((2, 0))), (T.median(v), np.ones(0)),
        (T.quantile(x, 0.3, axis=0), np.ones((0, 2))), (T.percentile(v, 3), np.ones(0)),
    ]:  # fmt: skip
        given_to = x if given.ndim == 2 else v
        f = sg.function([given_to], out, mode=mode)
        with pytest.raises(ShapeError, match=r"empty|zero-size"):
            f(given)
        f(np.ones((3, 2)[: given.ndim]))
    f = sg.function([x], T.median(x, axis=1), mode=mode)
    assert f(np.ones((0, 2))).shape == (0,)
