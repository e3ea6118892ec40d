"""The registry by which public functions are found under the names that users write.

`symgraph.tensor` and the methods of variables look functions up here, and so do the
operators (core/operators.py): ops that are above the core are reached by name only.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

PUBLIC: dict[str, Callable[..., Any]] = {}


def public(function: Function) -> Function:
    """Register a public function under its name (a trailing underscore included)."""
    name = function.__name__
    if name in PUBLIC and PUBLIC[name].__module__ != function.__module__:
        raise ValueError(f"a public function {name!r} is registered already")
    PUBLIC[name] = function
    return function
