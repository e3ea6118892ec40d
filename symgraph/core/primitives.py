"""The scalar primitives: what every backend can compute of numbers.

One table: name, number of operands, and whether computing it again costs about as much as
loading its value. The Kernel IR allows these functions and no others, its verifier
counts their operands, every writer has to write them (a test says so), and fusion, loops
and rewrites ask here what is cheap. What a primitive computes stands in ops/ beside its
derivative; functions made of primitives are judged by their body (`is_cheap_body`).
"""

from collections.abc import Callable
from typing import Any

from symgraph.core.record import Record


class Primitive(Record):
    """A scalar function that backends know.

    Attributes
    ----------
    name : of the function in Kernel IR
    arity : number of operands
    cheap : whether computing it again costs about as much as loading its value
    """

    name: str
    arity: int
    cheap: bool


#: (operands, cheap, names)
_ROWS = (
    (1, True, """abs cast ceil conj floor imag isfinite isinf isnan neg not real rint sign
                 signbit sqrt trunc"""),
    (2, True, """add and copysign div eq fmax fmin ge gt le lt maximum minimum mul ne or
                 shift_left shift_right sub xor"""),
    (3, True, "where"),
    (1, False, """angle arccos arccosh arcsin arcsinh arctan arctanh cbrt cos cosh digamma
                  erf erfc erfcinv erfcx erfinv exp exp2 expm1 gammaln log log10 log1p log2
                  log_sigmoid round_half_away rsqrt sigmoid sin sinh softplus tan tanh"""),
    (2, False, "arctan2 floordiv fmod mod pow"),
    (3, False, "philox"),
)  # fmt: skip
PRIMITIVES = {
    name: Primitive(name, arity, cheap)
    for arity, cheap, names in _ROWS
    for name in names.split()
}
#: Python's operators in the body of a scalar function → primitive
OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floordiv",
    "mod": "mod", "pow": "pow", "neg": "neg", "abs": "abs", "invert": "not", "and": "and",
    "or": "or", "xor": "xor", "lshift": "shift_left", "rshift": "shift_right", "lt": "lt",
    "le": "le", "gt": "gt", "ge": "ge", "eq": "eq", "ne": "ne",
}  # fmt: skip
#: primitives in a body that is cheap, at most
FEW = 6


def is_cheap_body(body: Callable[..., Any], arity: int) -> bool:
    """Whether a function made of primitives is made of few, and of cheap ones.

    Examples
    --------
    >>> is_cheap_body(lambda m, x: m.maximum(x, 0), 1)
    True
    >>> is_cheap_body(lambda m, x: x * m.exp(x), 1)
    False
    """
    used = primitives_of(body, arity)
    return len(used) <= FEW and all(
        name in PRIMITIVES and PRIMITIVES[name].cheap for name in used
    )


def primitives_of(body: Callable[..., Any], arity: int) -> list[str]:
    """The primitives that the body of a scalar function calls, in order.

    Examples
    --------
    >>> primitives_of(lambda m, x, a: m.where(x > 0, x, a * x), 2)
    ['gt', 'mul', 'where']
    """
    found = _Calls()
    body(found, *[_Operand(found) for _ in range(arity)])
    return found.names


class _Calls:
    """The namespace `m` of a body of which only the calls are of interest."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., "_Operand"]:
        def call(*operands: Any) -> _Operand:
            self.names.append(name)
            return _Operand(self)

        return call


class _Operand:
    """An operand whose value nobody needs; operators are recorded."""

    dtype = "float64"

    def __init__(self, record: _Calls) -> None:
        self._record = record

    def astype(self, dtype: Any) -> "_Operand":
        """The operand converted."""
        self._record.names.append("cast")
        return self


def _operator(name: str) -> Callable[..., _Operand]:
    def call(self: _Operand, *others: Any) -> _Operand:
        self._record.names.append(name)
        return _Operand(self._record)

    return call


def _power(self: _Operand, exponent: Any) -> _Operand:
    if isinstance(exponent, int) and 1 <= exponent <= 4:  # written as products
        self._record.names += ["mul"] * (exponent - 1)
        return self
    return _operator("pow")(self, exponent)


for _python, _name in OPERATORS.items():
    setattr(_Operand, f"__{_python}__", _operator(_name))
    setattr(_Operand, f"__r{_python}__", _operator(_name))
setattr(_Operand, "__pow__", _power)  # noqa: B010
