"""Image: what a call needs of a Program, as plain data that goes to disk and back.

Kernels and steps are in the object code; the image holds the slots, how sizes are
computed, what a call must check and what its errors say. Places of the user's code are
kept as numbers of graph nodes, so that an object from the cache names the lines of the
program that uses it. In: Program. Out: Image; its JSON.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.core.record import Record
from symgraph.lower.sizes import SizeExpression, SizePolynomial


class Image(Record, frozen=False):
    """Plain data of a compiled function; fields as in `lower.program.Program`.

    Attributes
    ----------
    slots : for each slot ("error",), ("leaf", k), ("output", k), ("temp", k),
        ("constant", k), ("block_size", units, work, align, scratch), ("parallel",) or a
        SizePolynomial
    recipes : how atoms of the Polys are computed
    leaves : (kind, dtype, rank)
    constants : arrays
    temps : (bytes, first step, last step)
    outputs : (dtype, extents)
    checks : (left, right, message, may broadcast, guard)
    ranges : (index, extent, message, is an emptiness check, guard)
    failures : error flag → message
    resized : positions of shared variables that get the last outputs as new values
    needs : what the object code calls beside BLAS
    calls : (op as text, inputs, outputs, place) of what is called in Python, as in
        `steps.HostFunction`
    dynamic_extents : (slot of the address, dtype) of values that decide extents, in order
    """

    slots: list[Any]
    recipes: list[SizeExpression]
    leaves: list[tuple[str, str, int]]
    constants: list[np.ndarray]
    temps: list[tuple[SizePolynomial, int, int]]
    outputs: list[tuple[str, tuple[SizePolynomial, ...]]]
    checks: list[tuple[SizePolynomial, SizePolynomial, str, bool, int | None]]
    ranges: list[tuple[SizePolynomial, SizePolynomial, str, bool, int | None]]
    failures: dict[int, str]
    resized: list[int]
    needs: list[str]
    calls: list[tuple[str, Any, Any, str]]
    dynamic_extents: list[tuple[int, str]]


def image_of(program: Any, needs: Sequence[str] = ()) -> Image:
    """The image of a program that calls what `needs` lists (see `device.needs`)."""
    return Image(
        list(program.slots),
        list(program.recipes),
        list(program.leaves),
        list(program.constants),
        list(program.temps),
        list(program.outputs),
        [(c.left, c.right, c.message, c.broadcast, c.guard) for c in program.checks],
        [(r.index, r.extent, r.message, r.empty, r.guard) for r in program.ranges],
        dict(program.failures),
        list(program.resized),
        list(needs),
        [(repr(c.node.op), c.inputs, c.outputs, c.place) for c in program.calls],
        [(late.slot, late.dtype) for late in program.dynamic_extents],
    )


def to_json(image: Image, strip_locations: Callable[[str], str]) -> dict[str, Any]:
    """The image as JSON data; `strip_locations` replaces places in messages by tokens."""
    return {
        "slots": [
            {"size": _poly(s)}
            if isinstance(s, SizePolynomial)
            else [{"size": _poly(e)} if isinstance(e, SizePolynomial) else e for e in s]
            for s in image.slots
        ],
        "recipes": image.recipes,
        "leaves": image.leaves,
        "constants": [
            [a.dtype.name, list(a.shape), base64.b64encode(a.tobytes()).decode()]
            for a in image.constants
        ],
        "temps": [[_poly(size), first, last] for size, first, last in image.temps],
        "outputs": [
            [dtype, [_poly(e) for e in shape]] for dtype, shape in image.outputs
        ],
        "checks": [
            [_poly(a), _poly(b), strip_locations(message), flag, guard]
            for a, b, message, flag, guard in image.checks
        ],
        "ranges": [
            [_poly(a), _poly(b), strip_locations(message), flag, guard]
            for a, b, message, flag, guard in image.ranges
        ],
        "failures": {
            str(k): strip_locations(text) for k, text in image.failures.items()
        },
        "resized": image.resized,
        "needs": image.needs,
        "calls": [
            [op, ins, outs, strip_locations(place)]
            for op, ins, outs, place in image.calls
        ],
        "dynamic_extents": image.dynamic_extents,
    }


def from_json(data: dict[str, Any], restore_locations: Callable[[str], str]) -> Image:
    """The image from JSON data; `restore_locations` puts places in for tokens."""
    return Image(
        [
            _sized(s) if isinstance(s, dict) else tuple(map(_sized, s))
            for s in data["slots"]
        ],
        [_tuples(r) for r in data["recipes"]],
        [tuple(leaf) for leaf in data["leaves"]],
        [
            np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
            for dtype, shape, text in data["constants"]
        ],
        [(_unpoly(size), first, last) for size, first, last in data["temps"]],
        [(d, tuple(_unpoly(e) for e in shape)) for d, shape in data["outputs"]],
        [
            (_unpoly(a), _unpoly(b), restore_locations(m), flag, guard)
            for a, b, m, flag, guard in data["checks"]
        ],
        [
            (_unpoly(a), _unpoly(b), restore_locations(m), flag, guard)
            for a, b, m, flag, guard in data["ranges"]
        ],
        {int(k): restore_locations(text) for k, text in data["failures"].items()},
        data["resized"],
        data["needs"],
        [
            (op, _tuples(ins), _tuples(outs), restore_locations(place))
            for op, ins, outs, place in data["calls"]
        ],
        [tuple(late) for late in data["dynamic_extents"]],
    )


def _sized(part: Any) -> Any:
    return _unpoly(part["size"]) if isinstance(part, dict) else part


def _poly(value: SizePolynomial) -> list[Any]:
    return [[list(monomial), coefficient] for monomial, coefficient in value.terms]


def _unpoly(data: list[Any]) -> SizePolynomial:
    return SizePolynomial(
        tuple((tuple(monomial), coefficient) for monomial, coefficient in data)
    )


def _tuples(data: Any) -> Any:
    return tuple(_tuples(d) for d in data) if isinstance(data, list) else data
