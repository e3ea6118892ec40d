"""Random convolutions and poolings: every combination of their parameters.

`convolutions(block)` and `poolings(block)` yield cases that depend on the number of the
block only. A case makes its op and its arrays; in both layouts, with known and unknown
extents. Oracles for them are in window_oracles.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import window_oracles as oracles

import symgraph.tensor  # noqa: F401  loads the ops
from symgraph.core.node import Variable, as_variable
from symgraph.core.types import TensorType
from symgraph.ops.conv_ops import Convolution, ConvolutionInput, ConvolutionWeight
from symgraph.ops.pool_ops import Pool, PoolMaxInput, PoolMaxPick, PoolSumInput

Values = dict[Variable, np.ndarray]
Pads = tuple[tuple[int, int], ...]


def ints(values: Any) -> tuple[int, ...]:
    """NumPy's integers as a tuple of ints."""
    return tuple(int(v) for v in values)


def leaf(array: np.ndarray, static: bool, values: Values) -> Variable:
    """A variable for an array."""
    shape = array.shape if static else (None,) * array.ndim
    made: Variable = TensorType(array.dtype.name, shape)(f"v{len(values)}")
    values[made] = array
    return made


def scalars(extents: tuple[int, ...], static: bool, values: Values) -> list[Variable]:
    """Extents as constants or as inputs."""
    if static:
        return [as_variable(e, "int64") for e in extents]
    return [leaf(np.array(e), True, values) for e in extents]


def last(array: np.ndarray, channels_last: bool) -> np.ndarray:
    """Channels moved to the end, if asked."""
    moved = np.moveaxis(array, 1, -1) if channels_last else array
    return np.ascontiguousarray(moved)


def described(case: Any) -> str:
    """The fields of a case, arrays by their shapes."""
    fields = vars(case).items()
    texts = (f"{n}={getattr(v, 'shape', v)}" for n, v in fields)
    return f"{type(case).__name__}({', '.join(texts)})"


