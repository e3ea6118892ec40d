"""Every elementwise function: value, type, extents, body, error and printing.

The cases are the samples of tests/samples.py; the values are computed by the reference
backend and compared with NumPy and SciPy. Derivatives are tested in
test_elementwise_gradient.py, dtypes and integers in test_elementwise_dtypes.py.
"""

import re
from typing import Any

import numpy as np
import pytest
import tables
from samples import ORACLES, SAMPLES
from sampling import Sample, built, variable

from symgraph.backends.reference import evaluate
from symgraph.core import text
from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import applies
from symgraph.errors import DtypeError, ShapeError, SymgraphError
from symgraph.ops.families import NUMPY_PRIMITIVES, SCALARS, Elementwise

NAMES = sorted(SAMPLES)
MODULES = {
    f"symgraph.ops.{name}"
    for name in "arithmetic piecewise comparison complex exponential trigonometric "
    "special gradient".split()
}
TOLERANCE = {"float32": 3e-6, "complex64": 3e-6, "float64": 1e-13, "complex128": 1e-13}
#: computed by formulas that lose some digits (stated in their docstrings)
ROUGH = {"gamma": 30, "sinc_slope": 300, "power": 10, "float_power": 10,
         "tri_gamma": 30, "digamma": 30, "gammaln": 30, "polygamma": 100}  # fmt: skip
#: sign of a zero that NumPy does not promise either
LOOSE_ZEROS = {"relu", "maximum", "minimum", "fmax", "fmin", "clip", "hypot", "erfinv",
               "sinc_slope"}  # fmt: skip
#: convert their operands before the function that refuses them
CONVERTING = {"float_power", "logical_and", "logical_or", "logical_xor"}


def oracle(name: str, sample: Sample, dtype: str) -> Any:
    """What NumPy says; integers as float64 where the result is a float."""
    floats = dtype.startswith(("float", "complex"))

    def given_(value: Any) -> Any:
        array = np.asarray(value)
        if floats and array.dtype.kind in "biu" and name != "switch":
            return array.astype("float64")
        if dtype in ("float64", "complex128") and array.dtype.kind == "f":
            return array.astype("float64")
        if name in ("add", "mul", "power", "left_shift", "right_shift"):
            return array.astype(dtype)
        return value

    with np.errstate(all="ignore"):
        return ORACLES[name](*map(given_, sample.args), **sample.kwargs)


# --- coverage -------------------------------------------------------------------------


def test_every_scalar_function_has_samples() -> None:
    reached = {
        node.op.scalar
        for name in NAMES
        for _, outputs, _ in built(name, SAMPLES[name])
        for node in applies(outputs)
        if isinstance(node.op, Elementwise)
    }
    internal = {"broadcast_extent", "materialize"}
    mine = {n for n in SCALARS if n not in internal and not n.startswith("user_")}
    assert mine - reached == set()


def test_every_public_elementwise_function_has_samples() -> None:
    # what also has a form that is not elementwise stands in another table
    sampled = {PUBLIC[name] for name in tables.NAMES}
    missing = [
        name
        for name, function in PUBLIC.items()
        if function.__module__ in MODULES and function not in sampled
    ]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_samples_hold_what_is_easily_forgotten(name: str) -> None:
    samples = [s for s in SAMPLES[name] if s.error is None]
    shapes = {a.shape for s in samples for a in s.args if isinstance(a, np.ndarray)}
    assert any(0 in shape for shape in shapes) or name in _WITHOUT_EMPTY
    assert any(s.error for s in SAMPLES[name]) or name in _NEVER_FAILS


_WITHOUT_EMPTY = {"invert", "and_", "or_", "xor", "left_shift", "right_shift", "iround"}
#: one operand of any dtype
_NEVER_FAILS = set(
    """abs fabs sqr sqrt rsqrt inv copy real imag conj angle isnan isinf isfinite
    isposinf isneginf logical_not exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin
    arccos arctan sinh cosh tanh arcsinh arccosh arctanh deg2rad rad2deg
    disconnected_grad zero_grad""".split()
)


