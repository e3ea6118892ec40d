"""`function`: from expressions to a callable."""

from collections.abc import Iterable, Mapping
from typing import Any

from symgraph.compile.arguments import request
from symgraph.compile.callable import CompiledFunction
from symgraph.compile.modes import mode_of
from symgraph.compile.options import present_options
from symgraph.config import NAMES, config
from symgraph.core.composite import CompositeVariable
from symgraph.core.node import Constant, Variable
from symgraph.core.public import public
from symgraph.core.shared import SharedVariable
from symgraph.core.traverse import leaves
from symgraph.errors import MissingInputError


def function(
    inputs: Iterable[Any],
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    device: str | None = None,
) -> CompiledFunction:
    """Compile expressions to a callable.

    Parameters
    ----------
    inputs : list of variables, `In`, or (variable, default value)
    outputs : expression, list, dict with string keys, or None
    mode : "FAST_RUN", "FAST_COMPILE", "DEBUG", or None for ``config.mode``
    updates : dict or list of (shared variable, new value), all from the old values
    givens : dict or list of (variable, replacement)
    no_default_updates : True, or a list of shared variables whose default updates
        are left out
    name : for messages and profiles
    allow_input_downcast : convert arguments even if that loses precision
    on_unused_input : "raise", "warn" or "ignore"; None for the setting in `config`
    device : where it runs, such as "cpu"; None for the setting in `config`
    accept_inplace, rebuild_strict, profile : accepted for compatibility

    Returns
    -------
    CompiledFunction

    Raises
    ------
    MissingInputError, UnusedInputError, UpdateError, GivensError, ModeError,
    ArgumentError : with the variables and the lines that made them

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> w, x = sg.shared(1.0, name="w"), T.dscalar("x")
    >>> step = sg.function([x], w * x, updates=[(w, w + 1)])
    >>> float(step(3.0)), float(step(3.0))
    (3.0, 6.0)
    """
    chosen = mode_of(mode)
    options = present_options(device, chosen.debug, chosen.optimize)
    checked = request(
        inputs, outputs, updates, givens, no_default_updates, on_unused_input
    )
    return CompiledFunction(checked, chosen, name, allow_input_downcast, options)


@public
def eval(variable: Variable, inputs_to_values: Mapping[Any, Any] | None = None) -> Any:
    """The value of an expression, given values for its inputs.

    Parameters
    ----------
    inputs_to_values : dict of variable (or name) → value

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.dscalar("x")
    >>> float((x + 1).eval({x: 2.0}))
    3.0
    """
    given = dict(inputs_to_values or {})
    roots = variable.parts if isinstance(variable, CompositeVariable) else [variable]
    by_name = {v.name: v for v in leaves(roots) if v.name}
    for key in [k for k in given if isinstance(k, str)]:
        if key not in by_name:
            raise MissingInputError(f"eval: the expression has no variable {key!r}")
        given[by_name[key]] = given.pop(key)
    inputs = [v for v in given if not isinstance(v, SharedVariable | Constant)]
    cache = variable.__dict__.setdefault("_compiled", {})
    settings = tuple(getattr(config, name) for name in sorted(NAMES))
    form = (*inputs, settings)
    if form not in cache:
        cache[form] = function(inputs, variable, on_unused_input="ignore")
    return cache[form](*(given[v] for v in inputs))
