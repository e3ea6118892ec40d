"""Every function that moves, makes or reduces tensors, against NumPy.

The cases are the samples of tests/samples_structure.py and the files it imports: value,
dtype, static shape, extents, derivative and error texts. What samples cannot say is in
the test files named for the files of ops/.
"""

import numpy as np
import pytest
import samples_structure
from structure import (
    SAMPLES,
    Nested,
    check_errors,
    check_gradients,
    check_values,
    unsampled,
)

from symgraph.core.node import OPS
from symgraph.core.traverse import applies

assert samples_structure  # fills SAMPLES
FILES = ("shape", "specify", "arrange", "movement", "joining", "broadcast", "reduction",
         "statistics", "creation", "diagonal",
         "masks", "sorting", "quantiles", "along", "cumulative", "einsum", "padding",
         "grids", "positions")  # fmt: skip
FILES += ("linalg_cholesky", "linalg_eig", "linalg_eigen", "linalg_expm",
          "linalg_inverse", "linalg_norm", "linalg_qr", "linalg_solve", "linalg_svd",
          "linalg_tensor")  # fmt: skip
OPS_HERE = {op for op in OPS.values() if op.__module__.rpartition(".")[2] in FILES}
NAMES = sorted(SAMPLES)
#: whatever goes in, integers come out, or a constant
INTEGER_VALUED = {"all", "any", "argmax", "argmin", "empty", "eye", "logspace", "ones",
                  "shape", "size", "tri", "zeros", "nonzero", "flatnonzero",
                  "argsort", "argtopk", "searchsorted", "unravel_index",
                  "ravel_multi_index", "inverse_permutation"}  # fmt: skip
INTEGER_VALUED |= {"matrix_rank"}
#: derivatives of complex results are checked in test_linalg.py
COMPLEX_VALUED = {"eig", "eigvals"}


def test_every_public_function_has_samples() -> None:
    assert unsampled(*FILES) == []


def test_every_op_is_reached_by_a_sample() -> None:
    reached = {
        type(node.op)
        for name in NAMES
        for sample in SAMPLES[name]
        if sample.error is None
        for node in applies(sample.build(name)[0])
    }
    assert {op.__name__ for op in OPS_HERE - reached} == {
        "SumTo",
        "ProductOfOthers",
        "Recurrence",  # made by gradients
        "MaskFor",  # by indexing
    }


@pytest.mark.parametrize("name", NAMES)
def test_value_type_and_extents_agree_with_numpy(name: str) -> None:
    check_values(name)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    assert (check_gradients(name) == 0) == (name in INTEGER_VALUED | COMPLEX_VALUED)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_calls_raise_named_errors(name: str) -> None:
    check_errors(name)


def test_the_check_of_values_notices_a_wrong_oracle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SAMPLES, "flip", [Nested((np.arange(3.0),))])
    check_values("flip")
    monkeypatch.setitem(samples_structure.ORACLES, "flip", lambda x: x)
    with pytest.raises(AssertionError, match="flip"):
        check_values("flip")
