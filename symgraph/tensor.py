"""``import symgraph.tensor as T``: what users build expressions with.

Constructors of variables live here; every public function of ops/ is found under its
name (``T.exp``, ``T.dot``, ``T.concatenate``), as listed by ``dir(T)``. Functions of
neural networks are in ``T.nnet``. Importing this module loads all ops.
"""

import builtins
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

# operators of variables, then the ops: each file registers its functions
import symgraph.core.operators
import symgraph.ops.arithmetic
import symgraph.ops.arrange
import symgraph.ops.broadcast
import symgraph.ops.comparison
import symgraph.ops.complex
import symgraph.ops.contraction
import symgraph.ops.conv_api
import symgraph.ops.creation
import symgraph.ops.cumulative
import symgraph.ops.diagonal
import symgraph.ops.einsum
import symgraph.ops.epilogue
import symgraph.ops.exponential
import symgraph.ops.gemm
import symgraph.ops.getitem
import symgraph.ops.gradient
import symgraph.ops.indexing
import symgraph.ops.joining
import symgraph.ops.linalg_eigen
import symgraph.ops.linalg_norm
import symgraph.ops.linalg_qr
import symgraph.ops.linalg_tensor
import symgraph.ops.masks
import symgraph.ops.movement
import symgraph.ops.normalization
import symgraph.ops.padding
import symgraph.ops.piecewise
import symgraph.ops.pool_api
import symgraph.ops.positions
import symgraph.ops.quantiles
import symgraph.ops.reduction
import symgraph.ops.shape
import symgraph.ops.sorting
import symgraph.ops.special
import symgraph.ops.specify
import symgraph.ops.statistics
import symgraph.ops.take_along_axis
import symgraph.ops.trigonometric  # noqa: F401
from symgraph.config import config
from symgraph.core.dtypes import DTYPES, canonical
from symgraph.core.node import Constant, Variable, as_variable, constant_of, listing
from symgraph.core.public import PUBLIC
from symgraph.core.shared import SharedVariable, shared
from symgraph.core.types import StaticShape, TensorType
from symgraph.errors import ArgumentError, ConversionError, ShapeError
from symgraph.ops import linalg as _linalg
from symgraph.ops import namespaces as _namespaces
from symgraph.ops.comparison import alias
from symgraph.ops.families import Elementwise
from symgraph.ops.families import cast as cast
from symgraph.ops.grids import mgrid, ogrid
from symgraph.ops.movement import dimshuffle as dimshuffle
from symgraph.ops.random import RandomStreams

if TYPE_CHECKING:  # what `__getattr__` finds, and the constructors made below
    from symgraph.ops.functions import *  # noqa: F403

linalg = _linalg.linalg
nlinalg = _linalg.nlinalg
slinalg = _linalg.slinalg
nnet = _namespaces.nnet
extra_ops = _namespaces.extra_ops
signal = _namespaces.signal
TensorVariable = Variable
TensorConstant = Constant
TensorSharedVariable = SharedVariable
Elemwise = Elementwise
alias(cast, "astype")

#: prefix of a constructor → dtype; no prefix is ``config.floatX``
PREFIXES = {
    "b": "int8", "w": "int16", "i": "int32", "l": "int64",
    "f": "float32", "d": "float64", "c": "complex64", "z": "complex128",
}  # fmt: skip
#: constructor → static shape of what it makes
RANKS: dict[str, StaticShape] = {
    "scalar": (),
    "vector": (None,),
    "matrix": (None, None),
    "row": (1, None),
    "col": (None, 1),
    "tensor3": (None,) * 3,
    "tensor4": (None,) * 4,
    "tensor5": (None,) * 5,
}
PLURALS = {
    "scalar": "scalars", "vector": "vectors", "matrix": "matrices", "row": "rows",
    "col": "cols", "tensor3": "tensor3s", "tensor4": "tensor4s", "tensor5": "tensor5s",
}  # fmt: skip


