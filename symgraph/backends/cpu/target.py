"""What the machine can do: CPU name, instruction-set features, vector width.

In: the host (read through LLVM, or from /proc/cpuinfo) and the environment
variable SYMGRAPH_CPU_FEATURES, which can only take features away. Out: the name
and feature string that code generation uses, and a fingerprint for cache keys.

The fingerprint does not load LLVM (a warm start never needs it), yet it must tell
apart any two machines for which different code would be generated. Both sides
therefore read one table: on x86 only features listed in ``X86_FLAGS`` are ever
enabled, and the fingerprint holds exactly the kernel's view of those. Code
generation itself stands in `unit` and in the emitters.
"""

import functools
import os
import platform
import re
import sys
from collections.abc import Set

from symgraph.core.digest import digest
from symgraph.errors import BackendError

VARIABLE = "SYMGRAPH_CPU_FEATURES"

# LLVM's feature name -> the flag in /proc/cpuinfo. What is not here is never used.
X86_FLAGS = {
    "64bit": "lm", "cmov": "cmov", "cx8": "cx8", "cx16": "cx16", "fxsr": "fxsr",
    "mmx": "mmx", "sahf": "lahf_lm", "sse": "sse", "sse2": "sse2", "sse3": "pni",
    "ssse3": "ssse3", "sse4.1": "sse4_1", "sse4.2": "sse4_2", "crc32": "sse4_2",
    "sse4a": "sse4a", "popcnt": "popcnt", "lzcnt": "abm", "bmi": "bmi1",
    "bmi2": "bmi2", "adx": "adx", "movbe": "movbe", "xsave": "xsave",
    "prfchw": "3dnowprefetch", "avx": "avx", "avx2": "avx2", "f16c": "f16c",
    "fma": "fma", "avx512f": "avx512f", "avx512bw": "avx512bw",
    "avx512cd": "avx512cd", "avx512dq": "avx512dq", "avx512vl": "avx512vl",
    "avx512ifma": "avx512ifma", "avx512vbmi": "avx512vbmi",
    "avx512vbmi2": "avx512_vbmi2", "avx512vnni": "avx512_vnni",
    "avx512bitalg": "avx512_bitalg", "avx512vpopcntdq": "avx512_vpopcntdq",
    "avx512bf16": "avx512_bf16", "avx512fp16": "avx512_fp16",
    "avxvnni": "avx_vnni", "gfni": "gfni", "vaes": "vaes",
    "vpclmulqdq": "vpclmulqdq", "aes": "aes", "pclmul": "pclmulqdq", "sha": "sha_ni",
}  # fmt: skip

# A feature -> what it cannot stand without (LLVM's X86.td). Of what is left after one
# was taken away, LLVM ends the process where that does not hold.
X86_NEEDS = {
    "sse2": "sse", "sse3": "sse2", "ssse3": "sse3", "sse4.1": "ssse3",
    "sse4.2": "sse4.1", "sse4a": "sse3", "aes": "sse2", "pclmul": "sse2",
    "sha": "sse2", "gfni": "sse2", "avx": "sse4.2 xsave", "avx2": "avx", "f16c": "avx",
    "fma": "avx", "vaes": "avx2 aes", "vpclmulqdq": "avx pclmul", "avxvnni": "avx2",
    "avx512f": "avx2 f16c fma", "avx512cd": "avx512f", "avx512dq": "avx512f",
    "avx512bw": "avx512f", "avx512vl": "avx512f", "avx512ifma": "avx512f",
    "avx512vnni": "avx512f", "avx512vpopcntdq": "avx512f", "avx512vbmi": "avx512bw",
    "avx512vbmi2": "avx512bw", "avx512bitalg": "avx512bw", "avx512bf16": "avx512bw",
    "avx512fp16": "avx512bw avx512dq avx512vl",
}  # fmt: skip

_GENERIC = frozenset(["64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2"])
_AVX2 = _GENERIC | frozenset(
    "cx16 sahf sse3 ssse3 sse4.1 sse4.2 crc32 popcnt lzcnt bmi bmi2 movbe xsave "
    "avx avx2 f16c fma".split()
)

# The x86-64 psABI levels 1 and 3; "native" and "avx512" take nothing away.
LEVELS: dict[str, frozenset[str] | None] = {
    "generic": _GENERIC,
    "avx2": _AVX2,
    "avx512": None,
    "native": None,
}


def restriction() -> str:
    """Return the wish in SYMGRAPH_CPU_FEATURES, normalised ("" means all).

    A level ("generic", "avx2", "avx512", "native") and features to leave out, such
    as "avx2,-fma", in any order.
    """
    items = sorted({i for i in os.environ.get(VARIABLE, "").split(",") if i.strip()})
    items = sorted({i.strip().lower() for i in items})
    levels = [i for i in items if not i.startswith("-")]
    if len(levels) > 1 or any(level not in LEVELS for level in levels):
        raise BackendError(
            f"{VARIABLE}={os.environ[VARIABLE]!r} is not understood: give at most one "
            f"of {', '.join(LEVELS)}, and features to leave out such as -fma"
        )
    out = {i[1:] for i in items if i.startswith("-")}
    if is_x86() and (unknown := out - X86_FLAGS.keys()):
        raise BackendError(
            f"{VARIABLE}={os.environ[VARIABLE]!r}: no feature "
            f"{', '.join(sorted(unknown))}; there are {', '.join(sorted(X86_FLAGS))}"
        )
    if is_x86() and (base := out & _GENERIC):
        raise BackendError(
            f"{VARIABLE}={os.environ[VARIABLE]!r}: {', '.join(sorted(base))} cannot be "
            "left out, every x86-64 program needs it"
        )
    return ",".join(i for i in items if i not in ("native", "avx512"))


