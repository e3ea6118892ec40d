"""Two steps of training in FAST_RUN and in FAST_COMPILE, layer by layer, agree."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn

L, nl = nn.layers, nn.nonlinearities
NORMAL = nn.init.Normal(0.3)
IMAGES, STEPS = (None, 2, 6, 6), (None, 5, 4)


def where(x, count, start=0.0):
    b = np.full(count, start) if np.ndim(start) == 0 else np.asarray(start)
    return L.DenseLayer(x, count, W=nn.init.Normal(0.02), b=b, nonlinearity=None)


#: shape of the input → what is put between it and a dense layer
NETWORKS = {
    "rectifiers": (
        IMAGES, lambda x: L.prelu(L.rrelu(L.Conv2DLayer(x, 3, 3), lower=0.8)),
    ),
    "inverse of a convolution and of pooling": (IMAGES, lambda x: autoencoder(x)),
    "local": (IMAGES, lambda x: L.LocallyConnected2DLayer(x, 3, 3)),
    "local channelwise": (
        IMAGES, lambda x: L.LocallyConnected2DLayer(x, 2, (2, 3), channelwise=True),
    ),
    "affine": (
        IMAGES, lambda x: L.TransformerLayer(
            L.Conv2DLayer(x, 2, 3), where(x, 6, [1.3, 0, 0.1, 0.2, 1.2, 0]),
            border_mode="mirror",
        ),
    ),
    "spline": (IMAGES, lambda x: L.TPSTransformerLayer(x, where(x, 8, 0.05), 1, 4)),
    "layer and rms norm": (
        STEPS, lambda x: L.RMSNormLayer(L.LayerNormLayer(L.DenseLayer(x, 7))),
    ),
    "group norm": (IMAGES, lambda x: L.GroupNormLayer(L.Conv2DLayer(x, 4, 3), 2)),
    "attention": (
        STEPS, lambda x: L.MultiHeadAttentionLayer(
            L.LearnedPositionalEncodingLayer(x, W=NORMAL), 2, 6, key=x, causal=True,
            mask_input=L.ExpressionLayer(x, lambda v: v[:, :, 0] > -0.5, "auto"),
        ),
    ),
    "transformer block": (STEPS, lambda x: transformer_block(L.PositionalEncodingLayer(x))),
    "depthwise": (IMAGES, lambda x: L.DepthwiseConv2DLayer(x, 2, 1, "same", 2)),
    "separable": (IMAGES, lambda x: L.SeparableConv2DLayer(x, 3, 3, 2, "same")),
    "even filters": (IMAGES, lambda x: L.Conv2DLayer(x, 3, (2, 4), pad="same")),
    "residual": (IMAGES, lambda x: L.residual_block(x, 4, stride=2)),
    "dense block": (IMAGES, lambda x: L.dense_block(x, 2, 3)),
    "nonlinearities": (
        STEPS, lambda x: L.ConcatLayer([
            L.DenseLayer(x, 3, W=NORMAL, nonlinearity=f) for f in (
                nl.gelu, nl.gelu_tanh, nl.silu, nl.mish, nl.relu6, nl.hard_sigmoid,
                nl.hard_tanh, nl.hard_swish, nl.softsign, nl.log_softmax,
            )
        ]),
    ),
}  # fmt: skip


def autoencoder(x):
    conv = L.Conv2DLayer(x, 3, 3)
    pool = L.MaxPool2DLayer(conv, 2)
    back = L.InverseLayer(L.InverseLayer(pool, pool), conv)
    return L.GlobalAveragePoolLayer(L.ElemwiseSumLayer([x, back]))


def transformer_block(x):
    attended = L.MultiHeadAttentionLayer(L.LayerNormLayer(x), 2)
    x = L.ElemwiseSumLayer([x, attended])
    inner = L.DenseLayer(
        L.LayerNormLayer(x), 8, nonlinearity=nl.gelu, num_leading_axes=-1
    )
    inner = L.DenseLayer(inner, 4, nonlinearity=None, num_leading_axes=-1)
    return L.ElemwiseSumLayer([x, inner])


def trained(build, shape, data, mode, loss, rule):
    """Costs of two steps and the parameters after them."""
    nn.random.set_rng(np.random.RandomState(5))
    below = L.InputLayer(shape)
    p = L.DenseLayer(build(below), 3, nonlinearity=nl.softmax)
    labels = T.ivector("labels")
    cost = T.mean(loss(L.get_output(p), labels))
    updates = rule(cost, L.get_all_params(p, trainable=True))
    step = sg.function([below.input_var, labels], cost, updates=updates, mode=mode)
    costs = [step(*data) for _ in range(2)]
    return [np.asarray(costs), *L.get_all_param_values(p)]


def agree(build, shape, loss, rule):
    rng = np.random.RandomState(0)
    data = rng.randn(4, *shape[1:]), np.array([0, 2, 1, 2], "int32")
    both = [
        trained(build, shape, data, mode, loss, rule)
        for mode in ("FAST_RUN", "FAST_COMPILE")
    ]
    for fast, plain in zip(*both, strict=True):
        assert np.isfinite(plain).all()
        np.testing.assert_allclose(fast, plain, rtol=1e-6, atol=1e-9)
    assert both[1][0][0] != both[1][0][1]  # it has learned something


ob, up = nn.objectives, nn.updates


@pytest.mark.parametrize("name", NETWORKS)
def test_two_steps_agree(name):
    shape, build = NETWORKS[name]
    agree(build, shape, ob.categorical_crossentropy, lambda c, p: up.sgd(c, p, 0.1))


@pytest.mark.parametrize("rule", [up.adamw, up.nadam, up.lamb, up.lion])
def test_two_steps_of_a_rule_agree(rule):
    agree(
        lambda x: L.DenseLayer(x, 5), STEPS, ob.categorical_crossentropy,
        lambda c, p: rule(c, p, 0.01),
    )  # fmt: skip


def test_two_steps_of_all_losses_agree():
    def loss(p, y):
        smooth, hot = ob.label_smoothing(y, 3), T.one_hot(y, 3)
        return (
            ob.focal_loss(p, y) + ob.categorical_crossentropy(p, smooth)
            + ob.kl_divergence(p, smooth) + ob.dice_loss(p, hot) + ob.cosine_loss(p, hot)
        )  # fmt: skip

    agree(lambda x: L.DenseLayer(x, 5), STEPS, loss, lambda c, p: up.sgd(c, p, 0.1))
