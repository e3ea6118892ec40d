"""Patterns: expressions with wildcards, written in the notation of user code.

A wildcard is a variable, so ``log(1 + x)`` builds a pattern as it builds an expression.
In: a pattern and a variable of a frozen graph. Out: what each wildcard stands for, or
that it does not match; and the other way round, the expression a pattern describes for
given operands. Ranks and dtypes of the pattern do not count: a wildcard of dtype bool
matches bools, every other wildcard any tensor; a number matches any constant with that
value in all its elements. Which node a rule is tried on is left to rule.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symgraph.core.dtypes import ITEMSIZE, upcast
from symgraph.core.node import Constant, Variable, scalar_constant
from symgraph.core.types import fast_type
from symgraph.errors import RewriteError
from symgraph.ops.families import Cast, Elementwise, apply_scalar

#: wildcard → what it stands for
Bindings = dict[Variable, Variable]
Matcher = Callable[[Variable, Bindings], bool]

COMMUTATIVE = frozenset(
    ("add", "mul", "maximum", "minimum", "fmax", "fmin", "and", "or", "xor", "eq", "ne",
     "broadcast_extent", "logaddexp", "hypot")
)  # fmt: skip
#: commutative functions whose operands may change places; broadcast_extent may not
SWAPPABLE = COMMUTATIVE - {"broadcast_extent"}


class Wildcard(Variable):
    """Stands for any tensor in a pattern.

    Parameters
    ----------
    name : how it is printed
    kind : "any", "constant" (of any shape), or "number" (a constant with one value)
    dtype : "bool" restricts it to bools
    """

    def __init__(self, name: str, kind: str = "any", dtype: str = "float64") -> None:
        super().__init__(fast_type(dtype, ()), None, 0, name)
        if kind not in ("any", "constant", "number"):
            raise RewriteError(f"wildcard {name}: unknown kind {kind!r}")
        self.kind = kind


def wildcards(names: str) -> tuple[Wildcard, ...]:
    """One wildcard for each of the names.

    Examples
    --------
    >>> x, y = wildcards("x y")
    >>> x + y
    add.out
    """
    return tuple(Wildcard(name) for name in names.split())


def number_of(variable: Variable) -> Any:
    """The Python number that all elements of a constant are equal to, else None."""
    found = variable.__dict__.get("_number", _number_of)
    if found is _number_of:
        found = variable.__dict__["_number"] = _number_of(variable)
    return found


def _number_of(variable: Variable) -> Any:
    if not isinstance(variable, Constant):
        node = variable.owner
        if node is not None and node.op.name == "broadcast_to":
            return number_of(node.inputs[0])
        return None
    data = variable.data
    if data.size == 0:
        return None
    first = data.flat[0]
    if data.size > 1 and not (data == first).all():
        return None
    value = first.item()
    # -0.0 is another number than 0.0: 1 / x differs
    if value == 0 and data.dtype.kind == "f" and np.signbit(data).any():
        return None
    return value


def compile_pattern(pattern: Variable) -> Matcher:
    """A function that matches one variable against the pattern."""
    if isinstance(pattern, Wildcard):
        return _match_wildcard(pattern)
    if isinstance(pattern, Constant):
        wanted = pattern.data.item()
        return lambda v, bound: number_of(v) == wanted
    node = pattern.owner
    if node is None:
        raise RewriteError(f"pattern: {pattern} is neither wildcard nor constant")
    parts = [compile_pattern(v) for v in node.inputs]
    op = node.op
    if isinstance(op, Cast):
        raise RewriteError("pattern: a cast cannot be matched by a pattern")
    if isinstance(op, Elementwise) and op.scalar in COMMUTATIVE:
        return _match_commutative(op, parts[0], parts[1])
    return _match_op(op, parts)


def _match_wildcard(wildcard: Wildcard) -> Matcher:
    kind, only_bool = wildcard.kind, wildcard.type.dtype == "bool"

    def match(v: Variable, bound: Bindings) -> bool:
        found = bound.get(wildcard)
        if found is not None:
            return found is v
        if only_bool and v.type.dtype != "bool":
            return False
        if kind == "constant" and not isinstance(v, Constant):
            return False
        if kind == "number" and number_of(v) is None:
            return False
        bound[wildcard] = v
        return True

    return match


def _match_op(op: Any, parts: list[Matcher]) -> Matcher:
    def match(v: Variable, bound: Bindings) -> bool:
        node = v.owner
        if node is None or (node.op is not op and node.op != op):
            return False
        if len(node.inputs) != len(parts):
            return False
        return all(m(u, bound) for m, u in zip(parts, node.inputs, strict=True))

    return match


def _match_commutative(op: Any, left: Matcher, right: Matcher) -> Matcher:
    def match(v: Variable, bound: Bindings) -> bool:
        node = v.owner
        if node is None or (node.op is not op and node.op != op):
            return False
        a, b = node.inputs
        before = dict(bound)
        if left(a, bound) and right(b, bound):
            return True
        bound.clear()
        bound.update(before)
        return left(b, bound) and right(a, bound)

    return match


def instantiate(
    pattern: Variable, bindings: Mapping[Variable, Variable], dtype: str = "float64"
) -> Variable:
    """The expression a pattern describes, for these operands.

    Numbers take the dtype of the operands beside them, or `dtype` where there is none.
    """
    found = bindings.get(pattern)
    if found is not None:
        return found
    if isinstance(pattern, Constant):
        return _typed(pattern, dtype)
    node = pattern.owner
    if node is None:
        raise RewriteError(f"the wildcard {pattern} stands for nothing here")
    op = node.op
    if not isinstance(op, Elementwise):
        return op(*(instantiate(v, bindings, dtype) for v in node.inputs))
    made = [
        None if isinstance(v, Constant) else instantiate(v, bindings, dtype)
        for v in node.inputs
    ]
    beside = made[1:] if op.scalar == "where" else made
    dtypes = {v.type.dtype for v in beside if v is not None}
    common = upcast(*dtypes) if dtypes else dtype
    operands = [
        _typed(v, common) if new is None else new
        for v, new in zip(node.inputs, made, strict=True)
    ]
    return apply_scalar(op.scalar, *operands)


def _typed(constant: Variable, dtype: str) -> Variable:
    assert isinstance(constant, Constant)
    value = constant.data.item()
    if constant.type.dtype == "bool":
        return constant
    if dtype == "bool" or dtype.startswith(("int", "uint")):
        number = int(value)
        if dtype.startswith("uint"):
            number %= 1 << (8 * ITEMSIZE[dtype])
        return scalar_constant(number, dtype)
    if dtype.startswith("complex"):
        return scalar_constant(complex(value), dtype)
    return scalar_constant(float(value), dtype)
