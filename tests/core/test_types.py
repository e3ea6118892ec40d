"""`TensorType`: values of a type, and what broadcasts."""

import numpy as np
import pytest

from symgraph.core.types import TensorType
from symgraph.errors import InputError


def test_filter_gives_an_array_of_the_type_or_says_what_is_wrong() -> None:
    kind = TensorType("float32", (None, 2))
    assert kind.filter([[1, 2.5]]).dtype == "float32"
    assert kind.filter(np.ones((3, 2)), allow_downcast=True).dtype == "float32"
    for value, options in (
        (np.ones((3, 2)), {}),
        ([[0.1, 0.2]], {"allow_downcast": False}),
        ([[0.5, 1.0]], {"strict": True}),
        (np.ones((3, 3), "float32"), {}),
        (np.ones(2, "float32"), {}),
        ([["a", "b"]], {}),
    ):
        with pytest.raises(InputError, match=r"for the type|lose data"):
            kind.filter(value, **options)
    assert TensorType("int8", ()).filter(3.0) == 3
    with pytest.raises(InputError, match="lose data"):
        TensorType("int8", ()).filter(3.5)


def test_truth_values_of_any_kind_tell_what_broadcasts() -> None:
    marked = TensorType("int8", broadcastable=(np.True_, np.False_, 0, 1))
    assert marked.shape == (1, None, None, 1)
    assert TensorType("int8", (np.True_, np.False_)).shape == (1, None)
