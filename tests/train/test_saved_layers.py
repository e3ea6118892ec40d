"""Every layer that a file can describe comes back and computes the same."""

import json

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import DataError, NotSupportedError
from symgraph.nn.layers.base import SAVED
from symgraph.train.checkpoint import load_model, save_model

L = nn.layers
NORMAL = nn.init.Normal(1.0)
tanh = nn.nonlinearities.tanh


def inverse(layer):
    return L.InverseLayer(layer, layer)


def last(x):
    """The last of the last axis."""
    return L.SliceLayer(x, -1)


#: spatial rank of the input → layers on (batch, 4, ...)
MAKERS = {
    "Conv1DLayer": (1, lambda x: L.Conv1DLayer(x, 6, 3, 2, 1, b=NORMAL)),
    "Conv2DLayer": (
        2,
        lambda x: L.Conv2DLayer(
            x, 4, (3, 2), pad="full", num_groups=2, flip_filters=False, b=None,
            nonlinearity=tanh,
        ),
    ),
    "Conv3DLayer": (3, lambda x: L.Conv3DLayer(x, 2, 2, untie_biases=True, b=NORMAL)),
    "TransposedConv2DLayer": (
        2,
        lambda x: L.TransposedConv2DLayer(x, 3, 3, 2, "same", output_size=(12, 13)),
    ),
    "TransposedConv3DLayer": (3, lambda x: L.TransposedConv3DLayer(x, 3, 2, crop=1)),
    "DilatedConv2DLayer": (2, lambda x: L.DilatedConv2DLayer(x, 3, 2, (2, 1), b=NORMAL)),
    "Pool1DLayer": (1, lambda x: L.Pool1DLayer(x, 2, mode="average_exc_pad")),
    "Pool2DLayer": (2, lambda x: L.Pool2DLayer(x, (2, 3), 2, 1, mode="sum")),
    "Pool3DLayer": (3, lambda x: L.Pool3DLayer(x, 2, ignore_border=False)),
    "MaxPool1DLayer": (1, lambda x: L.MaxPool1DLayer(x, 3, 2)),
    "MaxPool2DLayer": (2, lambda x: L.MaxPool2DLayer(x, 2, ignore_border=False)),
    "MaxPool3DLayer": (3, lambda x: L.MaxPool3DLayer(x, 2, pad=1)),
    "GlobalPoolLayer": (2, lambda x: L.GlobalPoolLayer(x, T.max)),
    "FeaturePoolLayer": (1, lambda x: L.FeaturePoolLayer(x, 2, pool_function=T.mean)),
    "FeatureWTALayer": (1, lambda x: L.FeatureWTALayer(x, 2)),
    "SpatialPyramidPoolingLayer": (
        2,
        lambda x: L.SpatialPyramidPoolingLayer(x, (3, 1), implementation="kaiming"),
    ),
    "Upscale1DLayer": (1, lambda x: L.Upscale1DLayer(x, 3)),
    "Upscale2DLayer": (2, lambda x: L.Upscale2DLayer(x, (1, 2), "dilate")),
    "Upscale3DLayer": (3, lambda x: L.Upscale3DLayer(x, 2)),
    "LocalResponseNormalization2DLayer": (
        2,
        lambda x: L.LocalResponseNormalization2DLayer(x, 0.5, 1, 0.6, 3),
    ),
    "BatchNormLayer": (
        2,
        lambda x: L.BatchNormLayer(
            x, alpha=0.3, epsilon=0.1, beta=NORMAL, gamma=None, mean=NORMAL,
            inv_std=NORMAL,
        ),
    ),
    "StandardizationLayer": (1, lambda x: L.StandardizationLayer(x, "features", 0.1)),
    "NINLayer": (2, lambda x: L.NINLayer(x, 3, True, b=NORMAL)),
    "BiasLayer": (1, lambda x: L.BiasLayer(x, NORMAL, shared_axes=0)),
    "ScaleLayer": (1, lambda x: L.ScaleLayer(x, NORMAL)),
    "InputLayer": (1, lambda x: x),
    "DenseLayer": (1, lambda x: L.DenseLayer(x, 3, num_leading_axes=2)),
    "DropoutLayer": (1, lambda x: L.DropoutLayer(x, 0.3, shared_axes=(1,))),
    "NonlinearityLayer": (1, lambda x: L.NonlinearityLayer(x, nn.nonlinearities.elu)),
    "FlattenLayer": (2, lambda x: L.FlattenLayer(x, 3)),
    "ReshapeLayer": (1, lambda x: L.ReshapeLayer(x, ([0], -1))),
    "ConcatLayer": (1, lambda x: L.ConcatLayer([x, x], axis=2)),
    "ElemwiseSumLayer": (1, lambda x: L.ElemwiseSumLayer([x, x], coeffs=[1, 2])),
    "GaussianNoiseLayer": (1, lambda x: L.GaussianNoiseLayer(x, 0.3)),
    "DimshuffleLayer": (1, lambda x: L.DimshuffleLayer(x, (1, "x", 2, 0))),
    "PadLayer": (1, lambda x: L.PadLayer(x, [(1, 2)], val=0.5)),
    "SliceLayer": (1, lambda x: L.SliceLayer(x, slice(None, None, -2))),
    "ElemwiseMergeLayer": (1, lambda x: L.ElemwiseMergeLayer([x, x], T.maximum)),
    "ParametricRectifierLayer": (
        2, lambda x: L.ParametricRectifierLayer(x, NORMAL, shared_axes=(0, 2)),
    ),
    "RandomizedRectifierLayer": (
        1, lambda x: L.RandomizedRectifierLayer(x, 0.1, 0.4, "all"),
    ),
    "InverseLayer": (2, lambda x: inverse(L.Conv2DLayer(x, 3, 3, b=NORMAL))),
    "LocallyConnected2DLayer": (
        2, lambda x: L.LocallyConnected2DLayer(
            x, 4, (2, 3), 2, "full", b=NORMAL, flip_filters=False, channelwise=True,
        ),
    ),
    "TransformerLayer": (
        2, lambda x: L.TransformerLayer(x, L.DenseLayer(x, 6, b=NORMAL), 1.5, "mirror"),
    ),
    "TPSTransformerLayer": (
        2, lambda x: L.TPSTransformerLayer(x, L.DenseLayer(x, 8), 2, 4, False, "wrap"),
    ),
    "LayerNormLayer": (1, lambda x: L.LayerNormLayer(x, (1, 2), 0.1, NORMAL, None)),
    "RMSNormLayer": (1, lambda x: L.RMSNormLayer(x, -1, 0.1, NORMAL)),
    "GroupNormLayer": (2, lambda x: L.GroupNormLayer(x, 2, 0.1, NORMAL, NORMAL)),
    "MultiHeadAttentionLayer": (
        1, lambda x: L.MultiHeadAttentionLayer(
            x, 2, 4, key=L.NonlinearityLayer(x), mask_input=L.NonlinearityLayer(last(x)),
            causal=True, dropout=0.1, b_key=None, b_out=NORMAL,
        ),
    ),
    "PositionalEncodingLayer": (1, lambda x: L.PositionalEncodingLayer(x, 100.0)),
    "LearnedPositionalEncodingLayer": (
        1, lambda x: L.LearnedPositionalEncodingLayer(x, 9, NORMAL),
    ),
    "DepthwiseConv1DLayer": (
        1, lambda x: L.DepthwiseConv1DLayer(x, 2, 2, "same", 3, b=NORMAL),
    ),
    "DepthwiseConv2DLayer": (
        2, lambda x: L.DepthwiseConv2DLayer(
            x, (3, 2), untie_biases=True, flip_filters=False
        ),
    ),
    "SeparableConv1DLayer": (1, lambda x: L.SeparableConv1DLayer(x, 3, 2, b=None)),
    "SeparableConv2DLayer": (
        2, lambda x: L.SeparableConv2DLayer(x, 3, (3, 2), 1, "same", 2, b=NORMAL),
    ),
    "GlobalAveragePoolLayer": (2, L.GlobalAveragePoolLayer),
    "RecurrentLayer": (
        1,
        lambda x: L.RecurrentLayer(
            x, 3, NORMAL, b=None, nonlinearity=tanh, hid_init=NORMAL, learn_init=True,
            only_return_final=True,
        ),
    ),
    "CustomRecurrentLayer": (
        1,
        lambda x: L.CustomRecurrentLayer(
            x,
            L.DenseLayer(L.InputLayer((None, 6)), 3, b=NORMAL),
            L.NINLayer(L.InputLayer((None, 3)), 3),
            precompute_input=False,
        ),
    ),
    "LSTMLayer": (
        1,
        lambda x: L.LSTMLayer(
            x, 3, L.Gate(b=NORMAL), cell=L.Gate(W_cell=None, nonlinearity=None),
            cell_init=NORMAL, hid_init=L.FlattenLayer(L.DenseLayer(x, 3)),
            backwards=True,
            mask_input=L.ReshapeLayer(L.FeaturePoolLayer(x, 6, 2, T.max), ([0], 4)),
        ),
    ),
    "GRULayer": (
        1,
        lambda x: L.GRULayer(
            x, 3, L.Gate(NORMAL), L.Gate(b=NORMAL), L.Gate(nonlinearity=tanh),
            gradient_steps=2, grad_clipping=1.5, name="unit",
        ),
    ),
}  # fmt: skip


