"""Rules of the user take part in what is compiled afterwards, and in its cache key."""

from collections.abc import Iterator
from typing import Any

import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import RewriteError
from symgraph.rewrite.pattern import wildcards
from symgraph.rewrite.pipeline import DEFAULT, stages
from symgraph.rewrite.registry import stamp
from symgraph.rewrite.rule import EXACT, Rule, rule

(x,) = wildcards("x")
WRONG = Rule("sin_to_cos", T.sin(x), T.cos(x), nan=EXACT)
v = T.dvector("v")


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    for left in sg.registered_rules():
        sg.remove_rule(left)
    assert stages() is DEFAULT
    assert stamp() == ()


def test_a_registered_rule_changes_what_is_compiled_afterwards() -> None:
    before = sg.function([v], T.sin(v))
    assert sg.register_rule(WRONG) is WRONG
    during = sg.function([v], T.sin(v))
    by_reference = sg.function([v], T.sin(v), mode="FAST_COMPILE")
    sg.remove_rule(WRONG)
    after = sg.function([v], T.sin(v))
    assert [float(f([0.0])[0]) for f in (before, during, by_reference, after)] == [
        0.0, 1.0, 0.0, 0.0,
    ]  # fmt: skip
    assert [f.rule for f in after.rewritten.firings] == []


def test_a_function_shows_the_rules_that_it_was_compiled_with() -> None:
    sg.register_rule(WRONG)
    f = sg.function([v], T.sin(v))
    sg.remove_rule(WRONG)
    g = sg.function([v], T.sin(v))
    sg.register_rule(WRONG)
    assert "cos(v)" in f.optimized
    assert "sin(v)" in g.optimized
    w = sg.shared([0.0], "w")
    h = sg.function([], T.sin(w))
    sg.remove_rule(WRONG)
    w.set_value([0.0, 0.0])  # compiled again, for another shape
    assert h().tolist() == [1.0, 1.0]


def test_it_is_tried_before_the_rules_of_the_package() -> None:
    mine = sg.register_rule(
        Rule("mine", T.log(1 + x), T.log1p(x), nan=EXACT), "canonicalize"
    )
    f = sg.function([v], T.log(1 + v))
    assert [firing.rule for firing in f.rewritten.firings] == [mine.name]


def test_a_procedural_rule_is_registered_by_decorators() -> None:
    @sg.register_rule
    @rule("tan_to_zero", on="tan", nan=EXACT, example=lambda a: T.tan(a))
    def tan_to_zero(node: Any, context: Any) -> Any:
        """tan(x) -> 0 * x, which is wrong."""
        return node.inputs[0] * 0

    assert stamp() is None
    f = sg.function([v], T.tan(v))
    assert not f.timings.cached
    assert f([1.0]).tolist() == [0.0]
    sg.remove_rule("tan_to_zero")

    @sg.register_rule(stage="specialize")
    @rule("tan_to_two", on="tan", nan=EXACT, example=lambda a: T.tan(a))
    def tan_to_two(node: Any, context: Any) -> Any:
        """tan(x) -> x + 2, which is wrong."""
        return node.inputs[0] + 2

    assert [r.name for r in sg.registered_rules()] == ["tan_to_two"]


def test_the_stamp_tells_patterns_passes_and_order_apart() -> None:
    other = Rule("other", T.sin(x), T.cos(x) * 2, nan=EXACT)
    found = set()
    for rules in ([], [(WRONG, "stabilize")], [(WRONG, "expand")], [(other, "expand")],
                  [(WRONG, "expand"), (other, "expand")],
                  [(other, "expand"), (WRONG, "expand")]):  # fmt: skip
        for one, stage in rules:
            sg.register_rule(one, stage)
        found.add(stamp())
        for one, _ in rules:
            sg.remove_rule(one)
    assert len(found) == 6
    sg.register_rule(WRONG.replace(when=lambda x: True))
    assert stamp() is None


def test_what_cannot_be_registered_is_told() -> None:
    with pytest.raises(RewriteError, match="3 is no Rule"):
        sg.register_rule(3)
    with pytest.raises(RewriteError, match="no pass 'early'"):
        sg.register_rule(WRONG, "early")
    with pytest.raises(RewriteError, match="exists already"):
        sg.register_rule(WRONG.replace(name=DEFAULT[0].rules[0].name))
    sg.register_rule(WRONG)
    with pytest.raises(RewriteError, match="'sin_to_cos' exists already"):
        sg.register_rule(WRONG)
    with pytest.raises(RewriteError, match="no rule named 'nobody'"):
        sg.remove_rule("nobody")
