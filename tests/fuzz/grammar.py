"""Random programs: what statements there are, and how operands are chosen.

`generate(seed)` makes a program statement by statement. NumPy evaluates each at once
(plain.py), so that the next can be chosen to be valid; what raises, overflows or hangs on
the last bits is dropped. Families of statements are functions that take a `Scope` and
return a statement, or None where no operand fits; positions.py and loops.py hold more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from fuzz.plain import N, Unstable, namespace, raw
from fuzz.program import Input, Program, Statement, drawn, run

LARGEST = 1e4
ELEMENTS = 400
EXTENTS = (1, 2, 2, 3, 3, 4, 5, 9)

#: name → (function, weight in a program)
MAKERS: dict[str, tuple[Callable[["Scope"], Statement | None], float]] = {}


def maker(weight: float) -> Callable[[Any], Any]:
    """Register a family of statements."""

    def register(function: Callable[["Scope"], Statement | None]) -> Any:
        assert function.__name__ not in MAKERS
        MAKERS[function.__name__] = (function, weight)
        return function

    return register


class Invalid(Exception):
    """A statement that NumPy refuses, or whose value is of no use."""


class Grammar:
    """The program so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self.dtype = "float32" if self.random.random() < 0.25 else "float64"
        self.extents = {n: int(self.random.choice(EXTENTS)) for n in "nmk"}
        if self.random.random() < 0.05:
            self.extents[str(self.random.choice(list("nmk")))] = 0
        self.inputs: list[Input] = []
        self.values: dict[str, np.ndarray] = {}
        self.count = 0
        self.drawn: set[str] = set()  # what hangs on random numbers
        self.top = Scope(self, None, namespace())

    def name(self, letter: str = "v") -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def input(
        self,
        dims: Sequence[str | int],
        dtype: str = "",
        kind: str = "",
        shared: bool = False,
    ) -> str:
        """A new input (or shared variable); its name."""
        random = self.random
        dtype = dtype or self.dtype
        kind = kind or str(random.choice(["normal", "normal", "halves", "positive"]))
        extents = [self.extents[d] if isinstance(d, str) else d for d in dims]
        static: tuple[int | None, ...] = ()
        if dims and not shared and random.random() < 0.15:
            static = tuple(n if random.random() < 0.6 else None for n in extents)
        letter = "w" if shared else "i" if dtype.startswith("int") else "x"
        entry = Input(self.name(letter), dtype, tuple(dims), kind, static, shared)
        self.inputs.append(entry)
        value = drawn(entry, self.extents, random)
        self.values[entry.name] = value
        scope: Scope | None = self.top
        scope.add(entry.name, N(value))
        return entry.name

    def dims(self, rank: int) -> tuple[str | int, ...]:
        """Extents for an input: named ones, or 1."""
        names = list("nmk")
        return tuple(
            1 if self.random.random() < 0.1 else str(self.random.choice(names))
            for _ in range(rank)
        )


