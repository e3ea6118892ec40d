"""The CPU backend: a Program becomes the text of one LLVM module, then object code.

In: a Program. Out: bytes of an object with the functions `step` and `run`
(see driver.py). Numba compiles it (unit.py); loader.py maps it.
"""

from symgraph.backends.cpu.driver import write_driver
from symgraph.backends.cpu.library_object import FAMILY, phases
from symgraph.backends.cpu.llvm_types import attributes
from symgraph.backends.cpu.steps import BlasProduct, NativeProgram, Tiles
from symgraph.backends.cpu.target import features, vector_bytes
from symgraph.backends.cpu.timed import write_timed_driver
from symgraph.backends.cpu.unit import compile_module
from symgraph.backends.cpu.vectors import emit_kernel
from symgraph.lower.steps import walk


def module_text(program: NativeProgram, ilp64: bool, timed: bool = False) -> str:
    """The LLVM module of a program; `timed`, with a clock beside each step."""
    enabled = features()
    width = vector_bytes(enabled)
    functions: list[str] = []
    declarations: dict[str, str] = {}
    for name, kernel in program.kernels.items():
        part = program.parts.get(name)
        made = emit_kernel(kernel, name, enabled, width, part)
        functions.append(made.text)
        declarations.update(made.declarations)
    driver = (write_timed_driver if timed else write_driver)(program, ilp64)
    texts = [t for n, t in declarations.items() if not n.startswith("llvm.memcpy")]
    return "\n\n".join(
        [*texts, *functions, driver, f"attributes #0 = {{ {attributes(enabled)} }}"]
    )


def needs(program: NativeProgram) -> list[str]:
    """What the code of a program calls beside BLAS.

    "pool" for `sg_parallel`; for each family of tiles its name, dtype, and the symbols
    that are called, between spaces.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for step in walk(program.steps):
        tiles = step.tiles if isinstance(step, BlasProduct) else step
        if isinstance(tiles, Tiles):
            family = (FAMILY[tiles.operation], tiles.dtype)
            names = found.setdefault(family, [])
            for pair in phases(tiles.operation, tiles.dtype):
                names += [name for name in pair if name not in names]
    lines = [" ".join([*family, *names]) for family, names in sorted(found.items())]
    return ["pool", *lines] if lines or ("parallel",) in program.slots else []


def compile_program(
    program: NativeProgram, ilp64: bool, symbols: dict[str, int], timed: bool = False
) -> bytes:
    """Object code of a program. `symbols` are the addresses of what it may call."""
    return compile_module(module_text(program, ilp64, timed), symbols)
