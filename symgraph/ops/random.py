"""Random numbers: the same for the same seed, on every backend and number of threads.

`RandomStreams` gives out streams: each call of one of its methods has a key (from the
seed and its number) and counts the calls of the compiled function, both in shared
variables. Distributions are ordinary expressions of the bits that the ops of
ops/philox.py, offered here as well, make of key and count.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.core.dtypes import canonical, is_discrete, is_float, is_integer
from symgraph.core.node import (
    Constant,
    Shape,
    Variable,
    as_variable,
    listing,
    scalar_constant,
)
from symgraph.core.node import Extent as AnyExtent
from symgraph.core.public import PUBLIC
from symgraph.core.shared import SharedVariable, shared
from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.getitem import take
from symgraph.ops.philox import Permutation, RandomBits, hashed
from symgraph.ops.shape import as_extent, as_shape, extents, variable

__all__ = ["MRG_RandomStreams", "Permutation", "RandomBits", "RandomStreams"]


class RandomStreams:
    """Random variables for graphs.

    Each method gives a new random variable. All its uses within one call of a compiled
    function see the same numbers; the next call sees others, because a counter held in
    a shared variable advances (its `default_update`). Functions that use the same
    random variable advance the same counter. Equal seeds and equal sequences of method
    calls give equal numbers.

    Parameters
    ----------
    seed : int or sequence of ints, optional
        None takes one from the operating system.

    Examples
    --------
    >>> from symgraph.ops.random import RandomStreams
    >>> rng = RandomStreams(seed=234)
    >>> noise = rng.normal((2, 3), dtype="float32")
    >>> noise.type
    float32 (2, 3)
    """

    default_seed: int | None = None

    def __init__(self, seed: Any = None, **ignored: Any) -> None:
        self._streams: list[tuple[SharedVariable, SharedVariable]] = []
        self._seed = 0
        self.seed(self.default_seed if seed is None else seed)

    def seed(self, seed: Any = None) -> None:
        """Start all streams again, as if made with this seed."""
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        numbers = seed if isinstance(seed, list | tuple | np.ndarray) else (seed,)
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int | np.integer):
                raise ArgumentError(
                    f"seed {seed!r}: expected an int or a sequence of ints"
                )
        self._seed = hashed(int(number) for number in numbers)
        for stream, (key, call) in enumerate(self._streams):
            key.set_value(self._key(stream))
            call.set_value(np.uint64(0))

    def _key(self, stream: int) -> np.uint64:
        return np.uint64(hashed((self._seed, stream)))

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """(counter, its next value) for each stream, for functions that are given
        `no_default_updates`.
        """
        return [
            (call, call.default_update)
            for _, call in self._streams
            if call.default_update is not None
        ]

    state_updates = property(updates)

    def _stream(self) -> tuple[SharedVariable, SharedVariable]:
        number = len(self._streams)
        key = shared(self._key(number), name=f"key_{number}")
        call = shared(np.uint64(0), name=f"call_{number}")
        call.default_update = call + scalar_constant(1, "uint64")
        self._streams.append((key, call))
        return key, call

    def _bits(self, shape: Sequence[AnyExtent]) -> Variable:
        key, call = self._stream()
        return RandomBits(len(shape))(key, call, *map(variable, shape))

    # --- continuous ---

    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
        nstreams: int | None = None,
    ) -> Variable:
        """low + (high - low) * u, with u in [0, 1).

        u is a multiple of 2**-24 in float32, of 2**-53 in float64.

        Parameters
        ----------
        size : int, tuple of ints and scalars, or vector such as ``x.shape``; None for
            the broadcast shape of `low` and `high`
        ndim : number of axes, where `size` is a vector of unknown length
        dtype : "float32" or "float64"; by default that of `low` and `high`, or floatX
        nstreams : accepted for compatibility
        """
        low, high, kind = _parameters("uniform", low, high, dtype)
        bits = self._bits(_shape("uniform", size, ndim, low, high))
        u = _unit(bits, kind)
        if _is_number(low, 0) and _is_number(high, 1):
            return u
        return low + (high - low) * u

    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
        nstreams: int | None = None,
    ) -> Variable:
        """avg + std * z, with z from the standard normal distribution.

        z = sqrt(-2 * log(u)) * cos(2 * pi * v), with u in (0, 1] from the upper and v
        in [0, 1) from the lower 32 bits. This needs one Philox call and no branches,
        where the inverse of erf would need three polynomials; abs(z) ends at 6.66,
        beyond which a normal number falls once in 10**10.

        Parameters
        ----------
        size, ndim, dtype, nstreams : see `uniform`

        References
        ----------
        Box and Muller 1958, A note on the generation of random normal deviates.
        """
        avg, std, kind = _parameters("normal", avg, std, dtype)
        bits = self._bits(_shape("normal", size, ndim, avg, std))
        scale = scalar_constant(2.0**-32, kind)
        upper = cast(_shifted_right(bits, 32), kind)
        lower = cast(PUBLIC["and_"](bits, scalar_constant(0xFFFFFFFF, "uint64")), kind)
        u = (upper + scalar_constant(1, kind)) * scale
        angle = lower * scalar_constant(2 * math.pi * 2.0**-32, kind)
        radius = PUBLIC["sqrt"](scalar_constant(-2, kind) * PUBLIC["log"](u))
        z = radius * PUBLIC["cos"](angle)
        if _is_number(avg, 0) and _is_number(std, 1):
            return z
        return avg + std * z

    # --- discrete ---

    def binomial(
        self,
        size: Any = None,
        n: int = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
        prob: Any = None,
    ) -> Variable:
        """Number of successes in n independent trials that succeed with probability p.

        Parameters
        ----------
        n : int; n trials cost n random numbers each
        p : number or tensor; its resolution is 2**-24 in float32, 2**-53 in float64
        size, ndim, nstreams : see `uniform`
        prob : older name of p
        """
        p, _, kind = _parameters("binomial", p if prob is None else prob, 0.0, None)
        if isinstance(n, Constant):
            n = n.data.item()
        if isinstance(n, Variable | bool) or int(n) != n or n < 0:
            raise NotSupportedError(
                f"binomial: n must be a Python int, not {n!r}\nSum Bernoulli variables "
                "over an axis of symbolic extent instead."
            )
        shape = _shape("binomial", size, ndim, p)
        if n == 1:
            return cast(
                PUBLIC["lt"](_unit(self._bits(shape), kind), p), canonical(dtype)
            )
        trials = _unit(self._bits((*shape, int(n))), kind)
        success = PUBLIC["lt"](trials, PUBLIC["shape_padright"](p))
        return cast(PUBLIC["sum"](success, axis=-1), canonical(dtype))

    def bernoulli(
        self,
        size: Any = None,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Variable:
        """1 with probability p, else 0."""
        return self.binomial(size, 1, p, ndim, dtype)

    def integers(
        self,
        size: Any = None,
        low: Any = 0,
        high: Any = 2,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Variable:
        """Integers in low .. high - 1, equally likely.

        Taken as bits mod (high - low); no value is favoured by more than
        (high - low) / 2**64.

        Parameters
        ----------
        size, ndim : see `uniform`
        low, high : integers or integer tensors, low < high
        """
        low, high = as_variable(low), as_variable(high)
        for bound in (low, high):
            if not is_integer(bound.type.dtype):
                raise DtypeError(f"integers: bounds must be integers{listing(bound)}")
        known = isinstance(low, Constant) and isinstance(high, Constant)
        if known and not (low.data < high.data).all():
            raise ArgumentError(f"integers: low must be below high{listing(low, high)}")
        bits = self._bits(_shape("integers", size, ndim, low, high))
        low, high = cast(low, "int64"), cast(high, "int64")
        within = PUBLIC["mod"](bits, cast(high - low, "uint64"))
        return cast(low + cast(within, "int64"), canonical(dtype))

    def random_integers(
        self,
        size: Any = None,
        low: Any = 0,
        high: Any = 1,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Variable:
        """Integers in low .. high, both included; see `integers`."""
        return self.integers(size, low, as_variable(high) + 1, ndim, dtype)

    def choice(
        self,
        size: Any = None,
        a: Any = 2,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
    ) -> Variable:
        """Elements of `a`, drawn at random.

        Parameters
        ----------
        size : see `uniform`; None for one element
        a : vector; or int or scalar n, for 0 .. n - 1
        replace : bool
            whether an element may be drawn again; if not, `size` is one extent.
        p : probabilities of the elements, a vector; equal ones by default
        dtype : of the drawn numbers where `a` is a number
        """
        a = as_variable(a)
        if a.ndim > 1 or (a.ndim == 0 and not is_integer(a.type.dtype)):
            raise ShapeError(
                f"choice: a must be a vector, or an integer scalar{listing(a)}"
            )
        count = extents(a)[0] if a.ndim else as_extent(a, "choice")
        if not replace:
            places = self._without_replacement(size, count, p)
        elif p is None:
            shape = () if size is None else as_shape(size, "choice", ndim)
            places = self.integers(shape, np.int64(0), variable(count))
        else:
            weights = as_variable(p)
            if weights.ndim != 1 or not is_float(weights.type.dtype):
                raise ShapeError(
                    f"choice: p must be a vector of floats{listing(weights)}"
                )
            shape = () if size is None else as_shape(size, "choice", ndim)
            u = self.uniform(shape, dtype=weights.type.dtype)
            places = _by_weight(u, weights)
        return take(a, places, axis=0) if a.ndim else cast(places, canonical(dtype))

    def _without_replacement(self, size: Any, count: AnyExtent, p: Any) -> Variable:
        if p is not None:
            raise NotSupportedError(
                "choice: p with replace=False is not supported; p needs replace=True"
            )
        shape = as_shape(1 if size is None else size, "choice")
        if len(shape) != 1:
            raise NotSupportedError(
                "choice: replace=False takes one extent as size; reshape the result"
            )
        if isinstance(shape[0], int) and isinstance(count, int) and shape[0] > count:
            raise ArgumentError(
                f"choice: {shape[0]} of {count} elements cannot be drawn without "
                "replacement"
            )
        order = self.permutation(n=count)
        return order[0] if size is None else order[: shape[0]]

    def permutation(
        self,
        size: Any = None,
        n: Any = 1,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Variable:
        """0 .. n - 1 in random order.

        Parameters
        ----------
        size : None (or an empty tuple); other shapes are not supported
        n : int or scalar
        """
        if size is not None and size != ():
            raise NotSupportedError(
                "permutation: only size=None is supported, for one permutation of n "
                "numbers; call it once for each"
            )
        key, call = self._stream()
        count = variable(as_extent(n, "permutation"))
        return cast(Permutation()(key, call, count), canonical(dtype))

    def multinomial(
        self,
        size: Any = None,
        n: int = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
    ) -> Variable:
        """One draw for each row of probabilities, as a row with a single 1.

        Parameters
        ----------
        size : None; the rows of `pvals` decide
        n : 1
        pvals : floats (..., k), each row with a sum of 1
        """
        if isinstance(n, Variable) or n != 1:
            raise NotSupportedError("multinomial: only n=1 is supported")
        if size is not None:
            raise NotSupportedError(
                "multinomial: only size=None is supported; give pvals one row per draw"
            )
        if pvals is None:
            raise ArgumentError("multinomial: pvals are missing")
        weights = as_variable(pvals)
        if weights.ndim == 0 or not is_float(weights.type.dtype):
            raise ShapeError(
                f"multinomial: pvals must be rows of floats{listing(weights)}"
            )
        rows = extents(weights)
        u = self.uniform(rows[:-1], dtype=weights.type.dtype)
        chosen = PUBLIC["dimshuffle"](_by_weight(u, weights), *range(u.ndim), "x")
        hit = PUBLIC["eq"](chosen, PUBLIC["arange"](variable(rows[-1])))
        return cast(hit, canonical(dtype))


class MRG_RandomStreams(RandomStreams):  # noqa: N801 - the name is Theano's
    """Theano's name; the same streams, from a fixed seed unless one is given."""

    default_seed = 12345


