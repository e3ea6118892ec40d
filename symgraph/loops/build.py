"""`scan`: a loop over the rows of sequences, as an expression.

In: the step as a Python function, called once with symbolic rows. Out: the rows that
all steps make, and updates of shared variables that the step changes. The arguments
come in Theano's forms (arguments.py); what the step takes from outside is found by
capture.py; the op is in scan.py.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from symgraph.core.dtypes import upcast
from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable
from symgraph.core.traverse import replace
from symgraph.errors import ArgumentError, ShapeError
from symgraph.loops.arguments import (
    OrderedUpdates,
    Sequence_,
    State,
    Step,
    as_list,
    each_once,
    sequence_of,
    state_of,
    step_of,
)
from symgraph.loops.capture import enclose, free_leaves, refuse_free
from symgraph.loops.fitting import row_type
from symgraph.loops.rows import with_loops
from symgraph.loops.scan import Scan
from symgraph.ops.families import cast
from symgraph.ops.shape import (
    AnyExtent,
    as_extent,
    extent_key,
    extents,
    static,
    subtract,
    variable,
)


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: Any = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
) -> tuple[Any, OrderedUpdates]:
    """out[t] = fn(x[t], ..., out[t-1], ..., w, ...) for t = 0, 1, ..., n_steps - 1.

    `fn` is called once, with symbolic rows: those of the sequences (one for each tap),
    then earlier rows of the outputs (one for each tap), then the non-sequences. The
    loop is compiled; its gradient is another loop.

    Parameters
    ----------
    fn : the step. It returns outputs (one or a list), or updates of shared variables
        as a dict or list of pairs, or `until(condition)`, or a tuple of these in this
        order. It may use any other variable; shared ones that it updates, and random
        streams, advance from step to step.
    sequences : tensors whose rows the steps go through; in place of a tensor
        ``dict(input=x, taps=[-1, 0])`` gives the rows x[t-1] and x[t], where t starts
        at the first row for which all taps exist
    outputs_info : for each output its value before the first step, or None if `fn` does
        not take it back; ``dict(initial=h, taps=[-2, -1])`` gives the last two rows,
        and needs as many initial ones. None where no output is taken back.
    non_sequences : what is handed to `fn` as it is
    n_steps : int or 0-d integer; by default as many as the shortest sequence allows
    truncate_gradient : how many steps the gradient goes back; -1 for all
    go_backwards : go through the sequences from the last row to the first
    strict : refuse a step that uses variables which are not among its arguments
    return_list : give a list of outputs even if there is one
    mode, name, profile, allow_gc : accepted for compatibility

    Returns
    -------
    (outputs, updates) : an array of one row per step for each output (bare if there is
        one); after `until`, only the steps that were done have rows. `updates` has the
        final values of the shared variables, to be passed to `function`.

    Raises
    ------
    DtypeError, ShapeError : a step that changes dtype, rank or shape of a state
    ArgumentError, MissingInputError, UpdateError

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sums, updates = sg.scan(
    ...     lambda row, total: total + row, sequences=x,
    ...     outputs_info=T.constant(0.0),
    ... )
    >>> sums.eval({x: [1.0, 2.0, 3.0]})
    array([1., 3., 6.])
    """
    if not callable(fn):
        raise ArgumentError(f"scan: fn is {fn!r}, not a function")
    given = [sequence_of(entry) for entry in as_list(sequences)]
    infos = [state_of(entry) for entry in as_list(outputs_info)]
    others = [as_variable(v) for v in as_list(non_sequences)]
    if truncate_gradient != -1 and truncate_gradient < 1:
        raise ArgumentError(
            f"scan: truncate_gradient={truncate_gradient}; give a number of steps, or "
            "-1 for all"
        )
    n = steps_of(n_steps, given)
    truncate = None if truncate_gradient == -1 else truncate_gradient
    return looped(
        fn, n, given, infos, others, go_backwards, strict, return_list, truncate
    )


def looped(
    fn: Callable[..., Any],
    n: AnyExtent,
    given: list[Sequence_],
    infos: list[State | None],
    others: list[Variable],
    go_backwards: bool = False,
    strict: bool = False,
    return_list: bool = False,
    truncate: int | None = None,
    recomputed: bool = False,
) -> tuple[Any, OrderedUpdates]:
    """`scan` of arguments that are in one form; the last two go to the op."""
    rows = [
        _shifted(s, tap, go_backwards) for s in given for tap in s.taps
    ]  # one sequence for each tap
    names = [(s.input, tap) for s in given for tap in s.taps]
    inside = [_argument(x, source, tap) for x, (source, tap) in zip(rows, names)]
    body, states = _called(fn, inside, infos, others)
    loop = _Loop(inside, states, others, strict)
    outputs, updates = loop.made(n, rows, infos, body, truncate, recomputed)
    if body.many or return_list:
        if len(outputs) == 1 and not return_list:
            return outputs[0], updates
        return outputs, updates
    return (outputs[0] if outputs else None), updates


class _State(Record):
    """A state inside: its initial rows, its taps in ascending order, their variables."""

    initial: Variable
    places: tuple[int, ...]
    taps: tuple[Variable, ...]
    keep: int | None


class _Loop(Record):
    """What stays the same while the op is put together."""

    rows: list[Variable]
    states: list[_State]
    others: list[Variable]
    strict: bool

    def made(
        self,
        n: AnyExtent,
        sequences: list[Variable],
        infos: Sequence[State | None],
        body: Step,
        truncate: int | None,
        recomputed: bool,
    ) -> tuple[list[Variable], OrderedUpdates]:
        """The outputs of the loop, and the final values of shared variables."""
        fed = [info is not None for info in infos] or [False] * len(body.outputs)
        news = [v for v, back in zip(body.outputs, fed, strict=True) if back]
        collected = [v for v, back in zip(body.outputs, fed, strict=True) if not back]
        ends = [] if body.condition is None else [body.condition]
        arguments = [*self.rows, *(v for s in self.states for v in s.taps)]
        known = [*arguments, *self.others]
        pairs = _changed([*news, *collected, *ends], body.updates, known)
        targets = [target for target, _ in pairs]
        if self.strict:
            roots = [*news, *collected, *ends, *(new for _, new in pairs)]
            refuse_free(roots, [*known, *targets])
        held = [Variable(v.type, None, 0, v.name, v.place) for v in targets]
        states = [
            *self.states,
            *(
                _State(_padded(target), (-1,), (v,), 1)
                for target, v in zip(targets, held, strict=True)
            ),
        ]
        roots = [*news, *(new for _, new in pairs), *collected, *ends]
        roots = replace(roots, dict(zip(targets, held, strict=True)))
        roots = with_loops(roots)
        inner, captured = enclose([*arguments, *held], roots)
        op = Scan(
            inner,
            len(sequences),
            tuple(s.places for s in states),
            tuple(s.keep for s in states),
            until=body.condition is not None,
            truncate=truncate,
            recomputed=recomputed,
        )
        operands = [variable(n), *sequences, *(s.initial for s in states), *captured]
        op = op.refined(operands)
        op.infer_shape(operands, [extents(v) for v in operands])
        found = op.results(op.make(*operands))
        count = found.last
        outs = iter(
            [
                _after(v, length, count)
                for v, length in zip(found.states, op.lengths, strict=True)
            ][: len(news)]
        )
        rows = iter(v if count is None else v[:count] for v in found.collected)
        outputs = [next(outs) if back else next(rows) for back in fed]
        updates = OrderedUpdates()
        for target, rest in zip(targets, found.states[len(news) :], strict=True):
            updates[target] = rest[0]
        return outputs, updates


def _after(state: Variable, length: int, count: Variable | None) -> Variable:
    """The rows of a state that steps made."""
    if count is None:
        return state[length:]
    return state[length : count + length]


# --- steps and sequences -----------------------------------------------------------


def steps_of(n_steps: Any, sequences: list[Sequence_]) -> AnyExtent:
    """The number of steps: as given, or what the shortest sequence allows."""
    allowed: list[tuple[AnyExtent, Variable]] = []
    for s in sequences:
        spare = max(*s.taps, 0) - min(*s.taps, 0)
        allowed.append((subtract(extents(s.input)[0], spare), s.input))
    if n_steps is not None:
        n = as_extent(n_steps, "scan: n_steps")
        for length, x in allowed:
            known, wanted = static(length), static(n)
            if known is not None and wanted is not None and known < wanted:
                raise ShapeError(
                    f"scan: n_steps={wanted}, but a sequence allows {known} steps"
                    f"{listing(x)}"
                )
        return n
    if not allowed:
        raise ArgumentError(
            "scan: without sequences, the number of steps is not known\nPass n_steps."
        )
    lengths = {extent_key(length): length for length, _ in allowed}
    numbers = [e for e in map(static, lengths.values()) if e is not None]
    for (length, x), s in zip(allowed, sequences, strict=True):
        if (static(length) or 0) < 0:
            raise ShapeError(
                f"scan: a sequence has too few rows for the taps {list(s.taps)}"
                f"{listing(x)}"
            )
    least: AnyExtent | None = min(numbers) if numbers else None
    for length in lengths.values():
        if static(length) is None:
            least = (
                length if least is None else PUBLIC["minimum"](variable(least), length)
            )
    assert least is not None
    return least


def _shifted(s: Sequence_, tap: int, backwards: bool) -> Variable:
    """The rows that the steps read through one tap of a sequence."""
    first, last = min(*s.taps, 0), max(*s.taps, 0)
    x = s.input
    if tap != first or tap != last:
        x = x[tap - first : None if tap == last else tap - last]
    return x[::-1] if backwards else x


def _argument(x: Variable, source: Variable, tap: int) -> Variable:
    name = None if source.name is None else f"{source.name}[{_at(tap)}]"
    return Variable(row_type(x.type), None, 0, name, source.place)


def _at(tap: int) -> str:
    return "t" if tap == 0 else f"t{tap:+d}"


def _padded(x: Variable) -> Variable:
    found: Variable = PUBLIC["dimshuffle"](x, "x", *range(x.ndim))
    return found


# --- the step ----------------------------------------------------------------------


def _called(
    fn: Callable[..., Any],
    rows: list[Variable],
    infos: list[State | None],
    others: list[Variable],
) -> tuple[Step, list[_State]]:
    """What the step returns, and the states it was called with.

    An initial state that is a Python number takes the dtype that the step gives; for
    that the step is called again.
    """
    while True:
        states = [_state(i, info) for i, info in enumerate(infos) if info is not None]
        ordered = []
        fed = [info for info in infos if info is not None]
        for state, info in zip(states, fed, strict=True):
            by_place = dict(zip(state.places, state.taps, strict=True))
            ordered += [by_place[tap] for tap in info.taps]
        arguments = [*rows, *ordered, *others]
        _check_call(fn, rows, ordered, others)
        body = step_of(fn(*arguments))
        if infos and len(body.outputs) != len(infos):
            raise ArgumentError(
                f"scan: outputs_info has {len(infos)} entries, the step returns "
                f"{len(body.outputs)} outputs{listing(*body.outputs)}\n"
                "Give an entry for each output; None where it is not taken back."
            )
        changed = False
        for position, entry in enumerate(infos):
            if entry is None or not entry.number:
                continue
            have = entry.initial.type.dtype
            wanted = upcast(have, body.outputs[position].type.dtype)
            if wanted != have:
                infos[position] = entry.replace(initial=cast(entry.initial, wanted))
                changed = True
        if not changed:
            return body, states


def _state(position: int, info: State) -> _State:
    places = tuple(sorted(info.taps))
    length = -places[0]
    initial = info.initial
    if info.bare:
        rows = _padded(initial)
    else:
        rows = initial if initial.type.shape[0] == length else initial[:length]
    name = initial.name or f"output {position}"
    taps = tuple(
        Variable(row_type(rows.type), None, 0, f"{name}[{_at(p)}]", initial.place)
        for p in places
    )
    return _State(rows, places, taps, None)


def _check_call(
    fn: Callable[..., Any],
    rows: list[Variable],
    taps: list[Variable],
    others: list[Variable],
) -> None:
    """ArgumentError where the step cannot take what the loop hands to it."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*rows, *taps, *others)
    except TypeError as error:
        raise ArgumentError(
            f"scan: the step is called with {len(rows)} rows of sequences, {len(taps)} "
            f"earlier outputs and {len(others)} non-sequences, in this order, but "
            f"takes {signature}: {error}"
        ) from None


def _changed(
    roots: list[Variable],
    explicit: Sequence[tuple[SharedVariable, Variable]],
    known: list[Variable],
) -> list[tuple[SharedVariable, Variable]]:
    """Shared variables that change from step to step: by updates, or by themselves."""
    each_once(explicit)
    pairs = list(explicit)
    targets = {target for target, _ in pairs}
    while True:
        reached = [*roots, *(new for _, new in pairs)]
        more = [
            v
            for v in free_leaves(reached, [v for v in known if v not in targets])
            if isinstance(v, SharedVariable)
            and v not in targets
            and v.default_update is not None
        ]
        if not more:
            return pairs
        for v in more:
            assert v.default_update is not None
            targets.add(v)
            pairs.append((v, cast(v.default_update, v.type.dtype)))
