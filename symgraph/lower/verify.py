"""The rules that every kernel obeys, as a table of checks.

`verify` walks a kernel once, with the scopes that are open at each point, and applies
`CHECKS` to every statement and expression. A broken rule is a defect of a lowering pass.
The tests verify each kernel that is lowered anywhere. In: a Kernel. Out: nothing, or
KernelError with the place in the kernel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from symgraph.core.dtypes import DTYPES, is_complex, real_dtype
from symgraph.core.primitives import PRIMITIVES
from symgraph.errors import KernelError
from symgraph.lower.ir import (
    COMBINES,
    COMPARISONS,
    USER,
    Access,
    Call,
    Const,
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
    SizeValue,
    Statement,
    Store,
    parts,
    show,
    walk,
)

ROLES = ("in", "out", "inout", "scratch")
KINDS = ("serial", "vector", "unroll")
TESTS = frozenset({"isnan", "isinf", "isfinite", "signbit"})


@dataclass(slots=True)
class KernelScope:
    """What is known at a point of a kernel.

    Attributes
    ----------
    kernel : the kernel
    locals : name → dtype of what `Let` and `Init` declared
    indices : loops that are open
    folding : accumulators that an open loop folds into, so nobody may read them
    idle : whether an open loop has no rounds
    """

    kernel: Kernel
    locals: dict[str, str] = field(default_factory=dict)
    combines: dict[str, str] = field(default_factory=dict)
    indices: tuple[str, ...] = ()
    folding: frozenset[str] = frozenset()
    idle: bool = False

    def buffer(self, name: str) -> Any:
        """The buffer of a name, or None."""
        return next((b for b in self.kernel.buffers if b.name == name), None)

    def inside(self, loop: Loop) -> "KernelScope":
        """The scope of the body of a loop."""
        folds = {s.name for s in walk(loop.body) if isinstance(s, Fold)}
        return KernelScope(
            self.kernel, dict(self.locals), dict(self.combines),
            (*self.indices, loop.index), self.folding | (folds & set(self.locals)),
            self.idle or loop.extent == 0,
        )  # fmt: skip


def verify(kernel: Kernel) -> None:
    """Raise KernelError where a kernel breaks a rule."""
    for problem in _of_kernel(kernel):
        raise KernelError(f"kernel {kernel.name}: {problem}")
    _block(kernel.body, KernelScope(kernel))


def verify_stores(kernel: Kernel) -> None:
    """Raise KernelError where a store is repeated by a loop that does not move it.

    With no rounds nothing is written; with several, a value that replaces what it is
    computed from is computed again and again. Places that are loaded may repeat.
    """
    scratch = {b.name for b in kernel.buffers if b.role == "scratch"}
    _stores(kernel.body, (), scratch, kernel.name)


def _stores(
    body: tuple[Statement, ...], indices: tuple[str, ...], scratch: set[str], name: str
) -> None:
    for statement in body:
        if isinstance(statement, Loop):
            if statement.extent != 0:
                inner = (*indices, statement.index)
                _stores(statement.body, inner, scratch, name)
        elif isinstance(statement, Store) and statement.buffer not in scratch:
            problem = _repeats(statement, indices)
            if problem:
                raise KernelError(f"kernel {name}: {problem}, in {statement}")


def _of_kernel(kernel: Kernel) -> Iterator[str]:
    names = [b.name for b in kernel.buffers] + list(kernel.sizes)
    if len(set(names)) < len(names):
        yield f"names of buffers and sizes repeat: {names}"
    for buffer in kernel.buffers:
        if buffer.role not in ROLES:
            yield f"buffer {buffer.name} has role {buffer.role!r}"
        if buffer.dtype not in DTYPES:
            yield f"buffer {buffer.name} has dtype {buffer.dtype!r}"


def _block(body: tuple[Statement, ...], scope: KernelScope) -> None:
    for statement in body:
        for expression in _expressions(statement):
            for part in parts(expression):
                _apply(part, scope, statement)
        _apply(statement, scope, statement)
        match statement:
            case Let(name, value):
                scope.locals[name] = value.dtype
            case Init(name, combine, dtype):
                scope.locals[name] = dtype
                scope.combines[name] = combine
            case Loop():
                _block(statement.body, scope.inside(statement))


def _expressions(statement: Statement) -> Iterator[Expression]:
    match statement:
        case Let(_, value) | Fold(_, value):
            yield value
        case Store(_, access, value):
            yield value
            if access.dynamic is not None:
                yield access.dynamic
        case Fail(condition, _):
            yield condition


def _apply(thing: Any, scope: KernelScope, statement: Statement) -> None:
    for check in CHECKS.get(type(thing), ()):
        problem = check(thing, scope)
        if problem:
            raise KernelError(f"kernel {scope.kernel.name}: {problem}, in {statement}")


# --- statements -------------------------------------------------------------------------

Check = Callable[[Any, KernelScope], str]


def _is_new(statement: Let | Init, scope: KernelScope) -> str:
    known = statement.name in scope.locals
    return f"{statement.name} is declared twice" if known else ""


def _combine_is_known(statement: Init, scope: KernelScope) -> str:
    known = statement.combine in COMBINES
    return "" if known else f"nothing combines by {statement.combine!r}"


def _loop_is_well_formed(loop: Loop, scope: KernelScope) -> str:
    if loop.kind not in KINDS:
        return f"a loop of kind {loop.kind!r}"
    if loop.kind == "unroll" and not isinstance(loop.extent, int):
        return "an unrolled loop without a literal extent"
    if loop.index in scope.indices:
        return f"index {loop.index} is used by two nested loops"
    if isinstance(loop.extent, int) and loop.extent < 0:
        return f"a loop of {loop.extent} rounds"
    if loop.block < 0 or (loop.block and loop.kind == "unroll"):
        return f"a loop of kind {loop.kind} in blocks of {loop.block}"
    return _size(loop.extent, scope)


def _store_fits(store: Store, scope: KernelScope) -> str:
    buffer = scope.buffer(store.buffer)
    if buffer is None:
        return f"{store.buffer} is no buffer"
    if buffer.role == "in":
        return f"{store.buffer} is only read"
    if buffer.dtype != store.value.dtype:
        return f"{store.value.dtype} is stored to {buffer.dtype} {store.buffer}"
    return _access(store.access, scope)


def _store_is_done_once(store: Store, scope: KernelScope) -> str:
    """See `verify_stores`."""
    buffer = scope.buffer(store.buffer)
    if buffer is None or buffer.role == "scratch" or scope.idle:
        return ""
    return _repeats(store, scope.indices)


def _repeats(store: Store, indices: tuple[str, ...]) -> str:
    if store.access.dynamic is not None:
        return ""
    moved = {index for index, stride in store.access.terms if stride != 0}
    for index in indices:
        if index not in moved:
            return f"{store.buffer} is stored to in a loop over {index}, but not by it"
    return ""


def _fold_fits(fold: Fold, scope: KernelScope) -> str:
    if fold.name not in scope.combines:
        return f"{fold.name} is no accumulator"
    wanted = scope.locals[fold.name]
    if fold.value.dtype != wanted:
        return f"{fold.value.dtype} is folded into {wanted} {fold.name}"
    return ""


def _fail_is_a_test(fail: Fail, scope: KernelScope) -> str:
    if fail.condition.dtype != "bool":
        return f"a failure depends on a {fail.condition.dtype}"
    return "" if fail.code > 0 else f"error flag {fail.code}"


# --- expressions ------------------------------------------------------------------------


def _constant_is_of_its_dtype(constant: Const, scope: KernelScope) -> str:
    value, dtype = constant.value, constant.dtype
    if dtype == "bool":
        fits = isinstance(value, bool)
    elif "int" in dtype:
        bits = int(dtype.lstrip("uint"))
        low, high = (
            (0, 2**bits) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        )
        fits = (
            isinstance(value, int)
            and not isinstance(value, bool)
            and low <= value < high
        )
    elif is_complex(dtype):
        fits = isinstance(value, int | float | complex)
    else:
        fits = isinstance(value, int | float)
    return "" if fits else f"the constant {value!r} is no {dtype}"


def _local_is_declared(local: Local, scope: KernelScope) -> str:
    dtype = scope.locals.get(local.name)
    if dtype is None:
        return f"{local.name} is not declared here"
    if local.name in scope.folding:
        return f"accumulator {local.name} is read in a loop that folds into it"
    return "" if dtype == local.dtype else f"{local.name} is {dtype}, not {local.dtype}"


def _index_is_open(index: Index, scope: KernelScope) -> str:
    return "" if index.name in scope.indices else f"no loop has the index {index.name}"


def _size_is_declared(value: SizeValue, scope: KernelScope) -> str:
    return _size(value.size, scope)


def _load_fits(load: Load, scope: KernelScope) -> str:
    buffer = scope.buffer(load.buffer)
    if buffer is None:
        return f"{load.buffer} is no buffer"
    if buffer.role == "out":
        return f"{load.buffer} is only written"
    if buffer.dtype != load.dtype:
        return f"{load.buffer} holds {buffer.dtype}, not {load.dtype}"
    return _access(load.access, scope)


def _call_is_typed(call: Call, scope: KernelScope) -> str:
    name, dtypes = call.function, [a.dtype for a in call.arguments]
    if name not in PRIMITIVES and not name.startswith(USER):
        return f"{name} is no primitive"
    if not name.startswith(USER) and len(dtypes) != PRIMITIVES[name].arity:
        return f"{name} of {len(dtypes)} arguments"
    want = _result(name, dtypes)
    if want is None:
        return f"{name} of {', '.join(dtypes)}: {show(call)}"
    if name != "cast" and call.dtype != want:
        return f"{name} of {dtypes[0]} gives {want}, not {call.dtype}"
    return ""


def _result(name: str, dtypes: list[str]) -> str | None:
    """dtype of a primitive's result; None where the arguments do not go together."""
    first = dtypes[0]
    if name == "cast":
        return first
    if name == "where":
        return dtypes[1] if first == "bool" and dtypes[1] == dtypes[2] else None
    if name == "philox":
        return "uint64" if dtypes == ["uint64", "uint64", "int64"] else None
    if name in ("shift_left", "shift_right"):
        return first if all("int" in dtype for dtype in dtypes) else None
    if len(set(dtypes)) > 1:
        return None
    if name in COMPARISONS or name in TESTS:
        return "bool"
    if name in ("abs", "real", "imag", "angle") and is_complex(first):
        return real_dtype(first)
    return first


