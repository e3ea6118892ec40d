"""Pooling and its adjoints: against plain loops and finite differences."""

from typing import Any

import numpy as np
import pytest
import samples_pooling
from structure import SAMPLES
from window_cases import Pooled, poolings
from window_oracles import pool_starts

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.traverse import applies
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.pool_ops import Pool, PoolMaxInput, PoolMaxPick, PoolSumInput, pooled
from symgraph.ops.shape import inferred_extents, static

assert samples_pooling  # fills SAMPLES
Values = dict[Variable, np.ndarray]
NAN = np.nan


@pytest.mark.parametrize("block", range(20))
def test_all_five_ops_are_those_of_plain_loops(block: int) -> None:
    for case in poolings(block, 30):
        values: Values = {}
        found = evaluate(case.outputs(values), values)
        for a, b in zip(found, case.looped(), strict=True):
            np.testing.assert_array_equal(a, b, str(case))


def test_types_and_extents_are_inferred() -> None:
    for case in poolings(40, 30):
        values: Values = {}
        outputs = case.outputs(values)
        for v, array in zip(outputs, evaluate(outputs, values), strict=True):
            extents = inferred_extents(v)
            unknown = [e for e in extents if static(e) is None]
            told = iter(evaluate(unknown, values))
            shape = (int(next(told)) if static(e) is None else e for e in extents)
            assert tuple(shape) == array.shape, case
            assert not case.static or v.type.shape == array.shape, case
            assert v.type.dtype == array.dtype.name


@pytest.mark.parametrize("ignore_border", [True, False])
def test_the_number_of_windows_is_counted(ignore_border: bool) -> None:
    for extent in range(1, 12):
        for size in range(1, 5):
            for stride in range(1, 6):
                if ignore_border and size > extent:
                    continue
                told = pool_starts(extent, size, stride, (0, 0), ignore_border)
                found = pooled(extent, size, stride, (0, 0), ignore_border)
                assert found == len(told), (extent, size, stride)


def test_samples_and_their_gradients_reach_every_op() -> None:
    reached = set()
    for name in ("pool_1d", "pool_2d", "pool_3d"):
        for sample in SAMPLES[name]:
            if sample.error is not None:
                continue
            (y,), values = sample.build(name)
            found = [y]
            if y.type.dtype == "float64" and all(
                v.type.dtype == "float64" for v in values
            ):
                found += grad(T.sum(T.sqr(y)), list(values))
                found += grad(T.sum(T.sqr(found[-1])), list(values))
            reached |= {type(node.op) for node in applies(found)}
    assert {Pool, PoolSumInput, PoolMaxInput, PoolMaxPick} <= reached


def slope(cost: Variable, values: Values, x: Variable, away: np.ndarray) -> float:
    """Central difference of a cost along a direction."""
    step = 1e-6
    ends = [
        float(evaluate([cost], {**values, x: values[x] + s * step * away})[0])
        for s in (1, -1)
    ]
    return (ends[0] - ends[1]) / (2 * step)


def smooth(case: Pooled, random: np.random.Generator) -> tuple[Values, list[Variable]]:
    """The case with values that all differ, so that derivatives exist."""
    values: Values = {}
    outputs = case.outputs(values)
    for v, array in values.items():
        if array.ndim:
            order = random.permutation(array.size).reshape(array.shape)
            values[v] = order / 7 + 0.1
    return values, outputs


@pytest.mark.parametrize("block", range(50, 54))
def test_gradients_of_all_five_are_finite_differences(block: int) -> None:
    random = np.random.default_rng(block)
    for case in poolings(block, 6):
        values, outputs = smooth(case, random)
        floats = [v for v in values if v.ndim]
        cost: Any = sum(T.sum(T.sqr(v)) for v in outputs)
        slopes = evaluate(grad(cost, floats), values)
        for x, found in zip(floats, slopes, strict=True):
            away = random.normal(size=values[x].shape)
            wanted = slope(cost, values, x, away)
            np.testing.assert_allclose(
                np.sum(found * away), wanted, 1e-5, 1e-4, err_msg=str(case)
            )


def test_the_adjoints_are_adjoint() -> None:
    for case in poolings(60, 40):
        values: Values = {}
        outputs = case.outputs(values)
        _, total, spread, back, picked = evaluate(outputs, values)
        x, v, g = list(values.values())[:3]
        np.testing.assert_allclose(np.sum(total * g), np.sum(spread * x))
        np.testing.assert_allclose(np.sum(picked * g), np.sum(back * v))


def image(*rows: Any) -> np.ndarray:
    """One image with one channel."""
    return np.array(rows, float)[None, None]


