"""Builds one kernel: buffers, sizes, nested loops, and values placed where they belong.

Every value goes into the outermost loop it can live in, so what does not depend on a
loop is computed before it (hoisting), and an expression met twice in a scope is one
`Let`. What is computed is decided in lower/loop_nest.py and lower/single_op_kernels.py;
this file knows only positions, loads and scopes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record, fresh
from symgraph.lower.extents import Extents
from symgraph.lower.ir import (
    Access,
    Buffer,
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
    Size,
    SizeValue,
    Statement,
    Store,
)
from symgraph.lower.scalar import Primitives
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, row_major
from symgraph.lower.views import view_of
from symgraph.ops.slices import filled, slice_bounds, wrapped


class Position(Record):
    """Where along one dimension: offset + sum(loop index * step) + dynamic."""

    offset: SizePolynomial = ZERO
    terms: tuple[tuple[str, SizePolynomial], ...] = ()
    dynamic: Expression | None = None


ORIGIN = Position()
#: larger known sizes are run-time sizes too, so that kernels of one form are one kernel
LITERAL = 64


def is_ramp(constant: Constant) -> bool:
    """Whether a constant is 0, 1, 2, ... along its only axis that is not 1."""
    data = constant.data
    if data.dtype.kind != "i" or data.size < 2 or data.size > 4096:
        return False
    return max(data.shape) == data.size and bool(
        (data.ravel() == range(data.size)).all()
    )


class Scope(Record, frozen=False):
    """The body of a loop while it is written."""

    statements: list[Statement] = fresh(factory=list)
    memo: dict[Any, Expression] = fresh(factory=dict)


class KernelBuilder:
    """One kernel in the making."""

    def __init__(self, extents: Extents, stored: set[Variable]) -> None:
        self.extents = extents
        self.stored = stored
        self.sizes: dict[str, SizePolynomial] = {}
        self.buffers: dict[Variable, Buffer] = {}
        self.scratch: list[tuple[Variable, SizePolynomial]] = []
        #: further kernels that compute the same values, one after the other
        self.rest: list[KernelBuilder] = []
        self.primitives = Primitives(self.emit)
        self._scopes = [Scope()]
        self._size_names: dict[SizePolynomial, str] = {}
        self._loop_depth: dict[str, int] = {}
        self._local_depth: dict[str, int] = {}
        self._count = 0

    def another(self) -> "KernelBuilder":
        """The next kernel, for what would make this one too long."""
        made = KernelBuilder(self.extents, self.stored)
        self.rest.append(made)
        return made

    # --- names ------------------------------------------------------------------------

    def fresh(self, prefix: str) -> str:
        """A name not used before in this kernel."""
        self._count += 1
        return f"{prefix}{self._count}"

    def size(self, value: SizePolynomial) -> Size:
        """A size as literal or as a named run-time size."""
        constant = self.extents.literal(value)
        if constant is not None and constant <= LITERAL:
            return constant
        name = self._size_names.get(value)
        if name is None:
            name = self._size_names[value] = f"s{len(self._size_names)}"
            self.sizes[name] = value
        return name

    def buffer(self, variable: Variable, role: str = "in") -> str:
        """The parameter through which the kernel sees the memory of a variable."""
        found = self.buffers.get(variable)
        if found is None:
            found = Buffer(f"b{len(self.buffers)}", variable.type.dtype, role)
        elif found.role != role:
            found = Buffer(found.name, found.dtype, "inout")
        self.buffers[variable] = found
        return found.name

    # --- scopes -----------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Number of open loops."""
        return len(self._scopes) - 1

    @contextmanager
    def loop(self, extent: SizePolynomial, kind: str = "serial") -> Iterator[Position]:
        """A loop; yields the position of its index. Extent 1 makes no loop."""
        if extent == ONE:
            yield ORIGIN
            return
        name = self.fresh("i")
        self._scopes.append(Scope())
        self._loop_depth[name] = self.depth
        yield Position(ZERO, ((name, ONE),))
        scope = self._scopes.pop()
        if scope.statements:
            self._scopes[-1].statements.append(
                Loop(name, self.size(extent), tuple(scope.statements), kind)
            )

    def remember(self, key: Any, value: Expression, depth: int | None = None) -> None:
        """Keep a value for as long as its scope is open."""
        self._scopes[self._depth(value) if depth is None else depth].memo[key] = value

    def recall(self, key: Any) -> Expression | None:
        """A value kept by `remember` in a scope that is still open."""
        for scope in reversed(self._scopes):
            if key in scope.memo:
                return scope.memo[key]
        return None

    # --- statements -------------------------------------------------------------------

    def emit(self, expression: Expression) -> Expression:
        """Name a value in the outermost scope where it can be computed."""
        if isinstance(expression, Const | Local | Index | SizeValue):
            return expression
        if isinstance(expression, Call) and expression.function == "where":
            if expression.arguments[1] == expression.arguments[2]:
                return expression.arguments[1]
        depth = self._depth(expression)
        scope = self._scopes[depth]
        found = scope.memo.get(expression)
        if found is None:
            name = self.fresh("v")
            scope.statements.append(Let(name, expression))
            found = scope.memo[expression] = Local(name, expression.dtype)
            self._local_depth[name] = depth
        return found

    def store(self, buffer: str, access: Access, value: Expression) -> None:
        """Write an element, in the current scope."""
        self._scopes[-1].statements.append(Store(buffer, access, value))

    def reload(self, buffer: str, access: Access, dtype: str) -> Expression:
        """The present value of an element that the kernel itself writes.

        It is read in the current scope: an iteration may see what another one wrote,
        even where the position does not depend on the loop.
        """
        name = self.fresh("v")
        self._scopes[-1].statements.append(Let(name, Load(buffer, access, dtype)))
        self._local_depth[name] = self.depth
        return Local(name, dtype)

    def store_early(self, buffer: str, access: Access, value: Expression) -> None:
        """Write an element in the outermost scope where position and value are known."""
        depth = max(self.access_depth(access), self._depth(value))
        self._scopes[depth].statements.append(Store(buffer, access, value))

    def init(self, combine: str, dtype: str) -> Local:
        """Declare an accumulator in the current scope."""
        name = self.fresh("acc")
        self._scopes[-1].statements.append(Init(name, combine, dtype))
        self._local_depth[name] = self.depth
        return Local(name, dtype)

    def fold(self, accumulator: Local, value: Expression) -> None:
        """Combine a value into an accumulator."""
        self._scopes[-1].statements.append(Fold(accumulator.name, value))

    def fail(self, condition: Expression, code: int) -> None:
        """Set the error flag where the condition holds."""
        self._scopes[self._depth(condition)].statements.append(Fail(condition, code))

    def call(self, function: str, dtype: str, *arguments: Expression) -> Expression:
        """A primitive of expressions."""
        return self.emit(Call(function, arguments, dtype))

    # --- positions ----------------------------------------------------------------------

    def index(self, position: Position) -> Expression:
        """A position as an int64 value."""
        result: Expression | None = position.dynamic
        if position.offset != ZERO:
            offset = self._value(position.offset)
            result = (
                offset if result is None else self.call("add", "int64", result, offset)
            )
        for name, step in position.terms:
            term: Expression = Index(name)
            if step != ONE:
                term = self.call("mul", "int64", term, self._value(step))
            result = term if result is None else self.call("add", "int64", result, term)
        return Const(0, "int64") if result is None else result

    def _value(self, size: SizePolynomial) -> Expression:
        named = self.size(size)
        return Const(named, "int64") if isinstance(named, int) else SizeValue(named)

    def scaled(
        self, position: Position, start: SizePolynomial, step: SizePolynomial
    ) -> Position:
        """start + step * position"""
        dynamic = position.dynamic
        if dynamic is not None and step != ONE:
            dynamic = self.call("mul", "int64", dynamic, self._value(step))
        return Position(
            start + position.offset * step,
            tuple((name, by * step) for name, by in position.terms),
            dynamic,
        )

    def access(
        self,
        positions: Sequence[Position],
        strides: Sequence[SizePolynomial],
        base: SizePolynomial = ZERO,
    ) -> Access:
        """The element at `positions` of memory with `strides`."""
        offset, dynamic = base, None
        terms: dict[str, SizePolynomial] = {}
        for position, stride in zip(positions, strides, strict=True):
            offset = offset + position.offset * stride
            for name, step in position.terms:
                terms[name] = terms.get(name, ZERO) + step * stride
            if position.dynamic is not None:
                part = position.dynamic
                if stride != ONE:
                    part = self.call("mul", "int64", part, self._value(stride))
                dynamic = (
                    part
                    if dynamic is None
                    else self.call("add", "int64", dynamic, part)
                )
        return Access(
            self.size(offset),
            tuple((n, self.size(s)) for n, s in terms.items() if s != ZERO),
            dynamic,
        )

    # --- loads --------------------------------------------------------------------------

    def load(self, variable: Variable, positions: Sequence[Position]) -> Expression:
        """The element of a stored variable, a leaf, or a view of one."""
        if isinstance(variable, Constant):
            first = variable.data.flat[0] if variable.data.size else None
            if first is not None and (
                variable.data.size == 1 or bool((variable.data == first).all())
            ):
                return Const(first.item(), variable.type.dtype)
            if is_ramp(variable):
                (long,) = (k for k, e in enumerate(variable.data.shape) if e != 1)
                value = self.index(positions[long])
                return (
                    self.emit(Call("cast", (value,), variable.type.dtype))
                    if (variable.type.dtype != "int64")
                    else value
                )
        node = variable.owner
        if node is None or variable in self.stored:
            shape = self.extents.shape(variable)
            access = self.access(positions, row_major(shape))
            return self.emit(Load(self.buffer(variable), access, variable.type.dtype))
        name = node.op.name
        source: Any = node.inputs[0] if node.inputs else None
        if name in ("dimshuffle", "broadcast_to"):
            return self.load(source, self.renamed(node, positions))
        if name == "subtensor":
            return self.load(source, self.sliced(node, positions, node.inputs[1:]))
        if name == "reshape":
            return self._load_reshaped(source, variable, positions)
        if name == "iota":
            return self.index(positions[0])
        if name == "extent":
            return self._value(self.extents.scalar(variable))
        raise AssertionError(f"{name} is neither stored nor a view")

    def renamed(self, node: Apply, positions: Sequence[Position]) -> list[Position]:
        """Positions in the operand of a dimshuffle or broadcast."""
        source = node.inputs[0]
        inner = [ORIGIN] * source.ndim
        if node.op.name == "dimshuffle":
            for k, entry in enumerate(node.op.pattern):  # type: ignore[attr-defined]
                if entry != "x":
                    inner[entry] = positions[k]
        else:
            shift = len(positions) - source.ndim
            for i, extent in enumerate(self.extents.shape(source)):
                inner[i] = ORIGIN if extent == ONE else positions[shift + i]
        return inner

    def sliced(
        self, node: Apply, positions: Sequence[Position], scalars: Sequence[Variable]
    ) -> list[Position]:
        """Positions in the operand of basic indexing, from those in what it selects."""
        rest = iter(positions)
        poly = self.extents.atoms.poly
        result: list[Position] = []
        for entry, extent in zip(
            filled(node.op.spec, scalars),  # type: ignore[attr-defined]
            self.extents.given(node.inputs[0]),
            strict=True,
        ):
            if isinstance(entry, tuple):
                first, _, step = slice_bounds(entry, extent)
                result.append(self.scaled(next(rest), poly(first), poly(step)))
            else:
                result.append(Position(poly(wrapped(entry, extent))))
        return result

    def _load_reshaped(
        self, source: Variable, variable: Variable, positions: Sequence[Position]
    ) -> Expression:
        shape = self.extents.shape(variable)
        while (
            source not in self.stored
            and source.owner is not None
            and source.owner.op.name == "reshape"
        ):
            source = source.owner.inputs[0]
        own = [e for e in self.extents.shape(source) if e != ONE]
        if own == [e for e in shape if e != ONE]:
            rest = iter(p for p, e in zip(positions, shape, strict=True) if e != ONE)
            return self.load(
                source,
                [
                    ORIGIN if e == ONE else next(rest)
                    for e in self.extents.shape(source)
                ],
            )
        if source.owner is not None and source.owner.op.name == "iota":
            strides = row_major(shape)
            flat = ORIGIN
            for position, stride in zip(positions, strides, strict=True):
                part = self.scaled(position, ZERO, stride)
                assert part.dynamic is None
                flat = Position(flat.offset + part.offset, flat.terms + part.terms)
            return self.index(flat)
        start = ZERO
        if source.owner is not None and source not in self.stored:
            view = view_of(source, self.extents, self.stored)
            assert view is not None, "reshape of a view that has no strides"
            source, start = view.source, view.offset
        access = self.access([Position(start), *positions], (ONE, *row_major(shape)))
        return self.emit(Load(self.buffer(source), access, variable.type.dtype))

    # --- depths -------------------------------------------------------------------------

    def _depth(self, expression: Expression) -> int:
        # not by `match`, which is slower: this is asked often
        if isinstance(expression, Local):
            return self._local_depth[expression.name]
        if isinstance(expression, Call):
            return max(map(self._depth, expression.arguments), default=0)
        if isinstance(expression, Load):
            return self.access_depth(expression.access)
        if isinstance(expression, Index):
            return self._loop_depth[expression.name]
        return 0

    def access_depth(self, access: Access) -> int:
        """Number of loops that an access depends on, counted from outside."""
        depth = max((self._loop_depth[n] for n, _ in access.terms), default=0)
        if access.dynamic is not None:
            depth = max(depth, self._depth(access.dynamic))
        return depth

    def statements(self) -> tuple[Statement, ...]:
        """The statements written so far, outside of loops that are still open."""
        return tuple(self._scopes[0].statements)

    def finish(self, name: str, places: Sequence[tuple[str, int]]) -> Kernel:
        """The kernel."""
        assert self.depth == 0
        return Kernel(
            name,
            tuple(self.buffers.values()),
            tuple(self.sizes),
            self.statements(),
            tuple(dict.fromkeys(places)),
        )
