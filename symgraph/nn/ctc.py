"""Connectionist temporal classification: a loss for labels without places in time.

In: for each time step the probabilities of all classes, and a shorter sequence of
labels. Out: minus the logarithm of the probability that the steps spell the labels,
summed over every way to place them. The sum runs forwards over time in logarithms, by
`symgraph.scan`; its gradient is that of the loop.
"""

from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.core.dtypes import is_float, is_integer
from symgraph.core.node import Variable, listing
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.loops.build import scan
from symgraph.ops.gather import CheckIndex

#: a logarithm of a probability that counts as 0: exp of it is 0, sums of it are finite
NEVER = -1e30


def ctc_loss(
    predictions: Any,
    targets: Any,
    prediction_lengths: Any = None,
    target_lengths: Any = None,
    blank: int = 0,
    from_logits: bool = False,
) -> Variable:
    """out[i] = -log of the sum, over paths that spell targets[i], of prod p[i, t, path[t]].

    A path has one class for each time step. It spells what is left when runs of the same
    class count once and then blanks are dropped.

    Parameters
    ----------
    predictions : p (batch, time, classes), such as the result of `softmax`; numbers below
        the smallest normal number of the dtype count as that
    targets : integer labels (batch, labels), none of them the blank; what lies behind
        `target_lengths` is not looked at
    prediction_lengths : integers (batch,), time steps of each item; all by default
    target_lengths : integers (batch,), labels of each item; all by default
    blank : the class that stands for no label
    from_logits : True where predictions are the arguments of a softmax

    Returns
    -------
    (batch,); infinity, with a gradient of 0, where no path can spell the labels because
    there are too few time steps

    Raises
    ------
    ShapeError : ranks or batches do not fit
    DtypeError : predictions that are not floats, labels or lengths that are not integers
    ArgumentError : blank is not a class
    IndexRangeError : when it runs, labels that are no class or the blank, lengths beyond
        the axis

    References
    ----------
    Graves et al. 2006, Connectionist temporal classification, section 4.1; arguments as
    in PyTorch, with the batch first.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.full((1, 2, 3), 1 / 3)  # of 9 paths, "aa", "-a" and "a-" spell "a"
    >>> round(float(np.exp(-ctc_loss(p, np.array([[1]])).eval()[0])), 6)
    0.333333
    """
    p: Any = T.as_tensor_variable(predictions)
    labels: Any = T.as_tensor_variable(targets)
    _check(p, labels, blank)
    if from_logits:
        logs = T.nnet.logsoftmax(p)
    else:
        logs = T.log(T.maximum(p, T.constant(np.finfo(p.dtype).tiny, dtype=p.dtype)))
    counts = _lengths("target_lengths", target_lengths, labels)
    steps = _lengths("prediction_lengths", prediction_lengths, p)
    never = T.constant(NEVER, dtype=p.dtype)

    # the states that a path goes through: blank, label, blank, label, ..., blank
    batch, most = labels.shape[0], labels.shape[1]
    used = T.lt(T.arange(most).dimshuffle("x", 0), counts.dimshuffle(0, "x"))
    labels = T.switch(T.eq(labels, blank), -1, T.cast(labels, "int64"))  # no class
    labels = T.switch(used, labels, blank)
    labels = CheckIndex(-1, "the classes but the blank", False)(labels, p.shape[2])
    states = T.full((batch, 2 * most + 1), blank, dtype="int64")
    states = T.set_subtensor(states[:, 1::2], labels)
    border = T.full((batch, 2), blank, dtype="int64")
    two_before = T.concatenate([border, states], axis=1)[:, :-2]
    leaps = T.and_(T.neq(states, blank), T.neq(states, two_before))
    emitted = T.take_along_axis(logs, states.dimshuffle(0, "x", 1), axis=2)
    active = T.lt(T.arange(p.shape[1]).dimshuffle(0, "x"), steps.dimshuffle("x", 0))

    def step(row: Any, on: Any, before: Any) -> Any:
        padded = T.concatenate([T.full((batch, 2), NEVER, p.dtype), before], axis=1)
        leapt = T.switch(leaps, padded[:, :-2], never)
        reached = T.logaddexp(T.logaddexp(before, padded[:, 1:-1]), leapt)
        return T.switch(on.dimshuffle(0, "x"), reached + row, before)

    position = T.arange(2 * most + 1).dimshuffle("x", 0)
    start = T.switch(T.eq(position, 0), T.zeros_like(never), never)
    start = T.broadcast_to(start, (batch, 2 * most + 1))
    sums, _ = scan(step, [emitted.dimshuffle(1, 0, 2), active], [start])
    last = position - 2 * counts.dimshuffle(0, "x")
    ends = T.or_(T.eq(last, 0), T.eq(last, -1))
    total = T.nnet.logsumexp(T.switch(ends, sums[-1], never), axis=1)
    possible = T.gt(total, never / 2)
    return T.switch(possible, -total, T.constant(np.inf, dtype=p.dtype))


def _check(p: Variable, labels: Variable, blank: int) -> None:
    if p.ndim != 3 or labels.ndim != 2:
        raise ShapeError(
            "ctc_loss: predictions must be (batch, time, classes) and targets (batch, "
            f"labels){listing(p, labels)}"
        )
    batches = [v.type.shape[0] for v in (p, labels)]
    if None not in batches and batches[0] != batches[1]:
        raise ShapeError(
            f"ctc_loss: {batches[0]} items of predictions, {batches[1]} of targets"
            f"{listing(p, labels)}"
        )
    if not is_float(p.dtype) or not is_integer(labels.dtype):
        raise DtypeError(
            "ctc_loss: predictions must be floats and targets integer labels"
            f"{listing(p, labels)}"
        )
    classes = p.type.shape[2]
    if (
        isinstance(blank, bool)
        or int(blank) != blank
        or blank < 0
        or (classes is not None and blank >= classes)
    ):
        raise ArgumentError(
            f"ctc_loss: blank={blank!r} is none of the {classes or ''} classes"
            f"{listing(p)}"
        )


def _lengths(name: str, given: Any, of: Any) -> Any:
    """The lengths of all items; the whole second axis where none are given."""
    if given is None:
        return T.fill(T.zeros((of.shape[0],), "int64"), of.shape[1])
    found: Any = T.as_tensor_variable(given)
    if found.ndim != 1:
        raise ShapeError(f"ctc_loss: {name} must be (batch,){listing(found)}")
    if not is_integer(found.dtype):
        raise DtypeError(f"ctc_loss: {name} must be integers{listing(found)}")
    lengths = CheckIndex(-1, f"the possible {name}", False)
    return lengths(found, T.cast(of.shape[1] + 1, "int64"))
