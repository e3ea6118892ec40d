"""NumPy's functions on symbolic variables: the same function of ours, or an error.

``np.dot(x, w)`` of a variable means ``symgraph.tensor.dot(x, w)``. NumPy hands such calls
over (NEP 13 and 18); a table says which parameter of NumPy's is which of ours. What has
no counterpart raises, as does every attempt to make an array of a variable: without that
NumPy would take the variable for a single object and give a value that means nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from symgraph.core.composite import CompositeVariable
from symgraph.core.node import Constant, Variable, listing
from symgraph.core.public import PUBLIC
from symgraph.errors import SymbolicValueError

#: ufuncs whose public function has another name
UFUNCS = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh",
    "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh", "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift",
    "conjugate": "conj", "degrees": "rad2deg", "radians": "deg2rad", "pow": "power",
}  # fmt: skip

#: parameters in NumPy's order → functions. ``a=x``: NumPy's `a` is our `x`. ``out=``: we
#: have none, and only a value that changes nothing is taken. ``*``: any number of operands
FUNCTIONS = (
    ("a=x axis dtype out= keepdims initial= where=", "sum prod"),
    ("a=x axis dtype out= keepdims where=", "mean"),
    ("a=x axis out= keepdims initial= where=", "max min amax=max amin=min"),
    ("a=x axis out= keepdims where=", "all any"),
    ("a=x axis out= keepdims", "argmax argmin ptp"),
    ("a=x axis dtype= out= ddof keepdims where= mean= correction=", "std var"),
    ("a=x axis out= overwrite_input= keepdims", "median"),
    ("a=x q axis out= overwrite_input= method keepdims weights=", "quantile percentile"),
    ("a=x axis dtype out=", "cumsum cumprod"),
    ("a=x n axis prepend append", "diff"),
    ("a=x axis kind= order= stable=", "sort argsort"),
    ("a=x v side sorter", "searchsorted"),
    ("ar return_index return_inverse return_counts axis equal_nan= sorted=", "unique"),
    ("x weights minlength", "bincount"),
    ("a b out=", "dot"),
    ("a b", "inner vdot kron"),
    ("a=x b=y out=", "outer"),
    ("a b axes", "tensordot"),
    ("* out= optimize=", "einsum"),
    ("a=x offset axis1= axis2= dtype= out=", "trace"),
    ("a=x offset axis1 axis2", "diagonal"),
    ("v=x k", "diag"),
    ("m=x k", "tril triu"),
    ("arrays=tensors axis out= dtype= casting=", "concatenate concat=concatenate"),
    ("arrays=*tensors axis out= dtype= casting=", "stack"),
    ("tup=tensors dtype= casting=", "hstack vstack"),
    ("* copy= sparse indexing", "meshgrid"),
    ("* subok=", "broadcast_arrays"),
    ("*", "atleast_1d atleast_2d atleast_3d"),
    ("a=x shape=newshape order= copy=", "reshape"),
    ("a=x order=", "ravel"),
    ("a=x axes", "transpose"),
    ("a=x axis1 axis2", "swapaxes"),
    ("a=x source destination", "moveaxis"),
    ("a=x axis start", "rollaxis"),
    ("a=x axis", "squeeze expand_dims"),
    ("m=x axis", "flip"),
    ("a=x shift axis", "roll"),
    ("a=x repeats axis", "repeat"),
    ("A=x reps", "tile"),
    ("array=x shape subok=", "broadcast_to"),
    ("array=x pad_width mode constant_values reflect_type", "pad"),
    ("prototype=x dtype order= subok= shape= device=", "empty_like"),
    ("a=x dtype order= subok= shape= device=", "zeros_like ones_like"),
    ("a=x fill_value dtype order= subok= shape= device=", "full_like"),
    ("a=x order= subok=", "copy"),
    ("x dtype copy= device=", "astype"),
    ("condition x=a y=b", "where"),
    ("a=x", "nonzero flatnonzero shape"),
    ("a=x axis=", "size"),
    ("condition a=x axis out=", "compress"),
    ("a=x indices axis out= mode", "take"),
    ("arr=x indices axis", "take_along_axis"),
    ("a choices out= mode", "choose"),
    ("multi_index dims mode order", "ravel_multi_index"),
    ("indices shape=dims order", "unravel_index"),
    ("a=x a_min=min a_max=max out= min max", "clip"),
    ("a=x decimals= out=", "round around=round"),
    ("x out=", "fix isneginf isposinf"),
    ("x", "sinc"),
    ("x copy= nan posinf neginf", "nan_to_num"),
    ("val=x", "real imag"),
    ("z=x deg=", "angle"),
    ("a b rtol atol equal_nan", "isclose allclose"),
    ("start stop num endpoint retstep= dtype axis= device=", "linspace"),
    ("start stop num endpoint base dtype axis=", "logspace"),
    ("a=x", "linalg.det linalg.slogdet linalg.inv=matrix_inverse"),
    ("a=x", "linalg.eig linalg.eigvals"),
    ("a=x UPLO", "linalg.eigh"),
    ("a UPLO=", "linalg.eigvalsh"),
    ("a=x n", "linalg.matrix_power"),
    ("a=x upper=", "linalg.cholesky"),
    ("a=x mode", "linalg.qr"),
    ("a=x full_matrices compute_uv hermitian=", "linalg.svd"),
    ("a=x rcond= hermitian= rtol=", "linalg.pinv"),
    ("a b", "linalg.solve"),
    ("x ord axis keepdims", "linalg.norm"),
    ("x p", "linalg.cond"),
)  # fmt: skip

#: values of parameters we have not, beside None, that change nothing
HARMLESS: Mapping[str, Sequence[Any]] = {
    "UPLO": ("L",), "casting": ("same_kind",), "copy": (True, False), "decimals": (0,),
    "deg": (False,), "device": ("cpu",), "equal_nan": (True,), "hermitian": (False,),
    "kind": ("quicksort",), "optimize": (True, False, "greedy", "optimal"),
    "order": ("C", "K"), "overwrite_input": (True, False), "retstep": (False,),
    "sorted": (True,), "subok": (True, False), "upper": (False,), "where": (True,),
}  # fmt: skip


class Parameters:
    """How the arguments of a NumPy function become those of ours."""

    def __init__(self, text: str, name: str) -> None:
        words = [word.partition("=") for word in text.split()]
        self.name = name
        self.any = words[0][0] == "*"
        self.numpy = [word for word, _, _ in words if word != "*"]
        self.ours = {
            word: (ours or None) if equals else word for word, equals, ours in words
        }

    def translated(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], dict[str, Any], str]:
        """Operands and options for our function, and what has no counterpart there."""
        operands: Sequence[Any] = args if self.any else ()
        given = {} if self.any else dict(zip(self.numpy, args, strict=False))
        if len(given) < len(args) and not self.any:
            return (), {}, f"{len(args)} arguments"
        options = {}
        for name, value in {**given, **kwargs}.items():
            ours = self.ours.get(name)
            if value is np._NoValue:
                continue
            if ours is None:
                known = name in self.ours
                if not known or not (value is None or _is_harmless(name, value)):
                    return (), {}, f"{name}={value!r}"
            elif ours.startswith("*"):
                operands = value
            else:
                options[ours] = value
        return operands, options, ""


def _is_harmless(name: str, value: Any) -> bool:
    known = HARMLESS.get(name, ())
    return isinstance(value, bool | int | str) and value in known


@cache
def _functions() -> dict[Any, Parameters]:
    """NumPy's function → parameters of ours, for those that this NumPy has."""
    found = {}
    for text, names in FUNCTIONS:
        for name in names.split():
            path, _, ours = name.partition("=")
            place, _, last = path.rpartition(".")
            function = getattr(getattr(np, place) if place else np, last, None)
            if function is not None:
                found[function] = Parameters(text, ours or last)
    return found


