"""Every function with samples, on the lockstep device: values are the reference's."""

import os
from typing import Any

import numpy as np
import pytest
from sampling import Sample
from tables import NAMES, samples_of

import symgraph as sg
from symgraph.core.dtypes import is_complex
from symgraph.core.node import Variable

RELATIVE = {"float32": 2e-5, "complex64": 2e-5, "float64": 1e-9, "complex128": 1e-9}
#: SYMGRAPH_LOCKSTEP=all runs the samples that are left out because they take long
ALL = os.environ.get("SYMGRAPH_LOCKSTEP") == "all"
#: every how many samples of a function are run
STEP = 4
SLOW = {"conv2d": 20, "conv2d_transpose": 12, "conv3d": 8, "conv2d_grad_wrt_inputs": 6,
        "conv2d_grad_wrt_weights": 4}  # fmt: skip


def is_refused(name: str, made: list[Variable]) -> bool:
    """Whether no device compiles a sample: the product of complex numbers."""
    return name == "prod" and any(is_complex(v.type.dtype) for v in made)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_reference(name: str) -> None:
    found = [s for s in samples_of(name) if s.error is None]
    built = [(s, *s.build(name)) for s in found[:: 1 if ALL else SLOW.get(name, STEP)]]
    some = [call for call in built if not is_refused(name, call[1])]
    values = {v: a for _, _, given in some for v, a in given.items()}
    outputs = [v for _, made, _ in some for v in made]

    def run(**options: Any) -> Any:
        f = sg.function(list(values), outputs, on_unused_input="ignore", **options)
        with np.errstate(all="ignore"):
            return f(*values.values())

    got = run(device="lockstep")
    wanted = run(mode="FAST_COMPILE")
    pairs: list[tuple[Sample, Variable]] = [(s, v) for s, made, _ in some for v in made]
    for (sample, _), want, have in zip(pairs, wanted, got, strict=True):
        bound = RELATIVE.get(have.dtype.name, 0)
        assert have.dtype == want.dtype
        np.testing.assert_allclose(
            have, want, bound, bound, err_msg=f"{name}{sample}", equal_nan=True
        )
