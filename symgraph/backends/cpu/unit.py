"""One compilation of one LLVM module, through Numba's code library.

In: the text of an LLVM module (all kernels of a function and their driver). Out:
the bytes of a relocatable object that refers to what it does not define by name, so
it can be kept on disk and mapped by `loader` in this or any other process of the
same target.

This file and user_functions.py use Numba; what this one uses is internal to Numba:
`numba.core.codegen`. What is relied upon stands in `INTERNALS` and is looked at before
the first compilation (`_changes`). Numba is imported here on the first compilation and
nowhere else, and no more of it than that (part_of_numba.py).

Hot loops arrive as explicit vectors, for which Numba's module passes are wasted
(measured for 20 kernels of 100 vector instructions: 0.28 s without, 0.87 s with
them, of which 0.22 s are instruction selection and register allocation in both).
They run only where ``optimize`` asks for them, for modules written as scalar loops.
"""

import functools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from symgraph.backends.cpu import loader, target, user_functions
from symgraph.backends.cpu.part_of_numba import code_library
from symgraph.errors import BackendError

#: the series of Numba that symgraph is tested with, as in pyproject.toml
TESTED = "0.68"
#: (class of numba.core.codegen, method, its parameters) that this file calls or replaces
INTERNALS = (
    ("CodeLibrary", "_ensure_finalized", ("self",)),
    ("CPUCodeLibrary", "add_llvm_module", ("self", "ll_module")),
    ("CPUCodeLibrary", "_optimize_functions", ("self", "ll_module")),
    ("CPUCodeLibrary", "_optimize_final_module", ("self",)),
    ("AOTCodeLibrary", "emit_native_object", ("self",)),
    ("Codegen", "create_library", ("self", "name")),
    ("CPUCodegen", "__init__", ("self", "module_name")),
    ("AOTCPUCodegen", "_customize_tm_features", ("self",)),
    ("AOTCPUCodegen", "_customize_tm_options", ("self", "options")),
)


def compile_module(
    llvm_ir: str,
    symbols: Mapping[str, int] | None = None,
    *,
    optimize: bool = False,
) -> bytes:
    """Compile the text of an LLVM module to relocatable object code.

    Parameters
    ----------
    llvm_ir : text of a module; triple and data layout are set here when it has none
    symbols : addresses by name of external functions that `loader.load` will be given
    optimize : run Numba's own module passes first, for modules of scalar loops

    Returns
    -------
    bytes of an object file; `loader.load` maps it

    Raises
    ------
    BackendError : LLVM rejects the module, it calls something that neither
        ``symbols`` nor the process has, or Numba's internal interface has changed
    """
    parts = _parts()
    with parts.lock:
        return _compile(parts, llvm_ir, symbols or {}, optimize)


def import_numba() -> None:
    """Import what compiling needs, so that it can be timed apart.

    Raises
    ------
    BackendError : Numba cannot be used
    """
    _parts()


def _compile(
    parts: SimpleNamespace, llvm_ir: str, symbols: Mapping[str, int], optimize: bool
) -> bytes:
    codegen = _codegen(target.restriction())
    try:
        module = parts.llvm.parse_assembly(llvm_ir)
        module.verify()
    except RuntimeError as error:
        raise BackendError(_rejected(llvm_ir, error)) from error
    for name in [f.name for f in module.functions if f.is_declaration]:
        if name.startswith(user_functions.SYMBOL):
            module.link_in(parts.llvm.parse_assembly(user_functions.definition(name)))
    _check_externals(module, symbols)
    try:
        library = codegen.create_library("symgraph")
        library.optimize = optimize
        library.add_llvm_module(module)
        return bytes(library.emit_native_object())
    except (AttributeError, TypeError, RuntimeError, AssertionError) as error:
        raise BackendError(
            f"Numba could not compile a unit: {error} ({_versions()})"
        ) from error