def plain(setting):
    """Lists as tuples: a file does not tell them apart."""
    if isinstance(setting, list | tuple):
        return tuple(plain(each) for each in setting)
    return setting


def value(layer, x):
    (below,) = (v for v in L.get_all_layers(layer) if isinstance(v, L.InputLayer))
    out = L.get_output(layer, deterministic=True)
    return sg.function([below.input_var], out, mode="FAST_COMPILE")(x)


@pytest.mark.parametrize("kind", list(MAKERS))
def test_layer_comes_back_and_computes_the_same(kind, tmp_path):
    rank, make = MAKERS[kind]
    extents = (6, 7, 4)[:rank]
    with sg.config.override(floatX="float32"):
        below = L.InputLayer((None, 4, *extents))
        layer = make(below)
        assert type(layer).__name__ == kind
        save_model(tmp_path / "net", layer)
        again = load_model(tmp_path / "net").output
    assert type(again) is type(layer)
    for name in layer.saved:
        found, wanted = getattr(again, name, None), getattr(layer, name, None)
        if not isinstance(wanted, T.Variable | L.Layer):
            assert plain(found) == plain(wanted), name
    assert [p.name for p in again.params] == [p.name for p in layer.params]
    assert list(again.params.values()) == list(layer.params.values())
    x = np.random.default_rng(0).standard_normal((2, 4, *extents)).astype("float32")
    assert np.array_equal(value(again, x), value(layer, x))


