"""Saved models: what comes back, and every way in which files can be wrong."""

import json
import stat

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import ArgumentError, DataError, NotSupportedError
from symgraph.train.checkpoint import load_model, model_files, save_model

LAYERS = nn.layers
X = np.random.default_rng(0).standard_normal((5, 6)).astype("float32")


def _mlp(units=4, dtype="float32"):
    with sg.config.override(floatX=dtype):
        below = LAYERS.InputLayer((None, 6), T.matrix("x"), name="rows")
        hidden = LAYERS.DenseLayer(
            below, units, nonlinearity=nn.nonlinearities.tanh, name="hidden"
        )
        dropped = LAYERS.DropoutLayer(hidden, p=0.25)
        return LAYERS.DenseLayer(dropped, 3, nonlinearity=nn.nonlinearities.softmax)


def _outputs(layer, *values):
    inputs = [
        below.input_var
        for below in LAYERS.get_all_layers(layer)
        if isinstance(below, LAYERS.InputLayer)
    ]
    output = LAYERS.get_output(layer, deterministic=True)
    return sg.function(inputs, output, mode="FAST_COMPILE")(*values)


def _kinds(layer):
    return [type(below).__name__ for below in LAYERS.get_all_layers(layer)]


def test_loaded_network_computes_what_the_saved_one_did(tmp_path):
    network = _mlp()
    save_model(tmp_path / "net", network)
    again = load_model(tmp_path / "net").output
    assert np.array_equal(_outputs(network, X), _outputs(again, X))
    assert _kinds(network) == _kinds(again)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loading_keeps_dtypes_whatever_float_x_is(tmp_path, dtype):
    save_model(tmp_path / "net", _mlp(dtype=dtype))
    with sg.config.override(floatX="float64" if dtype == "float32" else "float32"):
        model = load_model(tmp_path / "net")
    found = {value.dtype.name for value in LAYERS.get_all_param_values(model.output)}
    assert found == {dtype}
    assert model.inputs[0].input_var.dtype == dtype


def test_parameters_of_one_layer_may_have_different_dtypes(tmp_path):
    weights = np.ones((6, 2), "float32")
    network = LAYERS.DenseLayer(LAYERS.InputLayer((None, 6)), 2, W=weights)
    save_model(tmp_path / "net", network)
    again = load_model(tmp_path / "net").output
    assert (again.W.dtype, again.b.dtype) == ("float32", network.b.dtype)


def test_names_arguments_tags_and_metadata_come_back(tmp_path):
    network = _mlp()
    hidden = LAYERS.get_all_layers(network)[1]
    hidden.params[hidden.b] = {"frozen"}
    save_model(tmp_path / "net", network, {"classes": ["a"], "accuracy": 0.5})
    model = load_model(tmp_path / "net")
    layers = LAYERS.get_all_layers(model.output)
    assert [layer.name for layer in layers] == ["rows", "hidden", None, None]
    assert layers[2].p == 0.25
    assert layers[1].params[layers[1].b] == {"frozen"}
    assert model.metadata == {"classes": ["a"], "accuracy": 0.5}
    assert model.inputs[0] is layers[0]


def test_parameters_shared_by_two_layers_stay_shared(tmp_path):
    below = LAYERS.InputLayer((None, 6))
    first = LAYERS.DenseLayer(below, 6)
    second = LAYERS.DenseLayer(first, 6, W=first.W, b=first.b)
    weights, _ = save_model(tmp_path / "net", second)
    assert len(load_file(weights)) == 2
    layers = LAYERS.get_all_layers(load_model(tmp_path / "net").output)
    assert layers[1].W is layers[2].W
    assert layers[1].b is layers[2].b


def test_layer_without_bias_comes_back_without(tmp_path):
    network = LAYERS.DenseLayer(LAYERS.InputLayer((None, 6)), 2, b=None)
    save_model(tmp_path / "net", network)
    assert load_model(tmp_path / "net").output.b is None


