"""Scalar expressions in Kernel IR, written with Python operators.

The body of an elementwise function is ``body(m, x, ...)`` (ops/families.py). Here `m`
is a `Primitives` and the operands are `Operand`s: every primitive that the body uses
becomes one `Let`, placed by the `emit` function that the loop builder gives.
"""

from collections.abc import Callable
from typing import Any

from symgraph.core.dtypes import is_complex, python_dtype, real_dtype
from symgraph.core.primitives import PRIMITIVES
from symgraph.core.record import Record
from symgraph.lower.ir import COMPARISONS, Call, Const, Expression

Emit = Callable[[Expression], Expression]

_BOOL_RESULT = COMPARISONS | {"isnan", "isinf", "isfinite", "signbit"}


class Operand(Record):
    """A value inside a body; Python operators emit primitives."""

    expression: Expression
    primitives: "Primitives"

    @property
    def dtype(self) -> str:
        """dtype of the value."""
        return self.expression.dtype

    def _binary(self, name: str, other: Any) -> "Operand":
        return self.primitives.call(name, self, other)

    def __add__(self, other: Any) -> "Operand":
        return self._binary("add", other)

    def __radd__(self, other: Any) -> "Operand":
        return self.primitives.call("add", other, self)

    def __sub__(self, other: Any) -> "Operand":
        return self._binary("sub", other)

    def __rsub__(self, other: Any) -> "Operand":
        return self.primitives.call("sub", other, self)

    def __mul__(self, other: Any) -> "Operand":
        return self._binary("mul", other)

    def __rmul__(self, other: Any) -> "Operand":
        return self.primitives.call("mul", other, self)

    def __truediv__(self, other: Any) -> "Operand":
        return self._binary("div", other)

    def __rtruediv__(self, other: Any) -> "Operand":
        return self.primitives.call("div", other, self)

    def __floordiv__(self, other: Any) -> "Operand":
        return self._binary("floordiv", other)

    def __mod__(self, other: Any) -> "Operand":
        return self._binary("mod", other)

    def __pow__(self, other: Any) -> "Operand":
        if isinstance(other, int) and 1 <= other <= 4:
            result = self
            for _ in range(other - 1):
                result = result * self
            return result
        return self._binary("pow", other)

    def __neg__(self) -> "Operand":
        return self.primitives.call("neg", self)

    def __abs__(self) -> "Operand":
        return self.primitives.call("abs", self)

    def __invert__(self) -> "Operand":
        return self.primitives.call("not", self)

    def __and__(self, other: Any) -> "Operand":
        return self._binary("and", other)

    def __or__(self, other: Any) -> "Operand":
        return self._binary("or", other)

    def __xor__(self, other: Any) -> "Operand":
        return self._binary("xor", other)

    def __lshift__(self, other: Any) -> "Operand":
        return self._binary("shift_left", other)

    def __rshift__(self, other: Any) -> "Operand":
        return self._binary("shift_right", other)

    def __lt__(self, other: Any) -> "Operand":
        return self._binary("lt", other)

    def __le__(self, other: Any) -> "Operand":
        return self._binary("le", other)

    def __gt__(self, other: Any) -> "Operand":
        return self._binary("gt", other)

    def __ge__(self, other: Any) -> "Operand":
        return self._binary("ge", other)

    def __eq__(self, other: object) -> "Operand":  # type: ignore[override]
        return self._binary("eq", other)

    def __ne__(self, other: object) -> "Operand":  # type: ignore[override]
        return self._binary("ne", other)

    def __hash__(self) -> int:
        return hash(self.expression)

    def astype(self, dtype: Any) -> "Operand":
        """The value converted, as NumPy's method of that name."""
        return self.primitives.cast(self, str(getattr(dtype, "__name__", dtype)))


class Primitives:
    """The namespace `m` of a body: each attribute is a primitive."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def __getattr__(self, name: str) -> Callable[..., Operand]:
        if name not in PRIMITIVES:
            raise AttributeError(f"{name!r} is not a primitive")
        return lambda *arguments: self.call(name, *arguments)

    def operand(self, expression: Expression) -> Operand:
        """An expression as operand of a body."""
        return Operand(expression, self)

    def cast(self, value: Any, dtype: str) -> Operand:
        """Conversion."""
        if not isinstance(value, Operand):
            return self.operand(Const(value, dtype))
        if value.dtype == dtype:
            return value
        return self.operand(self._emit(Call("cast", (value.expression,), dtype)))

    def call(self, name: str, *arguments: Any) -> Operand:
        """One primitive; Python numbers take the dtype of the other arguments."""
        dtypes = tuple(a.dtype for a in arguments if isinstance(a, Operand))
        common = dtypes[-1] if dtypes else "float64"
        expressions = tuple(
            a.expression
            if isinstance(a, Operand)
            else Const(*_number(a, common, dtypes))
            for a in arguments
        )
        if name in _BOOL_RESULT:
            dtype = "bool"
        elif name == "philox":
            dtype = "uint64"
        elif name in ("abs", "real", "imag", "angle") and is_complex(common):
            dtype = real_dtype(common)
        elif name == "where":
            dtype = next(
                (a.dtype for a in arguments[1:] if isinstance(a, Operand)),
                python_dtype(arguments[1], ()),
            )
            expressions = expressions[:1] + tuple(
                Const(*_number(a, dtype, (dtype,))) if not isinstance(a, Operand) else e
                for a, e in zip(arguments[1:], expressions[1:], strict=True)
            )
        else:
            dtype = expressions[0].dtype
        return self.operand(self._emit(Call(name, expressions, dtype)))


def _number(value: Any, common: str, dtypes: tuple[str, ...]) -> tuple[Any, str]:
    if hasattr(value, "item"):
        value = value.item()
    if common == "bool" and not isinstance(value, bool):
        common = python_dtype(value, dtypes)
    if common.startswith("float"):
        value = float(value)
    elif "int" in common:
        value = int(value)
    return value, common
