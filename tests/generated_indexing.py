"""Generated calls of indexing: slices, arrays of indices, writing, take."""

from typing import Any

import numpy as np
import samples_functions
from generated import Case, arrays, family, known_for, shapes
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from symgraph.core.public import PUBLIC

DTYPES = st.sampled_from(["float64", "float64", "float32", "int64", "bool"])


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> Any:
    """A key of slices and integers, or of arrays of indices."""
    if shape and 0 not in shape and draw(st.integers(0, 2)) == 0:
        return draw(
            hnp.integer_array_indices(
                shape[: draw(st.integers(1, len(shape)))],
                result_shape=hnp.array_shapes(
                    min_dims=0, max_dims=2, min_side=0, max_side=3
                ),
            )
        )
    return draw(
        hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6)
    )


@family("indexing", 250, 2)
@st.composite
def indexing(draw: Any) -> Case:
    """x[key], and gradients through it."""
    x = draw(arrays(draw(shapes(0, 4)), draw(DTYPES)))
    key = draw(keys(x.shape))
    smooth = x.dtype == "float64" and bool(x.size) and bool(np.isfinite(x).all())
    return Case(
        f"x[{key!r}]", (x,), draw(known_for(x)), lambda v: v[key], lambda a: a[key],
        smooth=smooth and draw(st.integers(0, 3)) == 0,
    )  # fmt: skip


@family("writing", 250, 2)
@st.composite
def writing(draw: Any) -> Case:
    """set_subtensor and inc_subtensor of x[key], the value broadcast."""
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "int64"]))
    x = draw(arrays(draw(shapes(0, 3)), dtype, ("plain",)))
    key = draw(keys(x.shape))
    part = np.shape(x[key])
    rank = draw(st.integers(0, len(part)))
    own = tuple(n if draw(st.booleans()) else 1 for n in part[len(part) - rank :])
    y = draw(arrays(own, dtype, ("plain",)))
    name = draw(st.sampled_from(["set_subtensor", "inc_subtensor"]))
    oracle = samples_functions.ORACLES[name]
    unique = not isinstance(key, tuple) or not any(
        isinstance(k, np.ndarray) for k in key
    )
    return Case(
        f"{name}(x[{key!r}], y)", (x, y), draw(known_for(x, y)),
        lambda v, w: PUBLIC[name](v[key], w), lambda a, b: oracle(a, key, b),
        1e-12 if name == "inc_subtensor" else 0.0,
        smooth=unique and dtype == "float64" and bool(x.size and y.size)
        and draw(st.integers(0, 3)) == 0,
    )  # fmt: skip


@family("gather", 200)
@st.composite
def gather(draw: Any) -> Case:
    """take along any axis, with each mode; gradients add what was taken twice."""
    shape = draw(shapes(1, 3))
    axis = draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    x = draw(arrays(shape, draw(DTYPES)))
    limit = x.size if axis is None else shape[axis]
    mode = draw(st.sampled_from(["raise", "wrap", "clip"]))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    indices_shape = draw(shapes(0, 2))
    if limit == 0:
        indices_shape = (0,)
    reach = max(limit, 1) * (1 if mode == "raise" else 3)
    indices = np.asarray(random.integers(-reach, reach, indices_shape))
    indices = indices.astype(draw(st.sampled_from(["int64", "int32", "int8"])))
    smooth = x.dtype == "float64" and bool(x.size) and bool(np.isfinite(x).all())
    return Case(
        f"take(axis={axis}, mode={mode}, {indices.tolist()})", (x, indices),
        draw(known_for(x, indices)),
        lambda v, i: PUBLIC["take"](v, i, axis, mode),
        lambda a, i: np.take(a, i, axis, mode=mode),
        smooth=smooth and draw(st.integers(0, 2)) == 0,
    )  # fmt: skip
