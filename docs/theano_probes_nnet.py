"""Probes of ``theano.tensor.nnet`` and ``theano.tensor.signal``."""

import inspect
from typing import Any

import numpy as np
from theano_probes import V, X, elementwise, probe, refused, same, value

IMAGE = np.arange(2 * 3 * 5 * 6, dtype=float).reshape(2, 3, 5, 6) % 7
BANK = np.arange(4 * 3 * 2 * 3, dtype=float).reshape(4, 3, 2, 3) % 5


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


for _symbol, _oracle in (
    ("T.nnet.sigmoid", _sigmoid),
    ("T.nnet.softplus", lambda x: np.log1p(np.exp(x))),
    ("T.nnet.hard_sigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ("T.nnet.nnet.softsign", lambda x: x / (1 + abs(x))),
):
    elementwise(_symbol, _oracle, X)


@probe(
    "theano.sandbox.softsign.softsign",
    differs="present, as `theano.tensor.nnet.softsign` (Theano 1.0 has dropped it)",
)
def softsign(theano: Any, T: Any) -> None:
    from theano.sandbox.softsign import softsign as old

    same(theano, old(T.constant(X)), X / (1 + abs(X)))


@probe("T.nnet.relu", "T.nnet.elu")
def rectifiers(theano: Any, T: Any) -> None:
    x, a = T.dmatrix("x"), T.dvector("a")
    same(theano, T.nnet.relu(x), X.clip(0), {x: X})
    same(theano, T.nnet.relu(x, alpha=0.1), np.where(X > 0, X, X * 0.1), {x: X})
    same(theano, T.nnet.relu(x, a), np.where(X > 0, X, X * V), {x: X, a: V})
    same(theano, T.nnet.elu(x, 0.5), np.where(X > 0, X, np.expm1(X) / 2), {x: X})


@probe("T.nnet.softmax")
def softmax(theano: Any, T: Any) -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    same(theano, T.nnet.softmax(x), _softmax(X), {x: X})
    row = T.nnet.softmax(v)
    assert row.broadcastable == (True, False)
    same(theano, row, _softmax(V)[None], {v: V})
    refused(ValueError, lambda: T.nnet.softmax(T.tensor3()))


@probe("T.nnet.categorical_crossentropy")
def categorical_crossentropy(theano: Any, T: Any) -> None:
    x, y = T.dmatrix("x"), T.ivector("y")
    p, labels = _softmax(X), np.array([2, 0], "int32")
    wanted = -np.log(p[np.arange(2), labels])
    same(theano, T.nnet.categorical_crossentropy(x, y), wanted, {x: p, y: labels})
    same(theano, T.nnet.categorical_crossentropy(x, np.eye(3)[labels]), wanted, {x: p})


@probe("T.nnet.binary_crossentropy")
def binary_crossentropy(theano: Any, T: Any) -> None:
    o, t = T.dmatrix("o"), T.dmatrix("t")
    p, target = _sigmoid(X), (X > 0) * 0.75
    wanted = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    same(theano, T.nnet.binary_crossentropy(o, t), wanted, {o: p, t: target})


def correlate(image: Any, bank: Any) -> Any:
    """The valid cross-correlation, by its formula."""
    rows, columns = bank.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(image, (rows, columns), (2, 3))
    return np.einsum("bcijpq,ocpq->boij", windows, bank)


@probe("T.nnet.conv2d", differs="`unshared` is not supported")
def conv2d(theano: Any, T: Any) -> None:
    x, w = T.dtensor4("x"), T.dtensor4("w")
    given = {x: IMAGE, w: BANK}
    plain = correlate(IMAGE, BANK)
    same(theano, T.nnet.conv2d(input=x, filters=w, filter_flip=False), plain, given)
    flipped = T.nnet.conv2d(
        x, w[:, :, ::-1, ::-1], subsample=(2, 1), border_mode="valid"
    )
    same(theano, flipped, plain[:, :, ::2], given)
    shapes = {"input_shape": (2, 3, None, 6), "filter_shape": (4, 3, 2, 3)}
    full = T.nnet.conv2d(x, w, border_mode="full", **shapes)
    assert value(theano, full, given).shape == (2, 4, 6, 8)
    half = T.nnet.conv2d(x, w, image_shape=(2, 3, 5, 6), border_mode="half")
    assert value(theano, half, given).shape == (2, 4, 6, 6)
    dilated = T.nnet.conv2d(x, w, border_mode=(1, 2), filter_dilation=(2, 2))
    assert value(theano, dilated, given).shape == (2, 4, 5, 6)
    assert {"num_groups", "filter_dilation"} <= set(
        inspect.signature(T.nnet.conv2d).parameters
    )
    refused(
        (NotImplementedError, ValueError), lambda: T.nnet.conv2d(x, w, unshared=True)
    )


@probe("T.nnet.conv3d", differs="`unshared` is not supported")
def conv3d(theano: Any, T: Any) -> None:
    x, w = T.dtensor5("x"), T.dtensor5("w")
    out = T.nnet.conv3d(
        x, w, input_shape=(2, 3, 1, 5, 6), filter_shape=(4, 3, 1, 2, 3),
        border_mode="valid", subsample=(1, 1, 1), filter_flip=False,
        filter_dilation=(1, 1, 1),
    )  # fmt: skip
    given = {x: IMAGE[:, :, None], w: BANK[:, :, None]}
    same(theano, out, correlate(IMAGE, BANK)[:, :, None], given)


@probe(
    "T.nnet.abstract_conv.AbstractConv2d_gradInputs",
    "T.nnet.abstract_conv.AbstractConv3d_gradInputs",
)
def transposed(theano: Any, T: Any) -> None:
    w, g = T.dtensor4("w"), T.dtensor4("g")
    top = correlate(IMAGE, BANK)
    op = T.nnet.abstract_conv.AbstractConv2d_gradInputs(
        imshp=(None, 3, None, None), kshp=(4, 3, 2, 3), subsample=(1, 1),
        border_mode="valid", filter_flip=False,
    )  # fmt: skip
    x = T.dtensor4("x")
    cost = (T.nnet.conv2d(x, w, filter_flip=False) * g).sum()
    wanted = value(theano, theano.grad(cost, x), {x: IMAGE, w: BANK, g: top})
    same(theano, op(w, g, (5, 6)), wanted, {w: BANK, g: top})
    op3 = T.nnet.abstract_conv.AbstractConv3d_gradInputs(
        imshp=None, kshp=(4, 3, 1, 2, 3), filter_flip=False, border_mode="valid",
        subsample=(1, 1, 1),
    )  # fmt: skip
    out = op3(w.dimshuffle(0, 1, "x", 2, 3), g.dimshuffle(0, 1, "x", 2, 3), (1, 5, 6))
    same(theano, out, wanted[:, :, None], {w: BANK, g: top})


@probe(
    "T.signal.pool.pool_2d",
    "T.signal.pool.pool_3d",
    differs="window, stride and padding are numbers, symbolic ones raise ValueError; "
    "`ignore_border=None` is False without a warning",
)
def pooling(theano: Any, T: Any) -> None:
    pool_2d, pool_3d = T.signal.pool.pool_2d, T.signal.pool.pool_3d
    x = T.dtensor4("x")
    given = {x: IMAGE}
    blocks = IMAGE[:, :, :4].reshape(2, 3, 2, 2, 3, 2)
    same(theano, pool_2d(x, ws=(2, 2), ignore_border=True), blocks.max((3, 5)), given)
    mean = pool_2d(input=x, ws=2, ignore_border=True, mode="average_exc_pad")
    same(theano, mean, blocks.mean((3, 5)), given)
    total = pool_2d(
        x, ds=(2, 2), st=(2, 2), padding=(0, 0), ignore_border=True, mode="sum"
    )
    same(theano, total, blocks.sum((3, 5)), given)
    padded = pool_2d(x, (3, 3), True, stride=(2, 2), pad=(1, 1), mode="average_inc_pad")
    assert value(theano, padded, given).shape == (2, 3, 3, 3)
    assert value(theano, pool_2d(x, (2, 2)), given).shape == (2, 3, 3, 3)
    volume = pool_3d(x.dimshuffle(0, "x", 1, 2, 3), ws=(1, 2, 2), stride=(1, 2, 2),
                     pad=(0, 0, 0), ignore_border=True, mode="max")  # fmt: skip
    same(theano, volume, blocks.max((3, 5))[:, None], given)
    refused(ValueError, lambda: pool_2d(x, ws=T.ivector(), ignore_border=True))
    assert "ws" in inspect.signature(pool_2d).parameters


@probe(
    "T.nnet.bn.batch_normalization",
    "T.nnet.bn.batch_normalization_train",
    "T.nnet.bn.batch_normalization_test",
)
def batch_normalization(theano: Any, T: Any) -> None:
    bn = T.nnet.bn
    x, g, b = T.dmatrix("x"), T.dvector("g"), T.dvector("b")
    given = {x: X, g: V, b: V + 1}
    mean, var = X.mean(0), X.var(0)
    wanted = (X - mean) / np.sqrt(var + 1e-3) * V + V + 1
    out, found, inverse, *running = bn.batch_normalization_train(
        x, g, b, axes="per-activation", epsilon=1e-3, running_average_factor=0.25,
        running_mean=b, running_var=g,
    )  # fmt: skip
    same(theano, out, wanted, given)
    same(theano, found, mean, given)
    same(theano, inverse, 1 / np.sqrt(var + 1e-3), given)
    same(theano, running[0], (V + 1) * 0.75 + mean * 0.25, given)
    same(theano, running[1], V * 0.75 + var * 2 * 0.25, given)
    tested = bn.batch_normalization_test(x, g, b, mean, var, epsilon=1e-3)
    same(theano, tested, wanted, given)
    std = np.sqrt(var + 1e-3)
    same(
        theano,
        bn.batch_normalization(x, g, b, mean, std, mode="high_mem"),
        wanted,
        given,
    )
