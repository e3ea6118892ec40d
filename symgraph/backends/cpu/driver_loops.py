"""Loops, branches and calls of Python in the driver.

In: `Loop`, `Branch`, `Demand`, `HostCall` and `ResolveExtents` steps. Out: lines of
LLVM IR in the function that is being written. A loop moves the addresses in the slots
of its rows, then runs its steps; its counter is on the stack, and so is the step at
which it asks next whether to go on (watch.py). Python is called through the address in
slot ("host",), with the number of the call (those of `ResolveExtents` steps count down
from -1) and the slots; a result other than 0 is the error flag.
"""

from collections.abc import Callable, Sequence
from typing import Any

from symgraph.backends.cpu.driver_lines import Lines
from symgraph.backends.cpu.steps import NativeProgram, Shared
from symgraph.backends.cpu.watch import FIRST, LOOP_DUE
from symgraph.lower.steps import (
    Branch,
    CopyTail,
    Demand,
    HostCall,
    Launch,
    Loop,
    Pointer,
    ResolveExtents,
    ZeroTail,
    walk,
)

MEMSET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"


def leaves_early(program: NativeProgram) -> bool:
    """Whether a step of the program may fail."""
    return any(
        step.can_fail
        if isinstance(step, Launch | Shared)
        else isinstance(step, HostCall | ResolveExtents | Demand | Loop)
        for step in walk(program.steps)
    )


