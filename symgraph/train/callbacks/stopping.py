"""Callbacks that end a training: no progress, no numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError
from symgraph.train.callbacks.base import Callback, Run


class Best:
    """The best value of a number so far.

    Parameters
    ----------
    monitor : name of the number
    min_delta : a value is better when it is so by more than this
    """

    def __init__(self, monitor: str, min_delta: float, who: str) -> None:
        if not min_delta >= 0:
            raise ArgumentError(f"{who}: min_delta = {min_delta}, must be 0 or more")
        self.monitor = monitor
        self.min_delta = min_delta
        self.who = who
        self.value = math.nan

    def improves(self, run: Run) -> bool:
        """Whether the epoch that has just ended is the best; remembers it."""
        value = run.monitored(self.monitor, self.who)
        sign = 1.0 if run.is_higher_better(self.monitor) else -1.0
        if math.isnan(value):
            return False
        if math.isnan(self.value) or sign * (value - self.value) > self.min_delta:
            self.value = value
            return True
        return False


class EarlyStopping(Callback):
    """Ends the training after some epochs without a better monitored value.

    Parameters
    ----------
    monitor : name of a number of an epoch; metrics say themselves whether higher is
        better, a loss is better when lower
    patience : epochs without a better value
    min_delta : a value counts as better when it is so by more than this
    restore_best : the model gets the weights of the best epoch back at the end

    Examples
    --------
    >>> EarlyStopping("validation_accuracy", patience=3).patience
    3
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or patience < 1:
            raise ArgumentError(
                f"EarlyStopping: patience = {patience}, must be 1 or more"
            )
        self.monitor = monitor
        self.patience = patience
        self.restore_best = restore_best
        self._min_delta = min_delta
        self._begin()

    def _begin(self) -> None:
        self._best = Best(self.monitor, self._min_delta, "EarlyStopping")
        self._epoch = 0
        self._weights: list[np.ndarray] = []

    def on_train_begin(self, run: Run) -> None:
        """Forget an earlier training."""
        self._begin()

    def on_epoch_end(self, run: Run) -> None:
        """Look at the value."""
        if self._best.improves(run):
            self._epoch = run.epoch
            if self.restore_best:
                self._weights = run.model.functions.weights()
        run.history.best = self._epoch or None
        if run.epoch - self._epoch >= self.patience:
            run.stop(
                f"{self.monitor} has not been better for {self.patience} epochs, its best "
                f"is {self._best.value:.6g} in epoch {self._epoch}"
            )

    def on_train_end(self, run: Run) -> None:
        """Give the best weights back."""
        if self._weights:
            run.model.functions.put_weights(self._weights)

    def state(self) -> dict[str, Any]:
        """The best value, its epoch and weights."""
        weights = {f"weight{n:03d}": value for n, value in enumerate(self._weights)}
        return {"value": self._best.value, "epoch": self._epoch, **weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self._best.value, self._epoch = state["value"], int(state["epoch"])
        names = sorted(name for name in state if name.startswith("weight"))
        self._weights = [state[name] for name in names]


class TerminateOnNaN(Callback):
    """Ends the training without an error when a loss is NaN or infinite.

    The model gets the weights back that it had when the epoch began; `stopped` of the
    history names the epoch and the batch, with its rows.
    """

    order = -10

    def __init__(self) -> None:
        self._weights: list[np.ndarray] = []

    def on_epoch_begin(self, run: Run) -> None:
        """Remember the weights."""
        self._weights = run.model.functions.weights()

    def on_nan(self, run: Run, text: str) -> bool:
        """Give them back and end the training."""
        run.model.functions.put_weights(self._weights)
        return True