# --- pieces ------------------------------------------------------------------------


def _parameters(
    what: str, first: Any, second: Any, dtype: Any
) -> tuple[Variable, Variable, str]:
    """Two parameters of a distribution in one float dtype, and that dtype."""
    given = [v for v in (first, second) if not isinstance(v, int | float)]
    dtypes = [as_variable(v).type.dtype for v in given]
    if dtype is None:
        floats = [name for name in dtypes if not is_discrete(name)]
        dtype = max(floats, key=_width) if floats else config.floatX
    kind = canonical(dtype)
    if not is_float(kind):
        raise DtypeError(f"{what}: dtype must be float32 or float64, not {kind}")
    a, b = (
        cast(as_variable(v), kind) if not isinstance(v, int | float)
        else scalar_constant(float(v), kind)
        for v in (first, second)
    )  # fmt: skip
    return a, b, kind


def _width(dtype: str) -> int:
    return int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz"))


def _shape(what: str, size: Any, ndim: int | None, *parameters: Variable) -> Shape:
    if size is not None:
        return as_shape(size, what, ndim)
    if ndim is not None and ndim != max(v.ndim for v in parameters):
        raise ShapeError(
            f"{what}: ndim={ndim} without a size, for parameters of other rank"
            f"{listing(*parameters)}\nGive size."
        )
    together = parameters[0]
    for v in parameters[1:]:
        together = together + v
    return extents(together)


