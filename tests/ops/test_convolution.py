"""Convolution and its adjoints: against SciPy, plain loops, finite differences."""

from typing import Any

import numpy as np
import pytest
from family_checks import cases, check_error, check_gradient, check_value
from samples import Sample
from samples_convolution import ORACLES, SAMPLES
from window_cases import Convolved, convolution, convolutions
from window_oracles import looped

import symgraph as sg
import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError
from symgraph.ops.conv_ops import Convolution, ConvolutionInput, ConvolutionWeight
from symgraph.ops.shape import inferred_extents, static

Values = dict[Variable, np.ndarray]


def results(case: Convolved) -> list[np.ndarray]:
    """y, dx and dw by the references, channels first."""
    values: Values = {}
    outputs = case.outputs(values)
    return case.first(evaluate(outputs, values))


def check_inferred(case: Convolved) -> None:
    """Types and extents that were inferred are those of the arrays."""
    values: Values = {}
    outputs = case.outputs(values)
    extents = [e for v in outputs for e in inferred_extents(v)]
    unknown = [e for e in extents if static(e) is None]
    arrays = evaluate([*outputs, *unknown], values)
    told = iter(arrays[len(outputs) :])
    shapes = iter(int(next(told)) if static(e) is None else static(e) for e in extents)
    for v, array in zip(outputs, arrays, strict=False):
        assert tuple(next(shapes) for _ in range(array.ndim)) == array.shape, case
        known = zip(v.type.shape, array.shape, strict=True)
        assert all(e in (None, n) for e, n in known), case
        assert v.type.dtype == array.dtype.name
        assert not case.static or None not in v.type.shape, case


def close(a: Any, b: Any, case: Any) -> None:
    """Equal to 1e-10."""
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10, err_msg=str(case))


@pytest.mark.parametrize("block", range(16))
def test_values_are_those_of_scipy_and_the_gradients_are_its_adjoints(
    block: int,
) -> None:
    for case in convolutions(block, 50):
        y, dx, dw = results(case)
        told = case.scipy()
        close(y, told, case)
        # <conv(x, w), g> = <x, dx> = <w, dw>, and they are linear in the other operand
        want = np.sum(told * case.g)
        close(np.sum(case.x * dx), want, case)
        close(np.sum(case.w * dw), want, case)


@pytest.mark.parametrize("block", range(20, 25))
def test_the_three_ops_are_those_of_plain_loops(block: int) -> None:
    for case in convolutions(block, 40, most=4):
        for found, told in zip(results(case), case.looped(), strict=True):
            close(found, told, case)


def test_types_and_extents_are_inferred() -> None:
    for case in convolutions(30, 60, most=4):
        check_inferred(case)


