"""Test values: each expression is tried on examples while it is built.

With ``theano.config.compute_test_value`` on, inputs have ``x.tag.test_value``, and every
application computes that of its outputs by the reference backend, so that a mistake
shows in the line that makes it. Loops and compiled functions are built without; then the
values of their results are filled in.
"""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from symgraph.autodiff import forward
from symgraph.autodiff import jacobian as jacobians
from symgraph.backends.reference import evaluate
from symgraph.core import clone as cloning
from symgraph.core.node import Apply, Constant, Variable, building, listing
from symgraph.core.shared import SharedVariable
from symgraph.core.traverse import applies
from symgraph.errors import ConfigError, MissingTestValueError, SymgraphWarning
from symgraph.loops import build, folds
from symgraph.loops import ifelse as branching

__all__ = [
    "Lop", "Rop", "clone", "foldl", "foldr", "get_test_value", "hessian", "ifelse",
    "jacobian", "map", "reduce", "scan",
]  # fmt: skip

CHOICES = ("off", "ignore", "warn", "raise")


def switch(policy: str) -> None:
    """Follow ``compute_test_value``: what to do about missing values, or "off"."""
    if policy not in CHOICES:
        raise ConfigError(
            f"theano.config.compute_test_value = {policy!r}: expected one of "
            f"{', '.join(CHOICES)}"
        )
    building.watch = None if policy == "off" else functools.partial(_compute, policy)


def get_test_value(v: Any) -> np.ndarray:
    """The test value of a variable, or the value of a constant.

    Raises
    ------
    MissingTestValueError : it has none
    """
    found = _value(v) if isinstance(v, Variable) else np.asarray(v)
    if found is None:
        raise MissingTestValueError(
            f"a variable has no test value{listing(v)}\nSet its tag.test_value."
        )
    return found


def _value(v: Variable) -> np.ndarray | None:
    if isinstance(v, Constant):
        return v.data
    if isinstance(v, SharedVariable):
        return v.container.array
    given = getattr(v.__dict__.get("_tag"), "test_value", None)
    return None if given is None else v.type.filter(given, allow_downcast=True)


def _compute(policy: str, node: Apply) -> None:
    values: dict[Variable, np.ndarray] = {}
    for v in node.inputs:
        found = _value(v)
        if found is None:
            if policy == "raise":
                get_test_value(v)
            if policy == "warn":
                warnings.warn(
                    f"a variable has no test value{listing(v)}",
                    SymgraphWarning,
                    stacklevel=2,
                )
            return
        values[v] = found
    with paused():
        for out, value in zip(
            node.outputs, evaluate(list(node.outputs), values), strict=True
        ):
            out.tag.test_value = value


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Build meanwhile without test values."""
    before, building.watch = building.watch, None
    try:
        yield
    finally:
        building.watch = before


def _fill(results: Any) -> None:
    """Compute the test values of expressions that were built without."""
    if isinstance(results, Variable):
        results = [results]
    if not isinstance(results, Iterable) or building.watch is None:
        return
    roots = [v for v in results if isinstance(v, Variable)]
    for node in applies(roots):
        if any(_value(v) is None for v in node.outputs):
            building.watch(node)
    for part in results:
        if isinstance(part, list | tuple):
            _fill(part)


def _filled(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if building.watch is None:
            return function(*args, **kwargs)
        with paused():
            made = function(*args, **kwargs)
        _fill(made)
        return made

    return call


@_filled
def clone(
    output: Any,
    replace: Any = None,
    strict: bool = True,
    share_inputs: bool = True,
    copy_inputs: bool | None = None,
) -> Any:
    """`symgraph.clone`; `copy_inputs` is the older name of `share_inputs`."""
    shared = share_inputs if copy_inputs is None else copy_inputs
    return cloning.clone(output, replace, strict, shared)


scan = _filled(build.scan)
map, reduce = _filled(folds.map), _filled(folds.reduce)
foldl, foldr = _filled(folds.foldl), _filled(folds.foldr)
ifelse = _filled(branching.ifelse)
hessian, jacobian = _filled(jacobians.hessian), _filled(jacobians.jacobian)
Rop, Lop = _filled(forward.Rop), _filled(forward.Lop)
