"""Matrices that are views: columns, rows and corners of others, read by products."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

LEFT: dict[str, Callable[[Any], Any]] = {
    "a column, turned": lambda x: x[:, :1].T,
    "another column, turned": lambda x: x[:, 2:3].T,
    "the last row": lambda x: x[-1:],
    "a row, counted from the end": lambda x: x[-2],
    "a column": lambda x: x[:, -1],
    "a column as a row": lambda x: x[:, 2][None],
    "every second row": lambda x: x[::2],
    "some columns, turned": lambda x: x[:, 1:3].T,
    "every second column, turned": lambda x: x[:, ::2].T,
    "a corner, turned": lambda x: x[1:, 1:].T[:, :3],
}


@pytest.mark.parametrize("shape", [(None, None), (None, 7), (5, 7)])
@pytest.mark.parametrize("name", LEFT)
def test_products_of_views_are_those_of_their_copies(name: str, shape: Any) -> None:
    left = LEFT[name]
    x, y = T.matrix("x", "float64", shape), T.dmatrix("y")
    a = np.random.default_rng(0).standard_normal((5, 7))
    rows = left(a).shape[-1]
    b = np.random.default_rng(1).standard_normal((rows, 4))
    f = sg.function([x, y], T.dot(left(x), y))
    np.testing.assert_allclose(f(a, b), left(a) @ b, 1e-12)
