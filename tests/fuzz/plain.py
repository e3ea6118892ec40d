"""NumPy's answer to a program: what stands for `T` and `sg` when its text is run.

`namespace()` gives both. Values are `N`, an array with the operators and methods that
programs use; nothing of symgraph takes part, but for the numbers of random streams. Four
settings are held in `state`:

calls   how many calls came before this one, for random streams
noise   a generator: every inexact result is disturbed by some 64 units in its last place,
        so that two runs tell how well a result is determined
wide    float32 is computed as float64, for finite differences
strict  `Unstable` is raised where the last bits of a value decide (a comparison of what
        is nearly equal, the floor of what is nearly whole, a kink of a derivative)
"""

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.special

import symgraph.tensor
from symgraph.backends.reference import evaluate

#: relative size of the noise, in units of the last place
UNITS = 64
NEAR = {"float64": 1e-8, "float32": 1e-3, "complex128": 1e-8, "complex64": 1e-3}


class Unstable(Exception):
    """The last bits of a value decide what comes next."""


class _State:
    noise: np.random.Generator | None = None
    wide = False
    strict = True
    calls = 0
    tied = False  # two equal numbers were compared: derivatives may be one-sided


state = _State()


@contextlib.contextmanager
def settings(noise: int | None = None, wide: bool = False) -> Iterator[None]:
    """Evaluate with noise of this seed, or in float64."""
    before = dict(vars(state))
    state.noise = None if noise is None else np.random.default_rng(noise)
    state.wide, state.strict = wide, noise is None and not wide
    try:
        yield
    finally:
        state.__dict__.clear()
        state.__dict__.update(before)


@contextlib.contextmanager
def counting(calls: int) -> Iterator[None]:
    """Random streams are at this call."""
    before, state.calls = state.calls, calls
    try:
        yield
    finally:
        state.calls = before


def dyadic(array: np.ndarray) -> np.ndarray:
    """Where values are small multiples of 1/256: sums of them are exact in any order."""
    scaled = array * 256.0
    return (scaled == np.rint(scaled)) & (np.abs(array) < 2048)


def disturbed(array: Any) -> np.ndarray:
    """The array with the noise of the state."""
    array = np.asarray(array)
    if state.noise is None or array.dtype.kind not in "fc":
        return array
    with np.errstate(all="ignore"):
        size = UNITS * np.finfo(array.dtype).eps
        factor = 1 + size * state.noise.uniform(-1, 1, array.shape)
        moved = np.where(dyadic(array.real), array, array * factor)
    return np.asarray(moved.astype(array.dtype))


def apart(a: Any, b: Any) -> None:
    """Raise `Unstable` where a and b are nearly equal and the last bits decide."""
    if not state.strict:
        return
    a, b = np.broadcast_arrays(a, b)
    if a.dtype.kind not in "fc" and b.dtype.kind not in "fc":
        return
    near = max(NEAR.get(a.dtype.name, 0), NEAR.get(b.dtype.name, 0))
    with np.errstate(all="ignore"):
        close = np.abs(a * 1.0 - b) <= near * (np.abs(a) + np.abs(b) + 1e-3)
        close &= ~(dyadic(a) & dyadic(b))
    if close.any():
        raise Unstable
    if (a == b).any():
        state.tied = True


def spread(a: Any, axis: int | None = -1) -> None:
    """Raise `Unstable` where neighbours in the order of an axis are nearly equal."""
    a = np.asarray(a)
    if not state.strict or a.dtype.kind != "f" or not a.ndim:
        return
    a = np.sort(a.ravel() if axis is None else a, axis=-1 if axis is None else axis)
    axis = -1 if axis is None else axis
    if a.shape[axis] > 1:
        a = np.moveaxis(a, axis, 0)
        apart(a[1:], a[:-1])


def raw(value: Any) -> Any:
    """Arrays of what holds `N`s."""
    match value:
        case N():
            return value.a
        case list() | tuple():
            return type(value)(map(raw, value))
        case slice():
            return slice(*(_bound(b) for b in (value.start, value.stop, value.step)))
        case _:
            return value


