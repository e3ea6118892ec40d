"""The rules that the steps of every program obey.

`verify_program` follows the steps once, in the order in which they run, and proves

- that each slot a step reads has been filled in the same round of the loops around it,
  after everything that its size is computed from (by the step `ResolveExtents`);
- that what a step reads has been written before, in the same round;
- that memory shared by two temporaries is not needed by both at a time;
- that a kernel which writes over what it reads loads an element only before it stores
  it, in the same block of statements.

What the steps do with sizes and elements, which depends on a call, is followed by
runtime/inspection.py. A broken rule is a defect of lowering. In: a Program. Out: nothing,
or ProgramError with the step.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from symgraph.errors import ProgramError
from symgraph.lower.ir import Kernel, Load, Statement, Store, expressions
from symgraph.lower.ir import Loop as KernelLoop
from symgraph.lower.ir import walk as statements
from symgraph.lower.sizes import ZERO, SizePolynomial, lates_of
from symgraph.lower.steps import (
    Branch,
    Contraction,
    Convolution,
    Copy,
    Demand,
    HostCall,
    Launch,
    Loop,
    Operand,
    Pointer,
    Program,
    ResolveExtents,
    Step,
)

#: parameters of tiles that are written, by operation

Storage = tuple[str, int]


def verify_program(program: Program) -> None:
    """Raise ProgramError where a step breaks a rule."""
    _Walk(program).run()


class Touched:
    """What one step reads and writes, and which sizes it needs: slots."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.writes: list[int] = []
        self.sizes: list[int] = []


def touched(program: Program, step: Step) -> Touched:
    """The slots of a step that has no body."""
    found = Touched()
    match step:
        case Launch():
            kernel = program.kernels[step.kernel]
            for buffer, slot in zip(kernel.buffers, step.buffers, strict=True):
                if buffer.role == "in" or (
                    buffer.role == "inout" and _is_loaded(kernel, buffer.name)
                ):
                    found.reads.append(slot)
                if buffer.role != "in":
                    found.writes.append(slot)
            found.sizes += step.sizes
        case Contraction():
            for operand in (step.a, step.b):
                found.reads.append(operand.buffer)
                found.sizes += _sizes(operand)
            found.sizes += [step.rows, step.columns, step.inner]
            for factor in (step.alpha, step.beta):
                found.reads += [factor[1]] if isinstance(factor, tuple) else []
            if step.beta != 0.0:
                found.reads.append(step.c)
            for extra in (step.count, step.step):
                found.sizes += [] if extra is None else [extra]
            found.writes.append(step.c)
        case Convolution():
            places = {"input": step.x, "filters": step.w, "forward": step.y}
            for kind, slot in places.items():
                (found.writes if kind == step.kind else found.reads).append(slot)
            found.reads += [] if step.bias is None else [step.bias]
            found.sizes += [step.batch, step.channels, step.filters, step.depth]
            found.sizes += [*step.extents, *step.out_extents, *step.window]
        case Copy():
            found.reads.append(step.source)
            found.writes.append(step.target)
            found.sizes.append(step.size)
        case HostCall():
            call = program.calls[step.number]
            for slots, told in (
                (found.reads, call.inputs),
                (found.writes, call.outputs),
            ):
                for slot, _, extents in told:
                    slots.append(slot)
                    found.sizes += extents
        case ResolveExtents():
            found.reads.append(program.dynamic_extents[step.number].slot)
        case Demand():
            found.sizes += step.guards
    return found


def _sizes(operand: Operand) -> list[int]:
    extra = (operand.offset, operand.lead, operand.batch)
    return [slot for slot in extra if slot is not None]


def _is_loaded(kernel: Kernel, buffer: str) -> bool:
    """Whether a kernel loads from a buffer before it stores to it.

    What a running sum loads at a computed place, its previous value, does not count.
    """
    for statement in statements(kernel.body):
        for expression in expressions(statement):
            if isinstance(expression, Load) and expression.buffer == buffer:
                if expression.access.dynamic is None:
                    return True
        if isinstance(statement, Store) and statement.buffer == buffer:
            return False
    return False


