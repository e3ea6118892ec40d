"""Random valid graphs, made from a seed, with values for their leaves.

`make(seed)` builds a graph step by step and evaluates every step with the reference, so
each next step can be chosen to be valid for the extents that are there. Values stay
moderate. Where a result would jump on the last bit of a float (comparisons, argmax,
floor), a step is taken only if no element is near the jump.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.types import TensorType

LIMIT = 30.0
SIZES = (1, 2, 3, 5, 7, 8, 17, 33)


@dataclass
class Made:
    """A graph: inputs with values, outputs, updates, and the largest inner value."""

    seed: int
    values: dict[Variable, np.ndarray] = field(default_factory=dict)
    outputs: list[Variable] = field(default_factory=list)
    updates: list[tuple[Any, Variable]] = field(default_factory=list)
    scale: float = 1.0


class Maker:
    """Builds one graph."""

    def __init__(self, seed: int, steps: int) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = str(self.random.choice(["float64", "float64", "float32"]))
        self.made = Made(seed)
        self.known: dict[Variable, np.ndarray] = {}
        self.pool: list[Variable] = []
        self.shared: list[Any] = []
        self.sizes = [int(self.random.choice(SIZES)) for _ in range(3)]
        for _ in range(int(self.random.integers(1, 4))):
            self.leaf(int(self.random.integers(0, 4)))
        if self.random.random() < 0.4:
            self.shared_leaf(int(self.random.integers(1, 3)))
        for _ in range(steps):
            self.step()
        self.finish()

    # --- leaves ---------------------------------------------------------------------

    def shape(self, ndim: int) -> tuple[int, ...]:
        return tuple(int(self.random.choice(self.sizes)) for _ in range(ndim))

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(self.random.normal(size=shape)).astype(self.dtype)

    def leaf(self, ndim: int, shape: tuple[int, ...] | None = None) -> Variable:
        """A new input; its static shape may be known, and extents 1 mostly are."""
        shape = self.shape(ndim) if shape is None else shape
        known = self.random.random() < 0.2
        certain = self.random.random() < 0.85
        static = tuple(e if known or (e == 1 and certain) else None for e in shape)
        variable: Variable = TensorType(self.dtype, static)(f"x{len(self.known)}")
        return self.add_leaf(variable, self.array(shape))

    def add_leaf(self, variable: Variable, array: np.ndarray) -> Variable:
        self.made.values[variable] = array
        self.known[variable] = array
        self.pool.append(variable)
        return variable

    def shared_leaf(self, ndim: int) -> None:
        value = self.array(self.shape(ndim))
        variable = sg.shared(value, name=f"w{len(self.shared)}")
        self.shared.append(variable)
        self.known[variable] = value
        self.pool.append(variable)

    # --- steps ----------------------------------------------------------------------

    def pick(self, test: Callable[[np.ndarray], bool] = lambda a: True) -> Variable:
        """One of the latest variables that fit; a new leaf where none does."""
        fits = [v for v in self.pool if test(self.known[v])]
        if not fits:
            for ndim in (2, 3, 1, 0):
                variable = self.leaf(ndim)
                if test(self.known[variable]):
                    return variable
            raise LookupError
        weights = np.arange(1, len(fits) + 1, dtype=float) ** 1.5
        return fits[int(self.random.choice(len(fits), p=weights / weights.sum()))]

    def value(self, variable: Variable) -> np.ndarray:
        found = self.known.get(variable)
        if found is None:
            with np.errstate(all="ignore"):
                (found,) = evaluate([variable], self.known)
            self.known[variable] = found
        return found

    def step(self) -> None:
        name, weight = zip(*STEPS.items(), strict=True)
        chosen = self.random.choice(name, p=np.array(weight) / sum(weight))
        try:
            variable = getattr(self, chosen)()
        except LookupError:
            return
        if variable is None:
            return
        if variable.type.dtype != self.dtype:
            variable = T.cast(variable, self.dtype)
        array = self.value(variable)
        if array.size > 20_000:
            return
        if not np.isfinite(array).all():
            return
        if array.size and np.abs(array).max() > LIMIT:
            variable = variable * (1.0 / float(np.abs(array).max()))
            array = self.value(variable)
        if array.size:
            self.made.scale = max(self.made.scale, float(np.abs(array).max()))
        self.pool.append(variable)

    def unary(self) -> Variable:
        x = self.pick()
        which = int(self.random.integers(len(UNARY)))
        return UNARY[which](x)

    def partner(self, x: Variable) -> Variable:
        """A variable that broadcasts with `x`."""
        shape = self.known[x].shape

        def fits(a: np.ndarray) -> bool:
            try:
                return np.broadcast_shapes(a.shape, shape) is not None
            except ValueError:
                return False

        found = self.pick(fits)
        # extents that are equal by value are often no broadcast by type: both are fine
        return found

    def binary(self) -> Variable:
        x = self.pick()
        y = self.partner(x)
        if self.random.random() < 0.5:
            x, y = y, x
        which = int(self.random.integers(len(BINARY)))
        return BINARY[which](x, y)

    def compare(self) -> Variable | None:
        x = self.pick()
        y = self.partner(x)
        a, b = np.broadcast_arrays(self.known[x], self.known[y])
        if a.size and np.abs(a - b).min() < 1e-3:
            return None
        mask = [T.gt, T.lt, T.ge][int(self.random.integers(3))](x, y)
        other = self.pick(lambda c: _broadcasts(c.shape, a.shape))
        return T.where(mask, x, other) if self.random.random() < 0.7 else mask

    def axes(self, ndim: int) -> Any:
        kind = self.random.random()
        if kind < 0.25 or ndim == 0:
            return None
        count = int(self.random.integers(1, ndim + 1))
        axes = sorted(int(a) for a in self.random.choice(ndim, count, replace=False))
        return axes[0] if count == 1 else tuple(axes)

    def reduce(self) -> Variable | None:
        x = self.pick(lambda a: a.ndim > 0 and a.size > 0)
        name = str(self.random.choice(["sum", "mean", "max", "min", "prod", "var"]))
        if name == "prod":
            x = T.tanh(x) * 0.5 + 1.0
        axes = self.axes(x.ndim)
        return getattr(T, name)(x, axis=axes, keepdims=bool(self.random.random() < 0.5))

    def softmax(self) -> Variable:
        x = self.pick(lambda a: a.ndim > 0 and a.size > 0)
        axis = int(self.random.integers(-x.ndim, x.ndim))
        if self.random.random() < 0.3:
            return T.log(T.sum(T.exp(x), axis=axis, keepdims=True))
        return [T.nnet.softmax, T.nnet.logsoftmax][int(self.random.integers(2))](
            x, axis=axis
        )

    def argmax(self) -> Variable | None:
        x = self.pick(lambda a: a.ndim > 0 and a.size > 0)
        axis = int(self.random.integers(0, x.ndim))
        ordered = np.sort(self.known[x], axis=axis)
        if ordered.shape[axis] > 1:
            gaps = np.diff(ordered, axis=axis)
            if gaps.min() < 1e-4:
                return None
        return [T.argmax, T.argmin][int(self.random.integers(2))](x, axis=axis)

    def dimshuffle(self) -> Variable:
        x = self.pick()
        pattern: list[Any] = list(self.random.permutation(x.ndim))
        pattern = [int(k) for k in pattern]
        if x.ndim < 3 and self.random.random() < 0.5:
            pattern.insert(int(self.random.integers(0, x.ndim + 1)), "x")
        return x.dimshuffle(*pattern)

    def reshape(self) -> Variable:
        x = self.pick()
        shape = self.known[x].shape
        kind = self.random.random()
        if kind < 0.3:
            return x.flatten()
        if kind < 0.6 and x.ndim >= 2:
            k = int(self.random.integers(0, x.ndim - 1))
            joined = x.shape[k] * x.shape[k + 1]
            rest = [x.shape[i] for i in range(x.ndim)]
            rest[k : k + 2] = [joined]
            return x.reshape(tuple(rest), ndim=x.ndim - 1)
        size = int(np.prod(shape))
        for factor in (2, 3, 4, 5, 7):
            if size and size % factor == 0:
                if self.random.random() < 0.5:
                    return x.reshape((factor, -1))
                return x.reshape((-1, factor))
        return x.reshape((1, *shape)) if x.ndim < 4 else x

    def slicing(self) -> Variable:
        x = self.pick(lambda a: a.ndim > 0 and a.size > 0)
        return x[self.index(self.known[x].shape)]

    def index(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """A basic index that keeps at least one element of every axis."""
        index: list[Any] = []
        for extent in shape:
            kind = self.random.random()
            if kind < 0.3:
                index.append(slice(None))
            elif kind < 0.5:
                index.append(int(self.random.integers(-extent, extent)))
            elif kind < 0.7:
                index.append(slice(None, None, int(self.random.choice([-2, -1, 2, 3]))))
            else:
                start = int(self.random.integers(0, extent))
                stop = int(self.random.integers(start + 1, extent + 1))
                step = int(self.random.choice([1, 1, 2]))
                if self.random.random() < 0.3:
                    index.append(slice(stop - 1, start - 1 if start else None, -step))
                elif self.random.random() < 0.3:
                    index.append(slice(start - extent, stop, step))
                else:
                    index.append(slice(start, stop, step))
        return tuple(index)

    def concatenate(self) -> Variable:
        x = self.pick(lambda a: a.ndim > 0)
        shape = self.known[x].shape
        y = self.pick(lambda a: a.shape == shape)
        if self.random.random() < 0.3 and x.ndim < 4:
            return T.stack([x, y], axis=int(self.random.integers(0, x.ndim + 1)))
        parts = [x, y, x][: int(self.random.integers(2, 4))]
        return T.concatenate(parts, axis=int(self.random.integers(0, x.ndim)))

    def dot(self) -> Variable:
        x = self.pick(lambda a: a.ndim in (1, 2))
        inner = self.known[x].shape[-1]
        turn = self.random.random() < 0.3

        def fits(a: np.ndarray) -> bool:
            if a.ndim not in (1, 2):
                return False
            return (a.shape[-1] if turn else a.shape[0]) == inner

        candidates = [v for v in self.pool if fits(self.known[v])]
        y = (
            candidates[int(self.random.integers(len(candidates)))]
            if candidates
            else self.leaf(
                2, (self.sizes[0], inner) if turn else (inner, self.sizes[0])
            )
        )
        if turn:
            y = y.T
        return T.dot(x, y) * (1.0 / max(inner, 1))

    def batched_dot(self) -> Variable:
        x = self.pick(lambda a: a.ndim == 3)
        b, _, k = self.known[x].shape
        y = self.leaf(3, (b, k, self.sizes[1]))
        return T.batched_dot(x, y) * (1.0 / max(k, 1))

    def take(self) -> Variable:
        x = self.pick(lambda a: a.ndim > 0 and a.size > 0)
        axis = int(self.random.integers(0, x.ndim))
        extent = self.known[x].shape[axis]
        count = tuple(
            int(n) for n in self.random.integers(1, 6, self.random.integers(1, 3))
        )
        indices = self.random.integers(-extent, extent, count)
        variable: Variable = TensorType("int64", (None,) * indices.ndim)(
            f"i{len(self.known)}"
        )
        self.made.values[variable] = indices
        self.known[variable] = indices
        return T.take(x, variable, axis=axis)

    def write(self) -> Variable:
        x = self.pick(lambda a: a.ndim > 0 and a.size > 0)
        part = x[self.index(self.known[x].shape)]
        shape = self.value(part).shape
        y = self.pick(
            lambda a: (
                _broadcasts(a.shape, shape)
                and np.broadcast_shapes(a.shape, shape) == shape
            )
        )
        function = [T.set_subtensor, T.inc_subtensor][int(self.random.integers(2))]
        return function(part, y)

    def shapes(self) -> Variable:
        x = self.pick(lambda a: a.ndim > 0)
        axis = int(self.random.integers(0, x.ndim))
        kind = self.random.random()
        if kind < 0.3:
            return x / T.cast(x.shape[axis], self.dtype)
        if kind < 0.6:
            count = T.cast(T.arange(x.shape[-1]), self.dtype)
            return x + count * 0.1
        return T.alloc(np.asarray(0.5, self.dtype), x.shape[axis], 2)

    def repeat(self) -> Variable:
        x = self.pick(lambda a: 0 < a.ndim < 4)
        axis = int(self.random.integers(0, x.ndim))
        if self.random.random() < 0.5:
            return T.repeat(x, 2, axis=axis)
        return T.tile(x, (2,) + (1,) * (x.ndim - 1))

    # --- results --------------------------------------------------------------------

    def finish(self) -> None:
        made = self.made
        computed = [v for v in self.pool if v.owner is not None] or self.pool[-1:]
        count = min(len(computed), int(self.random.integers(1, 4)))
        made.outputs = [computed[-1]]
        if count > 1:
            others = self.random.choice(len(computed), count - 1, replace=False)
            made.outputs += [computed[int(k)] for k in others]
        for w in self.shared:
            shape = self.known[w].shape
            same = [v for v in computed if self.known[v].shape == shape]
            new = w * 0.9
            if same and self.random.random() < 0.8:
                new = w - 0.1 * same[int(self.random.integers(len(same)))]
            made.updates.append((w, T.cast(new, self.dtype)))


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


UNARY: list[Callable[[Variable], Variable]] = [
    T.tanh, T.sigmoid, lambda x: T.exp(T.clip(x, -5, 2)), T.sqr, T.neg, T.sin, T.cos,
    T.abs, T.nnet.relu, T.nnet.softplus, lambda x: T.log1p(T.abs(x)),
    lambda x: T.sqrt(x * x + 0.5), lambda x: T.log(T.abs(x) + 0.5), lambda x: 2 * x + 1,
    lambda x: x + x, lambda x: x - 3, lambda x: x / 2.5, T.arctan, T.erf,
    lambda x: 1 / (1 + T.exp(-x)), lambda x: x**3 * 0.1, lambda x: T.clip(x, -1.05, 1.05),
]  # fmt: skip
BINARY: list[Callable[[Variable, Variable], Variable]] = [
    T.add, T.sub, T.mul, T.maximum, T.minimum, lambda x, y: x / (y * y + 0.7),
    lambda x, y: (x + y) + (x + y), lambda x, y: x * y + x,
    lambda x, y: T.arctan2(x, y * y + 0.5),
    lambda x, y: T.where(T.isnan(x), y, x * y), lambda x, y: (x - y) ** 2,
]  # fmt: skip
STEPS = {
    "unary": 6, "binary": 8, "compare": 2, "reduce": 5, "softmax": 2, "argmax": 1,
    "dimshuffle": 3, "reshape": 3, "slicing": 4, "concatenate": 2, "dot": 4,
    "batched_dot": 1, "take": 2, "write": 2, "shapes": 2, "repeat": 1,
}  # fmt: skip


def make(seed: int, steps: int = 8) -> Made:
    """The graph of a seed."""
    return Maker(seed, steps).made
