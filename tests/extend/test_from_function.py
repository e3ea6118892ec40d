"""`as_op`: a function of arrays as an op."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, GradientError, UserOpError

REFERENCE = "FAST_COMPILE"
x, y = T.dvectors("x", "y")


@sg.as_op(
    [T.dvector, T.dvector], [T.dvector], infer_shape=lambda node, shapes: shapes[:1]
)
def larger(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The larger element."""
    return np.where(p > q, p, q)


def test_it_is_called_with_arrays() -> None:
    f = sg.function([x, y], larger(x, y) * 2, mode=REFERENCE)
    assert f([1.0, 5.0], [3.0, 4.0]).tolist() == [6.0, 10.0]
    assert str(larger) == larger.__name__ == "larger"
    assert larger.__doc__ == "The larger element."
    assert larger(x, y).owner.op is larger


def test_single_types_and_several_outputs() -> None:
    @sg.as_op(T.dvector, [T.dscalar, T.dscalar])
    def ends(p: np.ndarray) -> tuple[float, float]:
        return p[0], p[-1]

    f = sg.function([x], ends(x), mode=REFERENCE)
    assert [float(v) for v in f([1.0, 5.0])] == [1.0, 5.0]


def test_what_goes_wrong_is_told() -> None:
    @sg.as_op(T.dvector, [T.dvector, T.dvector])
    def one(p: np.ndarray) -> np.ndarray:
        return p

    with pytest.raises(UserOpError, match=r"one \(.*test_from_function.py.*1 values"):
        sg.function([x], one(x), mode=REFERENCE)([1.0])
    with pytest.raises(GradientError, match="larger has no gradient"):
        sg.grad(larger(x, y).sum(), x)
    with pytest.raises(ArgumentError, match="infer_shape=3"):
        sg.as_op([], [], infer_shape=3)  # type: ignore[arg-type]
