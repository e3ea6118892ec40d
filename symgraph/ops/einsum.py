"""Sums of products by labels of axes: einsum, and kron.

Operands are contracted two at a time, each time the pair that leaves the fewest axes;
labels that both have and nobody needs any more are summed by a matrix product (a batch
of them where labels stay), labels of one operand alone by `sum`.
"""

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from symgraph.core.dtypes import upcast
from symgraph.core.node import Variable, as_operands, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.families import broadcast_extents_of, cast
from symgraph.ops.shape import (
    AnyExtent,
    extent_key,
    extents,
    inferred_extents,
    multiply,
    product,
)

#: an operand, and the label of each of its axes
Labelled = tuple[Variable, str]


@public
def einsum(subscripts: Any, *operands: Any) -> Variable:
    """out[o] = sum of a[i] * b[j] * ... over all labels that o lacks.

    Parameters
    ----------
    subscripts : str, as "ij,jk->ik"
        a letter for each axis of each operand, then those of the result (else: all that
        occur once, in alphabetical order). A letter twice in an operand is a diagonal;
        "..." stands for axes that are broadcast. NumPy's lists work too:
        ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises
    ------
    ArgumentError : the subscripts do not fit the operands
    ShapeError : axes of one label differ in extent

    References
    ----------
    NumPy 2.4, numpy.einsum.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.einsum("bij,bjk->bik", T.ftensor3("a"), T.ftensor3("b")).type
    float32 (None, None, None)
    >>> T.einsum("ii", T.dmatrix("x")).type
    float64 ()
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists((subscripts, *operands))
    made = as_operands(*operands)
    if not made:
        raise ArgumentError("einsum: no operands")
    dtype = upcast(*(v.type.dtype for v in made))
    terms, result = _parsed(subscripts, made)
    parts = [
        _diagonals(cast(v, dtype), term) for v, term in zip(made, terms, strict=True)
    ]
    parts = _agreeing(parts)
    parts = [
        _summed(v, labels, _elsewhere(parts, [i], result))
        for i, (v, labels) in enumerate(parts)
    ]
    while len(parts) > 1:
        i, j = min(
            combinations(range(len(parts)), 2), key=lambda p: _cost(parts, p, result)
        )
        needed = _elsewhere(parts, (i, j), result)
        joined = _contracted(parts[i], parts[j], needed)
        parts = [part for k, part in enumerate(parts) if k not in (i, j)]
        parts.append(joined)
    v, labels = parts[0]
    return PUBLIC["dimshuffle"](v, *(labels.index(label) for label in result))


# --- subscripts --------------------------------------------------------------------


def _from_lists(arguments: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Subscripts and operands of ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def text(labels: Any) -> str:
        try:
            return "".join(
                "..." if n is Ellipsis else string.ascii_letters[n] for n in labels
            )
        except (TypeError, IndexError):
            raise ArgumentError(
                f"einsum: {labels!r} is no list of labels 0 .. 51"
            ) from None

    pairs = len(arguments) // 2
    written = ",".join(text(arguments[2 * k + 1]) for k in range(pairs))
    if len(arguments) % 2:
        written += "->" + text(arguments[-1])
    return written, tuple(arguments[0 : 2 * pairs : 2])


def _parsed(subscripts: str, operands: Sequence[Variable]) -> tuple[list[str], str]:
    """A label for each axis of each operand, and of the result.

    Axes that "..." stands for are labelled by digits-like characters from the last on.
    """
    told = subscripts.replace(" ", "")
    left, arrow, right = told.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ArgumentError(
            f"einsum: {subscripts!r} has {len(terms)} terms for {len(operands)} "
            f"operands{listing(*operands)}"
        )
    found: list[str] = []
    widest = 0
    for term, v in zip(terms, operands, strict=True):
        named = term.replace("...", "", 1)
        hidden = v.ndim - len(named)
        letters = all(c in string.ascii_letters for c in named)
        if not letters or hidden < 0 or (hidden and "..." not in term):
            raise ArgumentError(
                f"einsum: the term {term!r} of {subscripts!r} does not fit an operand "
                f"of rank {v.ndim}{listing(v)}"
            )
        widest = max(widest, hidden)
        found.append(term.replace("...", _hidden(hidden), 1))
    every = Counter("".join(found))
    if not arrow:
        once = sorted(
            c for c, n in every.items() if n == 1 and c in string.ascii_letters
        )
        right = ("..." if "..." in left else "") + "".join(once)
    result = right.replace("...", _hidden(widest), 1)
    if len(set(result)) != len(result) or any(c not in every for c in result):
        raise ArgumentError(
            f"einsum: the result {right!r} of {subscripts!r} repeats a label, or has one "
            "that no operand has"
        )
    return found, result


def _hidden(count: int) -> str:
    """Labels of the axes of an Ellipsis, aligned at the last."""
    return "".join(chr(0x100 + k) for k in reversed(range(count)))


# --- operands ----------------------------------------------------------------------


def _diagonals(v: Variable, labels: str) -> Labelled:
    """The operand with one axis for each label."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            a, b = v.type.shape[first], v.type.shape[second]
            if a is not None and b is not None and a != b:
                raise ShapeError(
                    f"einsum: axes {first} and {second} of one label have extents {a} "
                    f"and {b}{listing(v)}"
                )
            v = PUBLIC["diagonal"](v, 0, first, second)
            rest = labels[:first] + labels[first + 1 : second] + labels[second + 1 :]
            labels = rest + label
    return v, labels


