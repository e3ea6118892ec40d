"""Parts of complex numbers: real, imag, conj, angle; and derivatives of analytic rules.

The gradient of a real cost with respect to a complex z = a + bi is dcost/da + i
dcost/db, so the plus of two gradients and their steps mean what they mean for reals.
For an analytic f it is ``g * conj(f'(z))``; `analytic` makes that of a rule written
for real numbers. Real operands pass through `real` and `conj` without an op.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import complex_dtype, is_complex, is_discrete
from symgraph.core.node import Variable, as_variable
from symgraph.core.public import PUBLIC, public
from symgraph.errors import DtypeError
from symgraph.ops.families import Gradient, apply_scalar, cast, define, modulus


def complex_part(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """One complex operand; the result has the dtype of its parts."""
    if not is_complex(dtypes[0]):
        raise DtypeError("it is defined for complex numbers only")
    return modulus(dtypes)


def complex_only(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """One complex operand; the result has its dtype."""
    if not is_complex(dtypes[0]):
        raise DtypeError("it is defined for complex numbers only")
    return dtypes, dtypes[0]


def analytic(rule: Gradient) -> Gradient:
    """The derivative rule of an analytic function, made right for complex numbers."""

    def both(g: Variable, y: Variable, *inputs: Variable) -> Sequence[Variable | None]:
        if not is_complex(g.type.dtype):
            return rule(g, y, *inputs)
        found = rule(conj(g), y, *inputs)
        return tuple(None if part is None else conj(part) for part in found)

    return both


def _complex_of(g: Variable) -> Variable:
    return cast(g, complex_dtype(g.type.dtype))


define("real", 1, complex_part, np.real, grad=lambda g, y, x: (_complex_of(g),))
define("imag", 1, complex_part, np.imag, grad=lambda g, y, x: (_complex_of(g) * 1j,))
define("conj", 1, complex_only, np.conj, grad=lambda g, y, x: (conj(g),))
define(
    "angle", 1, complex_part, np.angle,
    # the direction that turns x, over its distance from 0
    grad=lambda g, y, x: (_complex_of(g) * 1j / conj(x),),
)  # fmt: skip


@public
def real(x: Any) -> Variable:
    """out = real part of x; a real x comes back as it is."""
    x = as_variable(x)
    return apply_scalar("real", x) if is_complex(x.type.dtype) else x


@public
def imag(x: Any) -> Variable:
    """out = imaginary part of x; zeros for a real x."""
    x = as_variable(x)
    if is_complex(x.type.dtype):
        return apply_scalar("imag", x)
    zeros: Variable = PUBLIC["fill"](x, as_variable(0, x.type.dtype))
    return zeros


@public
def conj(x: Any) -> Variable:
    """out = real(x) - i imag(x); a real x comes back as it is."""
    x = as_variable(x)
    return apply_scalar("conj", x) if is_complex(x.type.dtype) else x


@public
def angle(x: Any) -> Variable:
    """out = arctan2(imag(x), real(x)), in radians; 0 or pi for a real x."""
    x = as_variable(x)
    if is_complex(x.type.dtype):
        return apply_scalar("angle", x)
    if is_discrete(x.type.dtype):
        found: Variable = PUBLIC["switch"](PUBLIC["lt"](x, 0), math.pi, 0.0)
    else:
        found = PUBLIC["arctan2"](0.0, x)
    return found
