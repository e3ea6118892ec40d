"""Every test here runs with Theano's names installed, and leaves none behind."""

import sys

import pytest

from symgraph import compat


@pytest.fixture(autouse=True)
def theano():
    """The stand-in for the module ``theano``."""
    before = set(sys.modules)
    yield compat.install()
    compat.uninstall()
    assert not {name for name in set(sys.modules) - before if name.startswith("theano")}
