"""Indexing: samples against NumPy, random slices, symbolic bounds, errors, printing."""

from typing import Any

import numpy as np
import pytest
from family_checks import (
    cases,
    check_against_inferred,
    check_error,
    check_gradient,
    check_value,
    compare_gradient,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import Sample
from samples_functions import INDICES, ORACLES, SAMPLES

import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Constant
from symgraph.core.text import expression
from symgraph.core.traverse import applies
from symgraph.core.types import TensorType
from symgraph.errors import (
    ArgumentError,
    DtypeError,
    IndexRangeError,
    ShapeError,
)
from symgraph.ops.gather import CheckIndex, ScatterAdd, ScatterSet, Take
from symgraph.ops.indexing import SetSubtensor, Subtensor
from symgraph.ops.shape import extent_key, inferred_extents
from symgraph.ops.slices import slice_bounds

NAMES = {"getitem", "set_subtensor", "inc_subtensor", "take", "pick"}
HERE = {name: SAMPLES[name] for name in sorted(NAMES)}
ITEM = T.lscalar("i")
BOUNDS = [T.lscalar(name) for name in "abc"]


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.error is None))
def test_the_value_is_numpys(name: str, sample: Sample) -> None:
    check_value(name, sample, ORACLES[name])


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.gradient))
def test_the_gradient_is_the_numeric_derivative(name: str, sample: Sample) -> None:
    check_gradient(name, sample)


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.error is not None))
def test_a_wrong_call_raises_its_named_error(name: str, sample: Sample) -> None:
    check_error(name, sample)


bounds = st.one_of(st.none(), st.integers(-9, 9))
steps = st.one_of(st.none(), st.sampled_from([-4, -3, -2, -1, 1, 2, 3, 4]))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 7), bounds, bounds, steps, st.booleans())
def test_any_slice_selects_what_python_selects(
    n: int, start: Any, stop: Any, step: Any, static: bool
) -> None:
    x = TensorType("int64", (n if static else None,))("x")
    data = np.arange(n)
    key = slice(start, stop, step)
    out = x[key]
    (array,) = evaluate([out], {x: data})
    assert array.tolist() == data[key].tolist()
    check_against_inferred([out], {x: data})
    if static:
        assert out.type.shape == data[key].shape


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 7), *[st.integers(-9, 9)] * 2, st.integers(-3, 3).filter(bool))
def test_symbolic_bounds_and_steps_select_what_python_selects(
    n: int, start: int, stop: int, step: int
) -> None:
    x = T.lvector("x")
    a, b, c = BOUNDS
    numbers = dict(zip(BOUNDS, map(np.int64, (start, stop, step)), strict=True))
    values = {x: np.arange(n), **numbers}
    data = values[x]
    pairs = [
        (x[a:b:c], data[start:stop:step]),
        (x[a:], data[start:]),
        (x[:b:-1], data[:stop:-1]),
        (x[a:b], data[start:stop]),
        (x[a::c], data[start::step]),
    ]
    for out, told in pairs:
        assert evaluate([out], values)[0].tolist() == told.tolist()
        check_against_inferred([out], values)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 7), bounds, bounds, steps)
def test_slice_bounds_say_where_elements_lie(
    n: int, start: Any, stop: Any, step: Any
) -> None:
    first, length, stride = slice_bounds((start, stop, step), n)
    told = range(*slice(start, stop, step).indices(n))
    assert [first + i * stride for i in range(length)] == list(told)


def test_a_symbolic_index_reads_writes_and_differentiates() -> None:
    x, k = T.dmatrix("x"), T.iscalar("k")
    data = np.random.default_rng(0).normal(size=(4, 3))
    for number in (2, -1):
        values = {x: data, k: np.int32(number)}
        assert np.array_equal(evaluate([x[k]], values)[0], data[number])
        for out in (x[k] ** 2, T.inc_subtensor(x[:, k - 1], 2.0), x[k:, : k + 1]):
            compare_gradient(out, values)


def test_batches_cut_by_a_symbolic_number_print_as_written() -> None:
    x, i = T.fmatrix("x"), T.lscalar("i")
    assert expression(x[i * 20 : (i + 1) * 20]) == "x[i * 20:(i + 1) * 20]"
    assert expression(x[1:3, ::-1]) == "x[1:3, ::-1]"
    assert expression((x + 1)[0]) == "(x + 1)[0]"
    assert expression(T.exp(x)[0, -1]) == "exp(x)[0, -1]"
    assert expression(T.set_subtensor(x[:2], 0.0)).startswith("set_subtensor(x[:2], ")


def test_known_constant_bounds_give_known_extents() -> None:
    x = TensorType("float32", (None, 10))("x")
    assert x[:, 2:-1:3].type.shape == (None, 3)
    assert x[::-1].type.shape == (None, 10)
    assert x[3:1].type.shape == (0, 10)
    assert x[0, None].type.shape == (1, 10)
    assert x[Constant(np.array(1))].type.shape == (10,)


