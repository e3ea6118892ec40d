"""Many steps in one native call: `repeat` and `epoch` of a compiled function."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

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


class Batches:
    """What `CompiledFunction` inherits for native loops."""

    request: Any
    mode: Any
    _lock: Any
    _holding: Any
    convert: Any
    executor_for: Any
    special: Any
    _one: Any
    _result: Any

    def repeat(
        self,
        times: int,
        *args: Any,
        progress: Progress | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run `times` steps with the same arguments, updates included, natively.

        Ctrl-C ends it between two steps: KeyboardInterrupt tells how many were done, and
        shared variables have the values of the last of them. For other threads, all
        steps are one event.

        Parameters
        ----------
        progress : called as ``progress(done, times)`` now and then (about twenty times a
            second) with the number of steps done; an exception that it raises ends the
            run between two steps

        Returns
        -------
        for each output an array with a leading axis of extent `times`, in the form that
        a call returns
        """
        if (
            isinstance(times, bool)
            or not isinstance(times, int | np.integer)
            or times < 0
        ):
            raise ArgumentError(
                f"repeat: times={times!r}, expected an int of 0 or more"
            )
        arrays = self.convert(args, kwargs)
        times = int(times)
        with (
            self._holding,
            self._lock,
            _Counted("repeat", times, progress, self.request, arrays) as told,
        ):
            results = self._steps(times, lambda _: arrays, [0] * len(arrays), told)
        return self._stacked(results)

    def epoch(
        self,
        *args: Any,
        batch_size: int | None = None,
        shuffle: int | bool | None = False,
        drop_last: bool = False,
        progress: Progress | None = None,
        **kwargs: Any,
    ) -> Any:
        """One step for each batch of rows of the arguments, natively.

        Ctrl-C ends it between two steps, as in `repeat`.

        Parameters
        ----------
        args : values of the inputs; all with axes have the same number of rows, 0-d ones
            are the same in every step
        batch_size : rows of a step; the last step takes what is left, so a size of more
            than all rows makes one step
        shuffle : False keeps the order; True draws a new one; an int of 0 or more seeds
            it: the order of ``numpy.random.default_rng(shuffle).permutation(rows)``
        drop_last : leave out a last batch that is not full
        progress : called as ``progress(done, steps)`` now and then, as in `repeat`

        Rows are gathered in the dtype of the input, so images may be bytes: declare the
        input as uint8 and cast it in the graph.

        Returns
        -------
        for each output an array with one entry for each step, in the form that a call
        returns

        Examples
        --------
        >>> import symgraph as sg, symgraph.tensor as T
        >>> x = T.dvector("x")
        >>> f = sg.function([x], x.sum())
        >>> f.epoch([1.0, 2.0, 3.0, 4.0, 5.0], batch_size=2)
        array([3., 7., 5.])
        """
        if batch_size is None:
            raise ArgumentError(
                "epoch: batch_size is missing; say how many rows a step takes, such as "
                "epoch(x, y, batch_size=32)"
            )
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise ArgumentError(f"epoch: batch_size={batch_size!r}, expected an int")
        if batch_size < 1:
            raise ArgumentError(f"epoch: batch_size={batch_size}, expected 1 or more")
        arrays = self.convert(args, kwargs)
        rows = {a.shape[0] for a in arrays if a.ndim}
        if len(rows) != 1:
            shapes = [a.shape for a in arrays]
            raise ShapeError(
                f"epoch: the arguments have shapes {shapes}; those with axes must have "
                "one number of rows"
            )
        (count,) = rows
        order = _order(shuffle, count)
        batch = int(batch_size)
        full, tail = divmod(count, batch)
        steps = full + bool(tail and not drop_last)
        with (
            self._holding,
            self._lock,
            _Counted("epoch", steps, progress, self.request, arrays) as told,
        ):
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
        if not self.mode.compiled or self.mode.debug:
            return None
        executor: Executor = self.executor_for(arrays)
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
            executor = binding.special = self.special(arrays)
            binding = executor.bind(arrays)
        outputs = executor.space(binding, steps)
        executor.run(
            binding, steps, arrays, advance, outputs, order, batch, sources, told
        )
        return [[a] for a in outputs]

    def _stacked(self, results: list[Any]) -> Any:
        """The values of all steps, along a new first axis, in the form of a call."""
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
        return self._result(stacked)


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
