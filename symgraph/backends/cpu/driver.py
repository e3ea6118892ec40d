"""The driver of a function in LLVM IR: its steps in order over the table of slots.

    i64 step(ptr slots)                       one execution; returns the error flag

What all functions share, such as many steps in one call, is in support.py.

A program with launches that may be divided has its steps twice: `step` runs them one
after another with no thought of threads, unless the slot ("parallel",) says that one of
them is large enough for the sizes at hand; then `step.parallel` hands each such launch
to `sg_parallel` (pool.py), as a function of (slots, begin, end, scratch) that finds its
arguments in the slots. In: a Program, and the names of its kernel functions. Out: the
text of the functions.
"""

from typing import Any

from symgraph.backends.cpu.driver_contractions import FILL, PARALLEL
from symgraph.backends.cpu.driver_loops import Loops, leaves_early
from symgraph.backends.cpu.llvm import ELEMENT, number
from symgraph.backends.cpu.steps import NativeProgram, Product, Shared, Tiles
from symgraph.backends.cpu.watch import LOOP_DUE
from symgraph.lower.steps import (
    Bind,
    Branch,
    Copy,
    Demand,
    Host,
    Launch,
    Loop,
    walk,
)

MEMCPY = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"


def write_driver(program: NativeProgram, ilp64: bool) -> str:
    """The text of `step`, and declarations of what it calls."""
    return Driver(program, ilp64).text()


