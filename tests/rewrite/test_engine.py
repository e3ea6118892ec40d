"""The engine: fixpoints, loops that are refused, checks of replacements, records."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import Graph, freeze, verify
from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.core.text import expression
from symgraph.errors import RewriteError
from symgraph.ops.families import Cast, Elementwise
from symgraph.rewrite import engine
from symgraph.rewrite.context import Context, Equalities
from symgraph.rewrite.engine import Optimized, Pass, Sweep, run
from symgraph.rewrite.firings import Recorder
from symgraph.rewrite.pattern import wildcards
from symgraph.rewrite.pipeline import optimize
from symgraph.rewrite.rule import EXACT, Rule, rule

p, q = wildcards("p q")
exp, log = PUBLIC["exp"], PUBLIC["log"]
sin, cos = PUBLIC["sin"], PUBLIC["cos"]


def apply_rules(out: Variable | list[Variable], *rules: Rule) -> Optimized:
    outputs = out if isinstance(out, list) else [out]
    return run(freeze([], outputs), [Pass("test", rules)])


def text(result: Optimized) -> str:
    return expression(result.graph.outputs[0])


def test_what_a_rule_makes_is_rewritten_in_turn() -> None:
    x = T.dvector("x")
    rules = (
        Rule("sin_to_cos", sin(p), cos(p), nan=EXACT),
        Rule("cos_cos_to_exp", cos(cos(p)), exp(p), nan=EXACT),
    )
    result = apply_rules(sin(sin(sin(x))), *rules)
    assert text(result) == "cos(exp(x))"
    assert [f.rule for f in result.firings] == [
        "sin_to_cos", "sin_to_cos", "cos_cos_to_exp", "sin_to_cos",
    ]  # fmt: skip


def test_a_shared_node_is_rewritten_once() -> None:
    x = T.dvector("x")
    shared = sin(x)
    result = apply_rules(
        [shared + 1, shared * shared], Rule("sin_to_cos", sin(p), cos(p), nan=EXACT)
    )
    assert len(result.firings) == 1
    assert result.statistics.visits <= 3 * len(result.graph.applies())


def test_commutative_operations_match_in_both_orders() -> None:
    x, y = T.dvectors("x", "y")
    one = Rule("found", log(1 + exp(p)) * q, cos(q), nan=EXACT)
    for out in (log(1 + exp(x)) * y, y * log(exp(x) + 1), y * log(1 + exp(x))):
        assert text(apply_rules(out, one)).startswith("broadcast_to(cos(y)")
    assert (
        apply_rules(exp(x) - 1, Rule("no", 1 - exp(p), cos(p), nan=EXACT)).firings == ()
    )


def test_a_wildcard_that_occurs_twice_stands_for_one_variable() -> None:
    x, y = T.dvectors("x", "y")
    same = Rule("same", sin(p) + sin(p), cos(p), nan=EXACT)
    assert text(apply_rules(sin(x) + sin(x), same)) == "cos(x)"
    assert text(apply_rules(sin(x) + sin(y), same)) == "sin(x) + sin(y)"


def test_an_operand_that_gave_the_shape_is_broadcast_back() -> None:
    x, y = T.dvector("x"), T.dmatrix("y")
    dropped = Rule("dropped", p + 0 * q, p, nan=EXACT)
    result = apply_rules(x + 0 * y, dropped)
    (out,) = result.graph.outputs
    assert out.type.shape == (None, None)
    assert out.owner.op.name == "broadcast_to"
    assert expression(apply_rules(y + 0 * x[0], dropped).graph.outputs[0]) == "y"


# --- rules that go round in a circle -----------------------------------------------------

SIN_TO_COS = Rule("sin_to_cos", sin(p), cos(p), nan=EXACT)
COS_TO_SIN = Rule("cos_to_sin", cos(p), sin(p), nan=EXACT)
CIRCLES: dict[str, tuple[Rule, ...]] = {
    "two": (SIN_TO_COS, COS_TO_SIN),
    "three": (
        SIN_TO_COS,
        Rule("cos_to_exp", cos(p), exp(p), nan=EXACT),
        Rule("exp_to_sin", exp(p), sin(p), nan=EXACT),
    ),
    "contains_itself": (Rule("grows", sin(p), sin(p) + 1, nan=EXACT),),
    "contains_itself_later": (SIN_TO_COS, Rule("grows", cos(p), exp(sin(p)), nan=EXACT)),
    "deeper": (Rule("deeper", sin(p), sin(cos(p)), nan=EXACT),),
    "wider": (Rule("wider", sin(p), cos(sin(p + 1)), nan=EXACT),),
    "through_operands": (
        Rule("sin_sin", sin(sin(p)), sin(cos(p)), nan=EXACT),
        Rule("sin_cos", sin(cos(p)), sin(sin(p)), nan=EXACT),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CIRCLES)
def test_rules_that_go_round_in_a_circle_fail_in_tests(name: str) -> None:
    x = T.dvector("x")
    last = CIRCLES[name][-1].name
    with pytest.raises(RewriteError, match=rf"pass test: .*circle, .*{last}"):
        apply_rules(sin(sin(x)), *CIRCLES[name])


@pytest.mark.parametrize("name", CIRCLES)
def test_rules_that_go_round_in_a_circle_end_for_users(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "strict", False)
    x, y = T.dvectors("x", "y")
    cleaned = Rule("exp_log", exp(log(p)), p * 1, nan=EXACT)
    result = apply_rules([sin(sin(x)), cos(exp(log(y)))], *CIRCLES[name], cleaned)
    verify(result.graph)
    assert result.cycles
    assert all(cycle.pass_name == "test" for cycle in result.cycles)
    assert len(result.graph.applies()) <= 8
    assert any(firing.rule == "exp_log" for firing in result.firings)


def test_of_the_forms_in_a_circle_the_cheapest_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "strict", False)
    x = T.dvector("x")
    longer = Rule("longer", sin(p), exp(log(cos(p))), nan=EXACT)
    shorter = Rule("shorter", exp(log(cos(p))), sin(p), nan=EXACT)
    for out in (sin(x), exp(log(cos(x)))):
        result = apply_rules(out, longer, shorter)
        assert text(result) == "sin(x)"
        assert {rule for c in result.cycles for rule in c.rules} == {
            "longer",
            "shorter",
        }


def test_many_circles_of_one_rule_begin_few_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "strict", False)
    x = T.dvector("x")
    outs = [sin(x + k) for k in range(40)]
    result = apply_rules(outs, SIN_TO_COS, COS_TO_SIN)
    assert 0 < result.statistics.sweeps <= 2 * engine.PATIENCE + 2


def _turned(names: tuple[str, ...]) -> Pass:
    """A pass that writes the next function in place of each."""

    def turn(graph: Graph, context: Context, record: Recorder) -> list[Variable]:
        (out,) = graph.roots
        inner = out.owner.inputs[0]
        at = names.index(out.owner.op.scalar)
        made = Elementwise(names[(at + 1) % len(names)])(inner)
        record("turned", out, made)
        return [made]

    return Pass("turns", (), (turn,))


def test_graphs_that_come_back_sweep_after_sweep_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = _turned(("sin", "cos", "exp"))
    graph = freeze([], [sin(T.dvector("x"))])
    with pytest.raises(RewriteError, match=r"pass turns: .*circle, turned"):
        run(graph, [stage])
    monkeypatch.setattr(engine, "strict", False)
    result = run(graph, [stage])
    assert len(result.firings) == 3
    assert [cycle.variable for cycle in result.cycles] == [None]


def test_a_transform_that_is_final_is_applied_once() -> None:
    stage = _turned(("sin", "cos")).replace(once=True)
    assert text(run(freeze([], [sin(T.dvector("x"))]), [stage])) == "cos(x)"


def test_a_rule_that_gives_its_own_node_back_does_nothing() -> None:
    same = rule("same", on="sin", nan=EXACT, example=sin)(
        lambda node, context: node.outputs[0]
    )
    assert apply_rules(sin(T.dvector("x")), same).firings == ()


def test_a_compilation_goes_on_and_explains_where_rules_went_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "strict", False)
    x = T.dvector("x")
    for one in CIRCLES["two"]:
        sg.register_rule(one, "canonicalize")
    try:
        f = sg.function([x], sin(x) * 2)
        np.testing.assert_allclose(f([0.0, 1.0]).shape, (2,))
        assert "circle, sin_to_cos, cos_to_sin at" in f.explain()
    finally:
        for one in CIRCLES["two"]:
            sg.remove_rule(one)


def test_circles_in_the_step_of_a_loop_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "strict", False)
    x = T.dvector("x")
    h, _ = sg.scan(lambda t, s: sin(s) + t, sequences=x, outputs_info=T.constant(0.0))
    for one in CIRCLES["two"]:
        sg.register_rule(one, "canonicalize")
    try:
        assert optimize(freeze([x], [h])).cycles
    finally:
        for one in CIRCLES["two"]:
            sg.remove_rule(one)


def _bad_dtype(node: Apply, context: Context) -> Variable | None:
    """A replacement of another dtype."""
    made: Variable = Cast("float32")(node.inputs[0])
    return made


def _forgets(node: Apply, context: Context) -> Variable | None:
    """A replacement of which less is known."""
    return T.dvector("unknown")


@pytest.mark.parametrize("function", [_bad_dtype, _forgets])
def test_a_replacement_of_another_type_is_refused(function: object) -> None:
    bad = rule("bad", on="sin", nan=EXACT, example=sin)(function)  # type: ignore[arg-type]
    x = T.TensorType("float64", (3,))("x")
    with pytest.raises(RewriteError, match="rule bad: float64"):
        apply_rules(sin(x), bad)


def test_replacements_inherit_place_and_name() -> None:
    x = T.dvector("x")
    out = sin(x)
    out.name = "wave"
    result = apply_rules(out, Rule("sin_to_cos", sin(p), cos(p), nan=EXACT))
    (new,) = result.graph.outputs
    assert (new.place, new.name) == (out.place, "wave")
    assert (result.firings[0].before, result.firings[0].after) == ("sin(x)", "cos(x)")


def test_text_of_a_firing_leaves_out_what_is_deep_inside() -> None:
    out = T.dvector("x")
    for _ in range(200):
        out = cos(out) + out
    result = apply_rules(sin(out), Rule("sin_to_exp", sin(p), exp(p), nan=EXACT))
    assert "..." in result.firings[0].before
    assert len(result.firings[0].before) < 2000


def test_commuted_operations_become_one_node() -> None:
    x, y = T.dvectors("x", "y")
    result = apply_rules([x * y, sin(y * x), y - x], Rule("s", cos(p), p, nan=EXACT))
    first, second, _ = result.graph.outputs
    assert second.owner.inputs[0] is first
    assert [f.rule for f in result.firings] == ["commuted_to_same"]


def test_updates_keep_their_targets() -> None:
    x, y = T.dvectors("x", "y")
    graph = freeze([x], [], [(y, sin(x))])
    result = run(graph, [Pass("t", (Rule("s", sin(p), cos(p), nan=EXACT),))])
    ((target, new),) = result.graph.updates
    assert target is y
    assert expression(new) == "cos(x)"
    verify(result.graph)


def test_users_are_counted_with_roots() -> None:
    x = T.dvector("x")
    shared = sin(x)
    graph = freeze([x], [shared, shared * shared])
    sweep = Sweep(graph, _index(), "t", run(graph, []).statistics)
    (first, _) = graph.outputs
    assert len(sweep.context.users(first)) == 3
    assert sweep.context.is_shared(first)
    assert not sweep.context.knows(x.clone())


def _index() -> object:
    from symgraph.rewrite.engine import RuleIndex

    return RuleIndex(())


# --- shapes ---------------------------------------------------------------------------


def shapes_of(graph: Graph, assume: bool = False) -> Context:
    nodes = graph.applies()
    return Context(nodes, graph.roots, Equalities(nodes, assume))


def test_same_shape_is_proven_not_guessed() -> None:
    x, y = T.dvectors("x", "y")
    both = x + y
    graph = freeze([x, y], [both, exp(x), both * x])
    summed, exponential, product = graph.outputs
    with graph.interner:
        context = shapes_of(graph)
        assert context.same_shape(x, exponential)
        assert not context.same_shape(x, summed)  # y may be longer where x has one
        assert context.same_shape(summed, product)
        assert context.covers([x, y], summed)
        assert not context.covers([x], summed)
        assert shapes_of(graph, True).same_shape(x, summed)


def test_inner_extents_of_a_product_are_equal() -> None:
    a, w = T.dmatrix("a"), T.TensorType("float64", (3, 4))("w")
    graph = freeze([a, w], [T.dot(a, w), T.exp(w), T.dot(a.T, a)])
    with graph.interner:
        context = shapes_of(graph)
        assert context.axes(a)[1] == 3
        assert context.axes(graph.outputs[2]) == (3, 3)


def test_fit_never_reads_what_it_replaces() -> None:
    x = T.dvector("x")
    graph = freeze([x], [Elementwise("exp")(x)])
    (out,) = graph.outputs
    with graph.interner:
        made = Context().fit(T.constant(1.0), out)
    assert out not in T_ancestors(made)


def T_ancestors(v: Variable) -> list[Variable]:
    from symgraph.core.traverse import ancestors

    return ancestors([v])
