"""Random indexing expressions for hypothesis: one for NumPy, one for symgraph.

An expression mixes ints, slices, None, Ellipsis, integer arrays that broadcast against
each other, and masks over one axis or more; each part is a Python value, an array, a
list or a symbolic variable.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from symgraph.core.node import Variable
from symgraph.core.types import TensorType


@dataclass
class Indexing:
    """One expression.

    Attributes
    ----------
    x : what is indexed
    key : the index for NumPy
    symbolic : the same for symgraph
    values : values of the symbolic parts
    static : whether all shapes are known
    """

    x: np.ndarray
    key: tuple[Any, ...] = ()
    symbolic: tuple[Any, ...] = ()
    values: dict[Variable, np.ndarray] = field(default_factory=dict)
    static: bool = True

    def variable(self, array: np.ndarray, name: str) -> Variable:
        """A leaf that has this value."""
        shape = array.shape if self.static else (None,) * array.ndim
        made: Variable = TensorType(array.dtype.name, shape)(name)
        self.values[made] = array
        return made

    def __repr__(self) -> str:
        return f"x{self.x.shape}[{', '.join(map(repr, self.key))}] as {self.symbolic}"


Draw = Callable[..., Any]


def _array(draw: Draw, made: Indexing, array: np.ndarray) -> Any:
    """The array as an array, a list or a variable."""
    match draw(st.sampled_from(["array", "list", "variable"])):
        case "array":
            return array
        case "list" if array.size or array.ndim == 1:
            return array.tolist()
    return made.variable(array, f"i{len(made.values)}")


def _slice(draw: Draw, made: Indexing, extent: int) -> tuple[slice, slice]:
    bound = st.one_of(st.none(), st.integers(-extent - 2, extent + 2))
    start, stop = draw(bound), draw(bound)
    step = draw(st.sampled_from([None, None, 1, 2, -1, -2, 3]))
    parts = [start, stop, step]
    if draw(st.integers(0, 3)) == 0:
        parts = [
            None if p is None else made.variable(np.array(p), "bound") for p in parts
        ]
    return slice(start, stop, step), slice(*parts)


KINDS = ("int", "slice", "slice", "array", "array", "mask", "wide mask")


@st.composite
def indexings(draw: Draw) -> Indexing:
    """An expression with one to four indices, None and Ellipsis put in anywhere."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    made = Indexing(random.normal(size=shape), static=draw(st.booleans()))
    common = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    kinds: list[str] = []
    free = len(shape)
    for _ in range(draw(st.sampled_from([1, 2, 2, 3, 3, 4]))):
        kind = draw(st.sampled_from(KINDS))
        kind = "mask" if kind == "wide mask" and free < 2 else kind
        if free:
            kinds.append(kind)
            free -= 2 if kind == "wide mask" else 1
    dots = draw(st.integers(0, 2 * len(kinds) + 1))
    axis = 0
    parts: list[tuple[Any, Any]] = []
    for place, kind in enumerate(kinds):
        if place == dots:
            parts.append((Ellipsis, Ellipsis))
            axis += free
        if draw(st.integers(0, 5)) == 5:
            parts.append((None, None))
        count = 2 if kind == "wide mask" else 1
        extents = shape[axis : axis + count]
        parts.append(_part(draw, made, kind, extents, common, random))
        axis += count
    if dots == len(kinds):
        parts.append((Ellipsis, Ellipsis))
    made.key = tuple(p[0] for p in parts)
    made.symbolic = tuple(p[1] for p in parts)
    return made


def _part(
    draw: Draw, made: Indexing, kind: str, extents: tuple[int, ...],
    common: list[int], random: np.random.Generator,
) -> tuple[Any, Any]:  # fmt: skip
    """One index for axes of these extents, for NumPy and for symgraph."""
    extent = extents[0]
    match kind:
        case "int":
            number = draw(st.integers(-extent, extent - 1))
            ways = [number, np.int32(number), np.array(number)]
            given = draw(st.integers(0, len(ways)))
            if given == len(ways):
                return number, made.variable(np.array(number), "k")
            return number, ways[given]
        case "slice":
            return _slice(draw, made, extent)
        case "array":
            shape = common[draw(st.integers(0, 1)) :]
            shape = [1 if draw(st.integers(0, 4)) == 4 else e for e in shape]
            indices = random.integers(-extent, extent, shape)
            return indices, _array(draw, made, indices)
    # as many True as the arrays are long, or one: then they broadcast
    size = int(np.prod(extents))
    count = common[-1] if common[-1] <= size else 1
    flat = np.zeros(size, bool)
    flat[random.permutation(size)[:count]] = True
    mask = flat.reshape(extents)
    return mask, _array(draw, made, mask)
