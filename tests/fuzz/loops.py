"""Statements with control flow: `scan` with its step as a block, and `ifelse`."""

import numpy as np
from fuzz.grammar import Invalid, Scope, maker
from fuzz.plain import kept
from fuzz.program import Block, Piece, Statement

TAPS = ([-1], [-1], [-1], [-2], [-2, -1], [-3, -1])
Row = tuple[Piece, list[np.ndarray]]


def _state(s: Scope) -> Row:
    """The entry of `outputs_info` of one state, and its first rows."""
    taps = s.choice(TAPS)
    if taps == [-1]:
        kind = s.number(0, 5)
        if kind == 0:
            number = s.choice(["1.", "0.", "0.5"])
            return Piece(f"T.constant({number})"), [np.array(float(number))]
        if kind == 1:
            return Piece("T.constant(0, dtype='int64')"), [np.array(0)]
        if kind == 2:
            x = s.real(1, 2)
            return Piece("T.zeros_like({0})", (x,)), [np.zeros_like(s.value(x))]
        x = s.real(0, 2)
        return Piece("{0}", (x,)), [s.value(x)]
    depth = -min(taps)
    x = s.pick(
        lambda a: a.dtype.kind == "f" and 1 <= a.ndim <= 3 and a.shape[0] >= depth
    )
    if x is None:
        x = s.g.input((depth, *s.g.dims(s.number(0, 1))))
    a = s.value(x)
    return Piece(f"dict(initial={{0}}, taps={taps})", (x,)), [
        a[depth + t] for t in taps
    ]


def _sequence(s: Scope, backwards: bool) -> Row:
    """A sequence, and the rows that the first step gets."""
    kind = s.number(0, 9)
    if kind <= 2:
        x = s.real(1, 2, filled=True)
        n = s.value(x).shape[0]
        first = np.array(n - 1 if backwards else 0)
        return Piece("T.arange({0}.shape[0])", (x,)), [first]
    if kind == 3:
        n = s.number(1, 4)
        return Piece(f"T.arange({n})"), [np.array(n - 1 if backwards else 0)]
    if kind == 4:
        k = s.pick(lambda a: a.dtype.kind == "i" and a.ndim == 1 and a.size > 0)
        if k is None:
            k = s.g.input((s.choice("nm"),), "int64", f"below {s.choice('nm')}")
            if not s.value(k).size:
                raise Invalid
        return Piece("{0}", (k,)), [s.value(k)[-1 if backwards else 0]]
    x = s.real(1, 3, filled=True)
    a = s.value(x)[:: -1 if backwards else 1]
    if kind == 5 and len(a) > 1:
        rows = [a[1], a[0]] if backwards else [a[0], a[1]]
        return Piece("dict(input={0}, taps=[-1, 0])", (x,)), rows
    return Piece("{0}", (x,)), [a[0]]


@maker(12)
def scan(s: Scope) -> Statement | None:
    """A loop; one in a loop is rare."""
    if s.depth > 1 or (s.depth == 1 and not s.chance(0.3)):
        return None
    backwards = s.chance(0.2)
    sequences = [_sequence(s, backwards) for _ in range(s.number(0, 2))]
    count = s.number(0 if sequences else 1, 3 if s.chance(0.2) else 2)
    states = [_state(s) for _ in range(count)]
    steps = None
    if not sequences:
        steps = _steps(s)
    elif s.chance(0.1):
        steps = Piece(str(s.number(1, 2)))
    inner = Scope(s.g, s, dict(s.env))
    pieces: list[Piece] = []
    for k, (piece, rows) in enumerate([*sequences, *states]):
        letter = "h"
        if k < len(sequences):
            letter = "r" if rows[0].dtype.kind == "f" else "j"
        names = tuple(s.g.name(letter) for _ in rows)
        for name, row in zip(names, rows, strict=True):
            inner.add(name, kept(row))
        pieces.append(Piece(piece.text, piece.args, names))
    for _ in range(s.number(1, 3)):
        for _ in range(3):
            if inner.step():
                break
    heads, tails = pieces[: len(sequences)], pieces[len(sequences) :]
    wanted = [np.asarray(rows[-1]) for _, rows in states]
    results = _results(s, inner, tails, wanted)
    until = None
    if states and s.chance(0.12):
        limit = s.choice(["0.3", "1", "-0.2"])
        until = Piece(f"{{0}}.sum() > {limit}", results[0].args)
    s.children.remove(inner)
    block = Block(
        tuple(heads), tuple(tails), tuple(inner.statements), tuple(results), until,
        steps, backwards and bool(sequences),
    )  # fmt: skip
    tags = {"loop", *(["nested"] if s.depth else []), *(["until"] if until else [])}
    names = tuple(s.g.name() for _ in results)
    return Statement(names, "", (), block, frozenset(tags))


