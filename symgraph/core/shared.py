"""SharedVariable: a leaf that holds a value between calls.

`shared` makes one from a number or an array. The value lives in a `Container`, in
private C-contiguous storage on a 64-byte boundary; compiled functions read and write it
there. Clones share the container. Threads: whoever reads, writes or replaces a value
holds its container meanwhile, and who needs several takes them in the order of their
making (`Holding`), so that nobody sees a value half changed. What an update may do to
it is decided by `function`.
"""

import ctypes
import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.core.composite import package_of
from symgraph.core.dtypes import (
    MASKED,
    NUMPY,
    canonical,
    holds_masked,
    is_complex,
    is_float,
    rounded,
)
from symgraph.core.memory import ALIGNMENT, Block, Memory, address_of, held
from symgraph.core.node import Place, Variable, described
from symgraph.core.types import StaticShape, TensorType
from symgraph.errors import ArgumentError, ConversionError, InputError

#: elements that NumPy copies without letting another thread in between
AT_ONCE = 256


class _Generation:
    """Counts replacements of storage anywhere, so that callers can look once.

    The count is a word in memory that native code reads.
    """

    __slots__ = ("_lock", "word")

    def __init__(self) -> None:
        self.word = ctypes.c_int64(0)
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        return self.word.value

    def grow(self) -> None:
        with self._lock:
            self.word.value += 1


generation = _Generation()


_serials = itertools.count()


