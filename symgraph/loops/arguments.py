"""What `scan` is given and what its step returns, in one form.

Theano's many ways of saying the same thing are brought together here: sequences and
initial states bare, in a list or as dicts with taps; a step that returns outputs,
updates, a condition, or several of these. Out: records that build.py makes a loop of.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable
from symgraph.errors import ArgumentError, ShapeError, UpdateError
from symgraph.ops.families import cast


class until:  # noqa: N801 - the name is Theano's
    """Returned by the step of a scan: the loop ends after this step if `condition`.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> doubled, _ = sg.scan(
    ...     lambda x: (x * 2, sg.until(x > 30)), outputs_info=T.constant(1.0),
    ...     n_steps=1000,
    ... )
    >>> doubled.eval()
    array([ 2.,  4.,  8., 16., 32., 64.])
    """

    def __init__(self, condition: Any) -> None:
        self.condition = as_variable(condition)


class OrderedUpdates(dict[SharedVariable, Variable]):
    """Shared variable → its value after the loop, to be passed to `function`."""

    def __setitem__(self, key: SharedVariable, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise UpdateError(f"updates: {key!r} is not a shared variable")
        super().__setitem__(key, value)

    def update(self, *others: Any, **named: Any) -> None:
        """Take in other updates, given as a mapping or as pairs."""
        for key, value in dict(*others, **named).items():
            self[key] = value

    def __add__(self, other: Any) -> "OrderedUpdates":
        made = OrderedUpdates()
        made.update(self)
        made.update(other)
        return made

    def __radd__(self, other: Any) -> "OrderedUpdates":
        made = OrderedUpdates()
        made.update(other)
        made.update(self)
        return made


class Sequence_(Record):  # noqa: N801 - not collections.abc.Sequence
    """A sequence and the offsets at which the step reads it."""

    input: Variable
    taps: tuple[int, ...]


class State(Record):
    """An output that is fed back.

    Attributes
    ----------
    initial : the rows before the first step; one bare row if `bare`
    taps : in the order in which the step takes them
    number : whether the user gave a Python number, which adapts its dtype
    """

    initial: Variable
    taps: tuple[int, ...]
    bare: bool
    number: bool


class Step(Record):
    """What a step returned."""

    outputs: tuple[Variable, ...]
    updates: tuple[tuple[SharedVariable, Variable], ...]
    condition: Variable | None
    many: bool


def as_list(value: Any) -> list[Any]:
    """None as an empty list, a single value as a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def sequence_of(entry: Any) -> Sequence_:
    """An entry of `sequences`: a tensor, or a dict with `input` and `taps`."""
    taps: Any = (0,)
    if isinstance(entry, dict):
        unknown = set(entry) - {"input", "taps"}
        if unknown or "input" not in entry:
            raise ArgumentError(
                f"scan: a sequence is given by the keys {sorted(entry)}; it needs "
                "'input', and may have 'taps'"
            )
        taps = entry.get("taps", (0,))
        entry = entry["input"]
    made = as_variable(entry)
    if made.ndim == 0:
        raise ShapeError(
            f"scan: a sequence needs an axis to go along{listing(made)}\n"
            "Pass what is the same in all steps as non_sequences."
        )
    return Sequence_(made, _taps(taps, (0,), "sequence"))


