"""The state of the package's sources, for the keys of what is kept on disk."""

import functools
import os
from pathlib import Path

from symgraph.core.digest import digest


@functools.cache
def source_stamp() -> str:
    """Names, sizes and times of the package's own files that decide machine code.

    An object of an edited or another version of the package is never loaded.
    """
    package = Path(__file__).resolve().parent.parent
    found = []
    for folder in ("core", "ops", "autodiff", "loops", "sparse", "rewrite", "rewrite/rules",
                   "lower", "backends", "backends/cpu", "runtime", "extend",
                   "compile"):  # fmt: skip
        with os.scandir(package / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    status = entry.stat()
                    found.append(
                        (folder, entry.name, status.st_size, status.st_mtime_ns)
                    )
    return digest(repr(sorted(found)).encode()).hexdigest()