@pytest.mark.parametrize("groups", [1, 7, 35, 70])
def test_many_channels_in_groups(groups: int) -> None:
    random = np.random.default_rng(groups)
    for batch, extent in ((1, 5), (3, 4)):
        x = random.normal(size=(batch, 70, extent, extent + 1))
        w = random.normal(size=(70, 70 // groups, 3, 2))
        g = random.normal(size=(batch, 70, extent, extent + 2))
        case = Convolved(
            x, w, g, (1, 1), ((1, 1), (1, 1)), (1, 1), groups, True, batch == 3, True
        )
        y, dx, dw = results(case)
        close(y, case.scipy(), case)
        close(np.sum(x * dx), np.sum(y * g), case)
        close(np.sum(w * dw), np.sum(y * g), case)


def test_float32_keeps_its_dtype_and_its_accuracy() -> None:
    for case in convolutions(50, 20, dtype="float32"):
        for found, told in zip(results(case), case.looped(), strict=True):
            np.testing.assert_allclose(found, told, rtol=1e-4, atol=1e-4)


def slope(cost: Variable, values: Values, x: Variable, away: np.ndarray) -> float:
    """Central difference of a cost along a direction."""
    step = 1e-5
    ends = [
        float(evaluate([cost], {**values, x: values[x] + s * step * away})[0])
        for s in (1, -1)
    ]
    return (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("block", range(60, 64))
def test_gradients_of_all_three_are_finite_differences(block: int) -> None:
    random = np.random.default_rng(block)
    for _ in range(5):
        case = convolution(random, most=5)
        values: Values = {}
        outputs = case.outputs(values)
        floats = [v for v in values if v.type.dtype == "float64"]
        cost: Any = sum(T.sum(T.sqr(v)) for v in outputs)
        for x, found in zip(floats, evaluate(grad(cost, floats), values), strict=True):
            away = random.normal(size=values[x].shape)
            np.testing.assert_allclose(
                np.sum(found * away), slope(cost, values, x, away), 1e-6, 1e-5,
                err_msg=str(case),
            )  # fmt: skip


def test_the_second_derivative_is_a_finite_difference_of_the_first() -> None:
    random = np.random.default_rng(3)
    for case in convolutions(70, 6, most=5):
        values: Values = {}
        y, *_ = case.outputs(values)
        x, w, *_ = values
        first = grad(T.sum(T.sqr(y)), [x, w])
        cost: Any = sum(T.sum(g * g) for g in first)
        for v, found in zip((x, w), evaluate(grad(cost, [x, w]), values), strict=True):
            away = random.normal(size=values[v].shape)
            wanted = slope(cost, values, v, away)
            np.testing.assert_allclose(np.sum(found * away), wanted, 1e-5, 1e-4)


# --- samples ----------------------------------------------------------------------------


def test_every_public_function_has_samples() -> None:
    home = "symgraph.ops.conv_api"
    names = {name for name, f in PUBLIC.items() if f.__module__ == home}
    assert names - set(SAMPLES) == {"get_conv_output_shape"}


@pytest.mark.parametrize("name,sample", cases(SAMPLES, lambda s: s.error is None))
def test_the_value_of_a_sample_is_the_oracles(name: str, sample: Sample) -> None:
    check_value(name, sample, ORACLES[name])


@pytest.mark.parametrize("name,sample", cases(SAMPLES, lambda s: s.gradient))
def test_the_gradient_of_a_sample_is_numeric(name: str, sample: Sample) -> None:
    check_gradient(name, sample)


@pytest.mark.parametrize("name,sample", cases(SAMPLES, lambda s: s.error is not None))
def test_a_failing_sample_raises_its_error(name: str, sample: Sample) -> None:
    check_error(name, sample)


# --- the public functions ---------------------------------------------------------------


def image(*shape: int | None, dtype: str = "float64", name: str = "x") -> Variable:
    """A variable of that static shape."""
    made: Variable = TensorType(dtype, shape)(name)
    return made


BORDERS: list[tuple[Any, tuple[int, int], tuple[tuple[int, int], tuple[int, int]]]] = [
    # border mode, window, padding
    ("valid", (3, 4), ((0, 0), (0, 0))),
    ("half", (3, 4), ((1, 1), (2, 2))),
    ("full", (3, 4), ((2, 2), (3, 3))),
    ("same", (3, 4), ((1, 1), (1, 2))),
    ("same", (2, 5), ((0, 1), (2, 2))),
    (2, (3, 3), ((2, 2), (2, 2))),
    ((1, 0), (3, 3), ((1, 1), (0, 0))),
    (((1, 2), (0, 3)), (3, 3), ((1, 2), (0, 3))),
    ((1, (0, 2)), (3, 3), ((1, 1), (0, 2))),
]


@pytest.mark.parametrize("mode,window,pads", BORDERS)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_border_mode_is_its_padding(
    mode: Any, window: tuple[int, int], pads: Any, known: bool, dilation: int
) -> None:
    """Also where the window's extents are unknown, so that the graph must pad."""
    random = np.random.default_rng(0)
    if isinstance(mode, str) and dilation == 2:
        spans = [(n - 1) * 2 + 1 for n in window]
        pads = {
            "valid": ((0, 0), (0, 0)),
            "half": tuple((s // 2, s // 2) for s in spans),
            "full": tuple((s - 1, s - 1) for s in spans),
            "same": tuple((s // 2, s // 2) for s in spans),
        }[mode]
    given = random.normal(size=(2, 3, 9, 10)), random.normal(size=(4, 3, *window))
    shapes = [a.shape if known else (None,) * 4 for a in given]
    x, w = image(*shapes[0]), image(*shapes[1], name="w")
    steps = (dilation, dilation)
    found = T.nnet.conv2d(
        x, w, border_mode=mode, subsample=(2, 1), filter_dilation=steps
    )
    told = Convolution((2, 1), pads, steps, 1, True)(x, w)
    dx = T.nnet.abstract_conv.conv2d_grad_wrt_inputs(
        found, w, x.shape if not known else given[0].shape, border_mode=mode,
        subsample=(2, 1), filter_dilation=steps,
    )  # fmt: skip
    dw = T.nnet.abstract_conv.conv2d_grad_wrt_weights(
        x, found, w.shape if not known else given[1].shape, border_mode=mode,
        subsample=(2, 1), filter_dilation=steps,
    )  # fmt: skip
    half = T.sum(T.sqr(told)) / 2
    wanted = [told, *grad(half, [x, w])]
    arrays = evaluate([found, dx, dw, *wanted], dict(zip((x, w), given, strict=True)))
    for a, b in zip(arrays[:3], arrays[3:], strict=True):
        close(a, b, mode)
    if known:
        assert found.type.shape == arrays[0].shape


def test_shapes_given_are_promises() -> None:
    x, w = image(None, None, None, None), image(None, None, None, None, name="w")
    y = T.nnet.conv2d(
        x, w, (None, 3, 9, 9), (8, 3, 3, 3), border_mode="half", subsample=2
    )
    assert y.type.shape == (None, 8, 5, 5)
    older = T.nnet.conv2d(x, w, image_shape=(2, 3, 9, 9), filter_shape=(8, 3, 3, 3))
    assert older.type.shape == (2, 8, 7, 7)
    arrays = {x: np.ones((2, 3, 9, 8)), w: np.ones((8, 3, 3, 3))}
    with pytest.raises(ShapeError, match="promised"):
        evaluate([y], arrays)


def test_a_correlation_is_the_convolution_with_turned_filters() -> None:
    random = np.random.default_rng(1)
    x, w = T.dtensor4("x"), T.dtensor4("w")
    a, b = random.normal(size=(1, 2, 5, 6)), random.normal(size=(3, 2, 2, 3))
    plain = T.nnet.conv2d(x, w[:, :, ::-1, ::-1], filter_flip=False)
    found, told = evaluate([T.nnet.conv2d(x, w), plain], {x: a, w: b})
    close(found, told, "flip")
    # the definition of convolution, at one position
    close(found[0, 1, 2, 3], np.sum(a[0, :, 2:4, 3:6] * b[1, :, ::-1, ::-1]), "sum")


def test_one_and_three_axes_are_two_axes_with_extents_of_one() -> None:
    random = np.random.default_rng(2)
    x, w = random.normal(size=(2, 4, 9)), random.normal(size=(6, 2, 3))
    line = T.nnet.conv1d(x, w, border_mode=((2, 1),), subsample=2, num_groups=2)
    plane = T.nnet.conv2d(
        x[..., None], w[..., None], border_mode=((2, 1), 0), subsample=(2, 1),
        num_groups=2,
    )  # fmt: skip
    box = T.nnet.conv3d(
        x[..., None, None], w[..., None, None], border_mode=((2, 1), 0, 0),
        subsample=(2, 1, 1), num_groups=2,
    )  # fmt: skip
    a, b, c = evaluate([line, plane, box], {})
    close(a, b[..., 0], "plane")
    close(a, c[..., 0, 0], "box")


TRANSPOSED = [("valid", 1, 1), ("half", 1, 2), ((1, 2), 2, 1), ("full", 1, 1)]


@pytest.mark.parametrize("border,dilation,groups", TRANSPOSED)
@pytest.mark.parametrize("shape", [None, (None, None, 11, 13)])
def test_the_transposed_convolution_is_the_adjoint(
    border: Any, dilation: int, groups: int, shape: Any
) -> None:
    random = np.random.default_rng(4)
    w = random.normal(size=(4, 3, 3, 2))
    options = {"border_mode": border, "filter_dilation": (dilation, dilation),
               "num_groups": groups}  # fmt: skip
    steps = (2, 3)
    v = random.normal(size=(2, 3 * groups, 11, 13))
    if shape is None:
        rows = evaluate([T.nnet.conv2d(v, w, subsample=steps, **options)], {})[0]
        x = random.normal(size=rows.shape)
        out = T.nnet.conv2d_transpose(x, w, input_dilation=steps, **options)
        v = random.normal(size=out.type.shape)
        back = T.nnet.conv2d(v, w, subsample=steps, **options)
        assert back.type.shape == x.shape
    else:
        back = T.nnet.conv2d(v, w, subsample=steps, **options)
        x = random.normal(size=back.type.shape)
        out = T.nnet.conv2d_transpose(x, w, shape, input_dilation=steps, **options)
        assert out.type.shape == v.shape
    a, b = evaluate([back, out], {})
    close(np.sum(a * x), np.sum(b * v), border)


def test_the_operations_in_two_steps_are_the_functions() -> None:
    random = np.random.default_rng(6)
    made = T.nnet.abstract_conv
    for name, ones in (("2d", 2), ("3d", 3)):
        x, w = (
            random.normal(size=(2, 3, *(7,) * ones)),
            random.normal(size=(4, 3, *(3,) * ones)),
        )
        options = {
            "subsample": (2,) * ones,
            "filter_flip": False,
            "border_mode": "half",
        }
        y = getattr(made, f"AbstractConv{name}")(x.shape, w.shape, **options)(x, w)
        dx = getattr(made, f"AbstractConv{name}_gradInputs")(**options)(
            w, y, x.shape[2:]
        )
        dw = getattr(made, f"AbstractConv{name}_gradWeights")(**options)(
            x, y, w.shape[2:]
        )
        a, b, c = evaluate([y, dx, dw], {})
        geometry = (2,) * ones, ((1, 1),) * ones, (1,) * ones
        told = looped(x, w, a, *geometry, 1, False)
        for found, wanted in zip((a, b, c), told, strict=True):
            close(found, wanted, name)


def test_the_shape_function_agrees_with_the_op() -> None:
    shape = T.nnet.abstract_conv.get_conv_output_shape
    x, w = image(None, 3, 17, 20), image(8, 3, 3, 4, name="w")
    for mode, window, _ in BORDERS:
        w = image(8, 3, *window, name="w")
        y = T.nnet.conv2d(x, w, border_mode=mode, subsample=(2, 3))
        assert shape((None, 3, 17, 20), w.type.shape, mode, (2, 3)) == y.type.shape
    assert shape((2, 3, 17, None), (8, 3, 3, 3), 1, (1, 1), (2, 2)) == (2, 8, 15, None)


X4, W4 = image(None, 6, 9, 9), image(8, 6, 3, 3, name="w")
WRONG: list[tuple[type[Exception], str, tuple[Any, ...], dict[str, Any]]] = [
    (ShapeError, "3 channels, the filters take 6", (image(2, 3, 9, 9), W4), {}),
    (ShapeError, "6 in each of 2 groups", (X4, W4), {"num_groups": 2}),
    (ShapeError, "do not divide", (X4, image(8, 2, 3, 3)), {"num_groups": 3}),
    (ShapeError, "axes, expected 4", (T.dtensor3("x"), W4), {}),
    (ShapeError, "spans 11", (X4, image(8, 6, 3, 11)), {}),
    (ShapeError, "extent 0", (X4, image(8, 6, 3, 0)), {}),
    (ShapeError, "9, not 8", (X4, W4), {"input_shape": (None, 6, 8, 9)}),
    (ShapeError, "entries for 4 axes", (X4, W4), {"input_shape": (6, 9, 9)}),
    (DtypeError, "Cast", (T.itensor4("x"), T.ltensor4("w")), {}),
    (DtypeError, "Cast", (T.ztensor4("x"), W4), {}),
    (ArgumentError, "border_mode 'wide'", (X4, W4), {"border_mode": "wide"}),
    (ArgumentError, "3 entries for 2", (X4, W4), {"border_mode": (1, 1, 1)}),
    (ArgumentError, "negative", (X4, W4), {"border_mode": (1, -1)}),
    (ArgumentError, "before, after", (X4, W4), {"border_mode": (1, (1, 2, 3))}),
    (ArgumentError, "expected an int", (X4, W4), {"subsample": (1.5, 1)}),
    (ArgumentError, "from 1 up", (X4, W4), {"subsample": (0, 1)}),
    (ArgumentError, "from 1 up", (X4, W4), {"filter_dilation": 0}),
    (ArgumentError, "has 3 entries", (X4, W4), {"filter_dilation": (1, 1, 1)}),
    (ArgumentError, "1 or more", (X4, W4), {"num_groups": 0}),
    (NotSupportedError, "unshared", (X4, W4), {"unshared": True}),
    (NotSupportedError, "symbolic", (X4, W4), {"subsample": (T.lscalar("s"), 1)}),
]  # fmt: skip


@pytest.mark.parametrize("error,text,args,options", WRONG)
def test_a_wrong_call_says_what_is_wrong(
    error: type[Exception], text: str, args: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=text):
        T.nnet.conv2d(*args, **options)


def test_gradient_ops_refuse_what_does_not_fit() -> None:
    fields = (2, 2), ((0, 0), (0, 0)), (1, 1), 1, True
    g, extent = image(2, 8, 4, 4, name="g"), T.constant(9, dtype="int64")
    assert ConvolutionInput(*fields)(g, W4, extent, extent).type.shape == (2, 6, 9, 9)
    with pytest.raises(ShapeError, match="make 5"):
        ConvolutionInput(*fields)(g, W4, T.constant(11, dtype="int64"), extent)
    with pytest.raises(ShapeError, match="8 filters"):
        ConvolutionInput(*fields)(image(2, 7, 4, 4), W4, extent, extent)
    with pytest.raises(DtypeError, match="int64"):
        ConvolutionInput(*fields)(g, W4, T.constant(9, dtype="int32"), extent)
    with pytest.raises(ShapeError, match="1 extents"):
        ConvolutionInput(*fields)(g, W4, extent)
    three = T.constant(3, dtype="int64")
    dw = ConvolutionWeight(*fields)(X4, g, three, three)
    assert dw.type.shape == (8, 6, 3, 3)
    with pytest.raises(ShapeError, match="batches of 3 and 2"):
        ConvolutionWeight(*fields)(image(3, 6, 9, 9), g, three, three)
    with pytest.raises(ShapeError, match="make 1"):
        ConvolutionWeight(*fields)(image(2, 6, 4, 9), g, three, three)
    with pytest.raises(DtypeError, match="differ"):
        Convolution(*fields)(X4, image(8, 6, 3, 3, dtype="float32"))


def test_arrays_that_do_not_fit_are_refused_when_they_come() -> None:
    x, w = T.dtensor4("x"), T.dtensor4("w")
    y = T.nnet.conv2d(x, w)
    for a, b, text in (
        ((1, 3, 5, 5), (4, 2, 3, 3), "expected"),
        ((1, 3, 5, 5), (4, 3, 6, 3), "spans 6"),
        ((1, 3, 5, 5), (4, 3, 0, 3), "extent 0"),
    ):
        with pytest.raises(ShapeError, match=text):
            evaluate([y], {x: np.zeros(a), w: np.zeros(b)})


def test_an_empty_batch_gives_an_empty_result_and_no_gradient() -> None:
    x, w = np.zeros((0, 3, 5, 5)), T.dtensor4("w")
    y = T.nnet.conv2d(x, w)
    found, dw = evaluate([y, grad(T.sum(y), w)], {w: np.ones((4, 3, 3, 3))})
    assert found.shape == (0, 4, 3, 3)
    assert dw.shape == (4, 3, 3, 3)
    assert not dw.any()


def test_half_border_of_shared_filters_is_padding_of_the_op_and_guards_the_window():
    x = T.tensor4("x")
    w = sg.shared(np.ones((2, 1, 3, 5)), name="w")
    y = T.nnet.conv2d(x, w, border_mode="half")
    assert y.owner.op.padding == ((1, 1), (2, 2))
    f = sg.function([x], y, mode="FAST_COMPILE")
    assert f(np.ones((1, 1, 4, 6))).shape == (1, 2, 4, 6)
    w.set_value(np.ones((2, 1, 5, 5)))
    with pytest.raises(sg.errors.ShapeError, match="3"):
        f(np.ones((1, 1, 4, 6)))
