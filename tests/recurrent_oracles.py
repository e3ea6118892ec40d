"""Recurrent layers as loops in NumPy: the equations, one time step after the other.

Out: `simple`, `lstm`, `gru`, each from a layer, whose parameters are read by name, and
arrays (batch, time, features) to all outputs (batch, time, units).
"""

import numpy as np

KNOWN = {
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "tanh": np.tanh,
    "rectify": lambda v: np.maximum(v, 0),
    "linear": lambda v: v,
}


def named(function):
    """The NumPy function for a nonlinearity."""
    return KNOWN[function.__name__]


def walked(layer, step, x, states, mask=None):
    """All values of the last state; steps in the direction of the layer."""
    batch, time = x.shape[:2]
    states = [np.broadcast_to(s, (batch, *s.shape[1:])) for s in states]
    out = np.empty((batch, time, *states[-1].shape[1:]))
    for t in reversed(range(time)) if layer.backwards else range(time):
        news = step(x[:, t].reshape(batch, -1), *states)
        if mask is not None:
            here = mask[:, t, None] != 0
            news = [
                np.where(here, new, old) for new, old in zip(news, states, strict=True)
            ]
        states = news
        out[:, t] = states[-1]
    return out


def _value(layer, name):
    return getattr(layer, name).get_value()


def simple(layer, x, mask=None, hid=None):
    """h = f(x W + h V + b)."""
    w, v = _value(layer, "W_in_to_hid"), _value(layer, "W_hid_to_hid")
    b = 0 if layer.b is None else layer.b.get_value()
    f = named(layer.nonlinearity)
    hid = _value(layer, "hid_init") if hid is None else hid
    return walked(layer, lambda row, h: [f(row @ w + h @ v + b)], x, [hid], mask)


def lstm(layer, x, mask=None, hid=None, cell=None):
    """The long short-term memory, with or without peepholes."""

    def gate(name, row, h, c):
        total = row @ _value(layer, f"W_in_to_{name}") + _value(layer, f"b_{name}")
        total = total + h @ _value(layer, f"W_hid_to_{name}")
        if layer.peepholes and name != "cell":
            total = total + c * _value(layer, f"W_cell_to_{name}")
        return named(getattr(layer, f"nonlinearity_{name}"))(total)

    def step(row, c, h):
        i, f = gate("ingate", row, h, c), gate("forgetgate", row, h, c)
        c = f * c + i * gate("cell", row, h, c)
        o = gate("outgate", row, h, c)
        return [c, o * named(layer.nonlinearity)(c)]

    cell = _value(layer, "cell_init") if cell is None else cell
    hid = _value(layer, "hid_init") if hid is None else hid
    return walked(layer, step, x, [cell, hid], mask)


def gru(layer, x, mask=None, hid=None):
    """The gated recurrent unit, its reset gate behind the product."""

    def parts(name, row, h):
        given = row @ _value(layer, f"W_in_to_{name}") + _value(layer, f"b_{name}")
        return given, h @ _value(layer, f"W_hid_to_{name}")

    def step(row, h):
        r = named(layer.nonlinearity_resetgate)(sum(parts("resetgate", row, h)))
        u = named(layer.nonlinearity_updategate)(sum(parts("updategate", row, h)))
        given, own = parts("hidden_update", row, h)
        c = named(layer.nonlinearity_hid)(given + r * own)
        return [(1 - u) * h + u * c]

    hid = _value(layer, "hid_init") if hid is None else hid
    return walked(layer, step, x, [hid], mask)
