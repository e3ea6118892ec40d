"""What the user says to `function`, checked and turned into one graph.

Givens are carried out, default updates of shared variables are added, and everything
that can be wrong is refused here, with the names and places of the user's variables.
Out: `Request`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symgraph.compile.composites import Layout, flattened, has_bundles
from symgraph.compile.inputs import In, input_of
from symgraph.config import config
from symgraph.core.composite import CompositeVariable
from symgraph.core.dtypes import can_cast_safely
from symgraph.core.node import Constant, Variable, as_variable, described, listing
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable, shared
from symgraph.core.traverse import ancestors, leaves, replace
from symgraph.errors import (
    ArgumentError,
    GivensError,
    MissingInputError,
    SymgraphWarning,
    UnusedInputError,
    UpdateError,
)
from symgraph.ops.families import cast


class Request(Record):
    """A checked call of `function`.

    Attributes
    ----------
    inputs : all, in order; those with a default value last are optional
    outputs : expressions
    form : "list", "single", "dict" or "none": what a call returns
    keys : of a dict result
    updates : (shared variable, new value)
    shared : all shared variables that are read or updated, in order of first use
    layout : where composites stand among inputs and outputs, None if there are none
    """

    inputs: list[In]
    outputs: list[Variable]
    form: str
    keys: list[str]
    updates: list[tuple[SharedVariable, Variable]]
    shared: list[SharedVariable]
    layout: Layout | None = None


def request(
    inputs: Iterable[Any],
    outputs: Any,
    updates: Any,
    givens: Any,
    no_default_updates: Any,
    on_unused_input: str | None,
) -> Request:
    """Check and normalise the arguments of `function`."""
    if isinstance(inputs, Variable | CompositeVariable):
        raise ArgumentError("function: inputs must be a list of variables")
    _refuse_one_pair(updates, "updates")
    _refuse_one_pair(givens, "givens")
    inputs, layout = list(inputs), None
    if has_bundles(inputs, outputs, updates, givens):
        layout, inputs, outputs, updates, givens = flattened(
            inputs, outputs, updates, givens
        )
    entries = [input_of(item) for item in inputs]
    seen: set[Variable] = set()
    for entry in entries:
        if entry.variable in seen:
            raise ArgumentError(
                f"function: an input is given twice{listing(entry.variable)}"
            )
        seen.add(entry.variable)
    form, keys, results = _outputs(outputs)
    pairs = _updates(updates)
    defaults: list[In] = []
    for entry in entries:
        if entry.update is not None:
            holder = shared(entry.value, name=entry.name)
            pairs.append((holder, as_variable(entry.update)))
            givens = {**dict(_pairs(givens, "givens")), entry.variable: holder}
            defaults.append(entry)
    entries = [e for e in entries if e not in defaults]
    results, news = _with_givens(results, [new for _, new in pairs], givens)
    pairs = [
        (target, _fitting(target, new))
        for (target, _), new in zip(pairs, news, strict=True)
    ]
    pairs = _default_updates(results, pairs, no_default_updates)
    roots = [*results, *(new for _, new in pairs)]
    used = _check_leaves(roots, entries, on_unused_input)
    order = [v for v in used if isinstance(v, SharedVariable)]
    order += [target for target, _ in pairs if target not in set(order)]
    order, results, pairs = _without_clones(order, results, pairs)
    return Request(entries, results, form, keys, pairs, order, layout)


def _outputs(outputs: Any) -> tuple[str, list[str], list[Variable]]:
    if outputs is None:
        return "none", [], []
    if isinstance(outputs, dict):
        for key in outputs:
            if not isinstance(key, str):
                raise ArgumentError(f"function: output name {key!r} is not a string")
        keys = sorted(outputs)
        return "dict", keys, [as_variable(outputs[k]) for k in keys]
    if isinstance(outputs, list | tuple):
        return "list", [], [as_variable(v) for v in outputs]
    return "single", [], [as_variable(outputs)]


def _refuse_one_pair(items: Any, what: str) -> None:
    """Tell (variable, expression) from a list of such pairs."""
    one_pair = isinstance(items, list | tuple) and any(
        isinstance(item, Variable) for item in items
    )
    if one_pair or isinstance(items, Variable):
        given = items if isinstance(items, list | tuple) else [items]
        shown = listing(*(v for v in given if isinstance(v, Variable)))
        raise ArgumentError(
            f"function: {what} must be a dict or a list of (variable, expression) pairs, "
            f"not variables{shown}\nWrite {what}=[(variable, expression)], with both "
            "kinds of brackets."
        )


def _pairs(items: Any, what: str) -> list[tuple[Any, Any]]:
    if items is None:
        return []
    if isinstance(items, Mapping):
        return list(items.items())
    try:
        return [(a, b) for a, b in items]
    except (TypeError, ValueError):
        raise ArgumentError(
            f"function: {what} must be a dict or a list of (variable, expression) pairs"
        ) from None


def _updates(updates: Any) -> list[tuple[SharedVariable, Variable]]:
    result: list[tuple[SharedVariable, Variable]] = []
    seen: dict[Any, SharedVariable] = {}
    for target, new in _pairs(updates, "updates"):
        if not isinstance(target, SharedVariable):
            text = listing(target) if isinstance(target, Variable) else f" {target!r}"
            raise UpdateError(
                f"function: an update goes to a variable that is not shared{text}\n"
                "Make it with shared(value)."
            )
        if target.container in seen:
            raise UpdateError(
                "function: two updates of one variable (a clone shares its storage)"
                f"{listing(seen[target.container], target)}"
            )
        seen[target.container] = target
        partners = (target.type.dtype,)
        result.append((target, as_variable(new, None, partners)))
    return result


def _without_clones(
    order: list[SharedVariable],
    results: list[Variable],
    pairs: list[tuple[SharedVariable, Variable]],
) -> tuple[list[SharedVariable], list[Variable], list[tuple[SharedVariable, Variable]]]:
    """The same with one variable for each storage.

    A variable and its clones share their storage. What follows takes different variables
    for different memory, which an update of one may overwrite.
    """
    first: dict[Any, SharedVariable] = {}
    for variable in order:
        first.setdefault(variable.container, variable)
    if len(first) == len(order):
        return order, results, pairs
    table = {v: first[v.container] for v in order if first[v.container] is not v}
    roots = replace(
        [*results, *(new for _, new in pairs)], dict[Variable, Variable](table.items())
    )
    count = len(results)
    targets = [table.get(target, target) for target, _ in pairs]
    return (
        list(first.values()),
        roots[:count],
        list(zip(targets, roots[count:], strict=True)),
    )


def _fitting(target: SharedVariable, new: Variable) -> Variable:
    """The new value, cast if nothing is lost; UpdateError otherwise."""
    if new.ndim != target.ndim:
        raise UpdateError(
            f"function: an update has rank {new.ndim}, its variable {target.ndim}"
            f"{listing(target, new)}"
        )
    if new.type.dtype == target.type.dtype:
        return new
    if (
        isinstance(new, Constant)
        and (new.data.astype(target.type.dtype) == new.data).all()
    ):
        return cast(new, target.type.dtype)
    if can_cast_safely(new.type.dtype, target.type.dtype):
        return cast(new, target.type.dtype)
    raise UpdateError(
        f"function: an update has dtype {new.type.dtype}, its variable "
        f"{target.type.dtype}{listing(target, new)}\n"
        f"Cast the expression to {target.type.dtype}; with floatX=float32, constants "
        "and NumPy float64 values are the usual cause."
    )


def _with_givens(
    results: Sequence[Variable], news: Sequence[Variable], givens: Any
) -> tuple[list[Variable], list[Variable]]:
    pairs = _pairs(givens, "givens")
    if not pairs:
        return list(results), list(news)
    table: dict[Variable, Variable] = {}
    for old, new in pairs:
        if not isinstance(old, Variable):
            raise GivensError(f"givens: {old!r} is not a symbolic variable")
        made = as_variable(new, None, (old.type.dtype,))
        if made.type.dtype != old.type.dtype:
            if isinstance(made, Constant) or made.type.dtype == "bool":
                made = cast(made, old.type.dtype)
            else:
                raise GivensError(
                    f"givens: a replacement has dtype {made.type.dtype}, the variable "
                    f"{old.type.dtype}{listing(old, made)}\nCast the replacement."
                )
        if made.ndim != old.ndim:
            raise GivensError(
                f"givens: a replacement has rank {made.ndim}, the variable {old.ndim}"
                f"{listing(old, made)}"
            )
        table[old] = made
    _refuse_cycles(table)
    # replacements may contain other replaced variables: settle them first
    settled: dict[Variable, Variable] = {}
    pending = dict(table)
    while pending:
        ready = [
            old
            for old, new in pending.items()
            if not any(v in pending for v in ancestors([new]) if v is not old)
        ]
        for old in ready:
            settled[old] = replace([pending.pop(old)], settled)[0]
    roots = replace([*results, *news], settled)
    return roots[: len(results)], roots[len(results) :]


def _refuse_cycles(table: dict[Variable, Variable]) -> None:
    depends = {
        old: [v for v in ancestors([new]) if v in table] for old, new in table.items()
    }
    done: set[Variable] = set()

    def visit(variable: Variable, path: tuple[Variable, ...]) -> None:
        if variable in path:
            names = " -> ".join(v.name or repr(v) for v in (*path, variable))
            raise GivensError(
                f"givens: replacements form a cycle, {names}{listing(variable)}"
            )
        if variable in done:
            return
        for other in depends[variable]:
            visit(other, (*path, variable))
        done.add(variable)

    for old in table:
        visit(old, ())


def _default_updates(
    results: Sequence[Variable],
    pairs: list[tuple[SharedVariable, Variable]],
    disabled: Any,
) -> list[tuple[SharedVariable, Variable]]:
    """Add the default updates of all shared variables that take part."""
    if disabled is True:
        return pairs
    excluded = set(disabled) if isinstance(disabled, list | tuple | set) else set()
    targets = {target.container for target, _ in pairs}
    targets |= {v.container for v in excluded if isinstance(v, SharedVariable)}
    pairs = list(pairs)
    changed = True
    while changed:
        changed = False
        for leaf in leaves([*results, *(new for _, new in pairs)]):
            update = getattr(leaf, "default_update", None)
            if (
                update is None
                or not isinstance(leaf, SharedVariable)
                or leaf.container in targets
            ):
                continue
            targets.add(leaf.container)
            pairs.append((leaf, _fitting(leaf, as_variable(update))))
            changed = True
    return pairs


def _check_leaves(
    roots: Sequence[Variable], entries: Sequence[In], on_unused_input: str | None
) -> list[Variable]:
    given = {entry.variable for entry in entries}
    found = ancestors(roots, blockers=given)
    missing = [
        v
        for v in found
        if v.owner is None
        and v not in given
        and not isinstance(v, Constant | SharedVariable)
    ]
    if missing:
        raise MissingInputError(
            f"function: the outputs depend on a variable that is no input"
            f"{listing(*missing[:4])}\nAdd it to inputs, give it a value with givens, "
            "or make it shared."
        )
    policy = config.on_unused_input if on_unused_input is None else on_unused_input
    if policy not in ("raise", "warn", "ignore"):
        raise ArgumentError(
            f'on_unused_input={policy!r}: use "raise", "warn" or "ignore"'
        )
    used = set(found)
    for entry in entries:
        if entry.variable not in used and policy != "ignore":
            message = (
                f"function: an input is not used: {described(entry.variable)}\n"
                'Remove it, or pass on_unused_input="ignore".'
            )
            if policy == "raise":
                raise UnusedInputError(message)
            warnings.warn(message, SymgraphWarning, stacklevel=4)
    return [v for v in found if v.owner is None]
