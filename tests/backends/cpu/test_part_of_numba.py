"""Numba in part: we get its code library, everybody else gets all of Numba."""

import os
import subprocess
import sys
import textwrap

import pytest

BEGIN = """
import sys
from symgraph.backends.cpu.unit import compile_module
first = compile_module("define i64 @f() {\\n  ret i64 7\\n}")
assert "numba" not in sys.modules
from_us = sys.modules["numba.core.codegen"]
"""
END = """
import numba, numba.core
assert f(1) == 2
assert numba.core.codegen is from_us
assert sys.modules["numba.core.codegen"] is from_us
assert numba.__spec__.loader is numba.__loader__ is not None
assert compile_module("define i64 @f() {\\n  ret i64 7\\n}") == first
print("fine")
"""
WAYS = {
    "package": "import numba\nf = numba.njit(lambda x: x + 1)",
    "name": "from numba import njit\nf = njit(lambda x: x + 1)",
    "star": "from numba import *\nf = njit(lambda x: x + 1)",
    "module that the package imports": (
        "import numba.np.ufunc\nf = numba.np.ufunc.vectorize(['i8(i8)'])(lambda x: x + 1)"
    ),
    "module that it does not import": (
        "import numba.extending\nf = numba.njit(lambda x: x + 1)"
    ),
    "threads": """
import threading
made = []
def make():
    from numba import njit
    made.append(njit(lambda x: x + 1))
threads = [threading.Thread(target=make) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(made) == 4
f = made[0]
""",
}


def run(program: str) -> str:
    """Output of a process that runs a program, warnings being errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=dict(os.environ), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_numba_is_whole_for_whoever_imports_it_later(way: str) -> None:
    assert run(BEGIN + textwrap.dedent(WAYS[way]) + END) == "fine"


@pytest.mark.slow
def test_numba_that_is_imported_already_is_used_as_it_is() -> None:
    assert (
        run(
            "import numba, sys\n"
            "from symgraph.backends.cpu.part_of_numba import code_library\n"
            "codegen, _ = code_library()\n"
            "assert codegen is numba.core.codegen\n"
            "assert not any('symgraph' in type(f).__module__ for f in sys.meta_path)\n"
            "print('fine')"
        )
        == "fine"
    )


@pytest.mark.slow
def test_a_numba_that_does_not_come_apart_is_imported_whole() -> None:
    assert (
        run(
            "import sys\n"
            "from symgraph.backends.cpu import part_of_numba\n"
            "names = part_of_numba.NAMES\n"
            "part_of_numba.NAMES = (*names, 'numba.no_such_module')\n"
            "real = part_of_numba._Loader.exec_module\n"
            "def once(self, module):\n"
            "    try:\n"
            "        real(self, module)\n"
            "    except ImportError:\n"
            "        part_of_numba.NAMES = names\n"
            "        raise\n"
            "part_of_numba._Loader.exec_module = once\n"
            "codegen, lock = part_of_numba.code_library()\n"
            "import numba\n"
            "assert numba.njit(lambda x: x + 1)(1) == 2\n"
            "assert numba.core.codegen is codegen\n"
            "print('fine')"
        )
        == "fine"
    )
