"""Kernels that look at each place they load from memory before they use it.

For DEBUG mode and long tests. A place that is computed from loop indices alone is known
before a kernel runs (runtime/inspection.py); one that depends on loaded values is not:

    x[i + v]   becomes   fail code if i + v < 0 or i + v >= n;   x[0 if that else i + v]

In: a finished Kernel, and how long its buffers are. Out: the Kernel with checks, which
change nothing where all places lie inside.
"""

from collections.abc import Callable
from typing import Any

from symgraph.lower.ir import (
    Access,
    Call,
    Const,
    Expression,
    Fail,
    Fold,
    Index,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Size,
    SizeValue,
    Statement,
    Store,
)

#: error flags of these checks begin here
OUTSIDE = 1 << 40


def with_bounds(kernel: Kernel, length: Callable[[str], Size], code: int) -> Kernel:
    """The kernel with a check of each access at a loaded place.

    Parameters
    ----------
    kernel : Kernel
    length : name of a buffer → its number of elements, as a size of the kernel
    code : the error flag that a place outside sets
    """
    body = _Checks(length, code).block(kernel.body)
    return kernel.replace(body=body)


class _Checks:
    def __init__(self, length: Callable[[str], Size], code: int) -> None:
        self.length, self.code = length, code
        self.count = 0
        self.before: list[Statement] = []

    def block(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        made: list[Statement] = []
        around = self.before
        for statement in body:
            self.before = []
            new = self.statement(statement)
            made += [*self.before, new]
        self.before = around
        return tuple(made)

    def statement(self, statement: Statement) -> Statement:
        match statement:
            case Let() | Fold():
                return statement.replace(value=self.expression(statement.value))
            case Store(buffer, access, value):
                value = self.expression(value)
                return Store(buffer, self.access(buffer, access), value)
            case Fail(condition, code):
                return Fail(self.expression(condition), code)
            case Loop():
                return statement.replace(body=self.block(statement.body))
        return statement

    def expression(self, expression: Expression) -> Expression:
        match expression:
            case Load(buffer, access, dtype):
                return Load(buffer, self.access(buffer, access), dtype)
            case Call(function, arguments, dtype):
                return Call(function, tuple(map(self.expression, arguments)), dtype)
        return expression

    def access(self, buffer: str, access: Access) -> Access:
        if access.dynamic is None:
            return access
        place = self.expression(access.dynamic)
        for index, stride in access.terms:
            step = _call("mul", "int64", Index(index), _value(stride))
            place = _call("add", "int64", place, step)
        if access.offset != 0:
            place = _call("add", "int64", place, _value(access.offset))
        place = self.named(place)
        outside = self.named(
            _call(
                "or", "bool",
                _call("lt", "bool", place, Const(0, "int64")),
                _call("ge", "bool", place, _value(self.length(buffer))),
            )
        )  # fmt: skip
        self.before.append(Fail(outside, self.code))
        inside = _call("where", "int64", outside, Const(0, "int64"), place)
        return Access(0, (), self.named(inside))

    def named(self, value: Expression) -> Expression:
        self.count += 1
        name = f"place{self.count}"
        self.before.append(Let(name, value))
        return Local(name, value.dtype)


def _call(function: str, dtype: str, *arguments: Any) -> Call:
    return Call(function, arguments, dtype)


def _value(size: Size) -> Expression:
    return Const(size, "int64") if isinstance(size, int) else SizeValue(size)
