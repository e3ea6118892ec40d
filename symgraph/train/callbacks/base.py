"""What watches and steers a training: the base of callbacks, and what they are shown.

`Run` is the state of one `fit`; a `Callback` is told of it when an epoch begins and ends.
Callbacks themselves are beside this file; the loop that calls them is ``loop.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgraph.errors import ArgumentError
from symgraph.train.history import History


class Run:
    """One training while it runs.

    Attributes
    ----------
    model : Model
    first, last : number of the epoch before the first, and of the last
    epoch : the present one, from 1 over all calls of `fit`
    batch_size, rows : of a step, of an epoch; None where data streams
    steps : of an epoch, None where that is not known before its end
    seed : of shuffling and augmentation
    losses : of the steps of the present epoch so far, an array
    numbers : of the epoch that has just ended
    history : all epochs so far
    stopped : why the training ends early, ""
    callbacks : all that are told
    """

    def __init__(self, model: Any, epochs: int, seed: int) -> None:
        self.model = model
        self.first = model.epoch
        self.last = model.epoch + epochs
        self.epoch = model.epoch
        self.batch_size: int | None = None
        self.rows: int | None = None
        self.steps: int | None = None
        self.seed = seed
        self.losses: Any = None
        self.numbers: dict[str, Any] = {}
        self.history = History()
        self.stopped = ""
        self.callbacks: list[Callback] = []
        #: gives some rows of the present epoch, as many as a step has, as `Arrays`
        self.batch: Callable[[], Any] = _no_rows
        #: what an epoch that was cut short has done already, told by `Resume`
        self.done = 0
        self.partial: list[list[Any]] = []

    def stop(self, reason: str) -> None:
        """End the training after the present epoch."""
        self.stopped = self.stopped or reason

    def is_higher_better(self, name: str) -> bool:
        """Whether a larger number of that name is better; a loss is better when lower."""
        short = name.removeprefix("validation_")
        for _, metric in self.model.task.metrics:
            if short == metric.name or short.endswith(f"_{metric.name}"):
                return bool(metric.higher_is_better)
        return False

    def monitored(self, name: str, who: str) -> float:
        """A number of the epoch that has just ended.

        Raises
        ------
        ArgumentError : there is none of that name; the text says which there are
        """
        if name not in self.numbers:
            raise ArgumentError(
                f"{who}: monitor={name!r}, but an epoch gives {', '.join(self.numbers)}"
                + ("; pass validation= to fit" if name.startswith("validation") else "")
            )
        return float(self.numbers[name])


class Callback:
    """Base of callbacks: every method does nothing.

    Attributes
    ----------
    deferrable : whether ends of epochs may be told later, several at once; such a
        callback only looks and costs a fast training nothing
    batches : how many between two calls of `on_batches`, where a callback has that; None
        for no call
    order : callbacks with a smaller one are told first

    Examples
    --------
    >>> class Say(Callback):
    ...     def on_epoch_end(self, run):
    ...         print(run.epoch, sorted(run.numbers))
    """

    deferrable = False
    batches: int | None = 1
    order = 0

    def on_train_begin(self, run: Run) -> None:
        """Before the first step."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the steps of an epoch."""

    def on_batches(self, run: Run, done: int) -> None:
        """After every so many steps of an epoch, `done` in all."""

    def on_epoch_end(self, run: Run) -> None:
        """After the steps and the validation of an epoch."""

    def on_nan(self, run: Run, text: str) -> bool:
        """After a loss that is no number; True ends the training without an error."""
        return False

    def on_train_end(self, run: Run) -> None:
        """At the end, however it came."""

    def within(self, epoch: int, done: int, steps: int) -> None:
        """Now and then within an epoch; see `watches`."""

    @property
    def watches(self) -> bool:
        """Whether `within` wants to be called."""
        return False

    def state(self) -> dict[str, Any]:
        """What has to be kept to go on later: numbers, text, arrays."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""


class Lambda(Callback):
    """Functions as a callback.

    Parameters
    ----------
    on_epoch_end, on_epoch_begin, on_train_begin, on_train_end : called with the `Run`; an
        ``on_epoch_end`` that returns True ends the training

    Examples
    --------
    >>> losses = []
    >>> watching = Lambda(lambda run: losses.append(run.numbers["loss"]))
    """

    def __init__(
        self,
        on_epoch_end: Callable[[Run], Any] | None = None,
        on_epoch_begin: Callable[[Run], Any] | None = None,
        on_train_begin: Callable[[Run], Any] | None = None,
        on_train_end: Callable[[Run], Any] | None = None,
    ) -> None:
        self._functions = {
            "on_epoch_end": on_epoch_end, "on_epoch_begin": on_epoch_begin,
            "on_train_begin": on_train_begin, "on_train_end": on_train_end,
        }  # fmt: skip
        for name, function in self._functions.items():
            if function is not None and not callable(function):
                raise ArgumentError(f"Lambda: {name}={function!r} is no function")

    def _call(self, name: str, run: Run) -> None:
        function = self._functions[name]
        if function is not None and function(run) is True:
            run.stop(f"{getattr(function, '__name__', 'a callback')} returned True")

    def on_train_begin(self, run: Run) -> None:
        self._call("on_train_begin", run)

    def on_epoch_begin(self, run: Run) -> None:
        self._call("on_epoch_begin", run)

    def on_epoch_end(self, run: Run) -> None:
        self._call("on_epoch_end", run)

    def on_train_end(self, run: Run) -> None:
        self._call("on_train_end", run)


def _no_rows() -> Any:
    raise ArgumentError("batch: no epoch has begun")


def callbacks_of(given: Any) -> list[Callback]:
    """Callbacks in the order in which they are told; functions count as `Lambda`."""
    found: list[Callback] = []
    single = callable(given) or isinstance(given, Callback)
    for each in [given] if single else given or ():
        if isinstance(each, Callback):
            found.append(each)
        elif callable(each) and not isinstance(each, type):
            found.append(Lambda(each))
        else:
            raise ArgumentError(
                f"fit: callback {each!r}, expected an object of "
                "symgraph.train.callbacks or a function of the run"
            )
    return sorted(found, key=lambda callback: callback.order)
