"""Losses and accuracies: predictions and targets in, one number per item out.

`aggregate` (or ``mean()``) makes a scalar of a loss, for `symgraph.nn.updates`. The
accuracies have no gradient; they are for validation. A vector of targets beside a
column of predictions counts as a column, so that the two do not broadcast to a matrix.
Targets that are integers take the dtype of the predictions where the formula mixes the
two, so that float32 stays float32.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.dtypes import is_discrete, is_float
from symgraph.core.node import Variable, listing
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.ctc import ctc_loss
from symgraph.ops.labels import labelled, one_hot_rows

__all__ = [
    "aggregate",
    "align_targets",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_loss",
    "binary_hinge_loss",
    "categorical_accuracy",
    "categorical_crossentropy",
    "cosine_loss",
    "ctc_loss",
    "dice_loss",
    "focal_loss",
    "huber_loss",
    "kl_divergence",
    "label_smoothing",
    "multiclass_hinge_loss",
    "squared_error",
]

MODES = ("mean", "sum", "normalized_sum")


def align_targets(predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Return both, with the targets as a column where they are a vector and p a column.

    Examples
    --------
    >>> align_targets(T.col("p"), T.vector("t"))[1].type.shape
    (None, 1)
    """
    if getattr(predictions, "broadcastable", None) == (False, True):
        if getattr(targets, "ndim", None) == 1:
            targets = T.dimshuffle(T.as_tensor_variable(targets), 0, "x")
    return predictions, targets


def binary_crossentropy(predictions: Any, targets: Any) -> Variable:
    """out = -t * log(p) - (1 - t) * log(1 - p), elementwise.

    Parameters
    ----------
    predictions : p in 0 .. 1, such as the result of `sigmoid`
    targets : t in 0 .. 1

    Examples
    --------
    >>> binary_crossentropy(T.fmatrix("p"), T.imatrix("t")).type
    float32 (None, None)
    """
    p, t = align_targets(predictions, targets)
    return T.nnet.binary_crossentropy(p, _adapted(t, p))


def categorical_crossentropy(predictions: Any, targets: Any) -> Variable:
    """out[i] = -sum over j of t[i, j] * log(p[i, j]), or -log(p[i, t[i]]) for labels.

    Parameters
    ----------
    predictions : p (batch, classes) in 0 .. 1, such as the result of `softmax`
    targets : t, probabilities (batch, classes) or integer labels (batch,)

    Returns
    -------
    (batch,)
    """
    return T.nnet.categorical_crossentropy(predictions, targets)


def squared_error(a: Any, b: Any) -> Variable:
    """out = (a - b)**2, elementwise."""
    a, b = align_targets(a, b)
    return T.sqr(T.as_tensor_variable(a) - b)


def aggregate(loss: Any, weights: Any = None, mode: str = "mean") -> Variable:
    """Turn a loss per item into a scalar.

    mean: mean of loss * weights. sum: sum of loss * weights. normalized_sum: the sum
    divided by the sum of the weights.

    Parameters
    ----------
    loss : any rank
    weights : broadcasts to the loss; 0 masks an item (which must not be NaN)
    mode : "mean", "sum" or "normalized_sum"
    """
    if mode not in MODES:
        raise ArgumentError(f"aggregate: mode={mode!r}; use one of {MODES}")
    if mode == "normalized_sum" and weights is None:
        raise ArgumentError("aggregate: mode='normalized_sum' needs weights")
    loss = T.as_tensor_variable(loss)
    if weights is not None:
        weights = T.as_tensor_variable(weights)
        loss = loss * weights
    if mode == "mean":
        return T.mean(loss)
    return T.sum(loss) if mode == "sum" else T.sum(loss) / T.sum(weights)


def binary_hinge_loss(
    predictions: Any,
    targets: Any,
    delta: Any = 1,
    log_odds: bool | None = None,
    binary: bool = True,
) -> Variable:
    """out = max(0, delta - s * z), elementwise, with s = -1 or 1.

    Parameters
    ----------
    predictions : z, before a sigmoid; with log_odds=False p in 0 .. 1, and
        z = log(p / (1 - p))
    targets : t in {0, 1}, and s = 2 * t - 1; with binary=False s itself
    delta : margin
    log_odds : None counts as True
    """
    z, t = align_targets(T.as_tensor_variable(predictions), targets)
    t = _adapted(t, z)
    if log_odds is not None and not log_odds:
        z = T.log(z / (1 - z))
    if binary:
        t = 2 * t - 1
    return T.nnet.relu(delta - z * t)


