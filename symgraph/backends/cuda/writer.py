"""Kernel IR → CUDA kernel text in the dialect of numba-cuda and numba-cuda-mlir.

In: a `Kernel`. Out: a `CudaKernel`: text, block size, and what the grid must cover.
The text has no imports and no decorators; whoever compiles it provides `cuda`, `math`
and the number types, and compiles `helpers` as inlined device functions.

Threads come from loops in one of three ways:
- `map`: the outer independent loops become one flat loop over all threads of the grid;
- `rows`: the outer independent loops number rows, a block works on one row at a time,
  its threads share each inner independent loop, and what they fold is joined by warp
  shuffles and then through shared memory;
- `block`: no loop is independent from the start; one block works as for one row.
A loop that is not independent runs in step, on all threads of the block, or on its
first thread if nothing in it can be shared.

A thread adds long sums of floats up in blocks (`Loop.block`) and those one after the
other; the terms that it has of a shared loop it adds one after the other.

Reductions over two launches, vectors of elements per thread, and complex numbers are
left out; complex raises `NotSupportedError`.
"""

import functools
import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from symgraph.backends.cuda.sharing import escaping, is_independent, touched
from symgraph.backends.writer import TEMPLATES, Writer, operand
from symgraph.core.dtypes import is_float
from symgraph.core.primitives import PRIMITIVES
from symgraph.errors import NotSupportedError
from symgraph.lower.ir import (
    Access,
    Fold,
    Init,
    Kernel,
    Let,
    Load,
    Loop,
    Size,
    Statement,
    Store,
    expressions,
    walk,
)

BLOCK = 128  # threads
WARP = 32  # threads
MAX_BLOCKS = 65535  # more work than this many blocks take at once goes round again

# fmt: off
#: |a| rounded half to even: adding and taking away {big} leaves no bits for a fraction
NEAR = "size = fabs(a); near = size + {big} - {big} if size < {big} else size;"
#: what CUDA's math lacks, what a GPU leaves undefined where NumPy defines it, and what
#: the two compilers do not agree on: numba-cuda-mlir compares NaN != NaN as false, has
#: integers for floor, ceil and trunc, the sign of C for %, and no comparison of bools
CUDA = {
    "ne.f": "not a == b", "to_bool": "not a == T(0)",
    "eq.b": "(a and b) or not (a or b)", "ne.b": "(a and not b) or (b and not a)",
    "xor.b": "(a and not b) or (b and not a)",
    "lt.b": "b and not a", "le.b": "b or not a",
    "gt.b": "a and not b", "ge.b": "a or not b",
    "mod.i":
        "rest = a % b if b != T(0) else T(0);"
        "rest + b if (rest < T(0) < b) or (b < T(0) < rest) else rest",
    "floordiv.i":
        "ratio = a // b if b != T(0) else T(0); rest = a - ratio * b;"
        "ratio - T(1) if (rest < T(0) < b) or (b < T(0) < rest) else ratio",
    "fmod.i":
        "rest = abs(a) % abs(b) if b != T(0) else T(0); rest if a >= T(0) else -rest",
    "mod.u": "a % b if b != T(0) else T(0)",
    "fmod.u": "a % b if b != T(0) else T(0)",
    "floordiv.u": "a // b if b != T(0) else T(0)",
    "mod":
        "rest = fmod(a, b); over = (rest < T(0) < b) or (b < T(0) < rest);"
        "rest + b if over else (copysign(rest, b) if rest == T(0) else rest)",
    "floordiv":
        "rest = fmod(a, b); over = (rest < T(0) < b) or (b < T(0) < rest);"
        "ratio = (a - rest) / b - (T(1) if over else T(0));" +
        NEAR.replace("fabs(a)", "fabs(ratio)") +
        "a / b if b == T(0) else copysign(near, ratio if size > T(0) else a / b)",
    "pow": "pow(a, b)", "pow.i": "a ** b", "pow.u": "a ** b",
    "abs.f": "fabs(a)",
    "sign": "T(1) if a > T(0) else (T(-1) if a < T(0) else (T(0) if a == T(0) else a))",
    "sign.u": "T(1) if a > T(0) else T(0)",
    # the first two keep a NaN of either side, the others drop it
    "maximum": "a if a > b else b", "maximum.f": "a if a > b or isnan(a) else b",
    "minimum": "a if a < b else b", "minimum.f": "a if a < b or isnan(a) else b",
    "fmax": "a if a > b else b", "fmax.f": "a if a >= b or isnan(b) else b",
    "fmin": "a if a < b else b", "fmin.f": "a if a <= b or isnan(b) else b",
    "cbrt":
        "root = copysign(pow(fabs(a), T(0.3333333333333333)), a);"
        "root if a == T(0) or not isfinite(a) else"
        " root - (root - a / (root * root)) / T(3)",
    "rint": NEAR + "copysign(near, a)",
    "trunc": NEAR + "copysign(near - T(1) if near > size else near, a)",
    "floor": NEAR + "whole = copysign(near, a); whole - T(1) if whole > a else whole",
    "ceil":
        NEAR + "whole = copysign(near, a);"
        "copysign(whole + T(1) if whole < a else whole, a)",
    "round_half_away.i": "a", "round_half_away.u": "a", "round_half_away.b": "a",
    "round_half_away":
        NEAR + "copysign(near + T(1) if size - near >= T(0.5) else near, a)",
    "exp2": "pow(T(2), a)",
    "signbit": "copysign(T(1), a) < T(0)",
    "gammaln": "lgamma(a)",
    "shift_left": "R(a << T(b)) if b < {bits} else R(0)",
    "shift_right.u": "a >> T(b) if b < {bits} else R(0)",
    "shift_right": "a >> T(b) if b < {bits} else (R(-1) if a < T(0) else R(0))",
}
NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh",
         "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2"}