# --- values and types -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_value_is_that_of_numpy(name: str) -> None:
    for sample, outputs, values in built(name, SAMPLES[name]):
        found = evaluate(outputs, values)
        expected = oracle(name, sample, outputs[0].type.dtype)
        if len(outputs) == 1:
            expected = (expected,)
        for array, wanted in zip(found, expected, strict=True):
            scale = ROUGH.get(name, 1)
            if array.dtype.kind in "fc":
                tolerance = TOLERANCE[array.dtype.name] * scale
                with np.errstate(over="ignore"):
                    wanted = np.asarray(wanted).astype(array.dtype)
                np.testing.assert_allclose(
                    array, wanted, rtol=tolerance, atol=tolerance, err_msg=str(sample)
                )
                if sample.special and name not in LOOSE_ZEROS:
                    zero = array == 0
                    np.testing.assert_array_equal(
                        np.signbit(array[zero]), np.signbit(wanted[zero])
                    )
            else:
                np.testing.assert_array_equal(array, wanted, err_msg=str(sample))


@pytest.mark.parametrize("name", NAMES)
def test_inferred_type_is_that_of_the_value(name: str) -> None:
    for sample, outputs, values in built(name, SAMPLES[name]):
        for result, array in zip(outputs, evaluate(outputs, values), strict=True):
            assert result.type.dtype == array.dtype.name, sample
            assert result.ndim == array.ndim, sample
            for static, actual in zip(result.type.shape, array.shape, strict=True):
                assert static is None or static == actual, sample


def computed(
    outputs: list[Variable], values: dict[Variable, Any]
) -> list[tuple[Apply, list[np.ndarray], np.ndarray]]:
    """Elementwise nodes with the values of their operands and results."""
    order = [n for n in applies(outputs) if isinstance(n.op, Elementwise)]
    wanted = list({v: None for n in order for v in (*n.inputs, *n.outputs)})
    arrays = dict(zip(wanted, evaluate(wanted, values), strict=True))
    return [(n, [arrays[v] for v in n.inputs], arrays[n.outputs[0]]) for n in order]


@pytest.mark.parametrize("name", NAMES)
def test_inferred_extents_are_those_of_the_value(name: str) -> None:
    for sample, outputs, values in built(name, SAMPLES[name]):
        for node, operands, result in computed(outputs, values):
            extents: dict[Variable, Any] = {}
            shapes = []
            for operand, array in zip(node.inputs, operands, strict=True):
                shape: list[Any] = list(operand.type.shape)
                for axis, actual in enumerate(array.shape):
                    if shape[axis] is None:
                        shape[axis] = variable("int64")
                        extents[shape[axis]] = actual
                shapes.append(tuple(shape))
            (found,) = node.op.infer_shape(node.inputs, shapes)
            numbers = [
                e if isinstance(e, int) else int(evaluate([e], extents)[0])
                for e in found
            ]
            assert tuple(numbers) == result.shape, sample


@pytest.mark.parametrize("name", NAMES)
def test_body_in_primitives_agrees_with_the_reference(name: str) -> None:
    for sample, outputs, values in built(name, SAMPLES[name]):
        for node, operands, result in computed(outputs, values):
            scalar = SCALARS[node.op.scalar]
            if scalar.body is None:
                continue
            with np.errstate(all="ignore"):
                found = np.asarray(scalar.body(NUMPY_PRIMITIVES, *operands))
            assert found.dtype == result.dtype, sample
            found = np.broadcast_to(found, result.shape)
            tolerance = TOLERANCE.get(found.dtype.name, 0)
            np.testing.assert_allclose(found, result, tolerance, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_operands_give_the_named_error_with_their_types(name: str) -> None:
    for sample in SAMPLES[name]:
        if sample.error is None:
            continue
        with pytest.raises(sample.error) as caught:
            sample.build(name)
        assert isinstance(caught.value, SymgraphError)
        if sample.error in (DtypeError, ShapeError):
            first = next(a for a in sample.args if isinstance(a, np.ndarray))
            message = str(caught.value)
            assert "sampling.py:" in message, sample
            if name not in CONVERTING:
                assert re.search(rf"x\d : {first.dtype.name} ", message), sample


@pytest.mark.parametrize("name", NAMES)
def test_expression_prints_with_the_names_of_its_inputs(name: str) -> None:
    for _, outputs, values in built(name, SAMPLES[name]):
        line = "; ".join(text.expression(result) for result in outputs)
        program = text.lines(outputs)
        assert "object at" not in line + program
        for leaf in values:
            if any(leaf in node.inputs for node in applies(outputs)):
                assert str(leaf.name) in line
                assert f"{leaf.name} : {leaf.type}" in program