def multiclass_hinge_loss(predictions: Any, targets: Any, delta: Any = 1) -> Variable:
    """out[i] = max(0, max over j != t[i] of p[i, j] - p[i, t[i]] + delta).

    Parameters
    ----------
    predictions : p (batch, classes)
    targets : integer labels (batch,), or one-hot rows (batch, classes)
    delta : margin

    Returns
    -------
    (batch,)
    """
    p: Any = T.as_tensor_variable(predictions)
    t: Any = T.as_tensor_variable(targets)
    t = _checked("multiclass_hinge_loss", p, t)
    hit = T.one_hot(t, p.shape[-1], "bool") if t.ndim < p.ndim else T.neq(t, 0)
    right = T.sum(T.switch(hit, p, 0), axis=-1)
    rest = T.max(T.switch(hit, -float("inf"), p), axis=-1)
    return T.nnet.relu(rest - right + delta)


def huber_loss(predictions: Any, targets: Any, delta: Any = 1) -> Variable:
    """out = d**2 / 2 where d = abs(p - t) <= delta, else delta * (d - delta / 2).

    References
    ----------
    Huber 1964, Robust estimation of a location parameter
    """
    p, t = align_targets(T.as_tensor_variable(predictions), targets)
    distance = T.abs(t - p)
    square = 0.5 * T.sqr(distance)
    line = delta * (distance - delta / 2)
    return T.switch(T.le(distance, delta), square, line)


def label_smoothing(
    targets: Any, num_classes: Any = None, smoothing: Any = 0.1
) -> Variable:
    """out[i, j] = (1 - smoothing) * t[i, j] + smoothing / classes.

    Parameters
    ----------
    targets : t, probabilities (batch, classes), or integer labels (batch,), which count
        as one-hot rows
    num_classes : number of classes; needed for labels
    smoothing : number in 0 .. 1

    Returns
    -------
    (batch, classes), targets for `categorical_crossentropy`

    Raises
    ------
    ArgumentError : labels without num_classes; smoothing is not in 0 .. 1

    References
    ----------
    Szegedy et al. 2015, Rethinking the Inception architecture, section 7.
    arXiv:1512.00567

    Examples
    --------
    >>> import numpy as np
    >>> label_smoothing(np.array([1]), 4, smoothing=0.2).eval().round(3)
    array([[0.05, 0.85, 0.05, 0.05]])
    """
    t: Any = T.as_tensor_variable(targets)
    if not isinstance(smoothing, Variable) and not 0 <= smoothing <= 1:
        raise ArgumentError(
            f"label_smoothing: smoothing={smoothing!r} is not in 0 .. 1"
        )
    if is_discrete(t.dtype) and t.ndim == 1:
        if num_classes is None:
            raise ArgumentError(
                f"label_smoothing: integer labels need num_classes{listing(t)}"
            )
        t = T.one_hot(t, num_classes)
    classes = t.shape[-1] if t.type.shape[-1] is None else t.type.shape[-1]
    share = smoothing / (
        T.cast(classes, t.dtype) if isinstance(classes, Variable) else classes
    )
    return t * (1 - smoothing) + share


def kl_divergence(predictions: Any, targets: Any) -> Variable:
    """out[i] = sum over j of t[i, j] * log(t[i, j] / p[i, j]), 0 where t is 0.

    `categorical_crossentropy` without the entropy of the targets.

    Parameters
    ----------
    predictions : p (..., classes) in 0 .. 1, such as the result of `softmax`
    targets : t (..., classes) in 0 .. 1

    Returns
    -------
    (...,)

    Raises
    ------
    ShapeError : the ranks differ

    References
    ----------
    Kullback and Leibler 1951, On information and sufficiency

    Examples
    --------
    >>> import numpy as np
    >>> float(kl_divergence(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])).eval()[0])
    0.6931471805599453
    """
    p: Any = T.as_tensor_variable(predictions)
    t: Any = _adapted(targets, p)
    _same_rank("kl_divergence", p, t)
    return T.sum(T.xlogx(t) - T.xlogy(t, p), axis=-1)


