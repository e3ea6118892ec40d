"""What all tests share: helper modules, a cache of their own, kernels that are verified."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_cache = tempfile.TemporaryDirectory(prefix="symgraph-tests-")
os.environ["SYMGRAPH_CACHE_DIR"] = _cache.name

import symgraph.lower.body as lowering  # noqa: E402  (after the cache is set)
from symgraph.config import NAMES  # noqa: E402
from symgraph.config import config as settings  # noqa: E402
from symgraph.lower.verify import verify  # noqa: E402
from symgraph.rewrite import engine  # noqa: E402

engine.strict = True  # rules that go round in a circle are an error

_split = lowering.split


def _verified(*args: Any) -> Any:
    kernel = _split(*args)
    verify(kernel)
    return kernel


lowering.split = _verified


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
