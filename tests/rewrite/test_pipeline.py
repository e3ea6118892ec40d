"""The whole pipeline: acceptance expressions, random expressions, work done per node."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.graph import Graph, freeze, verify
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.text import expression
from symgraph.core.traverse import applies
from symgraph.core.types import TensorType
from symgraph.lower.resolve_sum_to import resolve_sum_to
from symgraph.rewrite.engine import Optimized
from symgraph.rewrite.pipeline import (
    CANONICALIZE,
    DEFAULT,
    EXPANSION,
    SHARE,
    STABILIZE,
    optimize,
)

F = PUBLIC
#: what users read in explain(): before compositions are expanded
READABLE = DEFAULT[: DEFAULT.index(EXPANSION)]


def leaf(name: str, rank: int = 1, dtype: str = "float64") -> Variable:
    variable: Variable = TensorType(dtype, (None,) * rank)(name)
    return variable


x, y, z = leaf("x"), leaf("y"), leaf("z")
a, b = leaf("a", 2), leaf("b", 2)
s, n = leaf("s", 0), leaf("n", 0)
i = leaf("i", 1, "int32")


def rewritten(out: Variable, passes: Any = READABLE) -> str:
    graph = freeze([], [out])
    result = optimize(graph, passes)
    verify(result.graph)
    return expression(result.graph.outputs[0])


ACCEPTANCE: list[tuple[Variable, str]] = [
    ((x + y) + (x + y), "2 * (x + y)"),
    (2 * x + 3 * x, "5 * x"),
    (x + x, "2 * x"),
    (x * y + x * y, "2 * x * y"),
    (x * y + y * x, "2 * x * y"),
    (x * x * x, "x ** 3"),
    (x * x, "x ** 2"),
    (x - x, "broadcast_to(0, (x.shape[0],))"),
    (x / x, "broadcast_to(1, (x.shape[0],))"),
    (x * 0, "broadcast_to(0, (x.shape[0],))"),
    (s - s, "0"),
    (s / s, "1"),
    (x * 1 + 0, "x"),
    (2 * x + 2 * y, "2 * (x + y)"),
    (2 * (x + y) + x, "3 * x + 2 * y"),
    ((x + 1) + 2 - 3, "x"),
    (-(x - y), "y - x"),
    ((-x) * (-y), "x * y"),
    (s * x / n, "s / n * x"),
    (x / 2 + x / 2, "x"),
    (x**-2 * x**3, "x"),
    (1 / (1 / x), "x"),
    (i + i - 3 * i, "-i"),
    (F["sin"](x) ** 2 + F["cos"](x) ** 2, "broadcast_to(1, (x.shape[0],))"),
    (F["log"](1 + x), "log1p(x)"),
    (F["exp"](x) - 1, "expm1(x)"),
    (F["log"](1 + F["exp"](x)), "softplus(x)"),
    (F["log"](F["sigmoid"](x)), "log_sigmoid(x)"),
    (F["log"](1 - F["sigmoid"](x)), "-softplus(x)"),
    (1 - F["sigmoid"](x), "sigmoid(-x)"),
    (1 / (1 + F["exp"](-x)), "sigmoid(x)"),
    (F["sqrt"](x**2), "abs(x)"),
    (F["exp"](F["log"](x)), "where(x >= 0, x, nan)"),
    (F["log"](F["exp"](x)), "x"),
    (F["log"](F["softmax"](a)), "log_softmax{1}(a)"),
    (F["log"](F["sum"](F["exp"](a))), "logsumexp{(0, 1)}(a)"),
    (F["exp"](a) / F["sum"](F["exp"](a), 1, keepdims=True), "softmax{1}(a)"),
    (F["dot"](a, b).T, "b.T @ a.T"),
    (F["dot"](-a, 2 * b), "(-2) * a @ b"),
    (F["sum"](3 * x), "3 * sum(x, axes=(0,))"),
    (F["reshape"](a, (-1,)).shape[0], "a.shape[1] * a.shape[0]"),
    (F["exp"](a + 1).shape[1], "a.shape[1]"),
    (F["flatten"](F["exp"](x)), "exp(x)"),
    (a.T.T, "a"),
    (x[:], "x"),
    (F["minimum"](F["minimum"](x, y), y), "minimum(x, y)"),
]


@pytest.mark.parametrize(("out", "wanted"), ACCEPTANCE, ids=lambda v: str(v)[:40])
def test_expressions_become_what_the_specification_says(
    out: Variable, wanted: str
) -> None:
    assert rewritten(out) == wanted


@pytest.mark.parametrize(
    "out",
    [x + y * z, -x - y, 2 * (x + y), x / y, x - 2 * y, F["sigmoid"](x) * y, x**2 + 1,
     F["tanh"](F["dot"](a, b) + x), x / 3, (x + 1) * (y - 2)],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_improved_stays_as_the_user_wrote_it(out: Variable) -> None:
    assert rewritten(out) == expression(out)


def test_rewriting_twice_changes_nothing() -> None:
    for out, _ in ACCEPTANCE:
        once = optimize(freeze([], [out]), READABLE).graph
        again = optimize(once, READABLE)
        assert again.firings == ()
        assert again.graph.outputs == once.outputs


def test_momentum_reuses_the_velocity() -> None:
    p, v, g, mu, lr = leaf("p"), leaf("v"), leaf("g"), leaf("mu", 0), leaf("lr", 0)
    velocity = mu * v - lr * g
    result = optimize(freeze([], [velocity, p + mu * v - lr * g]), READABLE)
    new_v, new_p = result.graph.outputs
    assert any(new_v is u for u in new_p.owner.inputs)
    assert len(applies(result.graph.outputs)) == 4
    nesterov = optimize(freeze([], [velocity, p + mu * velocity - lr * g]), READABLE)
    assert len(applies(nesterov.graph.outputs)) == 6  # reads the velocity as it is


def stable(out: Variable, values: dict[Variable, Any], wanted: Any) -> None:
    graph = optimize(resolve_sum_to(freeze([], [out]))).graph
    (found,) = evaluate(graph.outputs, values)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_logarithms_of_sums_are_finite_at_1000_and_keep_infinities() -> None:
    big = np.array([[1000.0, 1000.0], [-1000.0, -1001.0], [-np.inf, 0.0]])
    for axis in (0, 1, (0, 1), None):
        for keepdims in (False, True):
            out = F["log"](F["sum"](F["exp"](a), axis=axis, keepdims=keepdims))
            with np.errstate(all="ignore"):
                peak = big.max(axis=axis, keepdims=True)
                total = np.exp(big - peak).sum(axis=axis, keepdims=True)
                wanted = np.log(total) + peak
            shape = big.sum(axis=axis, keepdims=keepdims).shape
            stable(out, {a: big}, wanted.reshape(shape))
    nothing = np.full((1, 3), -np.inf)
    stable(F["log"](F["sum"](F["exp"](a), axis=1)), {a: nothing}, [-np.inf])
    stable(F["log"](F["sum"](F["exp"](a), axis=1)), {a: -nothing}, [np.inf])


def test_log_of_softmax_and_cross_entropy_of_large_logits_are_finite() -> None:
    logits = np.array([[1000.0, 0.0, -1000.0], [0.0, 5000.0, 1.0]])
    stable(
        F["log"](F["softmax"](a)), {a: logits}, [[0, -1000, -2000], [-5000, 0, -4999]]
    )
    t = leaf("t", 1, "int32")
    p = F["softmax"](a)
    loss = F["mean"](F["categorical_crossentropy"](p, t))
    values = {a: logits, t: np.array([2, 1], np.int32)}
    stable(loss, values, 1000.0)
    stable(grad(loss, a), values, [[0.5, 0, -0.5], [0, 0, 0]])


def test_binary_cross_entropy_of_a_sigmoid_is_stable_with_its_gradient() -> None:
    t = leaf("t")
    p = F["sigmoid"](x)
    loss = F["sum"](F["binary_crossentropy"](p, t))
    values = {x: np.array([800.0, -800.0, 0.0]), t: np.array([0.0, 1.0, 1.0])}
    stable(loss, values, 1600.0 + np.log(2))
    stable(grad(loss, x), values, [1.0, -1.0, -0.5])
    written = -F["sum"](t * F["log"](1 / (1 + F["exp"](-x)))
                        + (1 - t) * F["log"](1 - 1 / (1 + F["exp"](-x))))  # fmt: skip
    stable(written, values, 1600.0 + np.log(2))


def test_a_softmax_layer_shares_exponentials_between_loss_and_gradient() -> None:
    w, t = leaf("w", 2), leaf("t", 1, "int32")
    loss = F["mean"](F["categorical_crossentropy"](F["softmax"](F["dot"](a, w)), t))
    graph = optimize(freeze([], [loss, grad(loss, w)])).graph
    names = [getattr(node.op, "scalar", node.op.name) for node in graph.applies()]
    assert names.count("exp") == 1
    assert names.count("dot") == 2


def test_gemm_is_made_where_the_product_has_no_other_use() -> None:
    w, g = leaf("w", 2), leaf("g", 2)
    one = optimize(freeze([], [w - 0.1 * F["dot"](a.T, g)])).graph
    names = [node.op.name for node in one.applies()]
    assert "gemm" not in names  # the shapes of w and of the product may differ
    w3 = TensorType("float64", (3, 4))("w")
    a3, g3 = (
        TensorType("float64", (None, 3))("a"),
        TensorType("float64", (None, 4))("g"),
    )
    two = optimize(freeze([], [w3 - 0.1 * F["dot"](a3.T, g3)])).graph
    assert [node.op.name for node in two.applies()].count("gemm") == 1
    product = F["dot"](a3.T, g3)
    three = optimize(freeze([], [w3 - 0.1 * product, product])).graph
    assert "gemm" not in [node.op.name for node in three.applies()]


# --- places, names, records ------------------------------------------------------------


def test_a_firing_names_rule_pass_before_after_and_the_users_line() -> None:
    out = F["log"](1 + x)
    result = optimize(freeze([x], [out]))
    (firing,) = result.firings
    assert firing.rule == "log_to_log1p"
    assert (firing.before, firing.after) == ("log(1 + x)", "log1p(x)")
    assert firing.pass_name == "stabilize"
    assert firing.place == out.place
    assert result.graph.outputs[0].place == out.place
    assert __file__.endswith(firing.place[0].rsplit("/", 1)[-1])
    assert "log(1 + x) -> log1p(x)" in str(result)


def test_names_are_kept_and_inputs_are_the_same_objects() -> None:
    out = F["log"](1 + x)
    out.name = "cost"
    graph = optimize(freeze([x], [out])).graph
    assert graph.outputs[0].name == "cost"
    assert graph.inputs == (x,)


def test_a_static_shape_is_refined_never_lost() -> None:
    known = TensorType("float64", (3, 4))("known")
    row = TensorType("float64", (1, 4))("row")
    for out in (known + row - known, known * 0 + row, row - row + known * 0):
        graph = optimize(freeze([], [out])).graph
        assert graph.outputs[0].type == out.type


# --- random expressions ------------------------------------------------------------------

Builder = Callable[..., Variable]
UNARY: list[Builder] = [
    F[name]
    for name in (
        "neg",
        "exp",
        "tanh",
        "sigmoid",
        "softplus",
        "abs",
        "sqr",
        "sin",
        "cos",
    )
]
BINARY: list[Builder] = [
    F["add"], F["sub"], F["mul"], F["maximum"], F["minimum"], F["true_div"],
    lambda p, q: F["switch"](F["gt"](p, q), p, q),
    lambda p, q: 2 * p + q, lambda p, q: p - q / 2, lambda p, q: p * q * p,
]  # fmt: skip
SHAPED: list[Builder] = [
    lambda v: F["sum"](v, axis=0, keepdims=True) if v.ndim else v,
    lambda v: F["sum"](v), lambda v: F["mean"](v, axis=-1) if v.ndim else v,
    lambda v: F["max"](v, axis=-1, keepdims=True) if v.ndim else v,
    lambda v: v.T.T, lambda v: F["log"](1 + F["sqr"](v)),
    lambda v: F["softmax"](v) if v.ndim else v,
    lambda v: F["log"](F["sum"](F["exp"](v))), lambda v: F["ones_like"](v) * v,
    lambda v: v[:1] if v.ndim else v, lambda v: v[0:, ...] if v.ndim else v,
    lambda v: F["reshape"](v, v.shape, ndim=v.ndim) if v.ndim else v,
    lambda v: F["fill"](v, 0.5) + v, lambda v: F["sqrt"](F["sqr"](v)),
    lambda v: F["dimshuffle"](F["flatten"](v), 0) if v.ndim else v,
]  # fmt: skip


def random_expression(seed: int) -> tuple[list[Variable], dict[Variable, np.ndarray]]:
    random = np.random.default_rng(seed)
    pick = lambda items: items[random.integers(len(items))]  # noqa: E731
    m, k = int(random.integers(1, 4)), int(random.integers(1, 4))
    shapes = [((None, None), (m, k)), ((None,), (k,)), ((), ()), ((1, None), (1, k)),
              ((m, 1), (m, 1)), ((None, k), (m, k))]  # fmt: skip
    values: dict[Variable, np.ndarray] = {}
    pool: list[Variable] = []
    for number in range(3):
        static, shape = pick(shapes)
        v = TensorType("float64", static)(f"v{number}")
        values[v] = random.uniform(-1.5, 1.5, shape)
        pool.append(v)
    for _ in range(int(random.integers(3, 12))):
        kind = random.random()
        if kind < 0.3:
            new = pick(UNARY)(pick(pool))
        elif kind < 0.8:
            first, second = pick(pool), pick(pool)
            try:
                new = pick(BINARY)(first, second)
            except ValueError:
                continue  # shapes do not broadcast
        else:
            new = pick(SHAPED)(pick(pool))
        pool.append(new)
    return pool[-2:], values


@pytest.mark.parametrize("block", range(30))
def test_random_expressions_keep_their_values(block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        outputs, values = random_expression(seed)
        graph = freeze(list(values), outputs)
        with np.errstate(all="ignore"):
            try:
                before = evaluate(graph.outputs, values)
            except ValueError:
                continue  # extents that the types did not know differ
            result = optimize(graph)
            verify(result.graph)
            after = evaluate(result.graph.outputs, values)
        for u, v in zip(before, after, strict=True):
            assert (u.shape, u.dtype) == (v.shape, v.dtype)
            sure = np.isfinite(u) & (np.abs(u) < 1e8)
            scale = max([1.0, *np.abs(u[sure]).ravel()])
            np.testing.assert_allclose(
                v[sure], u[sure], 1e-6, 1e-8 * scale,
                err_msg=f"seed {seed}\n" + "\n".join(map(str, result.firings)),
            )  # fmt: skip


# --- work per node ---------------------------------------------------------------------


def chain(length: int) -> Graph:
    out = a
    for step in range(length):
        out = F["tanh"](F["dot"](out, b) + (step + 1.5)) * out
    return freeze([a, b], [F["sum"](out)])


def visits(result: Optimized) -> int:
    return result.statistics.visits


def test_visits_grow_in_proportion_to_the_nodes() -> None:
    small, large = chain(20), chain(200)
    nodes = len(large.applies())
    assert visits(optimize(large)) < 10.5 * visits(optimize(small))
    assert visits(optimize(large)) < 12 * nodes


def test_a_deep_graph_does_not_meet_the_recursion_limit() -> None:
    out = x
    for _ in range(3000):
        out = F["sin"](out)
    assert len(optimize(freeze([x], [out])).graph.applies()) == 3000
    total = x
    for step in range(400):
        total = total + F["sin"](x * (step + 0.5))
    optimize(freeze([x], [total]))


def test_the_passes_print_their_rules() -> None:
    for stage in (CANONICALIZE, STABILIZE, EXPANSION):
        assert str(stage).startswith(f"{stage.name}: ")
    assert SHARE.transforms
