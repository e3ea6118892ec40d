"""`f.profile()`: what it says of a training step, and that it trains nothing."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.compile.callable import CompiledFunction
from symgraph.compile.profiling import CompileProfile
from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.runtime.profile import Profile

M, N, K = 24, 20, 16


def trained() -> tuple[CompiledFunction, sg.SharedVariable, np.ndarray]:
    """A training step, its parameter, and an input."""
    x = T.fmatrix("x")
    w = sg.shared(np.full((K, N), 0.5, "float32"), name="w")
    cost = T.tanh(T.dot(x, w)).sum()
    step = sg.function([x], cost, updates=[(w, w - sg.grad(cost, w))], name="step")
    return step, w, np.ones((M, K), "float32")


def profiled(calls: int = 3) -> Profile:
    """The profile of that step."""
    step, _, data = trained()
    found = step.profile(data, calls=calls)
    assert isinstance(found, Profile)
    return found


def test_profiling_changes_no_shared_variable_and_counts_no_call() -> None:
    step, w, data = trained()
    before = w.get_value()
    step.profile(data, calls=4)
    np.testing.assert_array_equal(w.get_value(), before)
    twin, v, _ = trained()
    assert float(step(data)) == float(twin(data))
    np.testing.assert_array_equal(w.get_value(), v.get_value())


def test_rows_are_the_steps_sorted_by_time_and_their_shares_make_one() -> None:
    found = profiled()
    seconds = [row.seconds for row in found.rows]
    assert seconds == sorted(seconds, reverse=True)
    assert all(s > 0 for s in seconds)
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    assert sum(seconds) <= found.seconds
    assert found.calls == 3


def test_products_have_their_operations_and_bytes() -> None:
    found = profiled()
    row = next(row for row in found.rows if row.kind == "dot")
    assert row.flops == 2 * M * N * K
    assert row.bytes == 4 * (M * K + K * N + M * N)
    assert f"{M}x{N}x{K}" in row.what
    assert row.gflops == pytest.approx(row.flops / row.seconds / 1e9)


def test_each_row_names_the_users_line() -> None:
    found = profiled()
    places = {place for row in found.rows for place in row.places}
    assert {file for file, _ in places} == {__file__}
    row = next(row for row in found.rows if row.kind == "dot")
    assert "T.tanh(T.dot(x, w)).sum()" in row.line


def test_kinds_sum_the_rows() -> None:
    found = profiled()
    assert sum(steps for steps, _, _ in found.by_kind.values()) == len(found.rows)
    assert sum(s for _, s, _ in found.by_kind.values()) == pytest.approx(
        sum(row.seconds for row in found.rows)
    )


def test_memory_is_what_the_function_holds() -> None:
    found = profiled()
    assert found.shared == 4 * K * N
    assert found.outputs == 4
    assert found.peak_bytes == found.shared + found.outputs + found.temporaries
    assert found.temporaries >= 4 * M * N


def test_it_prints_a_line_for_each_step_and_kind() -> None:
    found = profiled()
    text = str(found)
    for row in found.rows:
        assert row.what[:20] in text
    assert all(part in text for part in ("step: ", "memory: ", "peak: float32"))
    assert repr(found) == text


def test_a_failure_of_the_function_is_its_own_error() -> None:
    x, i = T.dvector("x"), T.lvector("i")
    f = sg.function([x, i], x[i] * 2)
    with pytest.raises(sg.errors.IndexRangeError):
        f.profile(np.ones(3), np.array([0, 7]))


def test_values_are_taken_by_name_and_converted() -> None:
    x = T.dvector("x")
    f = sg.function([x], x + 1)
    found = f.profile(x=[1.0, 2.0], calls=1)
    assert isinstance(found, Profile)
    assert found.rows[0].bytes == 32


def test_arguments_are_checked() -> None:
    step, _, data = trained()
    with pytest.raises(ArgumentError, match="calls=0"):
        step.profile(data, calls=0)
    with pytest.raises(ArgumentError, match="takes no values"):
        step.profile(data, compile=True)
    x = T.dvector("x")
    slow = sg.function([x], x + 1, mode="FAST_COMPILE")
    with pytest.raises(NotSupportedError, match="compiles nothing"):
        slow.profile(np.ones(2))


def test_compilation_is_told_by_stage_and_pass() -> None:
    x = T.dvector("x")
    with sg.config.override(cache=False):
        f = sg.function([x], T.log(1 + T.exp(x)) * 3, name="f")
    found = f.profile(compile=True)
    assert isinstance(found, CompileProfile)
    assert not found.cached
    assert {"key", "rewrite", "lower", "emit", "llvm", "load"} <= found.stages.keys()
    assert {"canonicalize", "stabilize"} <= found.passes.keys()
    assert sum(found.passes.values()) <= found.stages["rewrite"]
    assert found.seconds == pytest.approx(sum(found.stages.values()))
    assert "canonicalize" in str(found)
    assert str(found).startswith("f: compiled in")


def test_loops_branches_and_ops_in_python_have_rows_of_their_own() -> None:
    x, w = T.fmatrix("x"), T.fmatrix("w")
    out, _ = sg.scan(lambda row, h, w: T.tanh(row + T.dot(h, w)), x, x[0] * 0, [w])
    y = T.sort(T.ifelse(x.sum() > 0, out, out * 2), axis=1)
    f = sg.function([x, w], y)
    args = np.ones((9, 16), "float32"), np.ones((16, 16), "float32")
    found = f.profile(*args, calls=2)
    rows = {row.kind: row for row in found.rows}
    assert {"scan", "ifelse", "sort"} <= rows.keys()
    assert rows["scan"].flops >= 9 * 2 * 16 * 16
    assert "9 times" in rows["scan"].what
    assert str(found)
