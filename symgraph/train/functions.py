"""The compiled functions of a model: a training step, a measurement, a prediction.

In: a `Task` (network, losses, metrics, rule) and the dtypes of data.  Out: functions of
`symgraph.function`, made when they are first needed and kept.  Small integers (bytes of
images) stay what they are in memory and become floats in the compiled function.  Which
data they run on, and how often, is ``loop.py``'s business.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.core.record import Record
from symgraph.errors import ArgumentError, DataError
from symgraph.train.heads import Head
from symgraph.train.measures import Metric
from symgraph.train.rules import Stepping, rate_dtype
from symgraph.train.task import Task

#: dtypes of the inputs; dtypes and ranks of the targets; whether rows are weighted
Signature = tuple[tuple[str, ...], tuple[tuple[str, int], ...], bool]


class Measured(Record):
    """A function whose first output is the loss of a batch, then sums of metrics.

    Attributes
    ----------
    metrics : those it has, as in `Task`
    counts : outputs of each
    """

    function: Any
    metrics: tuple[tuple[int, Metric], ...]
    counts: tuple[int, ...]

    def numbers(
        self, task: Task, parts: Sequence[np.ndarray], prefix: str = ""
    ) -> dict[str, Any]:
        """The metrics of all batches, from what the function gave behind the loss."""
        found: dict[str, Any] = {}
        start = 0
        for (head, metric), count in zip(self.metrics, self.counts, strict=True):
            mine = parts[start : start + count]
            name = task.names[head]
            key = f"{prefix}{name}_{metric.name}" if name else prefix + metric.name
            found[key] = metric.value(task.heads[head], *mine)
            start += count
        return found


class Step(Record):
    """A training step and what it keeps.

    Attributes
    ----------
    state : shared variables of the rule, beside the parameters
    """

    measured: Measured
    stepping: Stepping

    @property
    def function(self) -> Any:
        """The compiled function."""
        return self.measured.function


class Functions:
    """The functions of one task.

    Parameters
    ----------
    task : what is to be learned

    Attributes
    ----------
    rate : shared variable of the learning rate, None where the rule has none
    seconds : spent on compiling
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        layers = [head.layer for head in task.heads]
        self.layers = layers
        self.params: list[Any] = nn.layers.get_all_params(layers, trainable=True)
        self.rate: Any = None
        if task.rule.rate is not None:
            value = np.asarray(task.rule.rate, rate_dtype(self.params))
            self.rate = sg.shared(value, name="learning_rate")
        #: parameter → its moving average
        self.averages: dict[Any, Any] = {}
        if task.around.average is not None:
            param: Any
            for param in self.params:
                name = f"{param.name}.average"
                self.averages[param] = sg.shared(param.get_value(), name=name)
        #: rates of the steps of an epoch, and which is next, where a schedule sets each
        self.rates: Any = None
        self.next: Any = None
        self._steps: dict[Any, Step] = {}
        self._tests: dict[Any, Measured] = {}
        self._predictions: dict[Any, Any] = {}
        self.seconds = 0.0
        self._last: Step | None = None
        self._waiting: list[tuple[str, np.ndarray]] = []

    # --- a training step --------------------------------------------------------------

    def step(self, signature: Signature, rates: int | None = None) -> Step:
        """The training step for data of some dtypes.

        Parameters
        ----------
        rates : the learning rate is read from `rates`, one for each of so many steps
        """
        found = self._steps.get((signature, rates))
        if found is None:
            found = self._steps[signature, rates] = self._make_step(signature, rates)
        if self._last is not None and self._last is not found:
            # another form of the same step goes on with the state of the last
            pairs = zip(found.stepping.state, self._last.stepping.state, strict=True)
            for new, old in pairs:
                new.set_value(old.get_value())
        self._last = found
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._put(waiting)
        return found

    def weights(self) -> list[np.ndarray]:
        """Values of all parameters and of their moving averages."""
        return [v.get_value() for v in self._weights()]

    def put_weights(self, values: Sequence[np.ndarray]) -> None:
        """Take back what `weights` gave."""
        for variable, value in zip(self._weights(), values, strict=True):
            variable.set_value(value)

    def _weights(self) -> list[Any]:
        return [*nn.layers.get_all_params(self.layers), *self.averages.values()]

    # --- what a step keeps -----------------------------------------------------------

    def state(self) -> list[tuple[str, np.ndarray]]:
        """Names and values of what the training step keeps beside the weights.

        The state of the rule, counters of random streams, the learning rate; empty before
        the first step.
        """
        if self._last is None:
            return list(self._waiting)
        return [(v.name or "", v.get_value()) for v in self._kept()]

    def restore(self, state: Sequence[tuple[str, np.ndarray]]) -> None:
        """Take back what `state` gave, now or as soon as there is a step."""
        if self._last is None:
            self._waiting = list(state)
        else:
            self._put(state)

    def _kept(self) -> list[Any]:
        """Shared variables of the present step that are not among `weights`."""
        assert self._last is not None
        weights = set(self._weights())
        shared = [*self._last.stepping.state, *self._last.function.request.shared]
        return list(dict.fromkeys(v for v in shared if v not in weights))

    def _put(self, state: Sequence[tuple[str, np.ndarray]]) -> None:
        kept = self._kept()
        if len(kept) != len(state) or not all(
            self._takes(variable, value)
            for variable, (_, value) in zip(kept, state, strict=True)
        ):
            names = ", ".join(name for name, _ in state)
            raise DataError(
                f"the saved state of training, {names}, does not fit this model, whose "
                f"step keeps {', '.join(map(str, kept))}\nMake the model with the network, "
                "updates and settings that it was saved with."
            )
        for variable, (_, value) in zip(kept, state, strict=True):
            variable.set_value(value)

    def _takes(self, variable: Any, value: np.ndarray) -> bool:
        mine = variable.get_value(borrow=True)
        same = mine.shape == value.shape or variable is self.rates
        return bool(mine.dtype == value.dtype and same)

    # --- making them ------------------------------------------------------------------

    def _make_step(self, signature: Signature, rates: int | None) -> Step:
        if not self.params:
            raise ArgumentError("Model: the network has no trainable parameters")
        xs, ys, weight, given = self._variables(signature)
        outputs = nn.layers.get_output(self.layers, given)
        loss = self._loss(outputs, ys, weight, given)
        rate, scheduled = self.rate, {}
        if rates is not None:
            if self.rates is None:
                self.rates = sg.shared(
                    np.zeros(0, self.rate.dtype), name="learning_rates"
                )
                self.next = sg.shared(np.int64(0), name="step")
            self.rates.set_value(np.zeros(rates, self.rate.dtype))
            rate = self.rates[self.next]
            scheduled = {self.next: self.next + 1}
        stepping = Stepping(
            loss, self.params, self.task.rule, self.task.around, rate, self.averages
        )
        metrics = tuple(m for m in self.task.metrics if not m[1].by_rows)
        sums, counts = self._sums(metrics, outputs, ys, weight)
        function = self._compiled(
            [*xs, *ys, *([] if weight is None else [weight])],
            [loss, *sums] if sums else loss,
            updates={**stepping.updates, **scheduled},
            name="train",
        )
        return Step(measured=Measured(function, metrics, counts), stepping=stepping)

    @property
    def current(self) -> Step | None:
        """The step that was used last."""
        return self._last

    # --- a measurement ----------------------------------------------------------------

    def test(self, signature: Signature) -> Measured:
        """The function of inputs and targets that gives the loss and sums of metrics."""
        found = self._tests.get(signature)
        if found is None:
            xs, ys, weight, given = self._variables(signature)
            outputs = nn.layers.get_output(self.layers, given, deterministic=True)
            loss = self._loss(outputs, ys, weight, given)
            metrics = self.task.metrics
            sums, counts = self._sums(metrics, outputs, ys, weight)
            function = self._compiled(
                [*xs, *ys, *([] if weight is None else [weight])],
                [loss, *sums],
                givens=self.averages,
                name="test",
            )
            found = self._tests[signature] = Measured(function, metrics, counts)
        return found

    def prediction(self, dtypes: tuple[str, ...], what: str) -> Any:
        """The function of inputs alone that gives "answers" or "probabilities"."""
        found = self._predictions.get((dtypes, what))
        if found is None:
            xs, _, _, given = self._variables((dtypes, (), False))
            outputs = nn.layers.get_output(self.layers, given, deterministic=True)
            results = [
                getattr(head, what)(output)
                for head, output in zip(self.task.heads, outputs, strict=True)
            ]
            found = self._compiled(
                xs, results, givens=self.averages, name=what, on_unused_input="ignore"
            )
            self._predictions[dtypes, what] = found
        return found

    # --- a look inside ----------------------------------------------------------------

    def gradients(self, signature: Signature) -> Any:
        """The function of inputs and targets that gives the gradient of each parameter.

        Of the loss without dropout, penalty included; in the order of `params`.
        """
        key = ("gradients", signature)
        if key not in self._predictions:
            xs, ys, weight, given = self._variables(signature)
            outputs = nn.layers.get_output(self.layers, given, deterministic=True)
            loss = self._loss(outputs, ys, weight, given)
            self._predictions[key] = self._compiled(
                [*xs, *ys, *([] if weight is None else [weight])],
                sg.grad(loss, self.params, disconnected_inputs="ignore"),
                name="gradients",
                on_unused_input="ignore",
            )
        return self._predictions[key]

    def activations(self, dtypes: tuple[str, ...]) -> Any:
        """The function of inputs that gives what each layer gives, in their order."""
        key = ("activations", dtypes)
        if key not in self._predictions:
            xs, _, _, given = self._variables((dtypes, (), False))
            layers = nn.layers.get_all_layers(self.layers)
            self._predictions[key] = self._compiled(
                xs,
                nn.layers.get_output(layers, given, deterministic=True),
                name="activations",
                on_unused_input="ignore",
            )
        return self._predictions[key]

    def _compiled(self, *arguments: Any, **settings: Any) -> Any:
        start = time.perf_counter()
        made = sg.function(*arguments, **settings)
        self.seconds += time.perf_counter() - start
        return made

    # --- pieces -----------------------------------------------------------------------

    def _variables(
        self, signature: Signature
    ) -> tuple[list[Any], list[Any], Any, dict[Any, Any]]:
        """Variables of inputs, targets and weights; what the input layers are given."""
        dtypes, targets, weighted = signature
        xs, given = [], {}
        for number, (layer, dtype) in enumerate(
            zip(self.task.inputs, dtypes, strict=True)
        ):
            name = layer.name or ("x" if len(dtypes) == 1 else f"x{number}")
            x: Any = T.TensorType(dtype, layer.shape)(name)
            xs.append(x)
            wanted = layer.input_var.dtype
            value = x if dtype == wanted else T.cast(x, wanted)
            given[layer] = self.task.prepare(value) if self.task.prepare else value
        ys = []
        for number, (dtype, rank) in enumerate(targets):
            shape = (None, *self.task.heads[number].shape[1:])[:rank]
            name = self.task.names[number] or "y"
            ys.append(T.TensorType(dtype, shape)(name))
        weight: Any = None
        if weighted:
            dtype = rate_dtype(nn.layers.get_all_params(self.layers))
            weight = T.TensorType(dtype, (None,))("weight")
        return xs, ys, weight, given

    def _loss(
        self, outputs: list[Any], ys: list[Any], weight: Any, given: dict[Any, Any]
    ) -> Any:
        """The scalar that is made small."""
        total: Any = None
        for head, share, output, y in zip(
            self.task.heads, self.task.weights, outputs, ys, strict=True
        ):
            if head.expression is not None:
                known = {layer.input_var: value for layer, value in given.items()}
                known |= dict(zip(self.task.targets, ys, strict=True))
                loss = sg.clone(head.expression, replace=known)
            else:
                loss = head.losses(output, y)
                loss = _mean(loss, weight, head)
            loss = loss if share == 1 else loss * np.asarray(share, loss.dtype)
            total = loss if total is None else total + loss
        if self.task.penalty is not None:
            total = total + self.task.penalty()
        return total

    def _sums(
        self,
        metrics: Sequence[tuple[int, Metric]],
        outputs: list[Any],
        ys: list[Any],
        weight: Any,
    ) -> tuple[list[Any], tuple[int, ...]]:
        sums, counts = [], []
        for number, metric in metrics:
            head = self.task.heads[number]
            made = head.probabilities(outputs[number])
            found = metric.sums(head, made, ys[number], weight)
            sums += found
            counts.append(len(found))
        return sums, tuple(counts)


def _mean(loss: Any, weight: Any, head: Head) -> Any:
    """Mean of the losses of items, each row with its weight."""
    if weight is None:
        return loss.mean() if loss.ndim else loss
    if not loss.ndim:
        raise ArgumentError(
            f"Model: the loss {head.loss.name} gives a scalar; weights of rows need a loss "
            "of each row"
        )
    rows = loss if loss.ndim == 1 else loss.mean(axis=tuple(range(1, loss.ndim)))
    return (rows * T.cast(weight, rows.dtype)).mean()
