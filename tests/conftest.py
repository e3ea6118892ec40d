"""What all tests share: helper modules of this folder, and a cache of their own."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_cache = tempfile.TemporaryDirectory(prefix="symgraph-tests-")
os.environ["SYMGRAPH_CACHE_DIR"] = _cache.name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache."""
    _cache.cleanup()
