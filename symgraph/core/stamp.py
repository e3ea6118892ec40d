"""The state of the package's sources, for the keys of what is kept on disk."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from symgraph.core.digest import digest

PACKAGE = Path(__file__).resolve().parent.parent
#: folders that compilation never imports: they build graphs and call what was compiled
ABOVE = ("nn", "data", "train", "viz", "compat")


@functools.cache
def source_stamp() -> str:
    """Names, sizes and times of the package's own files that decide machine code.

    An object of an edited or another version of the package is never loaded.
    """
    return stamp_of(PACKAGE)


def stamp_of(package: Path) -> str:
    """The stamp of the package in a folder."""
    found = []
    for file in sources(package):
        status = file.stat()
        name = file.path[len(str(package)) :]
        found.append((name, status.st_size, status.st_mtime_ns))
    return digest(repr(sorted(found)).encode()).hexdigest()


def sources(package: Path = PACKAGE) -> Iterator["os.DirEntry[str]"]:
    """The files of the package that decide machine code: all but those of `ABOVE`."""
    folders = [str(package)]
    above = {str(package / name) for name in ABOVE}
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    yield entry
                elif entry.is_dir() and entry.path not in above:
                    folders.append(entry.path)
