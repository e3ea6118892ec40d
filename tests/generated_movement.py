"""Generated calls of functions that move: axes, reshape, joining, diagonals."""

from itertools import pairwise
from typing import Any

import numpy as np
import samples_structure  # noqa: F401  fills structure.ORACLES
import structure
from generated import Case, arrays, extents, family, known_for, shapes
from hypothesis import strategies as st

from symgraph.core.public import PUBLIC

DTYPES = st.sampled_from(["float64", "float64", "float32", "int64", "bool"])


def _case(draw: Any, name: str, some: list[np.ndarray], *args: Any, **kw: Any) -> Case:
    """A call ``name(x, *args, **kw)``, or of a list where there are several arrays."""
    options = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kw.items())])
    smooth = all(a.dtype == "float64" for a in some) and draw(st.integers(0, 3)) == 0
    smooth = smooth and all(a.size and np.isfinite(a).all() for a in some)
    return Case(
        f"{name}({options})", tuple(some), draw(known_for(*some)),
        lambda *v: PUBLIC[name](*v, *args, **kw),
        lambda *a: structure.ORACLES[name](*a, *args, **kw),
        smooth=smooth,
    )  # fmt: skip


@st.composite
def _factors(draw: Any, size: int) -> tuple[int, ...]:
    """A shape with a number of elements."""
    shape: list[int] = []
    if size == 0:
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        return tuple(shape) if 0 in shape else (*shape, 0)
    while size > 1:
        factor = draw(st.sampled_from([f for f in range(1, size + 1) if size % f == 0]))
        shape.append(factor)
        if factor == 1 and len(shape) > 3:
            shape.append(size)
            break
        size //= factor
    return tuple(shape)


@family("axes", 250)
@st.composite
def axes(draw: Any) -> Case:
    """dimshuffle, transpose, moveaxis, swapaxes, expand_dims, squeeze, flip, roll."""
    shape = draw(shapes(1))
    x = draw(arrays(shape, draw(DTYPES)))
    ndim = x.ndim
    kind = draw(
        st.sampled_from(
            ["dimshuffle", "transpose", "moveaxis", "swapaxes", "rollaxis",
             "expand_dims", "squeeze", "flip", "roll"]
        )
    )  # fmt: skip
    axis = st.integers(-ndim, ndim - 1)
    if kind == "dimshuffle":
        kept = [a for a in range(ndim) if shape[a] != 1 or draw(st.booleans())]
        pattern: list[Any] = list(draw(st.permutations(kept)))
        for _ in range(draw(st.integers(0, 2))):
            pattern.insert(draw(st.integers(0, len(pattern))), "x")
        case = _case(draw, kind, [x], *pattern)
        known = tuple(n == 1 or k for n, k in zip(shape, case.known[0], strict=True))
        return Case(**{**vars(case), "known": (known,)})  # dropped axes are known
    if kind == "transpose":
        order = draw(st.permutations(range(ndim)))
        return _case(
            draw, kind, [x], tuple(a - ndim * draw(st.booleans()) for a in order)
        )
    if kind in ("moveaxis", "swapaxes"):
        return _case(draw, kind, [x], draw(axis), draw(axis))
    if kind == "rollaxis":
        return _case(draw, kind, [x], draw(axis), draw(st.integers(-ndim, ndim)))
    if kind == "expand_dims":
        return _case(draw, kind, [x], draw(st.integers(-ndim - 1, ndim)))
    if kind == "squeeze":
        ones = [a for a in range(ndim) if shape[a] == 1]
        chosen = tuple(a for a in ones if draw(st.booleans()))
        case = _case(draw, kind, [x], chosen)
        known = tuple(n == 1 or k for n, k in zip(shape, case.known[0], strict=True))
        return Case(**{**vars(case), "known": (known,)})
    if kind == "flip":
        return _case(draw, kind, [x], draw(st.one_of(st.none(), axis)))
    return _case(
        draw, kind, [x], draw(st.integers(-9, 9)), draw(st.one_of(st.none(), axis))
    )


@family("reshape", 200)
@st.composite
def reshape(draw: Any) -> Case:
    """Reshape to any shape of the size, with -1; flatten and ravel."""
    shape = draw(shapes())
    x = draw(arrays(shape, draw(DTYPES)))
    kind = draw(st.sampled_from(["reshape", "reshape", "flatten", "ravel"]))
    if kind == "flatten":
        return _case(draw, kind, [x], draw(st.integers(1, max(x.ndim, 1))))
    if kind == "ravel":
        return _case(draw, kind, [x])
    new = list(draw(_factors(x.size)))
    if new and draw(st.booleans()):
        place = draw(st.integers(0, len(new) - 1))
        if 0 not in new[:place] + new[place + 1 :]:
            new[place] = -1
    return _case(draw, kind, [x], tuple(new))


