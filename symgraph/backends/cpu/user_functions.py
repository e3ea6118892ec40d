"""Scalar functions of the user: Numba makes LLVM IR of them, the kernels call that.

A function that is no composition of primitives (it branches, it loops) is a primitive of
its own in the Kernel IR. `emit` writes the call for each lane, under a name that tells
function and dtype; `definition` gives the module that `unit` links in. In: a Builder and
values, or a name. Out: a value, or the text of a module.
"""

import functools
from collections.abc import Sequence
from typing import Any

from symgraph.backends.cpu.llvm import Builder, Value
from symgraph.backends.cpu.loader import process_symbol
from symgraph.backends.cpu.part_of_numba import whole
from symgraph.errors import UserOpError
from symgraph.extend.scalar_function import FUNCTIONS, PREFIX
from symgraph.extend.tracing import rebound

#: what the names of their symbols begin with
SYMBOL = "sg_" + PREFIX


def emit(b: Builder, function: str, values: Sequence[Value], dtype: str) -> Value:
    """The function of the values, lane by lane."""
    symbol = f"sg_{function}.{dtype}"
    lanes = max(v.lanes for v in values)
    spread = [b.splat(v, lanes) for v in values]

    def body(inner: Builder, parameters: list[Value]) -> Value:
        return inner.per_lane(symbol, *parameters)

    return b.shared(function, dtype, spread, body)


@functools.cache
def definition(symbol: str) -> str:
    """The LLVM module that defines a symbol that `emit` calls.

    Raises
    ------
    UserOpError : Numba cannot compile the function, or it may raise an exception
    """
    name, _, dtype = symbol.removeprefix("sg_").rpartition(".")
    function = FUNCTIONS[name]
    code = function.__code__
    where = f"{function.__name__} ({code.co_filename}:{code.co_firstlineno})"
    numba = whole()
    kind = getattr(numba.types, dtype)
    signature = kind(*[kind] * code.co_argcount)
    try:
        plain = rebound(function, {}, numba.njit(error_model="numpy"))
        made = numba.cfunc(signature, error_model="numpy")(plain)
    except numba.core.errors.NumbaError as error:
        raise UserOpError(
            f"{where} cannot be compiled by Numba:\n{error}\n"
            "Write it in terms of numbers, or use as_op, which calls Python."
        ) from None
    module = _cleaned(made.inspect_llvm(), made.native_name, symbol)
    foreign = [
        f.name
        for f in module.functions
        if f.is_declaration
        and not f.name.startswith("llvm.")
        and (f.name.startswith(("Py", "NRT_", "numba_")) or not process_symbol(f.name))
    ]
    if foreign:
        raise UserOpError(
            f"{where} needs Python when it runs ({', '.join(foreign)}): it may raise an "
            "exception, or make an array\nLeave that out, or use as_op."
        )
    return str(module)


def _cleaned(text: str, entry: str, symbol: str) -> Any:
    """The module with nothing but the entry, under its name, and what it needs."""
    import llvmlite.binding as llvm  # noqa: PLC0415  (loads late)

    module = llvm.parse_assembly(text)
    for function in module.functions:
        if function.is_declaration:
            continue
        if function.name == entry:
            function.name = symbol
        else:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    machine = llvm.Target.from_default_triple().create_target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    # what the functions it calls would do on an exception goes when they are inlined
    builder.getModulePassManager().run(module, builder)
    return module
