"""The settings of symgraph: one record, read from the environment once.

``config.floatX = "float32"`` changes a setting; ``with config.override(...)`` changes
it for a while. ``SYMGRAPH_FLAGS="floatX=float32,mode=FAST_RUN"`` sets them at start,
in the syntax of Theano's ``THEANO_FLAGS``. Settings are read while a graph is built or
compiled, never while a compiled function runs. The one exception is ``threads``, which
concerns all compiled functions from their next call on; SYMGRAPH_NUM_THREADS sets it at
start, as ``threads=`` in the flags does, which goes before it.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from symgraph.errors import ConfigError

CHOICES: dict[str, tuple[str, ...]] = {
    "floatX": ("float64", "float32"),
    "mode": ("FAST_RUN", "FAST_COMPILE", "DEBUG"),
    "on_unused_input": ("raise", "warn", "ignore"),
    "blas": ("auto", "own", "blas"),
    "verify": ("off", "steps", "on", "bounds"),
}


#: device → where its backend comes from, if not from symgraph itself
DEVICES: dict[str, Any] = {"cpu": None, "lockstep": None}


@functools.cache
def _of_packages() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="symgraph.devices")}


def devices() -> dict[str, Any]:
    """Names of the devices that functions can be compiled for."""
    return {**_of_packages(), **DEVICES}


DEFAULTS: dict[str, Any] = {
    "floatX": "float64",
    "mode": "FAST_RUN",
    "device": "cpu",
    "on_unused_input": "raise",
    "cache": True,
    "threads": 0,
    "blas": "auto",
    "winograd": 4,
    "verify": "steps",
}
THREADS_VARIABLE = "SYMGRAPH_NUM_THREADS"
NAMES = frozenset(DEFAULTS)


class Config:
    """The settings.

    Attributes
    ----------
    floatX : "float64" or "float32"
        dtype of constructors without a dtype and of Python floats that meet integers.
    mode : "FAST_RUN", "FAST_COMPILE" or "DEBUG"
        what `function` does when its ``mode`` is None.
    device : "cpu" or "lockstep", or the name of a device that another package adds
        where compiled functions run, and shared variables live. "lockstep" interprets
        the kernels of a GPU, slowly, with memory of its own: for tests.
    on_unused_input : "raise", "warn" or "ignore"
        what `function` does about an input that takes no part.
    cache : bool
        keep compiled code on disk and look for it there.
    threads : int
        threads that compiled functions use; 0 means all cores that this process may use.
        Results are the same bit for bit with any number.
    blas : "auto", "own" or "blas"
        what multiplies matrices: symgraph's own tiles, NumPy's BLAS, or the one that is
        faster here. Tiles run on the threads of `threads`, BLAS on those that it was
        given itself (OPENBLAS_NUM_THREADS, threadpoolctl).
    winograd : 4, 2 or 0
        compute 3 x 3 convolutions of float32 by Winograd's F(4x4, 3x3) or F(2x2, 3x3) where
        it is faster; rounding errors are below 2e-5 and 4e-6 of the largest result, those
        of plain sums, which 0 asks for, about 2e-6. Around an infinite pixel or weight
        its tiles hold NaN, where plain sums hold infinities.
    verify : "steps", "off", "on" or "bounds"
        "steps": prove of each function, as it is compiled, that its steps find what they
        read and write each result once. "on", for tests: prove of each new set of shapes
        as well that no access leaves its memory and that every element of the results is
        written; memory holds NaN before. "bounds": kernels check the places that they
        load from memory too, as in DEBUG mode.
    """

    floatX: str
    mode: str
    device: str
    on_unused_input: str
    cache: bool
    threads: int
    blas: str
    winograd: int
    verify: str

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
        if name == "device" and value not in DEVICES and value not in devices():
            raise ConfigError(
                f"config.device = {value!r}: expected one of {', '.join(devices())}"
            )
        if name == "cache" and not isinstance(value, bool):
            raise ConfigError(f"config.{name} = {value!r}: expected True or False")
        if name == "winograd" and (isinstance(value, bool) or value not in (4, 2, 0)):
            raise ConfigError(
                f"config.winograd = {value!r}: expected 4, 2 or 0 (plain sums)"
            )
        if name == "threads" and (
            not isinstance(value, int) or isinstance(value, bool) or value < 0
        ):
            raise ConfigError(
                f"config.threads = {value!r}: expected a number of threads, or 0 for "
                "all usable cores"
            )
        object.__setattr__(self, name, value)
        if _ready and self is config:
            for call in _watchers.get(name, ()):
                call(value)

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


_watchers: dict[str, list[Callable[[Any], None]]] = {}
_ready = False


def when_changed(name: str, call: Callable[[Any], None]) -> None:
    """Have ``call(value)`` run whenever a setting of `config` is assigned."""
    _watchers.setdefault(name, []).append(call)


def from_environment(flags: str, threads: str = "") -> Config:
    """Read ``"name=value,name=value"``; an unknown name is a ConfigError.

    `threads` is the text of SYMGRAPH_NUM_THREADS, "" where it is not set.
    """
    made = Config()
    if threads.strip():
        made.threads = _number(threads, THREADS_VARIABLE)
    for item in filter(None, (part.strip() for part in flags.split(","))):
        name, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"SYMGRAPH_FLAGS: {item!r} is not name=value")
        value: Any = text
        if name == "winograd" and text.isdigit():
            value = int(text)
        if name == "cache":
            value = {"true": True, "1": True, "false": False, "0": False}.get(
                text.lower(), text
            )
        if name == "threads":
            value = _number(text, "SYMGRAPH_FLAGS: threads")
        setattr(made, name, value)
    return made


def _number(text: str, where: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise ConfigError(
            f"{where}={text!r}: expected a number of threads, or 0 for all usable cores"
        )
    return value


config = from_environment(
    os.environ.get("SYMGRAPH_FLAGS", ""), os.environ.get(THREADS_VARIABLE, "")
)
_ready = True