def test_every_savable_layer_is_tried_here():
    own = {kind for kind, made in SAVED.items() if getattr(L, kind, None) is made}
    assert {*MAKERS, "EmbeddingLayer"} == own


def test_an_embedding_comes_back_with_its_table_and_integers(tmp_path):
    words = L.InputLayer((None, 2), T.imatrix("words"))
    layer = L.EmbeddingLayer(words, 9, 4)
    save_model(tmp_path / "net", layer)
    again = load_model(tmp_path / "net").output
    x = np.array([[1, 8], [0, 3]], "int32")
    assert np.array_equal(value(again, x), value(layer, x))


class SavedGate(L.Layer):
    """A layer of a user: out = x * w + offset."""

    saved = ("w", "offset")

    def __init__(self, incoming, w=NORMAL, offset=0.0, **kwargs):
        super().__init__(incoming, **kwargs)
        self.w = self.add_param(w, self.input_shape[1:], "w")
        self.offset = offset

    def get_output_for(self, input, **kwargs):
        return input * self.w + self.offset


class SameConstructor(SavedGate):
    def get_output_for(self, input, **kwargs):
        return 2 * super().get_output_for(input)


class OtherConstructor(SavedGate):
    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, offset=3.0, **kwargs)


@pytest.mark.parametrize("kind", [SavedGate, SameConstructor])
def test_a_layer_of_the_user_that_says_how_it_is_saved_comes_back(kind, tmp_path):
    layer = kind(L.InputLayer((None, 4)), offset=1.5, name="own")
    save_model(tmp_path / "net", layer)
    again = load_model(tmp_path / "net").output
    assert type(again) is kind
    assert again.w.name == "own.w"
    x = np.ones((2, 4))
    assert np.array_equal(value(again, x), value(layer, x))


def test_a_layer_with_another_constructor_must_say_it_anew(tmp_path):
    assert "OtherConstructor" not in SAVED
    with pytest.raises(NotSupportedError, match=r"saved = \("):
        save_model(tmp_path / "net", OtherConstructor(L.InputLayer((None, 4))))


def test_a_class_defined_again_takes_the_place_of_the_first():
    again = type("SavedGate", (SavedGate,), {"__module__": __name__})
    assert SAVED["SavedGate"] is again
    # the package's own keep theirs
    mine = type("DenseLayer", (L.DenseLayer,), {"__module__": __name__})
    assert SAVED["DenseLayer"] is L.DenseLayer
    SAVED["SavedGate"] = SavedGate
    with pytest.raises(NotSupportedError, match="another class DenseLayer"):
        save_model("nowhere", mine(L.InputLayer((None, 2)), 2))


def test_a_layer_that_is_not_defined_here_is_named(tmp_path):
    _, path = save_model(tmp_path / "net", SavedGate(L.InputLayer((None, 4))))
    path.write_text(path.read_text().replace('"SavedGate"', '"LostLayer"'))
    with pytest.raises(
        DataError, match=r"'LostLayer'.*\n.*must be defined, or imported"
    ):
        load_model(tmp_path / "net")


def test_files_that_leave_out_biases_are_still_read(tmp_path):
    _, path = save_model(
        tmp_path / "net", L.DenseLayer(L.InputLayer((None, 4)), 2, b=None)
    )
    document = json.loads(path.read_text())
    assert document["layers"][1]["arguments"].pop("b") is None
    path.write_text(json.dumps(document))
    assert load_model(tmp_path / "net").output.b is None


