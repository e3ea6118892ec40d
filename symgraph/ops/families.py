"""Elementwise ops from one description, and what every elementwise op shares.

A `Scalar` record says all there is to know of an elementwise function: its dtype rule,
its value (a primitive of the Kernel IR, or a body built from primitives), its NumPy
reference and its derivative. `Elementwise` is the op that applies one to tensors, with
NumPy's broadcasting. Shape, fusion, printing and code of every backend follow from it.

Bodies are written once: ``body(m, x, ...)`` gets a namespace `m` of primitives and
operands that understand Python operators. With NumPy arrays it is the reference; with
Kernel IR operands it is the code. Derivatives see ``g`` (gradient of the output), ``y``
(the output), then the inputs, and give one entry per input; broadcasting is undone
centrally by autodiff/reverse.py.
"""

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from symgraph.core.dtypes import (
    NUMPY,
    canonical,
    is_complex,
    is_discrete,
    is_float,
    real_dtype,
    to_float,
    upcast,
)
from symgraph.core.node import (
    Apply,
    Constant,
    Extent,
    Op,
    Shape,
    Variable,
    as_operands,
    as_variable,
    constant_of,
    listing,
)
from symgraph.core.primitives import PRIMITIVES, is_cheap_body
from symgraph.core.public import public
from symgraph.core.record import Record
from symgraph.core.sizes import Sizes
from symgraph.core.types import StaticShape, TensorType, broadcast_shapes, fast_type
from symgraph.errors import DtypeError, GradientError, ShapeError

#: dtypes of the operands → (dtypes they are cast to, dtype of the result)
DtypeRule = Callable[[tuple[str, ...]], tuple[tuple[str, ...], str]]
Gradient = Callable[..., Sequence[Variable | None]]


class Scalar(Record):
    """An elementwise function.

    Attributes
    ----------
    name : of the op; for a primitive, the primitive's name
    arity : number of operands
    dtypes : the dtype rule
    numpy : reference, called with arrays of the cast dtypes
    body : ``body(m, *operands)`` in primitives, or None for a primitive
    grad : the derivative rule, or None where nothing flows (a step function)
    comparison : whether it is one of < <= > >= (its truth value is refused)
    cheap : whether it is computed again rather than stored; None: as its primitives are
    """

    name: str
    arity: int
    dtypes: DtypeRule
    numpy: Callable[..., Any]
    body: Callable[..., Any] | None = None
    grad: Gradient | None = None
    comparison: bool = False
    cheap: bool | None = None

    @property
    def is_cheap(self) -> bool:
        """Whether computing it again costs about as much as loading its value."""
        found = self.__dict__.get("_is_cheap", self.cheap)
        if found is None:
            if self.body is not None:
                found = is_cheap_body(self.body, self.arity)
            else:
                found = self.name in PRIMITIVES and PRIMITIVES[self.name].cheap
            self.__dict__["_is_cheap"] = found
        return bool(found)


SCALARS: dict[str, Scalar] = {}


# --- dtype rules -------------------------------------------------------------------


