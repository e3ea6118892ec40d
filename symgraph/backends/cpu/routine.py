"""A function of integers and addresses, written as Python that emits LLVM IR.

In: Python code that computes with `Int` objects and opens loops and conditions as
``with`` blocks. Out: the text of one LLVM function whose parameters are all i64. The
tile library (gemm, convolve, ...) writes its drivers so: what runs around the inner
loops is scalar, and nothing relies on LLVM's IR passes, so mutable values are stack
slots (`Slot`) and loop counters are phi nodes. Vector instructions come from `Builder`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from symgraph.backends.cpu.llvm import Builder, Value


class Int:
    """An i64 of the function that is being written; arithmetic emits instructions."""

    __slots__ = ("routine", "text")

    def __init__(self, routine: "Routine", text: str) -> None:
        self.routine = routine
        self.text = text

    def __add__(self, other: "Int | int") -> "Int":
        if other == 0:
            return self
        return self.routine.integer("add", self, other)

    __radd__ = __add__

    def __sub__(self, other: "Int | int") -> "Int":
        return self if other == 0 else self.routine.integer("sub", self, other)

    def __rsub__(self, other: int) -> "Int":
        return self.routine.integer("sub", other, self)

    def __mul__(self, other: "Int | int") -> "Int":
        return self if other == 1 else self.routine.integer("mul", self, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: "Int | int") -> "Int":
        """Quotient of two numbers that are not negative."""
        return self if other == 1 else self.routine.integer("udiv", self, other)

    def __rfloordiv__(self, other: int) -> "Int":
        return self.routine.integer("udiv", other, self)

    def __mod__(self, other: "Int | int") -> "Int":
        """Remainder of two numbers that are not negative."""
        return self.routine.integer("urem", self, other)

    def __lt__(self, other: "Int | int") -> "Truth":
        return self.routine.compared("slt", self, other)

    def __le__(self, other: "Int | int") -> "Truth":
        return self.routine.compared("sle", self, other)

    def __gt__(self, other: "Int | int") -> "Truth":
        return self.routine.compared("sgt", self, other)

    def __ge__(self, other: "Int | int") -> "Truth":
        return self.routine.compared("sge", self, other)

    def equals(self, other: "Int | int") -> "Truth":
        """Whether both are the same number."""
        return self.routine.compared("eq", self, other)

    def differs(self, other: "Int | int") -> "Truth":
        """Whether they are different numbers."""
        return self.routine.compared("ne", self, other)


class Truth:
    """An i1 of the function that is being written."""

    __slots__ = ("routine", "text")

    def __init__(self, routine: "Routine", text: str) -> None:
        self.routine = routine
        self.text = text

    def __and__(self, other: "Truth") -> "Truth":
        return self._joined("and", other)

    def __or__(self, other: "Truth") -> "Truth":
        return self._joined("or", other)

    def negated(self) -> "Truth":
        """Whether it does not hold."""
        made = self.routine.op(f"xor i1 {self.text}, true", "bool", 1)
        return Truth(self.routine, made.text)

    def _joined(self, instruction: str, other: "Truth") -> "Truth":
        text = f"{instruction} i1 {self.text}, {other.text}"
        return Truth(self.routine, self.routine.op(text, "bool", 1).text)


class Slot:
    """A mutable i64 on the stack."""

    __slots__ = ("place", "routine")

    def __init__(self, routine: "Routine", place: str) -> None:
        self.routine = routine
        self.place = place

    @property
    def now(self) -> Int:
        """The present value."""
        found = self.routine.op(f"load i64, ptr {self.place}", "int64", 1)
        return Int(self.routine, found.text)

    def set(self, value: Int | int) -> None:
        """Change the value."""
        self.routine.emit(f"store i64 {text(value)}, ptr {self.place}")

    def add(self, value: Int | int) -> None:
        """Add to the value."""
        self.set(self.now + value)


def text(value: Int | int) -> str:
    """An operand as LLVM writes it."""
    return str(value) if isinstance(value, int) else value.text


class Routine(Builder):
    """Writer of one function ``name(i64, ...)``.

    Parameters
    ----------
    name : symbol of the function
    parameters : names of its i64 parameters, found as `Int` under ``argument``
    features : CPU features, as for `Builder`
    public : whether the symbol is visible outside the object
    returns : whether the function returns an i64 (``give``) or nothing

    Examples
    --------
    >>> r = Routine("twice", ("n",), returns=True)
    >>> r.give(r.argument["n"] * 2)
    >>> print(r.definition())
    define internal i64 @twice(i64 %n) #0 {
    entry:
      %v0 = mul i64 %n, 2
      ret i64 %v0
    }
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[str],
        features: frozenset[str] = frozenset(),
        *,
        public: bool = False,
        returns: bool = False,
    ) -> None:
        super().__init__(features)
        self.name = name
        self.parameters = tuple(parameters)
        self.argument = {p: Int(self, f"%{p}") for p in parameters}
        self.public = public
        self.returns = returns
        self.slots: list[str] = []
        self._given = False

    # ---- numbers ---------------------------------------------------------------

    def integer(self, instruction: str, a: Int | int, b: Int | int) -> Int:
        """One instruction on two i64."""
        made = self.op(f"{instruction} i64 {text(a)}, {text(b)}", "int64", 1)
        return Int(self, made.text)

    def compared(self, predicate: str, a: Int | int, b: Int | int) -> Truth:
        """One comparison of two i64."""
        made = self.op(f"icmp {predicate} i64 {text(a)}, {text(b)}", "bool", 1)
        return Truth(self, made.text)

    def choice(self, condition: Truth, a: Int | int, b: Int | int) -> Int:
        """``a`` if the condition holds, else ``b``."""
        made = self.op(
            f"select i1 {condition.text}, i64 {text(a)}, i64 {text(b)}", "int64", 1
        )
        return Int(self, made.text)

    def truth(self, value: bool) -> Truth:
        """A condition known while the function is written."""
        return Truth(self, "true" if value else "false")

    def implied(self, condition: Truth, value: Truth) -> Truth:
        """``value`` where the condition holds, else true."""
        text = f"select i1 {condition.text}, i1 {value.text}, i1 true"
        return Truth(self, self.op(text, "bool", 1).text)

    def number(self, condition: Truth) -> Int:
        """1 where the condition holds, else 0."""
        return self.choice(condition, 1, 0)

    def least(self, a: Int, b: Int | int) -> Int:
        """The smaller of two numbers."""
        return self.choice(a < b, a, b)

    def most(self, a: Int, b: Int | int) -> Int:
        """The larger of two numbers."""
        return self.choice(a > b, a, b)

    def upward(self, a: Int | int, b: Int | int) -> Int:
        """a / b rounded up; neither is negative."""
        if isinstance(a, int):
            a = self.constant(a)
        return (a + b - 1) // b

    def small_quotient(self, a: Int, b: Int) -> Int:
        """a / b of numbers below 2**32: a third of the time of the 64-bit division."""
        short = [self.op(f"trunc i64 {x.text} to i32", "int32", 1).text for x in (a, b)]
        made = self.op(f"udiv i32 {short[0]}, {short[1]}", "int32", 1)
        return Int(self, self.op(f"zext i32 {made.text} to i64", "int64", 1).text)

    def rounded(self, a: Int | int, unit: int) -> Int:
        """The next multiple of a power of two."""
        if isinstance(a, int):
            a = self.constant(a)
        return self.integer("and", a + (unit - 1), -unit)

    def constant(self, value: int) -> Int:
        """A number as an `Int`."""
        return Int(self, str(value))

    def slot(self, value: Int | int = 0) -> Slot:
        """A mutable number with this first value."""
        place = f"%slot{len(self.slots)}"
        self.slots.append(f"  {place} = alloca i64")
        made = Slot(self, place)
        made.set(value)
        return made

    def where(self, name: str) -> Int:
        """The address of a constant or function of the module."""
        return Int(self, self.op(f"ptrtoint ptr @{name} to i64", "int64", 1).text)

    # ---- memory ----------------------------------------------------------------

    def pointer(self, address: Int) -> str:
        """An address as an operand of type ptr."""
        return self.op(f"inttoptr i64 {address.text} to ptr", "int64", 1).text

    def read(self, address: Int, index: int = 0) -> Int:
        """The i64 number ``index`` of the array at an address."""
        place = self.pointer(address + 8 * index)
        return Int(self, self.op(f"load i64, ptr {place}", "int64", 1).text)

    def write(self, address: Int, value: Int | int, index: int = 0) -> None:
        """Store the i64 number ``index`` of the array at an address."""
        place = self.pointer(address + 8 * index)
        self.emit(f"store i64 {text(value)}, ptr {place}")

    def load(self, address: Int, dtype: str, lanes: int = 1) -> Value:
        """Load elements; the address is aligned to one element."""
        like = self.const(0, dtype, lanes)
        align = 8 if dtype == "float64" else 4
        return self.op(
            f"load {like.type}, ptr {self.pointer(address)}, align {align}",
            dtype, lanes,
        )  # fmt: skip

    def store(self, address: Int, value: Value) -> None:
        """Store elements; the address is aligned to one element."""
        align = 8 if value.dtype == "float64" else 4
        self.emit(
            f"store {value.type} {value.text}, ptr {self.pointer(address)}, "
            f"align {align}"
        )

    # ---- control ---------------------------------------------------------------

    @contextmanager
    def loop(
        self, stop: Int | int, start: Int | int = 0, step: Int | int = 1
    ) -> Iterator[Int]:
        """Run the block for start, start + step, ... below stop."""
        head, body, done = self.label(), self.label(), self.label()
        before = self.block
        self.emit(f"br label %{head}")
        self.place(head)
        mark = len(self.lines)
        index = Int(self, f"%{head}.i")
        self.lines.append("")  # the phi, written when the latch is known
        more = index < stop
        self.emit(f"br i1 {more.text}, label %{body}, label %{done}")
        self.place(body)
        yield index
        following = index + step
        self.lines[mark] = (
            f"  {index.text} = phi i64 [ {text(start)}, %{before} ], "
            f"[ {following.text}, %{self.block} ]"
        )
        self.emit(f"br label %{head}")
        self.place(done)

    @contextmanager
    def whilst(self, condition: Callable[[], Truth]) -> Iterator[None]:
        """Run the block again and again, as long as the condition holds before it."""
        head, body, done = self.label(), self.label(), self.label()
        self.emit(f"br label %{head}")
        self.place(head)
        more = condition()
        self.emit(f"br i1 {more.text}, label %{body}, label %{done}")
        self.place(body)
        yield
        self.emit(f"br label %{head}")
        self.place(done)

    @contextmanager
    def when(self, condition: Truth) -> Iterator[None]:
        """Run the block only if the condition holds."""
        body, done = self.label(), self.label()
        self.emit(f"br i1 {condition.text}, label %{body}, label %{done}")
        self.place(body)
        yield
        self.emit(f"br label %{done}")
        self.place(done)

    @contextmanager
    def unless(self, condition: Truth) -> Iterator[None]:
        """Run the block only if the condition does not hold."""
        body, done = self.label(), self.label()
        self.emit(f"br i1 {condition.text}, label %{done}, label %{body}")
        self.place(body)
        yield
        self.emit(f"br label %{done}")
        self.place(done)

    def run(self, name: str, *arguments: Int | int) -> None:
        """Call a function of the module that returns nothing."""
        operands = ", ".join(f"i64 {text(a)}" for a in arguments)
        self.emit(f"call void @{name}({operands})")

    def ask(self, name: str, *arguments: Int | int) -> Int:
        """Call a function of the module that returns an i64."""
        operands = ", ".join(f"i64 {text(a)}" for a in arguments)
        return Int(self, self.op(f"call i64 @{name}({operands})", "int64", 1).text)

    def copy(self, target: Int, source: Int, size: Int | int) -> None:
        """Copy ``size`` bytes between places that do not overlap."""
        self.declarations["memcpy"] = "declare ptr @memcpy(ptr, ptr, i64)"
        self.emit(
            f"call ptr @memcpy(ptr {self.pointer(target)}, "
            f"ptr {self.pointer(source)}, i64 {text(size)})"
        )

    def clear(self, target: Int, size: Int | int) -> None:
        """Set ``size`` bytes to zero."""
        self.declarations["memset"] = "declare ptr @memset(ptr, i32, i64)"
        self.emit(
            f"call ptr @memset(ptr {self.pointer(target)}, i32 0, i64 {text(size)})"
        )

    def allocate(self, size: Int | int) -> Int:
        """Address of ``size`` bytes for `release`; the process ends if there are none."""
        self.declarations["malloc"] = "declare ptr @malloc(i64)"
        self.declarations["abort"] = "declare void @abort() noreturn"
        place = self.op(f"call ptr @malloc(i64 {text(size)})", "int64", 1)
        made = Int(self, self.op(f"ptrtoint ptr {place.text} to i64", "int64", 1).text)
        with self.when(made.equals(0)):
            self.emit("call void @abort()")
        return made

    def release(self, place: Int) -> None:
        """Give back what `allocate` gave; 0 is nothing."""
        self.declarations["free"] = "declare void @free(ptr)"
        self.emit(f"call void @free(ptr {self.pointer(place)})")

    def give(self, value: Int | int) -> None:
        """Return a number; the last thing of a function that ``returns``."""
        self.emit(f"ret i64 {text(value)}")
        self._given = True

    def definition(self) -> str:
        """The text of the function."""
        kind = "i64" if self.returns else "void"
        scope = "" if self.public else "internal "
        parameters = ", ".join(f"i64 %{p}" for p in self.parameters)
        end = [] if self._given else ["  ret void"]
        return "\n".join(
            [
                f"define {scope}{kind} @{self.name}({parameters}) #0 {{",
                "entry:",
                *self.slots,
                *self.lines,
                *end,
                "}",
            ]
        )