def test_an_element_of_a_shape_is_the_extent_itself() -> None:
    x = T.fmatrix("x")
    shape = x.shape
    assert shape[1] is shape.owner.inputs[1]
    assert shape[-1] is shape.owner.inputs[1]
    assert shape[:1].owner.inputs == shape.owner.inputs[:1]
    fixed = TensorType("float32", (4, None))("fixed").shape[0]
    assert isinstance(fixed, Constant)
    assert int(fixed.data) == 4


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_at_run_time_names_axis_and_extent(index: int) -> None:
    x, i, v = T.dmatrix("x"), T.lscalar("i"), T.lvector("v")
    values = {x: np.zeros((2, 3)), i: np.int64(index), v: np.array([0, index])}
    for out in (x[:, i], x[:, v], T.set_subtensor(x[:, i], 0.0), T.take(x, v, 1)):
        with pytest.raises(IndexRangeError, match=rf"{index}.* axis 1\b.*extent 3"):
            evaluate([out], values)
    with pytest.raises(IndexRangeError, match=f"{index}.*extent 3"):
        evaluate([T.pick(x, v)], values)


def test_rows_and_labels_of_unequal_number_are_refused_at_run_time() -> None:
    x, y = T.dmatrix("x"), T.lvector("y")
    picked = x[T.arange(y.shape[0]), y]
    assert picked.type.shape == (None,)
    for count in (1, 2, 4):  # a single label must not stand for all rows
        with pytest.raises(ShapeError):
            evaluate([picked], {x: np.ones((3, 5)), y: np.zeros(count, int)})


def test_a_known_number_of_rows_takes_the_first_as_numpy_does() -> None:
    x, y = T.dmatrix("x"), T.lvector("y")
    data = np.arange(20.0).reshape(4, 5)
    labels = np.array([4, 0, -1])
    out = x[T.arange(3), y]
    (array,) = evaluate([out], {x: data, y: labels})
    assert array.tolist() == data[np.arange(3), labels].tolist()
    fixed = TensorType("float64", (4, 5))("fixed")
    (array,) = evaluate([fixed[T.arange(3), labels]], {fixed: data})
    assert array.tolist() == data[np.arange(3), labels].tolist()


def test_picking_by_arange_needs_no_scatter_in_its_gradient() -> None:
    x, y = T.dmatrix("x"), T.ivector("y")
    out = x[T.arange(y.shape[0]), y]
    (g,) = T.grad(T.sum(out), [x])
    names = {node.op.name for node in applies([out, g])}
    assert not names & {"take", "scatter_add"}
    data = {x: np.random.default_rng(0).normal(size=(4, 5)), y: np.array([0, -1, 3, 3])}
    compare_gradient(out, data)
    compare_gradient(T.inc_subtensor(x[T.arange(4), y], 2.0) ** 2, data)


def test_a_mask_of_another_shape_is_refused_early_and_late() -> None:
    known, m = TensorType("float64", (4, 3))("known"), T.TensorType("bool", (2,))("m")
    with pytest.raises(
        ShapeError, match=r"shape \(2,\), axis 1 .*shape \(3,\)"
    ) as caught:
        known[:, m]
    assert "known : float64 (4, 3)" in str(caught.value)
    x, mask = T.dmatrix("x"), T.TensorType("bool", (None,))("mask")
    values = {x: np.ones((4, 3)), mask: np.array([True, False])}
    for out in (x[:, mask], T.set_subtensor(x[:, mask], 0.0), x[[0, 0], mask]):
        with pytest.raises(ShapeError, match="mask has shape") as caught:
            evaluate([out], values)
        assert "(2,)" in str(caught.value)
        assert "(3,)" in str(caught.value) or "(4,)" in str(caught.value)
        assert "test_indexing.py" in str(caught.value)


def test_one_value_for_a_mask_is_a_choice_without_positions() -> None:
    x = T.dmatrix("x")
    for out in (T.set_subtensor(x[x > 0], 0.0), T.inc_subtensor(x[x > 0], x.mean())):
        assert "mask_positions" not in {node.op.name for node in applies([out])}
    told = evaluate([out], {x: np.array([[1.0, -3.0]])})[0]
    assert told.tolist() == [[0.0, -3.0]]


def test_the_indices_of_a_mask_are_the_mask() -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    out = T.set_subtensor(x[(x > 0).nonzero()], 0.0)
    assert "mask_positions" not in {node.op.name for node in applies([out])}
    values = {x: np.array([[1.0, -2.0], [3.0, 0.0]]), y: np.ones((3, 3))}
    assert evaluate([out], values)[0].tolist() == [[0, -2], [0, 0]]
    rows, columns = (x > 0).nonzero()
    for part, told in (
        (y[rows, columns], [1, 1]),  # another shape: only the indices count
        (x[columns, rows], [1, -2]),
        (x[rows], [[1, -2], [3, 0]]),
        (x[(x[0] > 0).nonzero()], [[1, -2]]),
    ):
        assert evaluate([part], values)[0].tolist() == told


