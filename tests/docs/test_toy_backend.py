"""The backend of docs/howto/add-a-backend.md is short, and right for samples of ops."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sampling import Sample
from tables import TABLES

import symgraph as sg
from symgraph.backends import registry
from symgraph.config import DEVICES
from symgraph.core.dtypes import is_complex
from symgraph.core.public import PUBLIC

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-a-backend.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
)
#: from the first block that imports the registry to the one that registers the device
CODE = next(
    "\n".join(BLOCKS[i : j + 1])
    for i, first in enumerate(BLOCKS)
    if "import registry" in first
    for j, last in enumerate(BLOCKS)
    if "registry.add(" in last
)
#: elementwise functions, and reductions with what is made of them
TABLE = TABLES["samples"] | {
    name: samples
    for name, samples in TABLES["structure"].items()
    if PUBLIC[name].__module__.endswith((".reduction", ".statistics"))
}


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    """The device of the page, for this file."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(CODE, {"np": np})
    yield
    registry._added.pop("toy")
    registry._made.pop("toy", None)
    DEVICES.pop("toy")


def test_it_is_short() -> None:
    assert len([line for line in CODE.splitlines() if line.strip()]) < 150


def small(sample: Sample) -> bool:
    arrays = [a for a in sample.args if isinstance(a, np.ndarray)]
    return sample.error is None and all(
        a.size <= 40 and not is_complex(a.dtype.name) for a in arrays
    )


@pytest.mark.parametrize("name", sorted(TABLE))
def test_samples_have_the_values_of_the_reference(name: str) -> None:
    for sample in [sample for sample in TABLE[name] if small(sample)][:3]:
        outputs, values = sample.build(name)
        got, want = (
            sg.function(
                list(values), outputs, mode, device=device, on_unused_input="ignore"
            )
            for mode, device in (("FAST_RUN", "toy"), ("FAST_COMPILE", None))
        )
        with np.errstate(all="ignore"):
            pairs = zip(want(*values.values()), got(*values.values()), strict=True)
        for right, have in pairs:
            assert have.dtype == right.dtype
            exact = 1e-5 if have.dtype.itemsize == 4 else 1e-12
            np.testing.assert_allclose(have, right, exact, exact, err_msg=repr(sample))
