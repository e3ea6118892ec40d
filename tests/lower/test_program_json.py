"""Programs survive JSON, whole and as the manifests of cached objects."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ProgramError
from symgraph.lower.program_json import from_json, to_json
from symgraph.lower.steps import Program, walk
from symgraph.lower.verify import verify
from symgraph.lower.verify_program import verify_program


def sizes() -> Program:
    x, n, i = T.dmatrix("x"), T.lscalar("n"), T.lvector("i")
    outputs = [x[:n].sum(), x[i], T.arange(n) + x.shape[0], T.exp(x)[x[:, 0] > 0]]
    return sg.function([x, n, i], outputs).program


def loops() -> Program:
    x, h, flag = T.dmatrix("x"), T.dvector("h"), T.bscalar("flag")
    w = sg.shared(np.eye(3), name="w")
    states, _ = sg.scan(lambda r, s: T.tanh(T.dot(s, w) + r), x, h)
    chosen = sg.ifelse(flag, states[-1], T.sort(h))
    return sg.function(
        [x, h, flag], [chosen, states.sum()], updates=[(w, w * 2)]
    ).program


def images() -> Program:
    x, w = T.ftensor4("x"), T.ftensor4("w")
    y = T.nnet.relu(T.nnet.conv2d(x, w))
    return sg.function([x, w], T.max(y, axis=(2, 3)) / 3).program


def again(program: Program, **how: Any) -> Program:
    nodes = {repr(call.node.op): call.node for call in program.calls}
    data = json.loads(json.dumps(to_json(program, **how)))
    return from_json(data, nodes=nodes)


@pytest.mark.parametrize("make", [sizes, loops, images])
def test_a_program_is_equal_after_json(make: Callable[[], Program]) -> None:
    program = make()
    read = again(program, body=True)
    for field in Program.fields:
        if field in ("constants", "sources"):
            continue
        assert getattr(read, field) == getattr(program, field), field
    for one, other in zip(read.constants, program.constants, strict=True):
        np.testing.assert_array_equal(one, other)
    verify_program(read)
    for kernel in read.kernels.values():
        verify(kernel)


def test_kinds_of_steps_are_tried() -> None:
    found = {
        type(step).__name__
        for make in (sizes, loops, images)
        for step in walk(make().steps)
    }
    assert found >= {"Launch", "Loop", "Branch", "HostCall", "ResolveExtents",
                     "Copy", "Convolution"}  # fmt: skip


def test_a_manifest_has_no_body_and_places_are_replaced() -> None:
    program = sizes()
    data = to_json(program, lambda text: text.replace("test_program_json", "?"))
    assert "steps" not in data
    assert "kernels" not in data
    assert "test_program_json" not in json.dumps(data)
    nodes = {repr(call.node.op): call.node for call in program.calls}
    read = from_json(data, lambda text: text.replace("?", "test_program_json"), nodes)
    assert read.checks == program.checks
    assert read.steps == []


def test_a_record_of_no_program_is_refused() -> None:
    data = {**to_json(images()), "steps": [{"steps.Shell": ["rm"]}]}
    with pytest.raises(ProgramError, match=r"no record is called 'steps\.Shell'"):
        from_json(data)
