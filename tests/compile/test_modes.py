"""A mode says whether a graph is rewritten, whether it is compiled, and what is checked."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.compile.modes import MODES, Mode, mode_of
from symgraph.errors import KernelError, ModeError
from symgraph.lower.program import plan
from symgraph.rewrite.pipeline import REQUIRED, all_rules
from symgraph.rewrite.scans import STEP

PLAIN = Mode("PLAIN", optimize=False, compiled=True)
#: what there are no loops for, and what tells of the insides of loops
NEEDED = {rule.name for rule in all_rules(REQUIRED)} | {STEP}


def images() -> tuple[Any, Any]:
    x = T.dtensor4("x")
    w = np.linspace(-1, 1, 2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    return x, T.nnet.conv2d(x, T.constant(w), filter_flip=True)


def loop(x: Any) -> Any:
    return sg.scan(lambda row, s: T.tanh(s * 2 + row), x, outputs_info=T.zeros((3,)))[0]


def expressions() -> dict[str, tuple[Any, Any]]:
    """Kind → (input, output)."""
    x = T.dmatrix("x")
    image, convolved = images()
    made = {
        "sums": (x, (x + x) + (x + x) - 0 * x),
        "logarithms": (x, T.log(1 + T.exp(x))),
        "powers": (x, x**3 + x**-2),
        "softmax": (x, T.nnet.softmax(x)),
        "product": (x, T.dot(x.T, x) * 2 + 1),
        "statistics": (x, T.var(x, axis=0)),
        "parts": (x, T.concatenate([x[:1], x[1:]])[::-1]),
        "markers": (x, sg.gradient.disconnected_grad(x) * x),
        "branch": (x, sg.ifelse(x.sum() > 0, T.exp(x), T.nnet.softmax(x))),
        "loop": (x, loop(x)),
        "convolution": (image, convolved),
        "pool": (image, T.signal.pool.pool_2d(image, (2, 2), ignore_border=True)),
    }
    for name in ("logarithms", "softmax", "loop", "convolution"):
        given, out = made[name]
        made[f"gradient of {name}"] = (given, sg.grad(T.sqr(out).sum(), given))
    return made


KINDS = expressions()


@pytest.mark.parametrize("kind", KINDS)
def test_without_optimization_only_what_lowering_needs_is_rewritten(kind: str) -> None:
    given, out = KINDS[kind]
    shape = (2, 3, 5, 4) if given.ndim == 4 else (4, 3)
    data = np.random.default_rng(1).normal(size=shape)
    f = sg.function([given], out, mode=PLAIN)
    fired = {firing.rule for firing in f.rewritten.firings}
    assert fired <= NEEDED
    want = sg.function([given], out, mode="FAST_COMPILE")(data)
    np.testing.assert_allclose(f(data), want, 1e-12, 1e-12)
    assert f.mode is PLAIN


def test_the_two_forms_are_apart_in_the_cache() -> None:
    x = T.dvector("x")
    y = T.log(1 + T.exp(x * 1.5))
    with np.errstate(over="ignore"):
        for _ in range(2):  # the second time from the cache
            plain, full = sg.function([x], y, PLAIN), sg.function([x], y)
            assert np.isinf(plain([800.0]))
            assert full([800.0]) == 1200.0
    assert "softplus" not in plain.optimized
    assert "softplus" in full.optimized


def test_rules_of_the_user_wait_for_optimization() -> None:
    x = T.dvector("x")
    f = sg.function([x], x * 1 + 0, PLAIN)
    assert "mul" in f.optimized or "*" in f.optimized
    assert "*" not in sg.function([x], x * 1 + 0).optimized


def test_fast_compile_shows_the_graph_that_it_runs() -> None:
    x = T.dvector("x")
    f = sg.function([x], T.log(1 + T.exp(x)), mode="FAST_COMPILE")
    assert "softplus" not in f.optimized
    assert f.rewritten.firings == ()


def test_a_convolution_that_was_not_brought_into_its_layout_is_refused() -> None:
    x, y = images()
    graph = sg.function([x], y).specialization.graph
    with pytest.raises(KernelError, match="channels first"):
        plan(graph, [])


def test_modes_have_names() -> None:
    assert mode_of(None) is MODES["FAST_RUN"]
    assert mode_of("DebugMode") is MODES["DEBUG"]
    assert mode_of(PLAIN) is PLAIN
    with pytest.raises(ModeError, match="there are FAST_RUN"):
        mode_of("FAST_WALK")