class Loops:
    """Writes steps with steps inside; `write` writes these."""

    def __init__(
        self, w: Lines, program: NativeProgram, write: Callable[[Any], None]
    ) -> None:
        self.w = w
        self.program = program
        self.write = write

    # --- loops --------------------------------------------------------------------------

    def loop(self, step: Loop) -> None:
        """A loop, and what is done at its end."""
        head, body, end = self.w.labels("loop", "body", "end")
        counter, pace = f"%{head}.t", f"%{head}.pace"
        self.w.tables.append(f"  {counter} = alloca i64")
        self.w.tables.append(f"  {pace} = alloca [3 x i64]")
        count = self.w.slot(step.count)
        self.w.lines += [
            f"  store i64 0, ptr {counter}",
            f"  store [3 x i64] [i64 {FIRST}, i64 {FIRST}, i64 0], ptr {pace}",
            f"  br label %{head}", f"{head}:",
        ]  # fmt: skip
        t = self.w.op(f"load i64, ptr {counter}")
        more = self.w.op(f"icmp slt i64 {t}, {count}")
        self.w.lines += [f"  br i1 {more}, label %{body}, label %{end}", f"{body}:"]
        self._ask(t, pace)
        for pointer in step.pointers:
            self._move(pointer, t)
        for inside in step.body:
            self.write(inside)
        following = self.w.op(f"add i64 {t}, 1")
        self.w.lines.append(f"  store i64 {following}, ptr {counter}")
        if step.until is None:
            self.w.lines.append(f"  br label %{head}")
        else:
            said = self.w.op(f"load i8, ptr {self.w.pointer(step.until)}")
            stop = self.w.op(f"icmp ne i8 {said}, 0")
            self.w.lines.append(f"  br i1 {stop}, label %{end}, label %{head}")
        self.w.lines.append(f"{end}:")
        if step.last or step.done is not None:
            steps = self.w.op(f"load i64, ptr {counter}")
            if step.done is not None:
                self.w.lines.append(
                    f"  store i64 {steps}, ptr {self.w.pointer(step.done)}"
                )
            for rows in step.last:
                self._copy_rows(rows, steps)
            for clear in step.clears:
                self._clear(clear, steps)

    def _ask(self, t: str, pace: str) -> None:
        """Leave the program at step t of a loop if the watch says so."""
        ask, on = self.w.labels("ask", "on")
        following = self.w.op(f"load i64, ptr {pace}")
        due = self.w.op(f"icmp eq i64 {t}, {following}")
        self.w.lines += [f"  br i1 {due}, label %{ask}, label %{on}", f"{ask}:"]
        watch = self.w.pointer(self.program.slots.index(("watch",)))
        self.w.declared.add("declare i64 @sg_due(ptr, i64, ptr, i64)")
        said = self.w.op(
            f"call i64 @sg_due(ptr {watch}, i64 {LOOP_DUE}, ptr {pace}, i64 {t})"
        )
        leave = self.w.op(f"icmp ne i64 {said}, 0")
        self.w.lines.append(f"  store i64 {said}, ptr %slots")
        self.w.lines.append(f"  br i1 {leave}, label %failed, label %{on}")
        self.w.lines.append(f"{on}:")

    def _move(self, pointer: Pointer, t: str) -> None:
        base, stride = self.w.slot(pointer.base), self.w.slot(pointer.stride)
        row = t
        if pointer.modulo is not None:
            row = self._ring(t, pointer.shift, pointer.modulo)
        far = self.w.op(f"mul i64 {row}, {stride}")
        address = self.w.op(f"add i64 {base}, {far}")
        if pointer.offset is not None:
            address = self.w.op(f"add i64 {address}, {self.w.slot(pointer.offset)}")
        at = self.w.op(f"getelementptr i64, ptr %slots, i64 {pointer.slot}")
        self.w.lines.append(f"  store i64 {address}, ptr {at}")

    def _ring(self, t: str, shift: int, modulo: int) -> str:
        moved = self.w.op(f"add i64 {t}, {shift}") if shift else t
        return self.w.op(f"urem i64 {moved}, {modulo}")

    def _copy_rows(self, rows: CopyTail, steps: str) -> None:
        size = self.w.slot(rows.row)
        base, target = self.w.slot(rows.base), self.w.slot(rows.target)
        for number in range(rows.count):
            row = self._ring(steps, rows.shift + number, rows.ring)
            source = self._at(base, self.w.op(f"mul i64 {row}, {size}"))
            goal = self._at(target, self.w.op(f"mul i64 {number}, {size}"))
            self.w.lines.append(
                "  call void @llvm.memcpy.p0.p0.i64("
                f"ptr {goal}, ptr {source}, i64 {size}, i1 false)"
            )

    def _clear(self, clear: ZeroTail, steps: str) -> None:
        size, count = self.w.slot(clear.row), self.w.slot(clear.count)
        done = self.w.op(f"add i64 {steps}, {clear.first}")
        start = self._at(
            self.w.slot(clear.buffer), self.w.op(f"mul i64 {done}, {size}")
        )
        rest = self.w.op(f"sub i64 {count}, {steps}")
        left = self.w.op(f"mul i64 {rest}, {size}")
        self.w.declared.add(MEMSET)
        self.w.lines.append(
            f"  call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {left}, i1 false)"
        )

    def _at(self, base: str, offset: str) -> str:
        return self.w.op(
            f"inttoptr i64 {self.w.op(f'add i64 {base}, {offset}')} to ptr"
        )

    # --- branches -----------------------------------------------------------------------

    def branch(self, step: Branch) -> None:
        """A branch."""
        then, otherwise, end = self.w.labels("then", "else", "join")
        said = self.w.op(f"load i8, ptr {self.w.pointer(step.condition)}")
        true = self.w.op(f"icmp ne i8 {said}, 0")
        self.w.lines.append(f"  br i1 {true}, label %{then}, label %{otherwise}")
        for label, steps in ((then, step.then), (otherwise, step.otherwise)):
            self._block(label, steps)
            self.w.lines.append(f"  br label %{end}")
        self.w.lines.append(f"{end}:")

    def _block(self, label: str, steps: Sequence[Any]) -> None:
        self.w.lines.append(f"{label}:")
        for inside in steps:
            self.write(inside)

    def demand(self, step: Demand) -> None:
        """Leave with the first error flag among the guards."""
        for guard in step.guards:
            flag = self.w.slot(guard)
            bad = self.w.op(f"icmp ne i64 {flag}, 0")
            refused, fine = self.w.labels("refused", "ok")
            self.w.lines += [
                f"  br i1 {bad}, label %{refused}, label %{fine}", f"{refused}:",
                f"  store i64 {flag}, ptr %slots", "  br label %failed", f"{fine}:",
            ]  # fmt: skip

    # --- Python -------------------------------------------------------------------------

    def host(self, number: int) -> None:
        """A call of Python."""
        function = self.w.pointer(self.program.slots.index(("host",)))
        flag = self.w.op(f"call i64 {function}(i64 {number}, ptr %slots)")
        self.w.lines.append(f"  store i64 {flag}, ptr %slots")
        self.w.leave_if_failed()