def state_of(entry: Any) -> State | None:
    """An entry of `outputs_info`; None for an output that is not fed back."""
    given: Any = None
    if isinstance(entry, dict):
        unknown = set(entry) - {"initial", "taps", "inplace", "return_steps"}
        if unknown:
            raise ArgumentError(
                f"scan: an entry of outputs_info has the keys {sorted(entry)}; it may "
                "have 'initial' and 'taps'"
            )
        given = entry.get("taps")
        entry = entry.get("initial")
        if entry is None:
            if given:
                raise ArgumentError(
                    f"scan: an output with taps {given} needs 'initial', the rows "
                    "before the first step"
                )
            return None
    if entry is None:
        return None
    number = isinstance(entry, int | float) and not isinstance(entry, bool)
    initial = as_variable(entry)
    taps = _taps(given, (-1,), "output")
    if any(tap >= 0 for tap in taps):
        raise ArgumentError(
            f"scan: taps {list(taps)} of an output; only earlier steps can be read, "
            f"by negative taps{listing(initial)}"
        )
    bare = taps == (-1,)
    if not bare:
        known = -min(taps)
        if initial.ndim == 0 or (initial.type.shape[0] or known) < known:
            raise ShapeError(
                f"scan: taps {list(taps)} need an initial state of {known} rows"
                f"{listing(initial)}"
            )
    return State(initial, taps, bare, number)


def _taps(given: Any, default: tuple[int, ...], what: str) -> tuple[int, ...]:
    if given is None:
        return default
    taps = tuple(int(tap) for tap in as_list(given))
    if not taps or len(set(taps)) != len(taps):
        raise ArgumentError(f"scan: taps {given!r} of a {what}: give each tap once")
    return taps


def step_of(returned: Any) -> Step:
    """What a step returned, by role."""
    outputs: Any = None
    updates: Any = None
    condition: Variable | None = None
    parts = [returned]
    if isinstance(returned, list | tuple) and any(map(_has_role, returned)):
        parts = list(returned)
        if _are_updates(returned):
            parts = [returned]
    for part in parts:
        if isinstance(part, until):
            if condition is not None:
                raise ArgumentError("scan: the step returns two conditions")
            condition = part.condition
        elif _are_updates(part):
            if updates is not None:
                raise ArgumentError("scan: the step returns updates twice")
            updates = part
        elif outputs is None and (part is not None or len(parts) == 1):
            outputs = part
        elif part is not None and not _is_empty(part):
            raise ArgumentError(
                f"scan: the step returns {returned!r}; return outputs, or (outputs, "
                "updates), or (outputs, updates, until(condition))"
            )
    if condition is not None:
        condition = cast(condition, "bool")
        if condition.ndim:
            raise ShapeError(
                f"scan: a condition must be a scalar{listing(condition)}\n"
                "Reduce it with any() or all()."
            )
    found = tuple(as_variable(v) for v in as_list(outputs))
    return Step(
        found, tuple(_pairs(updates)), condition, isinstance(outputs, list | tuple)
    )


def _pairs(updates: Any) -> list[tuple[SharedVariable, Variable]]:
    items = updates.items() if isinstance(updates, Mapping) else updates or ()
    pairs = []
    for target, new in items:
        if not isinstance(target, SharedVariable):
            raise UpdateError(
                f"scan: an update of the step goes to {target!r}, which is not shared"
            )
        made = as_variable(new, None, (target.type.dtype,))
        pairs.append((target, cast(made, target.type.dtype)))
    return pairs


def _has_role(part: Any) -> bool:
    """Whether a part of what a step returned is more than one output."""
    return isinstance(part, until | Mapping | list | tuple) or part is None


def _is_empty(part: Any) -> bool:
    """Whether a part says that there is nothing of its kind."""
    return isinstance(part, list | tuple) and not part


def _are_updates(part: Any) -> bool:
    if isinstance(part, Mapping):
        return True
    return (
        isinstance(part, list | tuple)
        and bool(part)
        and all(_is_pair(entry) for entry in part)
    )


def _is_pair(entry: Any) -> bool:
    return (
        isinstance(entry, list | tuple)
        and len(entry) == 2
        and isinstance(entry[0], SharedVariable)
    )


def each_once(pairs: Sequence[tuple[SharedVariable, Variable]]) -> None:
    """UpdateError where a step updates a variable twice."""
    seen: set[SharedVariable] = set()
    for target, _ in pairs:
        if target in seen:
            raise UpdateError(
                f"scan: the step updates a variable twice{listing(target)}"
            )
        seen.add(target)
