"""Every rule, automatically: both sides agree on random arrays, and it fires."""

import itertools
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

import symgraph.tensor  # noqa: F401  fills the registries
from symgraph.backends.reference import evaluate
from symgraph.core.dtypes import is_float
from symgraph.core.graph import Graph, freeze, verify
from symgraph.core.node import Variable
from symgraph.core.op import PUBLIC, scalar_constant
from symgraph.core.traverse import leaves
from symgraph.core.types import TensorType
from symgraph.errors import RewriteError
from symgraph.rewrite.engine import Optimized, Pass, run
from symgraph.rewrite.pattern import Wildcard, instantiate, wildcards
from symgraph.rewrite.pipeline import all_rules, optimize, rules_table
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule

RULES = {rule.name: rule for rule in all_rules()}
DTYPES = {
    "float": ("float32", "float64"), "inexact": ("float64", "complex128"),
    "real": ("float32", "int32", "int64"), "number": ("float32", "int32", "uint8"),
    "integer": ("int32", "uint8"), "bool": ("bool",), "any": ("float32", "int64"),
}  # fmt: skip
#: static shapes of three operands, and the extents they have in a call
SHAPES = (
    (((), (), ()), ((), (), ())),
    (((None,), (None,), (None,)), ((4,), (4,), (4,))),
    (((None, 3), (3,), ()), ((2, 3), (3,), ())),
    (((1, None), (None, 1), (None, None)), ((1, 3), (2, 1), (2, 3))),
    (((None, None), (None, None), (None, None)), ((2, 3), (2, 1), (1, 3))),
    (((None,), (None,), (None,)), ((0,), (0,), (0,))),
)
NUMBERS = ((2, 3), (-1, 2), (4, -1), (1, 1), (0.5, 2.0))
Case = tuple[Variable, dict[Variable, np.ndarray]]


