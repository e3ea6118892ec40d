"""`check_rule`: does a rewrite rule keep what it promises?

The pattern of a rule is built on random operands of several dtypes and shapes (for a
procedural rule, its example), rewritten by this rule alone, and both sides are evaluated
by the reference backend. They must agree in value, shape and dtype, and where the rule is
"exact" in where NaN and infinities come out. The tests of the package's own rules run this.
"""

import itertools
import zlib
from collections.abc import Iterator

import numpy as np

from symgraph.backends.reference import evaluate
from symgraph.core.dtypes import is_float
from symgraph.core.graph import Graph, freeze, verify
from symgraph.core.node import Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.core.text import expression
from symgraph.core.traverse import leaves
from symgraph.core.types import TensorType
from symgraph.errors import RewriteError, RuleError, SymgraphError
from symgraph.rewrite.engine import Optimized, Pass, run
from symgraph.rewrite.pattern import Wildcard, instantiate
from symgraph.rewrite.rule import EXACT, Rule

DTYPES = {
    "float": ("float32", "float64"), "inexact": ("float64", "complex128"),
    "real": ("float32", "int32", "int64"), "number": ("float32", "int32", "uint8"),
    "integer": ("int32", "uint8"), "bool": ("bool",), "any": ("float32", "int64"),
}  # fmt: skip
#: dtypes of the operands of an example that says nothing of them
ANY = ("float32", "float64", "int32")
#: static shapes of three operands, and the extents they have in a call
SHAPES = (
    (((), (), ()), ((), (), ())),
    (((None,), (None,), (None,)), ((4,), (4,), (4,))),
    (((None, 3), (3,), ()), ((2, 3), (3,), ())),
    (((1, None), (None, 1), (None, None)), ((1, 3), (2, 1), (2, 3))),
    (((None, None), (None, None), (None, None)), ((2, 3), (2, 1), (1, 3))),
    (((None,), (None,), (None,)), ((0,), (0,), (0,))),
    (((None,), (None,), (None,)), ((1,), (1,), (1,))),
    (((None,), (None,), (None,)), ((1,), (0,), (1,))),
    (((None,), (None,), (None,)), ((0,), (1,), (0,))),
)
#: extents of the axes of an example: unknown and known 3, then ones that are special
EXTENTS = ((3, False), (3, True), (1, False), (0, False))
#: what wildcards of kind "number" stand for; the second of a pair if its name is n
NUMBERS = ((2, 3), (-1, 2), (4, -1), (1, 1), (0.5, 2.0))
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 2.0)
#: how often special values are drawn
DRAWS = 4
Values = dict[Variable, np.ndarray]
Case = tuple[Variable, Values]


def check_rule(rule: Rule) -> int:
    """Compare both sides of a rule on random operands.

    Parameters
    ----------
    rule : `Rule`; a procedural one needs an `example`

    Returns
    -------
    the number of cases in which it fired

    Raises
    ------
    RuleError : both sides differ, or it never fires; the message has the expression
        before and after, the operands, and both values
    RewriteError : it changes the type, or never comes to an end

    Examples
    --------
    >>> from symgraph.rewrite.pattern import wildcards
    >>> x, y = wildcards("x y")
    >>> sg.check_rule(sg.Rule("sub_to_add", x - y, x + -y, nan="exact")) > 10
    True
    >>> sg.check_rule(sg.Rule("wrong", T.sqrt(x * x), x, nan="exact"))
    Traceback (most recent call last):
        ...
    symgraph.errors.RuleError: rule wrong: both sides differ at element ...
    """
    fired = 0
    for out, values in cases(rule):
        graph = freeze(list(values), [out])
        result = only(rule, graph)
        verify(result.graph)
        if result.cycles:
            raise RewriteError(
                f"rule {rule.name}: it never comes to an end\n  {result.cycles[0]}"
            )
        if not any(firing.rule == rule.name for firing in result.firings):
            continue
        both = _both(graph, result, values)
        if both is None:
            continue
        fired += 1
        before, after = both
        _compare(rule, graph, result, values, before, after)
        if rule.nan == EXACT:
            _check_special(rule, graph, result, values)
    if not fired:
        raise RuleError(
            f"rule {rule.name}: it never fires, on none of its cases; the last one is "
            f"{expression(out)} : {out.type}\n"
            "Look at its condition and its dtypes; a procedural rule needs an example."
        )
    return fired


def only(rule: Rule, graph: Graph) -> Optimized:
    """The graph rewritten by one rule alone."""
    return run(graph, [Pass("one", (rule,))], {})


def cases(rule: Rule) -> Iterator[Case]:
    """Expressions that a rule is tried on, with the values of their leaves."""
    if rule.before is not None:
        return _pattern_cases(rule)
    if rule.example is None:
        raise RuleError(
            f"rule {rule.name}: a procedural rule needs an example to be checked"
        )
    return _example_cases(rule)


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
    return np.asarray(values, dtype)


