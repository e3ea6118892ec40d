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

from typing import Any, Protocol

from symgraph.backends.cpu.driver_contractions import PARALLEL, Contractions
from symgraph.backends.cpu.driver_lines import Lines
from symgraph.backends.cpu.driver_loops import Loops, leaves_early
from symgraph.backends.cpu.steps import BlasProduct, NativeProgram, Shared, Tiles
from symgraph.backends.cpu.watch import LOOP_DUE
from symgraph.lower.steps import (
    Branch,
    Copy,
    Demand,
    HostCall,
    Launch,
    Loop,
    ResolveExtents,
    walk,
)

MEMCPY = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"


def write_driver(program: NativeProgram, ilp64: bool) -> str:
    """The text of `step`, and declarations of what it calls."""
    return Driver(program, ilp64).text()


class Clock(Protocol):
    """What a driver with clocks adds: a parameter, and lines around each step."""

    parameter: str

    def begin(self, w: Lines) -> None:
        """Before the first step."""

    def step(self, w: Lines) -> None:
        """After each step of the program."""


class Driver:
    def __init__(
        self, program: NativeProgram, ilp64: bool, clock: Clock | None = None
    ) -> None:
        self.w = Lines()
        self.contractions = Contractions(self.w, ilp64)
        self.loops = Loops(self.w, program, self._write)
        self.program = program
        self.clock = clock
        self.parts: dict[Shared, str] = {}
        self.shares = False
        self.twice = any(
            isinstance(s, Shared) and s.block_size is not None
            for s in walk(program.steps)
        )

    def text(self) -> str:
        slots = self.program.slots
        texts = []
        choice: list[str] = []
        more = "" if self.clock is None else self.clock.parameter
        if self.twice:
            self.w.declared.add(PARALLEL)
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
                f"  %p.flag = tail call i64 @step.parallel(ptr %slots{more})",
                "  ret i64 %p.flag",
                "single:",
            ]
        texts.append(self._steps("i64 @step", choice))
        texts += self.contractions.constants()
        declared = sorted({*self.w.declared, MEMCPY})
        return "\n".join([*texts, *self.w.texts, *declared])

    def _steps(self, name: str, choice: list[str]) -> str:
        """One function that runs all steps."""
        given = "ptr %slots"
        self.w.lines = list(choice)
        if self.clock is not None:
            given += self.clock.parameter
            self.clock.begin(self.w)
        self.w.lines.append("  store i64 0, ptr %slots")
        if ("watch",) in self.program.slots:  # its time begins with each execution
            watch = self.w.pointer(self.program.slots.index(("watch",)))
            at = self.w.op(f"getelementptr i64, ptr {watch}, i64 {LOOP_DUE}")
            self.w.lines.append(f"  store i64 0, ptr {at}")
        self.w.tables = []
        for step in self.program.steps:
            self._write(step)
            if self.clock is not None:
                self.clock.step(self.w)
        self.w.lines += ["  ret i64 0"]
        if leaves_early(self.program):
            self.w.lines += [
                "failed:",
                "  %flag = load i64, ptr %slots",
                "  ret i64 %flag",
            ]
        head = [f"define {name}({given}) nounwind {{", "entry:"]
        return "\n".join([*head, *self.w.tables, *self.w.lines, "}"])

    def _write(self, step: Any) -> None:
        match step:
            case Loop():
                self.loops.loop(step)
            case Branch():
                self.loops.branch(step)
            case HostCall(number):
                self.loops.host(number)
            case ResolveExtents(number):
                self.loops.host(-1 - number)
            case Demand():
                self.loops.demand(step)
            case Launch():
                self._call_kernel(step, [])
                if step.can_fail:
                    self.w.leave_if_failed()
            case Shared():
                self._shared(step)
                if step.can_fail:
                    self.w.leave_if_failed()
            case Copy(target, source, size):
                to, of, count = (
                    self.w.pointer(target),
                    self.w.pointer(source),
                    self.w.slot(size),
                )
                self.w.lines.append(
                    "  call void @llvm.memcpy.p0.p0.i64("
                    f"ptr {to}, ptr {of}, i64 {count}, i1 false)"
                )
            case BlasProduct() | Tiles():
                if self.twice:
                    self.w.lines.append(
                        f"  call void @{self.contractions.outlined(step)}(ptr %slots)"
                    )
                else:
                    self.contractions.write(step)

    def _arguments(self, step: Launch) -> list[str]:
        return [
            "ptr %slots",
            *[f"ptr {self.w.pointer(b)}" for b in step.buffers],
            *[f"i64 {self.w.slot(s)}" for s in step.sizes],
        ]

    def _call_kernel(self, step: Launch, more: list[str]) -> None:
        arguments = ", ".join([*self._arguments(step), *more])
        self.w.lines.append(f"  call void @{step.kernel}({arguments})")

    # --- launches that threads share ------------------------------------------------------

    def _shared(self, step: Shared) -> None:
        if self.shares and step.block_size is not None:
            self._share(step)
        elif (
            self.twice
            and step.block_size is not None
            and not step.private
            and step.partials is None
        ):
            self._whole(step)
        else:
            more = ["i64 0", f"i64 {self.w.slot(step.units)}"]
            more += [] if step.width is None else ["ptr null", "i64 0"]
            self._call_kernel(step.launch, more)

    def _whole(self, step: Shared) -> None:
        """All parts of a launch at once."""
        self.w.lines.append(
            f"  call void @{self._part(step)}(ptr %slots, i64 0, "
            f"i64 {self.w.slot(step.units)}, ptr null)"
        )

    def _share(self, step: Shared) -> None:
        assert step.block_size is not None
        units, block_size = self.w.slot(step.units), self.w.slot(step.block_size)
        self.w.lines.append(
            f"  call void @sg_parallel(ptr @{self._part(step)}, ptr %slots, "
            f"i64 {units}, i64 {block_size})"
        )
        if step.partials is not None:
            self._join(step, units, block_size)

    def _join(self, step: Shared, units: str, block_size: str) -> None:
        """Combine what the parts of a reduction came to."""
        assert step.partials is not None
        up = self.w.op(f"add i64 {units}, {block_size}")
        less = self.w.op(f"sub i64 {up}, 1")
        count = self.w.op(f"udiv i64 {less}, {block_size}")
        memory = self.w.pointer(step.partials)
        more = ["i64 0", "i64 0", f"ptr {memory}", f"i64 {count}"]
        self._call_kernel(step.launch, more)

    def _part(self, step: Shared) -> str:
        """Name of a function that runs a part of a launch."""
        found = self.parts.get(step)
        if found is not None:
            return found
        name = self.parts[step] = f"part{len(self.parts)}"
        head = (
            f"define internal void @{name}(ptr %slots, i64 %begin, i64 %end, "
            "ptr %scratch) nounwind"
        )
        with self.w.function(head):
            self._run_part(step)
        return name

    def _run_part(self, step: Shared) -> None:
        """Run a part of a launch, with memory of its own."""
        rows = dict(step.private)
        arguments = ["ptr %slots"]
        free = "%scratch"
        for position, buffer in enumerate(step.launch.buffers):
            if position not in rows:
                arguments.append(f"ptr {self.w.pointer(buffer)}")
                continue
            arguments.append(f"ptr {free}")
            up = self.w.op(f"add i64 {self.w.slot(rows[position])}, 63")
            size = self.w.op(f"and i64 {up}, -64")
            free = self.w.op(f"getelementptr i8, ptr {free}, i64 {size}")
        arguments += [f"i64 {self.w.slot(s)}" for s in step.launch.sizes]
        if step.partials is None:
            arguments += ["i64 %begin", "i64 %end"]
            kernel = step.launch.kernel
            self.w.lines.append(f"  call void @{kernel}({', '.join(arguments)})")
        else:
            self._part_of_reduction(step, arguments)

    def _part_of_reduction(self, step: Shared, arguments: list[str]) -> None:
        """Block by block, as a caller without threads gets all of them at once."""
        assert step.block_size is not None and step.partials is not None
        assert step.width is not None
        block_size, memory = self.w.slot(step.block_size), self.w.pointer(step.partials)
        width = self.w.slot(step.width)
        call = ", ".join(
            [*arguments, "i64 %b", "i64 %b.end", "ptr %b.memory", "i64 -1"]
        )
        self.w.lines.append(f"""  br label %block
block:
  %b = phi i64 [ %begin, %entry ], [ %b.next, %block ]
  %b.next = add i64 %b, {block_size}
  %b.over = icmp sgt i64 %b.next, %end
  %b.end = select i1 %b.over, i64 %end, i64 %b.next
  %b.number = udiv i64 %b, {block_size}
  %b.row = mul i64 %b.number, {width}
  %b.memory = getelementptr i8, ptr {memory}, i64 %b.row
  call void @{step.launch.kernel}({call})
  %b.more = icmp slt i64 %b.next, %end
  br i1 %b.more, label %block, label %done
done:""")