def test_functions_of_the_user_are_refused(tmp_path):
    x = L.InputLayer((None, 4, 6))
    with pytest.raises(NotSupportedError, match="name only those, and the functions"):
        save_model(tmp_path / "net", L.GlobalPoolLayer(x, lambda v, axis: v.sum(axis)))
    conv = L.Conv1DLayer(x, 2, 3, convolution=lambda *a, **k: T.nnet.conv1d(*a, **k))
    with pytest.raises(NotSupportedError, match="has no name"):
        save_model(tmp_path / "net", conv)


@pytest.mark.parametrize("name", ["eval", ["max"], None])
def test_other_functions_in_a_file_are_refused(name, tmp_path):
    _, path = save_model(
        tmp_path / "net", L.GlobalPoolLayer(L.InputLayer((None, 4, 6)))
    )
    document = json.loads(path.read_text())
    document["layers"][1]["arguments"]["pool_function"] = {"function": name}
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"net\.json"):
        load_model(tmp_path / "net")


def test_an_lstm_without_peepholes_comes_back_without(tmp_path):
    layer = L.LSTMLayer(L.InputLayer((None, None, 2)), 3, peepholes=False)
    save_model(tmp_path / "net", layer)
    again = load_model(tmp_path / "net").output
    assert len(again.params) == len(layer.params) == 14
    assert not hasattr(again, "W_cell_to_ingate")
    assert again.cell_init.get_value().shape == (1, 3)


def test_roles_of_layers_below_are_checked(tmp_path):
    layer = L.GRULayer(L.InputLayer((None, None, 2)), 3)
    _, path = save_model(tmp_path / "net", layer)
    document = json.loads(path.read_text())
    for roles in (["mask_input"], [], ["incoming", "mask_input"], ["incoming", "x"]):
        document["layers"][1]["roles"] = roles
        path.write_text(json.dumps(document))
        with pytest.raises(DataError, match="1 layers below have the roles"):
            load_model(tmp_path / "net")


def test_networks_inside_a_layer_come_back_with_their_weights(tmp_path):
    x = L.InputLayer((None, None, 2))
    f = L.DenseLayer(L.InputLayer((None, 2), name="row"), 3, b=NORMAL)
    g = L.DenseLayer(L.DenseLayer(L.InputLayer((None, 3)), 3), 3, b=f.b)
    layer = L.CustomRecurrentLayer(x, f, g, tanh, hid_init=NORMAL, learn_init=True)
    save_model(tmp_path / "net", layer)
    model = load_model(tmp_path / "net")
    again = model.output
    assert len(model.inputs) == 1
    assert again.input_to_hidden.b is again.hidden_to_hidden.b
    assert again.input_to_hidden.input_layer.name == "row"
    data = np.random.default_rng(0).standard_normal((2, 4, 2))
    assert np.array_equal(value(again, data), value(layer, data))
    for tags in ({"trainable": True}, {"regularizable": True}):
        found, wanted = (len(each.get_params(**tags)) for each in (again, layer))
        assert found == wanted >= 3


def test_a_layer_without_its_networks_is_refused(tmp_path):
    parts = [L.NonlinearityLayer(L.InputLayer((None, 2))) for _ in range(2)]
    layer = L.CustomRecurrentLayer(L.InputLayer((None, None, 2)), *parts)
    _, path = save_model(tmp_path / "net", layer)
    document = json.loads(path.read_text())
    del document["layers"][1]["networks"]["hidden_to_hidden"]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="hidden_to_hidden"):
        load_model(tmp_path / "net")


@pytest.mark.parametrize("block", [L.residual_block, lambda x: L.dense_block(x, 2, 3)])
def test_blocks_are_plain_layers_that_come_back(block, tmp_path):
    layer = block(L.InputLayer((None, 4, 6, 5)))
    save_model(tmp_path / "net", layer)
    again = load_model(tmp_path / "net").output
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 5))
    assert np.array_equal(value(again, x), value(layer, x))


def test_roles_of_an_inverse_layer_are_checked(tmp_path):
    _, path = save_model(
        tmp_path / "net", inverse(L.DenseLayer(L.InputLayer((None, 4)), 2))
    )
    document = json.loads(path.read_text())
    assert document["layers"][2]["roles"] == ["incoming", "layer", None]
    for roles in (
        ["layer", "incoming", None],
        ["incoming", "name", "name"],
        ["incoming"],
    ):
        document["layers"][2]["roles"] = roles
        path.write_text(json.dumps(document))
        with pytest.raises(DataError, match="3 layers below have the roles"):
            load_model(tmp_path / "net")
