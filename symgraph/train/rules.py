"""The updates of a training step: a rule by name, its learning rate, what goes around it.

In: what the user says of updates, and a loss with its parameters.  Out: a dictionary of
updates whose learning rate is a shared variable, so that schedules can set it.  Around
the rule stand gradient clipping, the accumulation of gradients over several batches and
the moving average of the parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.core.dtypes import NUMPY, is_float, upcast
from symgraph.errors import ArgumentError
from symgraph.train.heads import near

#: name → function, those of `nn.updates` that make updates of a loss
RULES: dict[str, Callable[..., Any]] = {
    name: function
    for name, function in vars(nn.updates).items()
    if inspect.isfunction(function)
    and function.__module__ == nn.updates.__name__
    and not name.startswith("_")
    and "learning_rate" in inspect.signature(function).parameters
}
#: learning rates where a rule has no default, or one that suits no network
RATES = {
    "sgd": 0.01, "momentum": 0.01, "nesterov_momentum": 0.01, "rmsprop": 0.001,
    "adagrad": 0.01,
}  # fmt: skip


class Rule:
    """A way to make updates of a loss.

    Parameters
    ----------
    given : name of a function of `nn.updates`, such a function, a ``functools.partial``
        of one, or a function of (loss or gradients, params) or (..., learning_rate)
    learning_rate : number; by default the rule's own

    Attributes
    ----------
    rate : the number to begin with, None where the rule takes none

    Examples
    --------
    >>> Rule("adam").rate, Rule("sgd", 0.5).rate
    (0.001, 0.5)
    """

    def __init__(self, given: Any, learning_rate: float | None = None) -> None:
        settings: dict[str, Any] = {}
        function = given
        if isinstance(given, functools.partial):
            if given.args:
                raise ArgumentError(
                    "Model: updates is a partial with positional arguments; name them: "
                    "partial(nn.updates.momentum, momentum=0.9)"
                )
            function, settings = given.func, dict(given.keywords)
        if isinstance(given, str):
            if given not in RULES:
                raise ArgumentError(
                    f"Model: no updates {given!r}; {near(given, RULES)}"
                )
            function = RULES[given]
        if isinstance(function, Mapping) or not callable(function):
            raise ArgumentError(
                f"Model: updates={given!r}, expected a name ({', '.join(RULES)}) or a "
                "function of (loss, params)\nUpdates that are made already belong to "
                "symgraph.function."
            )
        self.function = function
        self.settings = settings
        name = getattr(function, "__name__", "")
        self.name = name if RULES.get(name) is function else None
        wanted = inspect.signature(function).parameters
        own = settings.pop("learning_rate", None)
        self.rate: float | None = None
        if "learning_rate" in wanted:
            default = wanted["learning_rate"].default
            candidates = (learning_rate, own, RATES.get(name) if self.name else None)
            rate = next((r for r in candidates if r is not None), default)
            if rate is inspect.Parameter.empty:
                rate = 0.01
            self.rate = _rate(rate)
        elif learning_rate is not None:
            raise ArgumentError(
                f"Model: learning_rate={learning_rate!r}, but the function of updates "
                "takes none; give it an argument learning_rate"
            )

    def updates(
        self, loss_or_grads: Any, params: list[Any], rate: Any
    ) -> dict[Any, Any]:
        """The updates, with a variable for the learning rate."""
        settings = dict(self.settings)
        if rate is not None:
            settings["learning_rate"] = rate
        found = self.function(loss_or_grads, params, **settings)
        if not isinstance(found, Mapping):
            raise ArgumentError(
                f"Model: the function of updates returned a {type(found).__name__}, "
                "expected a dictionary shared variable -> new value"
            )
        return dict(found)


def _rate(rate: Any) -> float:
    if hasattr(rate, "get_value"):
        rate = rate.get_value()
    number = float(rate)
    if not 0 <= number < float("inf"):
        raise ArgumentError(f"Model: learning_rate = {rate!r}, must be 0 or more")
    return number


class Around:
    """What stands around a rule.

    Attributes
    ----------
    clip_norm : largest norm of all gradients together; larger ones are scaled down
    clip_value : gradients are cut to -clip_value .. clip_value
    accumulate : batches whose mean gradient makes one update
    average : decay of the moving average of parameters, None without
    """

    def __init__(
        self,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        average: float | None = None,
    ) -> None:
        for name, value in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if value is not None and not value > 0:
                raise ArgumentError(f"Model: {name} = {value!r}, must be above 0")
        if (
            isinstance(accumulate, bool)
            or accumulate != int(accumulate)
            or accumulate < 1
        ):
            raise ArgumentError(
                f"Model: accumulate = {accumulate!r}, must be 1 or more"
            )
        if average is not None and not 0 < average < 1:
            raise ArgumentError(f"Model: average = {average!r}, must lie in 0 .. 1")
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.accumulate = int(accumulate)
        self.average = average

    def settings(self) -> dict[str, Any]:
        """As keywords that differ from the defaults."""
        mine = vars(self)
        plain = vars(Around())
        return {name: value for name, value in mine.items() if value != plain[name]}


class Stepping:
    """The updates of one training step, and the shared variables that they keep.

    Parameters
    ----------
    loss : scalar expression
    params : trainable parameters
    rule, around : see there
    rate : expression of the learning rate, or None
    averages : parameter → its moving average, empty without

    Attributes
    ----------
    updates : for `symgraph.function`
    state : shared variables beside the parameters, in an order that depends on the
        network and the rule alone
    """

    def __init__(
        self,
        loss: Any,
        params: list[Any],
        rule: Rule,
        around: Around,
        rate: Any,
        averages: Mapping[Any, Any],
    ) -> None:
        if around.accumulate > 1:
            found = _accumulated(sg.grad(loss, params), params, rule, around, rate)
        elif around.clip_norm or around.clip_value:
            grads = _clipped(sg.grad(loss, params), around)
            found = rule.updates(grads, params, rate)
        else:
            found = rule.updates(loss, params, rate)
        if around.average is not None:
            _average(found, averages, around.average)
        self.updates = found
        known = set(params)
        self.state = [variable for variable in found if variable not in known]


def _average(found: dict[Any, Any], averages: Mapping[Any, Any], decay: float) -> None:
    """Keep a moving average of each parameter, quick at first.

    decay of step t: min(decay, (1 + t) / (10 + t)), as TensorFlow's
    ExponentialMovingAverage with num_updates
    """
    done: Any = sg.shared(np.zeros((), "float32"), name="averaged")
    keep = T.minimum(np.float32(decay), (1 + done) / (10 + done))
    for param, average in averages.items():
        share = T.cast(keep, param.dtype)
        found[average] = share * average + (1 - share) * found.get(param, param)
    found[done] = done + 1


def _clipped(grads: list[Any], around: Around) -> list[Any]:
    if around.clip_value:
        limit = around.clip_value
        grads = [T.clip(g, -limit, limit) for g in grads]
    if around.clip_norm:
        grads = list(nn.updates.total_norm_constraint(grads, around.clip_norm))
    return grads


def _accumulated(
    grads: list[Any], params: list[Any], rule: Rule, around: Around, rate: Any
) -> dict[Any, Any]:
    """Sum gradients; every so many batches the rule sees their mean, clipped.

    The last batches of an epoch that are fewer than `count` wait for the next epoch.
    """
    count = around.accumulate
    done: Any = sg.shared(np.zeros((), "int32"), name="accumulated")
    last = T.eq(done, count - 1)
    found: dict[Any, Any] = {done: T.switch(last, T.zeros_like(done), done + 1)}
    means = []
    for param, g in zip(params, grads, strict=True):
        zeros = np.zeros(param.get_value(borrow=True).shape, NUMPY[param.dtype])
        total: Any = sg.shared(zeros, name=f"{param.name}.accumulated")
        new = total + g
        found[total] = T.switch(last, T.zeros_like(new), new)
        means.append(new / np.asarray(count, param.dtype))
    for variable, value in rule.updates(_clipped(means, around), params, rate).items():
        found[variable] = T.switch(last, value, variable)
    return found


def rate_dtype(params: list[Any]) -> str:
    """The dtype of a learning rate: the widest of the parameters."""
    floats = [p.dtype for p in params if is_float(p.dtype)]
    return upcast(*floats) if floats else "float32"
