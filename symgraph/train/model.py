"""Model: a network with a loss and an update rule, trained and used in one line each.

In: layers of ``symgraph.nn`` and data as it comes.  Out: trained parameters, histories,
measures, predictions.  The pieces: ``heads.py`` (the last layer and the loss),
``rules.py`` (updates), ``measures.py`` (metrics), ``functions.py`` (what is compiled),
``sources.py`` (rows and batches), ``loop.py`` (epochs), ``stored.py`` (files).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from symgraph import nn
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.train import loop, stored
from symgraph.train.callbacks.base import Callback, Run, callbacks_of
from symgraph.train.functions import Functions
from symgraph.train.heads import Head
from symgraph.train.history import History
from symgraph.train.intake import (
    Intake,
    batches_of,
    check_count,
    each_of,
    functions_of,
    is_data,
    refuse_with_stream,
)
from symgraph.train.rules import Around, Rule
from symgraph.train.sources import Arrays, Stream, Whole
from symgraph.train.task import (
    Task,
    metrics_of,
    outputs_of,
    penalty_of,
    target_variables,
)

#: rows at once when nothing is learned, fewer where the layers are large
BATCH, UNITS = 256, 1 << 26


class Model:
    """A network that learns.

    Parameters
    ----------
    network : output layer, list of output layers, or dictionary name → output layer
    loss : name ("categorical_crossentropy", "binary_crossentropy", "squared_error", ...),
        function of (predictions, targets), or scalar expression; for several outputs a
        list or dictionary of them. None looks at the last layer: cross-entropy behind a
        softmax or sigmoid, else squared error
    updates : name of a rule of `nn.updates`, such a function, a ``functools.partial`` of
        one, or a function of (loss, params) that returns updates
    metrics : names ("accuracy", "f1", "auc", "mae", ...), objects of
        `symgraph.train.measures`, functions of (predictions, targets)
    regularization : number, adds it times the sum of squares of all weights; dictionary
        {"l1": ..., "l2": ...}; function of the network; scalar expression
    learning_rate : of the rule, by default its own
    loss_weights : of the losses of several outputs
    from_logits : whether a last layer with a function of its own gives scores; a last
        layer without a function gives scores, behind a softmax or sigmoid probabilities
    preprocessing : function of an expression that the inputs go through first, such as
        `symgraph.data.Rescale`
    clip_norm, clip_value : bounds of the gradients; see `symgraph.train.rules.Around`
    accumulate : so many batches make one update
    average : decay of a moving average of the parameters, with which the model is
        measured and predicts
    targets : variable, or list, that stands for the targets in a loss that is an
        expression of the input variables

    Attributes
    ----------
    network : as it was given
    history : of all calls of `fit`
    epoch : how many epochs the model has been trained

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph import nn
    >>> nn.random.set_rng(np.random.RandomState(1))
    >>> layer = nn.layers.InputLayer((None, 2))
    >>> layer = nn.layers.DenseLayer(layer, 1, nonlinearity=nn.nonlinearities.sigmoid)
    >>> model = nn.Model(layer, updates="sgd", learning_rate=2.0, metrics=["accuracy"])
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 1]
    >>> history = model.fit(X, y, epochs=200, batch_size=4)
    >>> model.predict(X).ravel()
    array([0, 1, 1, 1])
    >>> model.evaluate(X, y)["accuracy"]
    1.0
    """

    def __init__(
        self,
        network: Any,
        loss: Any = None,
        updates: Any = "adam",
        metrics: Any = (),
        regularization: Any = None,
        *,
        learning_rate: float | None = None,
        loss_weights: Any = None,
        from_logits: bool | None = None,
        preprocessing: Callable[[Any], Any] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        average: float | None = None,
        targets: Any = None,
    ) -> None:
        self.network = network
        self.names, layers = outputs_of(network)
        self.history = History()
        self.epoch = 0
        self.metadata: dict[str, Any] = {}
        self._several = len(layers) > 1
        self._inputs = tuple(
            layer
            for layer in nn.layers.get_all_layers(layers)
            if isinstance(layer, nn.layers.InputLayer)
        )
        if not self._inputs:
            raise ArgumentError("Model: the network has no InputLayer, nothing goes in")
        self.given = {
            "loss": loss, "updates": updates, "metrics": metrics,
            "regularization": regularization, "loss_weights": loss_weights,
            "from_logits": from_logits, "preprocessing": preprocessing,
        }  # fmt: skip
        if isinstance(loss, Variable) and self._several:
            raise ArgumentError("Model: a loss for each of several outputs is needed")
        losses = each_of(loss, self.names, "loss")
        heads = tuple(
            Head(layer, each, from_logits, f"y[{name!r}]" if name else "y")
            for layer, each, name in zip(layers, losses, self.names, strict=True)
        )
        weights = each_of(
            1.0 if loss_weights is None else loss_weights, self.names, "loss_weights"
        )
        self.task = Task(
            inputs=self._inputs,
            heads=heads,
            names=self.names,
            weights=tuple(float(w) for w in weights),
            metrics=metrics_of(metrics, heads, self.names),
            rule=Rule(updates, learning_rate),
            around=Around(clip_norm, clip_value, accumulate, average),
            penalty=penalty_of(regularization, layers, network),
            prepare=preprocessing,
            targets=target_variables(targets, heads),
        )
        self.intake = Intake(self._inputs, heads, self.names)
        self.functions = Functions(self.task)

    def __repr__(self) -> str:
        layers = nn.layers.get_all_layers([head.layer for head in self.task.heads])
        losses = ", ".join(head.loss.name for head in self.task.heads)
        count = sum(p.get_value(borrow=True).size for p in self._params())
        return f"<Model of {len(layers)} layers, {count:,} parameters, {losses}>"

    # --- training ---------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        *,
        validation: Any = None,
        shuffle: bool = True,
        callbacks: Any = (),
        augmentation: Any = None,
        class_weight: Any = None,
        sample_weight: Any = None,
        verbose: int | str = "auto",
        seed: int = 0,
        steps: int | None = None,
        fast_dev_run: bool | int = False,
        overfit_batches: int | None = None,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        X : rows: an array, list, data frame, tensor; for several inputs a list or a
            dictionary by the input layers' names. Or batches (x, y) or (x, y, weight): a
            function that returns an iterator of them for each epoch, or an iterable
        y : targets of the rows
        epochs : how many more
        batch_size : rows of a step; the last, shorter batch of an epoch is used too
        validation : (X, y), or the share of the rows (of each class) that only validates
        shuffle : whether the rows have another order in each epoch
        callbacks : objects of `symgraph.train.callbacks`, or functions of the run, which
            end the training when they return True
        augmentation : function, or list of functions, of (x, generator) that gives
            changed copies of the rows, anew in each epoch
        class_weight : dictionary class → weight of its rows, or "balanced"
        sample_weight : weight of each row; all weights together are scaled to the mean 1
        verbose : "auto" (a table on a terminal, nothing elsewhere), 0 (nothing),
            1 (a table on a terminal, elsewhere lines), 2 (lines)
        seed : of the orders, the validation part and augmentation
        steps : batches of an epoch, where data streams without an end
        fast_dev_run : True trains one batch, an int so many, and validates once: does
            it run at all?
        overfit_batches : train on so many first batches only: can it learn them?

        Returns
        -------
        History of this call; `history` of the model has all

        Raises
        ------
        ArgumentError, DataError, ShapeError : data that does not fit the network, before
            the first step
        NaNError : the loss became NaN or infinite

        Examples
        --------
        >>> from symgraph import nn
        >>> layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 1)), 1,
        ...                              nonlinearity=None)
        >>> model = nn.Model(layer, updates="sgd", learning_rate=0.1)
        >>> history = model.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], epochs=300)
        >>> model.predict([[3.0]]).round(2)
        array([[7.]])
        """
        check_count("epochs", epochs)
        check_count("batch_size", batch_size)
        if isinstance(seed, bool) or seed != int(seed) or seed < 0:
            raise ArgumentError(f"fit: seed = {seed!r}, must be a whole number from 0")
        changes = functions_of("augmentation", augmentation)
        told = callbacks_of(callbacks)
        if fast_dev_run:
            steps, epochs = int(fast_dev_run), 1
            told = []
        if y is None and not is_data(X):
            refuse_with_stream(class_weight, sample_weight, validation)
            source: Whole | Stream = Stream(
                batches_of(X), self.intake.batch, steps, seed, changes
            )
        else:
            arrays = self.intake.arrays(X, y, sample_weight, class_weight)
            if isinstance(validation, float | int) and not isinstance(validation, bool):
                arrays, validation = self.intake.divided(
                    arrays, float(validation), seed
                )
            if fast_dev_run:
                arrays = arrays.taken(slice(0, steps * batch_size))  # type: ignore[operator]
            elif overfit_batches is not None:
                check_count("overfit_batches", overfit_batches)
                arrays = arrays.taken(slice(0, overfit_batches * batch_size))
                shuffle = False
            source = Whole(arrays, batch_size, bool(shuffle), seed, changes)
        validate = self._validation(validation, batch_size)
        if verbose and not fast_dev_run:
            shown = _progress(verbose)
            told = told if shown is None else [*told, shown]
        run = Run(self, epochs, seed)
        try:
            loop.train(self.functions, source, run, told, validate)
        finally:
            # a training that went on from a file has epochs that are here already
            last = self.history.epochs[-1] if self.history.epochs else 0
            new = sum(epoch > last for epoch in run.history.epochs)
            if new:
                columns = {name: column[-new:] for name, column in run.history.items()}
                self.history.extend(run.history.epochs[-new:], columns)
        return run.history

    def train_on_batch(
        self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None
    ) -> dict[str, Any]:
        """Make one step with some rows.

        Returns
        -------
        loss before the step, and the metrics
        """
        arrays = self.intake.arrays(X, y, sample_weight, class_weight)
        measured = self.functions.step(arrays.signature).measured
        found = measured.function(*arrays.all)
        loss, *sums = found if isinstance(found, list) else [found]
        parts = [np.asarray(each)[None] for each in sums]
        return {"loss": float(loss), **measured.numbers(self.task, parts)}

    # --- measuring and predicting -----------------------------------------------------

    def evaluate(
        self, X: Any, y: Any = None, batch_size: int | None = None,
        sample_weight: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Loss and metrics over all rows.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        batch_size : rows at once; changes nothing but memory and time

        Returns
        -------
        dictionary: "loss", and each metric by its name
        """
        if y is None and not is_data(X):
            source: Whole | Stream = Stream(batches_of(X), self.intake.batch, None, 0)
        else:
            arrays = self.intake.arrays(X, y, sample_weight, None)
            source = Whole(arrays, self._rows_at_once(batch_size), False, 0)
        return self._measure(source)

    test_on_batch = evaluate

    def predict(self, X: Any, batch_size: int | None = None) -> Any:
        """Predict: classes for a loss of classes, otherwise numbers.

        Returns
        -------
        int64 (rows,) classes; int64 of the output's shape for yes or no; else the output.
        For several outputs a list, or a dictionary where they have names
        """
        return self._predicted(X, "answers", batch_size)

    def predict_proba(self, X: Any, batch_size: int | None = None) -> Any:
        """Probabilities of classes, whether the last layer gives them or scores.

        Returns
        -------
        float (rows, classes), or of the output's shape for yes or no
        """
        for head in self.task.heads:
            if not head.is_classifier:
                raise ArgumentError(
                    f"predict_proba: {head.loss.name} is no loss of classes; use predict"
                )
        return self._predicted(X, "probabilities", batch_size)

    # --- weights ----------------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters, in the order of `nn.layers.get_all_params`."""
        return [p.get_value() for p in self._params()]

    def set_weights(self, values: Sequence[Any]) -> None:
        """Give all parameters values, as `get_weights` returns them."""
        params = self._params()
        values = list(values)
        if len(values) != len(params):
            raise ArgumentError(
                f"set_weights: {len(values)} values for {len(params)} parameters"
            )
        made = []
        for param, value in zip(params, values, strict=True):
            array, shape = np.asarray(value), param.get_value(borrow=True).shape
            if array.shape != shape:
                raise ShapeError(
                    f"set_weights: {param.name} has shape {shape}, the value {array.shape}"
                )
            made.append(array.astype(param.dtype))
        for param, array in zip(params, made, strict=True):
            param.set_value(array)

    def copy(self) -> Model:
        """A model of its own with the same layers, weights and state of training."""
        return copy.deepcopy(self)

    @property
    def learning_rate(self) -> float | None:
        """The present learning rate; None where the rule takes none."""
        rate = self.functions.rate
        return None if rate is None else float(rate.get_value())

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        rate = self.functions.rate
        if rate is None:
            raise ArgumentError(
                "learning_rate: the function of updates takes none; give it an argument "
                "learning_rate"
            )
        rate.set_value(np.asarray(value, rate.dtype))

    # --- files ------------------------------------------------------------------------

    def save(self, path: str | Path, metadata: Mapping[str, Any] | None = None) -> Any:
        """Write the model: layers and settings as JSON, all numbers as safetensors.

        Parameters
        ----------
        path : an existing folder, or a name; see `symgraph.train.save_model`
        metadata : anything that JSON can hold

        Returns
        -------
        paths of the two files
        """
        return stored.save(self, path, metadata)

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> Model:
        """Read a model that `save` wrote.

        Parameters
        ----------
        settings : arguments of the constructor that the file cannot hold, such as a loss
            that is a function of yours
        """
        return stored.load(cls, path, settings)

    def summary(self, stream: Any = None) -> None:
        """Print a table: layer, shape of its output, parameters, multiply-adds.

        Parameters
        ----------
        stream : where to, standard output by default
        """
        from symgraph.train.summary import summary

        summary(self, stream)

    # --- data as it comes -------------------------------------------------------------

    def _validation(
        self, given: Any, batch_size: int
    ) -> Callable[[], dict[str, Any]] | None:
        if given is None:
            return None
        if isinstance(given, Arrays):
            arrays = given
        elif isinstance(given, list | tuple) and len(given) in (2, 3):
            weight = given[2] if len(given) == 3 else None
            arrays = self.intake.arrays(given[0], given[1], weight, None)
        elif callable(given) or hasattr(given, "__iter__"):
            stream = Stream(batches_of(given), self.intake.batch, None, 0)
            return lambda: self._measure(stream)
        else:
            raise ArgumentError(
                f"fit: validation={given!r}, expected (X, y) or a share of the rows"
            )
        size = max(batch_size, self._rows_at_once(None))
        source = Whole(arrays, size, False, 0)
        return lambda: self._measure(source)

    def _measure(self, source: Whole | Stream) -> dict[str, Any]:
        return loop.measure(
            lambda arrays: self.functions.test(arrays.signature),
            source.chunks(0, None),
            self.task,
        )

    def _predicted(self, X: Any, what: str, batch_size: int | None) -> Any:
        inputs = self.intake.input_arrays(X)
        dtypes = tuple(a.dtype.name for a in inputs)
        function = self.functions.prediction(dtypes, what)
        found = loop.predict(function, inputs, self._rows_at_once(batch_size))
        if not self._several:
            return found[0]
        if isinstance(self.network, Mapping):
            return dict(zip(self.names, found, strict=True))
        return found

    def _rows_at_once(self, batch_size: int | None) -> int:
        if batch_size is not None:
            check_count("batch_size", batch_size)
            return batch_size
        first = self._inputs[0].shape[0]
        if first is not None:
            return int(first)
        layers = nn.layers.get_all_layers([head.layer for head in self.task.heads])
        units = sum(prod(n or 1 for n in layer.output_shape[1:]) for layer in layers)
        return min(BATCH, max(1, UNITS // units))

    def _params(self) -> list[Any]:
        return nn.layers.get_all_params([head.layer for head in self.task.heads])


def _progress(verbose: int | str) -> Callback | None:
    """What shows the training, None for nothing."""
    from symgraph.train.progress import Progress

    if verbose not in ("auto", 0, 1, 2):
        raise ArgumentError(f"fit: verbose={verbose!r}, expected 'auto', 0, 1 or 2")
    shown = Progress(live=False) if verbose == 2 else Progress()
    return None if verbose == "auto" and not shown.live else shown
