"""What is done to inputs before a network sees them: scaling, centring.

Each is a function of an array or of an expression of (rows, ...): a model has it compiled
into its own functions, and keeps it in its file, so that what is predicted goes through
the same.  In: numbers that are given or found from the training rows.  Out: floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph.errors import DataError

#: name → class, of all that a file may hold
KNOWN: dict[str, type[Preprocessing]] = {}


class Preprocessing:
    """Base: ``numbers`` names the attributes that tell one from another."""

    numbers: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        KNOWN[cls.__name__] = cls

    def __call__(self, x: Any) -> Any:
        """Apply it."""
        raise NotImplementedError


class Rescale(Preprocessing):
    """out = x * factor + offset.

    Parameters
    ----------
    factor, offset : numbers

    Examples
    --------
    >>> Rescale(1 / 255)(np.array([0.0, 255.0]))
    array([0., 1.])
    """

    numbers = ("factor", "offset")

    def __init__(self, factor: float, offset: float = 0.0) -> None:
        self.factor = float(factor)
        self.offset = float(offset)

    def __call__(self, x: Any) -> Any:
        """The formula; an offset of 0 is left out."""
        scaled = x * np.asarray(self.factor, x.dtype)
        return scaled + np.asarray(self.offset, x.dtype) if self.offset else scaled


class Standardize(Preprocessing):
    """out = (x - mean) / deviation, both of each feature over rows.

    Parameters
    ----------
    mean, deviation : arrays of the shape of a row; see `of`

    Examples
    --------
    >>> Standardize.of([[1.0, 5.0], [3.0, 5.0]])(np.array([[2.0, 5.0], [4.0, 6.0]]))
    array([[0., 0.],
           [2., 1.]])
    """

    numbers = ("mean", "deviation")

    def __init__(self, mean: Any, deviation: Any) -> None:
        self.mean = np.asarray(mean, np.float64)
        self.deviation = np.asarray(deviation, np.float64)
        if not (self.deviation > 0).all():
            raise DataError("Standardize: a deviation is not above 0")

    @classmethod
    def of(cls, X: Any) -> Standardize:
        """Find both from rows; a feature that is always the same has the deviation 1."""
        rows = np.asarray(X, np.float64)
        deviation = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def __call__(self, x: Any) -> Any:
        """The formula."""
        return (x - self.mean.astype(x.dtype)) / self.deviation.astype(x.dtype)