class Scope:
    """Names that can be used, with their values: the program's or a block's."""

    def __init__(self, g: Grammar, parent: "Scope | None", env: dict[str, Any]) -> None:
        self.g = g
        self.parent = parent
        self.env = env
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.names: list[str] = []
        self.statements: list[Statement] = []
        self.children: list[Scope] = []
        if parent is not None:
            parent.children.append(self)

    # --- values -----------------------------------------------------------------------

    def add(self, name: str, value: N) -> None:
        self.names.append(name)
        self._spread(name, value)

    def _spread(self, name: str, value: N) -> None:
        self.env[name] = value
        for child in self.children:
            child._spread(name, value)

    def value(self, name: str) -> np.ndarray:
        return self.env[name].a

    def emit(self, statement: Statement, quiet: bool = False) -> str:
        """Evaluate a statement and keep it; its first name."""
        env = self.env
        try:
            run(statement.lines(), env)
        except (Unstable, Invalid, AssertionError):
            raise Invalid from None
        except (ValueError, IndexError, TypeError, ZeroDivisionError, KeyError) as e:
            raise Invalid(f"{statement.expression()}: {e}") from None
        for name in statement.names:
            value = raw(env[name])
            if not isinstance(value, np.ndarray):
                raise Invalid(f"{statement.expression()}: no array")
            if value.size > ELEMENTS or value.ndim > 4:
                raise Invalid
            if value.dtype.kind in "fc" and not np.isfinite(value).all():
                raise Invalid
            if value.size and value.dtype != bool and np.abs(value).max() > LARGEST:
                raise Invalid
        if "random" in statement.tags or self.g.drawn & set(statement.uses()):
            self.g.drawn |= set(statement.names)
        for name in statement.names:
            self.add(name, env[name])
        self.statements.append(statement)
        return statement.names[0]

    # --- choices ----------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return bool(self.g.random.random() < p)

    def choice(self, items: Sequence[Any]) -> Any:
        return items[int(self.g.random.integers(len(items)))]

    def number(self, low: int, high: int) -> int:
        """An int of low..high, both included."""
        return int(self.g.random.integers(low, high + 1))

    def visible(self) -> list[tuple[str, float]]:
        """Names with weights: later ones more, those of outer scopes less.

        A step that uses random numbers draws new ones each time: none from outside.
        """
        outer = self.parent.visible() if self.parent is not None else []
        outer = [(n, w) for n, w in outer if n not in self.g.drawn]
        own = [(n, (k + 1) ** 1.2) for k, n in enumerate(self.names)]
        total = sum(w for _, w in own) or 1.0
        far = sum(w for _, w in outer) or 1.0
        return [(n, 0.35 * w * total / far) for n, w in outer] + own

    def pick(self, test: Callable[[np.ndarray], bool]) -> str | None:
        """A name whose value fits."""
        fits = [(n, w) for n, w in self.visible() if test(self.value(n))]
        if not fits:
            return None
        weights = np.array([w for _, w in fits])
        at = int(self.g.random.choice(len(fits), p=weights / weights.sum()))
        return fits[at][0]

    def real(self, low: int = 0, high: int = 3, filled: bool = False) -> str:
        """A float operand of low..high axes; a new input where there is none."""
        found = self.pick(
            lambda a: (
                a.dtype.kind == "f"
                and low <= a.ndim <= high
                and (a.size > 0 or not filled)
            )
        )
        if found is None or self.chance(0.08):
            rank = self.number(max(low, 0), min(high, 2))
            rank = max(rank, low)
            shared = self.chance(0.25)
            found = self.g.input(self.g.dims(rank), shared=shared)
            if filled and not self.value(found).size:
                raise Invalid
        return found

    def partner(self, x: str, dtype_kind: str = "f", inside: bool = False) -> str:
        """An operand that broadcasts with x (to the shape of x where `inside`)."""
        shape = self.value(x).shape

        def fits(a: np.ndarray) -> bool:
            if a.dtype.kind not in dtype_kind:
                return False
            try:
                both = np.broadcast_shapes(a.shape, shape)
            except ValueError:
                return False
            return both == shape if inside else True

        found = self.pick(fits)
        if found is None:
            raise Invalid
        return found

    def statement(self, text: str, *args: str, tags: Sequence[str] = ()) -> Statement:
        used = [k for k in range(len(args)) if f"{{{k}}}" in text]
        args = args[: max(used, default=-1) + 1]
        return Statement((self.g.name(),), text, args, None, frozenset(tags))

    def made(self, text: str, *args: str, tags: Sequence[str] = ()) -> str:
        """Emit a statement on the way to another; its name."""
        return self.emit(self.statement(text, *args, tags=tags))

    def step(self) -> bool:
        """Try to add one statement."""
        names = list(MAKERS)
        weights = np.array([MAKERS[n][1] for n in names])
        chosen = names[int(self.g.random.choice(len(names), p=weights / weights.sum()))]
        try:
            statement = MAKERS[chosen][0](self)
            if statement is None:
                return False
            self.emit(statement)
        except Invalid:
            return False
        return True


# --- elementwise ------------------------------------------------------------------------

