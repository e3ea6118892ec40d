"""`scan_checkpoints`: the same states as `scan`, stored sparsely."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.loops.scan import Scan

RNG = np.random.default_rng(0)
INPUTS = [T.dmatrix("x"), T.dmatrix("w"), T.dvector("h")]


def step(row: Any, s: Any) -> Any:
    """One step of a recurrent network."""
    return T.tanh(T.dot(s, INPUTS[1]) + row)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
@pytest.mark.parametrize(("rows", "every"), [(7, 3), (6, 3), (2, 5)])
def test_states_and_gradients_are_those_of_scan(
    rows: int, every: int, mode: str
) -> None:
    x, _, h = INPUTS
    whole, _ = sg.scan(step, x, h)
    few, _ = sg.scan_checkpoints(step, x, h, save_every_N=every)
    both = []
    for last in (whole[-1], few[-1]):
        roots = [last, *sg.grad((last**2).sum(), INPUTS)]
        f = sg.function(INPUTS, roots, mode=mode)
        both.append(
            f(
                *(
                    np.random.default_rng(1).normal(size=s)
                    for s in ((rows, 3), (3, 3), 3)
                )
            )
        )
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_only_one_state_of_a_chunk_is_stored() -> None:
    x, w, h = INPUTS
    out, _ = sg.scan_checkpoints(step, x, h, save_every_N=3)
    graph = freeze(INPUTS, [sg.grad(out[-1].sum(), w)])
    loops = [n.op for n in graph.applies() if isinstance(n.op, Scan)]
    assert len(loops) == 2
    forward, backward = loops
    assert len(forward.inner.outputs) == 1
    inside = freeze(backward.inner.inputs, backward.inner.outputs)
    assert sum(isinstance(n.op, Scan) for n in inside.applies()) == 2


def test_rows_are_the_states_at_the_ends_of_chunks() -> None:
    x = T.dvector("x")
    out, _ = sg.scan_checkpoints(
        lambda a, s: s + a, x, T.constant(0.0), n_steps=5, save_every_N=2
    )
    f = sg.function([x], out, mode="FAST_COMPILE")
    assert f([1.0, 2.0, 3.0, 4.0, 5.0, 9.0]).tolist() == [3.0, 10.0, 15.0]


def test_what_it_does_not_take_is_named() -> None:
    x = T.dvector("x")
    with pytest.raises(NotSupportedError, match="taps"):
        sg.scan_checkpoints(lambda a, s: s, dict(input=x, taps=[1]), 0.0)
    with pytest.raises(NotSupportedError, match="every output"):
        sg.scan_checkpoints(lambda a: a, x)
    with pytest.raises(ArgumentError, match="save_every_N=0"):
        sg.scan_checkpoints(lambda a, s: s, x, 0.0, save_every_N=0)
