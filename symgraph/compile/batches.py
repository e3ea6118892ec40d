"""Many steps in one native call: `repeat` and `epoch` of a compiled function."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from symgraph.compile.arguments import Request
from symgraph.compile.locate import named
from symgraph.core.node import described
from symgraph.errors import ArgumentError, IndexRangeError, ShapeError
from symgraph.runtime.executor import Executor, Told

#: steps of one signature after which a function of few elements is compiled for it
OFTEN = 5000
#: elements of all arguments and shared variables
TINY = 1024
#: seconds between two calls of `progress`
PERIOD = 0.05
#: told how many steps are done, and how many there are
Progress = Callable[[int, int], object]


class Steps:
    """Runs many steps of a function; its shared variables are held meanwhile.

    Parameters
    ----------
    one : one step in the way of the mode
    executor_for : what runs steps for such arrays natively; None where nothing does
    special : what is compiled for just these shapes
    """

    def __init__(
        self,
        request: Request,
        one: Callable[[list[np.ndarray]], list[np.ndarray]],
        executor_for: Callable[[Sequence[np.ndarray]], Executor] | None,
        special: Callable[[Sequence[np.ndarray]], Executor],
    ) -> None:
        self.request = request
        self._one = one
        self._executor_for = executor_for
        self._special = special

    def repeat(
        self, times: int, arrays: list[np.ndarray], progress: Progress | None
    ) -> list[np.ndarray]:
        """Steps with the same arguments → the values of all steps, for each output."""
        with _Counted("repeat", times, progress, self.request, arrays) as told:
            results = self._steps(times, lambda _: arrays, [0] * len(arrays), told)
        return self._stacked(results)

    def epoch(
        self,
        arrays: list[np.ndarray],
        batch: int,
        shuffle: int | bool | None,
        drop_last: bool,
        progress: Progress | None,
    ) -> list[np.ndarray]:
        """A step for each batch of rows → the values of all steps, for each output."""
        rows = {a.shape[0] for a in arrays if a.ndim}
        if len(rows) != 1:
            shapes = [a.shape for a in arrays]
            raise ShapeError(
                f"epoch: the arguments have shapes {shapes}; those with axes must have "
                "one number of rows"
            )
        (count,) = rows
        order = _order(shuffle, count)
        full, tail = divmod(count, batch)
        steps = full + bool(tail and not drop_last)
        with _Counted("epoch", steps, progress, self.request, arrays) as told:
            parts = [self._batches(arrays, order, 0, full, batch, told)]
            if steps > full:
                parts.append(self._batches(arrays, order, full * batch, 1, tail, told))
        results = [[a for part in parts for a in part[k]] for k in range(len(parts[0]))]
        return self._stacked(results)

    def _batches(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray | None,
        start: int,
        steps: int,
        batch: int,
        told: Told,
    ) -> list[Any]:
        """`steps` batches of `batch` rows from row `start` on."""
        if order is not None:
            chosen = np.ascontiguousarray(order[start : start + steps * batch])
            staged = [
                np.empty((batch, *a.shape[1:]), a.dtype) if a.ndim else a
                for a in arrays
            ]
            executor = self._native_executor(staged) if steps else None
            if executor is not None:
                still = [0] * len(arrays)
                return self._native(
                    executor, steps, staged, still, told, chosen, batch, arrays
                )
            arrays = [np.ascontiguousarray(a[chosen]) if a.ndim else a for a in arrays]
            start = 0

        def rows(step: int) -> list[np.ndarray]:
            first = start + step * batch
            return [a[first : first + batch] if a.ndim else a for a in arrays]

        advance = [batch * a.strides[0] if a.ndim else 0 for a in arrays]
        return self._steps(steps, rows, advance, told)

    def _steps(
        self,
        steps: int,
        rows: Callable[[int], list[np.ndarray]],
        advance: Sequence[int],
        told: Told,
    ) -> list[Any]:
        if steps:
            first = rows(0)
            executor = self._native_executor(first)
            if executor is not None:
                return self._native(executor, steps, first, advance, told)
        results: list[list[Any]] = [[] for _ in self.request.outputs]
        due = time.monotonic() + PERIOD
        for step in range(steps):
            for found, value in zip(results, self._one(rows(step)), strict=True):
                found.append(value[None])
            told.done += 1
            if told.progress is not None and time.monotonic() > due:
                told.progress(told.done)
                due = time.monotonic() + PERIOD
        return results

    def _native_executor(self, arrays: Sequence[np.ndarray]) -> Executor | None:
        """What runs the steps in one native call, if sizes depend on shapes alone."""
        if self._executor_for is None:
            return None
        executor = self._executor_for(arrays)
        return executor if executor.is_static and not executor.may_broadcast else None

    def _native(
        self,
        executor: Executor,
        steps: int,
        arrays: Sequence[np.ndarray],
        advance: Sequence[int],
        told: Told,
        order: np.ndarray | None = None,
        batch: int = 0,
        sources: Sequence[np.ndarray] = (),
    ) -> list[Any]:
        binding = executor.bind(arrays)
        binding.steps += steps
        if binding.special is not None:
            executor = binding.special
            binding = executor.bind(arrays)
        elif binding.steps >= OFTEN and executor.elements(arrays) <= TINY:
            executor = binding.special = self._special(arrays)
            binding = executor.bind(arrays)
        outputs = executor.space(binding, steps)
        executor.run(
            binding, steps, arrays, advance, outputs, order, batch, sources, told
        )
        return [[a] for a in outputs]

    def _stacked(self, results: list[Any]) -> list[np.ndarray]:
        """The values of all steps, along a new first axis."""
        stacked = []
        for parts, variable in zip(results, self.request.outputs, strict=True):
            if len(parts) == 1:
                stacked.append(parts[0])
            elif parts:
                shapes = {a.shape[1:] for a in parts}
                if len(shapes) > 1:
                    raise ShapeError(
                        f"epoch: the steps give arrays of shapes {sorted(shapes)}, which "
                        f"cannot be stacked, for output {described(variable)}\n"
                        "The last batch has fewer rows: pass drop_last=True, or return a "
                        "sum or mean over the rows. All steps and updates were made."
                    )
                stacked.append(np.concatenate(parts))
            else:
                shape = [0 if e is None else e for e in variable.type.shape]
                stacked.append(np.empty((0, *shape), variable.type.dtype))
        return stacked


def times_of(times: Any) -> int:
    """How often `repeat` runs, an int of 0 or more."""
    if isinstance(times, bool) or not isinstance(times, int | np.integer) or times < 0:
        raise ArgumentError(f"repeat: times={times!r}, expected an int of 0 or more")
    return int(times)


def batch_of(batch_size: Any) -> int:
    """How many rows a step of `epoch` takes, an int of 1 or more."""
    if batch_size is None:
        raise ArgumentError(
            "epoch: batch_size is missing; say how many rows a step takes, such as "
            "epoch(x, y, batch_size=32)"
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise ArgumentError(f"epoch: batch_size={batch_size!r}, expected an int")
    if batch_size < 1:
        raise ArgumentError(f"epoch: batch_size={batch_size}, expected 1 or more")
    return int(batch_size)


class _Counted:
    """Counts the steps that are done; what ends them early tells how many.

    It names, too, which index lay outside, and in which row of the arguments.
    """

    __slots__ = ("arrays", "name", "request", "steps", "told")

    def __init__(
        self,
        name: str,
        steps: int,
        progress: Progress | None,
        request: Any,
        arrays: Sequence[np.ndarray],
    ) -> None:
        self.name, self.steps = name, steps
        self.request, self.arrays = request, arrays
        self.told = Told()
        if progress is not None:
            if not callable(progress):
                raise ArgumentError(
                    f"{name}: progress={progress!r}, expected a function of the number "
                    "of steps done and of all steps"
                )
            self.told.progress = lambda done: progress(done, steps)

    def __enter__(self) -> Told:
        return self.told

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            return
        ending = error
        if isinstance(error, IndexRangeError):
            ending = named(self.request, self.arrays, error)
        text = (
            f"{self.name}: {self.told.done:,} of {self.steps:,} steps were done; shared "
            "variables have the values after them"
        )
        if isinstance(ending, KeyboardInterrupt) and not ending.args:
            ending.args = (text,)
        elif self.told.done:
            ending.add_note(text)
        if ending is not error:
            raise ending from None


def _order(shuffle: int | bool | None, count: int) -> np.ndarray | None:
    """The order of the rows of an epoch; None as they are."""
    if shuffle is False or shuffle is None:
        return None
    seed = None if shuffle is True else shuffle
    if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
        raise ArgumentError(
            f"epoch: shuffle={shuffle!r}, expected True, False or a seed: an int of 0 "
            "or more"
        )
    return np.random.default_rng(seed).permutation(count).astype(np.int64)
