"""Statements that read and write at positions: constant, given, and computed ones."""

from collections.abc import Sequence

import numpy as np
from fuzz.grammar import Invalid, Scope, maker
from fuzz.plain import raw
from fuzz.program import Statement

#: 0-d ints of a float operand
COMPUTED = (
    "T.argmax({0})", "T.argmin({0})", "({0} > 0).sum()",
    "T.cast(({0} > 0.3).any(), 'int64')",
    "T.cast({0}.sum(), 'int64')", "T.cast(T.abs({0}).max(), 'int64')",
    "T.searchsorted(T.sort({0}.flatten()), 0.3)",
    "T.nonzero({0}.flatten() > 0)[0].shape[0]",
    "{0}.shape[0] - 1",
    "T.cast(({0} > 0).mean() * 2, 'int32')",
)  # fmt: skip
#: vectors of ints of a float vector, below its length
ROWS = (
    "T.argsort({0})", "T.nonzero({0} > 0)[0]", "T.flatnonzero({0} < 0.5)",
    "T.arange({0}.shape[0])[::-1]", "T.arange({0}.shape[0]) // 2",
    "T.cast(T.abs({0}), 'int64') % {0}.shape[0]",
)  # fmt: skip


@maker(3)
def position(s: Scope) -> Statement:
    """A position, computed."""
    k = s.pick(lambda a: a.dtype.kind == "i" and not a.ndim)
    if k is not None and s.chance(0.3):
        texts = ["{0} + 1", "{0} // 2", "{0} * 2", "{0} - 1", "T.maximum({0}, 1)"]
        return s.statement(s.choice(texts), k, tags=["position"])
    return s.statement(s.choice(COMPUTED), s.real(1, 2, filled=True), tags=["position"])


def _scalar(s: Scope, x: str, axis: int, end: int) -> tuple[str, str | None]:
    """Text of a position of 0..end of an axis, and the name in it (as {}), if any."""
    extent = s.value(x).shape[axis]
    kind = s.number(0, 5)
    if kind == 0 or end < 0:
        return str(s.number(-extent, max(end, 0))), None
    if kind == 1:
        name = s.g.input((), s.choice(["int64", "int64", "int32"]), f"below {end + 1}")
        return "{}", name
    found = s.pick(lambda a: a.dtype.kind == "i" and not a.ndim)
    if found is None or kind == 2:
        found = s.emit(position(s))
    if not 0 <= int(s.value(found)) <= end:
        return f"({{}} % {{0}}.shape[{axis}])", found
    return "{}", found


def _vector(s: Scope, x: str, axis: int) -> str:
    """A vector of positions of an axis."""
    extent = s.value(x).shape[axis]
    found = s.pick(
        lambda a: (
            a.dtype.kind == "i"
            and a.ndim == 1
            and (a.size == 0 or (a.min() >= -extent and a.max() < extent))
        )
    )
    if found is not None and s.chance(0.5):
        return found
    if s.chance(0.4):
        v = s.pick(lambda a: a.dtype.kind == "f" and a.shape == (extent,))
        if v is not None:
            return s.made(s.choice(ROWS), v, tags=["position"])
    names = [d for d, n in s.g.extents.items() if n == extent]
    bound = s.choice(names) if names else str(extent)
    dims = (s.choice(["n", "m", "k", 2, 3]),)
    return s.g.input(dims, s.choice(["int64", "int64", "int32"]), f"below {bound}")


