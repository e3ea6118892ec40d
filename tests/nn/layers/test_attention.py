"""Attention and encodings of positions against NumPy."""

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, ShapeError, SymgraphError
from symgraph.nn import init
from symgraph.nn.layers import (
    InputLayer,
    LearnedPositionalEncodingLayer,
    MultiHeadAttentionLayer,
    PositionalEncodingLayer,
    get_output,
)

NORMAL = init.Normal(1.0)


def attention(layer, q, k, v, mask=None):
    """Head by head, query by query."""
    W, b = {}, {}
    for name in ("query", "key", "value", "out"):
        W[name] = getattr(layer, f"W_{name}").get_value()
        bias = getattr(layer, f"b_{name}")
        b[name] = 0 if bias is None else bias.get_value()
    batch, time, keys = len(q), q.shape[1], k.shape[1]
    size = layer.num_units // layer.num_heads
    out = np.zeros((batch, time, layer.num_units))
    for n in range(batch):
        for head in range(layer.num_heads):
            cut = slice(head * size, (head + 1) * size)
            Q = (q[n] @ W["query"] + b["query"])[:, cut]
            K = (k[n] @ W["key"] + b["key"])[:, cut]
            V = (v[n] @ W["value"] + b["value"])[:, cut]
            for t in range(time):
                seen = np.ones(keys, bool)
                if layer.causal:
                    seen &= np.arange(keys) <= t
                if mask is not None:
                    seen &= (mask[n] if mask.ndim == 2 else mask[n, t]) != 0
                if seen.any():
                    scores = np.exp(K[seen] @ Q[t] / np.sqrt(size))
                    out[n, t, cut] = scores @ V[seen] / scores.sum()
    return out @ W["out"] + b["out"]


def make(shapes, **settings):
    """A layer whose weights, biases among them, are random; inputs by role."""
    biases = {f"b_{name}": NORMAL for name in ("query", "key", "value", "out")}
    layers = {role: InputLayer(shape) for role, shape in shapes.items()}
    return MultiHeadAttentionLayer(**layers, **{**biases, **settings})


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("heads", "units"), [(1, None), (2, None), (3, 6)])
def test_self_attention(heads, units, causal, run_layer, generator):
    layer = make(
        {"incoming": (None, None, 4)}, num_heads=heads, num_units=units, causal=causal
    )
    x = generator.randn(2, 5, 4)
    np.testing.assert_allclose(
        run_layer(layer, x), attention(layer, x, x, x), rtol=1e-9
    )


def test_keys_and_values_of_another_sequence(run_layer, generator):
    shapes = {"incoming": (None, None, 4), "key": (None, 7, 3), "value": (None, 7, 5)}
    layer = make(shapes, num_heads=2, num_units=6)
    q, k, v = (
        generator.randn(2, 5, 4),
        generator.randn(2, 7, 3),
        generator.randn(2, 7, 5),
    )
    np.testing.assert_allclose(run_layer(layer, q, k, v), attention(layer, q, k, v))
    del shapes["value"]
    layer = make(shapes, num_heads=2, num_units=6)
    np.testing.assert_allclose(run_layer(layer, q, k), attention(layer, q, k, k))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rank", [2, 3])
def test_masks_of_keys_and_of_pairs(rank, causal, run_layer, generator):
    mask = (generator.rand(3, 5, 5)[:, slice(None) if rank == 3 else 0] > 0.4).astype(
        float
    )
    mask[0] = 0  # this example sees nothing
    shapes = {"incoming": (None, None, 4), "mask_input": (None,) * rank}
    layer = make(shapes, num_heads=2, causal=causal)
    x = generator.randn(3, 5, 4)
    found = run_layer(layer, x, mask)
    np.testing.assert_allclose(found, attention(layer, x, x, x, mask), rtol=1e-9)
    np.testing.assert_allclose(
        found[0], np.broadcast_to(layer.b_out.get_value(), (5, 4))
    )


def test_a_causal_output_does_not_depend_on_later_steps(run_layer, generator):
    layer = make({"incoming": (None, None, 4)}, num_heads=2, causal=True)
    x = generator.randn(1, 6, 4)
    later = x.copy()
    later[:, 4:] = 99
    before, after = run_layer(layer, x), run_layer(layer, later)
    assert np.array_equal(before[:, :4], after[:, :4])


def test_gradients(check_gradients, generator):
    layer = make({"incoming": (None, 3, 4)}, num_heads=2, causal=True)
    check_gradients(layer, generator.randn(2, 3, 4))


def test_gradients_where_nothing_is_seen_are_finite(generator):
    below, mask = InputLayer((None, 3, 4)), InputLayer((None, 3))
    layer = MultiHeadAttentionLayer(below, 2, mask_input=mask)
    cost = sg.tensor.sum(get_output(layer) ** 2)
    found = sg.function(
        [below.input_var, mask.input_var], sg.grad(cost, layer.get_params()),
        mode="FAST_COMPILE",
    )(generator.randn(2, 3, 4), np.zeros((2, 3)))  # fmt: skip
    assert all(np.isfinite(g).all() for g in found)


