"""CompiledFunction: what `symgraph.function` returns.

A call goes straight to native code when its arguments fit the last signature and nobody
holds its shared variables; otherwise they are converted, checked and bound, and the
shared variables are held while it runs. So a call, a `repeat` and an `epoch` are each
one event for all other threads. A function that needs another specialization of its graph
(an axis that turns out to broadcast, a shared variable of another shape) makes it on
demand and keeps it. In: a Request and a Mode. Out: values.
"""

import ctypes
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.backends.base import Options
from symgraph.backends.reference import evaluate
from symgraph.compile.arguments import Request
from symgraph.compile.batches import Progress, Steps, batch_of, times_of
from symgraph.compile.build import Lowered, Timings, build, lowered
from symgraph.compile.debug import compared
from symgraph.compile.inputs import converted
from symgraph.compile.locate import named
from symgraph.compile.modes import Mode
from symgraph.compile.ones import Ones, computed_ones
from symgraph.compile.specialization import Specialization, specialized
from symgraph.compile.stages import Stages
from symgraph.core.node import computing, described
from symgraph.core.record import Record
from symgraph.core.shared import Holding, generation
from symgraph.core.types import StaticShape
from symgraph.errors import (
    DeviceError,
    IndexRangeError,
    InputError,
    MissingInputError,
    NotSupportedError,
    ShapeError,
)
from symgraph.runtime.executor import Binding, Executor
from symgraph.runtime.host_callbacks import Broadcasts

#: shapes of arguments that have a fast way in at the same time
MOST_ENTRIES = 8
#: calls by another entry than the first, after which the last of them becomes the first
OFTEN = 16


class Entry(Record):
    """A fast way in: what it was made for, the native callable, and whose it is."""

    present: tuple[int, int]
    call: Any
    executor: Executor


