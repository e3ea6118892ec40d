"""Small problems that are made, not loaded: truth tables of gates and two moons.

In: a name or a size and a seed.  Out: NumPy arrays.  Real data is loaded in
``digits.py`` and ``mnist.py``.
"""

from __future__ import annotations

import numpy as np

from symgraph.errors import DataError

_INPUTS = ((0, 0), (0, 1), (1, 0), (1, 1))
_GATES: dict[str, tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]] = {
    "or": (_INPUTS, (0, 1, 1, 1)),
    "and": (_INPUTS, (0, 0, 0, 1)),
    "xor": (_INPUTS, (0, 1, 1, 0)),
    "nand": (_INPUTS, (1, 1, 1, 0)),
    "not": (((0,), (1,)), (1, 0)),
}


def gate_names() -> tuple[str, ...]:
    """Return the names that ``gate`` knows."""
    return tuple(_GATES)


def gate(name: str, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """Return the truth table of a logical gate.

    Parameters
    ----------
    name : "or", "and", "xor", "nand" or "not"
    dtype : of both arrays

    Returns
    -------
    x : (4, 2), or (2, 1) for "not"
    y : (4, 1), or (2, 1) for "not"

    Raises
    ------
    DataError : unknown gate

    Examples
    --------
    >>> x, y = gate("xor")
    >>> y.ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    if name not in _GATES:
        raise DataError(f"gate: no gate {name!r}; there are {', '.join(_GATES)}")
    inputs, outputs = _GATES[name]
    return np.array(inputs, dtype), np.array(outputs, dtype)[:, None]


def moons(
    n: int = 200, noise: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Make two interleaved half circles of points, one for each class.

    class 0: (cos t, sin t), class 1: (1 - cos t, 0.5 - sin t), t from 0 to pi, each
    coordinate with Gaussian noise added

    Parameters
    ----------
    n : number of points; class 0 gets n // 2 of them
    noise : standard deviation of the noise
    seed : of the noise

    Returns
    -------
    x : float64 (n, 2)
    y : int32 (n,), the first half 0, the rest 1

    Examples
    --------
    >>> x, y = moons(6, noise=0)
    >>> x[0].tolist(), y.tolist()
    ([1.0, 0.0], [0, 0, 0, 1, 1, 1])
    """
    if n < 2:
        raise DataError(f"moons: n = {n}, at least 2 points are needed")
    if not 0 <= noise < np.inf:
        raise DataError(f"moons: noise = {noise}, must be finite and not negative")
    upper, lower = np.linspace(0, np.pi, n // 2), np.linspace(0, np.pi, n - n // 2)
    x = np.concatenate(
        [
            np.stack([np.cos(upper), np.sin(upper)], axis=1),
            np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
        ]
    )
    if noise:
        x += noise * np.random.default_rng(seed).standard_normal(x.shape)
    return x, np.repeat(np.arange(2, dtype=np.int32), [n // 2, n - n // 2])
