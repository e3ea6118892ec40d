"""A program that fails, made smaller: fewer lines, plainer operands, shorter axes.

`smaller(program, fails)` takes the first change of `changes` after which it still fails,
again and again. Changes that remove most come first.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from fuzz.oracles import Skip, plainly
from fuzz.plain import raw
from fuzz.program import Block, Input, Piece, Program, Statement, drawn

Fails = Callable[[Program], bool]


def smaller(
    program: Program,
    fails: Fails,
    seconds: float = 20.0,
    clock: Callable[[], float] = time.process_time,
) -> Program:
    """The smallest program found that still fails, after so many seconds of work."""
    end = clock() + seconds
    found = program
    changed = True
    while changed:
        changed = False
        for candidate in changes(found):
            if clock() > end:
                return found
            if fails(candidate):
                found, changed = candidate, True
                break
    return found


def size(program: Program) -> int:
    """How long the text is."""
    return sum(map(len, program.lines()))


def changes(program: Program) -> Iterator[Program]:
    """Programs that are a little smaller."""
    for candidate in _all(program):
        yield candidate.pruned()


def _all(p: Program) -> Iterator[Program]:
    yield from _ends(p)
    values = _values(p)
    if values is None:
        return
    yield from _without_statements(p, values)
    yield from _other_operands(p, values)
    yield from _blocks(p)
    yield from _texts(p)
    yield from _shapes(p)
    yield from _numbers(p)


def _ends(p: Program) -> Iterator[Program]:
    """Fewer outputs, updates, costs and gradients."""
    if p.train:
        yield replace(p, train=False)
    if p.twice:
        yield replace(p, twice=False)
    if p.wrt:
        yield replace(p, wrt=(), costs=(), train=False)
    for k in range(len(p.outputs)):
        if len(p.outputs) > 1:
            yield replace(p, outputs=p.outputs[:k] + p.outputs[k + 1 :])
    for k in range(len(p.updates)):
        yield replace(p, updates=p.updates[:k] + p.updates[k + 1 :])
    for k in range(len(p.costs)):
        if len(p.costs) > 1:
            yield replace(p, costs=p.costs[:k] + p.costs[k + 1 :])
    for k in range(len(p.wrt)):
        if len(p.wrt) > 1:
            yield replace(p, wrt=p.wrt[:k] + p.wrt[k + 1 :])
    for k, cost in enumerate(p.costs):
        for text in ("{0}.sum()", "T.sqr({0}).sum()"):
            if text == cost.text:
                break
            new = Statement((), text, cost.args)
            yield replace(p, costs=(*p.costs[:k], new, *p.costs[k + 1 :]))


def _values(p: Program) -> Mapping[str, np.ndarray] | None:
    try:
        names = plainly(p, p.values)
    except Skip:
        return None
    found = dict(p.values)
    found.update({n: raw(names[n]) for s in p.statements for n in s.names})
    return found


def _without_statements(
    p: Program, values: Mapping[str, np.ndarray]
) -> Iterator[Program]:
    """A statement whose results become inputs."""
    for k, s in enumerate(p.statements):
        inputs, given = list(p.inputs), dict(p.values)
        names: dict[str, str] = {}
        for n in s.names:
            a = values[n]
            letter = "i" if a.dtype.kind in "iu" else "x"
            names[n] = letter + n.removeprefix("v") + "0"
            inputs.append(Input(names[n], a.dtype.name, a.shape, "normal"))
            given[names[n]] = a
        rest = p.statements[:k] + p.statements[k + 1 :]
        outputs = tuple(n for n in p.outputs if n not in s.names)
        updates = tuple(u for u in p.updates if u[1] not in s.names)
        if not outputs and not updates:
            continue
        yield replace(
            p, inputs=tuple(inputs), values=given, outputs=outputs, updates=updates,
            statements=tuple(t.renamed(names) for t in rest),
            costs=tuple(t.renamed(names) for t in p.costs),
        )  # fmt: skip


def _other_operands(p: Program, values: Mapping[str, np.ndarray]) -> Iterator[Program]:
    """Uses of a result that become uses of something earlier of the same type."""
    earlier = [e.name for e in p.inputs]
    for s in p.statements:
        for n in s.names:
            for other in earlier:
                a, b = values[n], values[other]
                if a.shape == b.shape and a.dtype == b.dtype:
                    yield _replaced(p, {n: other})
        earlier += s.names
    for e in p.inputs:  # shared variables that need not be
        if e.shared and e.name not in {w for w, _ in p.updates}:
            plain = replace(e, shared=False)
            yield replace(p, inputs=tuple(plain if x is e else x for x in p.inputs))


def _replaced(p: Program, names: Mapping[str, str]) -> Program:
    gone = set(names)
    outputs = tuple(n for n in p.outputs if n not in gone) or p.outputs
    return replace(
        p, outputs=outputs,
        statements=tuple(s.renamed(names) for s in p.statements),
        costs=tuple(s.renamed(names) for s in p.costs),
        updates=tuple((w, names.get(n, n)) for w, n in p.updates),
    )  # fmt: skip


def _blocks(p: Program) -> Iterator[Program]:
    """Changes inside of loops."""
    for k, s in enumerate(p.statements):
        for new in _of_loop(s):
            yield replace(
                p, statements=(*p.statements[:k], new, *p.statements[k + 1 :])
            )


def _of_loop(s: Statement) -> Iterator[Statement]:
    block = s.block
    if block is None:
        return
    for new, names in _smaller_blocks(block, s.names):
        yield replace(s, block=new, names=names)


def _smaller_blocks(
    b: Block, names: tuple[str, ...]
) -> Iterator[tuple[Block, tuple[str, ...]]]:
    if b.until is not None:
        yield replace(b, until=None), names
    if b.backwards:
        yield replace(b, backwards=False), names
    if b.steps is not None and b.sequences:
        yield replace(b, steps=None), names
    for k in range(len(b.results)):
        results = b.results[:k] + b.results[k + 1 :]
        if not results:
            continue
        left = names[:k] + names[k + 1 :]
        if k >= len(b.states):
            yield replace(b, results=results), left
            continue
        params = b.states[k].params
        states = b.states[:k] + b.states[k + 1 :]
        for other in b.params:
            if other not in params and (states or b.sequences or b.steps):
                bare = replace(b, states=states, results=results)
                yield _inner_renamed(bare, dict.fromkeys(params, other)), left
        yield replace(b, states=states, results=results), left
    for k in range(len(b.sequences)):
        sequences = b.sequences[:k] + b.sequences[k + 1 :]
        if sequences or b.steps:
            yield replace(b, sequences=sequences), names
    for k, state in enumerate(b.states):
        if state.text.startswith("dict") and len(state.params) == 1:
            for text in ("{0}[0]",):
                new = Piece(text, state.args, state.params)
                states = (*b.states[:k], new, *b.states[k + 1 :])
                yield replace(b, states=states), names
    for k, piece in enumerate(b.results):
        if piece.text != "{0}":
            plain = replace(piece, text="{0}")
            yield (
                replace(b, results=(*b.results[:k], plain, *b.results[k + 1 :])),
                names,
            )
    earlier = [*b.params]
    for j, s in enumerate(b.statements):
        for n in s.names:
            for other in (*earlier, *s.uses()):
                yield _inner_renamed(b, {n: other}), names
        for new in _of_loop(s):
            statements = (*b.statements[:j], new, *b.statements[j + 1 :])
            yield replace(b, statements=statements), names
        earlier += s.names


def _inner_renamed(b: Block, names: Mapping[str, str]) -> Block:
    return replace(
        b,
        statements=tuple(s.renamed(names) for s in b.statements),
        results=tuple(r.renamed(names) for r in b.results),
        until=b.until and b.until.renamed(names),
    )


#: texts tried in the place of a longer one
PLAIN = ("{0}", "{0} + {1}", "{0} * {1}", "{0}.sum()", "{0} * 2", "{0}[0]", "{0}[{1}]",
         "{0}[{1}:]", "{0}[:{1}]", "T.set_subtensor({0}[{1}], {2})",
         "T.set_subtensor({0}[{1}:], 0.)")  # fmt: skip


def _texts(p: Program) -> Iterator[Program]:
    """Statements with a shorter text."""
    for k, s in enumerate(p.statements):
        for new in _shorter(s):
            yield replace(
                p, statements=(*p.statements[:k], new, *p.statements[k + 1 :])
            )


def _shorter(s: Statement) -> Iterator[Statement]:
    if s.block is not None:
        for j, inner in enumerate(s.block.statements):
            for new in _shorter(inner):
                rest = s.block.statements
                block = replace(s.block, statements=(*rest[:j], new, *rest[j + 1 :]))
                yield replace(s, block=block)
        return
    for text in PLAIN:
        places = text.count("{")
        if len(text) < len(s.text) and places <= len(s.args):
            if text != "{0}":
                yield replace(s, text=text, args=s.args[:places])


def _shapes(p: Program) -> Iterator[Program]:
    """Shorter axes."""
    for d, n in p.extents.items():
        for fewer in (1, 2, n - 1):
            if 0 < fewer < n and any(d in e.dims for e in p.inputs):
                yield _cut(p, {**p.extents, d: fewer})
    for e in p.inputs:
        for axis, n in enumerate(e.dims):
            if isinstance(n, int) and n > 1:
                for fewer in (1, n - 1):
                    dims = (*e.dims[:axis], fewer, *e.dims[axis + 1 :])
                    new = replace(e, dims=dims, static=())
                    inputs = tuple(new if x is e else x for x in p.inputs)
                    yield _cut(replace(p, inputs=inputs), p.extents)
        if any(n is not None for n in e.static):
            inputs = tuple(replace(x, static=()) if x is e else x for x in p.inputs)
            yield replace(p, inputs=inputs)


def _cut(p: Program, extents: Mapping[str, int]) -> Program:
    values = {}
    for e in p.inputs:
        shape = [extents[d] if isinstance(d, str) else d for d in e.dims]
        a = p.values[e.name][tuple(slice(n) for n in shape)]
        if e.kind.startswith("below"):
            bound = e.kind.removeprefix("below ")
            limit = extents.get(bound) or (int(bound) if bound.isdigit() else 1)
            a = a % max(limit, 1)
        values[e.name] = a
    inputs = tuple(
        replace(
            e,
            static=tuple(
                None if n is None else k
                for n, k in zip(e.static, values[e.name].shape, strict=False)
            ),
        )
        for e in p.inputs
    )
    return replace(p, inputs=inputs, values=values, extents=dict(extents))


def _numbers(p: Program) -> Iterator[Program]:
    """Rounder values."""
    for e in p.inputs:
        a = p.values[e.name]
        if a.dtype.kind != "f" or not a.size:
            continue
        steps = np.arange(1, a.size + 1).reshape(a.shape)
        for new in (steps.astype(a.dtype), np.round(a, 0), np.round(a, 2)):
            if len(repr(new.tolist())) < len(repr(a.tolist())):
                yield replace(p, values={**p.values, e.name: new})


def renumbered(p: Program) -> Program:
    """With names that count from 1 in the order of the text."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}

    def fresh(name: str) -> None:
        letter = name[0]
        counts[letter] = counts.get(letter, 0) + 1
        names[name] = f"{letter}{counts[letter]}"

    for e in p.inputs:
        fresh(e.name)
    for s in p.all_statements():
        for n in (*(s.block.params if s.block else ()), *s.names):
            fresh(n)
    table = names.get

    def statement(s: Statement) -> Statement:
        block = s.block
        if block is not None:
            block = replace(
                block,
                sequences=tuple(piece(q) for q in block.sequences),
                states=tuple(piece(q) for q in block.states),
                statements=tuple(statement(t) for t in block.statements),
                results=tuple(piece(q) for q in block.results),
                until=block.until and piece(block.until),
                steps=block.steps and piece(block.steps),
            )
        return replace(
            s, block=block, names=tuple(names[n] for n in s.names),
            args=tuple(names[a] for a in s.args),
        )  # fmt: skip

    def piece(q: Piece) -> Piece:
        return Piece(
            q.text, tuple(names[a] for a in q.args), tuple(names[n] for n in q.params)
        )

    return replace(
        p,
        inputs=tuple(replace(e, name=names[e.name]) for e in p.inputs),
        statements=tuple(statement(s) for s in p.statements),
        outputs=tuple(names[n] for n in p.outputs),
        updates=tuple((names[w], names[n]) for w, n in p.updates),
        costs=tuple(replace(c, args=tuple(names[a] for a in c.args)) for c in p.costs),
        wrt=tuple(names[n] for n in p.wrt),
        values={names[n]: a for n, a in p.values.items() if table(n)},
    )


__all__ = ["changes", "drawn", "renumbered", "size", "smaller"]