class Driver(Loops):
    def __init__(self, program: NativeProgram, ilp64: bool) -> None:
        super().__init__(ilp64)
        self.program = program
        self.shares = False
        self.twice = any(
            isinstance(s, Shared) and s.grain is not None for s in walk(program.steps)
        )

    def text(self) -> str:
        slots = self.program.slots
        texts = []
        choice: list[str] = []
        if self.twice:
            self.declared.add(PARALLEL)
            self.shares = True
            texts.append(self._steps("internal i64 @step.parallel", []))
            self.shares = False
            choice = [
                f"  %p.at = getelementptr i64, ptr %slots, i64 "
                f"{slots.index(('parallel',))}",
                "  %p = load i64, ptr %p.at",
                "  %p.some = icmp ne i64 %p, 0",
                "  br i1 %p.some, label %many, label %single",
                "many:",
                "  %p.flag = tail call i64 @step.parallel(ptr %slots)",
                "  ret i64 %p.flag",
                "single:",
            ]
        texts.append(self._steps("i64 @step", choice))
        texts += [
            f"@{name} = internal constant {ELEMENT[dtype]} {number(value, dtype)}"
            for (value, dtype), name in self.numbers.items()
        ]
        if self.recipes:
            texts += [*self.recipes, FILL]
        declared = sorted({*self.declared, MEMCPY})
        return "\n".join([*texts, *self.part_texts, *declared])

    def _steps(self, name: str, choice: list[str]) -> str:
        """One function that runs all steps."""
        self.lines = [*choice, "  store i64 0, ptr %slots"]
        if ("watch",) in self.program.slots:  # its time begins with each execution
            watch = self._pointer(self.program.slots.index(("watch",)))
            at = self._op(f"getelementptr i64, ptr {watch}, i64 {LOOP_DUE}")
            self.lines.append(f"  store i64 0, ptr {at}")
        self.tables = []
        for step in self.program.steps:
            self._step(step)
        self.lines += ["  ret i64 0"]
        if leaves_early(self.program):
            self.lines += [
                "failed:",
                "  %flag = load i64, ptr %slots",
                "  ret i64 %flag",
            ]
        head = [f"define {name}(ptr %slots) nounwind {{", "entry:"]
        return "\n".join([*head, *self.tables, *self.lines, "}"])

    def _step(self, step: Any) -> None:
        self._write(step)

    def _write(self, step: Any) -> None:
        match step:
            case Loop():
                self._loop(step)
            case Branch():
                self._branch(step)
            case Host(number):
                self._host(number)
            case Bind(number):
                self._host(-1 - number)
            case Demand():
                self._demand(step)
            case Launch():
                self._call_kernel(step, [])
                if step.can_fail:
                    self._leave_if_failed()
            case Shared():
                self._shared(step)
                if step.can_fail:
                    self._leave_if_failed()
            case Copy(target, source, size):
                to, of, count = (
                    self._pointer(target),
                    self._pointer(source),
                    self._slot(size),
                )
                self.lines.append(
                    "  call void @llvm.memcpy.p0.p0.i64("
                    f"ptr {to}, ptr {of}, i64 {count}, i1 false)"
                )
            case Product() | Tiles():
                if self.twice:
                    self.lines.append(
                        f"  call void @{self._outlined(step)}(ptr %slots)"
                    )
                else:
                    self._contraction(step)

    def _arguments(self, step: Launch) -> list[str]:
        return [
            "ptr %slots",
            *[f"ptr {self._pointer(b)}" for b in step.buffers],
            *[f"i64 {self._slot(s)}" for s in step.sizes],
        ]

    def _call_kernel(self, step: Launch, more: list[str]) -> None:
        arguments = ", ".join([*self._arguments(step), *more])
        self.lines.append(f"  call void @{step.kernel}({arguments})")

    # --- launches that threads share ------------------------------------------------------

    def _shared(self, step: Shared) -> None:
        if self.shares and step.grain is not None:
            self._share(step)
        elif (
            self.twice
            and step.grain is not None
            and not step.private
            and step.partials is None
        ):
            self._whole(step)
        else:
            more = ["i64 0", f"i64 {self._slot(step.units)}"]
            more += [] if step.width is None else ["ptr null", "i64 0"]
            self._call_kernel(step.launch, more)

    def _whole(self, step: Shared) -> None:
        """All parts of a launch at once."""
        self.lines.append(
            f"  call void @{self._part(step)}(ptr %slots, i64 0, "
            f"i64 {self._slot(step.units)}, ptr null)"
        )

    def _share(self, step: Shared) -> None:
        assert step.grain is not None
        units, grain = self._slot(step.units), self._slot(step.grain)
        self.lines.append(
            f"  call void @sg_parallel(ptr @{self._part(step)}, ptr %slots, "
            f"i64 {units}, i64 {grain})"
        )
        if step.partials is not None:
            self._join(step, units, grain)

    def _join(self, step: Shared, units: str, grain: str) -> None:
        """Combine what the parts of a reduction came to."""
        assert step.partials is not None
        up = self._op(f"add i64 {units}, {grain}")
        less = self._op(f"sub i64 {up}, 1")
        count = self._op(f"udiv i64 {less}, {grain}")
        memory = self._pointer(step.partials)
        more = ["i64 0", "i64 0", f"ptr {memory}", f"i64 {count}"]
        self._call_kernel(step.launch, more)

    def _part(self, step: Shared) -> str:
        """Name of a function that runs a part of a launch."""
        found = self.parts.get(step)
        if found is not None:
            return found
        name = self.parts[step] = f"part{len(self.parts)}"
        lines, self.lines = self.lines, []
        rows = dict(step.private)
        arguments = ["ptr %slots"]
        free = "%scratch"
        for position, buffer in enumerate(step.launch.buffers):
            if position not in rows:
                arguments.append(f"ptr {self._pointer(buffer)}")
                continue
            arguments.append(f"ptr {free}")
            up = self._op(f"add i64 {self._slot(rows[position])}, 63")
            size = self._op(f"and i64 {up}, -64")
            free = self._op(f"getelementptr i8, ptr {free}, i64 {size}")
        arguments += [f"i64 {self._slot(s)}" for s in step.launch.sizes]
        if step.partials is None:
            arguments += ["i64 %begin", "i64 %end"]
            kernel = step.launch.kernel
            self.lines.append(f"  call void @{kernel}({', '.join(arguments)})")
        else:
            self._part_of_reduction(step, arguments)
        head = (
            f"define internal void @{name}(ptr %slots, i64 %begin, i64 %end, "
            "ptr %scratch) nounwind {"
        )
        self.part_texts.append(
            "\n".join([head, "entry:", *self.lines, "  ret void", "}"])
        )
        self.lines = lines
        return name

    def _part_of_reduction(self, step: Shared, arguments: list[str]) -> None:
        """Block by block, as a caller without threads gets all of them at once."""
        assert step.grain is not None and step.partials is not None
        assert step.width is not None
        grain, memory = self._slot(step.grain), self._pointer(step.partials)
        width = self._slot(step.width)
        call = ", ".join(
            [*arguments, "i64 %b", "i64 %b.end", "ptr %b.memory", "i64 -1"]
        )
        self.lines.append(f"""  br label %block
block:
  %b = phi i64 [ %begin, %entry ], [ %b.next, %block ]
  %b.next = add i64 %b, {grain}
  %b.over = icmp sgt i64 %b.next, %end
  %b.end = select i1 %b.over, i64 %end, i64 %b.next
  %b.number = udiv i64 %b, {grain}
  %b.row = mul i64 %b.number, {width}
  %b.memory = getelementptr i8, ptr {memory}, i64 %b.row
  call void @{step.launch.kernel}({call})
  %b.more = icmp slt i64 %b.next, %end
  br i1 %b.more, label %block, label %done
done:""")