@pytest.mark.parametrize(
    "nonlinearity",
    [
        nn.nonlinearities.linear,
        nn.nonlinearities.leaky_rectify,
        nn.nonlinearities.LeakyRectify(0.3),
        nn.nonlinearities.ScaledTanH(0.5, 1.5),
    ],
)
def test_nonlinearities_come_back_with_their_settings(tmp_path, nonlinearity):
    below = LAYERS.InputLayer((None, 6), T.matrix("x"))
    network = LAYERS.NonlinearityLayer(below, nonlinearity)
    save_model(tmp_path / "net", network)
    again = load_model(tmp_path / "net").output
    assert np.array_equal(_outputs(network, X), _outputs(again, X))


def test_layers_with_several_inputs_come_back_in_order(tmp_path):
    first = LAYERS.InputLayer((None, 2, 3), T.tensor3("a"))
    second = LAYERS.InputLayer((None, 6), T.matrix("b"))
    flat = LAYERS.FlattenLayer(first)
    both = LAYERS.ElemwiseSumLayer([flat, second], coeffs=[2, -1])
    joined = LAYERS.ConcatLayer([both, second], axis=1)
    network = LAYERS.ReshapeLayer(joined, ([0], 3, 4))
    save_model(tmp_path / "net", network)
    model = load_model(tmp_path / "net")
    a = np.arange(12.0).reshape(2, 2, 3)
    b = np.arange(12.0).reshape(2, 6) / 7
    assert [layer.input_var.name for layer in model.inputs] == ["a", "b"]
    expected = np.concatenate([2 * a.reshape(2, 6) - b, b], axis=1).reshape(2, 3, 4)
    assert np.allclose(_outputs(model.output, a, b), expected)


def test_path_may_be_a_folder_a_name_or_either_file(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    assert model_files(folder)[1] == folder / "model.json"
    assert model_files(tmp_path / "a.b")[0] == tmp_path / "a.b.safetensors"
    assert model_files(tmp_path / "a.safetensors") == model_files(tmp_path / "a.json")


def test_saving_makes_missing_folders_and_leaves_no_temporary_files(tmp_path):
    files = save_model(tmp_path / "new" / "net", _mlp())
    assert sorted((tmp_path / "new").iterdir()) == sorted(files)
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o400 for file in files)


def test_saving_again_replaces_the_files(tmp_path):
    save_model(tmp_path / "net", _mlp(4))
    save_model(tmp_path / "net", _mlp(7))
    layers = LAYERS.get_all_layers(load_model(tmp_path / "net").output)
    assert layers[1].num_units == 7


def test_files_hold_no_pickle_and_readable_json(tmp_path):
    weights, architecture = save_model(tmp_path / "net", _mlp())
    document = json.loads(architecture.read_text())
    assert (document["format"], document["version"]) == ("symgraph-model", 1)
    arrays = load_file(weights)
    assert {name: a.shape for name, a in arrays.items()} == {
        "1.W": (6, 4),
        "1.b": (4,),
        "3.W": (4, 3),
        "3.b": (3,),
    }


def test_layer_class_of_the_user_is_refused(tmp_path):
    class OwnLayer(LAYERS.Layer):
        pass

    network = OwnLayer(LAYERS.InputLayer((None, 6)))
    with pytest.raises(NotSupportedError, match="OwnLayer"):
        save_model(tmp_path / "net", network)
    assert not list(tmp_path.iterdir())


def test_nonlinearity_of_the_user_is_refused(tmp_path):
    network = LAYERS.NonlinearityLayer(LAYERS.InputLayer((None, 6)), lambda x: x * 3)
    with pytest.raises(
        NotSupportedError, match=r"no name in symgraph\.nn.nonlinearities"
    ):
        save_model(tmp_path / "net", network)


@pytest.mark.parametrize("metadata", [{"a": object()}, {"a": float("nan")}])
def test_metadata_that_json_cannot_hold_is_refused(tmp_path, metadata):
    with pytest.raises(ArgumentError, match="JSON cannot hold"):
        save_model(tmp_path / "net", _mlp(), metadata)