def features() -> frozenset[str]:
    """Return LLVM's names of the features that code may use.

    Examples
    --------
    >>> isinstance(features(), frozenset)
    True
    """
    return _features(restriction())


def cpu_name(wish: str | None = None) -> str:
    """Return LLVM's name of the CPU to tune for ("x86-64" when restricted)."""
    return _cpu_name(restriction() if wish is None else wish)


def feature_string(wish: str | None = None) -> str:
    """Return the full "+a,-b,..." string for an LLVM target machine."""
    return _feature_string(restriction() if wish is None else wish)


def vector_bytes(enabled: Set[str] | None = None) -> int:
    """Return the width of a vector register to emit code for: 64, 32 or 16 bytes."""
    enabled = features() if enabled is None else enabled
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= enabled:
        return 64
    return 32 if "avx2" in enabled else 16


def fingerprint() -> str:
    """Return a short hexadecimal digest of all that decides what code is generated.

    The CPU, its usable features, the restriction in force, and the installed
    versions of llvmlite and numba; found without loading either of them.

    Examples
    --------
    >>> fingerprint() == fingerprint()
    True
    """
    return _fingerprint(restriction())


def is_x86() -> bool:
    """Whether this process runs 64-bit x86 code."""
    return platform.machine().lower() in ("x86_64", "amd64")


def toolchain() -> str:
    """Return the installed llvmlite and numba versions, without importing them."""
    return _toolchain()


# --- helpers ---------------------------------------------------------------------


@functools.cache
def _host() -> tuple[str, dict[str, bool]]:
    import llvmlite.binding as llvm  # noqa: PLC0415  (loads late: 70 ms)

    try:
        return llvm.get_host_cpu_name(), dict(llvm.get_host_cpu_features())
    except RuntimeError as error:
        raise BackendError(f"LLVM cannot tell this machine's features: {error}") from (
            error
        )


@functools.cache
def _features(wish: str) -> frozenset[str]:
    found = frozenset(name for name, on in _host()[1].items() if on)
    visible = _cpuinfo()
    if is_x86():
        found &= X86_FLAGS.keys()
        if visible is not None:
            flags = frozenset(visible["flags"].split())
            found = frozenset(name for name in found if X86_FLAGS[name] in flags)
    level, dropped = _parse(wish)
    if level is not None and is_x86():
        found &= level
    return _closed(found - dropped)


def _parse(wish: str) -> tuple[frozenset[str] | None, frozenset[str]]:
    items = wish.split(",") if wish else []
    level = next((LEVELS[i] for i in items if not i.startswith("-")), None)
    return level, frozenset(i[1:] for i in items if i.startswith("-"))


def _closed(found: frozenset[str]) -> frozenset[str]:
    """Drop what cannot stand without a feature that was taken away."""
    before: frozenset[str] = frozenset()
    while found != before:
        before = found
        found = frozenset(n for n in found if found.issuperset(_needs(n)))
    return found


def _needs(name: str) -> list[str]:
    return X86_NEEDS.get(name, "").split()


@functools.cache
def _cpu_name(wish: str) -> str:
    if not is_x86():
        return "generic" if wish else _host()[0]
    if _parse(wish)[0] is None:
        return _host()[0]
    return "x86-64-v3" if wish.startswith("avx2") else "x86-64"


@functools.cache
def _feature_string(wish: str) -> str:
    enabled = _features(wish)
    names = _host()[1].keys() | (X86_FLAGS.keys() if is_x86() else set())
    return ",".join(("+" if n in enabled else "-") + n for n in sorted(names))


@functools.cache
def _fingerprint(wish: str) -> str:
    found = _cpuinfo()
    facts = [platform.machine(), sys.byteorder, sys.platform, wish, _toolchain()]
    if found is None:
        name, host = _host()
        facts += [name, *sorted(n for n, on in host.items() if on)]
    elif is_x86():
        flags = set(found["flags"].split()) & set(X86_FLAGS.values())
        keys = ("vendor_id", "cpu family", "model", "stepping")
        facts += [found.get(key, "") for key in keys]
        facts += sorted(flags)
    else:
        facts += [f"{key}={value}" for key, value in sorted(found.items())]
    return digest("\n".join(facts).encode()).hexdigest()[:32]


@functools.cache
def _cpuinfo() -> dict[str, str] | None:
    """Return the first processor's entry of /proc/cpuinfo, None where useless."""
    try:
        # One read of the first block: the kernel then formats few processors only.
        descriptor = os.open("/proc/cpuinfo", os.O_RDONLY)
    except OSError:
        return None
    try:
        text = b""
        while b"\n\n" not in text and (block := os.read(descriptor, 4096)):
            text += block
    finally:
        os.close(descriptor)
    first = text.split(b"\n\n")[0].decode("ascii", "replace")
    found = {}
    for line in first.splitlines():
        key, _, value = line.partition(":")
        found[key.strip()] = value.strip()
    if is_x86():
        return found if "flags" in found else None
    names = {"CPU implementer", "CPU architecture", "CPU variant", "CPU part"}
    return (
        {key: found[key] for key in [*names, "Features"] if key in found}
        if "Features" in found
        else None
    )


@functools.cache
def _toolchain() -> str:
    """Read the versions from the names of the dist-info folders."""
    pattern = re.compile(r"(llvmlite|numba)-([^-]+)\.dist-info$")
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            match = pattern.match(name)
            if match:
                found.setdefault(match[1], match[2])
        if len(found) == 2:
            break
    missing = {"llvmlite", "numba"} - found.keys()
    if missing:
        from importlib import metadata  # noqa: PLC0415  (slow: only for odd installs)

        for name in missing:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                found[name] = "none"
    return " ".join(f"{name}-{found[name]}" for name in sorted(found))
