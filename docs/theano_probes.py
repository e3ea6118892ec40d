"""Probes: small programs that try one name of Theano's API each.

`probe` registers a function under the names that it tries, with a note where symgraph
does something else than Theano. The function gets the modules ``theano`` and
``theano.tensor`` and fails if the name does not do what the note (or Theano) says.
Out: `PROBES`, of which docs/make_theano.py makes a page and tests/compat tests.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

Body = Callable[[Any, Any], None]


class Probe(NamedTuple):
    """A probe: the symbol that it tries, what differs ("" if nothing), the program."""

    symbol: str
    differs: str
    body: Body


PROBES: dict[str, Probe] = {}


def probe(*symbols: str, differs: str = "") -> Callable[[Body], Body]:
    """Register a program that tries these symbols; ``T`` stands for theano.tensor."""

    def register(body: Body) -> Body:
        for symbol in symbols:
            full = (
                symbol.replace("T.", "theano.tensor.", 1)
                if symbol[0] == "T"
                else symbol
            )
            if full in PROBES:
                raise ValueError(f"two probes of {full}")
            PROBES[full] = Probe(full, differs, body)
        return body

    return register


def try_all(theano: ModuleType) -> dict[str, str]:
    """Symbol → what went wrong, for the probes that fail."""
    failures = {}
    for symbol, each in PROBES.items():
        try:
            each.body(theano, theano.tensor)
        except Exception as error:
            failures[symbol] = f"{type(error).__name__}: {error}"
    return failures


# --- for the programs -----------------------------------------------------------------

X = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]])
V = np.array([2.0, 0.5, -1.5])
I = np.array([2, 0, 1], "int32")


def value(theano: Any, expression: Any, given: dict[Any, Any] | None = None) -> Any:
    """The value of an expression, by the NumPy reference."""
    given = given or {}
    call = theano.function(
        list(given), expression, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    return call(*given.values())


def same(
    theano: Any, expression: Any, wanted: Any, given: dict[Any, Any] | None = None
) -> None:
    """Fail unless the expression has this value and kind of dtype."""
    found = np.asarray(value(theano, expression, given))
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert found.dtype.kind == wanted.dtype.kind, (found.dtype, wanted.dtype)
    assert found.dtype.name == expression.dtype, (found.dtype, expression.dtype)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-12)


def elementwise(symbol: str, oracle: Callable[..., Any], *arrays: Any) -> None:
    """Register a probe of a function of arrays that NumPy has too."""

    def body(theano: Any, T: Any) -> None:
        function: Any = theano
        for part in symbol.replace("T.", "tensor.", 1).split("."):
            function = getattr(function, part)
        variables = [T.as_tensor_variable(a).type() for a in arrays]
        given = dict(zip(variables, arrays, strict=True))
        same(theano, function(*variables), oracle(*arrays), given)

    probe(symbol)(body)


def refused(kind: Any, call: Callable[[], Any]) -> None:
    """Fail unless the call raises this error."""
    try:
        call()
    except kind:
        return
    raise AssertionError(f"nothing raised {kind}")
