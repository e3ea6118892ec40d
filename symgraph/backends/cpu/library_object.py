"""The tile library: matrix products and convolutions as text and as object code.

In: a set of families, pairs such as ("gemm", "float32"). Out: the text of one LLVM
module with the functions of those families, and its object code for this machine; what
they have in common stands in it once. The code depends on no graph, so a caller keeps
one object for all functions that use the same families (`core.cache`).

Every operation is a list of *phases*, functions ``void f(ptr params, i64 begin, i64 end,
ptr scratch)`` that run one after the other with a barrier between; ``i64
f_units(ptr params)`` says how many units a phase has. ``params`` are i64 numbers in the
order of `PARAMETERS`; ``scratch`` is SCRATCH_BYTES of a worker, aligned to 64.
"""

from symgraph.backends.cpu import (
    convolve,
    gemm,
    packing,
    tiles,
    winograd,
)
from symgraph.backends.cpu.unit import compile_module
from symgraph.errors import NotSupportedError

SCRATCH_BYTES = 32 << 20
DTYPES = ("float32", "float64")

#: operation -> names of its parameters, in order
PARAMETERS = {
    "gemm": gemm.GEMM, **dict.fromkeys(winograd.PHASES, winograd.WINOGRAD),
    **convolve.PARAMETERS,
}  # fmt: skip
#: operation -> names of its phases
PHASES = {"gemm": ("gemm",), **winograd.PHASES, **convolve.PHASES}
#: operation -> the family its phases belong to
FAMILY = {
    "gemm": "gemm", **{name: name for name in winograd.PHASES},
    **dict.fromkeys(convolve.PHASES, "convolution"),
}  # fmt: skip
FAMILIES = frozenset(FAMILY.values())

Families = frozenset[tuple[str, str]]


def phases(operation: str, dtype: str) -> tuple[tuple[str, str], ...]:
    """Symbols (function, its units function) of an operation, in order.

    Examples
    --------
    >>> phases("gemm", "float32")
    (('sg_gemm_f32', 'sg_gemm_f32_units'),)
    """
    _check(operation in PHASES, f"no tiles for the operation {operation!r}")
    _check(dtype in DTYPES, f"{operation} of {dtype}: tiles exist for {DTYPES}")
    symbols = [f"sg_{name}_{tiles.CODE[dtype]}" for name in PHASES[operation]]
    return tuple((symbol, f"{symbol}_units") for symbol in symbols)


def library_text(families: Families) -> str:
    """The LLVM module with these families, for this machine.

    Parameters
    ----------
    families : pairs of a family ("gemm", "convolution") and a dtype

    Raises
    ------
    NotSupportedError : an unknown family or dtype
    """
    cpu = tiles.machine()
    declarations: dict[str, str] = {}
    functions: list[str] = []
    for dtype in sorted({dtype for _, dtype in families}):
        _check(dtype in DTYPES, f"tiles of {dtype}: they exist for {DTYPES}")
        wanted = {family for family, of in families if of == dtype}
        unknown = wanted - FAMILIES
        _check(not unknown, f"unknown families of tiles: {sorted(unknown)}")
        kinds = {"rows", "columns"}
        made = tiles.support_functions(cpu, dtype) + packing.panel_functions(cpu, dtype)
        if "gemm" in wanted:
            made += gemm.gemm_functions(cpu, dtype)
        if "convolution" in wanted:
            made += convolve.convolution_functions(cpu, dtype)
            kinds |= {"lanes"}
        for m in (4, 2):
            if f"winograd{m}" in wanted:
                _check(dtype == "float32", f"Winograd's convolution of {dtype}")
                made += winograd.winograd_functions(cpu, m)
        for kind in sorted(kinds - {"columns"}):
            made += tiles.kernel_functions(cpu, kind, dtype)
        for kind in sorted(kinds):
            made += tiles.tile_functions(cpu, kind, dtype)
        for routine in made:
            functions.append(routine.definition())
            declarations.update(routine.declarations)
    return "\n\n".join(
        [*tiles.constants(cpu), *declarations.values(), *functions,
         tiles.attributes(cpu), ""]
    )  # fmt: skip


def tile_object(families: Families) -> bytes:
    """Object code of `library_text`; `loader.load` maps it."""
    return compile_module(library_text(families))


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise NotSupportedError(message)