def _bound(value: Any) -> Any:
    return None if value is None else int(raw(value))


def _position(value: Any) -> Any:
    value = raw(value)
    return int(value) if isinstance(value, np.ndarray) and not value.ndim else value


def kept(array: Any) -> "N":
    """An `N` of a result that is exact."""
    array = np.asarray(array)
    if state.wide and array.dtype == np.float32:
        array = array.astype(np.float64)
    return N(array)


def inexact(array: Any) -> "N":
    """An `N` of a result that was rounded."""
    return kept(disturbed(array))


class N:
    """An array in the place of a variable."""

    __array_priority__ = 1000.0

    def __init__(self, a: np.ndarray, origin: Any = None) -> None:
        self.a = a
        self.origin = origin

    ndim = property(lambda self: self.a.ndim)
    dtype = property(lambda self: self.a.dtype.name)
    size = property(lambda self: kept(np.int64(self.a.size)))
    T = property(lambda self: kept(self.a.T))

    @property
    def shape(self) -> Any:
        return [kept(np.int64(n)) for n in self.a.shape]

    def __getitem__(self, index: Any) -> "N":
        items = index if isinstance(index, tuple) else (index,)
        items = tuple(_position(i) for i in items)
        for item in items:  # out of range in a list is an error in NumPy as well
            assert not isinstance(item, N)
        return N(np.asarray(self.a[items]), (self, items))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(T, name):
            raise AttributeError(name)
        return lambda *args, **named: getattr(T, name)(self, *args, **named)


def _operator(name: str, function: Callable[..., Any], compare: bool = False) -> None:
    def forward(self: N, other: Any) -> N:
        return _binary(function, self, other, compare)

    def backward(self: N, other: Any) -> N:
        return _binary(function, other, self, compare)

    setattr(N, f"__{name}__", forward)
    if not compare:
        setattr(N, f"__r{name}__", backward)


def _binary(function: Callable[..., Any], a: Any, b: Any, compare: bool = False) -> N:
    a, b = raw(a), raw(b)
    if compare:
        apart(a, b)
    with np.errstate(all="ignore"):
        return inexact(function(a, b))


def _power(a: Any, b: Any) -> Any:
    if isinstance(b, int) and b < 0:
        b = float(b)
    return np.power(a, b)


def _whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that jumps at whole (and half) numbers."""

    def made(a: Any, *rest: Any) -> Any:
        if np.asarray(a).dtype.kind == "f":
            apart(np.asarray(a) * 2, np.rint(np.asarray(a) * 2))
        return function(a, *rest)

    return made


def _floor_divide(a: Any, b: Any) -> Any:
    q = np.asarray(np.true_divide(a, b))
    if np.result_type(a, b).kind == "f":
        apart(q, np.rint(q))
    return np.floor_divide(a, b)


def _mod(a: Any, b: Any) -> Any:
    q = np.asarray(np.true_divide(a, b))
    if np.result_type(a, b).kind == "f":
        apart(q, np.rint(q))
    return np.mod(a, b)


for _name, _f in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": _floor_divide, "mod": _mod, "pow": _power, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor,
}.items():  # fmt: skip
    _operator(_name, _f)
for _name, _f in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}.items():  # fmt: skip
    _operator(_name, _f, compare=True)
N.__neg__ = lambda self: kept(-self.a)  # type: ignore[attr-defined]
N.__invert__ = lambda self: kept(~self.a)  # type: ignore[attr-defined]
N.__abs__ = lambda self: T.abs(self)  # type: ignore[attr-defined]


# --- functions of `T` -----------------------------------------------------------------

T = SimpleNamespace()


def _lift(function: Callable[..., Any], exact: bool = False) -> Callable[..., N]:
    def made(*args: Any, **named: Any) -> N:
        args = tuple(raw(a) for a in args)
        with np.errstate(all="ignore"):
            result = function(*args, **{k: raw(v) for k, v in named.items()})
        return kept(result) if exact else inexact(result)

    return made


def _kinked(
    function: Callable[..., Any], *points: float, exact: bool = False
) -> Callable[..., N]:
    """A function of one operand whose derivative jumps at points."""

    def made(a: Any) -> Any:
        for point in points:
            apart(a, point)
        return function(a)

    return _lift(made, exact)


def _pairwise(function: Callable[..., Any], exact: bool = False) -> Callable[..., N]:
    """A function of two operands whose derivative jumps where they are equal."""

    def made(a: Any, b: Any) -> Any:
        apart(a, b)
        return function(a, b)

    return _lift(made, exact)


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    """SciPy's function in the dtype of its operand."""
    return lambda a: np.asarray(function(a)).astype(np.asarray(a).dtype)


