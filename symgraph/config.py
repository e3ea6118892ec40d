"""The settings of symgraph: one record, read from the environment once.

``config.floatX = "float32"`` changes a setting; ``with config.override(...)`` changes
it for a while. ``SYMGRAPH_FLAGS="floatX=float32,mode=FAST_RUN"`` sets them at start,
in the syntax of Theano's ``THEANO_FLAGS``. Settings are read while a graph is built or
compiled, never while a compiled function runs.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from symgraph.errors import ConfigError

CHOICES: dict[str, tuple[str, ...]] = {
    "floatX": ("float64", "float32"),
    "mode": ("FAST_RUN", "FAST_COMPILE", "DEBUG"),
    "device": ("cpu",),
    "on_unused_input": ("raise", "warn", "ignore"),
}


DEFAULTS: dict[str, Any] = {
    "floatX": "float64",
    "mode": "FAST_RUN",
    "device": "cpu",
    "on_unused_input": "raise",
    "cache": True,
}
NAMES = frozenset(DEFAULTS)


class Config:
    """The settings.

    Attributes
    ----------
    floatX : "float64" or "float32"
        dtype of constructors without a dtype and of Python floats that meet integers.
    mode : "FAST_RUN", "FAST_COMPILE" or "DEBUG"
        what `function` does when its ``mode`` is None.
    device : "cpu"
        where compiled functions run.
    on_unused_input : "raise", "warn" or "ignore"
        what `function` does about an input that takes no part.
    cache : bool
        keep compiled code on disk and look for it there.
    """

    floatX: str
    mode: str
    device: str
    on_unused_input: str
    cache: bool

    def __init__(self) -> None:
        for name, value in DEFAULTS.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{n}={getattr(self, n)!r}' for n in DEFAULTS)})"

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in NAMES:
            raise ConfigError(
                f"config has no setting {name!r}; there are {', '.join(sorted(NAMES))}"
            )
        allowed = CHOICES.get(name)
        if allowed and value not in allowed:
            raise ConfigError(
                f"config.{name} = {value!r}: expected one of {', '.join(allowed)}"
            )
        if name == "cache" and not isinstance(value, bool):
            raise ConfigError(f"config.cache = {value!r}: expected True or False")
        object.__setattr__(self, name, value)

    @contextlib.contextmanager
    def override(self, **settings: Any) -> Iterator["Config"]:
        """Change settings inside a ``with`` block.

        Examples
        --------
        >>> from symgraph import config
        >>> with config.override(floatX="float32"):
        ...     config.floatX
        'float32'
        """
        unknown = set(settings) - NAMES
        if unknown:
            raise ConfigError(f"config has no setting {sorted(unknown)[0]!r}")
        before = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in before.items():
                setattr(self, name, value)


def from_environment(flags: str) -> Config:
    """Read ``"name=value,name=value"``; an unknown name is a ConfigError."""
    made = Config()
    for item in filter(None, (part.strip() for part in flags.split(","))):
        name, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"SYMGRAPH_FLAGS: {item!r} is not name=value")
        value: Any = text
        if name == "cache":
            value = {"true": True, "1": True, "false": False, "0": False}.get(
                text.lower(), text
            )
        setattr(made, name, value)
    return made


config = from_environment(os.environ.get("SYMGRAPH_FLAGS", ""))