def index(s: Scope, x: str, rich: float = 0.6) -> tuple[str, list[str], Sequence[str]]:
    """The text of an index into x, further operands, and tags."""
    a = s.value(x)
    items: list[str] = []
    args = [x]
    computed = False

    def named(text: str, name: str | None) -> str:
        nonlocal computed
        if name is None:
            return text
        computed |= name not in {e.name for e in s.g.inputs}
        args.append(name)
        return text.replace("{}", f"{{{len(args) - 1}}}")

    vectors = 0
    for axis, extent in enumerate(a.shape):
        if not extent or (items and s.chance(0.35)):
            items.append(":")
            continue
        if not s.chance(rich):
            items.append(
                s.choice([":", "0", "-1", "::-1", "::2", "1:", ":-1", "-2:", "::-2"])
            )
            continue
        kind = s.number(0, 7)
        if kind <= 1:
            items.append(named(*_scalar(s, x, axis, extent - 1)))
        elif kind == 2:
            items.append(named(*_scalar(s, x, axis, extent)) + ":")
        elif kind == 3:
            items.append(":" + named(*_scalar(s, x, axis, extent)))
        elif kind == 4:
            p = named(*_scalar(s, x, axis, extent - 1))
            items.append(f"{p}:{p} + {s.number(1, 2)}")
        elif kind == 5:
            p = named(*_scalar(s, x, axis, extent - 1))
            items.append(s.choice([f"{p}::-1", f"{p}::2", f"-1 - {p}", f":{p}:-1"]))
        elif kind == 6 and axis == 0 and a.ndim > 1 and s.chance(0.4):
            q = _vector(s, x, 0)
            args.append(q)
            items += [f"{{{len(args) - 1}}}", f"T.arange({{{len(args) - 1}}}.shape[0])"]
            items += [":"] * (a.ndim - 2)
            return (
                ", ".join(items),
                args,
                ["given" if q.startswith("i") else "position"],
            )
        elif not vectors:
            vectors += 1
            args.append(_vector(s, x, axis))
            computed |= not args[-1].startswith(("i", "x"))
            items.append(f"{{{len(args) - 1}}}")
        else:
            items.append(":")
    while items and items[-1] == ":" and len(items) > 1:
        items.pop()
    tags = ["position"] if computed else ["given"] if len(args) > 1 else []
    return ", ".join(items), args, tags


@maker(7)
def read(s: Scope) -> Statement | None:
    x = s.real(1, 3, filled=s.chance(0.9))
    a = s.value(x)
    kind = s.number(0, 11)
    if kind == 0:
        return s.statement("{0}[{0} > 0.2]", x, tags=["position"])
    if kind == 1 and a.ndim == 2 and a.shape[0]:
        text = s.choice([
            "{0}[T.arange({0}.shape[0]), T.argmax({0}, axis=1)]",
            "T.take_along_axis({0}, T.argsort({0}, axis=1), axis=1)",
            "{0}[T.argsort({0}[:, 0])]", "{0}[T.nonzero({0}.sum(axis=1) > 0)]",
            "{0}[{0}.sum(axis=1) > 0]",
        ])  # fmt: skip
        return s.statement(text, x, tags=["position"])
    if kind == 2:
        axis = s.number(0, a.ndim - 1)
        k = _vector(s, x, axis)
        text = f"T.take({{0}}, {{1}}, axis={axis})"
        tags = ["given" if k.startswith("i") else "position"]
        return s.statement(text, x, k, tags=tags)
    if kind == 3 and a.ndim == 1:
        text = s.choice(["T.sort({0})[-2:]", "{0}[T.argmax({0}):]", "{0}[:T.argmin({0})]",
                         "{0}[T.argsort({0})][::-1]", "T.unique({0})"])  # fmt: skip
        return s.statement(text, x, tags=["position"])
    text, args, tags = index(s, x)
    return s.statement(f"{{0}}[{text}]", *args, tags=tags)


@maker(6)
def write(s: Scope) -> Statement:
    x = s.real(1, 3, filled=True)
    text, args, tags = index(s, x)
    env = dict(s.env)
    try:
        part = raw(eval(f"{{0}}[{text}]".format(*args), env))
    except (ValueError, IndexError, TypeError, AssertionError):
        raise Invalid from None

    def fits(b: np.ndarray) -> bool:
        if b.dtype != s.value(x).dtype:
            return False
        try:
            return np.broadcast_shapes(b.shape, part.shape) == part.shape
        except ValueError:
            return False

    value = s.pick(fits)
    shown = s.choice(["0.", "0.5"])
    if value is not None and s.chance(0.85):
        args.append(value)
        shown = f"{{{len(args) - 1}}}" + s.choice(["", "", " * 2"])
    elif s.chance(0.5):
        shown = f"T.tanh({{0}}[{text}])"
    base = s.choice(["{0}", "{0}", "T.zeros_like({0})", "T.tanh({0})"])
    name = s.choice(["set", "set", "inc"])
    return s.statement(
        f"T.{name}_subtensor({base}[{text}], {shown})", *args, tags=[*tags, "write"]
    )