MATH = """sqrt copysign fmod exp expm1 log log2 log10 log1p sin cos tan sinh
    cosh tanh isnan isinf isfinite fabs pow erf erfc lgamma inf nan""".split()
PLAIN = {"copysign", "fmod", "arctan2"}
# fmt: on
#: primitives whose result Numba holds in 64 bits however narrow its type is
WIDENED = {"add", "sub", "mul", "neg", "abs", "floordiv", "mod", "fmod", "pow", "not"}
WIDE = {"bool", "uint64"}  # held as they are
#: dtype of an accumulator → dtype it travels in between threads, where it is another
CARRIERS = dict.fromkeys(
    ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64"], "int64"
)


@dataclass(frozen=True, slots=True)
class CudaKernel:
    """A kernel as text, and how to launch it.

    `parameters` are the kernel's buffers as pointers, its sizes as integers, and
    `error`, a pointer to int64, if it can fail. Then, for each of `scratch`, its buffers
    that belong to a block (in the way "map": to a thread), how many elements it has: the
    memory is as many times as large as there are of those.
    """

    name: str
    source: str
    parameters: tuple[str, ...]
    helpers: tuple[str, ...]
    way: str
    items: tuple[Size, ...]
    block: int = BLOCK
    scratch: tuple[str, ...] = ()

    def grid(self, sizes: Mapping[str, int]) -> int:
        """Return the number of blocks for these sizes.

        Examples
        --------
        >>> kernel = CudaKernel("k", "", ("x",), (), "map", ("n", 10))
        >>> kernel.grid({"n": 100}), kernel.grid({"n": 0})
        (8, 1)
        """
        items = prod(sizes[i] if isinstance(i, str) else i for i in self.items)
        blocks = -(-items // self.block) if self.way == "map" else items
        return max(1, min(blocks, MAX_BLOCKS))


def write(kernel: Kernel) -> CudaKernel:
    """Return a kernel as CUDA text with its launch plan."""
    return CudaWriter(kernel).write()


class CudaWriter(Writer):
    """Writes one kernel for a grid of threads."""

    calls_python: ClassVar[bool] = False
    templates: ClassVar[Mapping[str, str]] = ChainMap(
        CUDA,
        {
            name: f"{name}(a, b)" if name in PLAIN else f"{name}(a)"
            for name in [*MATH, *NAMES]
            if name in PRIMITIVES
        },
        TEMPLATES,
    )
    words: ClassVar[Mapping[str, str]] = {
        **{name: f"math.{name}" for name in MATH},
        **{name: f"math.{python}" for name, python in NAMES.items()},
    }

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.folded: set[str] = set()
        self.shared: dict[str, tuple[str, str]] = {}
        self.scratch = {
            b.name: (self.own(f"{b.name}_begin"), self.own(f"{b.name}_width"))
            for b in kernel.buffers
            if b.role == "scratch"
        }
        self.read: set[str] = set()
        self.written: set[str] = set()

    def write(self) -> CudaKernel:
        """Choose how threads come from loops, and write the text."""
        chain, inner = self.chain_of_kernel()
        rows = any(isinstance(s, Loop) and self.is_shared(s) for s in inner)
        rows = rows and not (chain and chain[-1].kind == "vector")
        way = ("rows" if rows else "map") if chain else "block"
        items = tuple(loop.extent for loop in chain)
        if way == "map":
            self.spread(
                chain, "cuda.grid(1)", "cuda.gridsize(1)", lambda: self.body(inner)
            )
        elif way == "rows":
            steps = "cuda.blockIdx.x", "cuda.gridDim.x"
            self.spread(chain, *steps, lambda: self.together(inner))
        else:
            self.together(inner)
        arrays = [
            f"    {name} = cuda.shared.array({BLOCK // WARP}, {dtype})"
            for name, dtype in self.shared.values()
        ]
        owner = "cuda.grid(1)" if way == "map" else "cuda.blockIdx.x"
        first = [
            f"    {begin} = {owner} * {width}" for begin, width in self.scratch.values()
        ]
        function = [*self.header(), *arrays, *first, *(self.lines or ["    pass"])]
        text = [self.helper_text(helper) for helper in self.helpers]
        return CudaKernel(
            name=self.kernel.name,
            source="\n\n\n".join([*text, "\n".join(function)]) + "\n",
            parameters=tuple(self.parameters()),
            helpers=tuple(self.helpers),
            way=way,
            items=items,
            scratch=tuple(self.scratch),
        )

    def parameters(self) -> list[str]:
        """Return the names of the function's parameters, in order."""
        return super().parameters() + [width for _, width in self.scratch.values()]

    def element(self, buffer: str, access: Access) -> str:
        """Return buffer[position]; of scratch, in the part of this block or thread."""
        found = super().element(buffer, access)
        if buffer not in self.scratch:
            return found
        name = self.names[buffer]
        begin, _ = self.scratch[buffer]
        return f"{name}[{begin} + {found.removeprefix(f'{name}[')}"

    def chain_of_kernel(self) -> tuple[list[Loop], tuple[Statement, ...]]:
        """Write the values named first; return the outer loops and what is in them."""
        body = self.kernel.body
        if not body or not isinstance(body[-1], Loop):
            return [], body
        lets, last = body[:-1], body[-1]
        reads = {e.buffer for s in lets for e in expressions(s) if isinstance(e, Load)}
        writes = {s.buffer for s in walk((last,)) if isinstance(s, Store)}
        chain, inner = self.chain(last, folds=False)
        if not chain or reads & writes or not all(isinstance(s, Let) for s in lets):
            return [], body
        self.body(lets)
        return chain, inner

    def statement(self, statement: Statement) -> None:
        """Write one statement that a thread runs."""
        if isinstance(statement, Loop) and statement.block:
            self.in_blocks(statement)
        else:
            super().statement(statement)

    def in_blocks(self, loop: Loop) -> None:
        """Write a loop whose sums of floats begin anew after so many iterations."""
        sums = [
            n for n in sorted(escaping(loop))
            if self.combines[n][0] == "add" and is_float(self.combines[n][1])
        ]  # fmt: skip
        index, size = self.names[loop.index], self.size(loop.extent)
        start, stop = (self.fresh(f"{index}_{word}") for word in ("start", "stop"))
        self.line(f"for {start} in range(0, {size}, {loop.block}):")
        self.depth += 1
        end = f"{start} + {loop.block}"
        self.line(f"{stop} = {end} if {end} < {size} else {size}")
        whole = {name: self.names[name] for name in sums}
        for name in sums:
            self.names[name] = self.fresh(f"part_of_{whole[name]}")
            super().statement(self.declaration(name))
        self.loop(f"for {index} in range({start}, {stop}):", loop.body)
        for name in sums:
            part, self.names[name] = self.names[name], whole[name]
            self.fold(name, part)
        self.depth -= 1

    # --- which loops threads can share ----------------------------------------------

    def chain(
        self, loop: Loop, folds: bool
    ) -> tuple[list[Loop], tuple[Statement, ...]]:
        """Return nested loops that can be one flat loop, and the body inside them.

        Values named between two of the loops move into the inner one. With `folds`,
        loops may fold into accumulators declared outside.
        """
        loops: list[Loop] = []
        body: tuple[Statement, ...] = (loop,)
        while body and isinstance(body[-1], Loop):
            lets, last = body[:-1], body[-1]
            if not all(isinstance(let, Let) for let in lets) or last.kind == "unroll":
                break
            if not is_independent(last) or (not folds and escaping(last)):
                break
            loops.append(last)
            body = (*lets, *last.body)
            if last.kind == "vector" and any(isinstance(s, Loop) for s in last.body):
                break
        return loops, body if loops else (loop,)

    def is_shared(self, loop: Loop) -> bool:
        """Tell whether the threads of a block should share a loop."""
        return loop.kind != "unroll" and is_independent(loop)

    # --- text of a block that works together ----------------------------------------

    def spread(
        self, chain: list[Loop], start: str, step: str, inner: Callable[[], None]
    ) -> None:
        """Write nested loops as one loop from `start` by `step`, and `inner` in it."""
        extents = [self.size(loop.extent) for loop in chain]
        names = [self.names[loop.index] for loop in chain]
        flat = names[0] if len(chain) == 1 else self.own("flat")
        self.line(f"for {flat} in range({start}, {' * '.join(extents)}, {step}):")
        self.depth += 1
        for place, name in enumerate(names if len(chain) > 1 else []):
            text, after = flat, extents[place + 1 :]
            if after:
                text = f"{flat} // {operand(' * '.join(after))}"
            self.line(f"{name} = {text}" + (f" % {extents[place]}" if place else ""))
        inner()
        self.depth -= 1

    def together(self, body: Iterable[Statement]) -> None:
        """Write statements that all threads of a block run in step."""
        for statement in body:
            if not isinstance(statement, Loop):
                self.order(statement)
            match statement:
                case Store():
                    self.first_thread((statement,))
                case Loop() if self.is_shared(statement):
                    self.order(statement)
                    chain, inner = self.chain(statement, folds=True)
                    folds = escaping(statement)
                    for name in folds & self.folded:
                        self.line("if cuda.threadIdx.x > 0:")
                        self.depth += 1
                        self.statement(self.declaration(name))
                        self.depth -= 1
                    self.spread(
                        chain,
                        "cuda.threadIdx.x",
                        str(BLOCK),
                        functools.partial(self.body, inner),
                    )
                    for name in sorted(folds):
                        self.join(name)
                case Loop():
                    self.in_step(statement)
                case _:
                    self.statement(statement)
                    if isinstance(statement, Fold):
                        self.folded.add(statement.name)

    def in_step(self, loop: Loop) -> None:
        """Write a loop whose iterations follow one another."""
        inner = any(self.is_shared(s) for s in walk(loop.body) if isinstance(s, Loop))
        if not inner and not escaping(loop):
            self.order(loop)
            self.first_thread((loop,))
            return
        self.folded |= escaping(loop)
        self.order(loop)
        read, written = set(self.read), set(self.written)
        reads, writes = touched(loop)
        self.read -= reads  # iterations are kept apart by the barrier at their end
        self.written -= writes
        self.line(f"for {self.names[loop.index]} in range({self.size(loop.extent)}):")
        self.depth += 1
        self.together(loop.body)
        if writes:
            self.barrier()
        self.depth -= 1
        self.read |= read  # the loop may run no time, and then has no barrier either
        self.written |= written

    def first_thread(self, body: tuple[Statement, ...]) -> None:
        """Write statements that one thread of the block runs."""
        self.line("if cuda.threadIdx.x == 0:")
        self.depth += 1
        self.body(body)
        self.depth -= 1

    def order(self, statement: Statement) -> None:
        """Write a barrier if a statement touches what other threads have in hand."""
        reads, writes = touched(statement)
        if reads & self.written or writes & (self.read | self.written):
            self.barrier()
        self.read |= reads
        self.written |= writes

    def barrier(self) -> None:
        """Write a barrier: what was read and written before is behind all threads."""
        self.line("cuda.syncthreads()")
        self.read.clear()
        self.written.clear()

    def declaration(self, name: str) -> Init:
        """Return the statement that sets an accumulator to its identity."""
        combine, dtype = self.combines[name]
        return Init(name, combine, dtype)

    def join(self, name: str) -> None:
        """Write the combination of what the threads of a block have folded."""
        _, dtype = self.combines[name]
        own, carrier = self.names[name], CARRIERS.get(dtype, dtype)
        if name not in self.shared:
            self.shared[name] = self.own(f"{own}_of_warps"), carrier
        shared, _ = self.shared[name]
        level, warp, other = (self.own(n) for n in ("level", "warp", f"other_{own}"))
        sent = own if carrier == dtype else f"{carrier}({own})"
        got = {dtype: f"{dtype}({other})", carrier: other, "bool": f"({other} != 0)"}
        self.folded.add(name)
        self.line(f"for {level} in range(5):")
        self.depth += 1
        self.line(f"{other} = cuda.shfl_xor_sync(0xFFFFFFFF, {sent}, 1 << {level})")
        self.fold(name, got[dtype])
        self.depth -= 1
        self.line(f"if cuda.threadIdx.x % {WARP} == 0:")
        self.line(f"    {shared}[cuda.threadIdx.x // {WARP}] = {sent}")
        self.barrier()
        self.statement(self.declaration(name))
        self.line(f"for {warp} in range({BLOCK // WARP}):")
        self.depth += 1
        self.line(f"{other} = {shared}[{warp}]")
        self.fold(name, got[dtype])
        self.depth -= 1
        self.barrier()

    # --- what differs from Python ---------------------------------------------------

    def template(self, function: str, of: str, dtype: str) -> list[str]:
        """Return a template, its result made narrow again where Numba widens it."""
        if of.startswith("complex") or dtype.startswith("complex"):
            raise NotSupportedError(
                f"kernel {self.kernel.name}: {function} of {of}; complex numbers do "
                "not run on CUDA yet, use the CPU"
            )
        bits = re.sub(r"\D", "", dtype)
        big = f"T({8388608 if of == 'float32' else 4503599627370496})"
        parts = [
            part.replace("{bits}", bits).replace("{big}", big)
            for part in super().template(function, of, dtype)
        ]
        if function in WIDENED and dtype in CARRIERS and dtype not in WIDE:
            parts[-1] = f"R({parts[-1]})"
        return parts

    def type(self, dtype: str) -> str:
        """Return the name of a type, which casts when called."""
        return "boolean" if dtype == "bool" else dtype

    def index(self, text: str) -> str:
        """Return a loop index or size as an int64 value: it is one."""
        return text if text.isidentifier() else f"int64({text})"
