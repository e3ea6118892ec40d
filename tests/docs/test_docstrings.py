"""The examples in the docstrings of the package run and give what they show.

Every module of `symgraph` is searched; what a name re-exports is run where it is
defined. Examples see the public names of their own module, `sg`, `T` and `np`.
"""

import doctest
import importlib
import pkgutil
from types import ModuleType

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
FINDER = doctest.DocTestFinder(exclude_empty=True)


def modules() -> list[str]:
    """Names of all modules of the package, without the one that starts the program."""
    found = [info.name for info in pkgutil.walk_packages(sg.__path__, "symgraph.")]
    return ["symgraph", *(name for name in found if not name.endswith("__main__"))]


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    """The examples of a module, each with a namespace of its own."""
    names = {**vars(module), "sg": sg, "T": T, "np": np}
    return [
        test
        for test in FINDER.find(module, module.__name__, extraglobs=names)
        if test.examples
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_give_what_they_show(name: str) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    for test in examples_of(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "\n" + "".join(report)


def test_the_examples_are_found() -> None:
    found = sum(len(examples_of(importlib.import_module(n))) for n in modules())
    assert found > 120
