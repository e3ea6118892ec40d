"""Classifier and Regressor: networks that scikit-learn takes for estimators of its own.

In: rows and targets as scikit-learn has them, sparse matrices included.  Out: fitted
estimators, which clone, search, cross-validate, pipe and pickle like any other.  They hold
a `Model`, which does the work; what scikit-learn wants of an estimator stands here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets, unique_labels
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError(
        "nn.Classifier and nn.Regressor need scikit-learn: "
        "pip install 'symgraph[sklearn]'"
    ) from error

import symgraph as sg
from symgraph import nn
from symgraph.data.image_set import held_out
from symgraph.errors import ArgumentError, DataError
from symgraph.train.callbacks import EarlyStopping
from symgraph.train.heads import near
from symgraph.train.history import History
from symgraph.train.model import Model

#: rows of a step where the user names none, and of sparse rows made dense at once
BATCH, AT_ONCE = 200, 4096
#: bytes of a sparse matrix as a dense array, above which batches are made dense one by one
DENSE_BYTES = 1 << 28
#: initial weights draw from one generator for the whole process
_drawing = threading.Lock()


class _Network(BaseEstimator):  # type: ignore[misc]
    """What both estimators share."""

    def __init__(
        self,
        network: Callable[[Any, int], Any] | None = None,
        *,
        hidden: tuple[int, ...] = (100,),
        nonlinearity: Any = "rectify",
        dropout: float = 0.0,
        loss: Any = None,
        updates: Any = "adam",
        learning_rate: float | None = None,
        regularization: Any = None,
        epochs: int = 200,
        batch_size: int | str = "auto",
        validation: float = 0.0,
        patience: int | None = None,
        callbacks: Any = (),
        dtype: str = "auto",
        random_state: Any = None,
        verbose: int | str = 0,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.nonlinearity = nonlinearity
        self.dropout = dropout
        self.loss = loss
        self.updates = updates
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may give: sparse matrices too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = self.network is not None
        return tags

    # --- what the two differ in -------------------------------------------------------

    def _last(self) -> Any:
        """The nonlinearity of the MLP's last layer."""
        raise NotImplementedError

    # --- training ---------------------------------------------------------------------

    def _checked(self, X: Any, reset: bool, **settings: Any) -> Any:
        """Rows as scikit-learn checks them: numbers, of a known number of features."""
        return validate_data(
            self, X, reset=reset, accept_sparse="csr", allow_nd=self.network is not None,
            dtype=(np.float64, np.float32), **settings,
        )  # fmt: skip

    def _begin(self, X: Any, outputs: int) -> None:
        """A new model."""
        if self.dtype not in ("auto", "float32", "float64"):
            raise ArgumentError(
                f"dtype={self.dtype!r}, expected 'auto', 'float32' or 'float64'"
            )
        floatX = X.dtype.name if self.dtype == "auto" else self.dtype
        random = check_random_state(self.random_state)
        with _drawing, sg.config.override(floatX=floatX):
            before = nn.random.get_rng()
            nn.random.set_rng(random)
            try:
                inputs = nn.layers.InputLayer((None, *X.shape[1:]), name="inputs")
                build = self._mlp if self.network is None else self.network
                layer = build(inputs, outputs)
            finally:
                nn.random.set_rng(before)
            if not isinstance(layer, nn.layers.Layer):
                raise ArgumentError(
                    f"network= gave {layer!r}, expected the last layer of a network over "
                    "the input layer that it was given"
                )
            if layer.output_shape[1:] != (outputs,):
                raise ArgumentError(
                    f"network= gave {layer!r} of shape {layer.output_shape}, expected "
                    f"(None, {outputs}): one unit for each class or target"
                )
            self.model_ = Model(
                layer, loss=self.loss, updates=self.updates,
                regularization=self.regularization, learning_rate=self.learning_rate,
            )  # fmt: skip
        self._seed = int(random.randint(2**31 - 1))

    def _mlp(self, layer: Any, outputs: int) -> Any:
        between = self.nonlinearity
        if isinstance(between, str):
            known = {n: f for n, f in vars(nn.nonlinearities).items() if callable(f)}
            if between not in known:
                raise ArgumentError(f"nonlinearity={between!r}: {near(between, known)}")
            between = known[between]
        for units in self.hidden:
            layer = nn.layers.DenseLayer(layer, units, nonlinearity=between)
            if self.dropout:
                layer = nn.layers.DropoutLayer(layer, p=self.dropout)
        return nn.layers.DenseLayer(layer, outputs, nonlinearity=self._last())

    def _train(self, X: Any, y: np.ndarray, weight: Any, epochs: int) -> History:
        """Some epochs over checked rows; rows without weight are as if not there."""
        if weight is not None:
            weight = np.asarray(weight, np.float64)
            if (weight < 0).any():
                raise DataError("sample_weight holds negative numbers, a loss has none")
            if not weight.all():
                kept = np.flatnonzero(weight)
                if not len(kept):
                    raise DataError("all rows have the weight 0")
                X, y, weight = X[kept], y[kept], weight[kept]
        rows = X.shape[0]
        if isinstance(self.batch_size, str):
            if self.batch_size != "auto":
                raise ArgumentError(
                    f"batch_size={self.batch_size!r}, expected a number of rows or 'auto'"
                )
            size = min(BATCH, rows)
        else:
            size = self.batch_size
        told = list(self.callbacks)
        if self.patience is not None:
            monitor = "validation_loss" if self.validation else "loss"
            told.append(EarlyStopping(monitor, patience=self.patience))
        settings: dict[str, Any] = {
            "epochs": epochs, "batch_size": size, "callbacks": told, "seed": self._seed,
            "verbose": self.verbose,
        }  # fmt: skip
        if not _is_sparse(X) or X.shape[0] * X.shape[1] * 8 <= DENSE_BYTES:
            dense = X.toarray() if _is_sparse(X) else X
            return self.model_.fit(
                dense, y, sample_weight=weight, validation=self.validation or None,
                **settings,
            )  # fmt: skip
        return self._stream(X, y, weight, size, settings)

    def _stream(
        self, X: Any, y: np.ndarray, weight: Any, size: int, settings: dict[str, Any]
    ) -> History:
        """Sparse rows that are too many to be dense at once."""
        if weight is not None:
            weight = weight * (len(weight) / weight.sum())
        rows = np.arange(X.shape[0])
        if self.validation:
            labels = y if y.dtype.kind in "ui" else np.zeros(len(y), np.int32)
            rows, held = held_out(labels, self.validation, self._seed)
            settings["validation"] = lambda: _batches(X, y, weight, held, AT_ONCE)
        return self.model_.fit(
            _Shuffled(X, y, weight, rows, size, self._seed), **settings
        )

    def _outputs(self, X: Any, function: Callable[[Any], np.ndarray]) -> np.ndarray:
        """What the model gives for rows of the user's."""
        check_is_fitted(self, "model_")
        X = self._checked(X, reset=False)
        if not _is_sparse(X):
            return function(X)
        starts = range(0, X.shape[0], AT_ONCE)
        return np.concatenate([function(X[i : i + AT_ONCE].toarray()) for i in starts])


class Classifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """A network that learns classes, as scikit-learn's estimator.

    p(class) = softmax(scores), and the loss is the cross-entropy, each row with its weight

    Parameters
    ----------
    network : function of (inputs, outputs): the input layer, and how many units the last
        layer has; returns the last layer. None is an MLP of the next three
    hidden : units of each hidden layer
    nonlinearity : of the hidden layers, a name of `nn.nonlinearities` or a function
    dropout : share of hidden units that is dropped in training
    loss, updates, learning_rate, regularization : see `nn.Model`
    epochs : of `fit`
    batch_size : rows of a step; "auto" is 200, or all where they are fewer
    validation : share of the rows that only validates
    patience : ends the training after so many epochs without a better validation loss,
        or loss where there is no validation; the best weights stay
    callbacks : of `symgraph.train.callbacks`
    dtype : of the network: "float32", "float64", or "auto", that of X, where all but
        float32 counts as float64; float32 takes about half the time
    random_state : of weights, dropout, orders; an int makes everything repeat
    verbose : see `nn.Model.fit`
    class_weight : dictionary class → weight, or "balanced"

    Attributes
    ----------
    classes_ : labels, sorted; the columns of `predict_proba`
    model_ : the `nn.Model`
    history_ : of the last `fit`
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> import numpy as np
    >>> X = np.random.RandomState(0).normal(size=(90, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> made = Classifier(hidden=(16,), learning_rate=0.02, random_state=1)
    >>> bool(cross_val_score(made, X, y, cv=3).mean() > 0.85)
    True
    """

    def __init__(
        self,
        network: Callable[[Any, int], Any] | None = None,
        *,
        hidden: tuple[int, ...] = (100,),
        nonlinearity: Any = "rectify",
        dropout: float = 0.0,
        loss: Any = None,
        updates: Any = "adam",
        learning_rate: float | None = None,
        regularization: Any = None,
        epochs: int = 200,
        batch_size: int | str = "auto",
        validation: float = 0.0,
        patience: int | None = None,
        callbacks: Any = (),
        dtype: str = "auto",
        random_state: Any = None,
        verbose: int | str = 0,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            network, hidden=hidden, nonlinearity=nonlinearity, dropout=dropout, loss=loss,
            updates=updates, learning_rate=learning_rate, regularization=regularization,
            epochs=epochs, batch_size=batch_size, validation=validation,
            patience=patience, callbacks=callbacks, dtype=dtype,
            random_state=random_state, verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def _last(self) -> Any:
        return nn.nonlinearities.softmax

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Classifier:
        """Train a new network.

        Parameters
        ----------
        X : (rows, features), dense or sparse; with a network of the user's of any rank
        y : (rows,) labels: numbers or text
        sample_weight : (rows,); a row of weight 0 is as if it were not there
        """
        X, labels, weight = self._given(X, y, sample_weight, reset=True)
        self._know(unique_labels(labels))
        self._begin(X, len(self.classes_))
        self.history_ = self._learn(X, labels, weight, self.epochs)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Classifier:
        """Train for one epoch more, with rows that may be other ones each time.

        Parameters
        ----------
        classes : all labels there will be, needed in the first call
        """
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ArgumentError(
                "partial_fit: the first call needs classes=, all that will come"
            )
        X, labels, weight = self._given(X, y, sample_weight, reset=first)
        if first:
            self._know(unique_labels(classes))
        elif classes is not None and not np.array_equal(
            self.classes_, unique_labels(classes)
        ):
            raise ArgumentError(
                f"partial_fit: classes = {classes}, the first call had {self.classes_}"
            )
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise DataError(
                f"y has the class {unknown.tolist()[0]!r}, which is not among "
                f"{self.classes_}"
            )
        if first:
            self._begin(X, len(self.classes_))
        self.history_ = self._learn(X, labels, weight, 1)
        return self

    def _given(self, X: Any, y: Any, weight: Any, reset: bool) -> tuple[Any, Any, Any]:
        X, y = self._checked(X, reset, y=y, multi_output=True)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if weight is not None:
            weight = _check_sample_weight(weight, X)
        return X, y, weight

    def _know(self, classes: np.ndarray) -> None:
        if len(classes) < 2:
            raise DataError(
                f"y has one class only, {classes.tolist()[0]!r}; a classifier needs two "
                "or more classes"
            )
        self.classes_ = classes

    def _learn(self, X: Any, labels: Any, weight: Any, epochs: int) -> History:
        if self.class_weight is not None:
            own = compute_sample_weight(self.class_weight, labels)
            weight = own if weight is None else own * weight
        return self._train(X, np.searchsorted(self.classes_, labels), weight, epochs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Returns
        -------
        (rows, classes), in the order of ``classes_``
        """
        check_is_fitted(self, "model_")
        return self._outputs(X, self.model_.predict_proba)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        check_is_fitted(self, "model_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Regressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A network that learns numbers, as scikit-learn's estimator.

    loss = mean((f(x) - y)**2), each row with its weight

    Parameters
    ----------
    network, hidden, nonlinearity, dropout : see `Classifier`; the last layer has one unit
        for each target
    loss, updates, learning_rate, regularization : see `nn.Model`
    epochs, batch_size, validation, patience, callbacks, dtype, random_state, verbose :
        see `Classifier`

    Attributes
    ----------
    model_ : the `nn.Model`
    history_ : of the last `fit`
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 80)[:, None]
    >>> made = Regressor(hidden=(16,), learning_rate=0.02, random_state=1)
    >>> bool(made.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.95)
    True
    """

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may give: several targets too."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _last(self) -> Any:
        return None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Train a new network.

        Parameters
        ----------
        X : (rows, features), dense or sparse; with a network of the user's of any rank
        y : (rows,), or (rows, targets)
        sample_weight : (rows,); a row of weight 0 is as if it were not there
        """
        X, y, weight = self._given(X, y, sample_weight, reset=True)
        self._begin(X, y.shape[1] if y.ndim == 2 else 1)
        self._single = y.ndim == 1
        self.history_ = self._train(X, y, weight, self.epochs)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Train for one epoch more, with rows that may be other ones each time."""
        first = not hasattr(self, "model_")
        X, y, weight = self._given(X, y, sample_weight, reset=first)
        if first:
            self._begin(X, y.shape[1] if y.ndim == 2 else 1)
            self._single = y.ndim == 1
        self.history_ = self._train(X, y, weight, 1)
        return self

    def _given(self, X: Any, y: Any, weight: Any, reset: bool) -> tuple[Any, Any, Any]:
        X, y = self._checked(X, reset, y=y, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if weight is not None:
            weight = _check_sample_weight(weight, X)
        return X, y, weight

    def predict(self, X: Any) -> np.ndarray:
        """The number of each row, (rows,), or (rows, targets) where it was fitted so."""
        check_is_fitted(self, "model_")
        found = self._outputs(X, self.model_.predict)
        return found[:, 0] if self._single else found


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "toarray")


class _Shuffled:
    """Dense batches of sparse rows, in an order of each epoch's own."""

    def __init__(
        self, X: Any, y: np.ndarray, weight: Any, rows: np.ndarray, size: int, seed: int
    ) -> None:
        self._arrays = X, y, weight
        self._rows = rows
        self._size = size
        self._seed = seed

    def of_epoch(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch."""
        random = np.random.default_rng((self._seed, epoch))
        return _batches(*self._arrays, random.permutation(self._rows), self._size)


def _batches(
    X: Any, y: np.ndarray, weight: Any, rows: np.ndarray, size: int
) -> Iterator[tuple[Any, ...]]:
    """Dense batches of sparse rows."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        own = () if weight is None else (weight[part],)
        yield (X[part].toarray(), y[part], *own)