def _refusal(what: str, operands: Any, advice: str) -> SymbolicValueError:
    shown = list(_variables(operands))[:3]
    return SymbolicValueError(
        f"{what} of a symbolic variable{listing(*shown)}\n{advice}"
    )


def _variables(value: Any) -> Iterator[Variable]:
    if isinstance(value, Variable):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _variables(item)


NO_FUNCTION = (
    "symgraph has no function for it. Use those of symgraph.tensor, or apply NumPy to the "
    "values that a compiled function returns."
)


def array_ufunc(
    self: Variable, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
) -> Any:
    """NumPy's ufunc of variables (and the operator of an array with one) as ours."""
    if any(isinstance(v, CompositeVariable) for v in inputs):
        return NotImplemented
    name = UFUNCS.get(ufunc.__name__, ufunc.__name__)
    if options.pop("out", None) is not None:
        raise _refusal(
            f"numpy.{ufunc.__name__} into an array", inputs,
            "An array cannot hold symbolic values. Write a = a + x, not a += x.",
        )  # fmt: skip
    if ufunc is np.positive and method == "__call__":
        return self
    found = PUBLIC.get(name)
    called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if method != "__call__" or found is None:
        raise _refusal(f"numpy.{called}", inputs, NO_FUNCTION)
    for option, value in options.items():
        if value is not None and not _is_harmless(option, value):
            raise _refusal(f"numpy.{called}, {option}={value!r},", inputs, NO_FUNCTION)
    return found(*inputs)


def array_function(
    self: Variable,
    function: Any,
    types: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> Any:
    """NumPy's function of variables as ours."""
    if function is np.ndim:
        return self.ndim
    name = f"{function.__module__}.{function.__name__}"
    found = _functions().get(function)
    if found is None:
        raise _refusal(name, (*args, *kwargs.values()), NO_FUNCTION)
    operands, options, odd = found.translated(args, kwargs)
    if odd:
        raise _refusal(f"{name} with {odd}", (*args, *kwargs.values()), NO_FUNCTION)
    return PUBLIC[found.name](*operands, **options)


def as_array(self: Variable, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """Raise: a variable has no value while the graph is built. A constant has one."""
    if isinstance(self, Constant):
        made: np.ndarray = np.array(self.data, dtype=dtype, copy=copy or None)
        return made
    raise _refusal(
        "a NumPy array", (self,),
        "Its value is known only when a compiled function runs: use functions of "
        "symgraph.tensor, x.eval(), or w.get_value() of a shared variable.",
    )  # fmt: skip


HANDLERS: Mapping[str, Callable[..., Any]] = {
    "__array_ufunc__": array_ufunc,
    "__array_function__": array_function,
    "__array__": as_array,
}