def _sigmoid(x: Any) -> Any:
    return np.asarray(1 / (1 + np.exp(-x))).astype(x.dtype)


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True)) if x.size else np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    top = x.max(axis=axis, keepdims=True)
    found = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return found if keepdims else np.squeeze(found, axis)


def _elementwise() -> None:
    for name in (
        "exp", "log", "log1p", "expm1", "sqrt", "tanh", "sin", "cos", "tan", "sinh",
        "cosh", "arctan", "arcsin", "arcsinh", "arccos", "log2", "exp2", "cbrt",
        "reciprocal", "square", "hypot", "arctan2", "logaddexp", "add", "subtract",
        "multiply", "true_divide",
    ):  # fmt: skip
        setattr(T, name, _lift(getattr(np, name)))
    T.sqr, T.inv = T.square, T.reciprocal
    T.neg = _lift(np.negative, exact=True)
    T.erf, T.erfc = _lift(_same(scipy.special.erf)), _lift(_same(scipy.special.erfc))
    T.gammaln = _lift(_same(scipy.special.gammaln))
    T.sigmoid = _lift(_sigmoid)
    T.abs = _kinked(np.abs, 0, exact=True)
    T.sgn = T.sign = _kinked(np.sign, 0, exact=True)
    for name in ("floor", "ceil", "trunc"):
        setattr(T, name, _lift(_whole(getattr(np, name)), exact=True))
    T.round = _lift(_whole(np.round), exact=True)
    T.maximum, T.minimum = _pairwise(np.maximum, True), _pairwise(np.minimum, True)
    for name, f in {
        "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
        "eq": np.equal, "neq": np.not_equal,
    }.items():  # fmt: skip
        setattr(T, name, _pairwise(f, True))
    T.and_, T.or_ = _lift(np.bitwise_and, True), _lift(np.bitwise_or, True)
    T.xor, T.invert = _lift(np.bitwise_xor, True), _lift(np.invert, True)
    T.switch = T.where = _lift(np.where, exact=True)
    T.isnan = _lift(np.isnan, exact=True)

    def clip(x: Any, low: Any, high: Any) -> Any:
        apart(x, low)
        apart(x, high)
        return np.clip(x, low, high).astype(np.result_type(x, low, high))

    T.clip = _lift(clip, exact=True)

    def cast(x: Any, dtype: str) -> Any:
        if np.asarray(x).dtype.kind == "f" and np.dtype(dtype).kind in "iu":
            whole = np.rint(x)
            apart(x, whole)
        if np.asarray(x).dtype.kind == "f" and dtype == "bool":
            apart(x, 0)
        if state.wide and dtype == "float32":
            dtype = "float64"
        return np.asarray(x).astype(dtype)

    T.cast = lambda x, dtype: inexact(_lift(cast, exact=True)(x, dtype).a)
    T.nnet = SimpleNamespace(
        sigmoid=T.sigmoid,
        softplus=_lift(lambda x: np.logaddexp(x, np.zeros((), x.dtype))),
        relu=_kinked(lambda x: np.maximum(x, np.zeros((), x.dtype)), 0, exact=True),
        softmax=_lift(_softmax),
        logsoftmax=_lift(
            lambda x, axis=-1: x - _logsumexp(x, axis=axis, keepdims=True)
        ),
        categorical_crossentropy=_lift(lambda p, k: -np.log(p[np.arange(len(p)), k])),
    )
    T.softmax, T.logsoftmax = T.nnet.softmax, T.nnet.logsoftmax


