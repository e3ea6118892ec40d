"""ProgramBuilder: what the graphs of one program share while it is planned.

A function has one table of slots, one list of kernels and one arena, whatever stands in
the bodies of its loops and branches. In: requests of the planners of graphs
(lower/body.py). Out: the `Program`, filled.
"""

from typing import Any, TypeVar

import numpy as np

from symgraph.core.node import Apply, Variable
from symgraph.lower.checks import INDEX_FLAG, SHAPE_FLAG, Check, Range
from symgraph.lower.ir import Kernel
from symgraph.lower.memory import Storage
from symgraph.lower.sizes import SizePolynomial, SizeSymbols, reads_values
from symgraph.lower.steps import DynamicExtent, HostFunction, Program

Guarded = TypeVar("Guarded", Check, Range)


class ProgramBuilder:
    """The program in the making.

    Attributes
    ----------
    verify : "steps" verifies steps, placements and stores, "on" all of every kernel,
        "bounds" makes kernels check the places that they load
    in_place : whether values may be written over what they are computed from
    codes : error flag → variable whose node sets it
    """

    def __init__(self, verify: str = "steps", in_place: bool = True) -> None:
        self.program = Program()
        self.verify = verify
        self.in_place = in_place
        self.codes: dict[int, Variable] = {}
        self._slot: dict[Any, int] = {}
        self._kernels: dict[Kernel, str] = {}
        self._lates: dict[int, int] = {}
        self._rows = self._guards = self._moment = 0

    def slot(self, key: Any) -> int:
        """Slot that holds `key`; see `steps.Program.slots`."""
        found = self._slot.get(key)
        if found is None:
            found = self._slot[key] = len(self.program.slots)
            self.program.slots.append(key)
        return found

    def constant(self, data: np.ndarray) -> int:
        """Slot of the address of an array that is known now."""
        for k, array in enumerate(self.program.constants):
            if array is data:
                return self.slot(("constant", k))
        self.program.constants.append(data)
        return self.slot(("constant", len(self.program.constants) - 1))

    def tick(self) -> int:
        """The next moment of the program; what runs later has a later one."""
        self._moment += 1
        return self._moment

    def temp(self, size: SizePolynomial) -> Storage:
        """Memory of this many bytes; `live` tells when it is needed."""
        self.program.temps.append((size, 0, 0))
        return "temp", len(self.program.temps) - 1

    def live(self, temp: Storage, first: int, last: int) -> None:
        """The moments from which until which a temporary is needed."""
        size, _, _ = self.program.temps[temp[1]]
        self.program.temps[temp[1]] = size, first, last

    def row(self) -> int:
        """Slot of an address that a loop moves."""
        self._rows += 1
        return self.slot(("row", self._rows - 1))

    def guarded(self, entry: Guarded, atoms: SizeSymbols) -> Guarded:
        """A check that is made only where a branch is entered; its text is a failure."""
        self._guards += 1
        guard = self.slot(("guard", self._guards))
        of: tuple[tuple[str, SizePolynomial], ...]
        if isinstance(entry, Check):
            flag, of = SHAPE_FLAG, (("left", entry.left), ("right", entry.right))
        else:
            flag = SHAPE_FLAG if entry.empty else INDEX_FLAG
            of = (("index", entry.index), ("extent", entry.extent))
        text = entry.message
        for word, size in of:
            if "{" + word + "}" in text:
                text = text.replace("{" + word + "}", f"{{slot {self.slot(size)}}}")
        self.program.failures[flag + guard] = text
        if isinstance(entry, Check) and entry.broadcast:
            used = entry.left.atoms() | entry.right.atoms()
            # of a size that values decide, no other form could know that it is 1
            known = not any(reads_values(atoms.recipes[a]) for a in used)
            return entry.replace(guard=guard, broadcast=known)
        return entry.replace(guard=guard)

    def kernel(self, kernel: Kernel) -> str:
        """Name of a kernel; equal ones are one."""
        key = kernel.replace(origin=())
        name = self._kernels.get(key)
        if name is None:
            name = self._kernels[key] = f"k{len(self._kernels)}"
            self.program.kernels[name] = kernel.replace(name=name)
        return name

    def call(self, node: Apply, inputs: Any, outputs: Any, place: str) -> int:
        """Number of a call of Python."""
        self.slot(("host",))
        self.program.calls.append(HostFunction(node, inputs, outputs, place))
        return len(self.program.calls) - 1

    def late(self, own: int, slot: int, dtype: str) -> int:
        """Number of a value that is read while the program runs; `own` is the atoms'."""
        self.slot(("host",))
        self._lates[own] = len(self.program.dynamic_extents)
        self.program.dynamic_extents.append(DynamicExtent(slot, dtype))
        return self._lates[own]

    def take_recipes(self, atoms: SizeSymbols) -> None:
        """Take the atoms over; late values get their numbers in the program."""
        recipes = atoms.recipes
        if self._lates or atoms.late:
            recipes = [_renumbered(r, self._lates) for r in recipes]
        self.program.recipes = list(recipes)


def _renumbered(recipe: Any, numbers: dict[int, int]) -> Any:
    match recipe:
        case ("late", number):
            return ("late", numbers.get(number, -1))
        case ("poly", terms):
            return (
                "poly",
                tuple(
                    (c, tuple(_renumbered(r, numbers) for r in factors))
                    for c, factors in terms
                ),
            )
        case ("call", name, *arguments):
            return ("call", name, *(_renumbered(a, numbers) for a in arguments))
    return recipe