def arithmetic(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """All operands and the result have the promoted dtype."""
    common = upcast(*dtypes)
    return (common,) * len(dtypes), common


def floating(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """As `arithmetic`, integers become floats (int8, int16: float32, wider: float64)."""
    common = to_float(upcast(*dtypes))
    return (common,) * len(dtypes), common


def real_floating(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """As `floating`; complex operands are refused."""
    common = to_float(upcast(*dtypes))
    if is_complex(common):
        raise DtypeError("it is not defined for complex numbers")
    return (common,) * len(dtypes), common


def comparing(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Operands are promoted, the result is bool."""
    common = upcast(*dtypes)
    return (common,) * len(dtypes), "bool"


def testing(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Operands keep their dtype, the result is bool."""
    return dtypes, "bool"


def keeping(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """One operand; the result has its dtype."""
    return dtypes, dtypes[0]


def modulus(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """One operand; the result has its dtype, or that of the parts of a complex."""
    return dtypes, real_dtype(dtypes[0])


def bitwise(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Integers or bools, promoted."""
    common = upcast(*dtypes)
    if not is_discrete(common):
        if all(map(is_discrete, dtypes)):
            raise DtypeError(
                f"{' and '.join(dtypes)} have no integer dtype in common; cast one of them"
            )
        raise DtypeError("it is defined for integers and bools only")
    return (common,) * len(dtypes), common


def choosing(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """A condition, then operands that are promoted among themselves."""
    common = upcast(*dtypes[1:])
    return ("bool", *(common,) * (len(dtypes) - 1)), common


# --- the ops -----------------------------------------------------------------------


def broadcast_static(op: object, inputs: Sequence[Variable]) -> StaticShape:
    """Static shape of the broadcast of operands; ShapeError names them."""
    if len(inputs) == 1:
        return inputs[0].type.shape
    try:
        return broadcast_shapes([v.type.shape for v in inputs])
    except ValueError as error:
        raise ShapeError(
            f"{op}: shapes do not broadcast together, {error}{listing(*inputs)}\n"
            "Axes are aligned from the last one; extents must be equal or 1. "
            "Reshape, transpose or dimshuffle one operand."
        ) from None


def broadcast_extents_of(shapes: Sequence[Shape], ndim: int) -> Shape:
    """Extents of the broadcast of operands with these extents.

    Where two unknown extents meet, the result is ``broadcast_extent(a, b)``: b where a
    is 1, else a.
    """
    result: list[Extent] = []
    for axis in range(-ndim, 0):
        found: Extent = 1
        for shape in shapes:
            if -axis > len(shape):
                continue
            extent = shape[axis]
            if isinstance(extent, Constant):
                extent = int(extent.data)
            if isinstance(extent, int):
                if extent != 1:
                    found = extent
                    break
            elif found == 1 and isinstance(found, int):
                found = extent
            elif found is not extent:
                found = Elementwise("broadcast_extent")(found, extent)
        result.append(found)
    return tuple(result)


class Elementwise(Op):
    """out[i] = f(x[i], y[i], ...) with NumPy's broadcasting; f is a `Scalar`."""

    scalar: str

    name = "elementwise"
    is_fused = True

    @property
    def symbol(self) -> str:
        """Name of the scalar function, for printing."""
        return self.scalar

    @property
    def is_comparison(self) -> bool:
        """Whether the truth of the result must not be asked while building."""
        return SCALARS[self.scalar].comparison

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Promoted dtype and broadcast shape; operands must be cast already."""
        scalar = SCALARS[self.scalar]
        dtypes = tuple(v.type.dtype for v in inputs)
        wanted, result = scalar.dtypes(dtypes)
        if wanted != dtypes or len(inputs) != scalar.arity:
            raise DtypeError(
                f"{self.scalar}: operands have dtypes {dtypes}, expected {wanted}"
                f"{listing(*inputs)}"
            )
        return (fast_type(result, broadcast_static(self.scalar, inputs)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The broadcast of the operands' extents."""
        return (broadcast_extents_of(shapes, max(map(len, shapes))),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """The scalar rule, elementwise; the caller undoes broadcasting."""
        rule = SCALARS[self.scalar].grad
        if rule is None or gradients[0] is None:
            return (None,) * len(inputs)
        return rule(gradients[0], outputs[0], *inputs)

    def connection(self) -> tuple[bool, ...] | None:
        """Nothing flows through a step function."""
        scalar = SCALARS[self.scalar]
        return (False,) * scalar.arity if scalar.grad is None else None

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The scalar's NumPy function."""
        scalar = SCALARS[self.scalar]
        _, result = scalar.dtypes(tuple(a.dtype.name for a in arrays))
        with np.errstate(all="ignore"):
            return (
                np.asarray(scalar.numpy(*arrays)).astype(NUMPY[result], copy=False),
            )

    def is_light(self, node: Apply) -> bool:
        """As the scalar function is; powers that are known become products."""
        known = isinstance(node.inputs[-1], Constant)
        return SCALARS[self.scalar].is_cheap or (self.scalar == "pow" and known)

    def require(self, sizes: Sizes) -> None:
        """Extents that meet are equal, or 1."""
        ndim = max(map(len, sizes.shapes))
        for axis in range(-ndim, 0):
            first: int | None = None
            for i, shape in enumerate(sizes.shapes):
                if -axis > len(shape) or shape[axis] == sizes.one:
                    continue
                if first is None:
                    first = i
                elif sizes.shapes[first][axis] != shape[axis]:
                    extents = sizes.shapes[first][axis], shape[axis]
                    sizes.equal(*extents, (first, i), axis + ndim, broadcast=True)

    def __str__(self) -> str:
        return self.scalar


def is_cheap(op: Op) -> bool:
    """Whether an op is elementwise and costs about as much as loading its operands."""
    if isinstance(op, Elementwise):
        return SCALARS[op.scalar].is_cheap
    return isinstance(op, Cast)


class Cast(Op):
    """out[i] = x[i] converted to `dtype`, as NumPy's astype."""

    dtype: str

    name = "cast"
    is_fused = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Same shape, the new dtype."""
        (x,) = inputs
        if is_complex(x.type.dtype) and not is_complex(self.dtype):
            raise DtypeError(
                f"cast of complex numbers to {self.dtype} would lose the imaginary "
                f"part{listing(x)}\nTake real(x), imag(x) or abs(x)."
            )
        return (fast_type(self.dtype, x.type.shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Unchanged."""
        return (shapes[0],)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """The gradient cast back; nothing flows through integers and bools."""
        (x,), (g,) = inputs, gradients
        if g is None or is_discrete(x.type.dtype) or is_discrete(self.dtype):
            return (None,)
        if is_complex(self.dtype) and is_float(x.type.dtype):
            return (cast(Elementwise("real")(g), x.type.dtype),)
        return (cast(g, x.type.dtype),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's astype."""
        with np.errstate(all="ignore"):
            return (np.asarray(arrays[0]).astype(NUMPY[self.dtype]),)

    def is_light(self, node: Apply) -> bool:
        """One conversion for each element."""
        return True

    def always_fits(self, node: Apply) -> bool:
        """Any shape is taken."""
        return True

    def render(self, parts: list[str]) -> str:
        """float32(x)"""
        return f"{self.dtype}({parts[0]})"


@public
def cast(x: Any, dtype: Any) -> Variable:
    """out = x converted to `dtype` (a name, "floatX" included), as NumPy's astype.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.cast(T.ivector("i"), "float32").type
    float32 (None,)
    """
    from_ = as_variable(x)
    name = canonical(dtype)
    if from_.type.dtype == name:
        return from_
    if isinstance(from_, Constant):
        _ = Cast(name).infer(from_)
        with np.errstate(all="ignore"):
            return constant_of(from_.data.astype(NUMPY[name]), None, from_.name)
    return Cast(name)(from_)


def apply_scalar(name: str, *values: Any) -> Variable:
    """Apply a `Scalar` to anything: converts, promotes, casts, builds the node."""
    scalar = SCALARS[name]
    if len(values) != scalar.arity:
        raise TypeError(f"{name} takes {scalar.arity} operands, {len(values)} given")
    operands = as_operands(*values)
    dtypes = tuple([v.type.dtype for v in operands])
    try:
        wanted, _ = scalar.dtypes(dtypes)
    except DtypeError as error:
        raise DtypeError(f"{name}: {error}{listing(*operands)}") from None
    if wanted != dtypes:
        operands = tuple(
            v if v.type.dtype == dtype else cast(v, dtype)
            for v, dtype in zip(operands, wanted, strict=True)
        )
    return elementwise(name).make(*operands)[0]


@functools.cache
def elementwise(name: str) -> Elementwise:
    """The one `Elementwise` of a scalar function."""
    return Elementwise(name)


def define(
    name: str,
    arity: int,
    dtypes: DtypeRule,
    numpy: Callable[..., Any] | None = None,
    *,
    body: Callable[..., Any] | None = None,
    grad: Gradient | None = None,
    comparison: bool = False,
    cheap: bool | None = None,
) -> Scalar:
    """Register a `Scalar`. Without `numpy`, the body on NumPy arrays is the reference."""
    if name in SCALARS:
        raise ValueError(f"a scalar function {name!r} is registered already")
    if numpy is None:
        if body is None:
            raise ValueError(f"{name}: a primitive needs its NumPy reference")
        numpy = _reference_of(body)
    made = Scalar(name, arity, dtypes, numpy, body, grad, comparison, cheap)
    SCALARS[name] = made
    return made


def _reference_of(body: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: body(NUMPY_PRIMITIVES, *arrays)


class _NumpyPrimitives(SimpleNamespace):
    """The namespace `m` of a body that is evaluated on NumPy arrays.

    Primitives are the `numpy` of the `Scalar` of the same name.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        scalar = SCALARS.get(name)
        if scalar is None or scalar.body is not None:
            raise AttributeError(f"{name!r} is not a primitive")
        return scalar.numpy


NUMPY_PRIMITIVES = _NumpyPrimitives()


def no_gradient(name: str) -> Gradient:
    """A derivative rule for functions that have one which is not implemented."""

    def rule(*_: Any) -> Sequence[Variable | None]:
        raise GradientError(f"{name} has no gradient; wrap it in disconnected_grad")

    return rule


define("broadcast_extent", 2, arithmetic, body=lambda m, a, b: m.where(a == 1, b, a))
# a copy in contiguous memory, which lower/prepare.py puts in where layout matters
define(
    "materialize",
    1,
    keeping,
    body=lambda m, x: x,
    grad=lambda g, y, x: (g,),
    cheap=False,
)
