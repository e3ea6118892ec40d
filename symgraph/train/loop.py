"""The loop of a training: epochs, validation, callbacks.

In: a model's functions, a source of rows, a `Run`.  Out: the history of the run; the
parameters are trained.  An epoch of rows in memory is one native call (``step.epoch``),
and while nobody needs to look between epochs, Python only keeps what they gave.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from math import gcd
from typing import Any

import numpy as np

from symgraph.errors import NaNError
from symgraph.train.callbacks.base import Callback, Run
from symgraph.train.functions import Functions, Measured
from symgraph.train.measures import joined
from symgraph.train.sources import Arrays, Chunk, Stream, Whole, order_seed
from symgraph.train.task import Task

#: seconds after which a training that nobody steers tells what it did
PERIOD = 0.1
#: rows of a NaN's batch that an error names
NAMED = 8
Outputs = list[np.ndarray]


def train(
    functions: Functions,
    source: Whole | Stream,
    run: Run,
    callbacks: Sequence[Callback],
    validate: Callable[[], dict[str, Any]] | None,
) -> None:
    """Run all epochs of a training.

    Parameters
    ----------
    functions : of the model
    source : gives the rows of each epoch
    run : is kept up to date and shown to the callbacks
    validate : gives the numbers of the validation part

    Raises
    ------
    NaNError : a loss became NaN or infinite, and no callback ends the training for it
    """
    loop = _Loop(functions, source, run, callbacks, validate)
    run.steps, run.rows, run.batch_size = source.steps, source.rows, source.batch_size
    run.callbacks = list(callbacks)
    begun: list[Callback] = []
    try:
        for callback in callbacks:
            callback.on_train_begin(run)
            begun.append(callback)
        loop.prepare()
        while run.epoch < run.last and not run.stopped:
            if loop.quiet and not run.done:
                loop.several()
            else:
                loop.one()
    finally:
        for callback in reversed(begun):
            callback.on_train_end(run)
    if run.epoch < run.last:
        run.history.stopped = run.stopped


class _Loop:
    """The epochs of one training."""

    def __init__(
        self,
        functions: Functions,
        source: Whole | Stream,
        run: Run,
        callbacks: Sequence[Callback],
        validate: Callable[[], dict[str, Any]] | None,
    ) -> None:
        self.functions = functions
        self.source = source
        self.run = run
        self.callbacks = callbacks
        self.validate = validate
        self._whole: Measured | None = None
        self.watching = [c for c in callbacks if c.watches]
        self.told = [
            c
            for c in callbacks
            if c.batches and type(c).on_batches is not Callback.on_batches
        ]
        self.every: int | None = None
        for callback in self.told:
            self.every = gcd(self.every or 0, callback.batches or 1)
        #: who sets the rate of each step
        self.schedule: Any = next(
            (c for c in callbacks if getattr(c, "by_step", False)), None
        )
        self.quiet = (
            isinstance(source, Whole)
            and validate is None
            and not source.augmentation
            and all(c.deferrable for c in callbacks)
        )

    def prepare(self) -> None:
        """Compile the step where its data is known already."""
        if isinstance(self.source, Whole):
            self.measured(self.source.arrays)

    def measured(self, arrays: Arrays) -> Measured:
        """The training step for some rows."""
        if self._whole is not None:
            return self._whole
        steps = self.source.steps if self.schedule is not None else None
        found = self.functions.step(arrays.signature, steps).measured
        if isinstance(self.source, Whole):
            self._whole = found
        return found

    # --- many epochs ----------------------------------------------------------------------

    def several(self) -> None:
        """Epochs until it is time to tell of them."""
        run, source = self.run, self.source
        assert isinstance(source, Whole)
        measured = self.measured(source.arrays)
        function = measured.function
        until = time.perf_counter() + PERIOD
        made: list[tuple[int, Any, float]] = []
        start = run.epoch
        if source.steps == 1:
            made = self._repeated(function, source, run.last - start, until)
        else:
            within = self._within(start + 1)
            rows = source.arrays.all
            settings: dict[str, Any] = {"batch_size": source.batch_size}
            if within is not None:
                settings["progress"] = within
            now = time.perf_counter()
            for epoch in range(start + 1, run.last + 1):
                shuffle = order_seed(source.seed, epoch) if source.shuffle else False
                before = now
                outputs = _listed(function.epoch(*rows, shuffle=shuffle, **settings))
                now = time.perf_counter()
                made.append((epoch, outputs, now - before))
                if now > until:
                    break
        if not self.callbacks and not measured.metrics and self._joined(made):
            return
        for epoch, outputs, seconds in made:
            run.epoch = epoch
            self.begin_epoch()
            if not self.end_epoch(measured, [outputs], [None], seconds):
                return

    def _joined(self, made: list[tuple[int, Any, float]]) -> bool:
        """Remember epochs that gave nothing but losses; False where one is no number."""
        run = self.run
        losses = np.stack([outputs[0] for _, outputs, _ in made]).astype(np.float64)
        sizes = self.sizes
        means = losses @ sizes / sizes.sum()
        if not np.isfinite(means).all():
            return False
        epochs = [epoch for epoch, _, _ in made]
        columns: dict[str, list[Any]] = {"loss": means.tolist()}
        if self.functions.rate is not None:
            rate = float(self.functions.rate.get_value())
            columns["learning_rate"] = [rate] * len(made)
        columns["seconds"] = [seconds for _, _, seconds in made]
        run.history.extend(epochs, columns)
        run.epoch = run.model.epoch = epochs[-1]
        run.losses, run.numbers = losses[-1], run.history.last
        return True

    def _repeated(
        self, function: Any, source: Whole, left: int, until: float
    ) -> list[tuple[int, Any, float]]:
        """Epochs of one batch each: as many as fit into the time, in a few calls."""
        made: list[tuple[int, Any, float]] = []
        count = 1
        epoch = self.run.epoch
        while left:
            count = min(count, left)
            before = time.perf_counter()
            outputs = _listed(function.repeat(count, *source.arrays.all))
            now = time.perf_counter()
            share = (now - before) / count
            for number in range(count):
                epoch += 1
                parts = [a[number : number + 1] for a in outputs]
                made.append((epoch, parts, share))
            left -= count
            if now > until:
                break
            count = min(2 * count, max(1, int((until - now) / max(share, 1e-9))))
        return made

    # --- one epoch ------------------------------------------------------------------------

    def one(self) -> None:
        """One epoch, with everything that callbacks may want."""
        run = self.run
        run.epoch += 1
        done, parts = run.done, list(run.partial)
        run.done, run.partial = 0, []
        self.begin_epoch()
        if self.schedule is not None:
            self._set_rates(done)
        orders: list[Any] = [None] * len(parts)
        measured: Any = None
        within = self._within(run.epoch)
        seconds = 0.0
        for chunk in self.source.chunks(run.epoch, self.every, done):
            measured = self.measured(chunk.arrays)
            run.batch = chunk.first
            before = time.perf_counter()
            outputs = _epoch(measured.function, chunk, within)
            seconds += time.perf_counter() - before
            outputs.append(_sizes(chunk))
            parts.append(outputs)
            orders.append(chunk.order)
            done += len(outputs[0])
            if self.told:
                run.losses = np.concatenate([p[0] for p in parts])
                run.done, run.partial = done, parts
                for callback in self.told:
                    if not done % (callback.batches or 1) or done == run.steps:
                        callback.on_batches(run, done)
        run.done, run.partial = 0, []
        if measured is None and isinstance(self.source, Whole):
            measured = self.measured(self.source.arrays)
        self.end_epoch(measured, parts, orders, seconds)

    def _set_rates(self, done: int) -> None:
        run = self.run
        assert run.steps is not None
        rates = self.schedule.rates(run, run.steps)
        self.functions.rates.set_value(np.asarray(rates, self.functions.rates.dtype))
        self.functions.next.set_value(np.int64(done))
        self.functions.rate.set_value(np.asarray(rates[-1], self.functions.rate.dtype))

    def _within(self, epoch: int) -> Any:
        if not self.watching:
            return None

        def tell(done: int, steps: int) -> None:
            for callback in self.watching:
                callback.within(epoch, done, steps)

        return tell

    def begin_epoch(self) -> None:
        """Tell the callbacks."""
        for callback in self.callbacks:
            callback.on_epoch_begin(self.run)

    def end_epoch(
        self,
        measured: Measured,
        parts: Sequence[Outputs],
        orders: Sequence[Any],
        seconds: float,
    ) -> bool:
        """Measure, remember, tell the callbacks; False where the training ends by NaN."""
        run, functions = self.run, self.functions
        parts = [
            p if len(p) > 1 + sum(measured.counts) else [*p, self.sizes] for p in parts
        ]
        losses, *sums, sizes = joined(parts)
        run.losses = losses
        loss = float(np.dot(losses.astype(np.float64), sizes) / sizes.sum())
        if not np.isfinite(loss) and not np.isfinite(losses).all():
            self._nan(losses, parts, orders)
            return False
        numbers = {"loss": loss, **measured.numbers(functions.task, sums)}
        run.model.epoch = run.epoch
        if self.validate is not None:
            found = self.validate()
            numbers |= {f"validation_{name}": value for name, value in found.items()}
        if functions.rate is not None:
            numbers["learning_rate"] = float(functions.rate.get_value())
        numbers["seconds"] = seconds
        run.numbers = numbers
        run.history.append(run.epoch, numbers)
        for callback in self.callbacks:
            callback.on_epoch_end(run)
        return True

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """Rows of each step of rows in memory."""
        source = self.source
        assert isinstance(source, Whole)
        return _sizes(Chunk(source.arrays, source.batch_size))

    def _nan(
        self, losses: np.ndarray, parts: Sequence[Outputs], orders: Sequence[Any]
    ) -> None:
        """Name the batch; raise, unless a callback ends the training."""
        run, source = self.run, self.source
        batch = int(np.flatnonzero(~np.isfinite(losses))[0])
        text = (
            f"the loss of epoch {run.epoch} is {losses[batch]} from batch {batch + 1} of "
            f"{len(losses)} on"
        )
        if isinstance(source, Whole) and source.steps != 1:
            size = source.batch_size
            rows = source.order(run.epoch)[batch * size : (batch + 1) * size]
            named = ", ".join(map(str, rows[:NAMED]))
            text += f" (rows {named}{', ...' if len(rows) > NAMED else ''})"
        for callback in self.callbacks:
            if callback.on_nan(run, text):
                run.stop(text)
        if not run.stopped:
            raise NaNError(
                f"fit: {text}\nLower the learning rate, clip the gradients "
                "(clip_norm=1.0), or look for bad values in the data."
            )
        run.epoch -= 1


def _epoch(function: Any, chunk: Chunk, within: Any) -> Outputs:
    settings = {} if within is None else {"progress": within}
    return _listed(
        function.epoch(
            *chunk.arrays.all,
            batch_size=chunk.batch_size,
            shuffle=chunk.shuffle,
            **settings,
        )
    )


def _listed(outputs: Any) -> Outputs:
    return list(outputs) if isinstance(outputs, list) else [outputs]


def _sizes(chunk: Chunk) -> np.ndarray:
    """Rows of each step of a chunk."""
    rows, size = chunk.arrays.rows, chunk.batch_size
    sizes = np.full(-(-rows // size), size, np.float64)
    sizes[-1] = rows - sizes[:-1].sum()
    return sizes


def measure(
    test: Callable[[Arrays], Measured], chunks: Iterable[Chunk], task: Task
) -> dict[str, Any]:
    """Loss and metrics over all rows of some chunks.

    Parameters
    ----------
    test : gives the function for some rows; see `Functions.test`
    """
    losses, sizes, sums = [], [], []
    found: Any = None
    for chunk in chunks:
        found = test(chunk.arrays)
        for start, stop, size in _even(chunk.arrays.rows, chunk.batch_size):
            part = chunk.arrays.taken(slice(start, stop))
            loss, *others = found.function.epoch(*part.all, batch_size=size)
            losses.append(loss.astype(np.float64) * size)
            sizes.append(stop - start)
            sums.append(_by_kind(found, others))
    total = float(np.concatenate(losses).sum()) / sum(sizes)
    return {"loss": total, **found.numbers(task, joined(sums))}


def _by_kind(measured: Measured, outputs: Outputs) -> Outputs:
    """Outputs of rows as one array of rows; others as they are."""
    made, start = [], 0
    for (_, metric), count in zip(measured.metrics, measured.counts, strict=True):
        for each in outputs[start : start + count]:
            made.append(each.reshape(-1) if metric.by_rows else each)
        start += count
    return made


def predict(function: Any, inputs: list[np.ndarray], batch_size: int) -> Outputs:
    """What a function of rows gives for all rows."""
    parts: list[Outputs] = []
    for start, stop, size in _even(len(inputs[0]), batch_size):
        found = function.epoch(*(a[start:stop] for a in inputs), batch_size=size)
        parts.append([a.reshape(-1, *a.shape[2:]) for a in found])
    return [np.concatenate(each) if len(each) > 1 else each[0] for each in zip(*parts)]


def _even(rows: int, batch_size: int) -> list[tuple[int, int, int]]:
    """Parts of rows that divide evenly: (first, end, rows of a step)."""
    size = min(batch_size, rows)
    full = rows - rows % size if size else 0
    found = [(0, full, size)] if full else []
    return [*found, (full, rows, rows - full)] if full < rows else found
