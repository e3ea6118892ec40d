"""``sg.gradient``: differentiation in one namespace, and `verify_grad`.

`grad`, `jacobian`, `hessian`, `Rop`, `Lop` are in autodiff/, `zero_grad` and its kin in
ops/gradient.py; `verify_grad` joins the numeric check to `function`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from symgraph.autodiff.forward import Lop, Rop, hessian_vector_product
from symgraph.autodiff.jacobian import hessian, jacobian
from symgraph.autodiff.numeric import differences, verify
from symgraph.autodiff.reverse import grad
from symgraph.compile.function import function
from symgraph.core.node import Variable
from symgraph.errors import DisconnectedInputError, GradientError, VerifyGradError
from symgraph.ops.gradient import disconnected_grad, grad_clip, zero_grad
from symgraph.ops.undefined import (
    DisconnectedType,
    NullType,
    grad_not_implemented,
    grad_undefined,
)

consider_constant = zero_grad

__all__ = [
    "DisconnectedInputError", "DisconnectedType", "GradientError", "Lop", "NullType", "Rop",
    "VerifyGradError", "consider_constant", "differences", "disconnected_grad", "grad",
    "grad_clip", "grad_not_implemented", "grad_undefined", "hessian",
    "hessian_vector_product", "jacobian", "verify_grad", "zero_grad",
]  # fmt: skip


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: str | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Check the gradient of a function against finite differences.

    The outputs are summed with random weights; `grad` of that sum must agree with
    central differences of fourth order, taken in float64. An element agrees if the
    distance is within one of the tolerances.

    Parameters
    ----------
    fun : takes symbolic variables, gives an expression (or a list of expressions)
    pt : for each argument of `fun` a float array, where the gradient is taken
    n_tests : number of random weightings
    rng : ``numpy.random.Generator`` or ``RandomState``
    eps : step of the differences, relative to elements larger than 1
    out_type : dtype that the outputs are cast to before the gradient is taken
    abs_tol, rel_tol : by default 1e-6, and 1e-3 where float32 takes part
    mode : of the compiled functions
    cast_to_output_type, no_debug_ref : accepted for compatibility; the differences are
        always taken in float64, from the function without `out_type`

    Raises
    ------
    VerifyGradError : naming the worst element and both values

    Examples
    --------
    >>> import numpy as np, symgraph as sg, symgraph.tensor as T
    >>> sg.verify_grad(lambda x: T.tanh(x) * x, [np.array([0.5, -2.0])])
    """

    def compiled(inputs: list[Variable], outputs: Any) -> Callable[..., Any]:
        return function(inputs, outputs, mode=mode, on_unused_input="ignore")

    verify(compiled, fun, pt, n_tests, rng, eps, out_type, abs_tol, rel_tol)