class _Walk:
    """The state of a program after the steps so far."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.clock = 0
        self.bound: dict[int, int] = {}
        self.written: set[Storage] = set()
        self.moving: dict[int, Pointer] = {}
        self.life: dict[int, tuple[int, int]] = {}
        self.open: list[set[int]] = []  # temporaries of the loops around

    def run(self) -> None:
        self.block(self.program.steps)
        for number in range(len(self.program.outputs)):
            storage = ("output", number)
            if storage not in self.written and not self.is_empty(storage):
                self.refuse(f"output {number} is never written")
        self.lives()

    def refuse(self, problem: str, step: Step | None = None) -> None:
        place = "" if step is None else f", in {step}"
        raise ProgramError(f"program: {problem}{place}")

    # --- steps --------------------------------------------------------------------------

    def block(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.clock += 1
            match step:
                case Loop():
                    self.loop(step)
                case Branch():
                    self.branch(step)
                case _:
                    self.plain(step)

    def plain(self, step: Step) -> None:
        found = touched(self.program, step)
        for slot in found.sizes:
            self.filled(slot, step)
        if isinstance(step, Launch):
            self.in_place(step)
        elif isinstance(step, Contraction | Convolution):
            self.apart(step)
        if isinstance(step, Launch | Contraction | Convolution):
            self.spans(step)
        for slot in found.reads:
            self.read(slot, step)
        for slot in found.writes:
            self.write(slot, step)
        if isinstance(step, ResolveExtents):
            self.bound[step.number] = self.clock

    def loop(self, step: Loop) -> None:
        before, bound = set(self.written), dict(self.bound)
        self.filled(step.count, step)
        self.open.append(set())
        begin = self.clock
        for pointer in step.pointers:
            self.filled(pointer.stride, step)
            if pointer.offset is not None:
                self.filled(pointer.offset, step)
            self.moving[pointer.slot] = pointer
            self.storage(pointer.base, step)
        # rows that a body reads have been written by earlier rounds, or before the loop
        own = {p.slot for p in step.pointers} & written_in(self.program, step.body)
        stored = {self.storage(slot, step) for slot in own}
        self.written |= stored
        self.block(step.body)
        if step.until is not None:
            self.clock += 1
            self.read(step.until, step)
        self.bound = bound
        self.written = before | stored  # there may be no round at all
        if step.done is not None:
            self.write(step.done, step)
        for rest in step.last:
            self.filled(rest.row, step)
            self.read(rest.base, step)
            self.write(rest.target, step)
        for clear in step.clears:
            self.filled(clear.row, step)
            self.filled(clear.count, step)
            self.write(clear.buffer, step)
        end = self.clock
        for number in self.open.pop():
            first, last = self.life[number]
            if first <= begin:  # what outlives a round is needed in all of them
                self.life[number] = first, max(last, end)

    def branch(self, step: Branch) -> None:
        self.read(step.condition, step)
        before, bound = set(self.written), dict(self.bound)
        self.block(step.then)
        first, self.written, self.bound = self.written, set(before), dict(bound)
        self.block(step.otherwise)
        self.written &= first
        self.bound = bound

    # --- rules --------------------------------------------------------------------------

    def filled(self, slot: int, step: Step) -> None:
        """A slot holds what it is to hold in this round."""
        lates = self.lates(self.program.slots[slot])
        missing = sorted(lates - self.bound.keys())
        if missing:
            self.refuse(f"slot {slot} waits for the computed value {missing[0]}", step)
        if lates:
            filler = max(lates)
            if any(self.bound[n] > self.bound[filler] for n in lates):
                self.refuse(f"slot {slot} was filled before all it depends on", step)

    def lates(self, what: Any) -> set[int]:
        """The computed values that a slot waits for."""
        sizes: Sequence[Any] = (what,)
        if not isinstance(what, SizePolynomial):
            sizes = what
            if what[0] == "temp":
                sizes = (self.program.temps[what[1]][0],)
        found: set[int] = set()
        for size in sizes:
            if isinstance(size, SizePolynomial):
                for atom in size.atoms():
                    found |= lates_of(self.program.recipes[atom])
        return found

    def storage(self, slot: int, step: Step) -> Storage:
        """The memory whose address a slot holds."""
        while slot in self.moving:
            slot = self.moving[slot].base
        what = self.program.slots[slot]
        if isinstance(what, SizePolynomial) or what[0] not in (
            "leaf",
            "output",
            "temp",
            "constant",
        ):
            self.refuse(f"slot {slot} holds no address", step)
        kind, number = what
        if kind == "temp":
            self.filled(slot, step)
            first = self.life.setdefault(number, (self.clock, self.clock))[0]
            self.life[number] = first, self.clock
            for around in self.open:
                around.add(number)
        return kind, number

    def is_empty(self, storage: Storage) -> bool:
        """Whether memory is known to have no elements, so that no kernel writes it."""
        kind, number = storage
        if kind == "temp":
            return self.program.temps[number][0] == ZERO
        return kind == "output" and ZERO in self.program.outputs[number][1]

    def read(self, slot: int, step: Step) -> None:
        storage = self.storage(slot, step)
        if storage[0] not in ("output", "temp") or self.is_empty(storage):
            return
        if storage not in self.written:
            self.refuse(f"{storage[0]} {storage[1]} is read before it is written", step)

    def write(self, slot: int, step: Step) -> None:
        storage = self.storage(slot, step)
        if storage[0] == "constant":
            self.refuse("a constant is written to", step)
        if storage[0] == "leaf" and self.program.leaves[storage[1]][0] == "input":
            self.refuse(f"argument {storage[1]} is written to", step)
        self.written.add(storage)

    def apart(self, step: Contraction | Convolution) -> None:
        """Neither a product nor a convolution is written over what it is made of."""
        found = touched(self.program, step)
        (made,) = found.writes
        given = set(found.reads)
        if isinstance(step, Contraction):
            given = {step.a.buffer, step.b.buffer}  # c is added to itself
        home = self.storage(made, step)
        for slot in given:
            if self.storage(slot, step) == home and not self.other_row(slot, made):
                self.refuse("a product is written over what it multiplies", step)

    def other_row(self, one: int, other: int) -> bool:
        """Whether two slots hold, in every round, addresses of different rows."""
        for p, q in zip(self.path(one), self.path(other), strict=False):
            if p == q:
                continue
            if (p.base, p.stride, p.modulo) != (q.base, q.stride, q.modulo):
                return False
            if p.modulo is not None:
                return p.offset == q.offset and (p.shift - q.shift) % p.modulo != 0
            row = self.size(p.stride)
            apart = (
                self.size(p.offset) - self.size(q.offset) + row * (p.shift - q.shift)
            )
            return apart != ZERO and _is_multiple(apart, row)
        return False

    def path(self, slot: int) -> list[Pointer]:
        """What moves an address, from the outermost loop on."""
        found = []
        while slot in self.moving:
            found.append(self.moving[slot])
            slot = found[-1].base
        return found[::-1]

    def size(self, slot: int | None) -> SizePolynomial:
        what = ZERO if slot is None else self.program.slots[slot]
        assert isinstance(what, SizePolynomial)
        return what

    def spans(self, step: Launch | Contraction | Convolution) -> None:
        """What a step works with exists all the time that it may need memory."""
        found = touched(self.program, step)
        for slot in (*found.reads, *found.writes):
            kind, number = self.storage(slot, step)
            if kind == "temp":
                _, first, last = self.program.temps[number]
                if not first <= step.span[0] <= step.span[1] <= last:
                    self.refuse(f"temporary {number} does not outlive the step", step)

    def in_place(self, step: Launch) -> None:
        """A kernel reads memory that it writes only just before it writes it."""
        if len(set(step.buffers)) == len(step.buffers):
            return
        kernel = self.program.kernels[step.kernel]
        names: dict[Any, list[str]] = {}
        for buffer, slot in zip(kernel.buffers, step.buffers, strict=True):
            names.setdefault(slot, []).append(buffer.name)
        for same in names.values():
            if len(same) == 1:
                continue
            stored = [
                s.buffer
                for s in statements(kernel.body)
                if isinstance(s, Store) and s.buffer in same
            ]
            for read in same:
                for written in set(stored) - {read}:
                    problem = _conflict(kernel.body, read, written)
                    if problem:
                        self.refuse(problem, step)

    def lives(self) -> None:
        """Temporaries that may share memory are not needed at one time."""
        told = self.program.temps
        spans = sorted((first, last, n) for n, (first, last) in self.life.items())
        for k, (_, last, n) in enumerate(spans):
            for first, _, other in spans[k + 1 :]:
                if first > last:
                    break
                (_, a, b), (_, c, d) = told[n], told[other]
                if b < c or d < a:
                    self.refuse(f"temporaries {n} and {other} may share their memory")


def _is_multiple(size: SizePolynomial, row: SizePolynomial) -> bool:
    """Whether a size is a number of rows, whatever the sizes are."""
    if not row.terms or [m for m, _ in size.terms] != [m for m, _ in row.terms]:
        return False
    times = {divmod(c, r) for (_, c), (_, r) in zip(size.terms, row.terms, strict=True)}
    return len(times) == 1 and times.pop()[1] == 0


def written_in(program: Program, body: Sequence[Step]) -> set[int]:
    """Slots that steps write, those inside loops and branches included."""
    found: set[int] = set()
    for step in body:
        match step:
            case Loop():
                inner = written_in(program, step.body)
                found |= inner
                moved = {p.slot: p.base for p in step.pointers}
                found |= {moved[slot] for slot in inner & moved.keys()}
                found |= {rows.target for rows in step.last}
                found |= set() if step.done is None else {step.done}
            case Branch():
                found |= written_in(program, step.then)
                found |= written_in(program, step.otherwise)
            case _:
                found.update(touched(program, step).writes)
    return found


def _conflict(body: Sequence[Statement], read: str, written: str) -> str:
    """What is wrong where `read` and `written` are one memory; "" for nothing."""
    stores = {}
    for number, statement in enumerate(body):
        if isinstance(statement, Store) and statement.buffer == written:
            if statement.access in stores:
                return f"{written} is stored to twice"
            stores[statement.access] = number
    for number, load in _loads(body, read):
        if stores.get(load.access, -1) <= number:
            return f"{read} is loaded elsewhere than just before it is stored"
    for statement in body:
        if isinstance(statement, KernelLoop):
            problem = _conflict(statement.body, read, written)
            if problem:
                return problem
    return ""


def _loads(body: Sequence[Statement], buffer: str) -> Iterator[tuple[int, Load]]:
    for number, statement in enumerate(body):
        for expression in expressions(statement):
            if isinstance(expression, Load) and expression.buffer == buffer:
                yield number, expression