def test_the_same_mask_gives_the_same_extent() -> None:
    x, y, mask = T.dvector("x"), T.dvector("y"), T.TensorType("bool", (None,))("m")
    (a,), (b,) = inferred_extents(x[mask]), inferred_extents(y[mask])
    assert extent_key(a) == extent_key(b)


def test_the_error_of_a_known_index_lists_the_operand() -> None:
    x = TensorType("float32", (None, 10))("x")
    with pytest.raises(IndexRangeError) as caught:
        x[:, 10]
    text = str(caught.value)
    assert "index 10" in text
    assert "axis 1" in text
    assert "x : float32 (None, 10)" in text
    assert "-10..9" in text


def test_writing_needs_an_indexing_expression() -> None:
    x = T.dmatrix("x")
    for wrong in (x, x + 1, 3.0):
        with pytest.raises(ArgumentError, match="indexing expression"):
            T.set_subtensor(wrong, 0.0)


def test_writing_to_everything_and_to_a_part_of_a_part() -> None:
    x = T.dmatrix("x")
    data = {x: np.arange(6.0).reshape(2, 3)}
    assert (evaluate([T.set_subtensor(x[:], 7.0)], data)[0] == 7).all()
    part = x[1:]
    inner = T.set_subtensor(part[:, [0, 2]], -1.0)  # changes the part, not x
    assert evaluate([inner], data)[0].tolist() == [[-1, 4, -1]]


def test_values_that_would_lose_data_are_refused() -> None:
    x = T.ivector("x")
    with pytest.raises(DtypeError, match="Cast"):
        T.set_subtensor(x[0], T.dscalar("y"))
    assert T.set_subtensor(T.fvector()[0], T.dscalar()).type.dtype == "float32"


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("indices", [[1, 1, -1], [], [0], [[0, 2], [2, 2]]])
def test_scatter_set_keeps_the_last(axis: int, indices: Any) -> None:
    places = np.array(indices, dtype="int64")
    base, values = (
        T.dmatrix("base"),
        T.TensorType("float64", (None,) * (places.ndim + 1))(),
    )
    where = T.TensorType("int64", (None,) * places.ndim)("where")
    op = ScatterSet(axis)
    random = np.random.default_rng(2)
    shape = (4,) * axis + places.shape + (5,) * (1 - axis)
    data = {
        base: random.normal(size=(4, 5)),
        where: places,
        values: random.normal(size=shape),
    }
    out = op(base, where, values)
    told = data[base].copy()
    for number in np.ndindex(places.shape):
        key = (slice(None),) * axis
        told[(*key, places[number])] = data[values][(*key, *number)]
    assert np.array_equal(evaluate([out], data)[0], told)
    compare_gradient(out, data)


def test_take_and_scatter_add_are_adjoint() -> None:
    random = np.random.default_rng(3)
    x, g = random.normal(size=(4, 6)), random.normal(size=(4, 2, 3))
    indices = random.integers(-6, 6, (2, 3))
    (taken,) = Take(1).reference(x, indices)
    (added,) = ScatterAdd(1).reference(np.zeros((4, 6)), indices, g)
    assert np.sum(taken * g) == pytest.approx(np.sum(x * added), rel=1e-12)


def test_ops_check_what_they_are_given() -> None:
    x, i = T.dmatrix("x"), T.lvector("i")
    with pytest.raises(DtypeError):
        Take(0)(x, T.ivector("short"))
    with pytest.raises(ShapeError):
        ScatterAdd(0)(x, i, T.dvector("flat"))
    with pytest.raises(DtypeError):
        ScatterAdd(0)(x, i, T.fmatrix("narrow"))
    with pytest.raises(DtypeError):
        CheckIndex()(T.dvector("no"), T.lscalar("n"))
    with pytest.raises(ArgumentError):
        Subtensor(("v", "v"))(x, T.lscalar("i"))
    with pytest.raises(DtypeError):
        SetSubtensor((0, 0), "set")(x, T.fscalar("y"))


def test_only_indices_that_may_be_wrong_can_fail() -> None:
    x, k = T.dmatrix("x"), T.lscalar("k")
    assert not x[1:, ::-1].owner.op.can_fail
    assert not x[k:].owner.op.can_fail
    assert x[0].owner.op.can_fail
    assert x[::k].owner.op.can_fail
    assert x[[0, 1]].owner.op.can_fail
    assert not x[x > 0].owner.op.can_fail
    assert CheckIndex.can_fail


def test_a_step_of_zero_is_refused_early_and_late() -> None:
    x = T.dvector("x")
    with pytest.raises(ArgumentError, match="step"):
        x[::0]
    with pytest.raises(IndexRangeError, match="step"):
        evaluate([x[::ITEM]], {x: np.ones(3), ITEM: np.int64(0)})


def test_the_samples_cover_more_than_thirty_indices() -> None:
    assert len(INDICES) > 30
