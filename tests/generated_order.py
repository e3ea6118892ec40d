"""Generated calls of sorting, running sums, masks, borders and counts."""

from typing import Any

import numpy as np
import samples_structure  # noqa: F401  fills structure.ORACLES
import structure
from generated import Case, arrays, family, known_for, shapes
from hypothesis import strategies as st

import symgraph.tensor as T
from symgraph.core.public import PUBLIC

DTYPES = st.sampled_from(["float64", "float64", "float32", "int64", "int8"])


def _case(
    draw: Any,
    name: str,
    some: list[np.ndarray],
    *args: Any,
    rough: float = 0.0,
    **kw: Any,
) -> Case:
    """``name(*some, *args, **kw)`` with its sampled oracle."""
    options = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kw.items())])
    smooth = some[0].dtype == "float64" and draw(st.integers(0, 3)) == 0
    return Case(
        f"{name}({options})", tuple(some), draw(known_for(*some)),
        lambda *v: PUBLIC[name](*v, *args, **kw),
        lambda *a: structure.ORACLES[name](*a, *args, **kw),
        rough, smooth=smooth and all(a.size and np.isfinite(a).all() for a in some),
    )  # fmt: skip


@st.composite
def _axis(draw: Any, ndim: int) -> int:
    return draw(st.integers(-ndim, ndim - 1))


@family("order", 200)
@st.composite
def order(draw: Any) -> Case:
    """sort, argsort, topk, argtopk, median along any axis."""
    name = draw(st.sampled_from(["sort", "argsort", "topk", "argtopk", "median"]))
    shape = draw(shapes(1, 3))
    axis = draw(_axis(len(shape)))
    if name in ("topk", "argtopk", "median") and shape[axis] == 0:
        shape = (2,) * len(shape)
    dtype = draw(DTYPES)
    x = draw(arrays(shape, dtype if name != "median" else "float64", ("distinct",)))
    if name == "argsort" or (name == "argtopk" and "int" in dtype):
        random = np.random.default_rng(draw(st.integers(0, 999)))
        x = random.permutation(x.size).reshape(x.shape).astype(dtype)
    if name in ("topk", "argtopk"):
        k = draw(st.integers(1, shape[axis])) * draw(st.sampled_from([1, -1]))
        case = _case(draw, name, [x], k, axis, True)
        return case
    if name == "median":
        return _case(draw, name, [x], axis, rough=1e-12)
    return _case(draw, name, [x], axis)


@family("running", 200)
@st.composite
def running(draw: Any) -> Case:
    """cumsum, cumprod, diff."""
    name = draw(st.sampled_from(["cumsum", "cumprod", "diff"]))
    shape = draw(shapes(1, 3))
    x = draw(arrays(shape, draw(DTYPES), ("plain",)))
    if name == "diff":
        axis = draw(_axis(len(shape)))
        return _case(draw, name, [x], draw(st.integers(0, 3)), axis, rough=1e-11)
    axis = draw(st.one_of(st.none(), _axis(len(shape))))
    return _case(draw, name, [x], axis, rough=1e-11)


@family("masks", 200, 3)
@st.composite
def masks(draw: Any) -> Case:
    """nonzero, compress, x[mask], x[mask] = y, where with one operand."""
    shape = draw(shapes(1, 3))
    name = draw(
        st.sampled_from(["nonzero", "flatnonzero", "compress", "mask", "write"])
    )
    mask = draw(arrays(shape, "bool"))
    if name in ("nonzero", "flatnonzero"):
        x = draw(arrays(shape, draw(st.sampled_from(["bool", "int64", "float64"]))))
        return _case(draw, name, [x])
    x = draw(arrays(shape, draw(DTYPES)))
    if name == "compress":
        axis = draw(st.one_of(st.none(), _axis(len(shape))))
        extent = x.size if axis is None else shape[axis]
        some = draw(arrays((extent,), "bool"))
        return Case(
            f"compress(axis={axis})", (some, x), draw(known_for(some, x)),
            lambda c, v: PUBLIC["compress"](c, v, axis),
            lambda c, a: np.compress(c, a, axis),
        )  # fmt: skip
    depth = draw(st.integers(1, len(shape)))
    part = mask[(..., *[0] * (len(shape) - depth))] if 0 not in shape else None
    if part is None:
        part, depth = mask, len(shape)
    if name == "mask":
        return Case(
            f"x[mask of {depth} axes]", (x, part), draw(known_for(x, part)),
            lambda v, m: v[m], lambda a, m: a[m],
        )  # fmt: skip
    number = draw(st.integers(-5, 5))
    add = draw(st.booleans())

    def oracle(a: np.ndarray, m: np.ndarray) -> np.ndarray:
        out = a.copy()
        out[m] = out[m] + out.dtype.type(number) if add else number
        return out

    write = T.inc_subtensor if add else T.set_subtensor
    return Case(
        f"x[mask of {depth} axes] {'+=' if add else '='} {number}", (x, part),
        draw(known_for(x, part)), lambda v, m: write(v[m], number), oracle, 1e-12 * add,
    )  # fmt: skip


@family("borders", 200)
@st.composite
def borders(draw: Any) -> Case:
    """pad with each mode, any widths."""
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    shape = draw(shapes(1, 3))
    if mode != "constant":
        shape = tuple(max(n, 1) for n in shape)
    widths = []
    for n in shape:
        most = {"constant": 3, "edge": 3, "reflect": n - 1}.get(mode, n)
        widths.append(tuple(draw(st.integers(0, most)) for _ in range(2)))
    x = draw(arrays(shape, draw(DTYPES)))
    return _case(draw, "pad", [x], tuple(widths), mode)


@family("counts", 200)
@st.composite
def counts(draw: Any) -> Case:
    """bincount, unique, searchsorted, take_along_axis, kron."""
    name = draw(
        st.sampled_from(
            ["bincount", "unique", "searchsorted", "take_along_axis", "kron"]
        )
    )
    n = draw(st.integers(0, 6))
    x = draw(arrays((n,), "int64"))
    if name == "bincount":
        return _case(
            draw, name, [np.abs(x)], None, draw(st.sampled_from([None, 3, 12]))
        )
    if name == "unique":
        return _case(draw, name, [x], True, True, True)
    if name == "searchsorted":
        v = draw(arrays(draw(shapes(0, 2)), "int64"))
        side = draw(st.sampled_from(["left", "right"]))
        return _case(draw, name, [np.sort(x), v], side)
    if name == "kron":
        shape = draw(shapes(1, 3))
        a = draw(arrays(shape, "float64", ("plain",)))
        b = draw(arrays(draw(shapes(len(shape), len(shape))), "float64", ("plain",)))
        return _case(draw, name, [a, b], rough=1e-12)
    shape = tuple(max(e, 1) for e in draw(shapes(1, 3)))
    axis = draw(_axis(len(shape)))
    a = draw(arrays(shape, draw(DTYPES), ("plain",)))
    own = list(shape)
    own[axis] = draw(st.integers(0, 3))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    i = random.integers(-shape[axis], shape[axis], own)
    return _case(draw, name, [a, i], axis)