@family("joining", 250)
@st.composite
def joining(draw: Any) -> Case:
    """concatenate, stack, split, tile, repeat."""
    shape = draw(shapes(1, 3))
    dtype = draw(DTYPES)
    kind = draw(st.sampled_from(["concatenate", "stack", "split", "tile", "repeat"]))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    if kind == "concatenate":
        some = []
        for _ in range(draw(st.integers(1, 4))):
            own = list(shape)
            own[axis] = draw(extents)
            some.append(draw(arrays(tuple(own), dtype)))
        return Case(
            f"concatenate(axis={axis})", tuple(some), draw(known_for(*some)),
            lambda *v: PUBLIC["concatenate"](v, axis),
            lambda *a: np.concatenate(a, axis),
        )  # fmt: skip
    if kind == "stack":
        some = [draw(arrays(shape, dtype)) for _ in range(draw(st.integers(1, 3)))]
        return Case(
            f"stack(axis={axis})", tuple(some), draw(known_for(*some)),
            lambda *v: PUBLIC["stack"](v, axis=axis), lambda *a: np.stack(a, axis),
        )  # fmt: skip
    x = draw(arrays(shape, dtype))
    if kind == "split":
        cuts = sorted(draw(st.lists(st.integers(0, x.shape[axis]), max_size=3)))
        ends = [0, *cuts, x.shape[axis]]
        sizes = [b - a for a, b in pairwise(ends)]
        return Case(
            f"split({sizes}, axis={axis})", (x,), draw(known_for(x)),
            lambda v: PUBLIC["split"](v, sizes, len(sizes), axis),
            lambda a: np.split(a, cuts, axis),
        )  # fmt: skip
    if kind == "tile":
        reps = tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
        return _case(draw, kind, [x], reps)
    if draw(st.booleans()):
        each = draw(st.lists(st.integers(0, 3), min_size=x.shape[axis],
                             max_size=x.shape[axis]))  # fmt: skip
        return _case(draw, kind, [x], np.array(each, "int64"), axis)
    return _case(draw, kind, [x], draw(st.integers(0, 3)), axis)


@family("diagonal", 200, 1)
@st.composite
def diagonal(draw: Any) -> Case:
    """diag, diagonal, trace, tril, triu."""
    kind = draw(st.sampled_from(["diag", "diagonal", "trace", "tril", "triu"]))
    k = draw(st.integers(-4, 4))
    if kind == "diag":
        return _case(draw, kind, [draw(arrays(draw(shapes(1, 2)), draw(DTYPES)))], k)
    x = draw(arrays(draw(shapes(2, 2 if kind == "trace" else 4)), draw(DTYPES)))
    if kind == "trace" and x.dtype == "bool":
        x = x.astype("int8")
    if kind == "diagonal":
        first, second = draw(st.permutations(range(x.ndim)))[:2]
        return _case(draw, kind, [x], k, first, second)
    case = _case(draw, kind, [x], k)
    return Case(**{**vars(case), "rough": 1e-12}) if kind == "trace" else case


@family("broadcasting", 200)
@st.composite
def broadcasting(draw: Any) -> Case:
    """broadcast_to and alloc, extents known or computed."""
    whole = draw(shapes())
    rank = draw(st.integers(0, len(whole)))
    own = tuple(n if draw(st.booleans()) else 1 for n in whole[len(whole) - rank :])
    x = draw(arrays(own, draw(DTYPES)))
    computed = [draw(st.booleans()) for _ in whole]
    given = [np.array(n) for n, c in zip(whole, computed, strict=True) if c]
    kind = draw(st.sampled_from(["broadcast_to", "alloc"]))

    def build(v: Any, *sizes: Any) -> Any:
        found = iter(sizes)
        shape = [next(found) if c else n for n, c in zip(whole, computed, strict=True)]
        return PUBLIC[kind](v, *([shape] if kind == "broadcast_to" else shape))

    return Case(
        f"{kind}({whole}, computed {computed})", (x, *given),
        (*draw(known_for(x)), *((),) * len(given)), build,
        lambda a, *_: np.broadcast_to(a, whole),
    )  # fmt: skip