def test_a_nan_is_the_maximum_of_its_windows_and_takes_no_gradient() -> None:
    given = image([1, NAN, 3, 4], [5, 6, 7, 8])
    x = T.dtensor4("x")
    y = T.signal.pool.pool_2d(x, (2, 2), ignore_border=True)
    found, dx = evaluate([y, grad(T.sum(y), x)], {x: given})
    np.testing.assert_array_equal(found, image([NAN, 8]))
    np.testing.assert_array_equal(dx, image([0, 0, 0, 0], [0, 0, 0, 1]))


def test_padding_is_never_the_maximum() -> None:
    low = -np.inf
    for dtype, value in (("float32", -5), ("float64", low), ("int8", -128)):
        x = np.full((1, 1, 3, 3), value, dtype)
        y = T.signal.pool.pool_2d(x, (2, 2), True, (1, 1), (1, 1))
        (found,) = evaluate([y], {})
        np.testing.assert_array_equal(found, np.full((1, 1, 4, 4), value, dtype))


def test_tied_maxima_all_take_the_gradient_or_the_first_does() -> None:
    given = image([2, 2, 1], [0, 2, 2])
    x = T.dtensor4("x")
    slopes = []
    for ties in ("all", "first"):
        y = T.signal.pool.pool_2d(x, (2, 2), True, (1, 1), ties=ties)
        slopes.append(grad(T.sum(y), x))
    every, first = evaluate(slopes, {x: given})
    np.testing.assert_array_equal(every, image([1, 2, 0], [0, 2, 1]))
    np.testing.assert_array_equal(first, image([1, 1, 0], [0, 0, 0]))


def test_infinities_that_are_tied_with_padding_keep_their_gradient() -> None:
    x = T.dtensor4("x")
    y = T.signal.pool.pool_2d(x, (2, 2), True, (2, 2), (1, 1), ties="first")
    (dx,) = evaluate([grad(T.sum(y), x)], {x: np.full((1, 1, 2, 2), -np.inf)})
    np.testing.assert_array_equal(dx, np.ones((1, 1, 2, 2)))


def test_means_with_and_without_padding() -> None:
    x = image([4, 8], [12, 16])
    options = {"ws": (2, 2), "ignore_border": True, "stride": (2, 2), "pad": (1, 1)}
    with_padding = T.signal.pool.pool_2d(x, mode="average_inc_pad", **options)
    without = T.signal.pool.pool_2d(x, mode="average_exc_pad", **options)
    a, b = evaluate([with_padding, without], {})
    np.testing.assert_array_equal(a, image([1, 2], [3, 4]))
    np.testing.assert_array_equal(b, x)


def test_older_names_of_the_arguments_mean_the_same() -> None:
    x = T.ftensor4("x", shape=(1, 1, 8, 8))
    new = T.signal.pool.pool_2d(x, (2, 2), True, (3, 3), (1, 1))
    old = T.signal.pool.pool_2d(
        x, ds=(2, 2), ignore_border=True, st=(3, 3), padding=(1, 1)
    )
    assert old.owner.op == new.owner.op
    assert T.signal.pool.pool_2d is T.pool_2d


def test_maxima_with_other_ties_are_other_ops() -> None:
    x = T.ftensor4("x")
    ops = {
        T.signal.pool.pool_2d(x, (2, 2), True, ties=t).owner.op
        for t in ("all", "first")
    }
    assert len(ops) == 2


def test_ops_refuse_what_does_not_fit() -> None:
    fields: Any = ((2, 2), (2, 2), ((0, 0), (0, 0)), True)

    def leaf(*shape: int, dtype: str = "float32") -> Variable:
        made: Variable = TensorType(dtype, shape)("v")
        return made

    x, y = leaf(2, 3, 8, 8), leaf(2, 3, 4, 4)
    three = T.constant(3, dtype="int64")
    with pytest.raises(ShapeError, match="has 3 axes"):
        Pool("max", *fields)(leaf(2, 8, 8))
    with pytest.raises(ArgumentError, match="mode 'mean'"):
        Pool("mean", *fields)(x)
    with pytest.raises(ShapeError, match="windows make 1"):
        PoolSumInput(*fields)(y, three, three)
    with pytest.raises(ShapeError, match="windows make 4"):
        PoolMaxInput(*fields)(x, leaf(2, 3, 4, 3), y)
    with pytest.raises(ShapeError, match="axis 1 differ"):
        PoolMaxInput(*fields)(x, y, leaf(2, 4, 4, 4))
    with pytest.raises(DtypeError, match="dtypes differ"):
        PoolMaxPick(*fields)(x, y, leaf(2, 3, 8, 8, dtype="float64"))
    with pytest.raises(ArgumentError, match="ties"):
        PoolMaxPick(*fields, False, "none")(x, y, x)
