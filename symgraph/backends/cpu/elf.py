"""Map a relocatable ELF object of x86-64 code into this process.

In: the bytes of an object file and the addresses of external symbols. Out: a mapping
whose functions can be called, and the addresses of what it defines.

LLVM can do this too, but only after 70 ms of importing llvmlite, while a warm start
needs nothing else of it. Objects from `unit` use a small part of ELF: code, constant
and data sections, and six kinds of relocation. Whatever lies outside that part raises
`UnmappableError`, and `loader` then asks LLVM. Pages are writable or executable, never
both. Formats: System V ABI, chapters 4 and 5; its AMD64 supplement, section 4.4.
"""

import ctypes
import functools
import mmap
import platform
import sys
from collections.abc import Callable, Mapping

import numpy as np

PAGE = mmap.PAGESIZE

# Field types of the tables, in file order.
_SECTION = np.dtype(
    [("name", "<u4"), ("kind", "<u4"), ("flags", "<u8"), ("address", "<u8"),
     ("offset", "<u8"), ("size", "<u8"), ("link", "<u4"), ("info", "<u4"),
     ("align", "<u8"), ("entry", "<u8")]
)  # fmt: skip
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"),
     ("value", "<u8"), ("size", "<u8")]
)  # fmt: skip
_RELOCATION = np.dtype(
    [("offset", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<i8")]
)

_PROGBITS, _SYMTAB, _RELA, _NOBITS, _X86_64_UNWIND = 1, 2, 4, 8, 0x70000001
_INITIALISERS = (14, 15, 16)
_WRITE, _ALLOC, _EXEC, _TLS = 1, 2, 4, 0x400
_ABSOLUTE, _RESERVED = 0xFFF1, 0xFF00
_R_GOT = (9, 41, 42)  # GOTPCREL, GOTPCRELX, REX_GOTPCRELX

# Kind of relocation -> which address of the symbol, bytes, relative to the place.
_RELOCATIONS = {
    1: ("far", 8, False),  # 64
    2: ("near", 4, True),  # PC32
    4: ("near", 4, True),  # PLT32
    24: ("far", 8, True),  # PC64
    **dict.fromkeys(_R_GOT, ("cells", 4, True)),
}
_STUB = 16


class UnmappableError(Exception):
    """The object uses a part of ELF that this file does not know."""


class UnresolvedError(Exception):
    """The object refers to symbols that nobody gave; ``args[0]`` lists them."""


def supported() -> bool:
    """Whether objects of this process are ELF for x86-64 on Linux."""
    return (
        sys.platform == "linux"
        and platform.machine() in ("x86_64", "AMD64")
        and sys.maxsize > 2**32
    )


class Mapped:
    """A mapped object: ``addresses`` of its global symbols, until it is dropped."""

    __slots__ = ("_memory", "addresses")

    def __init__(self, memory: mmap.mmap, addresses: dict[str, int]) -> None:
        self._memory = memory
        self.addresses = addresses


def map_object(
    image: bytes, symbols: Mapping[str, int], resolve: Callable[[str], int]
) -> Mapped:
    """Lay the sections out in memory, relocate them, and protect the pages.

    ``symbols`` are looked at first, then ``resolve(name)``, which returns 0 for a
    name it does not know.
    """
    try:
        return _map(image, symbols, resolve)
    except (ValueError, IndexError, OverflowError) as error:
        raise UnmappableError(f"malformed object: {error}") from error


def _map(
    image: bytes, symbols: Mapping[str, int], resolve: Callable[[str], int]
) -> Mapped:
    sections = _sections(image)
    table = next((s for s in sections if s["kind"] == _SYMTAB), None)
    if table is None:
        raise UnmappableError("no symbol table")
    entries = np.frombuffer(
        image, _SYMBOL, int(table["size"]) // _SYMBOL.itemsize, int(table["offset"])
    )
    strings = sections[int(table["link"])]
    names = _content(image, strings)
    kept = _kept(sections)
    tables = [
        (int(s["info"]), _relocations(image, s))
        for s in sections
        if s["kind"] == _RELA and int(s["info"]) in kept
    ]
    externals = _externals(entries, names, symbols, resolve)
    in_table = sorted(
        {
            number
            for _, found in tables
            for number in found["symbol"][np.isin(found["kind"], _R_GOT)].tolist()
        }
    )
    offsets, ends, size = _layout(sections, kept, len(externals), len(in_table))

    memory = mmap.mmap(
        -1,
        size,
        flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
        prot=mmap.PROT_READ | mmap.PROT_WRITE,
    )
    base = _address(memory)
    for index in kept:
        section = sections[index]
        if section["kind"] != _NOBITS:
            content = _content(image, section)
            memory[offsets[index] : offsets[index] + len(content)] = content
    values = _values(entries, offsets, externals, base)
    # External functions may lie out of reach: calls go through a stub each, and
    # what the compiler wants in a table of addresses gets its cell there.
    near, cells = values.copy(), np.zeros_like(values)
    for place, (number, address) in enumerate(externals.items()):
        stub = offsets["stubs"] + place * _STUB
        # jmp *0(%rip), followed by the address itself
        memory[stub : stub + 14] = b"\xff\x25\0\0\0\0" + address.to_bytes(8, "little")
        near[number] = base + stub
    for place, number in enumerate(in_table):
        cell = offsets["cells"] + place * 8
        memory[cell : cell + 8] = int(values[number]).to_bytes(8, "little")
        cells[number] = base + cell
    bytes_ = np.frombuffer(memory, np.uint8)
    for target, relocations in tables:
        _relocate(
            bytes_, offsets[target], base, relocations,
            {"far": values, "near": near, "cells": cells},
        )  # fmt: skip
    _protect(base, 0, ends["code"], mmap.PROT_READ | mmap.PROT_EXEC)
    _protect(base, ends["code"], ends["constants"], mmap.PROT_READ)
    return Mapped(memory, _defined(entries, names, values))


def _sections(image: bytes) -> np.ndarray:
    header = image[:64]
    # 64-bit, little-endian, relocatable, x86-64
    if header[:6] != b"\x7fELF\x02\x01" or header[16:20] != b"\x01\x00\x3e\x00":
        raise UnmappableError("not a relocatable x86-64 ELF object")
    start = int.from_bytes(header[40:48], "little")
    entry = int.from_bytes(header[58:60], "little")
    count = int.from_bytes(header[60:62], "little")
    if entry != _SECTION.itemsize or count == 0:
        raise UnmappableError("unknown section table")
    sections = np.frombuffer(image, _SECTION, count, start)
    inside = sections["offset"] + sections["size"] <= len(image)
    if not np.all(inside | (sections["kind"] == _NOBITS) | (sections["kind"] == 0)):
        raise UnmappableError("a section lies outside the file")
    return sections


def _content(image: bytes, section: np.void) -> bytes:
    start = int(section["offset"])
    return image[start : start + int(section["size"])]


def _kept(sections: np.ndarray) -> list[int]:
    """Sections that live in memory; unwinding tables stay behind (nothing throws)."""
    kept = []
    for index, section in enumerate(sections):
        if not section["flags"] & _ALLOC:
            continue
        if section["kind"] in _INITIALISERS or section["flags"] & _TLS:
            raise UnmappableError("initialisers or thread-local data")
        if section["kind"] == _X86_64_UNWIND:
            continue
        if section["kind"] not in (_PROGBITS, _NOBITS):
            raise UnmappableError(f"section of kind {section['kind']}")
        if section["align"] > PAGE:
            raise UnmappableError("alignment above a page")
        kept.append(index)
    return kept


def _relocations(image: bytes, section: np.void) -> np.ndarray:
    count = int(section["size"]) // _RELOCATION.itemsize
    return np.frombuffer(image, _RELOCATION, count, int(section["offset"]))


def _name(names: bytes, start: int) -> str:
    return names[start : names.index(b"\0", start)].decode()


def _externals(
    entries: np.ndarray,
    names: bytes,
    symbols: Mapping[str, int],
    resolve: Callable[[str], int],
) -> dict[int, int]:
    """Symbol number -> address, for what the object does not define."""
    found, missing = {}, []
    for number in np.flatnonzero(entries["section"] == 0).tolist():
        if number == 0:
            continue
        name = _name(names, int(entries["name"][number]))
        address = symbols.get(name) or resolve(name)
        if not address:
            missing.append(name)
        found[number] = address
    if missing:
        raise UnresolvedError(sorted(missing))
    return found


def _layout(
    sections: np.ndarray, kept: list[int], stubs: int, cells: int
) -> tuple[dict[int | str, int], dict[str, int], int]:
    """Offsets of all sections: code and stubs, then constants, then writable data."""

    def part(index: int) -> int:
        flags = sections["flags"][index]
        return 0 if flags & _EXEC else 2 if flags & _WRITE else 1

    offsets: dict[int | str, int] = {}
    ends: dict[str, int] = {}
    position = 0
    for number, name in enumerate(("code", "constants", "data")):
        for index in kept:
            if part(index) == number:
                align = max(int(sections["align"][index]), 1)
                position = -(-position // align) * align
                offsets[index] = position
                position += int(sections["size"][index])
        if name != "data":
            extra = ("stubs", _STUB * stubs) if name == "code" else ("cells", 8 * cells)
            position = -(-position // 16) * 16
            offsets[extra[0]] = position
            position += extra[1]
        position = -(-position // PAGE) * PAGE
        ends[name] = position
    return offsets, ends, max(position, PAGE)


def _values(
    entries: np.ndarray,
    offsets: dict[int | str, int],
    externals: dict[int, int],
    base: int,
) -> np.ndarray:
    """Return the address of each symbol, as int64."""
    starts = np.zeros(0x10000, np.int64)
    known = np.zeros(0x10000, bool)
    for index, offset in offsets.items():
        if isinstance(index, int):
            starts[index], known[index] = base + offset, True
    section = entries["section"]
    if np.any((section >= _RESERVED) & (section != _ABSOLUTE)):
        raise UnmappableError("common or extended symbols")
    if np.any((entries["info"] & 15) == 10):
        raise UnmappableError("an indirect function")
    values: np.ndarray = starts[section] + entries["value"].astype(np.int64)
    values[~known[section]] = 0
    for number, address in externals.items():
        values[number] = address
    return values


def _defined(entries: np.ndarray, names: bytes, values: np.ndarray) -> dict[str, int]:
    exported = (entries["section"] != 0) & (entries["info"] >> 4 != 0)
    return {
        _name(names, int(entries["name"][number])): int(values[number])
        for number in np.flatnonzero(exported & (values != 0)).tolist()
    }


def _relocate(
    memory: np.ndarray,
    start: int,
    base: int,
    relocations: np.ndarray,
    addresses: dict[str, np.ndarray],
) -> None:
    """Patch one section: S + A, or S + A - P, as in the table of the ABI."""
    for kind in sorted(set(relocations["kind"].tolist())):
        if kind not in _RELOCATIONS:
            raise UnmappableError(f"relocation of kind {kind}")
        which, width, relative = _RELOCATIONS[kind]
        chosen = relocations[relocations["kind"] == kind]
        places = chosen["offset"].astype(np.int64) + start
        symbol = addresses[which][chosen["symbol"]]
        if np.any(symbol == 0):
            raise UnmappableError("a relocation to a section that is not mapped")
        if places.min() < start or places.max() + width > len(memory):
            raise UnmappableError("a relocation outside its section")
        result = symbol + chosen["addend"]
        if relative:
            result -= places + base
        if width == 4 and np.any(result != result.astype(np.int32)):
            raise UnmappableError("a relocation out of reach")
        packed = result.astype(f"<i{width}").view(np.uint8).reshape(-1, width)
        memory[places[:, None] + np.arange(width)] = packed


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


@functools.cache
def _mprotect() -> Callable[[int, int, int], int]:
    function = ctypes.CDLL(None, use_errno=True).mprotect
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    function.restype = ctypes.c_int
    return function


def _protect(base: int, start: int, end: int, mode: int) -> None:
    if end > start and _mprotect()(base + start, end - start, mode):
        raise UnmappableError(f"the system refuses protection {mode} for a page")
