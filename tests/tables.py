"""All tables of samples, found by their file names.

A file tests/samples*.py that holds a dict `SAMPLES` (name of a public function → its
samples) and a dict `ORACLES` (name → a NumPy or SciPy function of the same arguments)
is a table. The tests made of tables read them here, so a new file needs no other line:
its functions get values, types, derivatives of both orders, errors and a compiled form
checked.
"""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structure
from sampling import Sample

#: file → its table; those that fill structure.SAMPLES are one
TABLES: dict[str, dict[str, list[Sample]]] = {}
ORACLES: dict[str, dict[str, Callable[..., Any]]] = {}


def _read() -> None:
    for path in sorted(Path(__file__).parent.glob("samples*.py")):
        module = importlib.import_module(path.stem)
        table = getattr(module, "SAMPLES", structure.SAMPLES)
        if any(table is other for other in TABLES.values()):
            continue
        name = "structure" if table is structure.SAMPLES else path.stem
        TABLES[name] = table
        ORACLES[name] = getattr(module, "ORACLES", structure.ORACLES)


_read()
NAMES = sorted(set().union(*TABLES.values()))


def rows() -> Iterator[tuple[str, str, list[Sample]]]:
    """Table, function, samples."""
    for table, functions in TABLES.items():
        for name, some in functions.items():
            yield table, name, some


def samples_of(name: str) -> list[Sample]:
    """Samples of a function in all tables."""
    return [s for table in TABLES.values() for s in table.get(name, [])]
