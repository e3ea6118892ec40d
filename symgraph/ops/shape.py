"""Extents as values: reading them, computing with them, promising and forgetting them.

An extent is a Python int where it is known, else a 0-d int64 variable. The helpers
(`as_shape`, `add`, `multiply`, ...) fold ints and identities, so that known shapes
never become graph. `inferred_extents` and `extent_key` tell which extents are equal.
Moving data is in ops/movement.py; simplifying extents of compiled graphs is left to
the rewrites.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np

from symgraph.core.digest import digest
from symgraph.core.dtypes import NUMPY, is_discrete, is_integer
from symgraph.core.node import (
    Apply,
    Constant,
    Op,
    Shape,
    Variable,
    as_variable,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import (
    AxisError,
    DtypeError,
    NotSupportedError,
    ShapeError,
)
from symgraph.ops.axes import normalize_axes as normalize_axes
from symgraph.ops.axes import normalize_axis as normalize_axis
from symgraph.ops.families import Cast, Elementwise

Gradients = Sequence[Variable | None]
#: an extent: a known int, or a 0-d int64 variable
AnyExtent = int | Variable


class Extent(Op):
    """out = x.shape[axis], a 0-d int64."""

    axis: int

    name = "extent"
    is_repeated = True
    is_implied = True
    is_inlined = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A 0-d int64."""
        (x,) = inputs
        if not 0 <= self.axis < x.ndim:
            raise AxisError(f"extent: axis {self.axis} of {x.ndim} axes{listing(x)}")
        return (fast_type("int64", ()),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """No axes."""
        return ((),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """Nothing flows through an extent."""
        return (None,)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through an extent."""
        return (False,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Entry of NumPy's shape."""
        return (np.asarray(np.shape(arrays[0])[self.axis], dtype=np.int64),)

    def is_light(self, node: Apply) -> bool:
        """It is known without computing."""
        return True

    def always_fits(self, node: Apply) -> bool:
        """Any shape is taken."""
        return True

    def render(self, parts: list[str]) -> str:
        """x.shape[0]"""
        text = parts[0] if parts[0].isidentifier() else f"({parts[0]})"
        return f"{text}.shape[{self.axis}]"


class MakeVector(Op):
    """out[i] = the i-th input; inputs are 0-d and have the dtype of the vector."""

    dtype: str

    name = "make_vector"
    is_repeated = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A vector with one element for each input."""
        for v in inputs:
            if v.ndim:
                raise ShapeError(
                    f"make_vector: element has {v.ndim} axes, expected a scalar"
                    f"{listing(v)}\nUse stack or concatenate."
                )
            if v.type.dtype != self.dtype:
                raise DtypeError(
                    f"make_vector: element has dtype {v.type.dtype}, expected "
                    f"{self.dtype}{listing(v)}\nCast it first."
                )
        return (fast_type(self.dtype, (len(inputs),)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The number of inputs."""
        return ((len(inputs),),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """Input i gets g[i]."""
        (g,) = gradients
        if g is None or is_discrete(self.dtype):
            return (None,) * len(inputs)
        return tuple(PUBLIC["getitem"](g, i) for i in range(len(inputs)))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's array of the elements."""
        return (np.array([a[()] for a in arrays], dtype=NUMPY[self.dtype]),)

    def is_light(self, node: Apply) -> bool:
        """Its elements are copied."""
        return True

    def always_fits(self, node: Apply) -> bool:
        """Any shape is taken."""
        return True

    def render(self, parts: list[str]) -> str:
        """[a, b, c]"""
        return f"[{', '.join(parts)}]"


class SpecifyShape(Op):
    """out = x, whose static shape is `shape`: None forgets, an int promises an extent.

    A promise about an extent that is unknown is checked when the function runs.
    """

    shape: tuple[int | None, ...]

    name = "specify_shape"
    is_view = True
    is_repeated = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The same dtype, the given shape; a known extent cannot become another."""
        (x,) = inputs
        if len(self.shape) != x.ndim:
            raise ShapeError(
                f"specify_shape: {self.shape} has {len(self.shape)} axes, the operand "
                f"has {x.ndim}{listing(x)}\nGive one entry (int or None) per axis."
            )
        for axis, (told, known) in enumerate(
            zip(self.shape, x.type.shape, strict=True)
        ):
            if told is not None and known is not None and told != known:
                raise ShapeError(
                    f"specify_shape: axis {axis} has extent {known}, not {told}"
                    f"{listing(x)}\nPromise only what holds."
                )
        return (fast_type(x.type.dtype, self.shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """What is promised, else the extents of x."""
        pairs = zip(self.shape, shapes[0], strict=True)
        return (tuple(known if told is None else told for told, known in pairs),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """The gradient unchanged."""
        return (gradients[0],)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The array itself; ShapeError where the promise does not hold."""
        (x,) = arrays
        for axis, told in enumerate(self.shape):
            if told is not None and x.shape[axis] != told:
                raise ShapeError(
                    f"specify_shape: axis {axis} has extent {x.shape[axis]}, "
                    f"promised was {told}"
                )
        return (x,)

    def decompose(self, *inputs: Variable) -> Variable:
        """A reshape for each promise, which checks the number of elements."""
        (x,) = inputs
        out = x
        for axis, told in enumerate(self.shape):
            if told is not None and x.type.shape[axis] is None:
                shape = extents(out)
                out = PUBLIC["reshape"](out, (*shape[:axis], told, *shape[axis + 1 :]))
        return out


# --- extents -----------------------------------------------------------------------


def extent(x: Variable, axis: int) -> AnyExtent:
    """x.shape[axis]: an int where it is known, else a 0-d int64 variable."""
    known = x.type.shape[axis]
    return Extent(axis)(x) if known is None else known


def extents(x: Variable) -> Shape:
    """x.shape as a tuple of extents."""
    return tuple(extent(x, axis) for axis in range(x.ndim))


def static(value: AnyExtent) -> int | None:
    """The extent as an int, or None where it is known only at run time."""
    if isinstance(value, Constant):
        return int(value.data)
    return value if isinstance(value, int) else None


def folded(value: AnyExtent) -> AnyExtent:
    """The extent, as an int where it is a constant."""
    return int(value.data) if isinstance(value, Constant) else value


def static_shape(shape: Iterable[AnyExtent]) -> tuple[int | None, ...]:
    """`static` of each extent."""
    return tuple(map(static, shape))


def variable(value: AnyExtent) -> Variable:
    """The extent as a 0-d int64 variable."""
    return scalar_constant(value, "int64") if isinstance(value, int) else value


def as_extent(value: Any, what: str = "shape", minimum: int = 0) -> AnyExtent:
    """Int, 0-d integer variable or constant as an extent; ints below `minimum` fail."""
    if isinstance(value, np.ndarray | np.generic) and np.ndim(value) == 0:
        value = np.asarray(value).item()
    if isinstance(value, Variable):
        if value.ndim:
            raise ShapeError(
                f"{what}: an extent must be a scalar{listing(value)}\n"
                "Pass a tuple of scalars, or one vector for the whole shape."
            )
        if not is_integer(value.type.dtype):
            raise DtypeError(
                f"{what}: an extent must be an integer{listing(value)}\n"
                "Cast it to int64."
            )
        if not isinstance(value, Constant):
            return PUBLIC["cast"](value, "int64")
        value = int(value.data)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DtypeError(f"{what}: an extent must be an integer, not {value!r}")
    if value < minimum:
        raise ShapeError(
            f"{what}: extent {value} is negative"
            + ("; only -1 has a meaning" if minimum < 0 else "")
        )
    return value


def as_shape(
    value: Any, what: str = "shape", ndim: int | None = None, minimum: int = 0
) -> Shape:
    """Int, scalar, vector, or sequence of ints and scalars as a tuple of extents.

    Parameters
    ----------
    ndim : number of axes, needed for a vector whose length is unknown
    minimum : smallest int that is accepted (-1 where that has a meaning)
    """
    if isinstance(value, Variable) and value.ndim == 1:
        parts: Sequence[Any] = vector_elements(value, what, ndim)
    elif isinstance(value, np.ndarray) and value.ndim == 1:
        parts = list(value)
    elif isinstance(value, list | tuple):
        parts = value
    else:
        parts = (value,)
    if ndim is not None and len(parts) != ndim:
        raise ShapeError(f"{what}: {len(parts)} extents given, but ndim={ndim}")
    return tuple(as_extent(part, what, minimum) for part in parts)


def vector_elements(v: Variable, what: str, ndim: int | None = None) -> list[Any]:
    """The elements of a vector of known length, as ints where they are known."""
    if isinstance(v, Constant):
        return v.data.tolist() if is_integer(v.type.dtype) else [*v.data]
    if v.owner is not None and isinstance(v.owner.op, MakeVector):
        return list(v.owner.inputs)
    length = v.type.shape[0] if v.type.shape[0] is not None else ndim
    if length is None:
        raise ShapeError(
            f"{what}: the vector's length is unknown, so the rank of the result is"
            f"{listing(v)}\nPass ndim=, or a tuple of scalars."
        )
    return [PUBLIC["getitem"](v, i) for i in range(length)]


def add(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    """A + b."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if static(a) == 0:
        return b
    return a if static(b) == 0 else PUBLIC["add"](a, b)


def subtract(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    """A - b; the same variable cancels."""
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    if a is b:
        return 0
    return a if static(b) == 0 else PUBLIC["sub"](a, b)


def multiply(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    """A * b."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if static(a) == 0 or static(b) == 0:
        return 0
    if static(a) == 1:
        return b
    return a if static(b) == 1 else PUBLIC["mul"](a, b)


def offset(value: AnyExtent) -> tuple[AnyExtent, int]:
    """An extent as an expression (0 where it is known) plus a known number."""
    number = 0
    while static(value) is None:
        node = value.owner  # type: ignore[union-attr]
        sign = {"add": 1, "sub": -1}.get(getattr(node and node.op, "scalar", ""))
        known = None if sign is None else static(node.inputs[1])  # type: ignore
        if sign is None or known is None:
            return value, number
        number += sign * known
        value = node.inputs[0]  # type: ignore[union-attr]
    return 0, number + (static(value) or 0)


def floor_divide(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    """A // b; b must not be 0."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    return a if static(b) == 1 else PUBLIC["floor_div"](a, b)


def maximum(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    """The larger one."""
    if isinstance(a, int) and isinstance(b, int):
        return a if a > b else b
    return a if a is b else PUBLIC["maximum"](a, b)


def negate(a: AnyExtent) -> AnyExtent:
    """-a."""
    return -a if isinstance(a, int) else PUBLIC["neg"](a)


def product(shape: Iterable[AnyExtent]) -> AnyExtent:
    """Product of extents, ints gathered first; 1 for none."""
    known, rest = 1, []
    for value in shape:
        number = static(value)
        if number is None:
            rest.append(value)
        else:
            known *= number
    result: AnyExtent = known
    for value in rest:
        result = value if static(result) == 1 else multiply(value, result)
    return result


def total(shape: Iterable[AnyExtent]) -> AnyExtent:
    """Sum of extents; 0 for none."""
    result: AnyExtent = 0
    for value in shape:
        result = add(result, value)
    return result


_SIGN_KEEPING = ("add", "mul", "floordiv", "broadcast_extent", "minimum")


def is_never_negative(value: AnyExtent) -> bool:
    """Whether an extent expression cannot be below 0, whatever the shapes are."""
    if not isinstance(value, Variable):
        return value >= 0
    stack = [value]
    while stack:
        current = stack[-1]
        node, number = current.owner, static(current)
        name = getattr(node.op, "scalar", "") if node is not None else ""
        if "_not_negative" not in current.__dict__:
            if number is not None:
                known = number >= 0
            elif node is None or name not in (*_SIGN_KEEPING, "maximum"):
                known = node is not None and isinstance(node.op, Extent)
            else:
                waiting = [v for v in node.inputs if "_not_negative" not in v.__dict__]
                if waiting:
                    stack += waiting
                    continue
                parts = [v.__dict__["_not_negative"] for v in node.inputs]
                known = any(parts) if name == "maximum" else all(parts)
            current.__dict__["_not_negative"] = known
        stack.pop()
    return bool(value.__dict__["_not_negative"])


# --- equal extents -----------------------------------------------------------------


def inferred_extents(x: Variable) -> Shape:
    """Extents of x in terms of the leaves it is computed from.

    The result is kept with the variable; each node of a graph is visited once.
    """
    stack = [x]
    while stack:
        v = stack[-1]
        node = v.owner
        if node is None or "_extents" in v.__dict__:
            stack.pop()
            continue
        waiting = [
            i
            for i in node.inputs
            if i.owner is not None and "_extents" not in i.__dict__
        ]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        try:
            found = node.op.extents_of(node, list(map(_extents_now, node.inputs)))
        except (NotImplementedError, NotSupportedError):
            found = tuple(extents(out) for out in node.outputs)
        for out, told in zip(node.outputs, found, strict=True):
            out.__dict__["_extents"] = tuple(
                new if known is None else known
                for known, new in zip(out.type.shape, told, strict=True)
            )
    return _extents_now(x)


def _extents_now(x: Variable) -> Shape:
    found = x.__dict__.get("_extents")
    return extents(x) if found is None else found


def extent_key(value: AnyExtent) -> Any:
    """Equal keys mean equal extents; variables that are built alike have one key.

    A known extent is its own key. That of an expression is a digest of its function and
    the keys of its operands, kept with the variable: expressions share their parts, and
    written out they may be longer than memory.
    """
    number = static(value)
    if number is not None:
        return number
    assert isinstance(value, Variable)
    stack = [value]
    while stack:
        current = stack[-1]
        if "_extent_key" not in current.__dict__:
            waiting = [
                v
                for v in _key_parts(current)
                if isinstance(v, Variable)
                and "_extent_key" not in v.__dict__
                and static(v) is None
            ]
            if waiting:
                stack += waiting
                continue
            current.__dict__["_extent_key"] = _key_of(current)
        stack.pop()
    return value.__dict__["_extent_key"]


def _key_parts(value: Variable) -> Sequence[AnyExtent]:
    """What the key of an extent is made of; nothing where it is a key of its own."""
    node = value.owner
    if node is None:
        return ()
    if isinstance(node.op, Extent):
        x = node.inputs[0]
        if x.owner is None:
            return ()
        found = inferred_extents(x)[node.op.axis]
        if isinstance(found, Variable) and found.owner is not None:
            if isinstance(found.owner.op, Extent) and found.owner.inputs[0] is x:
                return ()
        return (found,)
    return node.inputs if isinstance(node.op, Elementwise | Cast) else ()


def _key_of(value: Variable) -> Any:
    """The key, from those of the parts."""
    keys = [
        v.__dict__["_extent_key"] if static(v) is None else static(v)
        for v in _key_parts(value)
    ]
    node = value.owner
    if node is not None and isinstance(node.op, Extent):
        return keys[0] if keys else (node.op, node.inputs[0])
    if node is None or not keys:
        return value
    made = digest(repr((node.op, *map(_written_key, keys))).encode()).digest()
    return _LateKey(made) if any(map(is_late_key, keys)) else made


class _LateKey(bytes):
    """The digest of an expression that reads what the function computes from data."""

    __slots__ = ()


def is_late_key(key: Any) -> bool:
    """Whether the extent of a key depends on values that the function computes."""
    variable = key[1] if isinstance(key, tuple) else key
    if isinstance(variable, Variable):
        return variable.owner is not None
    return isinstance(key, _LateKey)


_serial = count()


def _written_key(key: Any) -> Any:
    """A key as what `repr` tells apart: variables by numbers that are given out once."""
    op, variable = key if isinstance(key, tuple) else (None, key)
    if not isinstance(variable, Variable):
        return key
    if "_serial" not in variable.__dict__:
        variable.__dict__["_serial"] = next(_serial)
    return op, "variable", variable.__dict__["_serial"]


def factors(value: AnyExtent) -> tuple[int, list[Variable]]:
    """An extent as a product of one int and variables."""
    product_of, found, stack = 1, [], [value]
    while stack:
        current = stack.pop()
        number = static(current)
        if number is not None:
            product_of *= number
            continue
        assert isinstance(current, Variable)
        node = current.owner
        if node is not None and isinstance(node.op, Extent) and node.inputs[0].owner:
            below = inferred_extents(node.inputs[0])[node.op.axis]
            if extent_key(below) != (node.op, node.inputs[0]):
                stack.append(below)
                continue
        if node is not None and node.op == Elementwise("mul"):
            stack += reversed(node.inputs)
        else:
            found.append(current)
    return product_of, found


# --- public functions --------------------------------------------------------------


@public
def shape(x: Any) -> Variable:
    """out[i] = extent of axis i of x, an int64 vector.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.matrix("x").shape.type
    int64 (2,)
    """
    x = as_variable(x)
    return MakeVector("int64")(*map(variable, extents(x)))


@public
def size(x: Any) -> Variable:
    """Number of elements of x, a 0-d int64."""
    return variable(product(extents(as_variable(x))))