UNARY = (
    "T.tanh({0})", "T.exp(-T.sqr({0}))", "T.exp(T.clip({0}, -3.1, 2.1))", "T.sin({0})",
    "T.cos({0})", "T.sqr({0})", "T.nnet.sigmoid({0})", "T.nnet.softplus({0})",
    "T.nnet.relu({0})", "T.abs({0})", "-{0}", "{0} * 0.5", "{0} + 1", "1 - {0}",
    "2 * {0} + 1", "{0} ** 2", "{0} ** 3 * 0.125", "T.log1p(T.abs({0}))", "{0} / 3",
    "T.sqrt(T.sqr({0}) + 0.5)", "T.log(T.abs({0}) + 0.5)", "T.arctan({0})",
    "T.erf({0})", "1 / (1 + T.exp(-{0}))", "T.clip({0}, -1.05, 1.05)", "{0} * {0}",
    "T.expm1({0} * 0.25)", "T.log(1 + T.exp({0}))", "T.cosh({0} * 0.25)", "{0} + {0}",
    "T.gammaln(T.abs({0}) + 0.75)", "T.inv(T.sqr({0}) + 1)", "T.floor({0})",
    "T.sgn({0})", "T.switch({0} > 0.1, {0}, 0.1 * {0})", "T.sqrt(T.abs({0}) + 0.01)",
    "T.exp({0} * 0.25) * {0}", "T.maximum({0}, 0.3)", "T.minimum({0}, 1)",
    "T.zeros_like({0}) + 0.5", "T.arcsinh({0})", "T.log(T.nnet.sigmoid({0}))",
)  # fmt: skip
BINARY = (
    "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / (T.sqr({1}) + 1)", "{0} * {1} + {0}",
    "T.maximum({0}, {1})", "T.minimum({0}, {1})", "{0} - {1} * 2", "{1} * 0.1 + {0}",
    "T.switch({0} > {1}, {0}, 0.5 * {1})", "T.tanh({0} + {1})", "T.hypot({0}, {1} + 1)",
    "T.logaddexp({0}, {1})", "({0} + {1}) * ({0} - {1})", "T.exp(-T.sqr({0} - {1}))",
    "T.arctan2({0}, T.sqr({1}) + 0.5)", "(T.abs({0}) + 0.5) ** T.tanh({1})",
)  # fmt: skip
GUARDED = (
    "T.switch({0} > 0, T.log({0}), 0.)", "T.switch({0} > 0, T.sqrt({0}), 0.)",
    "T.switch(T.neq({0}, 0), T.sin({0}) / {0}, 1.)", "T.switch({0} > 0, 1 / {0}, 0.)",
    "T.switch({0} > 0, {0} * T.log({0}), 0.)",
)  # fmt: skip
COMPARED = ("{0} > {1}", "{0} <= {1}", "T.eq({0}, {1})", "T.neq({0}, {1})")
LOGICAL = ("{0} & {1}", "{0} | {1}", "~{0}", "{0} ^ {1}")
WHOLE = (
    "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} // 2", "{0} % 3", "T.abs({0})", "-{0}",
    "T.maximum({0}, {1})", "{0} * 2 - 1", "T.minimum({0}, 2)",
)  # fmt: skip
DTYPES = ("float64", "float32", "int64", "int32", "int8", "uint8", "int16", "bool")


@maker(10)
def unary(s: Scope) -> Statement:
    x = s.real()
    text = s.choice(GUARDED) if s.chance(0.04) else s.choice(UNARY)
    return s.statement(text, x)


@maker(10)
def binary(s: Scope) -> Statement:
    x = s.real()
    y = s.partner(x)
    if s.chance(0.5):
        x, y = y, x
    return s.statement(s.choice(BINARY), x, y)


@maker(2)
def outgoing(s: Scope) -> Statement:
    """An operand with a new axis, so that both sides of a binary are broadcast."""
    x, y = s.real(1, 1), s.real(1, 1)
    return s.statement(s.choice(BINARY), *s.expanded(x, y))


def _expanded(s: Scope, x: str, y: str) -> tuple[str, str]:
    column = s.made("{0}.dimshuffle(0, 'x')", x)
    return column, y


Scope.expanded = _expanded  # type: ignore[attr-defined]


@maker(2)
def compared(s: Scope) -> Statement:
    x = s.real()
    if s.chance(0.5):
        return s.statement(f"{{0}} > {s.choice(['0', '0.25', '-0.5'])}", x)
    return s.statement(s.choice(COMPARED), x, s.partner(x))


