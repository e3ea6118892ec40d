"""Python functions of numbers, run on something else: primitives, or IEEE numbers.

A function of the user says ``math.tanh(x) * x``. `rebound` gives a copy of it in which
the functions of `math` and `numpy` are others. With primitives (`traced`) it becomes the
body of an elementwise function; where it branches, loops or calls what is no primitive,
that raises `UntraceableError`. With NumPy's (`ieee`) it computes as compiled code does,
infinities instead of exceptions. In and out: functions.
"""

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Function = Callable[..., Any]

#: name in `math` → primitive, where they differ
_MATH = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fabs": "abs",
    "lgamma": "gammaln",
}  # fmt: skip
#: name in NumPy → primitive, where they differ
_NUMPY = {
    "absolute": "abs", "fabs": "abs", "power": "pow", "float_power": "pow",
    "true_divide": "div", "divide": "div", "subtract": "sub", "multiply": "mul",
    "negative": "neg", "acos": "arccos", "asin": "arcsin", "atan": "arctan",
    "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip
_SAME = (
    "abs add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil copysign cos "
    "cosh erf erfc exp exp2 expm1 floor fmax fmin fmod isfinite isinf isnan log log10 "
    "log1p log2 maximum minimum pow rint sign signbit sin sinh sqrt tan tanh trunc where"
).split()


class UntraceableError(Exception):
    """A function does something that primitives cannot say."""


class Traced:
    """A value in a function that is traced: `value` is what primitives compute with."""

    __array_ufunc__ = None

    def __init__(self, value: Any, m: Any, is_bool: bool = False) -> None:
        self.value = value
        self.m = m
        self.is_bool = is_bool

    def apply(self, name: str, *operands: Any) -> "Traced":
        """A primitive of values, of which at least one is traced."""
        return apply(self.m, name, *operands)

    def __add__(self, other: Any) -> "Traced":
        return self.apply("add", self, other)

    def __radd__(self, other: Any) -> "Traced":
        return self.apply("add", other, self)

    def __sub__(self, other: Any) -> "Traced":
        return self.apply("sub", self, other)

    def __rsub__(self, other: Any) -> "Traced":
        return self.apply("sub", other, self)

    def __mul__(self, other: Any) -> "Traced":
        return self.apply("mul", self, other)

    def __rmul__(self, other: Any) -> "Traced":
        return self.apply("mul", other, self)

    def __truediv__(self, other: Any) -> "Traced":
        return self.apply("div", self, other)

    def __rtruediv__(self, other: Any) -> "Traced":
        return self.apply("div", other, self)

    def __floordiv__(self, other: Any) -> "Traced":
        return self.apply("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> "Traced":
        return self.apply("floordiv", other, self)

    def __mod__(self, other: Any) -> "Traced":
        return self.apply("mod", self, other)

    def __rmod__(self, other: Any) -> "Traced":
        return self.apply("mod", other, self)

    def __pow__(self, other: Any) -> "Traced":
        if isinstance(other, int) and 1 <= other <= 4 and not self.is_bool:
            result = self
            for _ in range(other - 1):
                result = result * self
            return result
        return self.apply("pow", self, other)

    def __rpow__(self, other: Any) -> "Traced":
        return self.apply("pow", other, self)

    def __neg__(self) -> "Traced":
        return self.apply("neg", self)

    def __pos__(self) -> "Traced":
        return self

    def __abs__(self) -> "Traced":
        return self.apply("abs", self)

    def __lt__(self, other: Any) -> "Traced":
        return self.apply("lt", self, other)

    def __le__(self, other: Any) -> "Traced":
        return self.apply("le", self, other)

    def __gt__(self, other: Any) -> "Traced":
        return self.apply("gt", self, other)

    def __ge__(self, other: Any) -> "Traced":
        return self.apply("ge", self, other)

    def __eq__(self, other: object) -> "Traced":  # type: ignore[override]
        return self.apply("eq", self, other)

    def __ne__(self, other: object) -> "Traced":  # type: ignore[override]
        return self.apply("ne", self, other)

    __hash__ = None  # type: ignore[assignment]

    def _refuse(self, *_: Any) -> Any:
        raise UntraceableError("a value decides what is done")

    __bool__ = __float__ = __int__ = __index__ = __iter__ = __len__ = _refuse
    __getitem__ = __call__ = __complex__ = __round__ = _refuse


_TESTS = frozenset(
    ("lt", "le", "gt", "ge", "eq", "ne", "isnan", "isinf", "isfinite", "signbit")
)


def apply(m: Any, name: str, *operands: Any) -> Any:
    """A primitive; bools among numbers count as 0 and 1, as in Python."""
    traced = [o for o in operands if isinstance(o, Traced)]
    if not traced:
        raise UntraceableError(f"{name} of numbers")
    for o in operands:
        if not isinstance(o, Traced | bool | int | float | np.floating | np.integer):
            raise UntraceableError(f"{name} of {o!r}")
    if name == "where":
        condition, *rest = operands
        if not (isinstance(condition, Traced) and condition.is_bool):
            raise UntraceableError("where needs a comparison")
        like = next((o for o in rest if isinstance(o, Traced) and not o.is_bool), None)
        if like is None:
            raise UntraceableError("where of numbers")
        values = [condition.value, *(_number(o, like) for o in rest)]
        return Traced(m.where(*values), m)
    like = next((o for o in traced if not o.is_bool), None)
    if like is None:
        raise UntraceableError(f"{name} of comparisons")
    result = getattr(m, name)(*(_number(o, like) for o in operands))
    return Traced(result, m, name in _TESTS)


def _number(operand: Any, like: Traced) -> Any:
    if not isinstance(operand, Traced):
        return float(operand)
    if operand.is_bool:
        return operand.value.astype(like.value.dtype)
    return operand.value


def primitives(m: Any) -> dict[Function, Any]:
    """Function of `math` or NumPy → the same as a primitive."""
    found: dict[Function, Any] = {}
    for module, names in ((math, _MATH), (np, _NUMPY)):
        for name in (*_SAME, *names):
            original = getattr(module, name, None)
            if callable(original):
                found[original] = _primitive(m, names.get(name, name))
    found[np.square] = lambda x: apply(m, "mul", x, x)
    found[np.reciprocal] = lambda x: apply(m, "div", 1.0, x)
    return found


def _primitive(m: Any, name: str) -> Function:
    def call(*operands: Any) -> Any:
        if not any(isinstance(o, Traced) for o in operands):
            raise UntraceableError(f"{name} of numbers")
        if name == "log" and len(operands) == 2:
            x, base = operands
            scale = call(base) if isinstance(base, Traced) else math.log(base)
            return (call(x) if isinstance(x, Traced) else math.log(x)) / scale
        return apply(m, name, *operands)

    return call


def traced(function: Function, m: Any, operands: Any) -> Any:
    """What a function gives for operands of primitives, or UntraceableError."""
    copy = rebound(function, primitives(m))
    try:
        result = copy(*(Traced(o, m) for o in operands))
    except UntraceableError:
        raise
    except Exception as error:  # whatever Python says of operands that are no numbers
        raise UntraceableError(str(error)) from None
    if not isinstance(result, Traced) or result.is_bool:
        raise UntraceableError("the result is no number that depends on an operand")
    return result.value


#: functions of `math` → what computes with NumPy's numbers, which know infinities
_IEEE: dict[Function, Any] = {
    getattr(math, name): getattr(np, {**_MATH, "fabs": "fabs"}.get(name, name))
    for name in (*_SAME, *_MATH)
    if hasattr(math, name) and hasattr(np, {**_MATH, "fabs": "fabs"}.get(name, name))
}


_IEEE[math.log] = lambda x, *base: np.log(x) / np.log(*base) if base else np.log(x)


def ieee(function: Function) -> Function:
    """The function with NumPy's functions for those of `math`."""
    return rebound(function, _IEEE)


class _Module:
    """A module some of whose functions are others."""

    def __init__(self, module: types.ModuleType, table: Mapping[Function, Any]) -> None:
        self._module = module
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return _replaced(getattr(self._module, name), self._table, None)


def _replaced(value: Any, table: Mapping[Function, Any], inner: Function | None) -> Any:
    if table and (value is math or value is np):
        return _Module(value, table)
    if isinstance(value, types.FunctionType) and not _is_package(value):
        copy = rebound(value, table, inner)
        return copy if inner is None else inner(copy)
    try:
        return table.get(value, value)
    except TypeError:  # not hashable, so no function
        return value


def _is_package(function: types.FunctionType) -> bool:
    return (function.__module__ or "").split(".")[0] in ("numpy", "math", "numba")


def rebound(
    function: Function, table: Mapping[Function, Any], inner: Function | None = None
) -> Function:
    """A copy of a Python function in which other functions have taken places.

    Parameters
    ----------
    table : function → what takes its place
    inner : what is made of copies of the functions of the user that it calls
    """
    if not isinstance(function, types.FunctionType):
        return table.get(function, function)
    inside: dict[str, Any] = {"__builtins__": function.__globals__["__builtins__"]}
    copy = types.FunctionType(
        function.__code__,
        inside,
        function.__name__,
        function.__defaults__,
        tuple(_cell(c, table, inner) for c in function.__closure__ or ()),
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    for name in names_of(function.__code__):
        if name == function.__name__ and function.__globals__.get(name) is function:
            inside[name] = copy  # it calls itself
        elif name in function.__globals__:
            inside[name] = _replaced(function.__globals__[name], table, inner)
    return copy


def _cell(
    cell: types.CellType, table: Mapping[Function, Any], inner: Function | None
) -> types.CellType:
    try:
        return types.CellType(_replaced(cell.cell_contents, table, inner))
    except ValueError:  # empty
        return cell


def names_of(code: types.CodeType) -> set[str]:
    """The names that code, and code inside it, looks up outside."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= names_of(constant)
    return found