def _reductions() -> None:
    def reduced(name: str) -> Callable[..., Any]:
        function = getattr(np, name)

        def made(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
            axis = tuple(axis) if isinstance(axis, list) else axis
            return function(np.asarray(x), axis=axis, keepdims=keepdims)

        return made

    for name in ("sum", "prod", "mean", "var", "std"):
        setattr(T, name, _lift(reduced(name)))
    for name in ("all", "any"):
        setattr(T, name, _lift(reduced(name), exact=True))

    def extreme(name: str) -> Callable[..., Any]:
        function = reduced(name)

        def made(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
            for k in range(x.ndim):  # of several axes: near ties in any of them
                if axis is None or k in np.atleast_1d(axis) % max(x.ndim, 1):
                    spread(x, None if axis is None else k)
            return function(x, axis=axis, keepdims=keepdims)

        return made

    T.max, T.min = _lift(extreme("max"), True), _lift(extreme("min"), True)

    def place(function: Callable[..., Any]) -> Callable[..., Any]:
        def made(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
            spread(x, axis)
            return np.asarray(function(x, axis=axis, keepdims=keepdims), np.int64)

        return made

    T.argmax, T.argmin = _lift(place(np.argmax)), _lift(place(np.argmin))
    T.logsumexp = _lift(_logsumexp)
    T.cumsum = _lift(lambda x, axis=None: np.cumsum(x, axis))
    T.cumprod = _lift(lambda x, axis=None: np.cumprod(x, axis))
    T.dot = T.matmul = _lift(np.dot)
    T.batched_dot = _lift(np.matmul)
    T.outer = _lift(np.outer)
    T.tensordot = _lift(lambda a, b, axes: np.tensordot(a, b, axes))
    T.einsum = _lift(np.einsum)
    T.trace = _lift(np.trace)

    def ordered(function: Callable[..., Any]) -> Callable[..., Any]:
        def made(x: Any, axis: Any = -1) -> Any:
            spread(x, axis)
            return function(x, axis)

        return made

    T.sort = _lift(ordered(np.sort), exact=True)
    T.argsort = _lift(ordered(lambda x, axis: np.argsort(x, axis, kind="stable")), True)

    def unique(x: Any) -> Any:
        spread(x, None)
        return np.unique(x)

    def searchsorted(x: Any, v: Any, side: str = "left") -> Any:
        if x.size:
            apart(x, np.asarray(v)[..., None])
        return np.asarray(np.searchsorted(x, v, side), np.int64)

    T.unique, T.searchsorted = _lift(unique, True), _lift(searchsorted, True)
    T.diff = _lift(lambda x, axis=-1: np.diff(x, axis=axis))


def _movement() -> None:
    def dimshuffle(x: N, *pattern: Any) -> N:
        if len(pattern) == 1 and isinstance(pattern[0], list | tuple):
            pattern = tuple(pattern[0])
        axes = [k for k in pattern if k != "x"]
        if sorted(axes) != list(range(x.ndim)):
            dropped = tuple(k for k in range(x.ndim) if k not in axes)
            array = np.squeeze(np.moveaxis(x.a, dropped, range(len(dropped))),
                               tuple(range(len(dropped))))  # fmt: skip
            left = [k for k in range(x.ndim) if k in axes]
            array = array.transpose([left.index(k) for k in axes])
        else:
            array = x.a.transpose(axes)
        for at, k in enumerate(pattern):
            if k == "x":
                array = np.expand_dims(array, at)
        return kept(array)

    T.dimshuffle = dimshuffle
    T.reshape = lambda x, shape, ndim=None: kept(
        raw(x).reshape([int(raw(n)) for n in shape])
    )
    T.flatten = lambda x, ndim=1: kept(
        raw(x).reshape((*raw(x).shape[: ndim - 1], -1) if raw(x).size else (
            *raw(x).shape[: ndim - 1], int(np.prod(raw(x).shape[ndim - 1 :]))))
    )  # fmt: skip
    T.ravel = T.flatten
    T.transpose = _lift(lambda x, axes=None: np.transpose(x, axes), True)
    T.concatenate = _lift(lambda xs, axis=0: np.concatenate(xs, axis), True)
    T.stack = _lift(lambda xs, axis=0: np.stack(xs, axis), True)
    T.tile = _lift(lambda x, reps: np.tile(x, [int(r) for r in reps]), True)
    T.repeat = _lift(lambda x, n, axis=None: np.repeat(x, n, axis), True)
    T.roll = _lift(lambda x, n, axis=None: np.roll(x, int(n), axis), True)
    T.flip = _lift(lambda x, axis=None: np.flip(x, axis), True)
    T.swapaxes = _lift(np.swapaxes, True)
    T.pad = _lift(lambda x, width, mode="constant": np.pad(x, width, mode=mode), True)
    T.diag, T.tril, T.triu = (_lift(f, True) for f in (np.diag, np.tril, np.triu))
    T.diagonal = _lift(np.diagonal, True)
    T.broadcast_to = lambda x, shape: kept(
        np.broadcast_to(raw(x), [int(raw(n)) for n in shape])
    )
    T.squeeze = _lift(lambda x, axis=None: np.squeeze(x, axis), True)
    T.take = _lift(lambda x, i, axis=None: np.take(x, i, axis), True)
    T.take_along_axis = _lift(np.take_along_axis, True)
    T.choose = _lift(lambda k, xs: np.choose(k, xs), True)
    T.compress = _lift(lambda c, x, axis=None: np.compress(c, x, axis), True)
    T.nonzero = lambda x: tuple(
        kept(np.asarray(k, np.int64)) for k in np.nonzero(raw(x))
    )
    T.flatnonzero = lambda x: kept(np.flatnonzero(raw(x)).astype(np.int64))
    T.one_hot = _lift(
        lambda k, n, dtype="float64": np.eye(int(n), dtype=dtype)[k], True
    )
    T.bincount = _lift(lambda x, minlength=0: np.bincount(x, minlength=minlength), True)

    def written(function: Callable[..., None]) -> Callable[..., N]:
        def made(part: N, value: Any) -> N:
            base, index = part.origin
            array = base.a.copy()
            function(array, index, np.asarray(raw(value)))
            return inexact(array) if function is _added else kept(array)

        return made

    def _set(array: np.ndarray, index: Any, value: Any) -> None:
        array[index] = value

    def _added(array: np.ndarray, index: Any, value: Any) -> None:
        np.add.at(array, index, value)

    T.set_subtensor, T.inc_subtensor = written(_set), written(_added)


def _creation() -> None:
    def filled(function: Callable[..., Any]) -> Callable[..., N]:
        return lambda shape, dtype="float64": kept(
            function([int(raw(n)) for n in shape], dtype=dtype)
        )

    T.zeros, T.ones = filled(np.zeros), filled(np.ones)
    T.zeros_like, T.ones_like = _lift(np.zeros_like, True), _lift(np.ones_like, True)
    T.full = lambda shape, value: kept(
        np.full([int(raw(n)) for n in shape], raw(value))
    )
    T.alloc = lambda value, *shape: T.full(shape, value)
    T.arange = lambda *bounds: kept(np.arange(*(int(raw(b)) for b in bounds)))
    T.eye = lambda *n: kept(np.eye(*(int(raw(k)) for k in n)))
    T.constant = T.as_tensor_variable = lambda x, dtype=None: kept(np.array(x, dtype))


def _convolution() -> None:
    windows = np.lib.stride_tricks.sliding_window_view

    def conv2d(x: Any, w: Any) -> Any:
        seen = windows(x, w.shape[2:], axis=(2, 3))
        return np.einsum("bchwpq,ocpq->bohw", seen, w[:, :, ::-1, ::-1])

    def pool_2d(x: Any, ws: Any, ignore_border: bool, mode: str = "max") -> Any:
        seen = windows(x, ws, axis=(-2, -1))[..., :: ws[0], :: ws[1], :, :]
        if mode == "max":
            spread(seen.reshape(*seen.shape[:-2], -1))
            return seen.max(axis=(-2, -1))
        return seen.mean(axis=(-2, -1))

    T.nnet.conv2d = _lift(conv2d)
    T.pool_2d = _lift(pool_2d)


class RandomStreams:
    """Streams of the reference backend's numbers, which are taken as given."""

    def __init__(self, seed: int) -> None:
        self._streams = symgraph.tensor.RandomStreams(seed)

    def _drawn(self, kind: str, shape: Any, **named: Any) -> N:
        size = [int(raw(n)) for n in shape]
        variable = getattr(self._streams, kind)(tuple(size), **named)
        counter = self._streams._streams[-1][1]
        return kept(evaluate([variable], {counter: np.uint64(state.calls)})[0])

    def normal(self, shape: Any, **named: Any) -> N:
        return self._drawn("normal", shape, **named)

    def uniform(self, shape: Any, **named: Any) -> N:
        return self._drawn("uniform", shape, **named)

    def binomial(self, shape: Any, **named: Any) -> N:
        return self._drawn("binomial", shape, **named)


T.RandomStreams = RandomStreams

_elementwise()
_convolution()
_reductions()
_movement()
_creation()


# --- functions of `sg` ----------------------------------------------------------------


class Until:
    """What ends a loop."""

    def __init__(self, condition: Any) -> None:
        self.holds = bool(raw(condition))


def ifelse(condition: Any, first: Any, second: Any) -> Any:
    """The branch that is chosen."""
    return first if bool(raw(condition)) else second


def scan(
    fn: Callable[..., Any],
    sequences: Any = (),
    outputs_info: Any = (),
    non_sequences: Any = (),
    n_steps: Any = None,
    go_backwards: bool = False,
    return_list: bool = False,
) -> tuple[Any, None]:
    """A loop over rows, in Python: the whole meaning of `sg.scan` in forty lines."""
    rows = []
    for entry in _listed(sequences):
        entry = entry if isinstance(entry, dict) else {"input": entry, "taps": [0]}
        array = raw(entry["input"])
        taps = entry["taps"]
        first, last = min(0, *taps), max(0, *taps)
        for tap in taps:
            row = array[tap - first : len(array) - last + tap]
            rows.append(row[::-1] if go_backwards else row)
    steps = min((len(r) for r in rows), default=None)
    if n_steps is not None:
        n = int(raw(n_steps))
        if steps is not None and n > steps:
            raise IndexError("a sequence is too short")
        steps = n
    infos = []
    for info in _listed(outputs_info):
        if info is not None and not isinstance(info, dict):
            info = {"initial": info, "taps": [-1], "one": True}
        infos.append(info)
    kept_rows: list[list[np.ndarray]] = []
    for info in infos:
        start: list[np.ndarray] = []
        if info is not None:
            initial = raw(info["initial"])
            depth = -min(info["taps"])
            if not info.get("one"):
                if len(initial) < depth:
                    raise IndexError("too few initial rows")
                initial = initial[:depth]
            start = [initial] if info.get("one") else list(initial)
        kept_rows.append(start)
    results: list[list[np.ndarray]] = []
    for t in range(steps):
        given = [kept(r[t]) for r in rows]
        for info, before in zip(infos, kept_rows, strict=True):
            if info is not None:
                given += [kept(np.asarray(before[tap])) for tap in info["taps"]]
        made = fn(*given, *_listed(non_sequences))
        made, end = made if isinstance(made, tuple) else (made, None)
        arrays = [np.asarray(raw(v)) for v in made]
        results.append(arrays)
        for info, before, new in zip(infos, kept_rows, arrays, strict=bool(infos)):
            if info is not None:
                if new.shape != np.asarray(before[-1]).shape:
                    raise ValueError("a state changes its shape")
                before.append(new.astype(np.asarray(before[-1]).dtype))
        if end is not None and end.holds:
            break
    outs = [kept(np.stack(column)) for column in zip(*results, strict=True)]
    if not results:
        raise ValueError("no steps")
    return (outs if return_list or len(outs) > 1 else outs[0]), None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


sg = SimpleNamespace(scan=scan, ifelse=ifelse, until=Until, tensor=T)


def namespace() -> dict[str, Any]:
    """What the text of a program sees when NumPy is to run it."""
    return {"T": T, "sg": sg, "np": np}