@maker(2)
def logical(s: Scope) -> Statement | None:
    m = s.pick(lambda a: a.dtype == bool)
    if m is None:
        return None
    kind = s.number(0, 4)
    if kind == 0:
        return s.statement(s.choice(LOGICAL), m, s.partner(m, "b"))
    if kind == 1:
        x = s.partner(m)
        return s.statement("T.switch({0}, {1}, {2})", m, x, s.partner(m))
    if kind == 2:
        return s.statement("{0} * {1}", m, s.partner(m))
    if kind == 3:
        return s.statement(f"T.cast({{0}}, {s.g.dtype!r})", m)
    return s.statement(s.choice(["{0}.sum()", "{0}.any()", "T.all({0})"]), m)


@maker(2)
def whole(s: Scope) -> Statement | None:
    k = s.pick(lambda a: a.dtype.kind in "iu")
    if k is None or s.chance(0.1):
        dtype = s.choice(["int64", "int64", "int32", "int8", "uint8", "int16"])
        k = s.g.input(s.g.dims(s.number(0, 2)), dtype)
    kind = s.number(0, 3)
    if kind == 0:
        return s.statement(f"T.cast({{0}}, {s.g.dtype!r})", k)
    if kind == 1:
        return s.statement("{0} * {1}", k, s.partner(k))
    texts = WHOLE  # a number beside a byte makes an int16, as in Theano
    if s.value(k).dtype.kind == "u":
        texts = ("{0} + {1}", "{0} * {1}", "T.maximum({0}, {1})", "T.minimum({0}, {1})")
    return s.statement(s.choice(texts), k, s.partner(k, "iu"))


@maker(1)
def cast(s: Scope) -> Statement | None:
    x = s.pick(lambda a: True)
    if x is None:
        return None
    a, dtype = s.value(x), s.choice(DTYPES)
    if dtype == "uint8" and a.size and a.dtype != bool and a.min() < 0:
        dtype = "int32"
    return s.statement(f"T.cast({{0}}, {dtype!r})", x)


# --- reductions -------------------------------------------------------------------------


def axes(s: Scope, ndim: int, several: bool = True) -> str:
    """`axis=...` for a reduction."""
    if ndim == 0 or s.chance(0.3):
        return ""
    count = s.number(1, ndim) if several and s.chance(0.3) else 1
    chosen = sorted(int(k) for k in s.g.random.choice(ndim, count, replace=False))
    return f"axis={chosen[0] if count == 1 else tuple(chosen)}"


@maker(7)
def reduced(s: Scope) -> Statement:
    x = s.real(1, filled=s.chance(0.8))
    name = s.choice(["sum", "sum", "mean", "max", "min", "var", "prod"])
    settings = [axes(s, s.value(x).ndim)]
    if s.chance(0.4):
        settings.append("keepdims=True")
    shown = ", ".join(t for t in settings if t)
    operand = "(T.tanh({0}) * 0.5 + 1)" if name == "prod" else "{0}"
    return s.statement(f"{operand}.{name}({shown})", x)


@maker(3)
def normalized(s: Scope) -> Statement:
    x = s.real(1, filled=True)
    a = s.value(x)
    axis = s.number(0, a.ndim - 1)
    return s.statement(
        s.choice([
            f"T.nnet.softmax({{0}}, axis={axis})", f"T.nnet.logsoftmax({{0}}, axis={axis})",
            f"T.logsumexp({{0}}, axis={axis})", f"T.exp({{0}}).sum(axis={axis})",
            f"{{0}} - {{0}}.max(axis={axis}, keepdims=True)",
            f"{{0}} / T.sqrt(T.sqr({{0}}).sum(axis={axis}, keepdims=True) + 0.1)",
            f"({{0}} - {{0}}.mean(axis={axis}, keepdims=True))"
            f" / T.sqrt({{0}}.var(axis={axis}, keepdims=True) + 0.1)",
            f"T.log(T.exp({{0}}).sum(axis={axis}, keepdims=True))",
            f"T.exp({{0}}) / T.exp({{0}}).sum(axis={axis}, keepdims=True)",
        ]),
        x,
    )  # fmt: skip