def _rejected(llvm_ir: str, error: Exception) -> str:
    """LLVM's message, with the line of the module that it is about."""
    text = str(error)
    fields = text.split(":")
    lines = llvm_ir.splitlines()
    if len(fields) > 2 and fields[1].isdigit() and 0 < int(fields[1]) <= len(lines):
        text += f"\nline {fields[1]}: {lines[int(fields[1]) - 1].strip()}"
    return f"LLVM rejects a generated module: {text} ({_versions()})"


def _check_externals(module: Any, symbols: Mapping[str, int]) -> None:
    missing = [
        function.name
        for function in module.functions
        if function.is_declaration
        and not function.name.startswith("llvm.")
        and function.name not in symbols
        and not loader.process_symbol(function.name)
    ]
    if missing:
        raise BackendError(
            f"a generated module calls {', '.join(missing)}, which nobody defines"
        )


@functools.cache
def _parts() -> SimpleNamespace:
    """Import Numba and return what is used of it; BackendError when it has moved."""
    try:
        import llvmlite.binding as llvm  # noqa: PLC0415  (loads late)

        modules: Any = code_library()
        codegen, global_compiler_lock = modules[0], modules[1].global_compiler_lock
        changes = _changes(codegen)
        if changes:
            raise BackendError(_moved("; ".join(changes)))

        class UnitLibrary(codegen.AOTCodeLibrary):  # type: ignore[misc, name-defined]
            """Numba's code library whose module passes run only on demand."""

            optimize = False

            def _optimize_functions(self, ll_module: Any) -> None:
                if self.optimize:
                    numba_passes: Any = super()
                    numba_passes._optimize_functions(ll_module)
                else:
                    ll_module.data_layout = self._codegen._data_layout

            def _optimize_final_module(self) -> None:
                if self.optimize:
                    numba_passes: Any = super()
                    numba_passes._optimize_final_module()

        class UnitCodegen(codegen.AOTCPUCodegen):  # type: ignore[misc, name-defined]
            """Numba's ahead-of-time code generator, for exactly our target."""

            _library_class = UnitLibrary

            def __init__(self, wish: str) -> None:
                self.wish = wish
                self.asked: set[str] = set()
                base: Any = super()
                base.__init__("symgraph")

            def _customize_tm_features(self) -> str:
                self.asked.add("features")
                return target.feature_string(self.wish)

            def _customize_tm_options(self, options: dict[str, Any]) -> None:
                self.asked.add("options")
                options.update(
                    opt=1,
                    cpu=target.cpu_name(self.wish),
                    features=target.feature_string(self.wish),
                    reloc="pic",
                    codemodel="default",
                )

    except (ImportError, AttributeError) as error:
        raise BackendError(_moved(str(error))) from error
    return SimpleNamespace(llvm=llvm, codegen=UnitCodegen, lock=global_compiler_lock)


def _changes(codegen: Any) -> list[str]:
    """How Numba differs inside from what this file relies upon, one line for each."""
    found = []
    for owner, name, expected in INTERNALS:
        method = getattr(getattr(codegen, owner, None), name, None)
        code = getattr(method, "__code__", None)
        if code is None:
            found.append(f"there is no {owner}.{name}")
        elif (taken := code.co_varnames[: code.co_argcount])[
            : len(expected)
        ] != expected:
            found.append(
                f"{owner}.{name} takes ({', '.join(taken)}), not ({', '.join(expected)})"
            )
    return found


def _moved(what: str) -> str:
    return (
        f"this version of Numba cannot be used: {what} ({_versions()})\nsymgraph compiles "
        f"with parts of Numba that are not public and is tested with Numba {TESTED}: "
        f"pip install 'numba=={TESTED}.*'"
    )


@functools.cache
def _codegen(wish: str) -> Any:
    """One code generator per restriction; it holds the LLVM target machine."""
    try:
        made = _parts().codegen(wish)
    except (AttributeError, TypeError, RuntimeError, AssertionError) as error:
        raise BackendError(
            f"Numba cannot make a code generator: {error} ({_versions()})"
        ) from error
    if not (made.asked == {"features", "options"} and made._data_layout):
        raise BackendError(_moved("its code generator does not ask for our target"))
    return made


def _versions() -> str:
    return target.toolchain()