def test_large_scores_in_float32_stay_finite(run_layer):
    with sg.config.override(floatX="float32"):
        layer = MultiHeadAttentionLayer(InputLayer((None, 3, 4)), 1, causal=True)
    x = np.full((1, 3, 4), 1e4, "float32")
    found = run_layer(layer, x)
    assert found.dtype == "float32"
    assert np.isfinite(found).all()


def test_dropout_of_weights_is_for_training_only(run_layer, generator):
    layer = make({"incoming": (None, None, 4)}, num_heads=2, dropout=0.5)
    x = generator.randn(2, 5, 4)
    np.testing.assert_allclose(
        run_layer(layer, x, deterministic=True), attention(layer, x, x, x), rtol=1e-9
    )
    assert not np.allclose(run_layer(layer, x), attention(layer, x, x, x))


def test_names_tags_and_missing_biases():
    layer = MultiHeadAttentionLayer(InputLayer((None, 3, 4)), 2, b_key=None, name="a")
    assert len(layer.get_params()) == 7
    assert layer.get_params(regularizable=True) == [
        layer.W_query, layer.W_key, layer.W_value, layer.W_out,
    ]  # fmt: skip
    assert layer.W_out.name == "a.W_out"


@pytest.mark.parametrize(
    ("shapes", "settings", "error", "text"),
    [
        ({"incoming": (None, 4)}, {}, ShapeError, r"'m'.*input shape \(None, 4\)"),
        ({"incoming": (None, 3, None)}, {}, ShapeError, "features known"),
        ({"incoming": (8, 3, 4), "key": (7, 5, 4)}, {}, ShapeError,
         r"key shape \(7, 5, 4\) does not go with \(8, 3, 4\).*batch"),
        ({"incoming": (8, 3, 4), "key": (8, 5, 4), "value": (8, 6, 4)}, {}, ShapeError,
         r"value shape \(8, 6, 4\).*\(8, 5, 4\).*batch and time"),
        ({"incoming": (8, 3, 4), "mask_input": (8, 4)}, {}, ShapeError,
         r"mask shape \(8, 4\) must be \(8, 3\) or \(8, 3, 3\)"),
        ({"incoming": (8, 3, 4)}, {"num_heads": 3}, ArgumentError, "must divide"),
        ({"incoming": (8, 3, 4)}, {"num_heads": 0}, ArgumentError, "num_heads=0"),
        ({"incoming": (8, 3, 4)}, {"dropout": 1.0}, ArgumentError, "dropout=1.0"),
    ],
)  # fmt: skip
def test_what_attention_refuses(shapes, settings, error, text):
    with pytest.raises(error, match=text):
        make(shapes, **{"num_heads": 2, "name": "m", **settings})


@pytest.mark.parametrize("features", [1, 4, 5])
@pytest.mark.parametrize("time", [None, 6])
def test_sinusoids(features, time, run_layer, generator):
    layer = PositionalEncodingLayer((None, time, features), base=100.0)
    x = generator.randn(2, 6, features)
    t, column = np.indices((6, features))
    angle = t / 100.0 ** (2 * (column // 2) / features)
    wanted = x + np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    np.testing.assert_allclose(run_layer(layer, x), wanted, rtol=1e-12)


def test_far_positions_keep_their_digits_in_float32(run_layer):
    with sg.config.override(floatX="float32"):
        layer = PositionalEncodingLayer((1, None, 2))
    found = run_layer(layer, np.zeros((1, 100001, 2), "float32"))
    assert found.dtype == "float32"
    wanted = [np.sin(1e5), np.cos(1e5)]
    np.testing.assert_allclose(found[0, -1], wanted, atol=1e-6)


def test_learned_positions(run_layer, check_gradients, generator):
    layer = LearnedPositionalEncodingLayer((None, None, 4), 5, W=NORMAL)
    x = generator.randn(2, 3, 4)
    np.testing.assert_allclose(run_layer(layer, x), x + layer.W.get_value()[:3])
    check_gradients(layer, x)
    assert LearnedPositionalEncodingLayer((None, 7, 4)).num_positions == 7
    with pytest.raises(SymgraphError):
        run_layer(layer, generator.randn(2, 6, 4))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: PositionalEncodingLayer((None, 4)), ShapeError, "features"),
        (lambda: PositionalEncodingLayer((None, 3, 4), base=0), ArgumentError, "base=0"),
        (lambda: LearnedPositionalEncodingLayer((None, None, 4)), ArgumentError,
         "num_positions=None.*most time steps"),
        (lambda: LearnedPositionalEncodingLayer((None, 9, 4), 8), ShapeError,
         "has 9 time steps, num_positions=8"),
    ],
)  # fmt: skip
def test_what_encodings_refuse(make, error, text):
    with pytest.raises(error, match=text):
        make()
