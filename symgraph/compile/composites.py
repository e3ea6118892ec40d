"""Functions whose inputs, outputs, updates or givens are composites, as sparse matrices
are.

`flattened` writes every composite out as its parts, so that nothing below knows of
composites; `Layout` takes the values of a call apart and puts results together again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.compile.inputs import In
from symgraph.core.composite import CompositeVariable
from symgraph.core.node import Constant, Variable
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable
from symgraph.core.traverse import ancestors
from symgraph.errors import ArgumentError, InputError, MissingInputError


class Layout(Record):
    """Where the parts of composites stand among the flat inputs and outputs.

    Attributes
    ----------
    inputs : for each input of the user's a composite and the numbers of the parts that are
        inputs, or None
    outputs : for each output a composite and the numbers of its parts among the flat ones
    form : "list", "single", "dict" or "none": what a call returns
    keys : of a dict result

    Examples
    --------
    >>> import scipy.sparse, symgraph as sg, symgraph.sparse as sparse
    >>> x = sparse.csr_matrix("x", "float64")
    >>> f = sg.function([x], [x + x, sparse.sp_sum(x)])
    >>> double, total = f(scipy.sparse.eye(2, format="csr"))
    >>> double.nnz, float(total)
    (2, 2.0)
    """

    inputs: list[tuple[CompositeVariable, list[int]] | None]
    outputs: list[tuple[CompositeVariable | None, list[int]]]
    form: str
    keys: list[str]

    def flatten(
        self, args: Sequence[Any], kwargs: dict[str, Any], what: str
    ) -> tuple[list[Any], dict[str, Any]]:
        """The values of a call for the flat inputs; `what` is the function, for errors."""
        if len(args) > len(self.inputs):
            raise InputError(
                f"{what} takes {len(self.inputs)} values, {len(args)} were given"
            )
        flat: list[Any] = []
        named: dict[str, Any] = {}
        for number, entry in enumerate(self.inputs):
            if entry is None:
                flat += args[number : number + 1]
                continue
            composite, numbers = entry
            if number < len(args):
                arrays = composite.flatten(args[number])
                flat += [arrays[i] for i in numbers]
            elif composite.name in kwargs:
                arrays = composite.flatten(kwargs[composite.name])
                named |= {str(composite.parts[i].name): arrays[i] for i in numbers}
            else:
                raise MissingInputError(f"{what}: no value for input {composite!r}")
        own = {entry[0].name for entry in self.inputs if entry is not None}
        return flat, {k: v for k, v in kwargs.items() if k not in own} | named

    def unflatten(self, results: Sequence[np.ndarray]) -> Any:
        """What a call returns, of the flat outputs."""
        found = [
            results[numbers[0]]
            if composite is None
            else composite.unflatten([results[i] for i in numbers])
            for composite, numbers in self.outputs
        ]
        match self.form:
            case "single":
                return found[0]
            case "dict":
                return dict(zip(self.keys, found, strict=True))
            case "none":
                return None
        return found


def has_bundles(inputs: Any, outputs: Any, updates: Any, givens: Any) -> bool:
    """Whether anything that was given to `function` is a composite."""
    listed = outputs.values() if isinstance(outputs, Mapping) else outputs
    if not isinstance(outputs, list | tuple | Mapping):
        listed = (outputs,)
    return any(isinstance(v, CompositeVariable) for v in (*inputs, *listed)) or any(
        isinstance(old, CompositeVariable)
        for old, _ in (*_pairs(updates), *_pairs(givens))
    )


def _pairs(items: Any) -> list[tuple[Any, Any]]:
    if isinstance(items, Mapping):
        return list(items.items())
    if isinstance(items, list | tuple):
        return [tuple(pair) for pair in items if len(pair) == 2]
    return []


def flattened(
    inputs: Iterable[Any], outputs: Any, updates: Any, givens: Any
) -> tuple[Layout, list[Any], list[Any], Any, Any]:
    """Layout, then inputs, outputs, updates and givens without composites.

    A part that nothing depends on is no input, unless no part of its composite is used.
    """
    updates, givens = _expanded(updates), _expanded(givens)
    form, keys, results = _listed(outputs)
    flat_outputs: list[Any] = []
    places = []
    for result in results:
        parts = (
            list(result.parts) if isinstance(result, CompositeVariable) else [result]
        )
        numbers = list(range(len(flat_outputs), len(flat_outputs) + len(parts)))
        places.append(
            (result if isinstance(result, CompositeVariable) else None, numbers)
        )
        flat_outputs += parts
    roots = [v for v in flat_outputs if isinstance(v, Variable)]
    for _, new in (*_pairs(updates), *_pairs(givens)):
        roots += [new] if isinstance(new, Variable) else []
    used = set(ancestors(roots))
    flat_inputs: list[Any] = []
    layout: list[tuple[CompositeVariable, list[int]] | None] = []
    for item in inputs:
        if not isinstance(item, CompositeVariable):
            flat_inputs.append(item)
            layout.append(None)
            continue
        fixed = [v for v in item.parts if isinstance(v, SharedVariable | Constant)]
        if fixed or any(v.owner is not None for v in item.parts):
            raise ArgumentError(f"function: {item!r} is an expression, not an input")
        numbers = [i for i, v in enumerate(item.parts) if v in used] or [0]
        flat_inputs += [In(item.parts[i]) for i in numbers]
        layout.append((item, numbers))
    return (
        Layout(layout, places, form, keys),
        flat_inputs,
        flat_outputs,
        updates,
        givens,
    )


def _expanded(items: Any) -> Any:
    found: list[tuple[Any, Any]] = []
    changed = False
    for old, new in _pairs(items):
        if isinstance(old, CompositeVariable):
            found += old.replaced_by(new)
            changed = True
        else:
            found.append((old, new))
    return found if changed else items


def _listed(outputs: Any) -> tuple[str, list[str], list[Any]]:
    if outputs is None:
        return "none", [], []
    if isinstance(outputs, Mapping):
        keys = sorted(outputs)
        return "dict", keys, [outputs[key] for key in keys]
    if isinstance(outputs, list | tuple):
        return "list", [], list(outputs)
    return "single", [], [outputs]