def _pattern_cases(rule: Rule) -> Iterator[Case]:
    """The pattern on operands of several dtypes and shapes."""
    assert rule.before is not None
    found = [v for v in leaves([rule.before]) if isinstance(v, Wildcard)]
    random = np.random.default_rng(zlib.crc32(rule.name.encode()))
    for dtype, (static, extents) in itertools.product(DTYPES[rule.dtypes], SHAPES):
        for numbers in NUMBERS:
            values: Values = {}
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
                if len({(v.type, a.shape) for v, a in values.items()}) < len(values):
                    yield _repeated(rule, bound, dtype, values)
                positive = PUBLIC["exp" if is_float(dtype) else "abs"]
                anything = {w for w in found if w.kind == "any"}
                not_negative = {
                    w: positive(v) if w in anything and v.dtype == dtype else v
                    for w, v in bound.items()
                }
                if rule.when is not None and dtype != "bool":
                    yield instantiate(rule.before, not_negative, dtype), values
            if not any(w.kind == "number" for w in found):
                break


def _repeated(
    rule: Rule, bound: dict[Variable, Variable], dtype: str, values: Values
) -> Case:
    """The pattern with one operand in place of all that have its type and shape."""
    assert rule.before is not None
    first: dict[object, Variable] = {}
    same = {
        w: first.setdefault((v.type, values[v].shape), v) if v in values else v
        for w, v in bound.items()
    }
    kept = {v: a for v, a in values.items() if v in same.values()}
    return instantiate(rule.before, same, dtype), kept


def _example_cases(rule: Rule) -> Iterator[Case]:
    """The example of a procedural rule, with unknown and with known extents."""
    assert rule.example is not None
    random = np.random.default_rng(zlib.crc32(rule.name.encode()))
    count = rule.example.__code__.co_argcount
    ranks = rule.ranks[:count]
    for dtype in DTYPES[rule.dtypes] if rule.dtypes != "any" else ANY:
        for extent, known in EXTENTS:
            operands, values = [], {}
            for name, rank in zip("xyz", ranks, strict=False):
                shape = (extent,) * rank
                leaf = TensorType(dtype, shape if known else (None,) * rank)(name)
                operands.append(leaf)
                values[leaf] = random_array(random, shape, dtype)
            try:
                out = rule.example(*operands)
            except SymgraphError:
                if dtype not in ("float32", "float64"):
                    continue  # the example is for floats
                raise
            yield out, values


def _both(
    graph: Graph, result: Optimized, values: Values
) -> tuple[np.ndarray, np.ndarray] | None:
    """Both values; None where the original fails for these operands."""
    with np.errstate(all="ignore"):
        try:
            (before,) = evaluate(graph.outputs, values)
        except SymgraphError:
            return None
        (after,) = evaluate(result.graph.outputs, values)
    return before, after


def _compare(
    rule: Rule,
    graph: Graph,
    result: Optimized,
    values: Values,
    before: np.ndarray,
    after: np.ndarray,
) -> None:
    """Equal shapes, dtypes and values; NaN and infinities as the rule's label allows."""
    if before.shape != after.shape or before.dtype != after.dtype:
        what = f"{before.dtype} {before.shape} became {after.dtype} {after.shape}"
        raise _failed(rule, graph, result, values, what)
    if before.dtype.kind not in "fc":
        wrong = before != after
    else:
        rtol, atol = (1e-3, 2e-5) if before.dtype.name == "float32" else (1e-8, 1e-10)
        wrong = ~np.isclose(after, before, rtol, atol, equal_nan=True)
        if rule.nan != EXACT:
            wrong &= np.isfinite(before)
    if wrong.any():
        raise _failed(rule, graph, result, values, _element(wrong, before, after))


def _check_special(rule: Rule, graph: Graph, result: Optimized, values: Values) -> None:
    """An exact rule gives NaN and infinities where the original does."""
    random = np.random.default_rng(7)
    for _ in range(DRAWS):
        special = {
            v: np.asarray(random.choice(SPECIAL, a.shape), a.dtype)
            if a.dtype.kind == "f"
            else a
            for v, a in values.items()
        }
        both = _both(graph, result, special)
        if both is None:
            continue
        before, after = both
        if before.dtype.kind != "f":
            wrong = before != after
        else:
            odd = ~(np.isfinite(before) & np.isfinite(after))
            wrong = odd & (before != after) & ~(np.isnan(before) & np.isnan(after))
        if wrong.any():
            changed = _element(wrong, before, after)
            what = f"it is labelled exact, but NaN or inf changes\n{changed}"
            raise _failed(rule, graph, result, special, what)


def _element(wrong: np.ndarray, before: np.ndarray, after: np.ndarray) -> str:
    index = tuple(int(i[0]) for i in np.nonzero(wrong)) if wrong.ndim else ()
    return (
        f"both sides differ at element {index}: {before[index].item()!r} became "
        f"{after[index].item()!r}"
    )


def _failed(
    rule: Rule, graph: Graph, result: Optimized, values: Values, what: str
) -> RuleError:
    operands = "".join(
        f"\n  {v.name} : {v.type} = {np.array2string(a, threshold=12, separator=', ')}"
        for v, a in values.items()
    )
    return RuleError(
        f"rule {rule.name}: {what}\n"
        f"  before: {expression(graph.outputs[0])}\n"
        f"  after:  {expression(result.graph.outputs[0])}{operands}"
    )
