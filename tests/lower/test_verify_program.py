"""The verifier of programs refuses each kind of broken program, and DEBUG runs it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.compile.build import optimized, planned
from symgraph.config import config
from symgraph.core.graph import freeze
from symgraph.core.node import Variable
from symgraph.errors import KernelError, ProgramError
from symgraph.lower import fuse, memory
from symgraph.lower.bounds import with_bounds
from symgraph.lower.ir import Access, Buffer, Kernel, Let, Load, Local, Store, text
from symgraph.lower.ir import Loop as KernelLoop
from symgraph.lower.sizes import SizePolynomial
from symgraph.lower.steps import (
    Branch,
    Copy,
    Launch,
    Loop,
    Program,
    ResolveExtents,
    walk,
)
from symgraph.lower.verify import verify
from symgraph.lower.verify_program import verify_program
from symgraph.runtime.inspection import Inspection


def program(inputs: list[Variable], outputs: list[Variable], **options: Any) -> Program:
    graph = freeze(inputs, outputs, **options)
    leaves = [target for target, _ in graph.updates]
    return planned(optimized(graph).graph, leaves, graph)


def refused(broken: Program, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        verify_program(broken)


def matrix_program() -> Program:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    return program([x, y], [T.dot(T.tanh(T.dot(x, y)), y).sum(axis=0) * 2])


def tail_program() -> Program:
    x = T.dvector("x")
    return program([x], [T.set_subtensor(x[T.argmax(x) :], 0.0)])


def loop_program() -> Program:
    x = T.dvector("x")
    made, _ = sg.scan(lambda k: (x[k : k + 2] ** 2).sum(), sequences=T.arange(3))
    return program([x], [made, sg.grad(made.sum(), x)])


@pytest.mark.parametrize("make", [matrix_program, tail_program, loop_program])
def test_what_is_planned_is_accepted(make: Callable[[], Program]) -> None:
    verify_program(make())


def test_a_step_that_nobody_waited_for_is_refused() -> None:
    made = tail_program()
    made.steps = [step for step in made.steps if not isinstance(step, ResolveExtents)]
    refused(made, "waits for the computed value 0")


def test_steps_before_what_they_wait_for_are_refused() -> None:
    made = tail_program()
    made.steps = sorted(made.steps, key=lambda step: isinstance(step, ResolveExtents))
    refused(made, "waits for|before it is written")


def test_a_computed_size_of_another_loop_is_refused() -> None:
    made = loop_program()
    loops = [step for step in made.steps if isinstance(step, Loop)]
    (first,) = {id(loops[0])}

    def without(step: Any) -> Any:
        if id(step) != first:
            return step
        return step.replace(
            body=tuple(s for s in step.body if not isinstance(s, ResolveExtents))
        )

    made.steps = [without(step) for step in made.steps]
    refused(made, "waits for the computed value")


def test_a_step_that_reads_what_comes_later_is_refused() -> None:
    made = matrix_program()
    made.steps = made.steps[::-1]
    refused(made, "is read before it is written")


def test_an_output_that_nobody_writes_is_refused() -> None:
    made = matrix_program()
    made.steps = made.steps[:-1]
    refused(made, "output 0 is never written")


def test_memory_shared_at_one_time_is_refused() -> None:
    made = matrix_program()
    made.temps = [(size, k, k) for k, (size, *_) in enumerate(made.temps)]
    refused(made, "may share their memory|does not outlive")


def test_writing_to_an_argument_is_refused() -> None:
    made = matrix_program()
    source = made.slots.index(("leaf", 0))
    target = made.slots.index(("leaf", 1))
    size = next(
        k for k, what in enumerate(made.slots) if isinstance(what, SizePolynomial)
    )
    made.steps = [Copy(target, source, size), *made.steps]
    refused(made, "argument 1 is written to")


def test_a_branch_that_leaves_its_result_unwritten_is_refused() -> None:
    x = T.dvector("x")
    made = program([x], [sg.ifelse(x.sum() > 0, x * 2, x + 1)])
    (branch,) = [s for s in made.steps if isinstance(s, Branch)]
    made.steps = [s.replace(otherwise=()) if s is branch else s for s in made.steps]
    refused(made, "output 0 is never written")


def test_a_kernel_that_reads_what_it_has_overwritten_is_refused() -> None:
    x, s = T.dmatrix("x"), sg.shared(np.ones(3))
    made = program([x], [x.sum()], updates=[(s, s * 2)])
    (launch,) = [t for t in walk(made.steps) if isinstance(t, Launch) and
                 len(set(t.buffers)) < len(t.buffers)]  # fmt: skip
    kernel = made.kernels[launch.kernel]
    (loop,) = kernel.body
    assert isinstance(loop, KernelLoop)
    load, *_, store = loop.body
    late = loop.replace(body=(*loop.body[1:-1], store, load))
    made.kernels[launch.kernel] = kernel.replace(body=(late,))
    refused(made, "just before it is stored")


def test_a_size_changed_in_a_loop_is_followed() -> None:
    made = loop_program()
    inspection = Inspection(made)
    atoms = [4 if recipe[0] == "extent" else 0 for recipe in made.recipes]
    known = [recipe[0] == "extent" for recipe in made.recipes]
    inspection.follow(atoms, known, [(4,)], [0] * len(made.slots))


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("taps", [[-1], [-2, -1], [-3, -1]])
@pytest.mark.parametrize("kept", ["all", "last"])
def test_products_go_from_one_row_of_a_state_to_another(
    taps: list[int], kept: str, back: bool
) -> None:
    x, h = T.dmatrix("x"), T.dtensor3("h")
    states, _ = sg.scan(
        lambda *rows: T.dot(sum(rows), x),
        outputs_info=[{"initial": h if len(taps) > 1 else h[0], "taps": taps}],
        n_steps=7,
        go_backwards=back,
    )
    result = states if kept == "all" else states[-1]
    f = sg.function([x, h], [result, sg.grad(T.sin(result).sum(), x)])
    a, rows = np.eye(2) * 0.5 + 0.1, list(np.arange(12.0).reshape(3, 2, 2) / 9)
    rows = rows[: -min(taps)]
    start = np.array(rows)
    for _ in range(7):
        rows.append(sum(rows[t] for t in taps) @ a)
    wanted = np.array(rows[len(start) :])
    value, _ = f(a, start)
    np.testing.assert_allclose(value, wanted if kept == "all" else wanted[-1])


def test_a_product_over_the_row_that_it_reads_is_refused() -> None:
    h = T.dmatrix("h")
    states, _ = sg.scan(lambda s: T.dot(s, h), outputs_info=[h], n_steps=3)
    made = program([h], [states])
    (loop,) = [step for step in made.steps if isinstance(step, Loop)]
    assert [product.c for product in loop.body] == [loop.pointers[1].slot]
    first, second = loop.pointers
    broken = loop.replace(pointers=(first, second.replace(offset=first.offset)))
    made.steps = [broken if step is loop else step for step in made.steps]
    refused(made, "over what it multiplies")


@pytest.mark.parametrize("change", ["offset", "extent", "missing"])
def test_accesses_outside_and_gaps_are_refused(change: str) -> None:
    config.cache = False  # what is found there has been verified
    x = T.dvector("x")
    f = sg.function([x], T.tanh(x[1:]))
    f(np.ones(5))
    made = f._executor.inspection.program
    ((name, kernel),) = made.kernels.items()
    (loop,) = kernel.body
    load = loop.body[0]
    if change == "offset":
        far = load.value.replace(access=Access(2, load.value.access.terms))
        loop = loop.replace(body=(load.replace(value=far), *loop.body[1:]))
        message = "touches bytes 16 to 40"
    elif change == "extent":
        loop, message = loop.replace(extent=9), "touches bytes"
    else:
        loop, message = loop.replace(extent=2), "1 elements of output 0"
    made.kernels[name] = kernel.replace(body=(loop,))
    with pytest.raises(ProgramError, match=message):
        f(np.ones(4))


def test_a_store_in_a_loop_that_does_not_move_it_is_refused() -> None:
    access = Access(0, (("j", 1),))
    body = (
        Let("v", Load("x", access, "float64")),
        Store("y", access, Local("v", "float64")),
    )
    kernel = Kernel(
        "k", (Buffer("x", "float64"), Buffer("y", "float64", "out")), ("n", "m"),
        (KernelLoop("i", "n", (KernelLoop("j", "m", body, "vector"),)),),
    )  # fmt: skip
    with pytest.raises(KernelError, match="stored to in a loop over i"):
        verify(kernel)
    scratch = kernel.replace(
        buffers=(Buffer("x", "float64"), Buffer("y", "float64", "scratch"))
    )
    verify(scratch)


def test_kernels_check_the_places_that_they_load() -> None:
    access = Access(1, (("i", 2),), Load("k", Access(0, (("i", 1),)), "int64"))
    body = (
        Let("v", Load("x", access, "float64")),
        Store("y", Access(0, (("i", 1),)), Local("v", "float64")),
    )
    buffers = (
        Buffer("x", "float64"),
        Buffer("k", "int64"),
        Buffer("y", "float64", "out"),
    )
    kernel = Kernel("k", buffers, ("n", "m"), (KernelLoop("i", "n", body, "vector"),))
    made = with_bounds(kernel, lambda name: "m", 7)
    verify(made)
    assert "fail 7 if" in text(made)
    assert "x[place" in text(made)
    assert with_bounds(made.replace(body=()), lambda name: "m", 7).body == ()


def test_debug_finds_an_update_that_is_made_once_per_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fuse.Fusion, "_wasteful", lambda *_: False)
    x, s = T.dmatrix(), sg.shared(np.ones(3))
    with pytest.raises((KernelError, ProgramError)):
        sg.function([x], x + s * 2, updates=[(s, s * 2)], mode="DEBUG")


def test_debug_finds_values_that_are_overwritten_too_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_is_copied", lambda *_: [])
    monkeypatch.setattr(memory, "_same_places", lambda *_: True)
    monkeypatch.setattr(fuse.Fusion, "_order_updates", lambda self: None)
    a, b = sg.shared(np.ones((3, 3))), sg.shared(np.full((3, 3), 2.0))
    config.verify = "off"
    updates = [(a, T.dot(b, a) + a.T), (b, a + 1)]
    with pytest.raises(ProgramError):
        sg.function([], [], updates=updates, mode="DEBUG")


def test_bounds_in_kernels_change_nothing_that_is_right() -> None:
    config.verify = "bounds"
    x, k = T.dmatrix("x"), T.lvector("k")
    made = T.inc_subtensor(x[k], x[k[::-1]] * 2).sum(axis=1) + x[k[0], k[1]]
    f = sg.function([x, k], [made, sg.grad((made**2).sum(), x)])
    given, at = np.arange(12.0).reshape(4, 3), np.array([2, 0, -1])
    want = given.copy()
    np.add.at(want, at, given[at[::-1]] * 2)
    np.testing.assert_allclose(f(given, at)[0], want.sum(axis=1) + given[2, 0])


def test_results_hold_nan_before_they_are_written() -> None:
    config.cache = False  # what is found there has been verified
    x = T.dvector("x")
    f = sg.function([x], x * 2)
    f(np.ones(3))
    executor = f._executor
    binding = executor.bind([np.ones(3)])
    binding.fast = lambda *arrays: 0  # a program that writes nothing
    assert np.isnan(executor.call([np.ones(3)])[0]).all()
