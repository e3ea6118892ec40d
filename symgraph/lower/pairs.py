"""Complex numbers as pairs of reals: Kernel IR without complex values.

A buffer of complex numbers is read as one of reals with twice the elements, real and
imaginary parts in turn; every complex value becomes two. So each backend that knows
real arithmetic knows complex arithmetic, vectors included. The formulas are in
lower/pair_functions.py. In: a Kernel and what its sizes mean. Out: a Kernel.
"""

from collections.abc import Callable, Iterator
from typing import Any

from symgraph.core.dtypes import is_complex, real_dtype
from symgraph.errors import NotSupportedError
from symgraph.lower.ir import (
    Access,
    Buffer,
    Call,
    Const,
    Expression,
    Fail,
    Fold,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Size,
    Statement,
    Store,
    expressions,
    identity,
    walk,
)
from symgraph.lower.pair_functions import COMPLEX, REAL, Pair, real_cast
from symgraph.lower.scalar import Primitives
from symgraph.lower.schedule import meaning, named, used_sizes
from symgraph.lower.sizes import ONE, SizePolynomial


def split(kernel: Kernel, sizes: dict[str, SizePolynomial]) -> Kernel:
    """The kernel on pairs of reals; `sizes` gains the names that this makes."""
    if not any(is_complex(dtype) for dtype in _dtypes(kernel)):
        return kernel
    return _Splitter(kernel, sizes).kernel()


def _dtypes(kernel: Kernel) -> Iterator[str]:
    for buffer in kernel.buffers:
        yield buffer.dtype
    for statement in walk(kernel.body):
        if isinstance(statement, Init):
            yield statement.dtype
        for expression in expressions(statement):
            yield expression.dtype


