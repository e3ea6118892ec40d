"""The training loop: epochs, validation, early stopping.

In: a compiled training step and arrays.  Out: a ``History`` of one record per epoch;
the shared parameters that the step updates are trained.  Each epoch is one native call
(``step.epoch``); Python runs between epochs only.  What is shown while it runs is a
callback's business (``progress.py``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from symgraph.compile.callable import CompiledFunction
from symgraph.errors import ArgumentError, NaNError


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave.

    Attributes
    ----------
    epoch : from 1
    epochs : how many were asked for
    loss : mean over all rows of the losses of the steps, each before its update
    seconds : of the epoch's steps, without validation
    validation : the numbers that ``validate`` returned, empty without it
    """

    epoch: int
    epochs: int
    loss: float
    seconds: float
    validation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """All epochs of one training.

    Attributes
    ----------
    records : one for each epoch that ran
    best : epoch (from 1) with the best monitored value, None without validation
    stopped_early : whether patience or a callback ended the training
    """

    records: tuple[EpochRecord, ...]
    best: int | None = None
    stopped_early: bool = False

    @property
    def seconds(self) -> float:
        """Seconds of all training steps."""
        return sum(record.seconds for record in self.records)


def fit(
    step: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    validate: Callable[[], Mapping[str, float]] | None = None,
    monitor: str = "loss",
    patience: int | None = None,
    params: Sequence[Any] = (),
    before_epoch: Callable[[int], None] | None = None,
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    callbacks: Sequence[Callable[[EpochRecord], object]] = (),
    progress: Callable[[int, int, int], object] | None = None,
) -> History:
    """Train with mini-batches for a number of epochs.

    Parameters
    ----------
    step : compiled function of (x, y) whose only output is the mean loss of the batch
    x, y : (n, ...), training rows; shuffled anew in each epoch
    epochs : at least 1
    batch_size : rows of a step; the last, shorter batch of an epoch is used too
    seed : of shuffling and augmentation
    validate : gives named numbers, for example loss and accuracy, after each epoch; once
        before the first, for their names
    monitor : name of the validation number that tells the best epoch; higher is better
        when the name ends in "accuracy", otherwise lower
    patience : stop after so many epochs without a better monitored value
    params : shared variables that get back their values of the best epoch at the end
    before_epoch : called with the number of the epoch (from 1), for example to set a
        shared learning rate
    augment : gives changed copies of x for one epoch
    callbacks : called with each record; one that returns True ends the training
    progress : called now and then within an epoch, with its number, the steps done and
        all steps of it

    Returns
    -------
    History

    Raises
    ------
    ArgumentError : a number is out of range, the step gives something else than one
        number, patience or params lack validation, or validate lacks what is monitored;
        told before the first step
    NaNError : the loss became NaN or infinite
    """
    _check(x, y, epochs, batch_size, patience, params, validate)
    _check_step(step)
    if validate:  # its names are told before an epoch is spent
        _monitored(validate(), monitor)
    random = np.random.default_rng(seed)
    sign = 1.0 if monitor.endswith("accuracy") else -1.0
    records: list[EpochRecord] = []
    best: int | None = None
    best_score, best_values = -math.inf, None
    stopped = False
    for epoch in range(1, epochs + 1):
        if before_epoch:
            before_epoch(epoch)
        rows = augment(x, random) if augment else x
        start = time.perf_counter()
        within = partial(progress, epoch) if progress else None
        losses = np.asarray(_epoch(step, rows, y, batch_size, random, within))
        seconds = time.perf_counter() - start
        loss = _mean_loss(losses, len(x), batch_size)
        if not math.isfinite(loss):
            raise NaNError(
                f"fit: the loss of epoch {epoch} is {loss}; "
                "lower the learning rate or look for bad values in the data"
            )
        validation = dict(validate()) if validate else {}
        records.append(EpochRecord(epoch, epochs, loss, seconds, validation))
        if validate:
            score = sign * _monitored(validation, monitor)
            if best is None or score > best_score:
                best, best_score = epoch, score
                best_values = [p.get_value() for p in params]
        wishes = [callback(records[-1]) for callback in callbacks]
        out_of_patience = patience and best is not None and epoch - best >= patience
        if out_of_patience or any(wish is True for wish in wishes):
            stopped = epoch < epochs
            break
    for param, value in zip(params, best_values or (), strict=True):
        param.set_value(value)
    return History(tuple(records), best, stopped)


def _epoch(
    step: Any,
    x: np.ndarray,
    y: np.ndarray,
    batch_size: int,
    random: np.random.Generator,
    within: Callable[[int, int], object] | None,
) -> np.ndarray:
    shuffle = int(random.integers(2**31))
    settings = {} if within is None else {"progress": within}
    batch = min(batch_size, len(x))
    return step.epoch(x, y, batch_size=batch, shuffle=shuffle, **settings)


def _mean_loss(losses: np.ndarray, n: int, batch_size: int) -> float:
    """Mean over rows: the shorter last batch counts by its rows."""
    sizes = np.full(len(losses), min(batch_size, n), np.float64)
    sizes[-1] = n - sizes[:-1].sum()
    return float(np.dot(losses.astype(np.float64), sizes) / n)


def _monitored(validation: Mapping[str, float], monitor: str) -> float:
    if monitor not in validation:
        known = ", ".join(validation) or "nothing"
        raise ArgumentError(f"fit: monitor = {monitor!r}, but validate gave {known}")
    return validation[monitor]


def _check_step(step: Any) -> None:
    """Refuse what a step cannot be before it has changed anything."""
    if not isinstance(step, CompiledFunction):
        return
    request = step.request
    if request.form != "single" or request.outputs[0].ndim:
        what = f"{len(request.outputs)} outputs"
        if request.form == "single":
            what = f"an output of rank {request.outputs[0].ndim}"
        raise ArgumentError(
            f"fit: {step!r} gives {what}, expected one output of rank 0, the mean loss of "
            "a batch\nCompile function([x, y], loss, updates=...) with loss.mean(); what "
            "else is of interest belongs to validate."
        )
    if len(request.inputs) != 2:
        raise ArgumentError(
            f"fit: {step!r} takes {len(request.inputs)} inputs, expected (x, y)"
        )


def _check(
    x: np.ndarray,
    y: np.ndarray,
    epochs: int,
    batch_size: int,
    patience: int | None,
    params: Sequence[Any],
    validate: object,
) -> None:
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value < 1:
            raise ArgumentError(f"fit: {name} = {value}, must be at least 1")
    if len(x) != len(y) or not len(x):
        raise ArgumentError(
            f"fit: x has {len(x)} rows and y has {len(y)}; "
            "both need the same number, at least 1"
        )
    if patience is not None and patience < 1:
        raise ArgumentError(f"fit: patience = {patience}, must be at least 1 or None")
    if validate is None and (patience or params):
        raise ArgumentError("fit: patience and params need validate to know the best")
