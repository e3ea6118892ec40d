"""Bugs planted in generated kernels: the lockstep device catches each."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import LockstepError

X = np.random.default_rng(0).normal(size=(3, 200))


def watched() -> Any:
    """Softmax, a column sum and a doubling, with threads watched."""
    x = T.dmatrix("x")
    outputs = [T.nnet.softmax(x), x.sum(), x * 2 + 1]
    with sg.config.override(verify="bounds"):
        return sg.function([x], outputs, device="lockstep")


def without(text: str, part: str, number: int) -> str:
    """The text without the line that holds the given occurrence of a part."""
    lines = text.split("\n")
    places = [k for k, line in enumerate(lines) if part in line]
    if number >= len(places):
        return text
    del lines[places[number]]
    return "\n".join(lines)


def changed(change: Callable[[str], str]) -> tuple[Any, int]:
    """The function with a change in each of its kernels, and how many it changed."""
    f = watched()
    executable = f._executor.executable
    before = dict(executable.texts)
    for name, text in before.items():
        executable.texts[name] = dataclasses.replace(text, source=change(text.source))
    return f, sum(executable.texts[n].source != t.source for n, t in before.items())


def is_caught(f: Any) -> bool:
    """Whether a run raises, or gives other values, with some order of threads."""
    truth = sg.function(f.request.inputs and [f.request.inputs[0].variable],
                        f.request.outputs)(X)  # fmt: skip
    for seed in range(4):
        f._executor.executable.seed = seed
        try:
            got = f(X)
        except LockstepError:
            return True
        for want, have in zip(truth, got, strict=True):
            if not np.allclose(want, have):
                return True
    return False


def test_what_is_generated_is_clean() -> None:
    assert not is_caught(watched())


BARRIER = "cuda.syncthreads()"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a missing barrier", lambda t: without(t, BARRIER, 0)),
        ("a barrier missing later", lambda t: without(t, BARRIER, 2)),
        (
            "a divergent barrier",
            lambda t: t.replace(f" {BARRIER}", f" if cuda.threadIdx.x < 7: {BARRIER}"),
        ),
        ("an index one too far", lambda t: t.replace("i2]", "i2 + 1]")),
        (
            "an output left unwritten",
            lambda t: t.replace("] = v", "] = float64(math.nan) * v", 1),
        ),
        ("a race", lambda t: t.replace("] = v", " // 2] = v")),
        ("a wrong mask", lambda t: t.replace("0xFFFFFFFF", "0x0000FFFF")),
        ("a row of two blocks", lambda t: t.replace("blockIdx.x * b2", "blockIdx.y * b2")),
    ],
    ids=lambda x: x.replace(" ", "_") if isinstance(x, str) else "",
)  # fmt: skip
def test_a_planted_bug_is_caught(name: str, change: Callable[[str], str]) -> None:
    f, count = changed(change)
    assert count, "the kernels no longer have what is to be broken"
    assert is_caught(f)


def test_an_output_that_no_kernel_writes_is_seen_as_nan() -> None:
    f = watched()
    executable = f._executor.executable
    (last, *_) = reversed(executable.texts)
    text = executable.texts[last]
    executable.texts[last] = dataclasses.replace(
        text, source=f"def {text.name}({', '.join(text.parameters)}):\n    pass\n"
    )
    assert any(np.isnan(a).any() for a in f(X))


def test_a_host_pointer_is_refused() -> None:
    f = watched()
    f(X)
    executor = f._executor
    binding = executor.bind([X])
    slots = binding.slots.copy()
    slots[executor.slot_of["leaf", 0]] = X.ctypes.data
    with pytest.raises(LockstepError, match="memory of this process"):
        executor.executable._step(slots)
