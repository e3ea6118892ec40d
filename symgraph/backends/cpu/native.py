"""Portable program → program of CPU steps.

In: a `Program` and what the function may use. Out: a `NativeProgram` with the same steps
at the same places: products and convolutions are BLAS's or the tile library's
(select.py), and launches tell how threads may share them (partition.py).
"""

from typing import Any

from symgraph.backends.cpu.partition import Partition
from symgraph.backends.cpu.select import Choice, Selection
from symgraph.backends.cpu.steps import NativeProgram
from symgraph.lower.steps import (
    Contraction,
    Convolution,
    Launch,
    Program,
    Step,
    changed,
)


def native(program: Program, choice: Choice) -> NativeProgram:
    """The program as a CPU runs it; the given one stays as it is."""
    fields = {name: getattr(program, name) for name in Program.fields}
    made = NativeProgram(**fields)
    made.slots, made.temps = list(program.slots), list(program.temps)
    selection = Selection(made, choice)
    partition = Partition(selection)

    def chosen(step: Step) -> Any:
        match step:
            case Contraction():
                return selection.product(step)
            case Convolution():
                return selection.convolution(step)
            case Launch():
                return partition.divided(step) or step
        return step

    def whole(step: Step) -> Any:
        if isinstance(step, Launch) and step.kernel in partition.parts:
            return partition.whole(step)
        return step

    made.steps = changed(changed(program.steps, chosen), whole)
    made.parts = partition.parts
    if any(isinstance(what, tuple) and what[0] == "block_size" for what in made.slots):
        selection.slot(("parallel",))
    return made