def focal_loss(
    predictions: Any, targets: Any, gamma: Any = 2.0, alpha: Any = None
) -> Variable:
    """out[i] = -sum over j of a[j] * t[i, j] * (1 - p[i, j])**gamma * log(p[i, j]).

    The cross-entropy, with less weight for what is predicted well already.

    Parameters
    ----------
    predictions : p (batch, classes) in 0 .. 1, such as the result of `softmax`
    targets : t, probabilities (batch, classes) or integer labels (batch,)
    gamma : number from 0 up; 0 is the cross-entropy
    alpha : a, a weight for each class (classes,), or one number; None for 1

    Returns
    -------
    (batch,)

    References
    ----------
    Lin et al. 2017, Focal loss for dense object detection, equation 4. arXiv:1708.02002

    Examples
    --------
    >>> import numpy as np
    >>> p, t = np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])
    >>> focal_loss(p, t).eval().round(4)
    array([0.1733, 0.0011])
    """
    p: Any = T.as_tensor_variable(predictions)
    t: Any = _checked("focal_loss", p, T.as_tensor_variable(targets))
    _settings("focal_loss", gamma=gamma)
    if t.ndim < p.ndim:
        own = labelled(p, t)
        loss = -((1 - own) ** gamma) * T.log(own)
        if alpha is None:
            return loss
        weights = T.as_tensor_variable(alpha)
        return loss * (T.take(weights, t) if weights.ndim else weights)
    terms = (1 - p) ** gamma * T.xlogy(_adapted(t, p), p)
    return -T.sum(terms if alpha is None else terms * alpha, axis=-1)


def binary_focal_loss(
    predictions: Any, targets: Any, gamma: Any = 2.0, alpha: Any = 0.25
) -> Variable:
    """out = -alpha t (1 - p)**gamma log(p) - (1 - alpha) (1 - t) p**gamma log(1 - p).

    Parameters
    ----------
    predictions : p in 0 .. 1, such as the result of `sigmoid`
    targets : t in 0 .. 1
    gamma : number from 0 up
    alpha : number in 0 .. 1, weight of the ones; None for no weights

    References
    ----------
    Lin et al. 2017, Focal loss for dense object detection, equation 5. arXiv:1708.02002

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([0.9, 0.5])
    >>> binary_focal_loss(p, np.array([1, 1])).eval().round(4)
    array([0.0003, 0.0433])
    """
    p, t = align_targets(T.as_tensor_variable(predictions), targets)
    t = _adapted(t, p)
    _settings("binary_focal_loss", gamma=gamma)
    ones, zeros = T.xlogy(t, p), T.xlogy(1 - t, 1 - p)
    weights = (1, 1) if alpha is None else (alpha, 1 - alpha)
    return -weights[0] * (1 - p) ** gamma * ones - weights[1] * p**gamma * zeros


def dice_loss(predictions: Any, targets: Any, smooth: Any = 1.0) -> Variable:
    """out[i] = 1 - (2 * sum of p t + smooth) / (sum of p + sum of t + smooth).

    The sums are over all axes but the first.

    Parameters
    ----------
    predictions : p (batch, ...) in 0 .. 1
    targets : t (batch, ...) in 0 .. 1
    smooth : number from 0 up, keeps the fraction finite where nothing is to be found

    Returns
    -------
    (batch,)

    Raises
    ------
    ShapeError : the ranks differ, or are less than 2

    References
    ----------
    Milletari et al. 2016, V-Net, section 3, with sums for sums of squares.
    arXiv:1606.04797

    Examples
    --------
    >>> import numpy as np
    >>> float(dice_loss(np.ones((1, 3)), np.ones((1, 3))).eval()[0])
    0.0
    """
    p: Any = T.as_tensor_variable(predictions)
    t: Any = _adapted(targets, p)
    _same_rank("dice_loss", p, t, least=2)
    axes = tuple(range(1, p.ndim))
    both, of_p, of_t = (T.sum(x, axis=axes) for x in (p * t, p, t))
    return 1 - (2 * both + smooth) / (of_p + of_t + smooth)


