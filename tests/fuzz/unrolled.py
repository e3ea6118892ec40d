"""Loops as straight code: what stands for `sg` when `scan` is not to be used.

How many steps each loop takes is known from a run by NumPy (`steps_of`), which meets the
loops in the same order, nested ones included.
"""

from collections.abc import Callable
from typing import Any

from fuzz import plain
from fuzz.program import Program

import symgraph as sg
import symgraph.tensor as T

MOST = 10


def fits(program: Program) -> bool:
    """Whether there is a loop, and none is long."""
    return "loop" in program.tags()


def steps_of(call: Callable[[], Any]) -> list[int]:
    """The numbers of steps of the loops that a run by NumPy meets."""
    found: list[int] = []
    original = plain.sg.scan

    def counted(*args: Any, **named: Any) -> Any:
        at = len(found)
        found.append(0)
        outs, updates = original(*args, **named)
        found[at] = len((outs[0] if isinstance(outs, list) else outs).a)
        return outs, updates

    plain.sg.scan = counted
    try:
        call()
    finally:
        plain.sg.scan = original
    return found


class Straight:
    """`sg` with `scan` as straight code."""

    def __init__(self, steps: list[int]) -> None:
        self.steps = list(steps)

    def __getattr__(self, name: str) -> Any:
        return getattr(sg, name)

    def until(self, condition: Any) -> None:
        """The number of steps is known."""

    def scan(
        self,
        fn: Callable[..., Any],
        sequences: Any = (),
        outputs_info: Any = (),
        n_steps: Any = None,
        go_backwards: bool = False,
        return_list: bool = True,
    ) -> tuple[list[Any], None]:
        """The rows that all steps make."""
        count = self.steps.pop(0)
        rows: list[list[Any]] = []
        for entry in sequences:
            entry = entry if isinstance(entry, dict) else {"input": entry, "taps": [0]}
            x, taps = entry["input"], entry["taps"]
            first, last = min(0, *taps), max(0, *taps)
            for tap in taps:
                if go_backwards:
                    rows.append([x[tap - last - 1 - t] for t in range(count)])
                else:
                    rows.append([x[tap - first + t] for t in range(count)])
        states: list[list[Any] | None] = []
        for info in outputs_info:
            if info is None:
                states.append(None)
            elif isinstance(info, dict):
                depth = -min(info["taps"])
                states.append([info["initial"][k] for k in range(depth)])
            else:
                states.append([T.as_tensor_variable(info)])
        columns: list[list[Any]] = []
        for t in range(count):
            given = [r[t] for r in rows]
            for info, before in zip(outputs_info, states, strict=True):
                if before is not None:
                    taps = info["taps"] if isinstance(info, dict) else [-1]
                    given += [before[len(before) + tap] for tap in taps]
            made = fn(*given)
            made = made[0] if isinstance(made, tuple) else made
            columns.append(list(made))
            for before, new in zip(states, made, strict=bool(states)):
                if before is not None:
                    before.append(T.cast(new, before[0].dtype))
        outs = [T.stack(list(column)) for column in zip(*columns, strict=True)]
        return outs, None
