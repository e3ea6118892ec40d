"""What stands at the end of a network: its last nonlinearity, its loss, its targets.

In: an output layer and the loss that the user named.  Out: a `Head`, which knows whether
the layer gives probabilities or scores, makes of its output what the loss wants, turns
the user's targets into arrays and refuses those that cannot be meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph import nn
from symgraph.core.node import Variable
from symgraph.core.record import Record
from symgraph.errors import ArgumentError, DataError, ShapeError
from symgraph.train.arrays import as_array, floats, integers

LABELS, BINARY, VALUES = "labels", "binary", "values"


class Loss(Record):
    """A loss by name: its function, what targets it takes, what predictions.

    Attributes
    ----------
    targets : "labels" (classes), "binary" (0 to 1) or "values" (any number)
    takes : "probabilities", or "outputs" of the network as they are
    """

    name: str
    function: Callable[..., Any]
    targets: str
    takes: str = "outputs"


def absolute_error(predictions: Any, targets: Any) -> Variable:
    """out = abs(p - t), elementwise.

    Examples
    --------
    >>> float(absolute_error(1.0, 3.0).eval())
    2.0
    """
    p, t = nn.objectives.align_targets(T.as_tensor_variable(predictions), targets)
    return T.abs(p - t)


_OBJECTIVES = nn.objectives
#: name → loss
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("categorical_crossentropy", _OBJECTIVES.categorical_crossentropy, LABELS,
             "probabilities"),
        Loss("binary_crossentropy", _OBJECTIVES.binary_crossentropy, BINARY,
             "probabilities"),
        Loss("focal_loss", _OBJECTIVES.focal_loss, LABELS, "probabilities"),
        Loss("binary_focal_loss", _OBJECTIVES.binary_focal_loss, BINARY, "probabilities"),
        Loss("kl_divergence", _OBJECTIVES.kl_divergence, VALUES, "probabilities"),
        Loss("dice_loss", _OBJECTIVES.dice_loss, BINARY, "probabilities"),
        Loss("multiclass_hinge_loss", _OBJECTIVES.multiclass_hinge_loss, LABELS),
        Loss("binary_hinge_loss", _OBJECTIVES.binary_hinge_loss, BINARY),
        Loss("squared_error", _OBJECTIVES.squared_error, VALUES),
        Loss("absolute_error", absolute_error, VALUES),
        Loss("huber_loss", _OBJECTIVES.huber_loss, VALUES),
        Loss("cosine_loss", _OBJECTIVES.cosine_loss, VALUES),
    )
}  # fmt: skip
#: last nonlinearity → the loss that goes with it when none is named
DEFAULTS = {
    "softmax": "categorical_crossentropy",
    "log_softmax": "categorical_crossentropy",
    "sigmoid": "binary_crossentropy",
}
_KINDS: dict[str, tuple[Any, ...]] = {
    "softmax": (nn.nonlinearities.softmax, T.nnet.softmax),
    "log_softmax": (nn.nonlinearities.log_softmax, T.nnet.logsoftmax),
    "sigmoid": (nn.nonlinearities.sigmoid, T.nnet.sigmoid),
    "linear": (nn.nonlinearities.linear,),
}
_SHAPES_ONLY = (
    nn.layers.ReshapeLayer, nn.layers.FlattenLayer, nn.layers.DimshuffleLayer
)  # fmt: skip


def near(name: str, known: Iterable[str]) -> str:
    """Words for an error: names near a wrong one, or all there are."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, 3)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"there are {', '.join(known)}"


def last_nonlinearity(layer: Any) -> str:
    """Say what a network ends with.

    Returns
    -------
    "softmax", "log_softmax", "sigmoid", "linear", or the name of another function

    Examples
    --------
    >>> last_nonlinearity(nn.layers.DenseLayer((None, 4), 3, nonlinearity=None))
    'linear'
    """
    while isinstance(layer, _SHAPES_ONLY) and layer.input_layer is not None:
        layer = layer.input_layer
    given = getattr(layer, "nonlinearity", None)
    if given is None:
        return "linear"
    for kind, functions in _KINDS.items():
        if any(given is function for function in functions):
            return kind
    return getattr(given, "__name__", type(given).__name__)


