"""Philox4x32-10: the ops that make random bits, and the hash that makes keys of seeds.

In: a key and a call number (64 bits each) and a shape. Out: 64 random bits for each
linear index, the same on every machine. The NumPy code here is the reference; backends
write their own. Streams and distributions are in ops/random.py.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from symgraph.core.node import Constant, Op, Shape, Variable, listing
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import DtypeError, ShapeError

Gradients = Sequence[Variable | None]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MASK64 = (1 << 64) - 1


def philox_words(
    counter: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], key: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The four 32-bit words for counters of four 32-bit words, held in uint64 arrays.

    References
    ----------
    Salmon, Moraes, Dror, Shaw 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    m0, m1 = map(np.uint64, MULTIPLIERS)
    for _ in range(ROUNDS):
        left, right = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (
            (right >> _HALF) ^ c1 ^ np.uint64(k0),
            right & _LOW,
            (left >> _HALF) ^ c3 ^ np.uint64(k1),
            left & _LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def philox(key: int, call: int, index: np.ndarray) -> np.ndarray:
    """64 random bits for each index: word 0 and, above it, word 1.

    The counter is (index, call), the key `key`, low words first.

    Examples
    --------
    >>> hex(philox(0, 0, np.arange(1))[0])
    '0xe169c58d6627e8d5'
    """
    index = np.asarray(index).astype(np.uint64)
    key, call = int(key), int(call)
    low = np.full(index.shape, call & 0xFFFFFFFF, np.uint64)
    high = np.full(index.shape, call >> 32, np.uint64)
    words = philox_words(
        (index & _LOW, index >> _HALF, low, high), (key & 0xFFFFFFFF, key >> 32)
    )
    return words[0] | (words[1] << _HALF)


def splitmix64(state: int) -> int:
    """The output function of SplitMix64: a bijection of 64-bit numbers that mixes well.

    References
    ----------
    Steele, Lea, Flood 2014, Fast splittable pseudorandom number generators.

    Examples
    --------
    >>> hex(splitmix64(0))
    '0xe220a8397b1dcdaf'
    """
    z = (state + 0x9E3779B97F4A7C15) & _MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
    return z ^ (z >> 31)


def hashed(numbers: Iterable[int]) -> int:
    """One 64-bit number from several, each of which counts, as does their order."""
    state = 0
    for number in numbers:
        state = splitmix64(state ^ splitmix64(number & _MASK64))
    return state


# --- the ops ---------------------------------------------------------------------


class _Source(Op):
    """What `RandomBits` and `Permutation` share: nothing flows through them."""

    __slots__ = ()

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Nothing flows through integers."""
        return (None,) * len(inputs)

    def _checked(self, inputs: Sequence[Variable]) -> None:
        for v, dtype in zip(
            inputs, ["uint64"] * 2 + ["int64"] * len(inputs), strict=False
        ):
            if v.type.shape != () or v.type.dtype != dtype:
                raise DtypeError(
                    f"{self.name}: expected a 0-d {dtype}, got{listing(v)}\nCast it."
                )


class RandomBits(_Source):
    """out[i] = philox(key, call, i) for the linear index i of a shape, as uint64."""

    ndim: int

    name = "random_bits"
    foldable = False
    is_fused = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A uint64 of the shape that the extents tell."""
        self._checked(inputs)
        sizes = inputs[2:]
        if len(sizes) != self.ndim:
            raise ShapeError(f"random_bits: {len(sizes)} extents for {self.ndim} axes")
        shape = tuple(int(v.data) if isinstance(v, Constant) else None for v in sizes)
        return (fast_type("uint64", shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents given."""
        return (
            tuple(int(v.data) if isinstance(v, Constant) else v for v in inputs[2:]),
        )

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through integers."""
        return (False,) * (2 + self.ndim)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Philox by NumPy."""
        key, call, *sizes = (int(a) for a in arrays)
        if any(size < 0 for size in sizes):
            raise ShapeError(f"random numbers of shape {tuple(sizes)}: negative extent")
        index = np.arange(math.prod(sizes))
        return (philox(key, call, index).reshape(sizes),)


class Permutation(_Source):
    """out = 0 .. n-1 in random order, int64.

    From 0 .. n-1 in order, for i = n-1 .. 1: swap element i with element j, where j =
    philox(key, call, i) mod (i + 1).

    References
    ----------
    Knuth 1997, The Art of Computer Programming 2, algorithm 3.4.2 P.
    """

    name = "permutation"
    foldable = False

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A vector of n int64."""
        self._checked(inputs)
        n = inputs[2]
        return (
            fast_type("int64", (int(n.data) if isinstance(n, Constant) else None,)),
        )

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """N."""
        n = inputs[2]
        return ((int(n.data) if isinstance(n, Constant) else n,),)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through integers."""
        return (False, False, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The shuffle, step by step."""
        key, call, n = (int(a) for a in arrays)
        if n < 0:
            raise ShapeError(f"permutation of {n} numbers")
        index = np.arange(n, dtype=np.uint64)
        places = (philox(key, call, index) % (index + np.uint64(1))).astype(np.int64)
        out = list(range(n))
        for i in range(n - 1, 0, -1):
            j = int(places[i])
            out[i], out[j] = out[j], out[i]
        return (np.array(out, np.int64),)
