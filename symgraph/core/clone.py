"""`clone`: copies of expressions, with variables replaced by others.

In: expressions and replacements. Out: new expressions; the old ones stay as they are.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from symgraph.core.composite import CompositeVariable, without_bundles
from symgraph.core.node import Constant, Variable, as_variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import leaves
from symgraph.core.traverse import replace as replaced
from symgraph.errors import ArgumentError, DtypeError, ShapeError


def clone(
    output: Any,
    replace: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
    strict: bool = True,
    share_inputs: bool = True,
    copy_inputs: bool | None = None,
) -> Any:
    """The expression with variables replaced, as a new expression.

    Parameters
    ----------
    output : variable or sparse matrix, or list or tuple of them
    replace : variable → what takes its place, of the same rank
    strict : refuse another dtype; otherwise it is cast
    share_inputs : False makes new leaves too (clones of shared variables have the
        values of the originals)
    copy_inputs : the old name of `share_inputs`, as in Theano

    Returns
    -------
    as `output`; parts that nothing is replaced in stay the same variables

    Raises
    ------
    ShapeError, DtypeError : a replacement of another rank or dtype

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> sg.printing.pprint(sg.clone(x * 2, {x: y + 1}))
    '(y + 1) * 2'
    """
    if copy_inputs is not None:
        share_inputs = copy_inputs
    many = isinstance(output, list | tuple)
    asked = list(output) if many else [output]
    outputs = without_bundles(asked)
    for entry in outputs:
        if not isinstance(entry, Variable):
            raise ArgumentError(f"clone: {entry!r} is not a variable")
    pairs = replace.items() if isinstance(replace, Mapping) else replace or ()
    table: dict[Variable, Variable] = {}
    for old, new in _of_variables(pairs):
        if not isinstance(old, Variable):
            raise ArgumentError(f"clone: {old!r} is not a variable")
        table[old] = _fitting(old, as_variable(new, None, (old.type.dtype,)), strict)
    if not share_inputs:
        for leaf in leaves(outputs):
            if leaf not in table and not isinstance(leaf, Constant):
                table[leaf] = leaf.clone()
    made = iter(replaced(outputs, table))
    results = [
        entry.with_parts([next(made) for _ in entry.parts])
        if isinstance(entry, CompositeVariable)
        else next(made)
        for entry in asked
    ]
    return type(output)(results) if many else results[0]


def _of_variables(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for old, new in pairs:
        found += (
            old.replaced_by(new) if isinstance(old, CompositeVariable) else [(old, new)]
        )
    return found


def _fitting(old: Variable, new: Variable, strict: bool) -> Variable:
    if new.ndim != old.ndim:
        raise ShapeError(
            f"clone: a replacement has rank {new.ndim}, the variable {old.ndim}"
            f"{listing(old, new)}"
        )
    if new.type.dtype == old.type.dtype:
        return new
    if strict and not isinstance(new, Constant):
        raise DtypeError(
            f"clone: a replacement has dtype {new.type.dtype}, the variable "
            f"{old.type.dtype}{listing(old, new)}\nCast it, or pass strict=False."
        )
    found: Variable = PUBLIC["cast"](new, old.type.dtype)
    return found
