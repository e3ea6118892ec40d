"""Random networks for images, made from a seed, with values for their leaves.

`make(seed)` builds layers one after another for a batch of random rank, extents and
channels: convolutions of every kind, poolings, normalisations, nonlinearities, dropout,
residual sums, joined channels; then a dense layer, a loss and an optimizer. Outputs are
the loss, the last layer, all gradients and that of the images.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.core.types import TensorType
from symgraph.nn import updates
from symgraph.ops.random import RandomStreams

CHANNELS = (1, 2, 3, 4, 5, 8, 16, 17, 33, 70)
EXTENTS = (1, 2, 3, 5, 7, 8, 13, 16, 19)
MOST = 12_000  # elements of a layer
CONVOLUTIONS: dict[int, Callable[..., Variable]] = {
    1: T.nnet.conv1d, 2: T.nnet.conv2d, 3: T.nnet.conv3d,
}  # fmt: skip
POOLS: dict[int, Callable[..., Variable]] = {
    1: T.signal.pool.pool_1d, 2: T.signal.pool.pool_2d, 3: T.signal.pool.pool_3d,
}  # fmt: skip


class Network:
    """A network: inputs with values, outputs, parameters, updates."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self.dtype = self.pick(("float32", "float32", "float64"))
        self.rank = self.pick((1, 2, 2, 2, 2, 3))
        self.streams = RandomStreams(seed)
        self.parameters: list[Any] = []
        self.text: list[str] = []
        extents = tuple(self.pick(EXTENTS) for _ in range(self.rank))
        if self.rank == 3:
            extents = tuple(min(e, 8) for e in extents)
        batch = self.pick((0, 1, 1, 2, 3, 5, 8, 17))
        self.shape = (batch, self.pick(CHANNELS), *extents)
        while np.prod(self.shape) > MOST:
            self.shape = (max(1, self.shape[0] // 2), max(1, self.shape[1] // 2),
                          *self.shape[2:])  # fmt: skip
        images = self.random.normal(size=self.shape).astype(self.dtype)
        static = self.pick(("all", "batch", "spatial", "none"))
        known = {
            "all": self.shape,
            "batch": (None, *self.shape[1:]),
            "spatial": (None, self.shape[1], *[None] * self.rank),
            "none": (None,) * len(self.shape),
        }[static]
        self.images = TensorType(self.dtype, known)("images")
        self.text.append(f"{self.dtype} {self.shape} static={static}")
        self.values: dict[Variable, np.ndarray] = {self.images: images}
        self.layer: Variable = self.images
        for _ in range(int(self.random.integers(1, 5))):
            self.step()
        self.finish()

    def pick(self, choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def chance(self, p: float) -> bool:
        return bool(self.random.random() < p)

    def parameter(self, shape: tuple[int, ...], scale: float = 1.0) -> Any:
        value = self.random.normal(size=shape) * scale
        made = sg.shared(value.astype(self.dtype), name=f"p{len(self.parameters)}")
        self.parameters.append(made)
        return made

    def step(self) -> None:
        kinds = [self.convolve, self.convolve, self.convolve, self.pool, self.activate,
                 self.activate, self.normalise, self.drop, self.residual,
                 self.join]  # fmt: skip
        if self.rank == 2:
            kinds.append(self.transposed)
        kind = self.pick(kinds)
        kind()

    # --- layers -----------------------------------------------------------------------

    def filters(
        self, shape: tuple[int, ...], strides: Any, most: int
    ) -> tuple[int, int, tuple[int, ...], Any, Any]:
        """Groups, number of filters, window, padding and dilation for a layer."""
        channels = shape[1]
        groups = 1
        if self.chance(0.25):
            groups = self.pick([g for g in range(1, channels + 1) if channels % g == 0])
        count = groups * self.pick([c for c in CHANNELS if c * groups <= 70])
        while count > groups and count * np.prod(shape[2:]) * max(shape[0], 1) > most:
            count -= groups
        window, dilation = [], []
        mode = self.pick(("valid", "half", "full", "same", "int", "pairs"))
        for extent in shape[2:]:
            d = self.pick((1, 1, 1, 2))
            w = self.pick((1, 2, 3, 3, 3, 5))
            while mode in ("valid", "int", "pairs") and (w - 1) * d + 1 > extent:
                w -= 1
            window.append(max(w, 1))
            dilation.append(d)
        border: Any = mode
        if mode == "int":
            border = tuple(self.pick((0, 1, 2)) for _ in window)
        elif mode == "pairs":
            border = tuple((self.pick((0, 1, 2)), self.pick((0, 1, 3))) for _ in window)
        if mode == "half":  # the window must fit
            for axis, extent in enumerate(shape[2:]):
                span = (window[axis] - 1) * dilation[axis] + 1
                if span > extent + 2 * (span // 2):
                    window[axis] = 1
        return groups, count, tuple(window), border, tuple(dilation)

    def convolution(self, x: Variable, shape: tuple[int, ...]) -> tuple[Variable, Any]:
        strides = tuple(self.pick((1, 1, 2, 3)) for _ in range(self.rank))
        groups, count, window, border, dilation = self.filters(shape, strides, MOST)
        per = shape[1] // groups
        scale = (per * np.prod(window)) ** -0.5
        w = self.parameter((count, per, *window), float(scale))
        flip = self.chance(0.5)
        y = CONVOLUTIONS[self.rank](
            x, w, border_mode=border, subsample=strides, filter_flip=flip,
            filter_dilation=dilation, num_groups=groups,
        )  # fmt: skip
        self.text.append(
            f"conv {count}x{per}x{window} pad={border} s={strides} d={dilation} "
            f"g={groups} flip={flip}"
        )
        return y, (w, border, strides, dilation, groups)

    def extent(self, y: Variable) -> tuple[int, ...]:
        """The shape of y, by the reference."""
        from symgraph.backends.reference import evaluate

        values = dict(self.values)
        return tuple(int(e) for e in evaluate([T.shape(y)], values)[0])

    def accept(self, y: Variable) -> bool:
        shape = self.extent(y)
        if min(shape[1:]) < 1 or np.prod(shape) > 4 * MOST:
            return False
        self.layer, self.shape = y, shape
        return True

    def convolve(self) -> None:
        y, _ = self.convolution(self.layer, self.shape)
        if self.chance(0.7):
            b = self.parameter((self.extent(y)[1],), 0.1)
            y = y + b.dimshuffle("x", 0, *["x"] * self.rank)
        if self.chance(0.6):
            y = self.nonlinear(y)
        self.accept(y)

    def transposed(self) -> None:
        channels = self.shape[1]
        count = self.pick((1, 3, 8, 17))
        window = (self.pick((1, 2, 3, 5)), self.pick((1, 2, 3)))
        strides = (self.pick((1, 2, 3)), self.pick((1, 2)))
        out = tuple(
            (n - 1) * s + w
            for n, s, w in zip(self.shape[2:], strides, window, strict=True)
        )
        if np.prod(out) * count * max(1, self.shape[0]) > 4 * MOST:
            return
        w = self.parameter((channels, count, *window), (channels * window[0]) ** -0.5)
        flip = self.chance(0.5)
        y = T.nnet.conv2d_transpose(
            self.layer, w, output_shape=(None, None, *out), border_mode="valid",
            input_dilation=strides, filter_flip=flip,
        )  # fmt: skip
        self.text.append(f"transposed {count} {window} s={strides} flip={flip}")
        self.accept(self.nonlinear(y))

    def pool(self) -> None:
        size = tuple(min(self.pick((1, 2, 2, 3)), e) for e in self.shape[2:])
        strides = tuple(self.pick((1, 2, 3, s)) for s in size)
        border = self.chance(0.5)
        pad: Any = (0,) * self.rank
        if border and self.chance(0.5):
            pad = tuple((self.pick(range(s)), self.pick(range(s))) for s in size)
        mode = self.pick(("max", "max", "sum", "average_inc_pad", "average_exc_pad"))
        ties = self.pick(("all", "first"))
        y = POOLS[self.rank](
            self.layer, size, ignore_border=border, stride=strides, pad=pad, mode=mode,
            ties=ties,
        )  # fmt: skip
        self.text.append(f"pool {mode} {size} s={strides} pad={pad} {border} {ties}")
        if mode == "sum":
            y = y * float(np.prod(size)) ** -0.5
        self.accept(y)

    def nonlinear(self, y: Variable) -> Variable:
        kind = self.pick(("relu", "tanh", "leaky", "sigmoid", "maximum", "elu"))
        self.text.append(kind)
        match kind:
            case "relu":
                return T.nnet.relu(y)
            case "leaky":
                return T.nnet.relu(y, 0.1)
            case "maximum":
                return T.maximum(y, 0)
            case "elu":
                return T.nnet.elu(y)
            case "sigmoid":
                return T.nnet.sigmoid(y)
        return T.tanh(y)

    def activate(self) -> None:
        self.accept(self.nonlinear(self.layer))

    def normalise(self) -> None:
        """Batch normalisation; a batch without elements has no mean."""
        if self.shape[0] == 0 or np.prod(self.shape) == self.shape[1]:
            return
        axes = (0, *range(2, self.rank + 2))
        x = self.layer
        mean = T.mean(x, axis=axes, keepdims=True)
        variance = T.mean(T.sqr(x - mean), axis=axes, keepdims=True)
        across = ("x", 0, *["x"] * self.rank)
        gamma = self.parameter((self.shape[1],)).dimshuffle(*across)
        beta = self.parameter((self.shape[1],)).dimshuffle(*across)
        self.text.append("normalise")
        self.accept((x - mean) / T.sqrt(variance + 0.1) * gamma + beta)

    def drop(self) -> None:
        shape = self.shape if self.chance(0.5) else T.shape(self.layer)
        mask = self.streams.binomial(shape, p=0.7, dtype=self.dtype)
        if isinstance(shape, tuple):
            mask = T.specify_shape(mask, shape)
        self.text.append("drop")
        self.accept(self.layer * mask / 0.7)

    def residual(self) -> None:
        channels = self.shape[1]
        w = self.parameter((channels, channels, *[3] * self.rank),
                           (channels * 3**self.rank) ** -0.5)  # fmt: skip
        y = CONVOLUTIONS[self.rank](self.layer, w, border_mode="half")
        self.text.append("residual")
        self.accept(self.nonlinear(self.layer + y))

    def join(self) -> None:
        """Two branches next to each other, as channels."""
        w = self.parameter((3, self.shape[1], *[1] * self.rank))
        other = CONVOLUTIONS[self.rank](self.layer, w)
        self.text.append("join")
        branches = [self.nonlinear(self.layer), other]
        self.accept(T.concatenate(branches, axis=1))

    # --- the end ----------------------------------------------------------------------

    def finish(self) -> None:
        rows, features = self.shape[0], int(np.prod(self.shape[1:]))
        classes = self.pick((1, 3, 10))
        if self.chance(0.3):  # global average pooling
            flat = T.mean(self.layer, axis=tuple(range(2, self.rank + 2)))
            features = self.shape[1]
        else:
            flat = T.flatten(self.layer, 2)
        w = self.parameter((features, classes), features**-0.5)
        scores = T.dot(flat, w) + self.parameter((classes,), 0.1)
        if self.chance(0.6):
            target = TensorType("int64", (None,))("target")
            self.values[target] = self.random.integers(0, classes, rows)
            each = T.nnet.categorical_crossentropy(T.nnet.softmax(scores), target)
        else:
            each = T.mean(T.sqr(T.tanh(scores)), axis=1)
        # a sum where there may be no rows: their mean is NaN
        loss = T.mean(each) if rows else T.sum(each)
        if self.chance(0.4):
            loss = loss + 1e-3 * sum(T.sum(T.sqr(p)) for p in self.parameters)
        kind = self.pick(("sgd", "momentum", "nesterov_momentum", "adam"))
        self.text.append(kind)
        slopes = sg.grad(loss, [self.images, *self.parameters])
        self.outputs = [loss, scores, *slopes]
        step = getattr(updates, kind)
        # a gradient of rounding errors alone must not decide a step of Adam
        more = {"epsilon": 0.1} if kind == "adam" else {}
        self.updates = list(step(slopes[1:], self.parameters, 0.01, **more).items())
        self.updates += self.streams.updates()

    def __repr__(self) -> str:
        return f"Network({self.seed}: {'; '.join(self.text)})"


def make(seed: int) -> Network:
    """The network of a seed."""
    return Network(seed)
