"""Generated calls of convolution, pooling and random numbers."""

from typing import Any

import numpy as np
import samples_convolution
import samples_pooling
from generated import Case, arrays, extents, family, known_for, shapes
from hypothesis import strategies as st

import symgraph.tensor as T
from symgraph.core.public import PUBLIC
from symgraph.errors import ShapeError

small = st.integers(1, 3)


@family("convolution", 150, 3)
@st.composite
def convolution(draw: Any) -> Case:
    """conv1d, conv2d, conv3d with every parameter."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    window = tuple(draw(small) for _ in range(rank))
    stride = tuple(draw(small) for _ in range(rank))
    dilation = tuple(draw(st.sampled_from([1, 1, 2])) for _ in range(rank))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    each_in, each_out = draw(small), draw(small)
    border = draw(
        st.one_of(
            st.sampled_from(["valid", "half", "full", "same"]),
            st.tuples(*[st.integers(0, 2)] * rank),
        )
    )
    spans = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    spatial = tuple(s + draw(st.integers(0, 3)) for s in spans)
    x = draw(arrays((draw(small), groups * each_in, *spatial), "float64", ("plain",)))
    w = draw(arrays((groups * each_out, each_in, *window), "float64", ("plain",)))
    options = {
        "border_mode": border, "subsample": stride, "filter_dilation": dilation,
        "num_groups": groups, "filter_flip": draw(st.booleans()),
    }  # fmt: skip
    name = f"conv{rank}d"
    return Case(
        f"{name}({options})", (x, w), draw(known_for(x, w)),
        lambda v, u: PUBLIC[name](v, u, **options),
        lambda a, b: samples_convolution.ORACLES[name](a, b, **options),
        1e-11, smooth=draw(st.integers(0, 4)) == 0,
    )  # fmt: skip


@family("pooling", 150, 3)
@st.composite
def pooling(draw: Any) -> Case:
    """pool_1d, pool_2d, pool_3d with every parameter."""
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    size = tuple(draw(small) for _ in range(rank))
    stride = draw(st.one_of(st.none(), st.tuples(*[small] * rank)))
    ignore = draw(st.booleans())
    pad = tuple(draw(st.integers(0, n - 1)) if ignore else 0 for n in size)
    mode = draw(st.sampled_from(["max", "sum", "average_inc_pad", "average_exc_pad"]))
    spatial = tuple(n + draw(st.integers(0, 3)) for n in size)
    x = draw(arrays((*draw(shapes(0, 2)), *spatial), "float64", ("distinct",)))
    name = f"pool_{rank}d"
    return Case(
        f"{name}({size}, {ignore}, {stride}, {pad}, {mode})", (x,), draw(known_for(x)),
        lambda v: PUBLIC[name](v, size, ignore, stride, pad, mode),
        lambda a: samples_pooling.oracle(rank)(a, size, ignore, stride, pad, mode),
        1e-12, smooth=bool(x.size) and draw(st.integers(0, 3)) == 0,
    )  # fmt: skip


@family("windows too large", 60, 0)
@st.composite
def too_large(draw: Any) -> Case:
    """A window that does not fit is refused, early or when the extents are known."""
    n, more = draw(small), draw(small)
    x = draw(arrays((1, 1, n, 5), "float64", ("plain",)))
    w = draw(arrays((1, 1, n + more, 2), "float64", ("plain",)))
    if draw(st.booleans()):
        return Case(
            "conv2d", (x, w), draw(known_for(x, w)), T.nnet.conv2d, np.add,
            error=ShapeError,
        )  # fmt: skip
    return Case(
        "pool_2d", (x,), draw(known_for(x)),
        lambda v: PUBLIC["pool_2d"](v, (n + more, 2), True), np.negative,
        error=ShapeError,
    )  # fmt: skip


@family("random", 150)
@st.composite
def random(draw: Any) -> Case:
    """Shape and range of random numbers; extents known, computed or broadcast.

    The case gives ``[in range, shape]``.
    """
    seed = draw(st.integers(0, 999))
    name = draw(
        st.sampled_from(["uniform", "normal", "binomial", "integers", "choice"])
    )
    shape = draw(shapes(0, 3))
    computed = [draw(st.booleans()) for _ in shape]
    given = tuple(np.array(n) for n, c in zip(shape, computed, strict=True) if c)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    low, high = {"uniform": (2.0, 3.0), "normal": (-7.0, 7.0), "binomial": (0.0, 1.0),
                 "integers": (0.0, 1.0), "choice": (0.0, 6.0)}[name]  # fmt: skip
    options: dict[str, Any] = {
        "uniform": {"low": 2.0, "high": 3.0, "dtype": dtype},
        "normal": {"dtype": dtype},
        "choice": {"a": 7},
    }.get(name, {})

    def build(*sizes: Any) -> Any:
        found = iter(sizes)
        size = [next(found) if c else n for n, c in zip(shape, computed, strict=True)]
        drawn = getattr(T.RandomStreams(seed), name)(tuple(size), **options)
        fits = T.all(T.and_(T.ge(drawn, low), T.le(drawn, high)))
        return [fits, T.zeros_like(drawn, dtype="int8")]

    return Case(
        f"{name}({shape}, computed {computed}, {options})", given,
        ((),) * len(given), build,
        lambda *_: [np.array(True), np.zeros(shape, "int8")],
    )  # fmt: skip


@family("permutation", 60, 1)
@st.composite
def permutation(draw: Any) -> Case:
    """A permutation holds every number once, whatever the extent."""
    n = np.array(draw(st.one_of(extents, st.integers(0, 40))))
    seed = draw(st.integers(0, 999))
    return Case(
        f"permutation({n})", (n,), ((),),
        lambda v: T.zeros((v,), "int64")[T.RandomStreams(seed).permutation(n=v)]
        + T.sum(T.RandomStreams(seed).permutation(n=v)),
        lambda a: np.full(int(a), int(a) * (int(a) - 1) // 2),
    )  # fmt: skip
