"""Which devices there are, and their backends, imported when first asked for.

A package may add one by an entry point of the group "symgraph.devices" whose name is the
device's and whose value is a function without arguments that returns a
`backends.base.Backend`; `add` does so for this process.
"""

import importlib
from collections.abc import Callable

from symgraph.backends.base import Backend
from symgraph.config import DEVICES, devices
from symgraph.core.memory import Memory
from symgraph.core.shared import when_asked_for_memory
from symgraph.errors import ModeError, NotSupportedError

#: device → module with a function `backend`
BUILT_IN = {
    "cpu": "symgraph.backends.cpu.backend",
    "lockstep": "symgraph.backends.lockstep.backend",
}

_made: dict[str, Backend] = {}
_added: dict[str, Callable[[], Backend]] = {}


def add(name: str, make: Callable[[], Backend]) -> None:
    """Register a device for this process; `make` is called when it is first used."""
    DEVICES[name] = None
    _added[name] = make
    _made.pop(name, None)


def checked(device: str) -> str:
    """The name of a device that there is.

    Raises
    ------
    NotSupportedError : a device that this version does not compile for
    ModeError : an unknown device
    """
    known = isinstance(device, str) and (device in DEVICES or device in devices())
    if not known:
        if isinstance(device, str) and device.startswith(("cuda", "gpu")):
            raise NotSupportedError(
                f"device {device!r}: this version compiles for "
                f"{', '.join(map(repr, devices()))} only"
            )
        raise ModeError(
            f"device {device!r} is unknown; there are {', '.join(map(repr, devices()))}"
        )
    return device


def backend_of(device: str) -> Backend:
    """The backend of a device."""
    found = _made.get(device)
    if found is None:
        make = _added.get(checked(device))
        if make is None and device in BUILT_IN:
            make = importlib.import_module(BUILT_IN[device]).backend
        if make is None:
            point = devices()[device]
            assert point is not None
            make = point.load()
        found = _made[device] = make()
    return found


def memory_of(device: str) -> Memory:
    """The memory of a device."""
    return backend_of(device).memory


when_asked_for_memory(memory_of)