@maker(2)
def running(s: Scope) -> Statement:
    x = s.real(1, 2)
    axis = s.number(0, s.value(x).ndim - 1)
    text = s.choice([
        f"T.cumsum({{0}}, axis={axis})", f"T.cumprod(T.tanh({{0}}), axis={axis})",
        f"T.sort({{0}}, axis={axis})", f"T.diff({{0}}, axis={axis})",
        f"T.flip({{0}}, axis={axis})", f"T.roll({{0}}, 1, axis={axis})",
    ])  # fmt: skip
    return s.statement(text, x)


# --- movement and joins -----------------------------------------------------------------


@maker(4)
def moved(s: Scope) -> Statement:
    x = s.real(0, 3)
    n = s.value(x).ndim
    kinds = [
        "{0}.flatten()",
        "{{0}}.dimshuffle('x'{})".format("".join(f", {k}" for k in range(n))),
    ]
    if n >= 2:
        order = [int(k) for k in s.g.random.permutation(n)]
        kinds += [f"{{0}}.dimshuffle({', '.join(map(str, order))})", "{0}.T"]
        kinds += ["{0}.reshape(({0}.shape[1], {0}.shape[0]))"] if n == 2 else []
    if n == 1:
        kinds += [
            "{0}.dimshuffle(0, 'x')",
            "{0}.reshape((-1, 1))",
            "{0}.reshape((1, -1))",
        ]
    if n == 2:
        kinds += ["T.tril({0})", "T.triu({0})", "T.diagonal({0})"]
    if n:
        axis = s.number(0, n - 1)
        kinds += [
            f"T.tile({{0}}, ({'1, ' * (n - 1)}2))",
            f"T.repeat({{0}}, 2, axis={axis})",
        ]
        kinds += [
            f"T.pad({{0}}, {[(s.number(0, 1), s.number(0, 2)) for _ in range(n)]})"
        ]
    return s.statement(s.choice(kinds), x)


@maker(4)
def joined(s: Scope) -> Statement:
    x = s.real(1, 3)
    a = s.value(x)
    axis = s.number(0, a.ndim - 1)

    def fits(b: np.ndarray) -> bool:
        return (
            b.dtype.kind == "f"
            and b.ndim == a.ndim
            and all(b.shape[k] == a.shape[k] for k in range(a.ndim) if k != axis)
        )

    y = s.pick(fits)
    assert y is not None
    if s.value(y).shape == a.shape and s.chance(0.3) and a.ndim < 3:
        return s.statement(f"T.stack([{{0}}, {{1}}], axis={s.number(0, a.ndim)})", x, y)
    parts = s.choice(["{0}, {1}", "{1}, {0}", "{0}, {1}, {0}", "T.tanh({0}), {1} * 2"])
    return s.statement(f"T.concatenate([{parts}], axis={axis})", x, y)


# --- products ---------------------------------------------------------------------------


@maker(4)
def product(s: Scope) -> Statement:
    x = s.real(1, 2)
    a = s.value(x)
    inner = a.shape[-1]
    y = s.pick(
        lambda b: b.dtype.kind == "f" and b.ndim in (1, 2) and b.shape[0] == inner
    )
    if y is None or s.chance(0.3):
        names = [d for d, n in s.g.extents.items() if n == inner]
        first: Any = s.choice(names) if names else inner
        dims = (first,) if s.chance(0.3) else (first, s.choice(["n", "m", "k"]))
        y = s.g.input(dims, shared=s.chance(0.5))
    text = s.choice(["T.dot({0}, {1})", "T.dot({0}, {1})", "T.tanh(T.dot({0}, {1}))"])
    return s.statement(text, x, y)


@maker(2)
def product_with_itself(s: Scope) -> Statement:
    x = s.real(1, 2)
    if s.value(x).ndim == 1:
        return s.statement(s.choice(["T.outer({0}, {0})", "T.dot({0}, {0})"]), x)
    return s.statement(
        s.choice(["T.dot({0}.T, {0})", "T.dot({0}, {0}.T)",
                  "T.dot(T.nnet.softmax(T.dot({0}, {0}.T)), {0})"]),
        x,
    )  # fmt: skip


@maker(1)
def batched(s: Scope) -> Statement | None:
    x = s.pick(lambda a: a.dtype.kind == "f" and a.ndim == 3)
    if x is None:
        return None
    return s.statement(
        s.choice(["T.batched_dot({0}, {0}.dimshuffle(0, 2, 1))",
                  "T.batched_dot({0}.dimshuffle(0, 2, 1), {0})"]),
        x,
    )  # fmt: skip