def _steps(s: Scope) -> Piece:
    """The number of steps."""
    if s.chance(0.4):
        return Piece(str(s.number(1, 4)))
    x = s.real(1, 2)
    if not 1 <= s.value(x).shape[0] <= 9:
        raise Invalid
    return Piece("{0}.shape[0]", (x,))


def _results(
    s: Scope, inner: Scope, states: list[Piece], wanted: list[np.ndarray]
) -> list[Piece]:
    """Results that fit the states, and at times one more."""
    made = [n for st in inner.statements for n in st.names]
    names = [*inner.names]
    results: list[Piece] = []
    for state, want in zip(states, wanted, strict=True):
        fits = [
            n
            for n in made
            if inner.value(n).shape == want.shape and inner.value(n).dtype == want.dtype
        ]
        if fits and s.chance(0.8):
            name = s.choice(fits)
        else:
            name = inner.emit(_fitted(s, inner, state.params[-1], want, names))
        damped = want.dtype.kind == "f" and s.chance(0.4)
        results.append(Piece("T.tanh({0})" if damped else "{0}", (name,)))
    for _ in range(s.number(0 if states else 1, 1)):
        results.append(Piece("{0}", (s.choice(made or names),)))
    return results


def _fitted(
    s: Scope, inner: Scope, h: str, want: np.ndarray, names: list[str]
) -> Statement:
    """A statement whose value has the type of a state."""
    if want.dtype.kind != "f":
        return inner.statement(
            s.choice(["{0} + 1", "{0} * 2 + 1"]), h, tags=["position"]
        )
    others = [
        n
        for n in names
        if inner.value(n).dtype == want.dtype
        and _inside(inner.value(n).shape, want.shape)
    ]
    if others and s.chance(0.8):
        text = s.choice(["{0} + {1}", "{0} * {1}", "{0} * 0.5 + {1}", "T.tanh({0} + {1})",
                         "{0} - 0.5 * {1}", "T.maximum({0}, {1})"])  # fmt: skip
        return inner.statement(text, h, s.choice(others))
    reals = [n for n in names if inner.value(n).dtype == want.dtype]
    if not reals:
        return inner.statement("{0} * 0.5", h)
    return inner.statement("{0} * 0.5 + {1}.sum()", h, s.choice(reals))


def _inside(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(a, b) == b
    except ValueError:
        return False


@maker(3)
def ends(s: Scope) -> Statement | None:
    """The last or first rows of what a loop made, or all of them together."""
    loops = [n for st in s.statements if st.block is not None for n in st.names]
    loops = [n for n in loops if s.value(n).ndim and s.value(n).dtype.kind == "f"]
    if not loops:
        return None
    text = s.choice([
        "{0}[-1]", "{0}[-1]", "{0}[-2:]", "{0}[-3:]", "{0}[-2:].sum(axis=0)",
        "{0}[::-1][:2]",
        "{0}[-2:].mean()", "{0}[1:]", "{0}[:-1]", "{0}[0]", "{0}[::-1]", "{0}.sum(axis=0)",
        "{0}[-3:][::-1]", "{0}[-2]",
    ])  # fmt: skip
    return s.statement(text, s.choice(loops))


@maker(2)
def ifelse(s: Scope) -> Statement:
    x = s.real(0, 2)
    a = s.value(x)
    y = s.pick(lambda b: b.dtype == a.dtype and b.ndim == a.ndim)
    assert y is not None
    if s.value(y).shape != a.shape and s.depth:
        raise Invalid
    m = s.pick(lambda b: b.dtype == bool and not b.ndim)
    if m is None or s.chance(0.5):
        z = s.real()
        m = s.made(
            s.choice(["{0}.sum() > 0.1", "T.any({0} > 0.3)", "{0}.sum() <= 0"]), z
        )
    text = s.choice(["{1}, {2}", "T.tanh({1}), {2}", "{1}, {2} * 2"])
    return s.statement(f"sg.ifelse({{0}}, {text})", m, x, y, tags=["branch"])
