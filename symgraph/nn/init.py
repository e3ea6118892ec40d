"""Initialisers: what the parameters of layers are before training.

An initialiser is called with a shape and gives an array of ``config.floatX``. Random
ones draw from `symgraph.nn.random.get_rng`. `Glorot` and `He` choose the width of a
distribution from the shape: (inputs, units) for matrices, and (filters, channels,
rows, columns, ...) for filters, whose receptive field is the product of the axes from
the third on.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.random import get_rng
from symgraph.nn.utils import floatX

Shape = tuple[int, ...]


class Initializer:
    """Base class of all initialisers. A subclass defines `sample`.

    Examples
    --------
    >>> class Ramp(Initializer):
    ...     def sample(self, shape):
    ...         return floatX(np.arange(np.prod(shape)).reshape(shape))
    >>> Ramp()((2, 2)).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def __call__(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array of this shape; the same as `sample`."""
        return self.sample(tuple(shape))

    def sample(self, shape: Shape) -> np.ndarray:
        """Return an array of this shape and of dtype ``config.floatX``."""
        raise NotImplementedError(f"{type(self).__name__} does not define sample")


class Constant(Initializer):
    """w = val.

    Parameters
    ----------
    val : number, or an array that broadcasts to the shape

    Examples
    --------
    >>> Constant(0.5)((2,)).tolist()
    [0.5, 0.5]
    """

    def __init__(self, val: Any = 0.0) -> None:
        self.val = val

    def sample(self, shape: Shape) -> np.ndarray:
        """Return `val` everywhere."""
        return floatX(np.ones(shape) * self.val)


class Normal(Initializer):
    """w ~ N(mean, std**2).

    Parameters
    ----------
    std, mean : numbers
    """

    def __init__(self, std: float = 0.01, mean: float = 0.0) -> None:
        self.std = std
        self.mean = mean

    def sample(self, shape: Shape) -> np.ndarray:
        """Return independent normal numbers."""
        return floatX(get_rng().normal(self.mean, self.std, size=shape))


class Uniform(Initializer):
    """w ~ U(low, high).

    Parameters
    ----------
    range : number or pair
        a number r stands for -r .. r.
    std : number, optional
        with it, `range` is ignored: low, high = mean - sqrt(3) std, mean + sqrt(3) std.
    mean : number, used only beside `std`
    """

    def __init__(
        self, range: Any = 0.01, std: float | None = None, mean: float = 0.0
    ) -> None:
        if std is not None:
            half = math.sqrt(3) * std
            self.range = (mean - half, mean + half)
        elif np.ndim(range) == 0:
            self.range = (-range, range)
        else:
            if len(range) != 2:
                raise ArgumentError(
                    f"Uniform: range={range!r}; give a number or a pair (low, high)"
                )
            self.range = (range[0], range[1])

    def sample(self, shape: Shape) -> np.ndarray:
        """Return independent uniform numbers."""
        low, high = self.range
        return floatX(get_rng().uniform(low=low, high=high, size=shape))


class _Scaled(Initializer):
    """A distribution whose standard deviation depends on the shape."""

    def __init__(
        self,
        initializer: Callable[..., Initializer],
        gain: float | str = 1.0,
        c01b: bool = False,
    ) -> None:
        self.initializer = initializer
        self.gain = _gain(gain, type(self).__name__)
        self.c01b = c01b

    def std(self, shape: Shape) -> float:
        """Return the standard deviation for a shape."""
        raise NotImplementedError

    def sample(self, shape: Shape) -> np.ndarray:
        """Return numbers of the distribution with the deviation of the shape."""
        if self.c01b:
            if len(shape) != 4:
                raise ShapeError(
                    f"{type(self).__name__}: c01b=True is for shapes of 4 axes, "
                    f"not {shape}"
                )
        elif len(shape) < 2:
            raise ShapeError(
                f"{type(self).__name__} needs a shape of at least 2 axes, not {shape}; "
                "use Constant, Normal or Uniform"
            )
        return self.initializer(std=self.std(shape)).sample(shape)


class Glorot(_Scaled):
    """std = gain * sqrt(2 / ((n1 + n2) * receptive field)), n1, n2 the first two axes.

    Parameters
    ----------
    initializer : class whose constructor takes `std`, such as Normal or Uniform
    gain : number, or "relu" for sqrt(2)
    c01b : True for filters of shape (channels, rows, columns, filters)

    References
    ----------
    Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward
    neural networks, equation 16
    """

    def std(self, shape: Shape) -> float:
        """Return the standard deviation for a shape."""
        if self.c01b:
            ends, field = shape[0] + shape[3], shape[1] * shape[2]
        else:
            ends, field = shape[0] + shape[1], math.prod(shape[2:])
        return self.gain * math.sqrt(2.0 / (ends * field))


class GlorotNormal(Glorot):
    """`Glorot` with the normal distribution."""

    def __init__(self, gain: float | str = 1.0, c01b: bool = False) -> None:
        super().__init__(Normal, gain, c01b)


class GlorotUniform(Glorot):
    """`Glorot` with the uniform distribution.

    Examples
    --------
    >>> w = GlorotUniform()((200, 100))
    >>> bool(abs(w).max() <= (6 / 300) ** 0.5)
    True
    """

    def __init__(self, gain: float | str = 1.0, c01b: bool = False) -> None:
        super().__init__(Uniform, gain, c01b)


class He(_Scaled):
    """std = gain * sqrt(1 / inputs of a unit).

    The inputs are the first axis of a matrix, and the product of all axes but the first
    of filters.

    Parameters
    ----------
    initializer : class whose constructor takes `std`, such as Normal or Uniform
    gain : number, or "relu" for sqrt(2)
    c01b : True for filters of shape (channels, rows, columns, filters)

    References
    ----------
    He et al. 2015, Delving deep into rectifiers, section 2.2. arXiv:1502.01852
    """

    def std(self, shape: Shape) -> float:
        """Return the standard deviation for a shape."""
        if self.c01b:
            inputs = math.prod(shape[:3])
        else:
            inputs = shape[0] if len(shape) == 2 else math.prod(shape[1:])
        return self.gain * math.sqrt(1.0 / inputs)


class HeNormal(He):
    """`He` with the normal distribution."""

    def __init__(self, gain: float | str = 1.0, c01b: bool = False) -> None:
        super().__init__(Normal, gain, c01b)


class HeUniform(He):
    """`He` with the uniform distribution."""

    def __init__(self, gain: float | str = 1.0, c01b: bool = False) -> None:
        super().__init__(Uniform, gain, c01b)


class Sparse(Initializer):
    """Each column has int(sparsity * rows) entries ~ N(0, std**2), all others are 0.

    Parameters
    ----------
    sparsity : share of entries that are not 0, 0 .. 1
    std : number

    References
    ----------
    Martens 2010, Deep learning via Hessian-free optimization, section 5
    """

    def __init__(self, sparsity: float = 0.1, std: float = 0.01) -> None:
        if not 0 <= sparsity <= 1:
            raise ArgumentError(f"Sparse: sparsity={sparsity} is not in 0 .. 1")
        self.sparsity = sparsity
        self.std = std

    def sample(self, shape: Shape) -> np.ndarray:
        """Return a sparse matrix."""
        if len(shape) != 2:
            raise ShapeError(f"Sparse is for matrices, not for shape {shape}")
        rng = get_rng()
        made = np.zeros(shape)
        rows, columns = shape
        count = int(self.sparsity * rows)
        for column in range(columns):
            chosen = rng.permutation(rows)[:count]
            made[chosen, column] = rng.normal(0.0, self.std, size=count)
        return floatX(made)


class Orthogonal(Initializer):
    """w = gain * Q, with Q'Q = 1 or QQ' = 1, whichever is smaller.

    Axes from the second on count as one. Q comes from the singular value decomposition
    of a normal matrix.

    Parameters
    ----------
    gain : number, or "relu" for sqrt(2)

    References
    ----------
    Saxe et al. 2013, Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks. arXiv:1312.6120

    Examples
    --------
    >>> q = Orthogonal()((5, 3))
    >>> bool(np.allclose(q.T @ q, np.eye(3), atol=1e-6))
    True
    """

    def __init__(self, gain: float | str = 1.0) -> None:
        self.gain = _gain(gain, "Orthogonal")

    def sample(self, shape: Shape) -> np.ndarray:
        """Return a matrix, or filters, with orthonormal rows or columns."""
        if len(shape) < 2:
            raise ShapeError(
                f"Orthogonal needs a shape of at least 2 axes, not {shape}; "
                "use Constant, Normal or Uniform"
            )
        flat = (shape[0], math.prod(shape[1:]))
        start = get_rng().normal(0.0, 1.0, size=flat)
        left, _, right = np.linalg.svd(start, full_matrices=False)
        chosen = left if left.shape == flat else right
        return floatX(self.gain * chosen.reshape(shape))


class TruncatedNormal(Initializer):
    """w ~ N(mean, std**2), drawn again where it lies outside low .. high.

    Parameters
    ----------
    std, mean : numbers, of the normal distribution before the ends are cut off
    low, high : ends, counted in std from the mean

    Raises
    ------
    ArgumentError : std is negative, or low is not less than high

    Examples
    --------
    >>> w = TruncatedNormal(std=0.5, mean=1.0)((1000,))
    >>> bool((abs(w - 1) <= 1).all())
    True
    """

    def __init__(
        self, std: float = 0.01, mean: float = 0.0, low: float = -2.0, high: float = 2.0
    ) -> None:
        if std < 0:
            raise ArgumentError(f"TruncatedNormal: std={std} must not be negative")
        if _share(low, high) < LEAST_SHARE:
            raise ArgumentError(
                f"TruncatedNormal: low={low}, high={high}; between them, in standard "
                f"deviations from the mean, must lie {LEAST_SHARE} of all normal numbers"
            )
        self.std = std
        self.mean = mean
        self.low = low
        self.high = high

    def sample(self, shape: Shape) -> np.ndarray:
        """Return normal numbers; those outside are drawn again until none is left."""
        made = np.asarray(get_rng().normal(size=shape))
        while True:
            outside = (made < self.low) | (made > self.high)
            count = int(outside.sum())
            if count == 0:
                return floatX(self.mean + self.std * made)
            made[outside] = get_rng().normal(size=count)


#: share of the normal numbers that must be kept, or drawing them again takes forever
LEAST_SHARE = 0.001
#: standard deviation of a normal number of variance 1 cut off at -2 .. 2
CUT_AT_TWO = 0.87962566103423978


class VarianceScaling(Initializer):
    """w of mean 0 and variance scale / n, n the inputs or outputs of a unit.

    Inputs are the first axis of a matrix, outputs the second. Filters have channels *
    receptive field inputs, and filters * receptive field outputs.

    Parameters
    ----------
    scale : positive number
    mode : "fan_in" (n is the number of inputs), "fan_out" (of outputs) or "fan_avg"
        (the mean of both)
    distribution : "truncated_normal" (cut off at two standard deviations),
        "untruncated_normal" or "uniform"

    Raises
    ------
    ArgumentError : scale, mode or distribution is none of those
    ShapeError : a shape of less than 2 axes

    References
    ----------
    Names and defaults are Keras's. LeCun et al. 1998 (scale 1, fan_in), Glorot and
    Bengio 2010 (scale 1, fan_avg), He et al. 2015 (scale 2, fan_in).

    Examples
    --------
    >>> w = VarianceScaling(2.0, "fan_in", "uniform")((50, 20))
    >>> bool(abs(w).max() <= (3 * 2 / 50) ** 0.5)
    True
    """

    MODES = ("fan_in", "fan_out", "fan_avg")
    DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
    ) -> None:
        if not scale > 0:
            raise ArgumentError(f"VarianceScaling: scale={scale} must be positive")
        if mode not in self.MODES:
            raise ArgumentError(
                f"VarianceScaling: mode={mode!r}; use {', '.join(self.MODES)}"
            )
        if distribution not in self.DISTRIBUTIONS:
            raise ArgumentError(
                f"VarianceScaling: distribution={distribution!r}; use "
                f"{', '.join(self.DISTRIBUTIONS)}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution

    def sample(self, shape: Shape) -> np.ndarray:
        """Return numbers of the distribution with the variance of the shape."""
        if len(shape) < 2:
            raise ShapeError(
                f"VarianceScaling needs a shape of at least 2 axes, not {shape}; "
                "use Constant, Normal or Uniform"
            )
        field = math.prod(shape[2:])
        outside = shape[:2] if len(shape) == 2 else shape[1::-1]
        fan_in, fan_out = (extent * field for extent in outside)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        std = math.sqrt(self.scale / n[self.mode])
        if self.distribution == "uniform":
            return Uniform(std=std).sample(shape)
        if self.distribution == "untruncated_normal":
            return Normal(std).sample(shape)
        return TruncatedNormal(std / CUT_AT_TWO).sample(shape)


def _share(low: float, high: float) -> float:
    """Share of normal numbers between two ends."""
    return (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2


def _gain(gain: float | str, what: str) -> float:
    if gain == "relu":
        return math.sqrt(2)
    if isinstance(gain, str):
        raise ArgumentError(f"{what}: gain={gain!r}; give a number or 'relu'")
    return float(gain)