class CompiledFunction(Stages):
    """A compiled function.

    Call it with the values of its inputs, by position or by name. Every result is a
    fresh NumPy array (a SciPy matrix where it is sparse). `repeat` and `epoch` run many
    steps in one native call. `graph`, `optimized`, `kernels`, `source`, and `explain()`
    print the stages.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> f = sg.function([x, y], (x + y) + (x + y))
    >>> f([1.0, 2.0], [3.0, 4.0])
    array([ 8., 12.])
    """

    def __init__(
        self,
        request: Request,
        mode: Mode,
        name: str | None,
        downcast: bool | None,
        options: Options,
    ) -> None:
        self.request = request
        self.mode = mode
        self.name = name
        self.downcast = downcast
        self.timings = Timings()
        self.options = options
        self._lock = threading.RLock()
        self._executors: dict[Any, Executor] = {}
        self._specializations: dict[Any, Specialization] = {}
        self._ones: dict[Any, Ones] = {}
        self._executor: Executor | None = None
        self._direct: Any = _closed  # a fast way in; it returns None where it is closed
        self._others: tuple[Any, ...] = ()  # and those for arrays of other shapes
        self._hits = 0  # calls that went another way
        self._entries: dict[Binding, Entry] = {}
        self._plain = request.form in ("single", "list")
        self._layout = request.layout
        self._holding = Holding(v.container for v in request.shared)
        self._lowered: dict[Any, Lowered] = {}
        native = mode.compiled and not mode.debug
        self._many = Steps(
            request, self._one, self.executor_for if native else None, self.special
        )
        _check_devices(request, options.device)
        self.specialization = self._present(())
        if mode.compiled and not self.specialization.needs_shapes:
            self._use(self.specialization)

    def __repr__(self) -> str:
        inputs = ", ".join(e.name or "?" for e in self.request.inputs)
        return f"<symgraph function {self.name or ''}({inputs}) {self.mode.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """The graph and the values travel; machine code is made again, or in the cache."""
        request = self.request
        roots = [*request.outputs, *(new for _, new in request.updates)]
        settings = (request, self.mode, self.name, self.downcast, self.options)
        return _made_again, (computing(roots), type(self), settings)

    # --- stages -----------------------------------------------------------------------

    @property
    def lowered(self) -> Lowered:
        """What the function runs; of one from the cache it is made when asked for."""
        special = self.specialization
        if special.needs_shapes:
            raise NotSupportedError(
                f"{self!r} has rows whose number only a call tells, so it is compiled "
                "for the shapes of a call\nCall it, then look."
            )
        found = self._lowered.get(special.key)
        if found is None:
            found = lowered(special.graph, special.leaves, self.options)
            self._lowered[special.key] = found
        return found

    # --- calls ------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run once with the values of the inputs."""
        if not kwargs:
            result = self._direct(*args)
            if result is None and self._others:
                result = self._another_way(args)
            if result is not None:
                return result if self._plain else self._result(result)
        return self._slow(args, kwargs)

    def _another_way(self, args: Sequence[Any]) -> Any:
        """Call by the entry for arrays of these shapes; None if there is none."""
        for entry in self._others:
            result = entry(*args)
            if result is not None:
                self._hits += 1
                if self._hits % OFTEN == 0 and self._lock.acquire(blocking=False):
                    try:  # it has become the usual one
                        self._arrange(entry)
                    finally:
                        self._lock.release()
                return result
        return None

    def _arrange(self, first: Any) -> None:
        """Try this entry first, then those that were made last."""
        made = [e.call for e in self._entries.values() if e.call is not first]
        self._direct, self._others = first, tuple(reversed(made))

    def _slow(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        arrays = self.convert(args, kwargs)
        with self._holding, self._lock:
            return self._result(self._one(arrays))

    def _run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        executor = self.executor_for(arrays)
        try:
            outputs = executor.call(arrays)
        except Broadcasts as mismatch:  # the call has changed nothing
            executor, outputs = self._again(arrays, mismatch)
        except IndexRangeError as error:
            raise named(self.request, arrays, error) from None
        if executor.is_native and not self.mode.debug and self._layout is None:
            self._open(executor, arrays)
        return outputs

    def _open(self, executor: Executor, arrays: Sequence[np.ndarray]) -> None:
        """Let calls with arrays like these go straight to native code."""
        binding = executor.bind(arrays)
        present = (generation.count, executor.arena.generation)
        known = self._entries.get(binding)
        if binding.long:  # it would only find out again that it lasts
            self._close(binding)
        elif known is None or known.present != present:
            self._close(binding)
            guard: list[tuple[ctypes.c_int64, int]] = [
                (generation.word, generation.count),
                (executor.arena.word, executor.arena.generation),
            ]
            guard += [(c.held, 0) for c in self._holding.containers]
            single = self.request.form == "single"
            call = executor.direct(binding, single, guard)
            if len(self._entries) >= MOST_ENTRIES:
                self._close(next(iter(self._entries)))
            self._entries[binding] = Entry(present, call, executor)
            self._arrange(call)

    def _close(self, binding: Binding) -> None:
        """Close the fast way, for threads that are about to take it as well."""
        gone = self._entries.pop(binding, None)
        if gone is not None:
            gone.executor.executable.close(gone.call)
            left = [e.call for e in self._entries.values()]
            self._arrange(left[-1] if left else _closed)

    def executor_for(self, arrays: Sequence[np.ndarray]) -> Executor:
        """The executor that fits the arguments; compiles one if there is none."""
        special = self._present(())
        if special.needs_shapes:
            special = self._present(tuple(a.shape for a in arrays))
            if special.needs_shapes:
                raise NotSupportedError(
                    f"{self!r}: the length of an expression whose jacobian is taken "
                    'depends on values, not on shapes alone\nUse mode="FAST_COMPILE", '
                    "or give the expression a length that shapes tell."
                )
        try:
            return self._use(special, arrays)
        except Broadcasts:
            pass
        # an extent of 1 must be known to broadcast: that of an input, or a computed one
        try:
            return self._use(self._present(self._with_ones(arrays)), arrays)
        except Broadcasts:
            pass
        try:
            return self._use(self._present(tuple(a.shape for a in arrays)), arrays)
        except Broadcasts as mismatch:
            executor, _ = self._again(arrays, mismatch, run=False)
            return executor

    def _with_ones(self, arrays: Sequence[np.ndarray]) -> tuple[StaticShape, ...]:
        """The declared shapes of the inputs, with the extents that are 1 in this call."""
        declared = [e.variable.type.shape for e in self.request.inputs]
        return tuple(
            tuple(
                1 if e == 1 else known for e, known in zip(a.shape, shape, strict=True)
            )
            for a, shape in zip(arrays, declared, strict=True)
        )

    def specialization_for(self, arrays: Sequence[np.ndarray]) -> Specialization:
        """What a call will use in the end, found by evaluating it with NumPy."""
        ones = computed_ones(self.request, arrays)
        if ones:
            return self._present(self._with_ones(arrays), ones)
        self.executor_for(arrays)
        return self.specialization

    def _again(
        self, arrays: Sequence[np.ndarray], mismatch: Broadcasts, run: bool = True
    ) -> tuple[Executor, list[np.ndarray]]:
        """Bind, and `run`, what knows which computed extents are 1."""
        given = self.specialization.key[1] or self._with_ones(arrays)
        for ones in self._computed_ones(arrays):
            try:
                executor = self._use(self._present(given, ones), arrays)
                return executor, executor.call(list(arrays)) if run else []
            except (
                Broadcasts,
                ShapeError,
            ):  # the promises do not hold for these values
                continue
        raise ShapeError(
            f"{mismatch}\nOne of them depends on a value and is 1 only now, inside a loop "
            "or a branch. Promise it there with addbroadcast, or make it a constant."
        ) from None

    def _computed_ones(self, arrays: Sequence[np.ndarray]) -> Iterator[Ones]:
        """Computed extents of 1: those of the last call of these shapes, then of this."""
        shapes = tuple(a.shape for a in arrays)
        before = self._ones.get(shapes)
        if before is not None:
            yield before
        found = computed_ones(self.request, arrays)
        if found != before:
            self._ones[shapes] = found
            yield found

    def _present(
        self, given: tuple[StaticShape, ...], ones: Ones = ()
    ) -> Specialization:
        """That for the present shared shapes, and these of inputs (none: declared)."""
        shapes = tuple(v.container.shape for v in self.request.shared)
        key = (shapes, given, ones)
        found = self._specializations.get(key)
        if found is None:
            found = self._specializations[key] = specialized(self.request, key)
        return found

    def _use(
        self, special: Specialization, arrays: Sequence[np.ndarray] | None = None
    ) -> Executor:
        """The executor of a specialization, bound to the arguments if there are any."""
        if self._executor is None or special is not self.specialization:
            self._change(special)
        assert self._executor is not None
        if arrays is not None:
            self._executor.bind(arrays)
        return self._executor

    def _change(self, special: Specialization) -> None:
        executor = self._executors.get(special.key)
        if executor is None:
            shared = self.request.shared
            executor, self.timings, made = build(
                special.graph, special.leaves, shared, self.options
            )
            if made is not None:
                self._lowered[special.key] = made
            executor.outputs = self.request.outputs
            self._executors[special.key] = executor
        self.specialization, self._executor = special, executor

    def special(self, arrays: Sequence[np.ndarray]) -> Executor:
        """An executor for exactly these shapes, whose loops know their lengths."""
        declared = [e.variable.type.shape for e in self.request.inputs]
        fixed_rows = tuple(a.shape[0] if a.ndim else None for a in arrays)
        given = tuple(
            (shape[0], *a.shape[1:]) if a.ndim else ()
            for a, shape in zip(arrays, declared, strict=True)
        )
        special = self._present(given)
        key = (special.key, fixed_rows)
        found = self._executors.get(key)
        if found is None and not special.needs_shapes:
            shared = self.request.shared
            found, _, _ = build(
                special.graph, special.leaves, shared, self.options, fixed_rows
            )
            try:
                found.bind(arrays)
            except Broadcasts:  # one row that broadcasts is not known to be one here
                found = None
        if found is None:
            found = self.executor_for(arrays)
        self._executors[key] = found
        return found

    def _one(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """One step in the way of the mode."""
        if not self.mode.compiled:
            return self._by_reference(arrays)
        given = [_contiguous(a) for a in arrays]
        if self.mode.debug:
            return compared(self, arrays, lambda: self._run(given))
        return self._run(given)

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
        count = times_of(times)
        arrays = self.convert(args, kwargs)
        with self._holding, self._lock:
            return self._result(self._many.repeat(count, arrays, progress))

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
        batch = batch_of(batch_size)
        arrays = self.convert(args, kwargs)
        with self._holding, self._lock:
            results = self._many.epoch(arrays, batch, shuffle, drop_last, progress)
            return self._result(results)

    # --- arguments and results -----------------------------------------------------------

    def convert(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[np.ndarray]:
        """The values of all inputs as arrays of their types."""
        entries = self.request.inputs
        if self._layout is not None:
            args, kwargs = self._layout.flatten(args, kwargs, repr(self))
        if len(args) > len(entries):
            raise InputError(
                f"{self!r} takes {len(entries)} values, {len(args)} were given"
            )
        given: dict[int, Any] = dict(enumerate(args))
        names = {e.name: i for i, e in enumerate(entries) if e.name}
        for name, value in kwargs.items():
            if name not in names:
                raise InputError(
                    f"{self!r} has no input {name!r}; there are {sorted(names)}"
                )
            if names[name] in given:
                raise InputError(f"{self!r}: input {name!r} is given twice")
            given[names[name]] = value
        arrays = []
        for i, entry in enumerate(entries):
            if i not in given:
                if entry.value is None:
                    label = entry.name or f"number {i} ({entry.variable.type})"
                    raise MissingInputError(f"{self!r}: no value for input {label}")
                given[i] = entry.value
            arrays.append(converted(given[i], entry, self.downcast))
        return arrays

    def _result(self, outputs: list[np.ndarray]) -> Any:
        form = self.request.form
        if self._layout is not None:
            return self._layout.unflatten(outputs)
        if form == "single":
            return outputs[0]
        if form == "dict":
            return dict(zip(self.request.keys, outputs, strict=True))
        return None if form == "none" else outputs

    def _by_reference(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        request = self.request
        values = dict(zip((e.variable for e in request.inputs), arrays, strict=True))
        roots = [*request.outputs, *(new for _, new in request.updates)]
        results = [np.array(a) for a in evaluate(roots, values)]
        count = len(request.outputs)
        for (target, _), value in zip(request.updates, results[count:], strict=True):
            target.set_value(value)
        return results[:count]

    # --- Theano's names --------------------------------------------------------------

    def free(self) -> None:
        """Give temporary memory and kept bindings back."""
        with self._lock:
            for binding in list(self._entries):
                self._close(binding)
            for executor in self._executors.values():
                executor.free()


def _made_again(order: Any, kind: Any, settings: Any) -> CompiledFunction:
    """A copied function."""
    made: CompiledFunction = kind(*settings)
    return made


def _check_devices(request: Request, device: str) -> None:
    for variable in request.shared:
        where = variable.container.device
        if where != device:
            raise DeviceError(
                f"a function for {device!r} cannot use a shared variable whose value "
                f"lives on {where!r}\n  {described(variable)}\nMake it with "
                f"shared(value, device={device!r}), or set config.device before the "
                "model is made."
            )


def _closed(*args: Any) -> None:
    """Stand for a fast way that is not open."""


def _contiguous(array: np.ndarray) -> np.ndarray:
    # numpy.ascontiguousarray would give a 0-d array an axis
    return array if array.flags.c_contiguous else np.array(array, order="C")
