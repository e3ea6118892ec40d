"""Elementwise functions whose scalar is a Python function of the user.

`declare` makes a `Scalar` of it (ops/families.py). A function of arithmetic and of
functions that are primitives becomes a body, and fuses like any other; any other is a
primitive of its own, which a backend compiles. The
reference calls the function for each element. In: functions. Out: names of scalars.
"""

import itertools
import math
import os
import re
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.core.digest import digest
from symgraph.core.dtypes import NUMPY, is_complex, is_discrete
from symgraph.core.node import Variable, as_variable, listing
from symgraph.errors import GradientError, UserOpError
from symgraph.extend.tracing import UntraceableError, ieee, names_of, traced
from symgraph.ops.families import SCALARS, define, no_gradient, real_floating

Function = Callable[..., Any]
#: names of scalars and of primitives that functions of the user compute
PREFIX = "user_"
#: scalar → the function, for those that backends compile
FUNCTIONS: dict[str, Function] = {}
_TOKEN = os.urandom(8).hex()


def declare(function: Function, arity: int, grad: Function | None) -> str:
    """Register the function as a `Scalar`; its name tells what it computes."""
    label = re.sub(r"\W+", "_", function.__name__).strip("_") or "function"
    base = name = f"{PREFIX}{label}_{identity(function)}"
    for number in itertools.count(2):
        if name not in SCALARS:
            break
        name = f"{base}_{number}"
    rule = no_gradient(label) if grad is None else _checked(grad, label, arity)
    body = _body(function) if is_traceable(function, arity) else None
    define(name, arity, real_floating, _reference(function), body=body, grad=rule)
    if body is None:
        FUNCTIONS[name] = function
    return name


def is_traceable(function: Function, arity: int) -> bool:
    """Whether primitives can say all that a function does."""
    try:
        traced(function, _Nothing(), [_Value()] * arity)
    except UntraceableError:
        return False
    return True


def _body(function: Function) -> Function:
    return lambda m, *operands: traced(function, m, operands)


class _Value:
    """An operand of a trace whose result nobody needs."""

    dtype = "float64"

    def astype(self, dtype: Any) -> "_Value":
        """A value."""
        return self


class _Nothing:
    """Primitives that compute nothing."""

    def __getattr__(self, name: str) -> Function:
        if name not in SCALARS:
            raise UntraceableError(f"{name} is no primitive")
        return lambda *operands: _Value()


def _reference(function: Function) -> Function:
    """The function, element by element, in IEEE arithmetic."""
    plain = ieee(function)

    def compute(*arrays: np.ndarray) -> np.ndarray:
        operands = np.broadcast_arrays(*arrays)
        dtype = operands[0].dtype
        out = np.empty(operands[0].shape, dtype)
        with np.errstate(all="ignore"):
            for index in np.ndindex(out.shape):
                value = plain(*(a[index] for a in operands))
                try:
                    out[index] = value
                except (TypeError, ValueError):
                    code = function.__code__
                    raise UserOpError(
                        f"{function.__name__} ({code.co_filename}:{code.co_firstlineno}) "
                        f"returned {value!r}\nIt must return one number."
                    ) from None
        return out

    return compute


def _checked(grad: Function, label: str, arity: int) -> Function:
    """The rule of the user, whose results must be gradients."""
    code = getattr(grad, "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    what = f"the gradient of {label}{place}"

    def rule(g: Variable, y: Variable, *inputs: Variable) -> Sequence[Variable | None]:
        found = grad(g, y, *inputs)
        parts = list(found) if isinstance(found, list | tuple) else [found]
        if len(parts) != arity:
            raise GradientError(
                f"{what} gives {len(parts)} values for {arity} inputs{listing(*inputs)}\n"
                "Return one entry for each input, None where nothing flows."
            )
        return [part if part is None else _part(what, part, y) for part in parts]

    return rule


def _part(what: str, part: Any, y: Variable) -> Variable:
    made = as_variable(part, None, (y.type.dtype,))
    if made.ndim != y.ndim:
        raise GradientError(
            f"{what} has {made.ndim} axes, the output {y.ndim}{listing(made, y)}\n"
            "It is elementwise; multiply by g."
        )
    if is_discrete(made.type.dtype) or is_complex(made.type.dtype):
        raise GradientError(
            f"{what} has dtype {made.type.dtype}, the output {y.type.dtype}"
            f"{listing(made, y)}\nCast it."
        )
    return made


# --- what a function computes, as text ------------------------------------------------


def identity(function: Function) -> str:
    """Digest of all that decides what a function computes: code, constants, functions.

    Where that is not known (a global that is an object), it holds for this process only.
    """
    seen: set[int] = set()
    return digest(_text(function, seen).encode()).hexdigest()[:12]


def _text(value: Any, seen: set[int]) -> str:
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            return repr(value)
        case tuple() | list():
            return f"({', '.join(_text(v, seen) for v in value)})"
        case np.generic() | np.ndarray():
            array = np.asarray(value)
            return f"{array.dtype}{array.shape}{array.tobytes().hex()}"
        case types.ModuleType():
            return f"module {value.__name__}"
        case types.BuiltinFunctionType() | np.ufunc():
            return f"builtin {getattr(value, '__module__', '')}.{value.__name__}"
        case types.CodeType():
            parts = [value.co_code.hex(), repr(value.co_names), repr(value.co_varnames)]
            parts += [_text(c, seen) for c in value.co_consts]
            return f"code {' '.join(parts)}"
        case types.FunctionType():
            return _function_text(value, seen)
    if value in (float, int, bool, abs, min, max, range) or value in NUMPY.values():
        return repr(value)
    return f"object {id(value)} of this process {_TOKEN}"


def _function_text(function: types.FunctionType, seen: set[int]) -> str:
    if id(function) in seen:
        return f"again {function.__name__}"
    seen.add(id(function))
    if function.__module__ == math.__name__ or function.__module__.startswith("numpy"):
        return f"function {function.__module__}.{function.__name__}"
    parts = [_text(function.__code__, seen), _text(function.__defaults__, seen)]
    for name in sorted(names_of(function.__code__)):
        if name in function.__globals__:
            parts.append(f"{name}={_text(function.__globals__[name], seen)}")
    for cell in function.__closure__ or ():
        try:
            parts.append(_text(cell.cell_contents, seen))
        except ValueError:
            parts.append("empty")
    return f"function {' '.join(parts)}"
