"""Generated calls of contractions, of softmax and its kin, and of losses."""

from typing import Any

import numpy as np
import samples_functions
from generated import Case, arrays, extents, family, known_for, shapes
from hypothesis import strategies as st

from symgraph.core.public import PUBLIC

CLOSE = 1e-11


def _smooth(draw: Any, *some: np.ndarray) -> bool:
    floats = all(a.dtype == "float64" and a.size for a in some)
    return floats and draw(st.integers(0, 3)) == 0


@family("contraction", 300, 4)
@st.composite
def contraction(draw: Any) -> Case:
    """dot, matmul, tensordot, batched_dot, batched_tensordot, outer, inner."""
    name = draw(
        st.sampled_from(
            ["dot", "dot", "matmul", "tensordot", "batched_dot", "batched_tensordot",
             "outer", "inner", "vdot"]
        )
    )  # fmt: skip
    k, b = draw(extents), draw(extents)
    args: tuple[Any, ...] = ()
    if name == "dot":
        left, right = draw(shapes(0, 2)), draw(shapes(0, 2))
        if not draw(st.booleans()):  # neither is a scalar
            left = (*left, k)
            right = (*right[:-1], k, *right[-1:]) if right else (k,)
        elif draw(st.booleans()):
            left = ()
        else:
            right = ()
    elif name == "matmul":
        stack = draw(shapes(0, 2))
        left = (*(n if draw(st.booleans()) else 1 for n in stack), draw(extents), k)
        right = (*(n if draw(st.booleans()) else 1 for n in stack), k, draw(extents))
        if draw(st.integers(0, 4)) == 0:
            left = (k,)
        elif draw(st.integers(0, 4)) == 0:
            right = (k,)
    elif name == "tensordot":
        common = draw(shapes(0, 2))
        left, right = draw(shapes(0, 2)), draw(shapes(0, 2))
        if draw(st.booleans()):
            left, right, args = (*left, *common), (*common, *right), (len(common),)
        else:
            order = draw(st.permutations(range(len(common))))
            left = (*common, *left)
            right = (*right, *(common[i] for i in order))
            first = len(right) - len(common)
            args = ([list(order), [first + i for i in range(len(common))]],)
    elif name == "batched_dot":
        left = (b, *draw(shapes(0, 1)), k)
        right = (b, k, *draw(shapes(0, 1)))
    elif name == "batched_tensordot":
        common = draw(shapes(1, 2))
        left, right = (
            (b, *draw(shapes(0, 1)), *common),
            (b, *common, *draw(shapes(0, 1))),
        )
        args = (len(common),)
    elif name == "inner":
        left, right = (*draw(shapes(0, 1)), k), (*draw(shapes(0, 1)), k)
    elif name == "vdot":
        left = draw(shapes(1, 2))
        right = left
    else:
        left, right = draw(shapes(0, 2)), draw(shapes(0, 2))
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "int64"]))
    x, y = draw(arrays(left, dtype, ("plain",))), draw(arrays(right, dtype, ("plain",)))
    oracle = samples_functions.ORACLES[name]
    if name.startswith("batched") and b == 0:

        def oracle(p: np.ndarray, q: np.ndarray, *_: Any) -> np.ndarray:
            if name == "batched_dot":
                return np.zeros((0, *p.shape[1:-1], *q.shape[2:]), p.dtype)
            count = args[0]
            return np.zeros((0, *p.shape[1:-count], *q.shape[1 + count :]), p.dtype)

    known = draw(known_for(x, y))
    if name == "matmul":  # two stacks broadcast only where an extent of 1 is known
        known = tuple(
            tuple(n == 1 or k for n, k in zip(a.shape, flags, strict=True))
            for a, flags in zip((x, y), known, strict=True)
        )
    return Case(
        f"{name}{args}", (x, y), known,
        lambda v, w: PUBLIC[name](v, w, *args), lambda p, q: oracle(p, q, *args),
        CLOSE, smooth=_smooth(draw, x, y),
    )  # fmt: skip


@family("rows", 200)
@st.composite
def rows(draw: Any) -> Case:
    """softmax, log_softmax over any axis; cross-entropies of rows."""
    name = draw(
        st.sampled_from(
            ["softmax", "log_softmax", "categorical_crossentropy", "pick",
             "binary_crossentropy", "sigmoid_binary_crossentropy", "one_hot"]
        )
    )  # fmt: skip
    shape = draw(shapes(1, 3))
    shape = (*shape[:-1], max(shape[-1], 1))
    x = draw(arrays(shape, "float64", ("plain",)))
    oracle = samples_functions.ORACLES[name]
    if name in ("softmax", "log_softmax"):
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        if shape[axis] == 0:
            axis = -1
        return Case(
            f"{name}({axis})", (x,), draw(known_for(x)),
            lambda v: PUBLIC[name](v, axis), lambda a: oracle(a, axis),
            CLOSE, smooth=_smooth(draw, x),
        )  # fmt: skip
    p = 1 / (1 + np.exp(-x))
    if name.startswith("binary") or name.startswith("sigmoid"):
        t = draw(
            arrays(draw(st.sampled_from([shape, shape[1:], ()])), "float64", ("plain",))
        )
        return Case(
            name, (p, t), draw(known_for(p, t)), PUBLIC[name], oracle,
            CLOSE, smooth=_smooth(draw, p, t),
        )  # fmt: skip
    random = np.random.default_rng(draw(st.integers(0, 999)))
    last = shape[-1]
    labels = np.asarray(random.integers(-last, last, shape[:-1]))
    if name != "pick":
        labels = labels % last
    if name == "one_hot":
        dtype = draw(st.sampled_from(["float64", "int8"]))
        return Case(
            f"one_hot({last})", (labels,), draw(known_for(labels)),
            lambda v: PUBLIC[name](v, last, dtype), lambda a: oracle(a, last, dtype),
        )  # fmt: skip
    return Case(
        name, (p, labels), draw(known_for(p, labels)), PUBLIC[name], oracle, CLOSE
    )