def _is_number(v: Variable, number: float) -> bool:
    return isinstance(v, Constant) and v.ndim == 0 and float(v.data) == number


def _shifted_right(bits: Variable, count: int) -> Variable:
    return PUBLIC["right_shift"](bits, scalar_constant(count, "uint64"))


def _unit(bits: Variable, dtype: str) -> Variable:
    """Numbers in [0, 1) from the upper bits, as many as the dtype holds exactly."""
    kept = 24 if dtype == "float32" else 53
    whole = cast(_shifted_right(bits, 64 - kept), dtype)
    return whole * scalar_constant(2.0**-kept, dtype)


def _by_weight(u: Variable, weights: Variable) -> Variable:
    """Place j with sum(w[:j]) <= u * sum(w) < sum(w[:j + 1]), for u of the rows of w.

    Where w is one row, u may have any shape. Sums are made by comparing places, which
    suits tens of weights.
    """
    width = extents(weights)[-1]
    places = PUBLIC["arange"](variable(width))
    upto = PUBLIC["le"](
        PUBLIC["dimshuffle"](places, "x", 0), PUBLIC["dimshuffle"](places, 0, "x")
    )
    spread = PUBLIC["dimshuffle"](
        weights, *range(weights.ndim - 1), "x", weights.ndim - 1
    )
    zero = scalar_constant(0, weights.type.dtype)
    sums = PUBLIC["sum"](PUBLIC["switch"](upto, spread, zero), axis=-1)
    total = PUBLIC["sum"](weights, axis=-1)
    level = PUBLIC["dimshuffle"](u * total, *range(u.ndim), "x")
    passed = PUBLIC["sum"](PUBLIC["ge"](level, sums), axis=-1)
    return PUBLIC["minimum"](passed, variable(width) - scalar_constant(1, "int64"))
