"""Thirty-five random networks for images: compiled training agrees with the reference.

Three steps each. A failure names the seed; `random_networks.make(seed)` builds it again.
"""

import numpy as np
import pytest
from random_networks import Network, make

import symgraph as sg
import symgraph.backends.cpu.partition as lowering
import symgraph.lower.block_size as grains

NETWORKS = 35
CHUNK = 5
# Winograd's tiles are off: their bound is that of one convolution, not of a network
RELATIVE = {"float32": 1e-3, "float64": 1e-9}
STEPS = 3


def run(made: Network, mode: str) -> list[list[np.ndarray]]:
    """Outputs of three steps, then all shared variables; they are put back."""
    shared = list(dict(made.updates))
    before = [s.get_value() for s in shared]
    step = sg.function(
        list(made.values), made.outputs, updates=made.updates, mode=mode,
        on_unused_input="ignore",
    )  # fmt: skip
    found = [step(*made.values.values()) for _ in range(STEPS)]
    found.append([s.get_value() for s in shared])
    for variable, value in zip(shared, before, strict=True):
        variable.set_value(value)
    return found


def compare(made: Network) -> int:
    """Compare two modes; how many arrays were compared."""
    given = [a.copy() for a in made.values.values()]
    with sg.config.override(winograd=0):
        have = run(made, "FAST_RUN")
    for array, kept in zip(made.values.values(), given, strict=True):
        assert np.array_equal(array, kept), f"{made}: an input was written to"
    with np.errstate(all="ignore"):
        want = run(made, "FAST_COMPILE")
    count = 0
    for step, (some, others) in enumerate(zip(have, want, strict=True)):
        for k, (a, b) in enumerate(zip(some, others, strict=True)):
            note = f"{made}, step {step}, array {k}"
            assert a.shape == b.shape, note
            assert a.dtype == b.dtype, note
            bound = RELATIVE.get(b.dtype.name, 0.0)
            scale = float(np.abs(b).max()) if b.size and bound else 0.0
            np.testing.assert_allclose(
                a, b, bound, bound * max(scale, 1e-2), err_msg=note
            )
            count += 1
    return count


@pytest.mark.parametrize("first", range(0, NETWORKS, CHUNK))
def test_compiled_networks_train_as_the_reference_does(first: int) -> None:
    assert sum(compare(make(seed)) for seed in range(first, first + CHUNK)) >= CHUNK * 5


@pytest.mark.parametrize("seed", [1010, 1011])
def test_networks_have_the_same_bits_with_any_number_of_threads(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grains, "LEAST", 1)
    monkeypatch.setattr(grains, "BLOCK", 1)
    monkeypatch.setattr(lowering, "LEAST", 0)
    results = []
    made = make(seed)
    for threads in (1, 3, 8):
        with sg.config.override(cache=False, threads=threads):
            found = run(made, "FAST_RUN")
        results.append([a.tobytes() for step in found for a in step])
    assert results[0] == results[1] == results[2]


def test_a_seed_gives_the_same_network_again() -> None:
    first, second = make(3), make(3)
    assert repr(first) == repr(second)
    for a, b in zip(first.values.values(), second.values.values(), strict=True):
        assert np.array_equal(a, b)
