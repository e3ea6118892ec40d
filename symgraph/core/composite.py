"""CompositeVariable: what users hold in place of several variables that belong together.

A sparse matrix is one: its graph is made of ordinary vectors, and the composite says how a
value (a SciPy matrix) is taken apart into arrays and put together again. `function`,
`grad`, `dot` and `shared` understand composites by this contract and know no kind of them.
"""

import importlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.core.node import Variable

#: an attribute of a value → the package that makes a composite of it; loaded when needed
PACKAGES = {"tocsr": "symgraph.sparse"}


class CompositeVariable:
    """Variables that stand for one value.

    Attributes
    ----------
    name : what a keyword argument of a compiled function calls it
    parts : the variables
    differentiable : the position of the part that gradients flow to
    """

    name: str | None
    parts: tuple[Variable, ...]
    differentiable: ClassVar[int] = 0

    __array_priority__ = 1001
    __array_ufunc__ = None  # NumPy arrays on the left of an operator defer to us

    def with_parts(self, parts: Sequence[Variable]) -> Any:
        """A composite of the same kind made of other variables."""
        raise NotImplementedError

    def with_gradient(self, gradient: Variable) -> Any:
        """The gradient of the composite, given that of its differentiable part."""
        raise NotImplementedError

    def flatten(self, value: Any) -> list[np.ndarray]:
        """The arrays of the parts for a value; InputError where it is none."""
        raise NotImplementedError

    def unflatten(self, arrays: Sequence[np.ndarray]) -> Any:
        """The value made of arrays for the parts."""
        raise NotImplementedError

    def replaced_by(self, other: Any) -> list[tuple[Variable, Variable]]:
        """(part, its replacement) for each part, in updates and givens."""
        raise NotImplementedError

    def product(self, left: Any, right: Any) -> Any:
        """`dot` of two operands, at least one of them a composite of this kind."""
        raise NotImplementedError


def composite_of(*values: Any) -> CompositeVariable | None:
    """The first value that is a composite."""
    return next(
        (value for value in values if isinstance(value, CompositeVariable)), None
    )


def without_bundles(values: Iterable[Any]) -> list[Any]:
    """The values, with the parts of composites in their places."""
    found: list[Any] = []
    for value in values:
        found += value.parts if isinstance(value, CompositeVariable) else [value]
    return found


def package_of(value: Any) -> Any:
    """The package that makes a composite of a value, or None."""
    if isinstance(value, np.ndarray | np.generic | Variable | CompositeVariable):
        return None
    for attribute, package in PACKAGES.items():
        if hasattr(value, attribute):
            return importlib.import_module(package)
    return None
