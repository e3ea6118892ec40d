"""Extents: folding, equality, inference; axes; promises and their run-time checks."""

import numpy as np
import pytest
from sampling import Public

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Constant, Op, Variable
from symgraph.errors import AxisError, DtypeError, ShapeError
from symgraph.ops import shape
from symgraph.ops.axes import normalize_axes, normalize_axis
from symgraph.ops.shape import Extent, MakeVector, SpecifyShape

P = Public()


def test_known_extents_are_constants_and_unknown_ones_are_read() -> None:
    x = T.matrix("x", shape=(None, 3))
    rows, columns = x.shape
    assert isinstance(rows.owner.op, Extent)
    assert isinstance(columns, Constant)
    assert int(columns) == 3


def test_extent_checks_its_axis_and_has_no_gradient() -> None:
    x = T.vector("x")
    with pytest.raises(AxisError, match="x : float64"):
        Extent(1)(x)
    assert Extent(0).grad([x], [x.shape[0]], [None]) == (None,)
    assert Extent(0).connection() == (False,)


def test_arithmetic_of_extents_folds_ints_and_identities() -> None:
    n = T.lscalar("n")
    assert shape.add(2, 3) == 5
    assert shape.add(n, 0) is n
    assert shape.add(0, n) is n
    assert shape.subtract(n, n) == 0
    assert shape.subtract(n, 0) is n
    assert shape.multiply(1, n) is n
    assert shape.multiply(n, 0) == 0
    assert shape.floor_divide(7, 2) == 3
    assert shape.floor_divide(n, 1) is n
    assert shape.maximum(n, n) is n
    assert shape.maximum(2, 5) == 5
    assert shape.product([2, n, 3]).owner is not None
    assert shape.product([]) == 1
    assert shape.total([1, 2, 3]) == 6
    value = evaluate([shape.add(shape.product([2, n, 3]), shape.negate(n))], {n: 4})
    assert int(value[0]) == 20


def test_extents_that_cannot_be_negative_are_known() -> None:
    x, n = T.vector("x"), T.lscalar("n")
    assert shape.is_never_negative(shape.multiply(x.shape[0], 3))
    assert not shape.is_never_negative(n)
    assert not shape.is_never_negative(shape.subtract(x.shape[0], 1))
    assert shape.is_never_negative(shape.maximum(n, 0))
    assert not shape.is_never_negative(-1)


def test_extents_built_alike_have_one_key() -> None:
    x = T.matrix("x")
    y = P.exp(x.T) * 2
    assert shape.extent_key(y.shape[0]) == shape.extent_key(x.shape[1])
    assert shape.extent_key(y.shape[0]) != shape.extent_key(x.shape[0])
    assert shape.extent_key(x.shape[0] * 2) == shape.extent_key(x.shape[0] * 2)


def test_inferred_extents_of_a_deep_graph_need_no_recursion() -> None:
    x = T.vector("x")
    y = x
    for _ in range(3000):
        y = P.exp(y)
    assert shape.extent_key(shape.inferred_extents(y)[0]) == (Extent(0), x)


def test_inferred_extents_of_an_op_that_does_not_tell_are_read_from_it() -> None:
    class Silent(Op):
        name = ""

        def infer(self, *inputs: Variable) -> tuple[T.TensorType, ...]:
            return (inputs[0].type,)

    y = Silent()(T.vector("x"))
    (extent,) = shape.inferred_extents(y)
    assert extent.owner.inputs == (y,)


@pytest.mark.parametrize(
    ("axis", "ndim", "expected"),
    [(None, 2, (0, 1)), (-1, 3, (2,)), ((2, 0), 3, (0, 2)), (np.int64(1), 2, (1,)),
     ([], 2, ()), (np.array([0, -1]), 3, (0, 2)), (T.constant(1), 2, (1,))],
)  # fmt: skip
def test_axes_are_normalised(
    axis: object, ndim: int, expected: tuple[int, ...]
) -> None:
    assert normalize_axes(axis, ndim, "sum") == expected


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, -2)])
def test_axes_out_of_range_or_twice_are_refused(axis: object) -> None:
    with pytest.raises(AxisError, match="sum: axis"):
        normalize_axes(axis, 2, "sum")


@pytest.mark.parametrize("axis", [1.0, "0", True])
def test_axes_that_are_no_ints_are_refused(axis: object) -> None:
    with pytest.raises(DtypeError, match="must be an int"):
        normalize_axis(axis, 2, "sum", T.matrix("m"))


def test_axis_error_names_operand_and_cure() -> None:
    x = T.fmatrix("pixels")
    with pytest.raises(AxisError) as caught:
        x.sum(axis=2)
    text = str(caught.value)
    assert "pixels : float32 (None, None)" in text
    assert "test_shape.py:" in text
    assert "-2..1" in text


def test_a_false_promise_is_found_when_the_graph_runs() -> None:
    x = T.matrix("x")
    y = T.specify_shape(x, (None, 3))
    assert y.type.shape == (None, 3)
    with pytest.raises(ShapeError, match="axis 1 has extent 4, promised was 3"):
        evaluate([y], {x: np.zeros((2, 4))})


def test_the_decomposed_promise_finds_swapped_extents_too() -> None:
    x = T.matrix("x")
    y = SpecifyShape((4, 3)).decompose(x)
    assert y.type.shape == (4, 3)
    array = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(evaluate([y], {x: array})[0], array)
    with pytest.raises(ShapeError):
        evaluate([y], {x: array.T})


def test_forgetting_an_extent_decomposes_to_nothing() -> None:
    x = T.row("x")
    assert T.unbroadcast(x, 0).type.shape == (None, None)
    assert SpecifyShape((None, None)).decompose(x) is x


def test_make_vector_refuses_vectors_and_other_dtypes() -> None:
    with pytest.raises(ShapeError, match="expected a scalar"):
        MakeVector("float64")(T.vector("v"))
    with pytest.raises(DtypeError, match="v : int32"):
        MakeVector("int64")(T.iscalar("v"))


def test_gradient_reaches_each_element_of_a_made_vector() -> None:
    a, b = T.dscalars("a", "b")
    slopes = grad((P.stack([a, b, a]) * np.array([1.0, 10.0, 100.0])).sum(), [a, b])
    assert [float(v) for v in evaluate(slopes, {a: 0.0, b: 0.0})] == [101.0, 10.0]


def test_a_vector_of_unknown_length_is_no_shape_without_ndim() -> None:
    v = T.lvector("v")
    with pytest.raises(ShapeError, match="Pass ndim="):
        T.zeros(v)
    assert T.lvector("w", shape=(2,)).type.shape == (2,)
    assert T.zeros(T.lvector("w", shape=(2,))).ndim == 2


def test_a_shape_may_be_a_slice_of_a_shape_or_a_joined_one() -> None:
    x = T.tensor3("x", shape=(None, 3, 4))
    y = T.zeros(P.concatenate([x.shape[:1], [7]]))
    assert y.type.shape == (None, 7)
    assert x.reshape(x.shape, ndim=3).type.shape == (None, 3, 4)


def test_shape_of_an_expression_prints_short() -> None:
    x = T.vector("x")
    assert T.exp(x).shape[0].owner.op == Extent(0)
    assert Extent(0).render(["x"]) == "x.shape[0]"
    assert Extent(0).render(["x + 1"]) == "(x + 1).shape[0]"