# --- damaged files -----------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    return save_model(tmp_path / "net", _mlp())


def _refused(saved, text):
    with pytest.raises(DataError, match=text) as caught:
        load_model(saved[0])
    assert "net." in str(caught.value)


@pytest.mark.parametrize("which", [0, 1])
def test_missing_file_is_named(saved, which):
    saved[which].unlink()
    _refused(saved, f"net{saved[which].suffix}: cannot be read: No such file")


@pytest.mark.parametrize("keep", [0, 5, 60, -4])
def test_truncated_weights_are_refused(saved, keep):
    saved[0].write_bytes(saved[0].read_bytes()[:keep])
    _refused(saved, "damaged safetensors")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not the architecture"),
        ('{"format": "other"}', "not the architecture"),
        ('{"format": "symgraph-model", "version": 2}', "version 2"),
        ('{"format": "symgraph-model", "version": 1}', "needs a list 'layers'"),
        ('{"format": "symgraph-model", "version": 1, "layers": []}', "needs a list"),
    ],
)
def test_text_that_is_no_architecture_is_refused(saved, text, reason):
    saved[1].write_text(text)
    _refused(saved, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n: n[1].update(type="EvilLayer"), "'EvilLayer', known are"),
        (lambda n: n[1].update(type="__init__"), "known are"),
        (lambda n: n[1].update(incoming=[1]), "not before it"),
        (lambda n: n[1].update(incoming=[-1]), "not before it"),
        (lambda n: n[1].update(incoming=["0"]), "not before it"),
        (lambda n: n[1].update(incoming=[]), "takes one layer, not 0"),
        (lambda n: n[1].pop("incoming"), "not a valid architecture"),
        (lambda n: n[1]["arguments"].update(evil=1), "has no evil"),
        (lambda n: n[1]["arguments"].pop("num_units"), "not a valid architecture"),
        (lambda n: n[1]["arguments"].update(num_units="4"), "valid|num_units"),
        (
            lambda n: n[1]["arguments"].update(nonlinearity={"nonlinearity": "exec"}),
            "no nonlinearity is called 'exec'",
        ),
        (
            lambda n: n[1]["arguments"].update(
                nonlinearity={"nonlinearity": "__name__"}
            ),
            "no nonlinearity is called",
        ),
        (lambda n: n[1]["parameters"].update(__class__={}), "has no __class__"),
        (
            lambda n: n[1]["parameters"]["W"].update(tensor="9.W"),
            "9.W .* not in the file",
        ),
        (lambda n: n[1]["parameters"].pop("b"), "holds 1.b, which no layer uses"),
        (lambda n: n[1]["parameters"]["W"].pop("tensor"), "not a valid architecture"),
        (lambda n: n.append(7), "not a valid architecture"),
    ],
)
def test_architecture_that_was_tampered_with_is_refused(saved, change, reason):
    document = json.loads(saved[1].read_text())
    change(document["layers"])
    saved[1].write_text(json.dumps(document))
    _refused(saved, reason)


def test_weights_of_another_shape_are_refused_with_both_shapes(saved):
    arrays = load_file(saved[0])
    arrays["1.W"] = arrays["1.W"].T.copy()
    save_file(arrays, saved[0])
    _refused(saved, r"1\.W \(DenseLayer\.W\) is float32 \(4, 6\).*float32 \(6, 4\)")


def test_weights_of_another_dtype_are_refused(saved):
    arrays = load_file(saved[0])
    arrays["3.b"] = arrays["3.b"].astype("float64")
    save_file(arrays, saved[0])
    _refused(saved, r"3\.b .* is float64 \(3,\), the layer needs float32 \(3,\)")


def test_weights_of_more_tensors_are_refused(saved):
    save_file(load_file(saved[0]) | {"extra": np.zeros(2)}, saved[0])
    _refused(saved, "holds extra, which no layer uses")
