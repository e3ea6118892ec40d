"""Generated calls of elementwise functions and of reductions."""

from typing import Any

import numpy as np
import samples
import samples_structure  # noqa: F401  fills structure.ORACLES
import structure
from generated import Case, arrays, extents, family, known_for, shapes
from hypothesis import strategies as st

from symgraph.core.public import PUBLIC
from symgraph.errors import ShapeError

#: relative error against SciPy where formulas lose digits
ROUGH = 1e-9
DTYPES = ("float64", "int64", "bool", "complex128")


def _calls() -> list[tuple[str, int, tuple[str, ...]]]:
    """(function, number of operands, dtypes it takes) of the samples."""
    found = []
    for name, some in samples.SAMPLES.items():
        if name in ("polygamma", "grad_clip", "allclose"):
            continue
        for arity in (1, 2, 3):
            dtypes = tuple(
                dtype
                for dtype in DTYPES
                if any(
                    len(s.args) == arity
                    and s.error is None
                    and all(getattr(a, "dtype", None) == dtype for a in s.args)
                    for s in some
                )
            )
            if dtypes:
                found.append((name, arity, dtypes))
    return found


CALLS = _calls()


@st.composite
def broadcast(draw: Any, count: int) -> list[tuple[int, ...]]:
    """Shapes of operands that broadcast together."""
    whole = draw(shapes())
    found = []
    for _ in range(count):
        rank = draw(st.integers(0, len(whole)))
        own = whole[len(whole) - rank :]
        found.append(tuple(n if draw(st.booleans()) else 1 for n in own))
    return found


@family("elementwise", 600, 4)
@st.composite
def elementwise(draw: Any) -> Case:
    """A function with operands that broadcast."""
    name, arity, dtypes = draw(st.sampled_from(CALLS))
    dtype = draw(st.sampled_from(dtypes))
    special = ("plain",) if dtype == "complex128" else ("plain", "special")
    some = [draw(arrays(s, dtype, special)) for s in draw(broadcast(arity))]
    if name in ("left_shift", "right_shift"):
        some[1] = np.abs(some[1]) % 7 if dtype == "int64" else some[1]
    if name == "power" and dtype == "int64":
        some[1] = np.abs(some[1])
    function = PUBLIC[name]
    made = function(*(np.zeros((), dtype) for _ in some))
    first = made[0] if isinstance(made, tuple) else made

    result = first.type.dtype

    def oracle(*operands: np.ndarray) -> Any:
        # integers become float64 there, while NumPy has float16 for small ones
        counted = dtype in ("bool", "int64") and result[0] == "f"
        if counted or (dtype == "bool" and name in ("add", "mul", "power")):
            wide = "float64" if counted else result
            operands = tuple(a.astype(wide) for a in operands)
        return samples.ORACLES[name](*operands)

    return Case(
        name, tuple(some), draw(known_for(*some)), function, oracle,
        1e-5 if result == "float32" else ROUGH,
    )  # fmt: skip


REDUCTIONS = (
    "sum", "prod", "max", "min", "all", "any", "argmax", "argmin", "mean", "var", "std",
    "ptp", "logsumexp",
)  # fmt: skip
#: refuse to reduce nothing
NEED_ELEMENTS = {"max", "min", "argmax", "argmin", "ptp"}


def _logsumexp(x: np.ndarray, axis: Any, keepdims: bool) -> Any:
    with np.errstate(divide="ignore"):  # of nothing it is -inf
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


@st.composite
def axes(draw: Any, ndim: int) -> Any:
    """None, one axis, or several; counted from either end."""
    if ndim == 0 or draw(st.integers(0, 3)) == 0:
        return None
    chosen = draw(st.lists(st.integers(0, ndim - 1), min_size=1, unique=True))
    signed = [a - ndim if draw(st.booleans()) else a for a in chosen]
    return signed[0] if len(signed) == 1 and draw(st.booleans()) else tuple(signed)


@family("reduction", 400, 4)
@st.composite
def reduction(draw: Any) -> Case:
    """A reduction over any axes."""
    name = draw(st.sampled_from(REDUCTIONS))
    shape = draw(shapes())
    whole = ("bool", "int64", "int8") if name not in ("logsumexp", "ptp") else ()
    dtype = draw(st.sampled_from(("float64", "float64", *whole)))
    smooth = dtype == "float64" and name not in (
        "std",
        "all",
        "any",
        "argmax",
        "argmin",
    )
    smooth = smooth and bool(draw(st.booleans())) and 0 not in shape
    kinds = ("distinct",) if smooth else ("plain", "special")
    x = draw(arrays(shape, dtype, ("plain",) if name == "prod" else kinds))
    axis, keepdims = draw(axes(len(shape))), draw(st.booleans())
    error = None
    chosen = range(len(shape)) if axis is None else np.atleast_1d(axis)
    if name in NEED_ELEMENTS and any(shape[a] == 0 for a in chosen):
        error = ShapeError
    oracle = _logsumexp if name == "logsumexp" else structure.ORACLES[name]
    return Case(
        f"{name}(axis={axis}, keepdims={keepdims})",
        (x,),
        draw(known_for(x)),
        lambda v: PUBLIC[name](v, axis=axis, keepdims=keepdims),
        lambda a: oracle(a, axis=axis, keepdims=keepdims),
        1e-5 if name in ("mean", "var", "std") and dtype == "int8" else 1e-11,
        error,
        smooth,
    )


@family("creation", 200, 1)
@st.composite
def creation(draw: Any) -> Case:
    """Matrices and ranges of extents known or computed."""
    kind = draw(st.sampled_from(["eye", "tri", "arange", "linspace", "zeros", "full"]))
    n, m = draw(extents), draw(extents)
    k = draw(st.integers(-3, 3))
    symbolic = draw(st.booleans())
    given = tuple(np.array(v) for v in (n, m, k))

    def values(*variables: Any) -> Any:
        return variables if symbolic else (n, m, k)

    builds: dict[str, tuple[Any, Any]] = {
        "eye": (
            lambda a, b, c: PUBLIC["eye"](a, b, c),
            lambda a, b, c: np.eye(int(a), int(b), int(c)),
        ),
        "tri": (
            lambda a, b, c: PUBLIC["tri"](a, b, k),
            lambda a, b, c: np.tri(int(a), int(b), k),
        ),
        "arange": (
            lambda a, b, c: PUBLIC["arange"](c, a * b, b + 1),
            lambda a, b, c: np.arange(c, a * b, b + 1),
        ),
        "linspace": (
            lambda a, b, c: PUBLIC["linspace"](c * 0.5, 3.0, a),
            lambda a, b, c: np.linspace(c * 0.5, 3.0, int(a)),
        ),
        "zeros": (
            lambda a, b, c: PUBLIC["zeros"]((a, b), "int8"),
            lambda a, b, c: np.zeros((int(a), int(b)), "int8"),
        ),
        "full": (
            lambda a, b, c: PUBLIC["full"]((b, a, 2), c),
            lambda a, b, c: np.full((int(b), int(a), 2), c),
        ),
    }
    build, oracle = builds[kind]
    return Case(
        f"{kind} of {n}, {m}, {k}{', computed' if symbolic else ''}",
        given, ((), (), ()), lambda *v: build(*values(*v)), oracle, 1e-12,
    )  # fmt: skip
