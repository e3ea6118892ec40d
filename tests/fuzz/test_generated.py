"""Calls drawn by hypothesis: NumPy's values and shapes, on both backends.

The families are in tests/generated_*.py. Each draws the number of cases that it states,
so that the number of generated cases of the whole is known: at least five thousand.
They are the same in each run; SYMGRAPH_GENERATED=10 draws ten times as many new ones.
"""

import importlib
import os
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from generated import FAMILIES, Case, Values, check, check_arrays
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import symgraph as sg
from symgraph.core.node import Variable

for _path in sorted(Path(__file__).parents[1].glob("generated_*.py")):
    importlib.import_module(_path.stem)

BATCH = 20
MORE = int(os.environ.get("SYMGRAPH_GENERATED", "0"))
QUIET = {
    "deadline": None,
    "derandomize": not MORE,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_generated_calls_have_numpys_values_and_the_inferred_shapes(name: str) -> None:
    family = FAMILIES[name]
    seen = 0

    @settings(max_examples=family.examples * max(MORE, 1), **QUIET)
    @given(family.cases)
    def run(case: Case) -> None:
        nonlocal seen
        seen += 1
        check(case)

    run()
    assert seen >= family.examples


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.batches])
def test_generated_calls_compiled_have_numpys_values(name: str) -> None:
    family = FAMILIES[name]
    several = st.lists(family.cases, min_size=BATCH, max_size=BATCH)

    @settings(
        max_examples=family.batches * max(MORE, 1), phases=[Phase.generate], **QUIET
    )
    @given(several)
    def run(cases: list[Case]) -> None:
        cases = [c for c in cases if c.error is None]
        values: Values = {}
        made: list[list[Variable]] = []
        for case in cases:
            outputs, own = case.made()
            made.append(outputs)
            values.update(own)
        function = sg.function(
            list(values), [*chain(*made)], "FAST_RUN", on_unused_input="ignore"
        )
        with np.errstate(all="ignore"):
            found = iter(function(*values.values()))
        for case, outputs in zip(cases, made, strict=True):
            check_arrays(case, outputs, [next(found) for _ in outputs], hidden=True)

    run()


def test_at_least_five_thousand_cases_are_generated() -> None:
    cases = sum(f.examples for f in FAMILIES.values())
    compiled = sum(f.batches * BATCH for f in FAMILIES.values())
    assert cases >= 5000
    assert compiled >= 600