def _make(
    kind: str, name: str | None, dtype: Any, extents: Sequence[int | None] | None
) -> Variable:
    default = RANKS[kind]
    if name is not None and not isinstance(name, str):
        raise ArgumentError(
            f"{kind}: the first argument is a name, not {name!r}; use dtype= or shape="
        )
    made = TensorType(
        config.floatX if dtype is None else dtype,
        default if extents is None else tuple(extents),
    )
    if made.ndim != len(default):
        raise ShapeError(
            f"{kind}: shape={made.shape} has {made.ndim} axes, expected {len(default)}"
        )
    if _differs(default, made.shape):
        raise ShapeError(f"{kind}: shape={made.shape} does not agree with {default}")
    return made(name)


def _differs(default: StaticShape, given: StaticShape) -> bool:
    pairs = zip(default, given, strict=True)
    return builtins.any(fixed is not None and fixed != e for fixed, e in pairs)


def scalar(name: str | None = None, dtype: Any = None) -> Variable:
    """Make a variable without axes; its dtype is ``config.floatX`` unless given.

    ``bscalar wscalar iscalar lscalar fscalar dscalar cscalar zscalar`` have the dtypes
    int8, int16, int32, int64, float32, float64, complex64 and complex128; so it is with
    all constructors.

    Examples
    --------
    >>> scalar("x"), iscalar("n").type
    (x, int32 ())
    """
    return _make("scalar", name, dtype, None)


