"""The exponential of matrices.

The op is `Expm`. Its gradient is the exponential of a matrix of twice the order, so it
has derivatives of every order.

References
----------
Higham 2005, The scaling and squaring method for the matrix exponential revisited,
algorithm 2.3. Najfeld and Havel 1995, Derivatives of the matrix exponential and their
computation, theorem 3.1, for the gradient.
"""

from collections.abc import Sequence
from math import ceil, factorial, log2
from typing import Any

import numpy as np

from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC, public
from symgraph.ops.matrices import (
    Gradients,
    SquareOp,
    adjoint,
    check_square,
    each_matrix,
)
from symgraph.ops.shape import extents

#: degree of a Padé approximant → largest norm for which it is exact to 2**-53
REACH = {
    3: 1.495585217958292e-2, 5: 2.539398330063230e-1, 7: 9.504178996162932e-1,
    9: 2.097847961257068, 13: 5.371920351148152,
}  # fmt: skip


class Expm(SquareOp):
    """out = 1 + x + x @ x / 2 + x @ x @ x / 6 + ..."""

    name = "expm"

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The upper right block of expm([[x', g], [0, x']]) (Najfeld and Havel 1995)."""
        (x,), (g,) = inputs, gradients
        if g is None:
            return (None,)
        turned = adjoint(x)
        order = extents(x)[-1]
        join, last = PUBLIC["concatenate"], x.ndim - 1
        above = join([turned, g], axis=last)
        below = join([PUBLIC["zeros_like"](g), turned], axis=last)
        whole = Expm()(join([above, below], axis=last - 1))
        lead = (slice(None),) * (x.ndim - 2)
        block = (*lead, slice(None, order), slice(order, None))
        return (PUBLIC["getitem"](whole, block),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """Scaling and squaring of a Padé approximant."""
        (x,) = arrays
        check_square(self.name, x)
        return (each_matrix(_exponential, np.empty_like(x), x),)


def _exponential(x: np.ndarray) -> np.ndarray:
    """Higham 2005, algorithm 2.3, for one matrix."""
    order = x.shape[0]
    norm = float(np.abs(x).sum(axis=0).max(initial=0))
    if not np.isfinite(norm):
        return np.full_like(x, np.nan)
    degree = next((m for m, reach in REACH.items() if norm <= reach), 13)
    squarings = max(0, ceil(log2(norm / REACH[13]))) if degree == 13 else 0
    a = x / x.dtype.type(2.0**squarings)
    square = a @ a
    power = np.eye(order, dtype=x.dtype)
    odd = np.zeros_like(a)
    even = np.zeros_like(a)
    for j in range(0, degree + 1, 2):
        even += x.dtype.type(_coefficient(degree, j)) * power
        odd += x.dtype.type(_coefficient(degree, j + 1)) * power
        power = power @ square
    odd = a @ odd
    found = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        found = found @ found
    return found


def _coefficient(degree: int, j: int) -> float:
    """Coefficient of x**j in the numerator of the Padé approximant of exp."""
    above = factorial(2 * degree - j) * factorial(degree)
    below = factorial(2 * degree) * factorial(degree - j) * factorial(j)
    return above / below


@public
def expm(x: Any) -> Variable:
    """out = 1 + x + x @ x / 2 + x @ x @ x / 6 + ..., the exponential of every matrix.

    Parameters
    ----------
    x : (..., n, n)

    Returns
    -------
    (..., n, n), float dtype of x

    References
    ----------
    Higham 2005, algorithm 2.3; Najfeld and Havel 1995, theorem 3.1, for the gradient.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.expm(T.dmatrix("x")).eval({"x": [[0.0, 1.0], [0.0, 0.0]]})
    array([[1., 1.],
           [0., 1.]])
    """
    found: Variable = Expm()(x)
    return found
