"""One name for each thing of a kernel, in the order in which it appears.

Kernels that differ only in names become equal, so the update of every weight matrix of
a network is one function. In: a Kernel. Out: the renamed Kernel, and the old names of
its sizes in the order of the new ones.
"""

from symgraph.lower.ir import (
    Access,
    Call,
    Expression,
    Fail,
    Fold,
    Index,
    Init,
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


def canonical(kernel: Kernel) -> tuple[Kernel, list[str]]:
    """The kernel with names in order of appearance, and the old names of its sizes."""
    names = _Names()
    body = tuple(names.statement(s) for s in kernel.body)
    made = kernel.replace(body=body, sizes=tuple(names.sizes.values()))
    return made, list(names.sizes)


class _Names:
    def __init__(self) -> None:
        self.sizes: dict[str, str] = {}
        self.locals: dict[str, str] = {}

    def size(self, size: Size) -> Size:
        if isinstance(size, int):
            return size
        return self.sizes.setdefault(size, f"s{len(self.sizes)}")

    def local(self, name: str) -> str:
        found = self.locals.get(name)
        if found is None:
            word = name.rstrip("0123456789") if name[-1].isdigit() else name[0]
            found = self.locals[name] = f"{word}{len(self.locals) + 1}"
        return found

    def access(self, access: Access) -> Access:
        dynamic = access.dynamic
        return Access(
            self.size(access.offset),
            tuple((self.local(n), self.size(s)) for n, s in access.terms),
            None if dynamic is None else self.expression(dynamic),
        )

    def expression(self, expression: Expression) -> Expression:
        match expression:
            case Local(name, dtype):
                return Local(self.local(name), dtype)
            case Index(name, dtype):
                return Index(self.local(name), dtype)
            case SizeValue(size, dtype):
                return SizeValue(self.size(size), dtype)
            case Load(buffer, access, dtype):
                return Load(buffer, self.access(access), dtype)
            case Call(function, arguments, dtype):
                return Call(function, tuple(map(self.expression, arguments)), dtype)
        return expression

    def statement(self, statement: Statement) -> Statement:
        match statement:
            case Let(name, value):
                made = self.expression(value)
                return Let(self.local(name), made)
            case Store(buffer, access, value):
                return Store(buffer, self.access(access), self.expression(value))
            case Loop(index, extent, body, kind, block):
                size, name = self.size(extent), self.local(index)
                return Loop(name, size, tuple(map(self.statement, body)), kind, block)
            case Init(name, combine, dtype):
                return Init(self.local(name), combine, dtype)
            case Fold(name, value):
                return Fold(self.local(name), self.expression(value))
            case Fail(condition, code):
                return Fail(self.expression(condition), code)
