"""A Program as JSON data, and back: the manifest that is kept beside object code.

Places of the user's code are kept as numbers of graph nodes (`strip`), so that an object
from the cache names the lines of the program that uses it (`restore`). What a call
needs (slots, how sizes are computed, checks, texts) has a short form, for it is read on
each warm start; steps and kernels, which are machine code by then, are written with
``body=True`` only: a record is a list of its class and its fields. In: a Program. Out:
data that `json` writes, from which an equal program is made.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symgraph.core.node import Apply
from symgraph.core.record import Record
from symgraph.errors import ProgramError
from symgraph.lower import ir, steps
from symgraph.lower.checks import Check, Range
from symgraph.lower.sizes import SizePolynomial
from symgraph.lower.steps import DynamicExtent, HostFunction, Program

#: classes that a body may have, by the names that stand for them in JSON
BODY: dict[str, type[Record]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": kind
    for module in (ir, steps)
    for name, kind in vars(module).items()
    if isinstance(kind, type)
    and issubclass(kind, Record)
    and kind.__module__ == module.__name__
}
_NAMES = {kind: name for name, kind in BODY.items()}


def to_json(
    program: Program,
    strip: Callable[[str], str] = str,
    body: bool = False,
    host: Callable[[Apply], Any] = lambda node: repr(node.op),
) -> dict[str, Any]:
    """The program as data; `strip` replaces places in texts by tokens.

    `host` names an application that Python computes, for `nodes` of `from_json`.
    With `body` its steps and kernels as well. What it computes for which node
    (`Program.sources`) is of this process and left out.
    """
    made: dict[str, Any] = {
        "slots": [
            {"size": _size(s)}
            if isinstance(s, SizePolynomial)
            else [{"size": _size(e)} if isinstance(e, SizePolynomial) else e for e in s]
            for s in program.slots
        ],
        "recipes": program.recipes,
        "leaves": program.leaves,
        "constants": [
            [a.dtype.name, list(a.shape), base64.b64encode(a.tobytes()).decode()]
            for a in program.constants
        ],
        "temps": [[_size(size), first, last] for size, first, last in program.temps],
        "outputs": [
            [dtype, [_size(e) for e in shape]] for dtype, shape in program.outputs
        ],
        "checks": [
            [_size(c.left), _size(c.right), strip(c.message), c.broadcast, c.guard]
            for c in program.checks
        ],
        "ranges": [
            [_size(r.index), _size(r.extent), strip(r.message), r.empty, r.guard]
            for r in program.ranges
        ],
        "failures": {str(k): strip(text) for k, text in program.failures.items()},
        "resized": program.resized,
        "calls": [
            [host(c.node), c.inputs, c.outputs, strip(c.place)] for c in program.calls
        ],
        "dynamic_extents": [[d.slot, d.dtype] for d in program.dynamic_extents],
    }
    if body:
        made["kernels"] = [_written(kernel) for kernel in program.kernels.values()]
        made["steps"] = [_written(step) for step in program.steps]
    return made


def from_json(
    data: Mapping[str, Any],
    restore: Callable[[str], str] = str,
    nodes: Mapping[Any, Apply] | None = None,
) -> Program:
    """The program from data; `restore` puts places in for tokens.

    Parameters
    ----------
    nodes : applications that Python computes, by what `host` of `to_json` gave

    Raises
    ------
    ProgramError : a record of no class of programs
    """
    made = Program()
    made.slots = [
        _sized(s) if isinstance(s, dict) else tuple(map(_sized, s))
        for s in data["slots"]
    ]
    made.recipes = [_tuples(r) for r in data["recipes"]]
    made.leaves = [tuple(leaf) for leaf in data["leaves"]]
    made.constants = [
        np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
        for dtype, shape, text in data["constants"]
    ]
    made.temps = [(_polynomial(s), first, last) for s, first, last in data["temps"]]
    made.outputs = [
        (dtype, tuple(map(_polynomial, shape))) for dtype, shape in data["outputs"]
    ]
    made.checks = [
        Check(_polynomial(a), _polynomial(b), restore(text), broadcast, guard)
        for a, b, text, broadcast, guard in data["checks"]
    ]
    made.ranges = [
        Range(_polynomial(a), _polynomial(b), restore(text), empty, guard)
        for a, b, text, empty, guard in data["ranges"]
    ]
    made.failures = {int(k): restore(text) for k, text in data["failures"].items()}
    made.resized = data["resized"]
    known = nodes or {}
    made.calls = [
        HostFunction(known[node], _tuples(inputs), _tuples(outputs), restore(place))
        for node, inputs, outputs, place in data["calls"]
    ]
    made.dynamic_extents = [
        DynamicExtent(slot, dtype) for slot, dtype in data["dynamic_extents"]
    ]
    kernels = [_read(kernel) for kernel in data.get("kernels", ())]
    made.kernels = {kernel.name: kernel for kernel in kernels}
    made.steps = [_read(step) for step in data.get("steps", ())]
    return made


# --- sizes -------------------------------------------------------------------------------


def _size(value: SizePolynomial) -> list[Any]:
    return [[list(monomial), coefficient] for monomial, coefficient in value.terms]


def _polynomial(data: list[Any]) -> SizePolynomial:
    return SizePolynomial(
        tuple((tuple(monomial), coefficient) for monomial, coefficient in data)
    )


def _sized(part: Any) -> Any:
    return _polynomial(part["size"]) if isinstance(part, dict) else part


def _tuples(data: Any) -> Any:
    return tuple(_tuples(d) for d in data) if isinstance(data, list) else data


# --- steps and kernels -------------------------------------------------------------------


def _written(value: Any) -> Any:
    """Records as objects of one key, tuples as lists; the rest is what JSON has."""
    if isinstance(value, Record):
        return {_NAMES[type(value)]: [_written(v) for v in value.as_tuple()]}
    if isinstance(value, tuple):
        return [_written(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _read(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(map(_read, data))
    if not isinstance(data, dict):
        return data
    ((name, fields),) = data.items()
    if name not in BODY:
        raise ProgramError(f"program: no record is called {name!r}")
    return BODY[name](*map(_read, fields))
