"""The function that a driver is writing: its lines, and what stands beside it.

In: instructions of LLVM IR. Out: text; names of values and labels that occur once. The
files that write steps (driver.py, driver_loops.py, driver_contractions.py) share one
`Lines` and know nothing of one another.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Lines:
    """Lines of a function over a table of slots.

    Attributes
    ----------
    lines : of the function that is being written
    tables : what it reserves at its beginning
    texts : other functions, and constants, of the module
    declared : what it calls
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tables: list[str] = []
        self.texts: list[str] = []
        self.declared: set[str] = set()
        self._count = 0

    def op(self, text: str) -> str:
        """An instruction with a result, and the name of that."""
        self._count += 1
        name = f"%t{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def slot(self, index: int) -> str:
        """What a slot holds."""
        address = self.op(f"getelementptr i64, ptr %slots, i64 {index}")
        return self.op(f"load i64, ptr {address}")

    def pointer(self, index: int) -> str:
        """The address that a slot holds."""
        return self.op(f"inttoptr i64 {self.slot(index)} to ptr")

    def labels(self, *words: str) -> list[str]:
        """The words with a number that makes them new."""
        self._count += 1
        return [f"{word}{self._count}" for word in words]

    @contextmanager
    def function(self, head: str) -> Iterator[None]:
        """Write another function meanwhile; it goes to `texts`."""
        kept = self.lines, self.tables
        self.lines, self.tables = [], []
        yield
        body = [*self.tables, *self.lines, "  ret void"]
        self.texts.append("\n".join([f"{head} {{", "entry:", *body, "}"]))
        self.lines, self.tables = kept

    def leave_if_failed(self) -> None:
        """Leave the function if a step has set the error flag."""
        flag = self.op("load i64, ptr %slots")
        bad = self.op(f"icmp ne i64 {flag}, 0")
        (label,) = self.labels("ok")
        self.lines.append(f"  br i1 {bad}, label %failed, label %{label}")
        self.lines.append(f"{label}:")