def vector(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a variable with one axis.

    Parameters
    ----------
    name : shown in printouts and error texts
    dtype : ``config.floatX`` unless given
    shape : extents that are known, None where they are not

    Examples
    --------
    >>> vector("x", shape=(3,)).type
    float64 (3,)
    """
    return _make("vector", name, dtype, shape)


def matrix(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a variable with two axes; arguments as for `vector`.

    Examples
    --------
    >>> matrix("x", "float32", shape=(None, 784)).type
    float32 (None, 784)
    """
    return _make("matrix", name, dtype, shape)


def row(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a matrix with one row, which broadcasts; arguments as for `vector`."""
    return _make("row", name, dtype, shape)


def col(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a matrix with one column, which broadcasts; arguments as for `vector`."""
    return _make("col", name, dtype, shape)


def tensor3(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a variable with three axes; arguments as for `vector`."""
    return _make("tensor3", name, dtype, shape)


def tensor4(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a variable with four axes; arguments as for `vector`."""
    return _make("tensor4", name, dtype, shape)


def tensor5(
    name: str | None = None,
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
) -> Variable:
    """Make a variable with five axes; arguments as for `vector`."""
    return _make("tensor5", name, dtype, shape)


def tensor(
    first: str | None = None,
    shape: Sequence[int | bool | None] | None = None,
    name: str | None = None,
    *,
    dtype: Any = None,
    broadcastable: Sequence[bool] | None = None,
) -> Variable:
    """Make a variable of any rank.

    Parameters
    ----------
    first : a dtype, as in Theano's ``tensor(dtype, broadcastable, name)``; else a name
    shape : one entry per axis, an int, None, or Theano's True (extent 1) and False

    Examples
    --------
    >>> tensor("float32", (False, True)).type, tensor("x", shape=(2, None)).type
    (float32 (None, 1), float64 (2, None))
    """
    if first is not None:
        if dtype is None and (name is not None or first in (*DTYPES, "floatX")):
            dtype = first
        elif name is None:
            name = first
        else:
            raise ArgumentError(f"tensor: two names or dtypes, {first!r} and {name!r}")
    if shape is None and broadcastable is None:
        raise ArgumentError("tensor: give shape= or broadcastable=")
    kind = config.floatX if dtype is None else dtype
    return TensorType(kind, shape, broadcastable=broadcastable)(name)


def _plural(one: Callable[..., Variable], many: str) -> Callable[..., Any]:
    def make(*names: Any, dtype: Any = None) -> Any:
        options = {} if dtype is None else {"dtype": dtype}
        if len(names) == 1 and isinstance(names[0], int):
            return [one(None, **options) for _ in range(names[0])]
        if len(names) == 1:
            names = tuple(names[0])
        if not names:
            raise ArgumentError(
                f"{many}: give names, one string of letters, or a number"
            )
        made = [one(name, **options) for name in names]
        return made[0] if len(made) == 1 else made

    make.__name__ = make.__qualname__ = many
    make.__doc__ = f"""Make several variables at once, each as by `{one.__name__}`.

    Names as arguments, one string with a letter for each, or a number of unnamed ones.
    A list comes back; for a single letter the variable itself, as in Theano.
    """
    return make


def _prefixed(kind: str, prefix: str) -> Callable[..., Variable]:
    dtype = PREFIXES[prefix]
    if kind == "scalar":

        def make(name: str | None = None) -> Variable:
            return _make(kind, name, dtype, None)

    else:

        def make(  # type: ignore[misc]
            name: str | None = None, shape: Sequence[int | None] | None = None
        ) -> Variable:
            return _make(kind, name, dtype, shape)

    make.__name__ = make.__qualname__ = prefix + kind
    make.__doc__ = f"As `{kind}`, of dtype {dtype}."
    return make


def _constructors() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for kind, many in PLURALS.items():
        found[many] = _plural(globals()[kind], many)
        for prefix in PREFIXES:
            one = found[prefix + kind] = _prefixed(kind, prefix)
            found[prefix + many] = _plural(one, prefix + many)
    return found


_CONSTRUCTORS = _constructors()
globals().update(_CONSTRUCTORS)

# --- values ------------------------------------------------------------------------


def as_tensor_variable(
    x: Any, name: str | None = None, ndim: int | None = None
) -> Variable:
    """Number, array, list (of variables too) or variable as a variable.

    Parameters
    ----------
    name : of a constant that is made
    ndim : new axes of extent 1 are put in front until there are so many

    Examples
    --------
    >>> as_tensor_variable([1.0, 2.0]).type, as_tensor_variable(3, ndim=2).type
    (float64 (2,), int8 (1, 1))
    """
    made = as_variable(x)
    if made is not x and name is not None:
        made.name = name
    return _with_rank(made, ndim, "as_tensor_variable")


as_tensor = as_tensor_variable


def constant(
    x: Any, name: str | None = None, ndim: int | None = None, dtype: Any = None
) -> Constant:
    """Make a constant of a number, an array or a nested list of numbers.

    Python ints take the smallest integer dtype, floats ``config.floatX``.

    Examples
    --------
    >>> constant(3).type, constant(300).type, constant(2.5, dtype="float32").type
    (int8 (), int16 (), float32 ())
    """
    if isinstance(x, Variable) and not isinstance(x, Constant):
        raise ConversionError(
            f"constant: a variable is no constant{listing(x)}\nUse as_tensor_variable."
        )
    made = as_variable(x, None if dtype is None else canonical(dtype))
    if not isinstance(made, Constant):
        raise ConversionError(f"constant: {x!r} holds variables; use stack")
    data = made.data
    if ndim is not None:
        if ndim < data.ndim:
            raise ShapeError(f"constant: ndim={ndim} is less than the rank {data.ndim}")
        data = data.reshape((1,) * (ndim - data.ndim) + data.shape)
    return constant_of(data, None if dtype is None else canonical(dtype), name)


def _with_rank(x: Variable, ndim: int | None, what: str) -> Variable:
    if ndim is None or ndim == x.ndim:
        return x
    if ndim < x.ndim:
        raise ShapeError(f"{what}: ndim={ndim} is less than the rank{listing(x)}")
    if isinstance(x, Constant):
        return constant(x, x.name, ndim)
    return dimshuffle(x, *["x"] * (ndim - x.ndim), *range(x.ndim))


# --- names -------------------------------------------------------------------------


if not TYPE_CHECKING:  # a checker shall know which names there are

    def __getattr__(name: str) -> Any:
        """Public functions of ops/ (and of floors above that are loaded)."""
        found = PUBLIC.get(name)
        if found is None:
            near = get_close_matches(name, __dir__(), 3)
            cure = f"; did you mean {', '.join(near)}?" if near else ""
            raise AttributeError(f"symgraph.tensor has no {name!r}{cure}")
        return found


def __dir__() -> list[str]:
    return sorted({*__all__, *PUBLIC})


__all__ = [
    "PREFIXES", "RandomStreams", "TensorConstant", "TensorSharedVariable", "TensorType",
    "TensorVariable", "Variable", "as_tensor", "as_tensor_variable", "constant",
    "extra_ops", "linalg", "mgrid", "nlinalg", "nnet", "ogrid", "shared", "signal",
    "slinalg", "tensor", *RANKS, *_CONSTRUCTORS,
    *(name for name in PUBLIC if name.isidentifier() and name not in _CONSTRUCTORS),
]  # fmt: skip