# --- layers -----------------------------------------------------------------------------


@maker(2)
def dense(s: Scope) -> Statement:
    x = s.real(2, 2)
    inner = s.value(x).shape[1]
    names = [d for d, n in s.g.extents.items() if n == inner]
    first: Any = s.choice(names) if names else inner
    units = s.choice(["n", "m", "k"])
    w = s.g.input((first, units), shared=True, kind="normal")
    b = s.g.input((units,), shared=True, kind="halves")
    act = s.choice(["T.tanh", "T.nnet.relu", "T.nnet.sigmoid", "T.nnet.softmax"])
    return s.statement(f"{act}(T.dot({{0}}, {{1}}) + {{2}})", x, w, b)


@maker(1)
def cross_entropy(s: Scope) -> Statement:
    x = s.real(2, 2, filled=True)
    a = s.value(x)
    rows = [d for d, n in s.g.extents.items() if n == a.shape[0]]
    k = s.g.input(
        (s.choice(rows) if rows else a.shape[0],), "int64", f"below {a.shape[1]}"
    )
    texts = [
        "T.nnet.categorical_crossentropy(T.nnet.softmax({0}), {1})",
        "-T.nnet.logsoftmax({0})[T.arange({1}.shape[0]), {1}]",
        "-T.log(T.nnet.softmax({0}))[T.arange({0}.shape[0]), {1}]",
    ]
    return s.statement(s.choice(texts), x, k, tags=["given"])


@maker(1)
def pictures(s: Scope) -> Statement | None:
    """Images: convolved, pooled, averaged."""
    if s.depth:
        return None
    x = s.pick(lambda a: a.dtype.kind == "f" and a.ndim == 4 and min(a.shape[2:]) > 2)
    if x is None:
        x = s.g.input((s.choice("nm"), s.choice([1, 2]), 4, s.choice([4, 5])))
    kind = s.number(0, 4)
    if kind <= 1:
        channels = s.value(x).shape[1]
        w = s.g.input((s.choice("nk"), channels, 2, s.choice([1, 2])), shared=True)
        return s.statement("T.nnet.conv2d({0}, {1})", x, w)
    mode = s.choice(["max", "max", "average_exc_pad"])
    return s.statement(
        f"T.pool_2d({{0}}, (2, 2), ignore_border=True, mode={mode!r})", x
    )


@maker(1)
def flattened(s: Scope) -> Statement | None:
    x = s.pick(lambda a: a.dtype.kind == "f" and a.ndim >= 3)
    if x is None:
        return None
    text = s.choice([
        "{0}.flatten(2)", "{0}.mean(axis=(1, 2))", "{0}.sum(axis=0)", "{0}.max(axis=-1)",
        "T.nnet.relu({0})", "{0}.reshape(({0}.shape[0], -1))",
    ])  # fmt: skip
    return s.statement(text, x)


@maker(1)
def noise(s: Scope) -> Statement | None:
    """Random numbers, of the shape of an operand or a fixed one."""
    if s.depth:
        return None
    x = s.real(0, 2)
    shape = "{0}.shape" if s.chance(0.7) else f"({s.number(1, 5)},)"
    if not s.value(x).ndim:
        shape = "(3,)"
    rng = f"T.RandomStreams({s.number(1, 99)})"
    text = s.choice([
        f"{rng}.normal({shape}, dtype={s.g.dtype!r})",
        f"{rng}.uniform({shape}, dtype={s.g.dtype!r})",
        f"{rng}.binomial({shape}, p=0.5, dtype={s.g.dtype!r})",
    ])  # fmt: skip
    if s.chance(0.5) and shape == "{0}.shape":
        text = "{0} * " + text  # dropout and its like
    return s.statement(text, x, tags=["random"])


# --- whole programs ---------------------------------------------------------------------

COSTS = (
    "T.sqr({0}).sum()", "T.sin({0}).sum()", "({0} * 0.3).sum()", "{0}.sum()",
    "T.tanh({0}).mean()", "T.sqr({0}).mean()", "T.exp(-T.sqr({0})).sum()",
)  # fmt: skip
UPDATES = (
    "T.set_subtensor({0}[:1], 0.5)", "{0} * 1", "T.exp(-T.sqr({0}))", "{1} * 1 + {0} * 0",
    "{0} * 0.5", "{0} + 1", "{0} * 2", "{0} - 0.125 * {1}", "{0} + {1}.sum()",
    "{0} * 0.9 + {1} * 0.1", "T.tanh({0} + {1})", "{0} - {1}.mean()",
)  # fmt: skip