def random_array(
    random: np.random.Generator, shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    """Values of moderate size."""
    if dtype == "bool":
        return random.random(shape) < 0.5
    if dtype.startswith("uint"):
        return random.integers(0, 6, shape).astype(dtype)
    if dtype.startswith("int"):
        return random.integers(-5, 6, shape).astype(dtype)
    values = random.uniform(-2, 2, shape)
    if dtype.startswith("complex"):
        return (values + 1j * random.uniform(-2, 2, shape)).astype(dtype)
    return values.astype(dtype)


def pattern_cases(rule: Rule) -> Iterator[Case]:
    """The pattern on operands of several dtypes and shapes."""
    assert rule.before is not None
    found = [v for v in leaves([rule.before]) if isinstance(v, Wildcard)]
    random = np.random.default_rng(zlib.crc32(rule.name.encode()))
    for dtype, (static, extents) in itertools.product(DTYPES[rule.dtypes], SHAPES):
        for numbers in NUMBERS:
            values: dict[Variable, np.ndarray] = {}
            bound: dict[Variable, Variable] = {}
            place = 0
            for wildcard in found:
                if wildcard.kind == "number":
                    k = numbers[1 if wildcard.name == "n" else 0]
                    if not is_float(dtype) and (k < 0 or k != int(k)):
                        break
                    exact = k if is_float(dtype) else int(k)
                    bound[wildcard] = scalar_constant(exact, dtype)
                    continue
                own = "bool" if wildcard.type.dtype == "bool" else dtype
                leaf = TensorType(own, static[place % 3])(wildcard.name)
                values[leaf] = random_array(random, extents[place % 3], own)
                bound[wildcard] = leaf
                place += 1
            else:
                yield instantiate(rule.before, bound, dtype), values
                positive = PUBLIC["exp" if is_float(dtype) else "abs"]
                not_negative = {
                    w: positive(v) if w.kind == "any" and v.dtype == dtype else v
                    for w, v in bound.items()
                }
                if rule.when is not None and dtype != "bool":
                    yield instantiate(rule.before, not_negative, dtype), values
            if not any(w.kind == "number" for w in found):
                break


def example_cases(rule: Rule) -> Iterator[Case]:
    """The example of a procedural rule, with unknown and with known extents."""
    assert rule.example is not None
    random = np.random.default_rng(zlib.crc32(rule.name.encode()))
    count = rule.example.__code__.co_argcount
    ranks = rule.ranks[:count]
    for dtype in (
        DTYPES[rule.dtypes] if rule.dtypes != "any" else ("float32", "float64")
    ):
        for known in (False, True):
            operands, values = [], {}
            for name, rank in zip("xyz", ranks, strict=False):
                shape = (3,) * rank
                leaf = TensorType(dtype, shape if known else (None,) * rank)(name)
                operands.append(leaf)
                values[leaf] = random_array(random, shape, dtype)
            yield rule.example(*operands), values


def cases(rule: Rule) -> Iterator[Case]:
    return pattern_cases(rule) if rule.before is not None else example_cases(rule)


def only(rule: Rule, graph: Graph) -> Optimized:
    return run(graph, [Pass("one", (rule,))], {})


def assert_agree(
    before: np.ndarray, after: np.ndarray, nan: str, context: str = ""
) -> None:
    assert before.shape == after.shape, context
    assert before.dtype == after.dtype, context
    if before.dtype.kind not in "fc":
        np.testing.assert_array_equal(after, before, err_msg=context)
        return
    if nan != EXACT:
        sure = np.isfinite(before)
        before, after = before[sure], after[sure]
    rtol, atol = (1e-3, 2e-5) if before.dtype.name == "float32" else (1e-8, 1e-10)
    np.testing.assert_allclose(after, before, rtol, atol, err_msg=context)


@pytest.mark.parametrize("name", RULES)
def test_both_sides_of_a_rule_agree_in_value_shape_and_dtype(name: str) -> None:
    rule = RULES[name]
    fired = 0
    for out, values in cases(rule):
        graph = freeze(list(values), [out])
        result = only(rule, graph)
        verify(result.graph)
        if not any(firing.rule == name for firing in result.firings):
            continue
        fired += 1
        (before,) = evaluate(graph.outputs, values)
        (after,) = evaluate(result.graph.outputs, values)
        text = "\n".join(map(str, result.firings))
        assert_agree(before, after, rule.nan, f"{values}\n{text}")
    assert fired, f"{name} did not fire"


@pytest.mark.parametrize("name", RULES)
def test_every_rule_fires_in_the_whole_pipeline(name: str) -> None:
    rule = RULES[name]
    for out, values in cases(rule):
        result = optimize(freeze(list(values), [out]))
        if any(firing.rule == name for firing in result.firings):
            return
        if name in COVERED and any(f.rule == COVERED[name] for f in result.firings):
            return
    pytest.fail(f"{name} is never reached; the last case: {result}")


#: rules whose own example another rule takes first: the rule it is reached through
COVERED: dict[str, str] = {}


SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -1.0, 2.0)


@pytest.mark.parametrize("name", [r.name for r in RULES.values() if r.nan == EXACT])
def test_an_exact_rule_gives_nan_wherever_the_original_does(name: str) -> None:
    rule = RULES[name]
    random = np.random.default_rng(7)
    for out, values in cases(rule):
        special = {
            v: random.choice(SPECIAL, a.shape).astype(a.dtype)
            if a.dtype.kind == "f"
            else a
            for v, a in values.items()
        }
        graph = freeze(list(values), [out])
        result = only(rule, graph)
        with np.errstate(all="ignore"):
            (before,) = evaluate(graph.outputs, special)
            (after,) = evaluate(result.graph.outputs, special)
        if before.dtype.kind == "f":
            assert not (np.isnan(before) & ~np.isnan(after)).any(), special
            assert not (np.isfinite(before) & ~np.isfinite(after)).any(), special


def test_names_are_unique_and_every_rule_states_what_it_does_to_nan() -> None:
    rules = all_rules()
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.nan in (EXACT, HIDES_NAN) or rule.nan.startswith(
            "needs assumption: "
        )


def test_a_rule_without_nan_label_or_pattern_is_refused() -> None:
    (x,) = wildcards("x")
    with pytest.raises(RewriteError, match="nan="):
        Rule("no_label", x + x, 2 * x)
    with pytest.raises(RewriteError, match="pattern"):
        Rule("no_pattern", nan=EXACT)


def test_the_table_of_rules_lists_every_rule_once() -> None:
    table = rules_table()
    for name in RULES:
        assert table.count(f"`{name}`") == 1
    assert "`log(1 + x)` → `log1p(x)`" in table
