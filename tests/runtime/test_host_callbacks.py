"""What Python does while a program runs: ops on the host, extents from data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import Op, Shape, Variable
from symgraph.core.types import TensorType
from symgraph.errors import DtypeError, ShapeError


class Sorted(Op):
    """Sorts along the last axis; what it returns can be spoiled."""

    spoil: str = ""

    name = "sorted_of_the_tests"
    host = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        return (inputs[0].type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        return (shapes[0],)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        match self.spoil:
            case "raise":
                raise RuntimeError("no mood")
            case "dtype":
                return (arrays[0].astype("int8"),)
            case "shape":
                return (arrays[0][:1],)
        return (np.sort(arrays[0], -1),)


@pytest.fixture
def x() -> Any:
    return T.dmatrix("x")


def test_an_op_in_python_gets_contiguous_arrays_and_its_result_goes_on(x: Any) -> None:
    f = sg.function([x], Sorted()(x.T * 2).sum(axis=0) + x[0, 0])
    values = np.random.default_rng(0).normal(size=(4, 3))
    wanted = np.sort(values.T * 2, -1).sum(0) + values[0, 0]
    np.testing.assert_allclose(f(values), wanted)
    np.testing.assert_allclose(f(values[:, ::-1][::-1])[0], f(values[::-1, ::-1])[0])
    assert f.repeat(2, values).shape == (2, 4)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [("raise", RuntimeError), ("dtype", DtypeError), ("shape", ShapeError)],
)
def test_an_exception_in_python_reaches_the_caller(
    spoil: str, error: Any, x: Any
) -> None:
    kept = sg.shared(np.zeros(3), name="kept")
    f = sg.function([x], Sorted(spoil)(x).sum(), updates=[(kept, kept + 1)])
    with pytest.raises(error):
        f(np.ones((2, 2)))
    with pytest.raises(error):
        f.repeat(2, np.ones((2, 2)))
    np.testing.assert_array_equal(kept.get_value(), np.zeros(3))


def test_a_second_function_is_found_on_disk_and_calls_its_own_op(x: Any) -> None:
    first = sg.function([x], Sorted()(x) * 3)
    second = sg.function([x], Sorted()(x) * 3)
    assert second.timings.cached
    values = np.array([[2.0, 1.0]])
    np.testing.assert_array_equal(first(values), second(values))


def test_an_op_in_python_inside_a_loop(x: Any) -> None:
    out, _ = sg.scan(lambda row: Sorted()(row)[0], x)
    values = np.array([[3.0, 1.0], [5.0, 9.0]])
    np.testing.assert_array_equal(sg.function([x], out)(values), [1.0, 5.0])


def count_of(v: Any) -> Any:
    return T.cast(T.gt(v, 0).sum(), "int64")


def test_extents_may_be_computed_from_data() -> None:
    v = T.dvector("v")
    n = count_of(v)
    f = sg.function([v], [T.arange(n) * 2, v[:n].sum(), T.zeros((n, 2)) + 1, n + 1])
    for k in (0, 1, 5, 60):
        values = np.random.default_rng(k).normal(size=k)
        count = int((values > 0).sum())
        numbers, total, ones, more = f(values)
        np.testing.assert_array_equal(numbers, 2 * np.arange(count))
        np.testing.assert_allclose(total, values[:count].sum())
        assert ones.shape == (count, 2)
        assert more == count + 1


def test_computed_extents_that_do_not_fit_are_refused_before_anything_is_written() -> (
    None
):
    v = T.dvector("v")
    kept = sg.shared(np.zeros(2), name="kept")
    f = sg.function([v], (v + v[: count_of(v)]).sum(), updates=[(kept, kept + 1)])
    assert f([1.0, 2.0, 3.0]) == 12.0
    with pytest.raises(ShapeError, match="differ"):
        f([1.0, -2.0, 3.0])
    np.testing.assert_array_equal(kept.get_value(), [1.0, 1.0])


def test_extents_computed_from_computed_extents() -> None:
    v = T.dvector("v")
    first = v[: count_of(v)]
    second = first[: count_of(first - 1)]
    f = sg.function([v], [second, first.shape[0] - second.shape[0]])
    rest, fewer = f([0.5, 2.0, 3.0, -1.0])
    np.testing.assert_array_equal(rest, [0.5, 2.0])
    assert fewer == 1


def test_epochs_of_functions_with_computed_extents_go_step_by_step() -> None:
    v = T.dvector("v")
    f = sg.function([v], v[: count_of(v)].sum())
    assert f.epoch([1.0, -1.0, 2.0, 3.0], batch_size=2).tolist() == [1.0, 5.0]


def test_a_call_with_other_shapes_in_between_changes_nothing() -> None:
    v = T.dvector("v")
    f = sg.function([v], T.arange(count_of(v)))
    long, short = np.ones(1000), np.ones(3)
    for values in (short, long, short, long):
        assert f(values).shape == values.shape


def test_memory_of_computed_extents_is_given_back() -> None:
    v = T.dvector("v")
    f = sg.function([v], T.exp(v[: count_of(v)]).sum())
    assert f([0.0, -1.0]) == 0.0
    (executor,) = f._executors.values()
    assert executor.frames._frames
    f.free()
    assert not executor.frames._frames
    assert f([1.0, -1.0]) == np.exp(1.0)