def updated(g: Grammar) -> list[tuple[str, str]]:
    """New values for some shared variables, each a statement of its own."""
    s, found = g.top, []
    for entry in list(g.inputs):
        if not entry.shared or s.chance(0.3):
            continue
        same = [  # two may also change places
            e.name
            for e in g.inputs
            if e.shared
            and e.dtype == entry.dtype
            and e is not entry
            and s.value(e.name).shape == s.value(entry.name).shape
        ]
        if same and s.chance(0.3):
            found.append((entry.name, s.choice(same)))
            continue
        try:
            other = s.partner(entry.name, inside=True)
            text = s.choice(UPDATES)
            found.append((entry.name, s.emit(s.statement(text, entry.name, other))))
        except Invalid:
            continue
        new, old = s.value(found[-1][1]), s.value(entry.name)
        if new.shape != old.shape or new.dtype != old.dtype:
            found.pop()
    for _ in range(s.number(0, 2) if found else 0):  # what shares an expression with it
        w, new = s.choice(found)
        try:
            other = s.partner(new)
            if s.chance(0.3):  # with one axis more than the new value has
                rank = s.value(new).ndim
                if rank < 3:
                    other = g.input((s.choice("nmk"), *_dims_like(g, w)))
            s.emit(s.statement(s.choice(BINARY), other, s.choice([new, new, w])))
        except Invalid:
            pass
    return found


def _dims_like(g: Grammar, name: str) -> tuple[str | int, ...]:
    return next(e.dims for e in g.inputs if e.name == name)


@np.errstate(all="ignore")
def generate(seed: int, steps: int = 6) -> Program:
    """The program of a seed."""
    g = Grammar(seed)
    s = g.top
    for _ in range(s.number(1, 2)):
        g.input(g.dims(s.number(0, 3) if s.chance(0.4) else s.number(1, 2)))
    for _ in range(s.number(2, steps)):
        for _ in range(4):
            if s.step():
                break
    updates: list[tuple[str, str]] = []
    if s.chance(0.4):
        if not any(e.shared for e in g.inputs):
            g.input(g.dims(s.number(0, 2)), shared=True)
        updates = updated(g)
    made = [n for st in s.statements for n in st.names]
    if not made:
        made = [s.made("{0} * 2", g.inputs[0].name)]
    count = min(len(made), s.number(1, 3))
    outputs = [made[-1]]
    for k in g.random.choice(len(made), count - 1, replace=False):
        if made[int(k)] not in outputs:
            outputs.append(made[int(k)])
    if s.chance(0.08):  # an input or a shared variable, as it is (before its update)
        outputs.append(s.choice(g.inputs).name)
    program = Program(
        tuple(g.inputs), tuple(s.statements), tuple(outputs), tuple(updates),
        values=dict(g.values), extents=dict(g.extents), seed=seed,
    )  # fmt: skip
    if s.chance(0.68):
        program = differentiated(s, program, made)
    return program.pruned()


def differentiated(s: Scope, program: Program, made: list[str]) -> Program:
    """With a cost and its gradient."""
    reals = [n for n in made if s.value(n).dtype.kind == "f"]
    if not reals:
        return program
    costs = [Statement((), s.choice(COSTS), (reals[-1],))]
    if s.chance(0.4):
        costs.append(Statement((), s.choice(COSTS), (s.choice(reals),)))
    bare = Program((), program.statements, (), costs=tuple(costs)).pruned()
    used = {n for st in (*bare.statements, *costs) for n in st.uses()}
    wrt = [
        e.name
        for e in program.inputs
        if e.name in used and e.dtype.startswith("float") and s.chance(0.8)
    ]
    if not wrt:
        return program
    values = dict(program.__dict__)
    values.update(costs=tuple(costs), wrt=tuple(wrt), train=s.chance(0.3))
    values.update(twice=s.chance(0.08))
    return Program(**values)
