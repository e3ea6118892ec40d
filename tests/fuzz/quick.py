"""Compiling as fast as can be: instruction selection without optimization, no disk.

Loops run one register of lanes at a time where users have up to four: half the text for
LLVM, and rows of a few elements already go through the body of a loop and its rest. One
program in ten is compiled as users have it.
"""

import contextlib
import functools
import gc
from collections.abc import Iterator
from typing import Any

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import unit, vectors


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
    original, blocks = unit._codegen, vectors._Writer._lane_blocks
    if quickly:
        unit._codegen = _quick  # type: ignore[assignment]
        vectors._Writer._lane_blocks = lambda *_: 1  # type: ignore[method-assign]
    try:
        with sg.config.override(cache=False):
            yield
    finally:
        unit._codegen = original
        vectors._Writer._lane_blocks = blocks  # type: ignore[method-assign]


def prepare() -> None:
    """What every child needs is made once, in their parent: Numba, LLVM, the rules.

    Programs make many objects that live as long as themselves, so looking for garbage
    seldom is enough.
    """
    x = T.dvector()
    with compiling():
        sg.function([x], sg.grad(T.tanh(x).sum(), x))
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
