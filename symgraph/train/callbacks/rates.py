"""Callbacks that set the learning rate: schedules, and a drop where nothing gets better.

A schedule is a factor of the rate that the model began with, as a function of the epochs
that are done and of all epochs.  Set for every step, the rates of an epoch are an array
that the native loop reads; the rest of ``fit`` stays one call for each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError
from symgraph.train.callbacks.base import Callback, Run
from symgraph.train.callbacks.stopping import Best

BY = ("step", "epoch")


class LearningRateSchedule(Callback):
    """rate = base * factor(done, epochs).

    Parameters
    ----------
    factor : function of (epochs done, a float from 0; all epochs)
    by : "step" sets the rate of every step, "epoch" of every epoch
    base : rate that the factors belong to; by default that which the model was made with

    Examples
    --------
    >>> halved = LearningRateSchedule(lambda done, epochs: 0.5 ** int(done))
    >>> halved.factor(3.2, 10)
    0.125
    """

    def __init__(
        self,
        factor: Callable[[float, float], float],
        by: str = "step",
        base: float | None = None,
    ) -> None:
        if by not in BY:
            raise ArgumentError(
                f"{type(self).__name__}: by={by!r}, expected one of {BY}"
            )
        if not callable(factor):
            raise ArgumentError(
                f"{type(self).__name__}: factor={factor!r} is no function of "
                "(epochs done, all epochs)"
            )
        self.factor = factor
        self.by_step = by == "step"
        self.base = base

    def on_train_begin(self, run: Run) -> None:
        """Refuse a model without a learning rate, and a second schedule."""
        name = type(self).__name__
        if run.model.functions.rate is None:
            raise ArgumentError(
                f"{name}: the model's updates take no learning rate; give the function an "
                "argument learning_rate"
            )
        if self.by_step and run.steps is None:
            raise ArgumentError(
                f"{name}: how many batches an epoch has is not known; pass steps= to fit, "
                "or by='epoch'"
            )
        others = [c for c in run.callbacks if isinstance(c, LearningRateSchedule)]
        if len(others) > 1:
            raise ArgumentError(f"{name}: {len(others)} schedules of one learning rate")

    def _at(self, run: Run, done: float) -> float:
        base = run.model.task.rule.rate if self.base is None else self.base
        factor = float(self.factor(done, float(run.last - run.first)))
        if not factor >= 0:
            raise ArgumentError(
                f"{type(self).__name__}: the factor is {factor} after {done:g} epochs, "
                "must be 0 or more"
            )
        return float(base * factor)

    def on_epoch_begin(self, run: Run) -> None:
        """Set the rate of the epoch."""
        if not self.by_step:
            run.model.learning_rate = self._at(run, run.epoch - 1 - run.first)

    def rates(self, run: Run, steps: int) -> np.ndarray:
        """The rate of each step of the present epoch."""
        begun = run.epoch - 1 - run.first
        return np.array([self._at(run, begun + step / steps) for step in range(steps)])


class Linear(LearningRateSchedule):
    """factor = 1 + (to - 1) * done / epochs.

    Parameters
    ----------
    to : factor at the end
    by, base : see `LearningRateSchedule`
    """

    def __init__(
        self, to: float = 0.0, by: str = "step", base: float | None = None
    ) -> None:
        super().__init__(
            lambda done, epochs: 1 + (to - 1) * min(1, done / epochs), by, base
        )


class Stairs(LearningRateSchedule):
    """factor = drop ** floor(done / every).

    Parameters
    ----------
    every : epochs between two drops
    drop : of each
    by, base : see `LearningRateSchedule`

    Examples
    --------
    >>> [Stairs(2, 0.5).factor(done, 10) for done in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        every: int,
        drop: float = 0.1,
        by: str = "epoch",
        base: float | None = None,
    ) -> None:
        if every < 1:
            raise ArgumentError(f"Stairs: every = {every}, must be 1 or more")
        super().__init__(lambda done, epochs: float(drop ** (done // every)), by, base)


class Exponential(LearningRateSchedule):
    """factor = decay ** done.

    Parameters
    ----------
    decay : of an epoch
    by, base : see `LearningRateSchedule`
    """

    def __init__(
        self, decay: float, by: str = "step", base: float | None = None
    ) -> None:
        super().__init__(lambda done, epochs: float(decay**done), by, base)


class Cosine(LearningRateSchedule):
    """factor = to + (1 - to) * (1 + cos(pi * done / epochs)) / 2.

    Parameters
    ----------
    to : factor at the end
    by, base : see `LearningRateSchedule`

    References
    ----------
    Loshchilov and Hutter 2016, SGDR, equation 5. arXiv:1608.03983
    """

    def __init__(
        self, to: float = 0.0, by: str = "step", base: float | None = None
    ) -> None:
        def factor(done: float, epochs: float) -> float:
            return to + (1 - to) * (1 + math.cos(math.pi * min(1, done / epochs))) / 2

        super().__init__(factor, by, base)


class WarmUp(LearningRateSchedule):
    """factor = done / warm at first, then that of another schedule over what is left.

    Parameters
    ----------
    warm : epochs, may be a fraction
    then : schedule, or its factor; None stays at 1

    References
    ----------
    Goyal et al. 2017, Accurate, large minibatch SGD, section 2.2. arXiv:1706.02677

    Examples
    --------
    >>> warmed = WarmUp(2, Linear())
    >>> [round(warmed.factor(done, 4), 2) for done in (0.5, 1, 2, 3)]
    [0.25, 0.5, 1.0, 0.5]
    """

    def __init__(
        self, warm: float, then: Any = None, base: float | None = None
    ) -> None:
        if not warm > 0:
            raise ArgumentError(f"WarmUp: warm = {warm}, must be above 0")
        after = then.factor if isinstance(then, LearningRateSchedule) else then

        def factor(done: float, epochs: float) -> float:
            if done < warm:
                return done / warm
            return 1.0 if after is None else float(after(done - warm, epochs - warm))

        super().__init__(factor, "step", base)


class OneCycle(LearningRateSchedule):
    """Up from 1 / start to 1, then down to 1 / end, both along a cosine.

    Parameters
    ----------
    rise : share of the training that goes up
    start, end : by how much the rate is divided at the start and at the end

    References
    ----------
    Smith and Topin 2017, Super-convergence. arXiv:1708.07120
    """

    def __init__(
        self,
        rise: float = 0.3,
        start: float = 25.0,
        end: float = 1e4,
        base: float | None = None,
    ) -> None:
        if not 0 < rise < 1:
            raise ArgumentError(f"OneCycle: rise = {rise}, must lie in 0 .. 1")

        def factor(done: float, epochs: float) -> float:
            share = min(1.0, done / epochs)
            if share < rise:
                low, way = 1 / start, 1 - share / rise
            else:
                low, way = 1 / end, (share - rise) / (1 - rise)
            return low + (1 - low) * (1 + math.cos(math.pi * way)) / 2

        super().__init__(factor, "step", base)


class ReduceLROnPlateau(Callback):
    """rate := max(smallest, rate * factor) after some epochs without a better value.

    Parameters
    ----------
    monitor, patience, min_delta : see `EarlyStopping`
    factor : of each drop
    smallest : below which the rate does not fall
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        factor: float = 0.1,
        patience: int = 3,
        smallest: float = 0.0,
        min_delta: float = 0.0,
    ) -> None:
        if not 0 < factor < 1 or patience < 1:
            raise ArgumentError(
                f"ReduceLROnPlateau: factor = {factor}, must lie in 0 .. 1; patience = "
                f"{patience}, must be 1 or more"
            )
        self.factor = factor
        self.patience = patience
        self.smallest = smallest
        self._best = Best(monitor, min_delta, "ReduceLROnPlateau")
        self._since = 0

    def on_epoch_end(self, run: Run) -> None:
        """Look at the value."""
        if self._best.improves(run):
            self._since = 0
            return
        self._since += 1
        if self._since >= self.patience:
            rate = max(self.smallest, run.model.learning_rate * self.factor)
            run.model.learning_rate = rate
            self._since = 0

    def state(self) -> dict[str, Any]:
        """The best value, and how long ago it was."""
        return {"value": self._best.value, "since": self._since}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self._best.value, self._since = state["value"], int(state["since"])