def _agreeing(parts: Sequence[Labelled]) -> list[Labelled]:
    """Extents of one label made equal; known ones that are 1 left out, as broadcast."""
    whole: dict[str, list[AnyExtent]] = {}
    for v, labels in parts:
        for axis, label in enumerate(labels):
            known, told = v.type.shape[axis], whole.setdefault(label, [])
            numbers = [e for e in told if isinstance(e, int)]
            if known not in (None, 1) and any(e != known for e in numbers):
                raise ShapeError(
                    f"einsum: axes of one label have extents {numbers[0]} and {known}"
                    f"{listing(*(v for v, _ in parts))}"
                )
            if known != 1 and known not in numbers:
                told.append(inferred_extents(v)[axis] if known is None else known)
    found = []
    for v, labels in parts:
        kept, wanted = [], []
        for axis, label in enumerate(labels):
            told = whole[label]
            if v.type.shape[axis] == 1 and told:
                continue
            kept.append(axis)
            wanted.append(_whole(told) if told else 1)
        if len(kept) < v.ndim:
            v = PUBLIC["dimshuffle"](v, *kept)
        pairs = zip(extents(v), wanted, strict=True)
        if any(extent_key(have) != extent_key(want) for have, want in pairs):
            v = PUBLIC["broadcast_to"](v, tuple(wanted))
        found.append((v, "".join(labels[axis] for axis in kept)))
    return found


def _whole(told: Sequence[AnyExtent]) -> AnyExtent:
    """The extent to which those of one label broadcast; a known one, else the first.

    Which of unknown ones are 1 is seen when the function runs.
    """
    numbers = [e for e in told if isinstance(e, int)]
    different = {extent_key(e): e for e in told}
    if numbers or len(different) == 1:
        return numbers[0] if numbers else told[0]
    return broadcast_extents_of([(e,) for e in different.values()], 1)[0]


def _elsewhere(parts: Sequence[Labelled], but: Iterable[int], result: str) -> set[str]:
    """Labels of the result and of all other operands."""
    left = set(but)
    others = (labels for k, (_, labels) in enumerate(parts) if k not in left)
    return set(result).union(*others)


def _summed(v: Variable, labels: str, needed: set[str]) -> Labelled:
    """The operand summed over labels that nobody else has."""
    drop = tuple(axis for axis, label in enumerate(labels) if label not in needed)
    if not drop:
        return v, labels
    kept = "".join(label for label in labels if label in needed)
    return PUBLIC["sum"](v, axis=drop, dtype=v.type.dtype), kept


def _cost(
    parts: Sequence[Labelled], pair: tuple[int, int], result: str
) -> tuple[int, int]:
    """Axes that a product leaves, and minus those that it sums."""
    needed = _elsewhere(parts, pair, result)
    labels = set(parts[pair[0]][1]) | set(parts[pair[1]][1])
    left = len(labels & needed)
    return left, left - len(labels)


def _contracted(a: Labelled, b: Labelled, needed: set[str]) -> Labelled:
    """The product of two operands, summed over the labels that nobody needs."""
    (left, own), (right, other) = a, b
    shared = [label for label in own if label in other]
    batch = [label for label in shared if label in needed]
    inner = [label for label in shared if label not in needed]
    rows = [label for label in own if label not in shared]
    columns = [label for label in other if label not in shared]
    labels = "".join([*batch, *rows, *columns])
    if not inner:
        return _placed(left, own, labels) * _placed(right, other, labels), labels
    size = dict(zip(own + other, extents(left) + extents(right), strict=True))

    def merged(v: Variable, have: str, *groups: list[str]) -> Variable:
        order = [have.index(label) for group in groups for label in group]
        shape = tuple(product(size[label] for label in group) for group in groups)
        return PUBLIC["reshape"](PUBLIC["dimshuffle"](v, *order), shape)

    lead = [batch] if batch else []
    x = merged(left, own, *lead, rows, inner)
    y = merged(right, other, *lead, inner, columns)
    out = PUBLIC["batched_dot" if batch else "dot"](x, y)
    return PUBLIC["reshape"](out, tuple(size[label] for label in labels)), labels


def _placed(v: Variable, labels: str, wanted: str) -> Variable:
    """The operand with new axes for the labels that it lacks."""
    pattern = (labels.index(label) if label in labels else "x" for label in wanted)
    return PUBLIC["dimshuffle"](v, *pattern)


# --- kron --------------------------------------------------------------------------


@public
def kron(a: Any, b: Any) -> Variable:
    """out[i * m + j, k * n + l] = a[i, k] * b[j, l], for b of extents m and n.

    Of any ranks; the lower one gets axes of extent 1 in front.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.kron(T.matrix("a", shape=(2, 3)), T.matrix("b", shape=(4, 5))).type.shape
    (8, 15)
    """
    a, b = as_operands(a, b)
    rank = max(a.ndim, b.ndim)
    a, b = (PUBLIC["shape_padleft"](v, rank - v.ndim) for v in (a, b))
    left, right = [], []
    for axis in range(rank):
        left += [axis, "x"]
        right += ["x", axis]
    out = PUBLIC["dimshuffle"](a, *left) * PUBLIC["dimshuffle"](b, *right)
    pairs = zip(extents(a), extents(b), strict=True)
    return PUBLIC["reshape"](out, tuple(multiply(m, n) for m, n in pairs))
