"""Text to symbolic expression, without evaluating any text as code.

In: a string such as ``log(1 + exp(x)) @ w``.  Out: a variable and the inputs that the
text names.  The text is parsed with ``ast`` and walked node by node; only the nodes,
operators and functions listed here are accepted, anything else is an ``ArgumentError``
that points at the place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import Variable, building
from symgraph.errors import ArgumentError, SymgraphError

MAX_LENGTH = 2000  # characters
MAX_DEPTH = 60  # nested operations
MAX_INTEGER = 2**63 - 1

# fmt: off
#: functions of symgraph.tensor that text may call
FUNCTIONS = frozenset((
    "abs", "sqr", "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p",
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh",
    "tanh", "arcsinh", "arccosh", "arctanh", "floor", "ceil", "trunc", "round", "sgn",
    "maximum", "minimum", "switch", "where", "clip", "eq", "neq", "lt", "le", "gt",
    "ge", "isnan", "isinf", "erf", "erfc", "gammaln",
    "sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "all", "any",
    "dot", "outer", "batched_dot", "tensordot",
    "transpose", "reshape", "flatten", "dimshuffle", "concatenate", "stack", "tile",
    "repeat", "zeros_like", "ones_like", "cast",
))
#: functions of symgraph.tensor.nnet that text may call
NNET_FUNCTIONS = frozenset((
    "sigmoid", "softplus", "hard_sigmoid", "relu", "elu", "softmax", "logsoftmax",
    "binary_crossentropy", "categorical_crossentropy",
))
#: functions of symgraph that text may call
SYMBOLIC_FUNCTIONS = frozenset(("grad", "jacobian", "hessian"))
#: functions whose arguments after the first are plain: shapes, axes, dtypes, counts
SHAPED = frozenset(("reshape", "dimshuffle", "cast", "tile", "repeat", "transpose"))
BINARY: dict[type[ast.operator], str] = {
    ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__",
    ast.Div: "__truediv__", ast.FloorDiv: "__floordiv__", ast.Mod: "__mod__",
    ast.Pow: "__pow__", ast.MatMult: "__matmul__", ast.BitAnd: "__and__",
    ast.BitOr: "__or__", ast.BitXor: "__xor__",
}
UNARY: dict[type[ast.unaryop], str] = {ast.USub: "__neg__", ast.Invert: "__invert__"}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq",
    ast.NotEq: "neq",
}
# fmt: on
#: keyword arguments, all plain values, that calls may have
KEYWORDS = frozenset(("axis", "keepdims", "ndim", "dtype", "ddof", "axes"))
CONSTRUCTOR = re.compile(r"[bwilfd]?(scalar|vector|row|col|matrix|tensor3|tensor4)")
DEFAULT_TYPE = "dmatrix"


@dataclass(frozen=True)
class Parsed:
    """An expression made from text, and its inputs in the order of first use."""

    output: Variable
    inputs: tuple[Variable, ...]


def parse(text: str, types: Mapping[str, str] | None = None) -> Parsed:
    """Make a symbolic expression from text.

    Parameters
    ----------
    text : Python's operators, names, numbers, and calls of the listed functions
    types : name → constructor of symgraph.tensor ("fvector"); others are dmatrix

    Returns
    -------
    Parsed

    Raises
    ------
    ArgumentError : the text is not an expression, or uses what is not listed
    SymgraphError : operands do not fit, as in a program

    Examples
    --------
    >>> parsed = parse("x + sum(y)", {"y": "dvector"})
    >>> [(v.name, v.ndim) for v in parsed.inputs]
    [('x', 2), ('y', 1)]
    """
    if len(text) > MAX_LENGTH:
        raise ArgumentError(f"expression of {len(text)} characters, over {MAX_LENGTH}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ArgumentError(f"not an expression: {text!r}: {reason}") from error
    builder = _Builder(text.strip(), dict(types or {}))
    try:
        output = builder.build(tree.body, 0)
    except RecursionError:  # in what Python itself does with the text
        raise ArgumentError(f"expression nested deeper than {MAX_DEPTH}") from None
    if not isinstance(output, Variable):
        raise ArgumentError(f"{text!r} is no single expression")
    if unused := set(builder.types) - set(builder.inputs):
        raise ArgumentError(f"{text!r} does not use {', '.join(sorted(unused))}")
    return Parsed(output, tuple(builder.inputs.values()))


class _Builder:
    """Walks a syntax tree; ``inputs`` collects the names that it meets."""

    def __init__(self, text: str, types: dict[str, str]) -> None:
        self.text = text
        self.types = types
        self.inputs: dict[str, Variable] = {}

    def build(self, node: ast.expr, depth: int) -> Any:
        """Return the variable (or list of variables) that a node stands for.

        What is made remembers its column as its place of birth, for error texts.
        """
        if depth > MAX_DEPTH:
            raise ArgumentError(f"expression nested deeper than {MAX_DEPTH}")
        outer, building.place = building.place, ("column", node.col_offset + 1)
        try:
            return self.made(node, depth + 1)
        finally:
            building.place = outer

    def made(self, node: ast.expr, below: int) -> Any:
        """Return what stands for a node whose operands are `below` so deep."""
        match node:
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.Constant(value=bool() | int() | float() as value):
                if abs(value) > MAX_INTEGER and isinstance(value, int):
                    self.refuse(node, "does not fit in int64")
                return T.constant(value)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.build(operand, below)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                return getattr(self.value(operand, below), UNARY[type(op)])()
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                first, second = self.value(left, below), self.value(right, below)
                return getattr(first, BINARY[type(op)])(second)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if (
                type(op) in COMPARISONS
            ):
                first, second = self.value(left, below), self.value(right, below)
                return getattr(T, COMPARISONS[type(op)])(first, second)
            case ast.Attribute(value=value, attr="T"):
                return self.value(value, below).T
            case ast.Subscript(value=value, slice=index):
                return self.value(value, below)[_index(index, self.refuse)]
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return [self.value(element, below) for element in elements]
            case ast.Call():
                return self.call(node, below)
        self.refuse(node, "is not accepted here")

    def value(self, node: ast.expr, depth: int) -> Variable:
        """Return one variable; a list is refused."""
        found = self.build(node, depth)
        if not isinstance(found, Variable):
            self.refuse(node, "is no single value")
        return found

    def name(self, node: ast.expr, name: str) -> Variable:
        """Return the input of that name, made when first met."""
        if name.startswith("__"):
            self.refuse(node, "is not accepted as a name")
        if name not in self.inputs:
            kind = self.types.get(name, DEFAULT_TYPE)
            if not CONSTRUCTOR.fullmatch(kind):
                raise ArgumentError(
                    f"{name}={kind}: the type is a constructor of symgraph.tensor, "
                    "such as dscalar, fvector, dmatrix"
                )
            self.inputs[name] = getattr(T, kind)(name)
        return self.inputs[name]

    def call(self, node: ast.Call, depth: int) -> Any:
        """Return what a listed function gives."""
        name = _function_name(node.func)
        function = _function(name)
        keywords = {}
        for keyword in node.keywords:
            if keyword.arg not in KEYWORDS:
                self.refuse(keyword.value, f"for {keyword.arg!r} is not accepted")
            keywords[keyword.arg] = _plain(keyword.value, self.refuse)
        arguments = [
            _plain(argument, self.refuse)
            if isinstance(argument, ast.Constant) or (number and name in SHAPED)
            else self.build(argument, depth)
            for number, argument in enumerate(node.args)
        ]
        try:
            return function(*arguments, **keywords)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            if isinstance(error, SymgraphError):
                raise
            raise ArgumentError(f"{ast.unparse(node)}: {error}") from error

    def refuse(self, node: ast.expr, reason: str) -> NoReturn:
        """Raise the error that points at a node."""
        part = ast.get_source_segment(self.text, node) or type(node).__name__
        raise ArgumentError(
            f"{part!r} (column {node.col_offset + 1} of the expression) {reason}"
        )


Refuse = Callable[[ast.expr, str], NoReturn]


def _function_name(node: ast.expr) -> str:
    """Return the name of a function without the ``T.`` that may stand before it."""
    name = ast.unparse(node).removeprefix("T.").removeprefix("nnet.")
    return name.removeprefix("sg.")


def _function(name: str) -> Callable[..., Any]:
    for names, home in (
        (FUNCTIONS, T),
        (NNET_FUNCTIONS, T.nnet),
        (SYMBOLIC_FUNCTIONS, sg),
    ):
        if name in names:
            found: Callable[..., Any] = getattr(home, name)
            return found
    known = ", ".join(sorted(FUNCTIONS | NNET_FUNCTIONS | SYMBOLIC_FUNCTIONS))
    raise ArgumentError(f"no function {name!r}; there are {known}")


def _plain(node: ast.expr, refuse: Refuse) -> Any:
    """Return a number, string, or tuple of them that is written out."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return tuple(_plain(element, refuse) for element in elements)
    refuse(node, "must be a number, a string or a tuple of them")


def _index(node: ast.expr, refuse: Refuse) -> Any:
    match node:
        case ast.Slice(lower=lower, upper=upper, step=step):
            parts = [
                None if p is None else _plain(p, refuse) for p in (lower, upper, step)
            ]
            return slice(*parts)
        case ast.Tuple(elts=elements):
            return tuple(_index(element, refuse) for element in elements)
        case ast.Constant(value=v) if v is Ellipsis:
            return Ellipsis
    return _plain(node, refuse)
