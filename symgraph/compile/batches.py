"""Many steps in one native call: `repeat` and `epoch` of a compiled function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.core.node import described
from symgraph.errors import ArgumentError, ShapeError
from symgraph.runtime.executor import Executor


class Batches:
    """What `CompiledFunction` inherits for native loops."""

    request: Any
    mode: Any
    _lock: Any
    convert: Any
    executor_for: Any
    _one: Any
    _result: Any

    def repeat(self, times: int, *args: Any, **kwargs: Any) -> Any:
        """Run `times` steps with the same arguments, updates included, natively.

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
        with self._lock:
            results = self._steps(int(times), lambda _: arrays, [0] * len(arrays))
        return self._stacked(results)

    def epoch(
        self,
        *args: Any,
        batch_size: int,
        shuffle: int | bool | None = False,
        drop_last: bool = False,
        **kwargs: Any,
    ) -> Any:
        """One step for each batch of rows of the arguments, natively.

        Parameters
        ----------
        args : values of the inputs; all with axes have the same number of rows, 0-d ones
            are the same in every step
        batch_size : rows of a step; the last step takes what is left
        shuffle : False keeps the order; True draws a new one; an int seeds it
        drop_last : leave out a last batch that is not full

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
        order = None
        if shuffle is not False and shuffle is not None:
            seed = None if shuffle is True else int(shuffle)
            order = np.random.default_rng(seed).permutation(count).astype(np.int64)
        batch = int(batch_size)
        full, tail = divmod(count, batch)
        with self._lock:
            parts = [self._batches(arrays, order, 0, full, batch)]
            if tail and not drop_last:
                parts.append(self._batches(arrays, order, full * batch, 1, tail))
        results = [[a for part in parts for a in part[k]] for k in range(len(parts[0]))]
        return self._stacked(results)

    def _batches(
        self,
        arrays: Sequence[np.ndarray],
        order: np.ndarray | None,
        start: int,
        steps: int,
        batch: int,
    ) -> list[Any]:
        """`steps` batches of `batch` rows from row `start` on."""
        if order is not None:
            chosen = np.ascontiguousarray(order[start : start + steps * batch])
            if self._is_native(arrays) and all(a.ndim for a in arrays) and steps:
                staged = [np.empty((batch, *a.shape[1:]), a.dtype) for a in arrays]
                still = [0] * len(arrays)
                return self._native(steps, staged, still, chosen, batch, arrays)
            arrays = [np.ascontiguousarray(a[chosen]) if a.ndim else a for a in arrays]
            start = 0

        def rows(step: int) -> list[np.ndarray]:
            first = start + step * batch
            return [a[first : first + batch] if a.ndim else a for a in arrays]

        advance = [batch * a.strides[0] if a.ndim else 0 for a in arrays]
        return self._steps(steps, rows, advance)

    def _steps(
        self,
        steps: int,
        rows: Callable[[int], list[np.ndarray]],
        advance: Sequence[int],
    ) -> list[Any]:
        if steps and self._is_native(rows(0)):
            return self._native(steps, rows(0), advance)
        results: list[list[Any]] = [[] for _ in self.request.outputs]
        for step in range(steps):
            for found, value in zip(results, self._one(rows(step)), strict=True):
                found.append(value[None])
        return results

    def _is_native(self, arrays: Sequence[np.ndarray]) -> bool:
        """Whether the steps can run in one native call: sizes depend on shapes alone."""
        if not self.mode.compiled or self.mode.debug:
            return False
        executor: Executor = self.executor_for(arrays)
        return executor.is_static

    def _native(
        self,
        steps: int,
        arrays: Sequence[np.ndarray],
        advance: Sequence[int],
        order: np.ndarray | None = None,
        batch: int = 0,
        sources: Sequence[np.ndarray] = (),
    ) -> list[Any]:
        executor: Executor = self.executor_for(arrays)
        made = executor.bind(arrays).outputs
        outputs = [np.empty((steps, *shape), dtype) for shape, dtype in made]
        executor.run(steps, arrays, advance, outputs, order, batch, sources)
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