def cosine_loss(a: Any, b: Any, axis: int = -1, epsilon: float = 1e-12) -> Variable:
    """out = 1 - sum of a b / sqrt(sum of a**2 * sum of b**2), sums along one axis.

    Sums of squares count as epsilon where they are less, so that vectors of zeros have
    the loss 1 and a gradient.

    Parameters
    ----------
    a, b : of the same rank
    axis : int

    Raises
    ------
    ShapeError : the ranks differ

    Examples
    --------
    >>> import numpy as np
    >>> cosine_loss(np.eye(2), np.array([[2.0, 0.0], [-1.0, 0.0]])).eval()
    array([0., 1.])
    """
    a = T.as_tensor_variable(a)
    b = _adapted(b, a)
    _same_rank("cosine_loss", a, b)

    def unit(x: Any) -> Any:
        squares = T.sum(T.sqr(x), axis=axis, keepdims=True)
        return x / T.sqrt(T.maximum(squares, epsilon))

    return 1 - T.sum(unit(a) * unit(b), axis=axis)


def binary_accuracy(predictions: Any, targets: Any, threshold: Any = 0.5) -> Variable:
    """out = (p >= threshold) == t, elementwise, as bool.

    Parameters
    ----------
    predictions : p in 0 .. 1
    targets : t in {0, 1}
    """
    p, t = align_targets(T.as_tensor_variable(predictions), targets)
    return T.eq(T.ge(p, threshold), t)


def categorical_accuracy(predictions: Any, targets: Any, top_k: int = 1) -> Variable:
    """out[i] = whether the target is among the top_k largest of p[i], as bool.

    For top_k = 1, argmax(p[i]) == t[i]. For more, fewer than top_k elements of p[i] are
    larger than p[i, t[i]], so that nothing needs to be sorted: among equal elements,
    all count as hits. A target of NaN is not a hit.

    Parameters
    ----------
    predictions : p (batch, classes)
    targets : integer labels (batch,), or one-hot rows (batch, classes)
    top_k : int, at least 1

    Returns
    -------
    (batch,)
    """
    p: Any = T.as_tensor_variable(predictions)
    t: Any = T.as_tensor_variable(targets)
    t = _checked("categorical_accuracy", p, t)
    if isinstance(top_k, bool) or int(top_k) != top_k or top_k < 1:
        raise ArgumentError(f"categorical_accuracy: top_k={top_k!r}; use 1 or more")
    if t.ndim == p.ndim:
        t = T.argmax(t, axis=-1)
    if top_k == 1:
        return T.eq(T.argmax(p, axis=-1), t)
    own = T.shape_padright(labelled(p, t))
    larger = T.sum(T.invert(T.le(p, own)), axis=-1)  # not T.gt: NaN must count
    return T.lt(larger, top_k)


def _adapted(targets: Any, predictions: Any) -> Any:
    """Targets that are integers or bools in the dtype of float predictions."""
    t = T.as_tensor_variable(targets)
    wanted = T.as_tensor_variable(predictions).dtype
    if is_discrete(t.dtype) and is_float(wanted):
        return T.cast(t, wanted)
    return t


def _settings(what: str, **given: Any) -> None:
    for name, value in given.items():
        if not isinstance(value, Variable) and not value >= 0:
            raise ArgumentError(f"{what}: {name}={value!r}; use 0 or more")


def _same_rank(what: str, p: Variable, t: Variable, least: int = 1) -> None:
    if p.ndim != t.ndim or p.ndim < least:
        raise ShapeError(
            f"{what}: both must have the same rank, at least {least}{listing(p, t)}"
        )


def _checked(what: str, p: Variable, t: Variable) -> Variable:
    if p.ndim == 0 or t.ndim not in (p.ndim, p.ndim - 1):
        raise ShapeError(
            f"{what}: targets must have the rank of the predictions (one-hot), or one "
            f"less (labels){listing(p, t)}"
        )
    return one_hot_rows(what, p, t) if t.ndim == p.ndim else t
