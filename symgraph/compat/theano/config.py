"""``theano.config``: Theano's flags, read and written as attributes.

Some flags are symgraph's own settings under the same name; ``compute_test_value`` is
followed by test_values.py. Most others steer compilers, memory, messages or GPUs that
symgraph does without: they keep what is written and have no effect. A few change
results; only the value that symgraph computes by is accepted.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from symgraph.compat.theano import test_values
from symgraph.config import config as settings
from symgraph.errors import ConfigError, NotSupportedError, SymgraphWarning

#: flags that are settings of symgraph
OWN = ("floatX", "mode", "device", "on_unused_input")
MODES = {
    "Mode": "FAST_RUN", "ProfileMode": "FAST_RUN", "DebugMode": "DEBUG",
    "DEBUG_MODE": "DEBUG", "NanGuardMode": "DEBUG",
}  # fmt: skip
#: flags that change results → the one value that is accepted
FIXED: dict[str, Any] = {
    "int_division": "int", "cast_policy": "custom", "warn_float64": "ignore",
}  # fmt: skip
#: flags without effect (but the first, which test_values.py follows) → default
IDLE: dict[str, Any] = {
    "compute_test_value": "off", "optimizer": "fast_run", "linker": "cvm",
    "profile": False, "profile_memory": False,
    "profile_optimizer": False, "allow_gc": True, "openmp": False,
    "openmp_elemwise_minsize": 200000, "cxx": "", "compiledir": "", "base_compiledir": "",
    "compiledir_format": "", "optimizer_excluding": "", "optimizer_including": "",
    "optimizer_requiring": "", "optimizer_verbose": False, "exception_verbosity": "low",
    "force_device": False, "init_gpu_device": "", "print_active_device": True,
    "assert_no_cpu_op": "ignore", "reoptimize_unpickled_function": False,
    "unpickle_function": True, "pickle_test_value": True, "print_test_value": False,
    "compute_test_value_opt": "off", "deterministic": "default", "check_input": True,
    "cmodule.warn_no_version": False, "lib.amdlibm": False, "lib.amblibm": False,
    "lib.cnmem": 0.0, "gcc.cxxflags": "", "blas.ldflags": "", "scan.allow_gc": False,
    "scan.allow_output_prealloc": True, "traceback.limit": 8, "warn.ignore_bug_before":
    "0.9", "warn.subtensor_merge_bug": False, "warn.argmax_pushdown_bug": False,
    "warn.sum_sum_bug": False, "warn.sum_div_dimshuffle_bug": False,
    "warn.signal_conv2d_interface": False, "warn.round": False,
    "warn.reduce_join": False, "warn.inc_set_subtensor1": False,
    "numpy.seterr_all": "ignore", "nvcc.fastmath": False, "nvcc.flags": "",
    "cuda.root": "", "dnn.enabled": "False", "dnn.conv.algo_fwd": "small",
    "dnn.conv.algo_bwd_filter": "none", "dnn.conv.algo_bwd_data": "none",
    "gpuarray.preallocate": 0.0, "gpuarray.sync": False, "unittests.rseed": 666,
    "experimental.unpickle_gpu_on_cpu": False, "DebugMode.check_py": True,
    "NanGuardMode.nan_is_error": True, "NanGuardMode.inf_is_error": True,
    "NanGuardMode.big_is_error": True, "metaopt.verbose": 0, "ctc.root": "",
}  # fmt: skip
FLAGS = "THEANO_FLAGS"


class Flags:
    """The flags, or those of one section (``config.blas``)."""

    def __init__(self, section: str = "") -> None:
        object.__setattr__(self, "_section", section)

    def __getattr__(self, name: str) -> Any:
        full = self._section + name
        if full in OWN:
            return getattr(settings, full)
        if full in _values:
            return _values[full]
        if any(key.startswith(full + ".") for key in _values):
            return Flags(full + ".")
        raise AttributeError(f"theano.config.{full}: symgraph has no such flag")

    def __setattr__(self, name: str, value: Any) -> None:
        write(self._section + name, value)

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {getattr(self, name)!r}" for name in dir(self))

    def __dir__(self) -> list[str]:
        start = len(self._section)
        names = (n[start:] for n in (*OWN, *_values) if n.startswith(self._section))
        return sorted({name.partition(".")[0] for name in names})

    def change_flags(self, **flags: Any) -> Any:
        """Flags for a while: as ``with`` block or decorator."""
        return change_flags(**flags)


_values: dict[str, Any] = {**FIXED, **IDLE}
config = Flags()


def write(name: str, value: Any) -> None:
    """Set a flag, or refuse it with a named error."""
    if name == "mode" and not isinstance(value, str):
        raise NotSupportedError("theano.config.mode: give the name of a mode")
    if name in OWN:
        setattr(settings, name, MODES.get(value, value) if name == "mode" else value)
    elif name in FIXED and value != FIXED[name]:
        raise NotSupportedError(
            f"theano.config.{name} = {value!r}: symgraph computes as with "
            f"{FIXED[name]!r} only"
        )
    elif name in _values:
        if name == "compute_test_value":
            test_values.switch(value)
        _values[name] = value
    else:
        raise AttributeError(f"theano.config.{name}: symgraph has no such flag")


class change_flags(contextlib.ContextDecorator):  # noqa: N801 - the name is Theano's
    """Flags for a while: ``with change_flags(floatX="float32"):``, or as a decorator.

    Examples
    --------
    >>> from symgraph.compat.theano.config import change_flags, config
    >>> with change_flags(floatX="float32"):
    ...     config.floatX
    'float32'
    """

    def __init__(self, args: Any = (), **flags: Any) -> None:
        self._flags = {**dict(args), **flags}
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> "change_flags":
        before = {name: _read(name) for name in self._flags}
        self._before.append(before)
        try:
            for name, value in self._flags.items():
                write(name, value)
        except Exception:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.pop().items():
            write(name, value)


def _read(name: str) -> Any:
    found: Any = config
    for part in name.split("."):
        found = getattr(found, part)
    return found


def read_flags() -> None:
    """Take over what THEANO_FLAGS says; unknown flags are passed over."""
    for name, text in _pairs(os.environ.get(FLAGS, "")):
        if name == "device":
            if text != "cpu":
                warnings.warn(
                    f"{FLAGS}: device={text}: symgraph has no GPU here and computes on "
                    "the CPU",
                    SymgraphWarning,
                    stacklevel=3,
                )
        elif name == "floatX" and text == "float16":
            raise ConfigError(f"{FLAGS}: floatX=float16 is not supported")
        elif name in OWN or name in FIXED or name == "compute_test_value":
            write(name, text)
        elif name in IDLE:
            _values[name] = _typed(text, IDLE[name])


def _pairs(flags: str) -> Iterator[tuple[str, str]]:
    for item in flags.split(","):
        name, _, text = item.strip().partition("=")
        yield name.strip(), text.strip().strip("'\"")


def _typed(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return text.lower() in ("true", "1", "yes")
    kinds: dict[type, Callable[[str], Any]] = {int: int, float: float}
    return kinds.get(type(default), str)(text)
