"""``theano.function``, ``theano.shared`` and what their results have by Theano's names.

In: Theano's arguments. Out: symgraph's compiled functions and shared variables. What is
computed and how is decided by compile/.
"""

import copy as copying
from types import SimpleNamespace
from typing import Any

import numpy as np

from symgraph.compat.theano.config import MODES
from symgraph.compat.theano.test_values import paused
from symgraph.compile import modes
from symgraph.compile.arguments import request
from symgraph.compile.callable import CompiledFunction
from symgraph.compile.inputs import In
from symgraph.compile.options import present_options
from symgraph.core.node import Variable
from symgraph.core.shared import SharedVariable
from symgraph.core.shared import shared as own_shared
from symgraph.core.traverse import applies
from symgraph.errors import ModeError, NotSupportedError

__all__ = [
    "Function", "In", "Mode", "Out", "Param", "function", "get_default_mode", "get_mode",
    "shared",
]  # fmt: skip


class Function(CompiledFunction):
    """A compiled function, with the attributes that Theano's have."""

    #: accepted: arguments are always checked
    trust_input = False

    @property
    def maker(self) -> SimpleNamespace:
        """``f.maker.fgraph``: the rewritten graph, with ``toposort()``."""
        graph = self.rewritten.graph
        roots = [*graph.outputs, *(new for _, new in graph.updates)]
        fgraph = SimpleNamespace(
            inputs=list(graph.inputs), outputs=roots, toposort=lambda: applies(roots)
        )
        return SimpleNamespace(
            fgraph=fgraph, mode=self.mode, inputs=self.request.inputs
        )

    @property
    def fn(self) -> Any:
        """The function itself."""
        return self

    def _slow(self, args: Any, kwargs: dict[str, Any]) -> Any:
        with paused():
            return super()._slow(args, kwargs)

    def get_shared(self) -> list[SharedVariable]:
        """The shared variables that it reads or updates."""
        return list(self.request.shared)

    def copy(self, share_memory: bool = False, name: str | None = None) -> Any:
        """Another function of the same graph."""
        settings = self.request, self.mode, name or self.name, self.downcast
        return Function(*settings, self.options)

    def __copy__(self) -> Any:
        return self.copy()


class Out:
    """An output of `function`; every result is an array of its own in any case."""

    def __init__(self, variable: Any, borrow: bool = False) -> None:
        self.variable = variable
        self.borrow = borrow


def Param(variable: Variable, default: Any = None, *args: Any, **kwargs: Any) -> In:
    """The older name of `In`."""
    return In(variable, kwargs.pop("name", None), default, *args, **kwargs)


def Mode(linker: Any = None, optimizer: Any = "default") -> modes.Mode:
    """A mode of symgraph's for Theano's linker and optimizer.

    The linker ``"py"`` runs the NumPy reference; every other one compiles. Without an
    optimizer (None) a graph is compiled as it was built.
    """
    mode = modes.mode_of("FAST_COMPILE" if linker == "py" else "FAST_RUN")
    return mode if optimizer not in (None, "None") else mode.replace(optimize=False)


def get_mode(mode: Any) -> modes.Mode:
    """The mode of a name, or of None."""
    if isinstance(mode, str):
        mode = MODES.get(mode, mode)
    elif mode is not None and not isinstance(mode, modes.Mode):
        raise ModeError(f"mode {mode!r} is unknown; give the name of a mode")
    return modes.mode_of(mode)


def get_default_mode() -> modes.Mode:
    """The mode that functions have by ``theano.config.mode``."""
    return get_mode(None)


def function(
    inputs: Any,
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
) -> Function:
    """`symgraph.function` with Theano's arguments.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> from symgraph.compat.theano.functions import function
    >>> x = T.dvector("x")
    >>> [a.tolist() for a in function([x], [x + 1], on_unused_input="ignore")([1.0])]
    [[2.0]]
    """
    with paused():
        checked = request(
            inputs,
            _unwrapped(outputs),
            updates,
            givens,
            no_default_updates,
            on_unused_input,
        )
        chosen = get_mode(mode)
        options = present_options(debug=chosen.debug, optimize=chosen.optimize)
        return Function(checked, chosen, name, allow_input_downcast, options)


def _unwrapped(outputs: Any) -> Any:
    if isinstance(outputs, Out):
        return outputs.variable
    if isinstance(outputs, list | tuple):
        return [v.variable if isinstance(v, Out) else v for v in outputs]
    return outputs


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Any = None,
    target: str = "cpu",
) -> SharedVariable:
    """`symgraph.shared` with Theano's arguments.

    Raises
    ------
    NotSupportedError : a random state as value; another target than the CPU
    """
    if isinstance(value, np.random.RandomState | np.random.Generator):
        raise NotSupportedError(
            "shared: a random state cannot be shared; use RandomStreams or "
            "MRG_RandomStreams"
        )
    if target != "cpu":
        raise NotSupportedError(f"shared: there is no target {target!r}, only 'cpu'")
    return own_shared(
        copying.copy(value) if isinstance(value, list) else value,
        name, strict, allow_downcast, borrow, broadcastable,
    )  # fmt: skip