class Head:
    """One output of a network with its loss.

    Parameters
    ----------
    layer : the output layer
    loss : name, function of (predictions, targets), scalar expression, or None to choose
        one by the last nonlinearity
    from_logits : whether the layer gives scores rather than probabilities; None looks
    which : how errors call its targets

    Attributes
    ----------
    classes : extent of the last axis of the output
    """

    def __init__(
        self, layer: Any, loss: Any = None, from_logits: bool | None = None,
        which: str = "y",
    ) -> None:  # fmt: skip
        self.layer = layer
        self.which = which
        self.shape = layer.output_shape
        self.last = last_nonlinearity(layer)
        self.given = loss
        self.expression: Any = loss if isinstance(loss, Variable) else None
        self.loss = self._chosen(loss)
        self.classes = self.shape[-1] if len(self.shape) > 1 else 1
        if from_logits is not None and self.last not in ("softmax", "sigmoid"):
            self.last = "linear" if from_logits else self._told()
        if self.loss.takes == "probabilities":
            self._check_last()

    def _chosen(self, loss: Any) -> Loss:
        if loss is None:
            return LOSSES[DEFAULTS.get(self.last, "squared_error")]
        if isinstance(loss, str):
            if loss not in LOSSES:
                raise ArgumentError(
                    f"Model: no loss {loss!r}; {near(loss, LOSSES)} A function of "
                    "(predictions, targets) is taken as well."
                )
            return LOSSES[loss]
        if isinstance(loss, Variable):
            if loss.ndim:
                raise ArgumentError(
                    f"Model: the loss is an expression of rank {loss.ndim}, expected a "
                    "scalar: take its mean()"
                )
            return Loss("expression", _never, "any")
        for known in LOSSES.values():
            if known.function is loss:
                return known
        if not callable(loss):
            raise ArgumentError(
                f"Model: loss={loss!r}, expected a name ({', '.join(LOSSES)}), a function "
                "of (predictions, targets), or a scalar expression"
            )
        return Loss(getattr(loss, "__name__", "loss"), loss, "any")

    def _told(self) -> str:
        return "softmax" if self.loss.targets == LABELS else "sigmoid"

    def _check_last(self) -> None:
        fine = ("softmax", "linear", "sigmoid")
        if self.loss.targets == LABELS:
            fine = ("softmax", "linear", "log_softmax")  # type: ignore[assignment]
        if self.last not in fine:
            raise ArgumentError(
                f"Model: {self.layer!r} ends with {self.last!r}, and {self.loss.name} "
                f"needs probabilities or scores\nGive the last layer nonlinearity="
                f"nn.nonlinearities.{self._told()}, or None for scores; if its own "
                "function gives probabilities, say from_logits=False."
            )

    # --- expressions ---------------------------------------------------------------------

    def probabilities(self, output: Any) -> Any:
        """Probabilities of what the layer gives; the output itself without a loss of them.

        The compiler makes the logarithm of a softmax stable, so that scores and
        probabilities do alike.
        """
        if self.loss.takes != "probabilities" and self.last not in DEFAULTS:
            return output
        if self.last == "log_softmax":
            return T.exp(output)
        if self.last != "linear":
            return output
        if self.loss.targets == BINARY:
            return T.nnet.sigmoid(output)
        return T.nnet.softmax(output)

    def losses(self, output: Any, target: Any) -> Any:
        """The loss of each item, any rank."""
        taken = (
            self.probabilities(output) if self.loss.takes == "probabilities" else output
        )
        if self.loss.targets == LABELS and output.ndim > 2:
            # a class for each place: one row each
            rows = T.prod(output.shape[:-1])
            taken = T.reshape(taken, (rows, output.shape[-1]), ndim=2)
            flat = (
                T.flatten(target)
                if target.ndim < output.ndim
                else T.reshape(target, (rows, output.shape[-1]), ndim=2)
            )
            found = self.loss.function(taken, flat)
            return T.reshape(found, output.shape[:-1], ndim=output.ndim - 1)
        found = self.loss.function(taken, target)
        if not isinstance(found, Variable):
            raise ArgumentError(
                f"Model: the loss {self.loss.name} returned a {type(found).__name__}, "
                "expected an expression"
            )
        return found

    def answers(self, output: Any) -> Any:
        """What is predicted: a class for a loss of classes, otherwise the output."""
        if self.is_classifier:
            if self.is_binary:
                threshold = 0 if self.last == "linear" else 0.5
                return T.cast(T.gt(output, threshold), "int64")
            return T.argmax(output, axis=-1)
        return output

    @property
    def is_classifier(self) -> bool:
        """Whether its targets are classes."""
        if self.loss.targets == "any":
            return self.last in DEFAULTS
        return self.loss.targets in (LABELS, BINARY)

    @property
    def is_binary(self) -> bool:
        """Whether it has one number for each yes or no, rather than one for each class."""
        if self.loss.targets == "any":
            return self.last == "sigmoid"
        return self.loss.targets == BINARY and self.last not in (
            "softmax",
            "log_softmax",
        )

    # --- targets --------------------------------------------------------------------------

    def targets(self, value: Any, rows: int) -> np.ndarray:
        """Return the user's targets as an array of labels (int32) or of numbers.

        Raises
        ------
        DataError, ShapeError : a wrong number of rows or shape, labels outside the
            classes, one-hot rows where labels are meant and the other way round, NaN
        """
        what = self.which
        array = as_array(value, what)
        if not array.ndim or len(array) != rows:
            count = len(array) if array.ndim else "no"
            raise DataError(
                f"{what} has {count} rows and the inputs have {rows}; both need the same "
                "number"
            )
        wanted = self.shape[1:]
        if self.loss.targets == LABELS or (
            self.loss.targets == "any"
            and array.dtype.kind in "ui"
            and array.ndim == len(self.shape) - 1
        ):
            labels = self._labels(array, wanted)
            if labels is not None:
                return labels
        elif array.ndim == len(self.shape) - 1 and wanted[-1:] == (1,):
            array = array[..., None]
        self._check_shape(array, wanted)
        params = nn.layers.get_all_params(self.layer)
        dtype = params[0].dtype if params else "float32"
        made = floats(array, dtype if dtype.startswith("float") else "float32", what)
        if made.dtype.kind != "f":
            made = made.astype(dtype)
        if self.loss.targets == BINARY and made.size:
            self._check_range(made)
        return made

    def _labels(self, array: np.ndarray, wanted: tuple[Any, ...]) -> np.ndarray | None:
        """Labels as int32, or None where the targets are probabilities of classes."""
        what = self.which
        if array.ndim == len(wanted) + 1 and _fits(array.shape[1:], wanted):
            if self.classes != 1:
                sums = array.sum(axis=-1, dtype=np.float64)
                if array.size and not np.allclose(sums, 1, atol=1e-3):
                    row = int(np.argwhere(~np.isclose(sums, 1, atol=1e-3))[0][0])
                    raise DataError(
                        f"{what}: targets {array.shape} stand for probabilities of "
                        f"{self.classes} classes, but row {row} sums to "
                        f"{np.ravel(sums[row])[0]:g}, not 1"
                    )
                return None
            raise DataError(
                f"{what}: {self.loss.name} over one class always is 0; give the last "
                "layer two units, or take binary_crossentropy and a sigmoid"
            )
        if array.ndim == len(wanted) + 1 and array.shape[-1] == 1:
            array = array[..., 0]
        if array.ndim != len(wanted) or not _fits(array.shape[1:], wanted[:-1]):
            raise ShapeError(
                f"{what} has shape {array.shape}; the network gives {self.classes} classes "
                f"for inputs of {len(array)} rows, so targets are labels "
                f"{(len(array), *wanted[:-1])} or probabilities {(len(array), *wanted)}"
            )
        labels = integers(array, "int32", what)
        if labels.size and self.classes is not None:
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= self.classes:
                bad = (labels < 0) | (labels >= self.classes)
                row = int(np.argwhere(bad)[0][0])
                raise DataError(
                    f"{what}, row {row}, is the label {np.ravel(labels[bad])[0]}, outside "
                    f"0 .. {self.classes - 1}: the network has {self.classes} classes"
                )
        return labels

    def _check_shape(self, array: np.ndarray, wanted: tuple[Any, ...]) -> None:
        if _fits(array.shape[1:], wanted):
            return
        hint = ""
        if array.ndim == len(wanted) and array.dtype.kind in "ui":
            hint = (
                "\nThese look like labels: take a softmax and categorical_crossentropy, or "
                "make one-hot rows of them, numpy.eye(classes)[y]."
            )
        raise ShapeError(
            f"{self.which} has shape {array.shape}, and the output of the network is "
            f"{(len(array), *wanted)}{hint}"
        )

    def _check_range(self, made: np.ndarray) -> None:
        low, high = float(made.min()), float(made.max())
        if low < 0 or high > 1:
            wrong = low if low < 0 else high
            row = int(np.argwhere((made < 0) | (made > 1))[0][0])
            hint = (
                "; labels of -1 and 1 become 0 and 1 with (y + 1) / 2"
                if low == -1
                else ""
            )
            raise DataError(
                f"{self.which}, row {row}, is {wrong:g}; {self.loss.name} takes targets in "
                f"0 .. 1{hint}"
            )


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w is None or w == s for s, w in zip(shape, wanted, strict=True)
    )


def _never(predictions: Any, targets: Any) -> Any:
    raise AssertionError("a loss given as an expression is not called")
