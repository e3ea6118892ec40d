"""Loop transformations on a finished kernel: adjacent loops over contiguous memory merge.

    for i in n: for j in m: out[i*m + j] = f(x[i*m + j])
    becomes  for k in n*m: out[k] = f(x[k])

Two loops merge when every access steps through them as through one. In: a Kernel and
what its sizes mean. Out: a Kernel; its `sizes` may name new products, which are added.
"""

from collections.abc import Iterator, Mapping

from symgraph.lower.builder import LITERAL
from symgraph.lower.ir import (
    Access,
    Call,
    Expression,
    Fail,
    Fold,
    Index,
    Kernel,
    Let,
    Load,
    Loop,
    Size,
    SizeValue,
    Statement,
    Store,
    expressions,
    parts,
    walk,
)
from symgraph.lower.sizes import SizePolynomial, poly


def schedule(kernel: Kernel, sizes: dict[str, SizePolynomial]) -> Kernel:
    """The kernel with loops merged; `sizes` gains the names that this makes."""
    body = tuple(_collapsed(statement, sizes) for statement in kernel.body)
    used = used_sizes(body)
    return kernel.replace(body=body, sizes=tuple(s for s in sizes if s in used))


def _collapsed(statement: Statement, sizes: dict[str, SizePolynomial]) -> Statement:
    if not isinstance(statement, Loop):
        return statement
    body = tuple(_collapsed(inner, sizes) for inner in statement.body)
    loop = statement.replace(body=body)
    if len(body) == 1 and isinstance(body[0], Loop):
        merged = _merged(loop, body[0], sizes)
        if merged is not None:
            return merged
    return loop


def meaning(size: Size, sizes: Mapping[str, SizePolynomial]) -> SizePolynomial:
    """What a size of a kernel stands for."""
    return poly(size) if isinstance(size, int) else sizes[size]


def _merged(outer: Loop, inner: Loop, sizes: dict[str, SizePolynomial]) -> Loop | None:
    if outer.kind == "vector" and inner.kind != "vector":
        return None
    extent = meaning(inner.extent, sizes)
    for access in _accesses(inner.body):
        terms = dict(access.terms)
        far = meaning(terms.get(outer.index, 0), sizes)
        near = meaning(terms.get(inner.index, 0), sizes)
        if far != near * extent:
            return None
    for statement in walk(inner.body):
        for expression in expressions(statement):
            if isinstance(expression, Index) and expression.name in (
                outer.index, inner.index,
            ):  # fmt: skip
                return None
    total = meaning(outer.extent, sizes) * extent
    body = tuple(_without(s, outer.index) for s in inner.body)
    return Loop(inner.index, named(total, sizes), body, inner.kind)


def named(value: SizePolynomial, sizes: dict[str, SizePolynomial]) -> Size:
    """A literal, or the name of a size, made if there is none yet."""
    constant = value.constant
    if constant is not None and constant <= LITERAL:
        return constant
    for name, known in sizes.items():
        if known == value:
            return name
    name = f"s{len(sizes)}"
    sizes[name] = value
    return name


def _accesses(body: tuple[Statement, ...]) -> Iterator[Access]:
    for statement in walk(body):
        if isinstance(statement, Store):
            yield statement.access
        for expression in expressions(statement):
            if isinstance(expression, Load):
                yield expression.access


def _without(statement: Statement, index: str) -> Statement:
    """The statement with the index of a merged loop taken out of its accesses."""

    def access(a: Access) -> Access:
        return Access(
            a.offset,
            tuple(term for term in a.terms if term[0] != index),
            None if a.dynamic is None else expression(a.dynamic),
        )

    def expression(e: Expression) -> Expression:
        match e:
            case Load(buffer, at, dtype):
                return Load(buffer, access(at), dtype)
            case Call(function, arguments, dtype):
                return Call(function, tuple(map(expression, arguments)), dtype)
        return e

    match statement:
        case Let(name, value):
            return Let(name, expression(value))
        case Store(buffer, at, value):
            return Store(buffer, access(at), expression(value))
        case Fold(name, value):
            return Fold(name, expression(value))
        case Fail(condition, code):
            return Fail(expression(condition), code)
        case Loop(name, extent, body, kind):
            return Loop(name, extent, tuple(_without(s, index) for s in body), kind)
    return statement


def used_sizes(body: tuple[Statement, ...]) -> set[str]:
    """Names of the sizes that statements use."""
    used: set[Size] = set()
    for statement in walk(body):
        if isinstance(statement, Loop):
            used.add(statement.extent)
        for access in (
            _accesses((statement,)) if not isinstance(statement, Loop) else ()
        ):
            used.add(access.offset)
            used.update(stride for _, stride in access.terms)
            if access.dynamic is not None:
                used.update(
                    e.size for e in parts(access.dynamic) if isinstance(e, SizeValue)
                )
        for expression in expressions(statement):
            if isinstance(expression, SizeValue):
                used.add(expression.size)
    return {size for size in used if isinstance(size, str)}