class Container:
    """The storage of a shared variable; a context manager that holds it.

    Attributes
    ----------
    array : the value, C-contiguous
    device : where the value lives
    version : int
        grows whenever the storage becomes another; who keeps its address compares.
    lock : held while the value is read, written or replaced
    held : how often its holder has taken it; a word that native code reads: a call that
        keeps the interpreter's lock from beginning to end needs no other lock where
        this is 0
    serial : place in the order in which locks are taken
    """

    __slots__ = ("_array", "held", "lock", "serial", "version")

    device = "cpu"

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.version = 0
        self.lock = threading.RLock()
        self.held = ctypes.c_int64(0)
        self.serial = next(_serials)

    def __enter__(self) -> "Container":
        self.lock.acquire()
        self.held.value += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.held.value -= 1
        self.lock.release()

    @property
    def array(self) -> np.ndarray:
        """The value, C-contiguous; on another device than the CPU a copy of it."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self._array.shape

    @property
    def address(self) -> int:
        """Where the value lies, on its device."""
        return address_of(self._array)

    @property
    def is_small(self) -> bool:
        """Whether it is copied without letting another thread in between."""
        return self._array.size <= AT_ONCE

    def write(self, array: Any) -> None:
        """Copy an array of the present shape and dtype, or a number, into the storage."""
        np.copyto(self._array, array)

    def replace(self, array: np.ndarray) -> None:
        """Put another array in place of the present one."""
        with self:
            before, self._array = self._array, array
            self.version += 1
            generation.grow()
            del before  # until here somebody may still have its address

    def __reduce__(self) -> tuple[Any, ...]:
        with self:
            return contained, (self.array.copy(), self.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Container":
        with self:
            made = memo[id(self)] = contained(self.array, self.device)
        return made


class DeviceContainer(Container):
    """The storage of a shared variable in the memory of another device."""

    __slots__ = ("_block", "_dtype", "_shape", "device", "memory")

    def __init__(self, array: np.ndarray, memory: Memory) -> None:
        super().__init__(np.empty(AT_ONCE + 1, np.bool_))  # stands for a large one
        self.memory = memory
        self.device = memory.name
        self._put(array)

    def _put(self, array: np.ndarray) -> Block:
        self._dtype, self._shape = array.dtype, array.shape
        self._block = held(self.memory, array)
        return self._block

    @property
    def array(self) -> np.ndarray:
        """A copy of the value."""
        dtype = canonical(self._dtype)
        return self.memory.read(self._block.address, dtype, self._shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self._shape

    @property
    def address(self) -> int:
        """Where the value lies, on its device."""
        return self._block.address

    def write(self, array: Any) -> None:
        """Copy an array of the present shape and dtype, or a number, into the storage."""
        whole = np.broadcast_to(np.asarray(array, self._dtype), self._shape)
        self.memory.write(self._block.address, np.ascontiguousarray(whole))

    def replace(self, array: np.ndarray) -> None:
        """Put another array in place of the present one."""
        with self:
            before = self._block
            self._put(array)
            self.version += 1
            generation.grow()
            del before  # until here somebody may still have its address


_memory_of: list[Callable[[str], Memory]] = []


def when_asked_for_memory(find: Callable[[str], Memory]) -> None:
    """Have shared variables on other devices ask `find` for the memory of a device."""
    _memory_of[:] = [find]


def contained(array: np.ndarray, device: str = "cpu") -> Container:
    """A container with a copy of an array."""
    if device == "cpu":
        return Container(aligned_copy(array))
    return DeviceContainer(array, _memory_of[0](device))


class Holding:
    """Several containers held together; a context manager.

    They are taken in the order of their making, by everybody, so that two who want the
    same ones never wait for each other. Who holds them may take them again.
    """

    __slots__ = ("containers",)

    def __init__(self, containers: Iterable[Container]) -> None:
        self.containers = sorted(set(containers), key=lambda c: c.serial)

    def __enter__(self) -> None:
        taken: list[Container] = []
        try:
            for container in self.containers:
                container.lock.acquire()
                taken.append(container)
                container.held.value += 1
        except BaseException:
            _give_back(taken)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _give_back(self.containers)


def _give_back(containers: Sequence[Container]) -> None:
    for container in containers:
        container.held.value -= 1
        container.lock.release()


class SharedVariable(Variable):
    """A variable with a value that outlives calls; made by `shared`.

    Attributes
    ----------
    container : Container
    default_update : Variable or None
        the new value after every call of a function that uses this variable, unless
        the function has an update of its own for it.
    """

    def __init__(
        self,
        name: str | None,
        type: TensorType,
        value: Any,
        strict: bool | None = False,
        allow_downcast: bool | None = None,
        container: Container | None = None,
        place: Place | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(type, None, 0, name, place)
        self.strict = bool(strict)
        self.allow_downcast = allow_downcast
        self.default_update: Variable | None = None
        if container is None:
            container = contained(self._checked(value), device or config.device)
        self.container = container

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> np.ndarray:
        """The value.

        Parameters
        ----------
        borrow : bool
            True gives the storage itself: later updates show in it, and writing to it
            changes the variable. False gives a copy.
        return_internal_type : accepted for compatibility; the value is an array
        """
        container = self.container
        if borrow:
            return container.array
        with container.lock if container.is_small else container:
            return container.array.copy()

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Give the variable another value of its dtype and rank.

        A value of the present shape is copied into the present storage; another shape
        replaces the storage.

        Parameters
        ----------
        new_value : number, array or nested list
        borrow : bool
            True may keep `new_value` itself as the storage (it does so when the array
            has the right dtype, is contiguous, writable and on a 64-byte boundary).

        Raises
        ------
        InputError : the rank differs, a known extent differs, or the dtype would lose
            data (see `shared` for `allow_downcast`).
        """
        array = self._checked(new_value)
        container = self.container
        with container.lock if container.is_small else container:
            if borrow and array is new_value and _adoptable(array):
                container.replace(array)
            elif array.shape == container.shape:
                container.write(array)
            else:
                container.replace(aligned_copy(array))

    def zero(self, borrow: bool = False) -> None:
        """Set every element to zero; the shape stays."""
        with self.container:
            self.container.write(0)

    def clone(self, name: str | None = None) -> "SharedVariable":
        """Another variable with the same storage; `default_update` is not copied."""
        made = SharedVariable(
            name or self.name, self.type, None, self.strict, self.allow_downcast,
            self.container,
        )  # fmt: skip
        if "_tag" in self.__dict__:
            made.tag.__dict__.update(self.tag.__dict__)
        return made

    def _checked(self, value: Any) -> np.ndarray:
        """`value` as an array of the variable's dtype and rank, or InputError."""
        array = _as_array(value)
        wanted = self.type.dtype
        _check_shape(self, array.shape)
        if array.dtype == NUMPY[wanted]:
            return array
        if self.strict and not self.allow_downcast:
            raise _refusal(self, f"dtype {array.dtype} is not {wanted}, strict is True")
        if array.dtype.kind == "c" and not is_complex(wanted):
            raise _refusal(self, f"{array.dtype} would lose its imaginary part")
        if not (
            self.allow_downcast or _fits(value, array, wanted, self.allow_downcast)
        ):
            raise _refusal(
                self, f"{array.dtype} does not fit into {wanted} without losing data"
            )
        with np.errstate(all="ignore"):
            return array.astype(NUMPY[wanted])


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[bool] | None = None,
    shape: StaticShape | None = None,
    device: str | None = None,
) -> SharedVariable:
    """A variable that keeps `value` between calls and is changed by updates.

    Parameters
    ----------
    value : number, array or nested list
        its dtype is kept: a Python float gives float64, an int int64.
    name : str, optional
    strict : bool
        True refuses any `set_value` of another dtype.
    allow_downcast : bool, optional
        True lets `set_value` round; False refuses what does not fit exactly; None
        also lets Python floats go into float32.
    borrow : bool
        True may keep the array `value` itself as the storage; see
        `SharedVariable.set_value`.
    broadcastable : sequence of bool, optional
        axes whose extent stays 1, which broadcast.
    shape : tuple, optional
        static shape: extents that stay as they are; None where they may change. By
        default no extent is promised, so that a (1, 3) array is a matrix, not a row.
    device : str, optional
        where the value lives; by default the setting in `config`. Only functions for
        that device can use it.

    Examples
    --------
    >>> from symgraph.core.shared import shared
    >>> w = shared([[1.0, 2.0]], name="w")
    >>> w.type, w.get_value().tolist()
    (float64 (None, None), [[1.0, 2.0]])
    >>> w.set_value([[3.0]])
    >>> w.get_value().shape
    (1, 1)
    """
    package = package_of(value)
    if package is not None:
        return package.shared(value, name, strict, allow_downcast, borrow)
    array = _as_array(value)
    dtype = canonical(array.dtype)
    if broadcastable is not None and shape is not None:
        raise ArgumentError("shared: give broadcastable or shape, not both")
    if shape is None and broadcastable is None:
        shape = (None,) * array.ndim
    kind = TensorType(dtype, shape, broadcastable=broadcastable)
    if len(kind.shape) != array.ndim:
        raise ArgumentError(
            f"shared: a static shape of {len(kind.shape)} axes for a value of "
            f"{array.ndim}, whose shape is {array.shape}"
        )
    made = SharedVariable(name, kind, array, strict, allow_downcast, device=device)
    if borrow and array is value and _adoptable(array):
        made.container.replace(array)
    return made


