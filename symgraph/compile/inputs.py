"""Inputs of a function, and turning what a call passes into arrays.

A value is accepted where nothing is lost: the dtype promotes to that of the input, or
the value is a Python number or list that the dtype holds exactly (Python floats go
into any float input that they do not overflow). Everything else is refused with the
input's name and place.
"""

from typing import Any

import numpy as np

from symgraph.core.dtypes import (
    MASKED,
    NUMPY,
    holds_masked,
    is_complex,
    is_float,
    rounded,
    upcast,
)
from symgraph.core.node import Constant, Variable, described
from symgraph.core.shared import SharedVariable
from symgraph.errors import ArgumentError, InputError, ShapeError


class In:
    """An input of `function` with options.

    Parameters
    ----------
    variable : symbolic variable
    name : what a keyword argument calls it; by default the variable's name
    value : default value; the input may then be left out
    update : expression whose value replaces the default after each call
    mutable, borrow, strict, implicit, shared : accepted as in Theano
    allow_downcast : convert values even if that loses precision

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> f = sg.function([x, sg.In(y, value=2.0)], x * y)
    >>> float(f(3.0)), float(f(3.0, 5.0))
    (6.0, 15.0)
    """

    def __init__(
        self,
        variable: Variable,
        name: str | None = None,
        value: Any = None,
        update: Variable | None = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        borrow: bool | None = None,
        implicit: bool | None = None,
        shared: bool = False,
    ) -> None:
        if not isinstance(variable, Variable):
            raise ArgumentError(f"In: {variable!r} is not a symbolic variable")
        if isinstance(variable, SharedVariable | Constant):
            raise ArgumentError(
                f"In: {described(variable)}\nis not an input: it has a value already. "
                "Use givens to replace it."
            )
        self.variable = variable
        self.name = variable.name if name is None else name
        self.value = value
        self.update = update
        self.strict = strict
        self.allow_downcast = allow_downcast


def input_of(item: Any) -> In:
    """An entry of `function`'s inputs as `In`: a variable, an In, or (variable, value)."""
    if isinstance(item, In):
        return item
    if isinstance(item, Variable):
        return In(item)
    if (
        isinstance(item, tuple | list)
        and len(item) == 2
        and isinstance(item[0], Variable)
    ):
        return In(item[0], value=item[1])
    raise ArgumentError(
        f"function: input {item!r} is neither a symbolic variable nor In(variable)"
    )


def converted(value: Any, entry: In, downcast: bool | None) -> np.ndarray:
    """A call's value as C-contiguous array of the input's type."""
    variable = entry.variable
    dtype = variable.type.dtype
    if isinstance(value, Variable):
        raise InputError(
            f"a symbolic variable was passed to a compiled function, for input "
            f"{described(variable)}\nPass a number or an array."
        )
    if entry.allow_downcast is not None:
        downcast = entry.allow_downcast
    array = _cast(value, dtype, downcast, variable)
    if array.ndim != variable.ndim:
        raise InputError(
            f"wrong rank: a value of rank {array.ndim} (shape {array.shape}) for input "
            f"{described(variable)}\nPass an array with {variable.ndim} axes."
        )
    for axis, (extent, known) in enumerate(
        zip(array.shape, variable.type.shape, strict=True)
    ):
        if known is not None and extent != known:
            raise ShapeError(
                f"extent {extent} of axis {axis} where {known} is declared, for input "
                f"{described(variable)}\nThe value has shape {array.shape}."
            )
    if not array.flags.c_contiguous or not array.flags.aligned:
        array = np.array(array, order="C")
    if array.dtype is not NUMPY[dtype]:  # an equal one: unpickled, longlong, metadata
        array = array.view(NUMPY[dtype])
    return array


def _cast(
    value: Any, dtype: str, downcast: bool | None, variable: Variable
) -> np.ndarray:
    target = NUMPY[dtype]
    given = value if isinstance(value, np.ndarray | np.generic) else None
    if holds_masked(value):
        raise InputError(f"a masked array for input {described(variable)}\n{MASKED}")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(
            f"the value for input {described(variable)}\nis no array: {error}"
        ) from None
    if array.dtype == target and array.dtype.isnative:
        return array
    name = array.dtype.name
    if array.dtype.kind not in "biufc":
        raise InputError(
            f"a value of dtype {name} for input {described(variable)}\n"
            "Pass numbers; of objects or text nothing can be computed."
        )
    if downcast and not (array.dtype.kind == "c" and not is_complex(dtype)):
        return array.astype(target)
    known = name in NUMPY and upcast(dtype, name) == dtype
    if known or np.can_cast(array.dtype, target, casting="safe"):  # float16 as well
        return array.astype(target)
    if given is None and array.dtype.kind == "f" and is_float(dtype):
        nearest = rounded(array, dtype)
        if nearest is not None:
            return nearest
    elif given is None and not (array.dtype.kind == "c" and not is_complex(dtype)):
        with np.errstate(all="ignore"):
            made = array.astype(target)
        if np.array_equal(made, array, equal_nan=array.dtype.kind in "fc"):
            return made
    raise InputError(
        f"a value of dtype {name} would lose data in input {described(variable)}\n"
        f"Convert it with numpy.asarray(value, {dtype!r}), or compile with "
        "allow_input_downcast=True."
    )