@dataclass(frozen=True, repr=False)
class Convolved:
    """A convolution of x with w, and a gradient g of its result; channels first."""

    x: np.ndarray
    w: np.ndarray
    g: np.ndarray
    strides: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int
    flip: bool
    channels_last: bool
    static: bool
    __repr__ = described

    def outputs(self, values: Values) -> list[Variable]:
        """y, dx and dw as variables; `values` gains the inputs."""
        fields = (
            self.strides, self.pads, self.dilation, self.groups, self.flip,
            self.channels_last,
        )  # fmt: skip
        x = leaf(last(self.x, self.channels_last), self.static, values)
        w = leaf(self.w, self.static, values)
        g = leaf(last(self.g, self.channels_last), self.static, values)
        spatial = scalars(self.x.shape[2:], self.static, values)
        window = scalars(self.w.shape[2:], self.static, values)
        return [
            Convolution(*fields)(x, w),
            ConvolutionInput(*fields)(g, w, *spatial),
            ConvolutionWeight(*fields)(x, g, *window),
        ]

    def first(self, results: list[np.ndarray]) -> list[np.ndarray]:
        """y, dx and dw with channels before the spatial axes."""
        y, dx, dw = results
        if self.channels_last:
            y, dx = np.moveaxis(y, -1, 1), np.moveaxis(dx, -1, 1)
        return [y, dx, dw]

    def scipy(self) -> np.ndarray:
        """y by SciPy."""
        return oracles.by_scipy(
            self.x, self.w, self.strides, self.pads, self.dilation, self.groups,
            self.flip,
        )  # fmt: skip

    def looped(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y, dx and dw by loops."""
        return oracles.looped(
            self.x, self.w, self.g, self.strides, self.pads, self.dilation,
            self.groups, self.flip,
        )  # fmt: skip


def convolution(
    random: np.random.Generator, most: int = 7, dtype: str = "float64"
) -> Convolved:
    """One case; extents beyond those of the window are below `most`."""
    rank = int(random.integers(1, 4))
    window = ints(random.integers(1, 5 - rank // 2, rank))
    strides = ints(random.integers(1, 4, rank))
    dilation = ints(
        random.integers(1, 4, rank) if random.random() < 0.4 else [1] * rank
    )
    spans = [(r - 1) * d + 1 for r, d in zip(window, dilation, strict=True)]
    pads = padding(random, spans)
    most = max(2, most - 2 * rank)
    spatial = tuple(
        max(1, s - sum(p)) + int(random.integers(0, most))
        for s, p in zip(spans, pads, strict=True)
    )
    groups, each_in, each_out = channels(random)
    batch = int(random.integers(1, 4))
    out = oracles.out_extents(spatial, window, strides, pads, dilation)

    def made(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(dtype)

    return Convolved(
        made(batch, groups * each_in, *spatial),
        made(groups * each_out, each_in, *window),
        made(batch, groups * each_out, *out),
        strides, pads, dilation, groups,
        bool(random.integers(2)), bool(random.integers(2)), random.random() < 0.5,
    )  # fmt: skip


def padding(random: np.random.Generator, spans: list[int]) -> Pads:
    """Padding of one of the kinds that border modes give."""
    kind = random.integers(6)
    if kind == 0:
        return ((0, 0),) * len(spans)
    if kind == 1:
        return tuple((s // 2, s // 2) for s in spans)
    if kind == 2:
        return tuple((s - 1, s - 1) for s in spans)
    if kind == 3:
        return tuple(((s - 1) // 2, s // 2) for s in spans)
    if kind == 4:
        return ((int(random.integers(1, 3)),) * 2,) * len(spans)
    pairs = random.integers(0, 4, (len(spans), 2))
    return tuple((int(a), int(b)) for a, b in pairs)


def channels(random: np.random.Generator) -> tuple[int, int, int]:
    """(groups, channels in, channels out of a group); some depthwise."""
    kind = random.integers(4)
    if kind == 0:
        return int(random.integers(2, 4)), *ints(random.integers(1, 4, 2))
    if kind == 1:
        return int(random.integers(1, 6)), 1, int(random.integers(1, 3))
    return 1, *ints(random.integers(1, 5, 2))


def convolutions(block: int, count: int = 100, **options: Any) -> Iterator[Convolved]:
    """The cases of a block."""
    random = np.random.default_rng([7, block])
    for _ in range(count):
        yield convolution(random, **options)


@dataclass(frozen=True, repr=False)
class Pooled:
    """A pooling of x, gradients g of its results, and v of the shape of x."""

    x: np.ndarray
    v: np.ndarray
    g: np.ndarray
    size: tuple[int, ...]
    strides: tuple[int, ...]
    pads: Pads
    ignore_border: bool
    ties: str
    channels_last: bool
    static: bool
    __repr__ = described

    def outputs(self, values: Values) -> list[Variable]:
        """Maximum, sum, and the three adjoints; `values` gains the inputs."""
        fields: Any = (
            self.size, self.strides, self.pads, self.ignore_border, self.channels_last,
        )  # fmt: skip
        x, v, g = (
            leaf(last(a, self.channels_last), self.static, values)
            for a in (self.x, self.v, self.g)
        )
        extents = scalars(self.x.shape[2:], self.static, values)
        y = Pool("max", *fields, self.ties)(x)
        return [
            y,
            Pool("sum", *fields)(x),
            PoolSumInput(*fields)(g, *extents),
            PoolMaxInput(*fields, self.ties)(x, y, g),
            PoolMaxPick(*fields, self.ties)(x, y, v),
        ]

    def looped(self) -> list[np.ndarray]:
        """What `outputs` computes, by loops."""
        geometry = (self.size, self.strides, self.pads, self.ignore_border)
        y = oracles.pooled(self.x, *geometry, "max")
        total = oracles.pooled(self.x, *geometry, "sum")
        spread, back = np.zeros(self.x.shape), np.zeros(self.x.shape)
        _, found = oracles.windows(self.x.shape[2:], *geometry)
        for o, places in found.items():
            for at in places:
                spread[(..., *at)] += self.g[(..., *o)]
        picked = np.zeros(y.shape)
        for at, o in oracles.peaks(self.x, y, *geometry, self.ties):
            back[at] += self.g[o]
            picked[o] += self.v[at]
        results = [y, total, spread, back, picked]
        return [last(a, self.channels_last) for a in results]


def pooling(random: np.random.Generator, dtype: str = "float64") -> Pooled:
    """One case; values are small whole numbers, so that there are ties."""
    rank = int(random.integers(1, 4))
    size = ints(random.integers(1, 4 if random.random() < 0.8 else 6, rank))
    strides = size if random.random() < 0.3 else ints(random.integers(1, 4, rank))
    ignore_border = bool(random.integers(2))
    pads: Pads = ((0, 0),) * rank
    if ignore_border and random.random() < 0.6:
        pads = tuple((int(random.integers(n)), int(random.integers(n))) for n in size)
    spatial = tuple(max(n, int(random.integers(1, 10 - 2 * rank))) for n in size)
    if not ignore_border:
        spatial = ints(random.integers(1, 11 - 2 * rank, rank))
    shape = (int(random.integers(1, 4)), int(random.choice([1, 2, 3, 5])), *spatial)
    out, _ = oracles.windows(spatial, size, strides, pads, ignore_border)

    def made(*shape: int) -> np.ndarray:
        return random.integers(-3, 4, shape).astype(dtype)

    return Pooled(
        made(*shape), made(*shape), made(*shape[:2], *out), size, strides, pads,
        ignore_border, ["all", "first"][random.integers(2)],
        bool(random.integers(2)), random.random() < 0.5,
    )  # fmt: skip


def poolings(block: int, count: int = 100, **options: Any) -> Iterator[Pooled]:
    """The cases of a block."""
    random = np.random.default_rng([8, block])
    for _ in range(count):
        yield pooling(random, **options)
