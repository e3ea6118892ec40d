"""`scan_checkpoints`: a loop that stores one state in N for its gradient.

The loop is a loop over chunks of N steps. Going back over a chunk, its steps are done
again from the state at its start, so that the memory of n steps is n / N + N states
instead of n, for the price of one more forward loop. In: what `scan` takes, without taps.
"""

from collections.abc import Callable
from typing import Any

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC
from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.loops.arguments import (
    OrderedUpdates,
    Sequence_,
    State,
    as_list,
    sequence_of,
    state_of,
    step_of,
)
from symgraph.loops.build import looped, steps_of
from symgraph.ops.shape import (
    AnyExtent,
    add,
    extents,
    floor_divide,
    multiply,
    static,
    subtract,
    variable,
)


def scan_checkpoints(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    name: str | None = None,
    n_steps: Any = None,
    save_every_N: int = 10,
    padding: bool = True,
) -> tuple[Any, OrderedUpdates]:
    """out[k] = the state after step (k + 1) * save_every_N of `scan`; the last: after all.

    Parameters
    ----------
    fn, non_sequences, n_steps : as for `scan`; every output is taken back
    sequences : tensors, without taps
    outputs_info : the value of each output before the first step, without taps
    save_every_N : steps between the states that are stored for the gradient
    padding : False promises that the number of steps is a multiple of `save_every_N`
    name : accepted for compatibility

    Returns
    -------
    (outputs, updates) : as of `scan`, with a row for every `save_every_N` steps

    References
    ----------
    Chen, Xu, Zhang and Guestrin 2016, Training deep nets with sublinear memory cost.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sums, _ = sg.scan_checkpoints(
    ...     lambda row, total: total + row, x, T.constant(0.0), save_every_N=3
    ... )
    >>> sums.eval({x: [1.0, 2.0, 3.0, 4.0, 5.0]})
    array([ 6., 15.])
    """
    if int(save_every_N) != save_every_N or save_every_N < 1:
        raise ArgumentError(f"scan_checkpoints: save_every_N={save_every_N!r} steps")
    given = [sequence_of(entry) for entry in as_list(sequences)]
    infos = [state_of(entry) for entry in as_list(outputs_info)]
    others = [as_variable(v) for v in as_list(non_sequences)]
    for s in given:
        if s.taps != (0,):
            raise NotSupportedError(
                f"scan_checkpoints: a sequence with taps{listing(s.input)}\n"
                "Shift it before, or use scan."
            )
    states = [info for info in infos if info is not None and info.bare]
    if not states or len(states) != len(infos):
        raise NotSupportedError(
            "scan_checkpoints: every output needs a value before the first step, "
            "without taps; use scan for others"
        )
    n = steps_of(n_steps, given)
    length = int(save_every_N)
    known = static(n)
    ragged = padding and (known is None or known % length != 0)
    chunks = floor_divide(add(n, length - 1) if ragged else n, length)
    rows = [_chunked(s.input, n, chunks, length, ragged) for s in given]
    if ragged:
        rows.append(_chunked(PUBLIC["arange"](variable(n)), n, chunks, length, True, n))
    return _nested(fn, n, chunks, length, rows, states, others, ragged)


def _nested(
    fn: Callable[..., Any],
    n: AnyExtent,
    chunks: AnyExtent,
    length: int,
    rows: list[Variable],
    states: list[State],
    others: list[Variable],
    ragged: bool,
) -> tuple[Any, OrderedUpdates]:
    """A loop over chunks, each a loop over its steps."""
    count = len(rows)
    many = False

    def step(*given: Variable) -> Any:
        nonlocal many
        if not ragged:
            return fn(*given)
        at, before = given[count - 1], given[count : count + len(states)]
        body = step_of(fn(*given[: count - 1], *given[count:]))
        many = body.many
        if body.condition is not None:
            raise NotSupportedError("scan_checkpoints: a step that ends the loop")
        inside = PUBLIC["lt"](at, variable(n))
        news = [
            PUBLIC["switch"](inside, new, old)
            for new, old in zip(body.outputs, before, strict=False)
        ]
        return [*news, *body.outputs[len(states) :]], dict(body.updates)

    def chunk(*given: Variable) -> Any:
        parts, rest = given[:count], given[count:]
        infos = [State(v, (-1,), True, False) for v in rest[: len(states)]]
        outs, updates = looped(
            step, length, [Sequence_(x, (0,)) for x in parts], list(infos),
            list(rest[len(states) :]), return_list=True, recomputed=True,
        )  # fmt: skip
        return [v[-1] for v in outs], updates

    outer = [Sequence_(x, (0,)) for x in rows]
    outputs, updates = looped(
        chunk, chunks, outer, list(states), others, return_list=True
    )
    return (outputs if many or len(outputs) > 1 else outputs[0]), updates


def _chunked(
    x: Variable,
    n: AnyExtent,
    chunks: AnyExtent,
    length: int,
    ragged: bool,
    fill: AnyExtent = 0,
) -> Variable:
    """The first n rows of x, `length` to a row; `fill` after the last."""
    shape = extents(x)[1:]
    x = x[:n]
    if ragged:
        missing = subtract(multiply(chunks, length), n)
        value = PUBLIC["cast"](variable(fill), x.type.dtype)
        rest = PUBLIC["alloc"](value, missing, *shape)
        x = PUBLIC["concatenate"]([x, rest], axis=0)
    found: Variable = PUBLIC["reshape"](x, (chunks, length, *shape))
    return found
