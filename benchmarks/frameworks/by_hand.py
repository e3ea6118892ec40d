"""NumPy by hand as a peer: what a careful user writes without any framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import reference
from benchmarks.workloads import Network

LABELS = "int64"


def step(network: Network, variant: str) -> Callable[..., float]:
    """One training step in the network's own dtype."""
    return reference.Model(network).step


def function(name: str, variant: str, arrays: tuple[Any, ...]) -> Callable[..., Any]:
    """The function itself: there is nothing to compile."""
    return reference.FUNCTIONS[name]
