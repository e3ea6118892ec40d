"""What all tests share: helper modules, an own cache, programs that are verified."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_cache = tempfile.TemporaryDirectory(prefix="symgraph-tests-")
os.environ["SYMGRAPH_CACHE_DIR"] = _cache.name

from symgraph.config import NAMES  # noqa: E402  (after the cache is set)
from symgraph.config import config as settings  # noqa: E402
from symgraph.rewrite import engine  # noqa: E402

assert engine.strict is False  # the switch is still there
engine.strict = True  # rules that go round in a circle are an error

#: programs, their memory and their kernels: tests/lower/test_verify.py sees that it is done
settings.verify = "on"


@pytest.fixture(autouse=True)
def _settings_stay() -> Iterator[None]:
    """What a test sets does not reach the next one."""
    before = {name: getattr(settings, name) for name in NAMES}
    yield
    for name, value in before.items():
        if getattr(settings, name) != value:
            setattr(settings, name, value)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache."""
    _cache.cleanup()
