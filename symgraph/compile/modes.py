"""Modes: named bundles of what `function` does with a graph.

FAST_RUN       rewrite, lower, compile with Numba
FAST_COMPILE   no rewriting; the NumPy reference runs node by node
DEBUG          both, compared node by node; NaN is reported where it arises
"""

from typing import Any

from symgraph.config import config
from symgraph.core.record import Record
from symgraph.errors import ModeError


class Mode(Record):
    """How a function is compiled.

    Attributes
    ----------
    name : str
    optimize : rewrite the graph; otherwise only what has no loops of its own is expanded
    compiled : make native code; otherwise the reference backend runs
    debug : compare and look for NaN
    """

    name: str
    optimize: bool
    compiled: bool
    debug: bool = False


MODES = {
    "FAST_RUN": Mode("FAST_RUN", True, True),
    "FAST_COMPILE": Mode("FAST_COMPILE", False, False),
    "DEBUG": Mode("DEBUG", True, True, True),
}
ALIASES = {"DEBUG_MODE": "DEBUG", "DebugMode": "DEBUG", "NanGuardMode": "DEBUG"}


def mode_of(mode: Any) -> Mode:
    """A Mode from a Mode, a name, or None (``config.mode``)."""
    if isinstance(mode, Mode):
        return mode
    name = config.mode if mode is None else mode
    found = MODES.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise ModeError(f"mode {mode!r} is unknown; there are {', '.join(MODES)}")
    return found
