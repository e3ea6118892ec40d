"""The CPU backend: a Program becomes the text of one LLVM module, then object code.

In: a Program. Out: bytes of an object with the functions `step` and `run`
(see driver.py). Numba compiles it (unit.py); loader.py maps it.
"""

from symgraph.backends.cpu.driver import write_driver
from symgraph.backends.cpu.target import features, vector_bytes
from symgraph.backends.cpu.unit import compile_module
from symgraph.backends.cpu.vectors import emit_kernel
from symgraph.lower.program import Program


def module_text(program: Program, ilp64: bool) -> str:
    """The LLVM module of a program."""
    enabled = features()
    width = vector_bytes(enabled)
    functions: list[str] = []
    declarations: dict[str, str] = {}
    for name, kernel in program.kernels.items():
        made = emit_kernel(kernel, name, enabled, width)
        functions.append(made.text)
        declarations.update(made.declarations)
    attributes = ["nounwind"]
    if width == 64:
        attributes += ['"prefer-vector-width"="512"', '"min-legal-vector-width"="512"']
    driver = write_driver(program, ilp64)
    texts = [t for n, t in declarations.items() if not n.startswith("llvm.memcpy")]
    return "\n\n".join(
        [*texts, *functions, driver, f"attributes #0 = {{ {' '.join(attributes)} }}"]
    )


def compile_program(program: Program, ilp64: bool, symbols: dict[str, int]) -> bytes:
    """Object code of a program. `symbols` are the addresses of the BLAS it may call."""
    return compile_module(module_text(program, ilp64), symbols)