class _Splitter:
    def __init__(self, kernel: Kernel, sizes: dict[str, SizePolynomial]) -> None:
        self.source = kernel
        self.sizes = sizes
        self.complex = {b.name for b in kernel.buffers if is_complex(b.dtype)}
        self.accumulators: set[str] = set()
        self.out: list[Statement] = []
        self.count = 0
        self.m = Primitives(self.emit)

    def kernel(self) -> Kernel:
        """The whole kernel."""
        body = self.body(self.source.body)
        buffers = tuple(
            Buffer(b.name, real_dtype(b.dtype), b.role) if is_complex(b.dtype) else b
            for b in self.source.buffers
        )
        used = used_sizes(body)
        sizes = tuple(size for size in self.sizes if size in used)
        return self.source.replace(buffers=buffers, body=body, sizes=sizes)

    def emit(self, expression: Expression) -> Expression:
        """Name a value."""
        self.count += 1
        name = f"c{self.count}"
        self.out.append(Let(name, expression))
        return Local(name, expression.dtype)

    # --- statements -----------------------------------------------------------------

    def body(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """Statements of one block."""
        outside, self.out = self.out, []
        for statement in statements:
            self.statement(statement)
        found, self.out = tuple(self.out), outside
        return found

    def statement(self, statement: Statement) -> None:
        """Write one statement."""
        out = self.out
        match statement:
            case Let(name, value) if is_complex(value.dtype):
                for suffix, part in zip("ri", self.pair(value), strict=True):
                    out.append(Let(name + suffix, part.expression))
            case Let(name, value):
                out.append(Let(name, self.real(value)))
            case Store(buffer, access, value) if buffer in self.complex:
                pair = self.pair(value)
                for part, at in zip(pair, self.places(access), strict=True):
                    out.append(Store(buffer, at, part.expression))
            case Store(buffer, access, value):
                out.append(Store(buffer, self.access(access), self.real(value)))
            case Init(name, combine, dtype) if is_complex(dtype):
                if combine != "add":
                    raise NotSupportedError(
                        f"a product of all elements (prod) of {dtype} has no compiled "
                        'form\nUse mode="FAST_COMPILE", or exp(sum(log(x))).'
                    )
                self.accumulators.add(name)
                for suffix in "ri":
                    out.append(Init(name + suffix, combine, real_dtype(dtype)))
            case Fold(name, value) if name in self.accumulators:
                for suffix, part in zip("ri", self.pair(value), strict=True):
                    out.append(Fold(name + suffix, part.expression))
            case Fold(name, value):
                out.append(Fold(name, self.real(value)))
            case Fail(condition, code):
                out.append(Fail(self.real(condition), code))
            case Loop(index, extent, body, kind):
                out.append(Loop(index, extent, self.body(body), kind))
            case _:
                out.append(statement)

    # --- accesses -------------------------------------------------------------------

    def places(self, access: Access) -> tuple[Access, Access]:
        """Where the real and the imaginary part of an element are."""
        access = self.access(access)
        dynamic = access.dynamic
        if dynamic is not None:
            dynamic = self.emit(Call("mul", (dynamic, Const(2, "int64")), "int64"))
        terms = tuple((index, self.twice(stride)) for index, stride in access.terms)
        first = meaning(access.offset, self.sizes) * 2
        return (
            Access(named(first, self.sizes), terms, dynamic),
            Access(named(first + ONE, self.sizes), terms, dynamic),
        )

    def twice(self, size: Size) -> Size:
        """Double of a size."""
        return named(meaning(size, self.sizes) * 2, self.sizes)

    def access(self, access: Access) -> Access:
        """An access whose dynamic part has no complex value."""
        if access.dynamic is None:
            return access
        return access.replace(dynamic=self.real(access.dynamic))

    # --- values ---------------------------------------------------------------------

    def real(self, value: Expression) -> Expression:
        """An expression that is not complex itself."""
        match value:
            case Call(name, arguments, dtype) if any(
                is_complex(a.dtype) for a in arguments
            ):
                pairs = [self.pair(a) for a in arguments]
                if name == "cast":
                    return real_cast(self.m, pairs[0], dtype).expression
                return _formula(REAL, name, value)(self.m, *pairs).expression
            case Call(name, arguments, dtype):
                return Call(name, tuple(map(self.real, arguments)), dtype)
            case Load(buffer, access, dtype):
                return Load(buffer, self.access(access), dtype)
        return value

    def pair(self, value: Expression) -> Pair:
        """Real and imaginary part of an expression, real ones included."""
        operand = self.m.operand
        if not is_complex(value.dtype):
            part = operand(self.real(value))
            return part, operand(Const(identity("add", part.dtype), part.dtype))
        kind = real_dtype(value.dtype)
        match value:
            case Const(number, _):
                number = complex(number)
                return operand(Const(number.real, kind)), operand(
                    Const(number.imag, kind)
                )
            case Local(name, _):
                return operand(Local(name + "r", kind)), operand(
                    Local(name + "i", kind)
                )
            case Load(buffer, access, _):
                first, second = self.places(access)
                return (
                    operand(self.emit(Load(buffer, first, kind))),
                    operand(self.emit(Load(buffer, second, kind))),
                )
            case Call("cast", (argument,), _):
                a, b = self.pair(argument)
                return self.m.cast(a, kind), self.m.cast(b, kind)
            case Call("where", (condition, yes, no), _):
                test = operand(self.real(condition))
                (re, im), (other_re, other_im) = self.pair(yes), self.pair(no)
                return self.m.where(test, re, other_re), self.m.where(
                    test, im, other_im
                )
            case Call(name, arguments, _):
                made = _formula(COMPLEX, name, value)
                return made(self.m, *(self.pair(a) for a in arguments))
        raise AssertionError(f"no complex value: {value}")


def _formula(
    table: dict[str, Callable[..., Any]], name: str, value: Call
) -> Callable[..., Any]:
    found = table.get(name)
    if found is None:
        dtype = next(a.dtype for a in value.arguments if is_complex(a.dtype))
        raise NotSupportedError(
            f"{name} of {dtype} has no compiled form\n"
            'It works with mode="FAST_COMPILE", which runs the NumPy reference.'
        )
    return found
