"""The driver of a function in LLVM IR: its steps in order over the table of slots.

    i64 step(ptr slots)                       one execution; returns the error flag
    i64 run(ptr slots, i64 n, ptr moves, i64 count, ptr rows, i64 row_count,
            ptr order, i64 batch)             n executions

`run` carries whole epochs: before each execution it gathers `batch` rows for each entry
of `rows` (slot of the gathered copy's address, source address, bytes of a row), in the
order of the int64 array `order`; after it, it adds to each slot named in `moves` (slot,
bytes), so inputs and outputs advance from batch to batch. In: a Program, and the names
of its kernel functions. Out: the text of the functions.
"""

from symgraph.backends.cpu.library import NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE
from symgraph.backends.cpu.llvm import number
from symgraph.core.dtypes import ITEMSIZE
from symgraph.lower.program import Copy, Launch, Operand, Product, Program, Step

RUN = """
define i64 @run(ptr %slots, i64 %n, ptr %moves, i64 %count, ptr %rows, i64 %row_count,
                ptr %order, i64 %batch) nounwind {
entry:
  %some = icmp slt i64 0, %n
  br i1 %some, label %head, label %fine
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %moved ]
  %first = mul i64 %i, %batch
  %gathers = icmp slt i64 0, %row_count
  br i1 %gathers, label %gather, label %ready
gather:
  %g = phi i64 [ 0, %head ], [ %g.next, %gathered ]
  %g.at = mul i64 %g, 3
  %g.p = getelementptr i64, ptr %rows, i64 %g.at
  %g.slot = load i64, ptr %g.p
  %g.p1 = getelementptr i64, ptr %g.p, i64 1
  %g.source = load i64, ptr %g.p1
  %g.p2 = getelementptr i64, ptr %g.p, i64 2
  %g.bytes = load i64, ptr %g.p2
  %g.sp = getelementptr i64, ptr %slots, i64 %g.slot
  %g.base = load i64, ptr %g.sp
  %g.target = inttoptr i64 %g.base to ptr
  %g.from = inttoptr i64 %g.source to ptr
  %any = icmp slt i64 0, %batch
  br i1 %any, label %row, label %gathered
row:
  %r = phi i64 [ 0, %gather ], [ %r.next, %row ]
  %r.k = add i64 %first, %r
  %r.op = getelementptr i64, ptr %order, i64 %r.k
  %r.index = load i64, ptr %r.op
  %r.far = mul i64 %r.index, %g.bytes
  %r.near = mul i64 %r, %g.bytes
  %r.src = getelementptr i8, ptr %g.from, i64 %r.far
  %r.dst = getelementptr i8, ptr %g.target, i64 %r.near
  call void @llvm.memcpy.p0.p0.i64(ptr %r.dst, ptr %r.src, i64 %g.bytes, i1 false)
  %r.next = add i64 %r, 1
  %r.more = icmp slt i64 %r.next, %batch
  br i1 %r.more, label %row, label %gathered
gathered:
  %g.next = add i64 %g, 1
  %g.more = icmp slt i64 %g.next, %row_count
  br i1 %g.more, label %gather, label %ready
ready:
  %flag = call i64 @step(ptr %slots)
  %failed = icmp ne i64 %flag, 0
  br i1 %failed, label %stop, label %ran
ran:
  %moves.some = icmp slt i64 0, %count
  br i1 %moves.some, label %move, label %moved
move:
  %m = phi i64 [ 0, %ran ], [ %m.next, %move ]
  %m.at = mul i64 %m, 2
  %m.p = getelementptr i64, ptr %moves, i64 %m.at
  %m.slot = load i64, ptr %m.p
  %m.p1 = getelementptr i64, ptr %m.p, i64 1
  %m.bytes = load i64, ptr %m.p1
  %m.sp = getelementptr i64, ptr %slots, i64 %m.slot
  %m.old = load i64, ptr %m.sp
  %m.new = add i64 %m.old, %m.bytes
  store i64 %m.new, ptr %m.sp
  %m.next = add i64 %m, 1
  %m.more = icmp slt i64 %m.next, %count
  br i1 %m.more, label %move, label %moved
moved:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %head, label %fine
fine:
  ret i64 0
stop:
  ret i64 %flag
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def write_driver(program: Program, ilp64: bool) -> str:
    """The text of `step` and `run`, and declarations of the BLAS that they call."""
    return _Driver(program, ilp64).text()


class _Driver:
    def __init__(self, program: Program, ilp64: bool) -> None:
        self.program = program
        self.integer = "i64" if ilp64 else "i32"
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self.count = 0

    def text(self) -> str:
        self.lines.append("  store i64 0, ptr %slots")
        for step in self.program.steps:
            self._step(step)
        self.lines += ["  ret i64 0"]
        if any(isinstance(s, Launch) and s.can_fail for s in self.program.steps):
            self.lines += [
                "failed:",
                "  %flag = load i64, ptr %slots",
                "  ret i64 %flag",
            ]
        head = ["define i64 @step(ptr %slots) nounwind {", "entry:"]
        return "\n".join([*head, *self.lines, "}", *sorted(self.declared), RUN])

    def _name(self) -> str:
        self.count += 1
        return f"%t{self.count}"

    def _op(self, text: str) -> str:
        name = self._name()
        self.lines.append(f"  {name} = {text}")
        return name

    def _slot(self, index: int) -> str:
        address = self._op(f"getelementptr i64, ptr %slots, i64 {index}")
        return self._op(f"load i64, ptr {address}")

    def _pointer(self, index: int) -> str:
        return self._op(f"inttoptr i64 {self._slot(index)} to ptr")

    def _step(self, step: Step) -> None:
        match step:
            case Launch(kernel, buffers, sizes, can_fail):
                arguments = ["ptr %slots"]
                arguments += [f"ptr {self._pointer(b)}" for b in buffers]
                arguments += [f"i64 {self._slot(s)}" for s in sizes]
                self.lines.append(f"  call void @{kernel}({', '.join(arguments)})")
                if can_fail:
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
            case Product():
                self._product(step)

    def _leave_if_failed(self) -> None:
        flag = self._op("load i64, ptr %slots")
        bad = self._op(f"icmp ne i64 {flag}, 0")
        self.count += 1
        self.lines.append(f"  br i1 {bad}, label %failed, label %ok{self.count}")
        self.lines.append(f"ok{self.count}:")

    # --- products ------------------------------------------------------------------------

    def _product(self, step: Product) -> None:
        sizes = [self._slot(s) for s in (step.rows, step.columns, step.inner)]
        a, lead_a = self._matrix(step.a, step.dtype)
        b, lead_b = self._matrix(step.b, step.dtype)
        c = self._pointer(step.c)
        alpha, beta = (self._factor(v, step.dtype) for v in (step.alpha, step.beta))
        if step.count is None:
            self._call(step, sizes, a, lead_a, b, lead_b, c, alpha, beta)
            return
        size = ITEMSIZE[step.dtype]
        count = self._slot(step.count)
        steps = [
            "0" if s is None else self._op(f"mul i64 {self._slot(s)}, {size}")
            for s in (step.a.batch, step.b.batch, step.step)
        ]
        self.count += 1
        loop, done, before = (f"{w}{self.count}" for w in ("batch", "after", "into"))
        some = self._op(f"icmp slt i64 0, {count}")
        self.lines.append(f"  br label %{before}")
        self.lines.append(f"{before}:")
        self.lines.append(f"  br i1 {some}, label %{loop}, label %{done}")
        self.lines.append(f"{loop}:")
        self.lines.append(
            f"  %{loop}.i = phi i64 [ 0, %{before} ], [ %{loop}.n, %{loop} ]"
        )
        moved = []
        for pointer, by in zip((a, b, c), steps, strict=True):
            offset = self._op(f"mul i64 %{loop}.i, {by}")
            moved.append(self._op(f"getelementptr i8, ptr {pointer}, i64 {offset}"))
        self._call(
            step, sizes, moved[0], lead_a, moved[1], lead_b, moved[2], alpha, beta
        )
        self.lines.append(f"  %{loop}.n = add i64 %{loop}.i, 1")
        more = self._op(f"icmp slt i64 %{loop}.n, {count}")
        self.lines.append(f"  br i1 {more}, label %{loop}, label %{done}")
        self.lines.append(f"{done}:")

    def _matrix(self, operand: Operand, dtype: str) -> tuple[str, str]:
        pointer = self._pointer(operand.buffer)
        if operand.offset is not None:
            element = "float" if dtype == "float32" else "double"
            offset = self._slot(operand.offset)
            pointer = self._op(f"getelementptr {element}, ptr {pointer}, i64 {offset}")
        return pointer, self._slot(operand.lead)

    def _factor(self, value: object, dtype: str) -> str:
        element = "float" if dtype == "float32" else "double"
        if isinstance(value, tuple):
            return self._op(f"load {element}, ptr {self._pointer(value[1])}")
        return number(float(value), dtype)  # type: ignore[arg-type]

    def _int(self, value: str) -> str:
        if self.integer == "i64":
            return value
        return self._op(f"trunc i64 {value} to i32")

    def _at_least_one(self, lead: str) -> str:
        small = self._op(f"icmp slt i64 {lead}, 1")
        return self._op(f"select i1 {small}, i64 1, i64 {lead}")

    def _call(
        self,
        step: Product,
        sizes: list[str],
        a: str,
        lead_a: str,
        b: str,
        lead_b: str,
        c: str,
        alpha: str,
        beta: str,
    ) -> None:
        letter, element = ("s", "float") if step.dtype == "float32" else ("d", "double")
        kind = self.integer
        name = f"sg_{letter}gemm"
        types = [*["i32"] * 3, *[kind] * 3, element, "ptr", kind, "ptr", kind, element,
                 "ptr", kind]  # fmt: skip
        self.declared.add(f"declare void @{name}({', '.join(types)})")
        values = [
            str(ROW_MAJOR),
            str(TRANSPOSE if step.a.transposed else NO_TRANSPOSE),
            str(TRANSPOSE if step.b.transposed else NO_TRANSPOSE),
            *(self._int(s) for s in sizes),
            alpha,
            a,
            self._int(self._at_least_one(lead_a)),
            b,
            self._int(self._at_least_one(lead_b)),
            beta,
            c,
            self._int(self._at_least_one(sizes[1])),
        ]
        if not isinstance(step.beta, tuple) and step.beta == 0:
            self._clear_vector(sizes[0], sizes[1], c, ITEMSIZE[step.dtype])
        arguments = ", ".join(f"{t} {v}" for t, v in zip(types, values, strict=True))
        self.lines.append(f"  call void @{name}({arguments})")

    def _clear_vector(self, rows: str, columns: str, c: str, itemsize: int) -> None:
        """Zero a result of one row or column, which OpenBLAS multiplies by beta = 0.

        It hands such products to its gemv, whose scaling since 0.3.27 keeps the NaN that
        fresh memory may hold.
        """
        thin = [self._op(f"icmp eq i64 {size}, 1") for size in (rows, columns)]
        either = self._op(f"or i1 {thin[0]}, {thin[1]}")
        count = self._op(f"mul i64 {rows}, {columns}")
        size = self._op(f"mul i64 {count}, {itemsize}")
        some = self._op(f"select i1 {either}, i64 {size}, i64 0")
        self.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        self.lines.append(
            f"  call void @llvm.memset.p0.i64(ptr {c}, i8 0, i64 {some}, i1 false)"
        )
