"""Loops, branches and calls of Python in the driver.

In: `Loop`, `Branch`, `Demand`, `Host` and `Bind` steps. Out: lines of LLVM IR in the
function that is being written. A loop moves the addresses in the slots of its rows, then
runs its steps; its counter is on the stack, and so is the step at which it asks next
whether to go on (watch.py). Python is called through the address in slot
("host",), with the number of the call (those of `Bind` steps count down from -1) and the
slots; a result other than 0 is the error flag.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.backends.cpu.driver_contractions import Contractions
from symgraph.backends.cpu.steps import NativeProgram, Shared
from symgraph.backends.cpu.watch import FIRST, LOOP_DUE
from symgraph.lower.steps import (
    Bind,
    Branch,
    Clear,
    Demand,
    Host,
    Launch,
    Loop,
    Pointer,
    Rows,
    walk,
)

MEMSET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"


def leaves_early(program: NativeProgram) -> bool:
    """Whether a step of the program may fail."""
    return any(
        step.can_fail
        if isinstance(step, Launch | Shared)
        else isinstance(step, Host | Bind | Demand | Loop)
        for step in walk(program.steps)
    )


class Loops(Contractions):
    """What the driver inherits to write steps with steps inside."""

    program: NativeProgram

    def _write(self, step: Any) -> None:
        raise NotImplementedError

    def _labels(self, *words: str) -> list[str]:
        self.count += 1
        return [f"{word}{self.count}" for word in words]

    # --- loops --------------------------------------------------------------------------

    def _loop(self, step: Loop) -> None:
        head, body, end = self._labels("loop", "body", "end")
        counter, pace = f"%{head}.t", f"%{head}.pace"
        self.tables.append(f"  {counter} = alloca i64")
        self.tables.append(f"  {pace} = alloca [3 x i64]")
        count = self._slot(step.count)
        self.lines += [
            f"  store i64 0, ptr {counter}",
            f"  store [3 x i64] [i64 {FIRST}, i64 {FIRST}, i64 0], ptr {pace}",
            f"  br label %{head}", f"{head}:",
        ]  # fmt: skip
        t = self._op(f"load i64, ptr {counter}")
        more = self._op(f"icmp slt i64 {t}, {count}")
        self.lines += [f"  br i1 {more}, label %{body}, label %{end}", f"{body}:"]
        self._ask(t, pace)
        for pointer in step.pointers:
            self._move(pointer, t)
        for inside in step.body:
            self._write(inside)
        following = self._op(f"add i64 {t}, 1")
        self.lines.append(f"  store i64 {following}, ptr {counter}")
        if step.until is None:
            self.lines.append(f"  br label %{head}")
        else:
            said = self._op(f"load i8, ptr {self._pointer(step.until)}")
            stop = self._op(f"icmp ne i8 {said}, 0")
            self.lines.append(f"  br i1 {stop}, label %{end}, label %{head}")
        self.lines.append(f"{end}:")
        if step.last or step.done is not None:
            steps = self._op(f"load i64, ptr {counter}")
            if step.done is not None:
                self.lines.append(
                    f"  store i64 {steps}, ptr {self._pointer(step.done)}"
                )
            for rows in step.last:
                self._copy_rows(rows, steps)
            for clear in step.clears:
                self._clear(clear, steps)

    def _ask(self, t: str, pace: str) -> None:
        """Leave the program at step t of a loop if the watch says so."""
        ask, on = self._labels("ask", "on")
        following = self._op(f"load i64, ptr {pace}")
        due = self._op(f"icmp eq i64 {t}, {following}")
        self.lines += [f"  br i1 {due}, label %{ask}, label %{on}", f"{ask}:"]
        watch = self._pointer(self.program.slots.index(("watch",)))
        self.declared.add("declare i64 @sg_due(ptr, i64, ptr, i64)")
        said = self._op(
            f"call i64 @sg_due(ptr {watch}, i64 {LOOP_DUE}, ptr {pace}, i64 {t})"
        )
        leave = self._op(f"icmp ne i64 {said}, 0")
        self.lines.append(f"  store i64 {said}, ptr %slots")
        self.lines.append(f"  br i1 {leave}, label %failed, label %{on}")
        self.lines.append(f"{on}:")

    def _move(self, pointer: Pointer, t: str) -> None:
        base, stride = self._slot(pointer.base), self._slot(pointer.stride)
        row = t
        if pointer.modulo is not None:
            row = self._ring(t, pointer.shift, pointer.modulo)
        far = self._op(f"mul i64 {row}, {stride}")
        address = self._op(f"add i64 {base}, {far}")
        if pointer.offset is not None:
            address = self._op(f"add i64 {address}, {self._slot(pointer.offset)}")
        at = self._op(f"getelementptr i64, ptr %slots, i64 {pointer.slot}")
        self.lines.append(f"  store i64 {address}, ptr {at}")

    def _ring(self, t: str, shift: int, modulo: int) -> str:
        moved = self._op(f"add i64 {t}, {shift}") if shift else t
        return self._op(f"urem i64 {moved}, {modulo}")

    def _copy_rows(self, rows: Rows, steps: str) -> None:
        size = self._slot(rows.row)
        base, target = self._slot(rows.base), self._slot(rows.target)
        for number in range(rows.count):
            row = self._ring(steps, rows.shift + number, rows.ring)
            source = self._at(base, self._op(f"mul i64 {row}, {size}"))
            goal = self._at(target, self._op(f"mul i64 {number}, {size}"))
            self.lines.append(
                "  call void @llvm.memcpy.p0.p0.i64("
                f"ptr {goal}, ptr {source}, i64 {size}, i1 false)"
            )

    def _clear(self, clear: Clear, steps: str) -> None:
        size, count = self._slot(clear.row), self._slot(clear.count)
        done = self._op(f"add i64 {steps}, {clear.first}")
        start = self._at(self._slot(clear.buffer), self._op(f"mul i64 {done}, {size}"))
        rest = self._op(f"sub i64 {count}, {steps}")
        left = self._op(f"mul i64 {rest}, {size}")
        self.declared.add(MEMSET)
        self.lines.append(
            f"  call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {left}, i1 false)"
        )

    def _at(self, base: str, offset: str) -> str:
        return self._op(f"inttoptr i64 {self._op(f'add i64 {base}, {offset}')} to ptr")

    # --- branches -----------------------------------------------------------------------

    def _branch(self, step: Branch) -> None:
        then, otherwise, end = self._labels("then", "else", "join")
        said = self._op(f"load i8, ptr {self._pointer(step.condition)}")
        true = self._op(f"icmp ne i8 {said}, 0")
        self.lines.append(f"  br i1 {true}, label %{then}, label %{otherwise}")
        for label, steps in ((then, step.then), (otherwise, step.otherwise)):
            self._block(label, steps)
            self.lines.append(f"  br label %{end}")
        self.lines.append(f"{end}:")

    def _block(self, label: str, steps: Sequence[Any]) -> None:
        self.lines.append(f"{label}:")
        for inside in steps:
            self._write(inside)

    def _demand(self, step: Demand) -> None:
        """Leave with the first error flag among the guards."""
        for guard in step.guards:
            flag = self._slot(guard)
            bad = self._op(f"icmp ne i64 {flag}, 0")
            refused, fine = self._labels("refused", "ok")
            self.lines += [
                f"  br i1 {bad}, label %{refused}, label %{fine}", f"{refused}:",
                f"  store i64 {flag}, ptr %slots", "  br label %failed", f"{fine}:",
            ]  # fmt: skip

    # --- Python -------------------------------------------------------------------------

    def _host(self, number: int) -> None:
        function = self._pointer(self.program.slots.index(("host",)))
        flag = self._op(f"call i64 {function}(i64 {number}, ptr %slots)")
        self.lines.append(f"  store i64 {flag}, ptr %slots")
        self._leave_if_failed()

    def _leave_if_failed(self) -> None:
        flag = self._op("load i64, ptr %slots")
        bad = self._op(f"icmp ne i64 {flag}, 0")
        (label,) = self._labels("ok")
        self.lines.append(f"  br i1 {bad}, label %failed, label %{label}")
        self.lines.append(f"{label}:")
