"""Products and tiles in the driver: calls of BLAS, and tables for the tile library.

In: `BlasProduct` and `Tiles` steps. Out: lines of LLVM IR in the function that is being
written. An operation of the tile library gets its parameters as an array of int64 on
the stack and runs phase by phase through `sg_parallel`.
"""

from typing import Any

from symgraph.backends.cpu.driver_lines import Lines
from symgraph.backends.cpu.library import NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE
from symgraph.backends.cpu.library_object import PARAMETERS, phases
from symgraph.backends.cpu.llvm import ELEMENT, number
from symgraph.backends.cpu.steps import LONG_INNER, SMALL_PRODUCT, BlasProduct, Tiles
from symgraph.core.dtypes import ITEMSIZE
from symgraph.lower.block_size import SERIAL
from symgraph.lower.steps import Operand

#: table[i] = slots[recipe[2 i]], or recipe[2 i + 1] where that is negative
FILL = """
define internal void @fill(ptr %slots, ptr %recipe, ptr %table, i64 %n) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %pair = shl i64 %i, 1
  %slot.at = getelementptr i64, ptr %recipe, i64 %pair
  %slot = load i64, ptr %slot.at
  %literal.at = getelementptr i64, ptr %slot.at, i64 1
  %literal = load i64, ptr %literal.at
  %given = icmp slt i64 %slot, 0
  %index = select i1 %given, i64 0, i64 %slot
  %held.at = getelementptr i64, ptr %slots, i64 %index
  %held = load i64, ptr %held.at
  %value = select i1 %given, i64 %literal, i64 %held
  %at = getelementptr i64, ptr %table, i64 %i
  store i64 %value, ptr %at
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""
PARALLEL = "declare void @sg_parallel(ptr, ptr, i64, i64)"


class Contractions:
    """Writes products and convolutions."""

    def __init__(self, w: Lines, ilp64: bool) -> None:
        self.w = w
        self.integer = "i64" if ilp64 else "i32"
        self._outlined: dict[BlasProduct | Tiles, str] = {}
        self._numbers: dict[tuple[float, str], str] = {}
        self._recipes: list[str] = []

    def constants(self) -> list[str]:
        """Numbers, and recipes of tables with what follows them."""
        made = [
            f"@{name} = internal constant {ELEMENT[dtype]} {number(value, dtype)}"
            for (value, dtype), name in self._numbers.items()
        ]
        return [*made, *self._recipes, FILL] if self._recipes else made

    def write(self, step: BlasProduct | Tiles) -> None:
        """Write a step in place."""
        if isinstance(step, Tiles):
            self._tiles(step)
        elif step.tiles is None:
            self._product(step)
        else:
            self._product_of_some_size(step, step.tiles)

    def outlined(self, step: BlasProduct | Tiles) -> str:
        """Name of a function that does a step which stands in both lists of steps."""
        name = self._outlined.get(step)
        if name is None:
            name = self._outlined[step] = f"contraction{len(self._outlined)}"
            head = f"define internal void @{name}(ptr %slots) nounwind"
            with self.w.function(head):
                self.write(step)
        return name

    def _product_of_some_size(self, step: BlasProduct, tiles: Tiles) -> None:
        """BLAS for a small one, else tiles."""
        total = self.w.slot(step.rows)
        for slot in (step.columns, step.inner, step.count):
            if slot is not None:
                total = self.w.op(f"mul i64 {total}, {self.w.slot(slot)}")
        small = self.w.op(f"icmp sle i64 {total}, {SMALL_PRODUCT}")
        names = self.w.labels("small", "large", "either")
        self.w.lines.append(f"  br i1 {small}, label %{names[0]}, label %{names[1]}")
        self.w.lines.append(f"{names[0]}:")
        self._product(step)
        self.w.lines += [f"  br label %{names[2]}", f"{names[1]}:"]
        self._tiles(tiles)
        self.w.lines += [f"  br label %{names[2]}", f"{names[2]}:"]

    # --- tiles --------------------------------------------------------------------------

    def _tiles(self, step: Tiles) -> None:
        """Fill a table of parameters, then run phase by phase."""
        names = PARAMETERS[step.operation]
        table = f"%{self.w.labels('table')[0]}"
        self.w.tables.append(f"  {table} = alloca [{len(names)} x i64], align 64")
        given = dict(step.parameters)
        assert given.keys() <= set(names), (given.keys() - set(names), step.operation)
        recipe, others = [], []
        for place, name in enumerate(names):
            match given.get(name, ("literal", 0)):
                case int(slot):
                    recipe += [slot, 0]
                case ("literal", int(literal)):
                    recipe += [-1, literal]
                case value:
                    recipe += [-1, 0]
                    others.append((place, value))
        made = f"recipe{len(self._recipes)}"
        entries = ", ".join(f"i64 {n}" for n in recipe)
        self._recipes.append(
            f"@{made} = internal constant [{len(recipe)} x i64] [{entries}]"
        )
        self.w.lines.append(
            f"  call void @fill(ptr %slots, ptr @{made}, ptr {table}, i64 {len(names)})"
        )
        for place, value in others:
            computed = self._parameter(value, step.dtype)
            at = self.w.op(f"getelementptr i64, ptr {table}, i64 {place}")
            self.w.lines.append(f"  store i64 {computed}, ptr {at}")
        serial = self.w.op(f"icmp eq i64 {self.w.slot(step.block_size)}, {SERIAL}")
        block = self.w.op(f"select i1 {serial}, i64 {SERIAL}, i64 1")
        self.w.declared.add(PARALLEL)
        for function, units in phases(step.operation, step.dtype):
            self.w.declared.add(f"declare void @{function}(ptr, i64, i64, ptr)")
            self.w.declared.add(f"declare i64 @{units}(ptr)")
            count = self.w.op(f"call i64 @{units}(ptr {table})")
            self.w.lines.append(
                f"  call void @sg_parallel(ptr @{function}, ptr {table}, "
                f"i64 {count}, i64 {block})"
            )

    def _parameter(self, value: Any, dtype: str) -> str:
        match value:
            case ("number", float(given)):
                name = self._numbers.setdefault(
                    (given, dtype), f"number{len(self._numbers)}"
                )
                return self.w.op(f"ptrtoint ptr @{name} to i64")
            case ("bytes", int(slot), int(offset), int(scale)):
                far = self.w.op(f"mul i64 {self.w.slot(offset)}, {scale}")
                return self.w.op(f"add i64 {self.w.slot(slot)}, {far}")
        raise AssertionError(f"unknown parameter {value!r}")

    # --- products ------------------------------------------------------------------------

    def _product(self, step: BlasProduct) -> None:
        sizes = [self.w.slot(s) for s in (step.rows, step.columns, step.inner)]
        a, lead_a = self._matrix(step.a, step.dtype)
        b, lead_b = self._matrix(step.b, step.dtype)
        c = self.w.pointer(step.c)
        alpha, beta = (self._factor(v, step.dtype) for v in (step.alpha, step.beta))
        if step.count is None:
            self._call(step, sizes, a, lead_a, b, lead_b, c, alpha, beta)
            return
        size = ITEMSIZE[step.dtype]
        count = self.w.slot(step.count)
        steps = [
            "0" if s is None else self.w.op(f"mul i64 {self.w.slot(s)}, {size}")
            for s in (step.a.batch, step.b.batch, step.step)
        ]
        loop, done, before = self.w.labels("batch", "after", "into")
        some = self.w.op(f"icmp slt i64 0, {count}")
        self.w.lines.append(f"  br label %{before}")
        self.w.lines.append(f"{before}:")
        self.w.lines.append(f"  br i1 {some}, label %{loop}, label %{done}")
        self.w.lines.append(f"{loop}:")
        self.w.lines.append(
            f"  %{loop}.i = phi i64 [ 0, %{before} ], [ %{loop}.n, %{loop}.end ]"
        )
        moved = []
        for pointer, by in zip((a, b, c), steps, strict=True):
            offset = self.w.op(f"mul i64 %{loop}.i, {by}")
            moved.append(self.w.op(f"getelementptr i8, ptr {pointer}, i64 {offset}"))
        self._call(
            step, sizes, moved[0], lead_a, moved[1], lead_b, moved[2], alpha, beta
        )
        self.w.lines += [f"  br label %{loop}.end", f"{loop}.end:"]
        self.w.lines.append(f"  %{loop}.n = add i64 %{loop}.i, 1")
        more = self.w.op(f"icmp slt i64 %{loop}.n, {count}")
        self.w.lines.append(f"  br i1 {more}, label %{loop}, label %{done}")
        self.w.lines.append(f"{done}:")

    def _matrix(self, operand: Operand, dtype: str) -> tuple[str, str]:
        pointer = self.w.pointer(operand.buffer)
        if operand.offset is not None:
            element = "float" if dtype == "float32" else "double"
            offset = self.w.slot(operand.offset)
            pointer = self.w.op(f"getelementptr {element}, ptr {pointer}, i64 {offset}")
        return pointer, self.w.slot(operand.lead)

    def _factor(self, value: object, dtype: str) -> str:
        element = "float" if dtype == "float32" else "double"
        if isinstance(value, tuple):
            return self.w.op(f"load {element}, ptr {self.w.pointer(value[1])}")
        return number(float(value), dtype)  # type: ignore[arg-type]

    def _int(self, value: str) -> str:
        if self.integer == "i64":
            return value
        return self.w.op(f"trunc i64 {value} to i32")

    def _at_least_one(self, lead: str) -> str:
        small = self.w.op(f"icmp slt i64 {lead}, 1")
        return self.w.op(f"select i1 {small}, i64 1, i64 {lead}")

    def _call(
        self,
        step: BlasProduct,
        sizes: list[str],
        a: str,
        lead_a: str,
        b: str,
        lead_b: str,
        c: str,
        alpha: str,
        beta: str,
    ) -> None:
        """One product: a call of BLAS, or one for each block of the inner extent."""
        if not isinstance(step.beta, tuple) and step.beta == 0:
            self._clear_vector(sizes[0], sizes[1], c, ITEMSIZE[step.dtype])
        if not step.long:
            self._gemm(step, sizes, a, lead_a, b, lead_b, c, alpha, beta)
            return
        rows, columns, inner = sizes
        element = "float" if step.dtype == "float32" else "double"
        block, before, done = self.w.labels("terms", "from", "sum")
        self.w.lines += [f"  br label %{before}", f"{before}:", f"  br label %{block}"]
        self.w.lines += [
            f"{block}:",
            f"  %{block}.i = phi i64 [ 0, %{before} ], [ %{block}.n, %{block} ]",
            f"  %{block}.beta = phi {element} [ {beta}, %{before} ], "
            f"[ {number(1.0, step.dtype)}, %{block} ]",
        ]
        left = self.w.op(f"sub i64 {inner}, %{block}.i")
        short = self.w.op(f"icmp slt i64 {left}, {LONG_INNER}")
        terms = self.w.op(f"select i1 {short}, i64 {left}, i64 {LONG_INNER}")
        moved = []
        for pointer, lead, down in (
            (a, lead_a, step.a.transposed), (b, lead_b, not step.b.transposed),
        ):  # fmt: skip
            by = f"%{block}.i"
            if down:
                by = self.w.op(f"mul i64 {by}, {lead}")
            moved.append(self.w.op(f"getelementptr {element}, ptr {pointer}, i64 {by}"))
        self._gemm(
            step, [rows, columns, terms], moved[0], lead_a, moved[1], lead_b, c, alpha,
            f"%{block}.beta",
        )  # fmt: skip
        self.w.lines.append(f"  %{block}.n = add i64 %{block}.i, {LONG_INNER}")
        more = self.w.op(f"icmp slt i64 %{block}.n, {inner}")
        self.w.lines.append(f"  br i1 {more}, label %{block}, label %{done}")
        self.w.lines.append(f"{done}:")

    def _gemm(
        self,
        step: BlasProduct,
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
        self.w.declared.add(f"declare void @{name}({', '.join(types)})")
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
        arguments = ", ".join(f"{t} {v}" for t, v in zip(types, values, strict=True))
        self.w.lines.append(f"  call void @{name}({arguments})")

    def _clear_vector(self, rows: str, columns: str, c: str, itemsize: int) -> None:
        """Zero a result of one row or column, which OpenBLAS multiplies by beta = 0.

        It hands such products to its gemv, whose scaling since 0.3.27 keeps the NaN that
        fresh memory may hold.
        """
        thin = [self.w.op(f"icmp eq i64 {size}, 1") for size in (rows, columns)]
        either = self.w.op(f"or i1 {thin[0]}, {thin[1]}")
        count = self.w.op(f"mul i64 {rows}, {columns}")
        size = self.w.op(f"mul i64 {count}, {itemsize}")
        some = self.w.op(f"select i1 {either}, i64 {size}, i64 0")
        self.w.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        self.w.lines.append(
            f"  call void @llvm.memset.p0.i64(ptr {c}, i8 0, i64 {some}, i1 false)"
        )
