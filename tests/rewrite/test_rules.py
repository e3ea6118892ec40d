"""Every rule, automatically: both sides agree on random arrays, and it fires."""

import numpy as np
import pytest
from rule_branches import BRANCHES
from rule_refusals import FREE, REFUSALS

import symgraph.tensor  # noqa: F401  fills the registries
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze, verify
from symgraph.core.node import Constant, Variable
from symgraph.errors import RewriteError
from symgraph.extend.check_rule import cases, check_rule, only
from symgraph.rewrite.pattern import wildcards
from symgraph.rewrite.pipeline import all_rules, optimize, rules_table
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule

RULES = {rule.name: rule for rule in all_rules()}


@pytest.mark.parametrize("name", RULES)
def test_both_sides_of_a_rule_agree_in_value_shape_dtype_and_nan(name: str) -> None:
    assert check_rule(RULES[name]) > 0


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
COVERED: dict[str, str] = {
    "slices_of_elementwise_to_elementwise": "subtensor_of_elementwise_to_elementwise",
}


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


@pytest.mark.parametrize("name", REFUSALS)
def test_a_rule_refuses_what_only_looks_like_its_example(name: str) -> None:
    for build in REFUSALS[name]:
        made = build()
        outputs = list(made) if isinstance(made, tuple) else [made]
        result = only(RULES[name], freeze([], outputs))
        fired = [str(f) for f in result.firings if f.rule == name]
        assert not fired, fired


def test_every_rule_with_a_condition_has_something_to_refuse() -> None:
    conditional = {r.name for r in RULES.values() if r.when is not None or r.apply}
    assert conditional - FREE == set(REFUSALS)


def _value(v: Variable, random: np.random.Generator) -> np.ndarray:
    shape = tuple(3 if extent is None else extent for extent in v.type.shape)
    if v.type.shape == (None, None, None, None):
        shape = (2, 3, 3, 2)  # of images and filters with two channels
    if v.type.dtype.startswith("int"):
        return random.integers(0, 3, shape).astype(v.type.dtype)
    return np.asarray(random.uniform(-1.5, 1.5, shape), v.type.dtype)


@pytest.mark.parametrize("name", BRANCHES)
def test_every_branch_of_a_rule_fires_and_keeps_the_value(name: str) -> None:
    random = np.random.default_rng(1)
    for place, build in enumerate(BRANCHES[name]):
        graph = freeze([], [build()])
        result = only(RULES[name], graph)
        verify(result.graph)
        assert any(f.rule == name for f in result.firings), (place, graph.outputs)
        values = {
            v: _value(v, random) for v in graph.leaves() if not isinstance(v, Constant)
        }
        with np.errstate(all="ignore"):
            (before,) = evaluate(graph.outputs, values)
            (after,) = evaluate(result.graph.outputs, values)
        assert (before.dtype, before.shape) == (after.dtype, after.shape), place
        np.testing.assert_allclose(
            after, before, rtol=1e-9, atol=1e-12, err_msg=str(place)
        )