# --- sizes and accesses -----------------------------------------------------------------


def _size(size: int | str, scope: KernelScope) -> str:
    known = isinstance(size, int) or size in scope.kernel.sizes
    return "" if known else f"{size} is no size of the kernel"


def _access(access: Access, scope: KernelScope) -> str:
    for size in (access.offset, *(stride for _, stride in access.terms)):
        problem = _size(size, scope)
        if problem:
            return problem
    names = [index for index, _ in access.terms]
    if len(set(names)) < len(names):
        return f"an access with one index twice: {names}"
    for index in names:
        if index not in scope.indices:
            return f"no loop has the index {index}"
    if access.dynamic is not None and access.dynamic.dtype != "int64":
        return f"an access by a {access.dynamic.dtype}"
    return ""


CHECKS: dict[type, tuple[Check, ...]] = {
    Let: (_is_new,),
    Init: (_is_new, _combine_is_known),
    Loop: (_loop_is_well_formed,),
    Store: (_store_fits, _store_is_done_once),
    Fold: (_fold_fits,),
    Fail: (_fail_is_a_test,),
    Const: (_constant_is_of_its_dtype,),
    Local: (_local_is_declared,),
    Index: (_index_is_open,),
    SizeValue: (_size_is_declared,),
    Load: (_load_fits,),
    Call: (_call_is_typed,),
}
