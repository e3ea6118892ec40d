"""``python -m symgraph.compat [--numpy-names] script.py [args]``: run a Theano program.

``-m module [args]`` runs a module instead, such as ``-m pytest tests``.
"""

import runpy
import sys
from pathlib import Path

from symgraph.compat.install import install

USAGE = (
    "usage: python -m symgraph.compat [--numpy-names] (script.py | -m module) [args]"
)


def main(arguments: list[str]) -> None:
    """Install the stand-ins, then run a script or a module as ``__main__``."""
    words = list(arguments)
    numpy_names = words[:1] == ["--numpy-names"]
    if numpy_names:
        words.pop(0)
    by_name = words[:1] == ["-m"]
    if by_name:
        words.pop(0)
    if not words or words[0].startswith("-"):
        sys.exit(USAGE)
    install(numpy_names)
    sys.argv = words
    if by_name:
        sys.path[0] = str(Path.cwd())
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        return
    script = Path(words[0])
    if not script.is_file():
        sys.exit(f"{script}: no such file\n{USAGE}")
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