def aligned_empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """C-contiguous array on a 64-byte boundary, contents undefined."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -address_of(raw) % ALIGNMENT
    return raw[start : start + size].view(kind).reshape(tuple(shape))


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """Copy of an array in storage of its own, in native byte order."""
    made = aligned_empty(array.shape, NUMPY[canonical(array.dtype)])
    np.copyto(made, array)
    return made


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, Variable):
        raise ConversionError(
            "a shared variable needs a value, not an expression\n"
            f"  {described(value)}\n"
            "Evaluate it first, or use the expression itself."
        )
    if holds_masked(value):
        raise ConversionError(f"a masked array as value of a shared variable: {MASKED}")
    if isinstance(value, np.ndarray):
        array = value
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ConversionError(
                f"{value!r} is ragged: rows differ in length"
            ) from error
        if array.dtype.kind not in "biufc":
            raise ConversionError(
                f"{value!r} of type {type(value).__name__} cannot be the value of a "
                "shared variable; give a number, an array or a nested list of numbers"
            )
    canonical(array.dtype)
    return array


def _adoptable(array: np.ndarray) -> bool:
    flags = array.flags
    return (
        type(array) is np.ndarray
        and flags.c_contiguous
        and flags.writeable
        and array.dtype.isnative
        and address_of(array) % ALIGNMENT == 0
    )


def _check_shape(variable: SharedVariable, shape: tuple[int, ...]) -> None:
    static = variable.type.shape
    if len(shape) != len(static):
        raise _refusal(
            variable, f"rank {len(shape)} (shape {shape}), not {len(static)}"
        )
    for axis, (known, extent) in enumerate(zip(static, shape, strict=True)):
        if known is not None and known != extent:
            raise _refusal(
                variable, f"extent {extent} at axis {axis}, which is fixed at {known}"
            )


def _fits(
    value: Any, array: np.ndarray, wanted: str, allow_downcast: bool | None
) -> bool:
    """Whether `value` may become `wanted`: arrays by dtype, numbers by value."""
    if np.can_cast(array.dtype, NUMPY[wanted], casting="safe"):
        return True
    if isinstance(value, np.ndarray):
        return False
    python = not isinstance(value, np.generic)
    if (
        allow_downcast is None
        and python
        and array.dtype.kind == "f"
        and is_float(wanted)
    ):
        return rounded(array, wanted) is not None
    with np.errstate(all="ignore"):
        return bool(np.array_equal(array.astype(NUMPY[wanted]), array, equal_nan=True))


def _refusal(variable: SharedVariable, why: str) -> InputError:
    return InputError(
        f"this value cannot be held by the shared variable: {why}\n"
        f"  {described(variable)}\n"
        "Convert the value with numpy, or make the variable with allow_downcast=True "
        "(for dtypes) or without a fixed shape."
    )
