"""`check_rule` finds wrong rules, and says with which operands."""

from typing import Any

import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import RewriteError, RuleError
from symgraph.rewrite.pattern import Wildcard, wildcards
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule

x, y = wildcards("x y")
c = Wildcard("c", "number")


def test_a_right_rule_passes_and_tells_how_often_it_fired() -> None:
    assert sg.check_rule(Rule("sub_to_add", x - y, x + -y, nan=EXACT)) == 26
    assert sg.check_rule(Rule("mul_c", x * c / c, x, nan=EXACT, dtypes="float")) > 12


def test_the_counterexample_has_expressions_operands_and_both_values() -> None:
    wrong = Rule("abs_to_same", abs(x) + y, x + y, nan=EXACT)
    with pytest.raises(RuleError) as caught:
        sg.check_rule(wrong)
    text = str(caught.value)
    assert "rule abs_to_same: both sides differ at element" in text
    assert "before: abs(x) + y" in text
    assert "after:  x + y" in text
    assert "x : float32 () = -" in text
    assert " became " in text


def test_a_wrong_nan_label_is_found() -> None:
    square = T.sqrt(x) * T.sqrt(x)
    exact = Rule("square_of_root", square, abs(x), nan=EXACT)
    with pytest.raises(RuleError, match=r"labelled exact|differ at element"):
        sg.check_rule(exact)
    quotient = Rule("same_quotient_to_one", x / x, x * 0 + 1, nan=EXACT)
    with pytest.raises(RuleError, match="labelled exact"):
        sg.check_rule(Rule("same_to_one", x / x, T.ones_like(x), nan=EXACT))
    assert quotient.nan == EXACT
    assert sg.check_rule(
        Rule("same_to_one", x / x, T.ones_like(x), nan=HIDES_NAN, dtypes="float")
    )


def test_a_wrong_condition_is_found() -> None:
    def positive(c: Any) -> bool:
        return bool(c.data.min() > 0)

    good = Rule("c_out_of_abs", abs(c * x), c * abs(x), when=lambda c, x: positive(c),
                nan=EXACT)  # fmt: skip
    assert sg.check_rule(good)
    with pytest.raises(RuleError, match="c_out_of_abs"):
        sg.check_rule(good.replace(when=lambda c, x: True))


def test_integers_and_bools_are_compared_exactly() -> None:
    with pytest.raises(RuleError, match="differ"):
        sg.check_rule(Rule("sub_to_add", x - y, x + y, nan=EXACT, dtypes="integer"))


def test_a_rule_that_never_fires_is_no_rule() -> None:
    never = Rule("never", x + y, y + x, nan=EXACT, when=lambda x, y: False)
    with pytest.raises(RuleError, match=r"never fires.*exp\(x\) \+ exp\(y\)"):
        sg.check_rule(never)


def test_a_rule_that_changes_the_type_is_told() -> None:
    @rule("to_double", on="tan", nan=EXACT, example=lambda v: T.tan(v))
    def changing(node: Any, context: Any) -> Any:
        """tan(x) -> tan(x) in double precision."""
        return T.tan(T.cast(node.inputs[0], "float64"))

    with pytest.raises(RewriteError, match="to_double: float32"):
        sg.check_rule(changing)


def test_procedural_rules_are_checked_on_their_example() -> None:
    @rule("double_to_triple", on="mul", nan=EXACT, example=lambda v: v * 2)
    def wrong(node: Any, context: Any) -> Any:
        """2 * x -> 3 * x."""
        a, b = node.inputs
        return a * 3 if sg.Constant in type(b).__mro__ and b.data.max() == 2 else None

    with pytest.raises(RuleError, match="double_to_triple: both sides differ"):
        sg.check_rule(wrong)
    with pytest.raises(RuleError, match="needs an example"):
        sg.check_rule(wrong.replace(example=None))


@pytest.mark.parametrize(
    "wrong",
    [
        Rule("times_zero", x * 0, T.fill(x, 0.0), nan=EXACT),
        Rule(
            "range_to_distance",
            T.maximum(x, y) - T.minimum(x, y),
            abs(x - y) + T.switch(T.eq(x, y), 1.0, 0.0),
            nan=EXACT,
        ),
        Rule("max_to_first", T.maximum(x, y), T.switch(x > y, x, y), nan=EXACT),
        Rule("shape_of_one", x + 0 * y, x, nan=EXACT),
        Rule("log_square", T.log(x**2), 2 * T.log(x), nan=EXACT),
    ],
)
def test_special_and_repeated_operands_are_tried(wrong: Rule) -> None:
    with pytest.raises(RuleError, match=wrong.name):
        sg.check_rule(wrong)
