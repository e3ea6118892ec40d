"""Compiling as fast as can be: instruction selection without optimization, no disk.

What symgraph writes is the same text; LLVM spends a third of the time on it. One program
in ten is compiled as users have it.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import symgraph as sg
from symgraph.backends.cpu import unit


@functools.cache
def _quick(wish: str) -> Any:
    class Quick(unit._parts().codegen):  # type: ignore[misc]
        def _customize_tm_options(self, options: dict[str, Any]) -> None:
            super()._customize_tm_options(options)
            options["opt"] = 0

    return Quick(wish)


@contextlib.contextmanager
def compiling(quickly: bool = True) -> Iterator[None]:
    """Compile quickly in a ``with`` block."""
    original = unit._codegen
    if quickly:
        unit._codegen = _quick  # type: ignore[assignment]
    try:
        with sg.config.override(cache=False):
            yield
    finally:
        unit._codegen = original
