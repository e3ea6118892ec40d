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
from symgraph.ops.labels import labelled, one_hot_rows

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


def _checked(what: str, p: Variable, t: Variable) -> Variable:
    if p.ndim == 0 or t.ndim not in (p.ndim, p.ndim - 1):
        raise ShapeError(
            f"{what}: targets must have the rank of the predictions (one-hot), or one "
            f"less (labels){listing(p, t)}"
        )
    return one_hot_rows(what, p, t) if t.ndim == p.ndim else t
