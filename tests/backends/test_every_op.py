"""Every function with samples, compiled: values, dtypes and shapes as the reference has.

All samples of a function are the outputs of one compiled function. The reference itself
is checked against NumPy and SciPy in tests/ops/.
"""

from typing import Any

import numpy as np
import pytest
from sampling import Sample
from tables import NAMES, samples_of

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.dtypes import DTYPES, is_complex
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.errors import NotSupportedError

RELATIVE = {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-12, "complex128": 1e-12}
#: NumPy leaves the sign of a zero open where operands are 0.0 and -0.0
OPEN_ZEROS = {"maximum", "minimum", "relu", "largest", "smallest", "clip", "fmax",
              "fmin", "max", "min"}  # fmt: skip
Call = tuple[Sample, list[Variable], dict[Variable, np.ndarray]]


def calls(name: str) -> list[Call]:
    """The samples of a function that build, with outputs and values of inputs."""
    found = [s for s in samples_of(name) if s.error is None]
    return [(sample, *sample.build(name)) for sample in found]


def refused(name: str, call: Call) -> bool:
    """Whether a sample has no compiled form, and says so: the product of complex."""
    if name != "prod" or not any(is_complex(v.type.dtype) for v in call[1]):
        return False
    try:
        compiled([call], "FAST_RUN")
    except NotSupportedError as error:
        return "FAST_COMPILE" in str(error)
    return False


def compiled(some: list[Call], mode: str) -> list[np.ndarray]:
    """Results of all calls by one function."""
    values = {v: a for _, _, given in some for v, a in given.items()}
    outputs = [v for _, made, _ in some for v in made]
    function = sg.function(list(values), outputs, mode, on_unused_input="ignore")
    with np.errstate(all="ignore"):
        result: list[np.ndarray] = function(*values.values())
    return result


def compare(name: str, sample: Any, v: Variable, want: Any, have: Any) -> None:
    """Values, dtype, shape and the sign of zeros are those of the reference."""
    note = f"{name}{sample}"
    assert have.dtype.name == v.type.dtype == want.dtype.name, note
    assert have.shape == want.shape, note
    assert len(v.type.shape) == have.ndim, note
    assert all(e in (None, n) for e, n in zip(v.type.shape, have.shape, strict=True)), (
        note
    )
    bound = RELATIVE.get(have.dtype.name)
    if bound is None:
        np.testing.assert_array_equal(have, want, note)
        return
    np.testing.assert_allclose(have, want, bound, bound, err_msg=note)
    if have.dtype.kind == "f" and name not in OPEN_ZEROS:
        zeros = (want == 0) & (have == 0)
        assert (np.signbit(want) == np.signbit(have))[zeros].all(), note


@pytest.mark.parametrize("name", NAMES)
def test_compiled_values_are_those_of_the_reference(name: str) -> None:
    some = [call for call in calls(name) if not refused(name, call)]
    wanted = compiled(some, "FAST_COMPILE")
    got = compiled(some, "FAST_RUN")
    pairs = [(sample, v) for sample, made, _ in some for v in made]
    assert len(pairs) == len(wanted) == len(got)
    for (sample, v), want, have in zip(pairs, wanted, got, strict=True):
        compare(name, sample, v, want, have)


def test_casts_between_all_dtypes_are_those_of_numpy() -> None:
    values = [np.array([0, 1, -1, 3, 100]), np.array([0.0, -0.5, 2.7, 1e6, 65.0])]
    arrays = {
        dtype: (values[1] if dtype[0] in "fc" else values[0]).astype(dtype)
        for dtype in DTYPES
    }
    inputs = {dtype: T.TensorType(dtype, (None,))(dtype) for dtype in DTYPES}
    pairs = [
        (a, b)
        for a in DTYPES
        for b in DTYPES
        if not (is_complex(a) and not is_complex(b))
        and not (a[0] in "fc" and b[0] == "u")  # undefined in C for negative values
        and not (a[0] in "fc" and b in ("int8", "int16"))  # and for large ones
    ]
    outputs = [T.cast(inputs[a], b) for a, b in pairs]
    got = sg.function(list(inputs.values()), outputs)(*arrays.values())
    for (a, b), have in zip(pairs, got, strict=True):
        assert have.dtype == b
        np.testing.assert_array_equal(have, arrays[a].astype(b), f"{a} to {b}")


def test_every_public_function_of_tensors_has_samples() -> None:
    of_tuples = {"get_conv_output_shape"}  # computes no tensor
    sampled = {PUBLIC[name] for name in (*NAMES, *of_tuples, "cast", "astype")}
    calculus = {"symgraph.autodiff", "symgraph.compile"}
    missing = [
        name
        for name, function in PUBLIC.items()
        if function not in sampled
        and ".".join(function.__module__.split(".")[:2]) not in calculus
    ]
    assert missing == []
