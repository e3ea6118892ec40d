"""DEBUG mode finds what is wrong and names it."""

import re
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.compile import build as building
from symgraph.compile import debug
from symgraph.errors import DebugError, NaNError
from symgraph.rewrite import pipeline


def test_the_first_node_that_makes_a_nan_is_named_with_its_line() -> None:
    x = T.dvector("x")
    inside = T.log(x)  # the culprit
    f = sg.function([x], (inside * 2).sum(), mode="DEBUG")
    assert float(f([1.0, 1.0])) == 0.0
    with pytest.raises(NaNError) as caught:
        f([1.0, -1.0])
    text = str(caught.value)
    line = test_the_first_node_that_makes_a_nan_is_named_with_its_line.__code__
    assert f"test_debug.py:{line.co_firstlineno + 2}" in text
    assert "log(x)" in text
    assert "from -1.0 to 1.0" in text
    assert "x : float64" in text


def test_a_nan_that_comes_in_may_go_through() -> None:
    x = T.dvector("x")
    f = sg.function([x], x * 2, mode="DEBUG")
    assert np.isnan(f([np.nan, 1.0])[0])


def test_shared_values_survive_a_nan() -> None:
    x, w = T.dscalar("x"), sg.shared(1.0)
    f = sg.function([x], updates=[(w, T.sqrt(x))], mode="DEBUG")
    with pytest.raises(NaNError, match="sqrt"):
        f(-1.0)
    assert float(w.get_value()) == 1.0


def test_a_wrong_rewrite_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    optimize = pipeline.optimize

    def wrong(*args: Any, **options: Any) -> Any:
        found = optimize(*args, **options)
        with found.graph.interner:
            roots = [v + 1.0 for v in found.graph.roots]
        return type(found)(
            found.graph.with_roots(roots), found.firings, found.statistics
        )

    x = T.dvector("x")
    f = sg.function([x], T.exp(x) * 3.25, mode="DEBUG")
    assert f([0.0]).tolist() == [3.25]
    monkeypatch.setattr(pipeline, "optimize", wrong)
    with pytest.raises(DebugError, match=r"(?s)rewrite.*exp\(x\).*3.25.*4.25"):
        f([0.0])


def test_wrong_machine_code_is_found_at_its_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from symgraph.backends.cpu import device

    x = T.dvector("x")
    f = sg.function([x], T.tanh(x * 7.125) - 2.0, mode="DEBUG")
    text = device.module_text

    def wrong(*args: Any) -> str:
        return re.sub(r"fsub contract", "fadd contract", text(*args))

    monkeypatch.setattr(device, "module_text", wrong)
    with sg.config.override(cache=False):
        with pytest.raises(DebugError, match="compiled code and reference disagree"):
            f([0.3, 0.4])


def test_debug_mode_gives_what_fast_run_gives_and_updates_once() -> None:
    x = T.dmatrix("x")
    w = sg.shared(np.ones(3))
    outputs = [T.nnet.softmax(x), (x * w).sum(axis=0), x.argmax(axis=1), x.max()]
    f = sg.function([x], outputs, updates=[(w, w + x.sum(axis=0))], mode="DEBUG")
    a = np.random.default_rng(0).normal(size=(4, 3))
    first = f(a)
    np.testing.assert_allclose(w.get_value(), 1 + a.sum(axis=0))
    w.set_value(np.ones(3))
    g = sg.function([x], outputs, updates=[(w, w + x.sum(axis=0))])
    for one, other in zip(first, g(a), strict=True):
        np.testing.assert_allclose(one, other)
    assert building.Timings().stages == {}


RANDOM = np.random.default_rng(0)


def _cancelled() -> list[Any]:
    x, m = T.dvector("x"), T.dmatrix("m")
    values, rows = RANDOM.random(1000), RANDOM.random((30, 40))
    f, r = T.fvector("f"), RANDOM.random(500).astype("float32")
    return [
        (x, (x - x.mean()).sum(), values),
        (x, ((x - x.mean()) / x.std()).sum(), values),
        (x, x.var() - ((x**2).mean() - x.mean() ** 2), values + 100),
        (m, T.nnet.softmax(m).sum(axis=1) - 1, rows),
        (m, (m - m.mean(axis=0)).sum(axis=0), rows),
        (f, (f - f.mean()).sum(), r),
        (x, T.exp(x) - T.exp(x + 1e-14), values),
    ]


@pytest.mark.parametrize("k", range(7))
def test_what_is_left_of_sums_that_cancel_is_no_difference(k: int) -> None:
    variable, expression, value = _cancelled()[k]
    sg.function([variable], expression, mode="DEBUG")(value)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: T.log(T.nnet.sigmoid(x)),
        lambda x: sg.grad(T.log(T.nnet.sigmoid(x)).sum(), x),
        lambda x: T.log(1 + T.exp(x)),
        lambda x: T.log(T.nnet.softmax(T.stack([x, -x]).T)),
        lambda x: T.nnet.binary_crossentropy(T.nnet.sigmoid(x), 1.0).mean(),
        lambda x: -T.log(T.nnet.softmax(T.stack([x, -x]).T))[:, 0].mean(),
    ],
)
def test_a_stable_form_of_what_overflows_is_no_difference(build: Any) -> None:
    x = T.dvector("x")
    got = sg.function([x], build(x), mode="DEBUG")(np.array([-1000.0, 0.5, 900.0]))
    assert np.isfinite(got).all()


def test_a_wrong_value_is_found_beside_one_that_cancels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    want = np.array([1e-16, 1.0, 5.0])
    moved = np.array([3e-13, 1.0 + 1e-13, 5.0])
    assert debug._close(want, np.array([2e-14, 1.0, 5.0]), moved)
    assert not debug._close(want, np.array([0.0, 1.0 + 1e-6, 5.0]), moved)
    assert not debug._close(want, np.array([1e-3, 1.0, 5.0]), moved)
    assert not debug._close(np.array([1, 2]), np.array([1, 3]), np.array([1, 2]))
    assert debug._close(np.array([1, 2]), np.array([1, 3]), np.array([1, 3]))


def test_debugging_changes_neither_arguments_nor_shared_values() -> None:
    x, w = T.dvector("x"), sg.shared(np.arange(3.0), name="w")
    f = sg.function([x], [x, w * x, T.exp(w)], mode="DEBUG")
    value = np.array([1.0, 2.0, 3.0])
    f(value)
    np.testing.assert_array_equal(value, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(w.get_value(), np.arange(3.0))


def test_sizes_that_hang_on_values_are_no_difference() -> None:
    """The arguments that are moved a little may give arrays of other shapes."""
    x = T.dmatrix("x")
    k = T.cast((x > 0).mean() * 2, "int32")  # a little less than 2 is 1
    part = T.inc_subtensor(T.zeros_like(x)[:k, k::-1], T.tanh(x[:k, k::-1]))
    f = sg.function([x], [T.cos(part)], mode="DEBUG")
    given = np.random.default_rng(1).uniform(0.4, 1.8, (2, 9))
    wanted = np.zeros((2, 9))
    wanted[:2, 2::-1] = np.tanh(given[:2, 2::-1])
    np.testing.assert_allclose(f(given)[0], np.cos(wanted))
