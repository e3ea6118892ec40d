"""Update rules: a loss and parameters in, new values of shared variables out.

Each rule gives a dictionary shared variable → expression, for the ``updates`` of
`symgraph.function`; beside the parameters it holds the rule's own state (velocities,
running means), which starts at 0. A loss may also be a list of gradients. g is the
gradient of a parameter w, eta the learning rate; learning rates and other settings are
numbers, shared variables or expressions, and take the dtype of the parameter, so that
float32 stays float32.

`apply_momentum` and `apply_nesterov_momentum` change a dictionary of another rule;
`norm_constraint` and `total_norm_constraint` bound new values or gradients.

References
----------
Names, defaults and formulas are Lasagne's, except of `adamw`, `nadam`, `lamb` and `lion`;
each rule names its paper.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.core.dtypes import NUMPY, is_float, upcast
from symgraph.core.node import Variable, listing
from symgraph.core.shared import SharedVariable, shared
from symgraph.errors import ArgumentError
from symgraph.nn.utils import norm_axes_of

Updates = dict[Any, Any]


def get_or_compute_grads(loss_or_grads: Any, params: Sequence[Any]) -> list[Variable]:
    """Return the gradients of a loss, or the gradients that were given.

    Raises
    ------
    ArgumentError : a parameter is not a shared variable, or the numbers differ
    """
    params = _listed(loss_or_grads, params)
    for param in params:
        if not isinstance(param, SharedVariable):
            described = listing(param) if isinstance(param, Variable) else f" {param!r}"
            raise ArgumentError(
                "updates: params must be shared variables; this one is not:"
                f"{described}\nFor the shared variables of an expression use "
                "nn.utils.collect_shared_vars, or get_all_params(layer)."
            )
    if isinstance(loss_or_grads, list | tuple):
        if len(loss_or_grads) != len(params):
            raise ArgumentError(
                f"updates: {len(loss_or_grads)} gradients for {len(params)} parameters"
            )
        return list(loss_or_grads)
    return grad(loss_or_grads, params)


def sgd(loss_or_grads: Any, params: Sequence[Any], learning_rate: Any) -> Updates:
    """w := w - eta * g.

    Parameters
    ----------
    loss_or_grads : scalar expression, or list of gradients
    params : list of shared variables
    learning_rate : eta

    Examples
    --------
    >>> import numpy as np, symgraph as sg
    >>> w = sg.shared(np.float32(4.0), name="w")
    >>> step = sg.function([], updates=sgd(w**2, [w], learning_rate=0.25))
    >>> _ = step()
    >>> float(w.get_value())
    2.0
    """
    updates: Updates = {}
    for w, g in _pairs(loss_or_grads, params):
        updates[w] = w - _setting(learning_rate, w) * g
    return updates


def apply_momentum(
    updates: Mapping[Any, Any],
    params: Sequence[Any] | None = None,
    momentum: Any = 0.9,
) -> Updates:
    """v := mu * v + (update(w) - w); w := w + v.

    Parameters
    ----------
    updates : dictionary of any rule
    params : those to change; all by default
    momentum : mu, 0 .. 1
    """
    changed = _changing(updates, "apply_momentum")
    for w in _targets(updates, params):
        velocity = _state(w, "velocity")
        x = _setting(momentum, w) * velocity + updates[w]
        changed[velocity] = x - w
        changed[w] = x
    return changed


def momentum(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any,
    momentum: Any = 0.9,
) -> Updates:
    """v := mu * v - eta * g; w := w + v.

    Parameters
    ----------
    loss_or_grads, params, learning_rate : see `sgd`
    momentum : mu, 0 .. 1; a larger one needs a smaller learning rate

    References
    ----------
    Polyak 1964, Some methods of speeding up the convergence of iteration methods
    """
    return apply_momentum(sgd(loss_or_grads, params, learning_rate), momentum=momentum)


def apply_nesterov_momentum(
    updates: Mapping[Any, Any],
    params: Sequence[Any] | None = None,
    momentum: Any = 0.9,
) -> Updates:
    """v := mu * v + (update(w) - w); w := update(w) + mu * v, with the new v.

    Parameters
    ----------
    updates, params, momentum : see `apply_momentum`
    """
    changed = _changing(updates, "apply_nesterov_momentum")
    for w in _targets(updates, params):
        velocity = _state(w, "velocity")
        mu = _setting(momentum, w)
        x = mu * velocity + updates[w] - w
        changed[velocity] = x
        changed[w] = mu * x + updates[w]
    return changed


def nesterov_momentum(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any,
    momentum: Any = 0.9,
) -> Updates:
    """v := mu * v - eta * g; w := w + mu * v - eta * g, with the new v.

    Parameters
    ----------
    loss_or_grads, params, learning_rate : see `sgd`
    momentum : mu, 0 .. 1

    References
    ----------
    Nesterov 1983; the form with the gradient at w: Bengio et al. 2012, Advances in
    optimizing recurrent networks, section 3.5. arXiv:1212.0901
    """
    return apply_nesterov_momentum(
        sgd(loss_or_grads, params, learning_rate), momentum=momentum
    )


def adagrad(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 1.0,
    epsilon: Any = 1e-6,
) -> Updates:
    """a := a + g**2; w := w - eta * g / sqrt(a + epsilon).

    References
    ----------
    Duchi et al. 2011, Adaptive subgradient methods; epsilon under the root: Chris Dyer,
    Notes on AdaGrad
    """
    updates: Updates = {}
    for w, g in _pairs(loss_or_grads, params):
        total = _state(w, "squares")
        updates[total] = new = total + T.sqr(g)
        eta, eps = _setting(learning_rate, w), _setting(epsilon, w)
        updates[w] = w - eta * g / T.sqrt(new + eps)
    return updates


def rmsprop(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 1.0,
    rho: Any = 0.9,
    epsilon: Any = 1e-6,
    centered: bool = False,
) -> Updates:
    """a := rho * a + (1 - rho) * g**2; w := w - eta * g / sqrt(a + epsilon).

    Parameters
    ----------
    loss_or_grads, params, learning_rate : see `sgd`
    rho : share of the old mean in the new one
    epsilon : against division by 0
    centered : True keeps the mean m := rho * m + (1 - rho) * g too, and has the variance
        a - m**2, not below 0, in place of a

    References
    ----------
    Tieleman and Hinton 2012, Neural networks for machine learning, lecture 6.5; centered:
    Graves 2013, Generating sequences with recurrent neural networks, equations 38 to 40.
    arXiv:1308.0850
    """
    updates: Updates = {}
    for w, g in _pairs(loss_or_grads, params):
        squares, keep = _state(w, "mean_squares"), _setting(rho, w)
        updates[squares] = spread = _average(squares, T.sqr(g), keep)
        if centered:
            mean = _state(w, "mean")
            updates[mean] = new_mean = _average(mean, g, keep)
            spread = T.maximum(spread - T.sqr(new_mean), _setting(0, w))
        eta, eps = _setting(learning_rate, w), _setting(epsilon, w)
        updates[w] = w - eta * g / T.sqrt(spread + eps)
    return updates


def adadelta(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 1.0,
    rho: Any = 0.95,
    epsilon: Any = 1e-6,
) -> Updates:
    """a := rho * a + (1 - rho) * g**2; s = g * sqrt(d + epsilon) / sqrt(a + epsilon);
    w := w - eta * s; d := rho * d + (1 - rho) * s**2.

    References
    ----------
    Zeiler 2012, ADADELTA, algorithm 1. arXiv:1212.5701
    """
    updates: Updates = {}
    for w, g in _pairs(loss_or_grads, params):
        mean, steps = _state(w, "mean_squares"), _state(w, "mean_steps")
        keep, eps = _setting(rho, w), _setting(epsilon, w)
        updates[mean] = new = _average(mean, T.sqr(g), keep)
        step = g * T.sqrt(steps + eps) / T.sqrt(new + eps)
        updates[w] = w - _setting(learning_rate, w) * step
        updates[steps] = _average(steps, T.sqr(step), keep)
    return updates


def adam(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: Any = 1e-8,
) -> Updates:
    """t := t + 1; m := beta1 * m + (1 - beta1) * g;
    v := beta2 * v + (1 - beta2) * g**2; w := w - a * m / (sqrt(v) + epsilon),
    with a = eta * sqrt(1 - beta2**t) / (1 - beta1**t).

    References
    ----------
    Kingma and Ba 2014, Adam, end of section 2. arXiv:1412.6980
    """
    return _adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon, False)


def amsgrad(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: Any = 1e-8,
) -> Updates:
    """As `adam`, with u := max(u, v) in place of v below the root.

    References
    ----------
    Reddi et al. 2018, On the convergence of Adam and beyond, algorithm 2, with Adam's
    bias correction. arXiv:1904.09237
    """
    return _adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon, True)


def _adam(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    keep_largest: bool,
) -> Updates:
    pairs = _pairs(loss_or_grads, params)
    updates: Updates = {}
    previous, t = _counter(pairs)
    eta, b1, b2 = (_setting(value, previous) for value in (learning_rate, beta1, beta2))
    rate = eta * T.sqrt(1 - b2**t) / (1 - b1**t)
    for w, g in pairs:
        mean, squares = _state(w, "mean"), _state(w, "mean_squares")
        updates[mean] = new_mean = _average(mean, g, _setting(beta1, w))
        updates[squares] = bound = _average(squares, T.sqr(g), _setting(beta2, w))
        if keep_largest:
            largest = _state(w, "largest_squares")
            updates[largest] = bound = T.maximum(largest, bound)
        divisor = T.sqrt(bound) + _setting(epsilon, w)
        updates[w] = w - _setting(rate, w) * new_mean / divisor
    updates[previous] = t
    return updates


def adamax(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.002,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: Any = 1e-8,
) -> Updates:
    """t := t + 1; m := beta1 * m + (1 - beta1) * g; u := max(beta2 * u, abs(g));
    w := w - eta / (1 - beta1**t) * m / (u + epsilon).

    References
    ----------
    Kingma and Ba 2014, Adam, algorithm 2. arXiv:1412.6980
    """
    pairs = _pairs(loss_or_grads, params)
    updates: Updates = {}
    previous, t = _counter(pairs)
    rate = _setting(learning_rate, previous) / (1 - _setting(beta1, previous) ** t)
    for w, g in pairs:
        mean, norm = _state(w, "mean"), _state(w, "norm")
        updates[mean] = new_mean = _average(mean, g, _setting(beta1, w))
        updates[norm] = new_norm = T.maximum(_setting(beta2, w) * norm, T.abs(g))
        divisor = new_norm + _setting(epsilon, w)
        updates[w] = w - _setting(rate, w) * new_mean / divisor
    updates[previous] = t
    return updates


def adamw(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: Any = 1e-8,
    weight_decay: Any = 0.01,
    decayed: Sequence[Any] | None = None,
) -> Updates:
    """w := adam(w) - eta * weight_decay * w, the old w on the right.

    Weights shrink by themselves, not by a term of the loss, which `adam` would divide by
    the size of the gradients.

    Parameters
    ----------
    loss_or_grads, params, learning_rate : see `sgd`
    beta1, beta2, epsilon : see `adam`
    weight_decay : number
    decayed : those of the params that shrink, such as
        ``get_all_params(layer, regularizable=True)``; all by default

    References
    ----------
    Loshchilov and Hutter 2017, Decoupled weight decay regularization, algorithm 2, with
    the decay times the learning rate, as in PyTorch. arXiv:1711.05101

    Examples
    --------
    >>> import numpy as np, symgraph as sg
    >>> w = sg.shared(np.array([1.0, -2.0]), name="w")
    >>> step = sg.function([], updates=adamw(T.sum(w**2), [w], 0.1))
    >>> _ = step()
    >>> w.get_value().round(4)
    array([ 0.899, -1.898])
    """
    updates = adam(loss_or_grads, params, learning_rate, beta1, beta2, epsilon)
    for w in _decayed(params, decayed):
        rate = _setting(learning_rate, w) * _setting(weight_decay, w)
        updates[w] = updates[w] - rate * w
    return updates


def nadam(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.002,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: Any = 1e-8,
    momentum_decay: Any = 0.004,
) -> Updates:
    """Adam with Nesterov's momentum: t := t + 1; m and v as in `adam`; p := p * mu(t);
    w := w - eta * n / (sqrt(v / (1 - beta2**t)) + epsilon),
    with mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2) and
    n = mu(t + 1) * m / (1 - p * mu(t + 1)) + (1 - mu(t)) * g / (1 - p).

    References
    ----------
    Dozat 2016, Incorporating Nesterov momentum into Adam, algorithm 2 with its schedule

    Examples
    --------
    >>> import numpy as np, symgraph as sg
    >>> w = sg.shared(np.array([1.0, -2.0]), name="w")
    >>> step = sg.function([], updates=nadam(T.sum(w**2), [w], 0.1))
    >>> _ = step()
    >>> w.get_value().round(4)
    array([ 0.8944, -1.8944])
    """
    pairs = _pairs(loss_or_grads, params)
    updates: Updates = {}
    previous, t = _counter(pairs)
    product: Any = shared(np.ones((), NUMPY[previous.dtype]), name="momenta")
    b1, b2 = _setting(beta1, previous), _setting(beta2, previous)
    decay, base = _setting(momentum_decay, previous), _setting(0.96, previous)
    now, following = (b1 * (1 - 0.5 * base ** (s * decay)) for s in (t, t + 1))
    updates[product] = so_far = product * now
    of_mean, of_g = following / (1 - so_far * following), (1 - now) / (1 - so_far)
    for w, g in pairs:
        mean, squares = _state(w, "mean"), _state(w, "mean_squares")
        updates[mean] = new_mean = _average(mean, g, _setting(beta1, w))
        updates[squares] = new = _average(squares, T.sqr(g), _setting(beta2, w))
        step = _setting(of_mean, w) * new_mean + _setting(of_g, w) * g
        divisor = T.sqrt(new / _setting(1 - b2**t, w)) + _setting(epsilon, w)
        updates[w] = w - _setting(learning_rate, w) * step / divisor
    updates[previous] = t
    return updates


def lamb(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: Any = 1e-6,
    weight_decay: Any = 0.01,
    decayed: Sequence[Any] | None = None,
) -> Updates:
    """w := w - eta * norm(w) / norm(r) * r, one norm for all elements of a parameter,
    with m and v as in `adam` and
    r = m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + epsilon) + weight_decay * w.

    The factor norm(w) / norm(r) is 1 where one of the norms is 0. For large batches.

    Parameters
    ----------
    loss_or_grads, params, learning_rate : see `sgd`
    beta1, beta2, epsilon : see `adam`
    weight_decay, decayed : see `adamw`

    References
    ----------
    You et al. 2019, Large batch optimization for deep learning, algorithm 2.
    arXiv:1904.00962

    Examples
    --------
    >>> import numpy as np, symgraph as sg
    >>> w = sg.shared(np.array([1.0, -2.0]), name="w")
    >>> step = sg.function([], updates=lamb(T.sum(w**2), [w], 0.1))
    >>> _ = step()
    >>> w.get_value().round(4)
    array([ 0.8427, -1.8411])
    """
    pairs = _pairs(loss_or_grads, params)
    shrinking = set(_decayed([w for w, _ in pairs], decayed))
    updates: Updates = {}
    previous, t = _counter(pairs)
    b1, b2 = _setting(beta1, previous), _setting(beta2, previous)
    of_mean, of_squares = 1 / (1 - b1**t), 1 / (1 - b2**t)
    for w, g in pairs:
        mean, squares = _state(w, "mean"), _state(w, "mean_squares")
        updates[mean] = new_mean = _average(mean, g, _setting(beta1, w))
        updates[squares] = new = _average(squares, T.sqr(g), _setting(beta2, w))
        divisor = T.sqrt(new * _setting(of_squares, w)) + _setting(epsilon, w)
        step = new_mean * _setting(of_mean, w) / divisor
        if w in shrinking:
            step = step + _setting(weight_decay, w) * w
        sizes = [T.sqrt(T.sum(T.sqr(x))) for x in (w, step)]
        known = T.and_(T.gt(sizes[0], 0), T.gt(sizes[1], 0))
        one = _setting(1, w)
        trust = T.switch(known, sizes[0] / T.switch(known, sizes[1], one), one)
        updates[w] = w - _setting(learning_rate, w) * trust * step
    updates[previous] = t
    return updates


def lion(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.0001,
    beta1: Any = 0.9,
    beta2: Any = 0.99,
    weight_decay: Any = 0.0,
    decayed: Sequence[Any] | None = None,
) -> Updates:
    """w := w - eta * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w);
    m := beta2 * m + (1 - beta2) * g, the old m in the first line.

    Every element moves by eta; learning rates are about a tenth of Adam's.

    Parameters
    ----------
    loss_or_grads, params, learning_rate : see `sgd`
    beta1, beta2 : shares of the mean of gradients
    weight_decay, decayed : see `adamw`

    References
    ----------
    Chen et al. 2023, Symbolic discovery of optimization algorithms, algorithm 2.
    arXiv:2302.06675

    Examples
    --------
    >>> import numpy as np, symgraph as sg
    >>> w = sg.shared(np.array([1.0, -2.0]), name="w")
    >>> step = sg.function([], updates=lion(T.sum(w**2), [w], 0.1))
    >>> _ = step()
    >>> w.get_value().round(4)
    array([ 0.9, -1.9])
    """
    pairs = _pairs(loss_or_grads, params)
    shrinking = set(_decayed([w for w, _ in pairs], decayed))
    updates: Updates = {}
    for w, g in pairs:
        mean = _state(w, "mean")
        step: Any = T.sgn(_average(mean, g, _setting(beta1, w)))
        if w in shrinking:
            step = step + _setting(weight_decay, w) * w
        updates[w] = w - _setting(learning_rate, w) * step
        updates[mean] = _average(mean, g, _setting(beta2, w))
    return updates


def norm_constraint(
    tensor_var: Variable,
    max_norm: Any,
    norm_axes: Sequence[int] | None = None,
    epsilon: Any = 1e-7,
) -> Variable:
    """out = x * min(n, max_norm) / (n + epsilon), n the norm of the weights of a unit.

    Parameters
    ----------
    tensor_var : x, new value of a parameter, or its gradient
    max_norm : number
    norm_axes : axes to add over. By default the first of matrices, all but the first of
        filters (3 to 5 axes).
    epsilon : against division by 0

    Examples
    --------
    >>> import numpy as np
    >>> norm_constraint(T.constant(np.array([[3.0], [4.0]])), 1.0).eval().round(3)
    array([[0.6],
           [0.8]])
    """
    x: Any = T.as_tensor_variable(tensor_var)
    if norm_axes is None and x.ndim == 1:
        raise ArgumentError(
            f"norm_constraint: a vector has no default axes; give norm_axes{listing(x)}"
        )
    axes = norm_axes_of(x.ndim, norm_axes, "norm_constraint")
    norms = T.sqrt(T.sum(T.sqr(x), axis=axes, keepdims=True))
    target = T.clip(norms, _setting(0, x), _setting(max_norm, x))
    return x * (target / (_setting(epsilon, x) + norms))


def total_norm_constraint(
    tensor_vars: Sequence[Variable],
    max_norm: Any,
    epsilon: Any = 1e-7,
    return_norm: bool = False,
) -> Any:
    """out = x * min(n, max_norm) / (n + epsilon), n the norm of all x together.

    Parameters
    ----------
    tensor_vars : list of gradients
    max_norm : number
    return_norm : True gives (list, n)

    References
    ----------
    Pascanu et al. 2012, On the difficulty of training recurrent neural networks,
    section 3.2. arXiv:1211.5063
    """
    tensors: list[Any] = [T.as_tensor_variable(x) for x in tensor_vars]
    if not tensors:
        raise ArgumentError("total_norm_constraint: the list of tensors is empty")
    squares = T.sum(T.sqr(tensors[0]))
    for x in tensors[1:]:
        squares = squares + T.sum(T.sqr(x))
    norm = T.sqrt(squares)
    target = T.clip(norm, _setting(0, norm), _setting(max_norm, norm))
    factor = target / (_setting(epsilon, norm) + norm)
    scaled = [x * _setting(factor, x) for x in tensors]
    return (scaled, norm) if return_norm else scaled


# --- pieces ------------------------------------------------------------------------


def _changing(updates: Any, rule: str) -> Updates:
    """The dictionary that a rule changes; ArgumentError where it is none."""
    if not isinstance(updates, Mapping):
        raise ArgumentError(
            f"{rule}: updates={updates!r} is a {type(updates).__name__}, expected the "
            "dictionary that another rule returned, such as sgd(loss, params, 0.1)"
        )
    return dict(updates)


def _listed(loss_or_grads: Any, params: Any) -> list[Any]:
    """The parameters as a list; ArgumentError where they are none."""
    if isinstance(params, Variable) and not isinstance(params, SharedVariable):
        given = loss_or_grads if isinstance(loss_or_grads, list | tuple) else ()
        swapped = any(isinstance(v, SharedVariable) for v in given)
        cure = (
            "The loss comes first, then the parameters."
            if swapped
            else ("Pass the list of shared variables that the loss depends on.")
        )
        raise ArgumentError(
            f"updates: params is an expression, expected a list of shared variables"
            f"{listing(params)}\n{cure}"
        )
    if isinstance(params, Variable):
        raise ArgumentError(
            f"updates: params is a single variable, expected a list{listing(params)}\n"
            f"Write [{params.name or 'w'}]."
        )
    try:
        return list(params)
    except TypeError:
        raise ArgumentError(
            f"updates: params is {params!r}, expected a list of shared variables, such "
            "as get_all_params(layer, trainable=True)"
        ) from None


def _pairs(loss_or_grads: Any, params: Sequence[Any]) -> list[tuple[Any, Any]]:
    params = _listed(loss_or_grads, params)
    grads = get_or_compute_grads(loss_or_grads, params)
    return [(w, T.as_tensor_variable(g)) for w, g in zip(params, grads, strict=True)]


def _decayed(params: Sequence[Any], chosen: Sequence[Any] | None) -> list[Any]:
    """The parameters that weight decay is for."""
    if chosen is None:
        return list(params)
    for w in chosen:
        if not any(w is param for param in params):
            described = listing(w) if isinstance(w, Variable) else f" {w!r}"
            raise ArgumentError(
                f"updates: decayed holds a variable that is not in params:{described}"
            )
    return list(chosen)


def _targets(
    updates: Mapping[Any, Any], params: Sequence[Any] | None
) -> list[SharedVariable]:
    targets = list(updates) if params is None else list(params)
    for w in targets:
        if w not in updates:
            described = listing(w) if isinstance(w, Variable) else f" {w!r}"
            raise ArgumentError(f"momentum: updates has no entry for{described}")
    return targets


def _setting(value: Any, like: Variable) -> Any:
    """A number or expression in the dtype of a parameter, where that is a float."""
    wanted = like.dtype
    if not isinstance(value, Variable):
        value = T.as_tensor_variable(value)
        return T.constant(value.data, dtype=wanted) if is_float(wanted) else value
    if is_float(wanted) and value.dtype != wanted:
        return T.cast(value, wanted)
    return value


def _state(w: SharedVariable, what: str) -> Any:
    """A shared variable of zeros of the shape and dtype of a parameter."""
    zeros = np.zeros(w.get_value(borrow=True).shape, NUMPY[w.dtype])
    return shared(zeros, name=f"{w.name or 'param'}.{what}", shape=w.type.shape)


def _counter(
    pairs: Sequence[tuple[SharedVariable, Variable]],
) -> tuple[Any, Any]:
    """Steps done so far, and with this one, in the widest dtype of the parameters."""
    floats = [w.dtype for w, _ in pairs if is_float(w.dtype)]
    dtype = upcast(*floats) if floats else "float32"
    done: Any = shared(np.zeros((), NUMPY[dtype]), name="steps")
    return done, done + 1


def _average(old: Any, new: Any, keep: Any) -> Any:
    """keep * old + (1 - keep) * new."""
    return keep * old + (1 - keep) * new
