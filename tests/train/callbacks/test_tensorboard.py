"""Event files: read back record by record, and by TensorBoard itself where it is."""

import importlib.util
import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from symgraph import nn
from symgraph.errors import ArgumentError
from symgraph.train import event_file
from symgraph.train.callbacks import Resume, TensorBoard

SETTINGS = {"metrics": ["accuracy", "confusion_matrix"], "clip_norm": 5.0}


@pytest.fixture(scope="module")
def protocol():
    """The messages as somebody else declares them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboardX.proto import event_pb2, plugin_hparams_pb2
        from tensorboardX.record_writer import masked_crc32c
    return event_pb2, plugin_hparams_pb2, masked_crc32c


def read(folder, protocol):
    """All events of the files of a folder, their checksums compared."""
    event_pb2, _, crc = protocol
    events = []
    for path in sorted(folder.iterdir()):
        stream = io.BytesIO(path.read_bytes())
        while head := stream.read(8):
            assert struct.unpack("<I", stream.read(4)) == (crc(head),)
            data = stream.read(*struct.unpack("<Q", head))
            assert struct.unpack("<I", stream.read(4)) == (crc(data),)
            events.append(event_pb2.Event.FromString(data))
    return events


def values(events, kind):
    return {
        (value.tag, event.step): getattr(value, kind)
        for event in events
        for value in event.summary.value
        if value.HasField(kind)
    }


def squares(run_model):
    return {"square": np.full((4, 6, 3), [255, 0, 128], np.uint8)}


def images_model():
    layer = nn.layers.InputLayer((None, 1, 5, 5), name="in")
    layer = nn.layers.Conv2DLayer(layer, 3, 3, name="conv")
    layer = nn.layers.DenseLayer(layer, 2, nonlinearity=nn.nonlinearities.softmax)
    return nn.Model(layer, **SETTINGS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model, its history and its events at full verbosity."""
    folder = tmp_path_factory.mktemp("runs")
    random = np.random.default_rng(0)
    X = random.normal(size=(20, 1, 5, 5)).astype(np.float32)
    y = (X.mean(axis=(1, 2, 3)) > 0).astype(int)
    nn.random.set_rng(np.random.RandomState(0))
    model = images_model()
    told = TensorBoard(
        folder, "one", verbosity=3, images=squares, hyperparameters={"kind": "small"}
    )
    weights = []
    history = model.fit(
        X, y, epochs=3, batch_size=8, validation=0.2,
        callbacks=[told, lambda run: weights.append(run.model.get_weights())],
    )  # fmt: skip
    nn.random.set_rng(np.random)
    return model, history, weights, folder


def test_every_number_of_the_history_is_there(trained, protocol):
    _, history, _, folder = trained
    found = values(read(folder / "one", protocol), "simple_value")
    plain = [name for name in history if not np.ndim(history[name][0])]
    assert {"loss", "accuracy", "validation_loss", "learning_rate"} <= set(plain)
    for name in plain:
        for epoch, number in zip(history.epochs, history[name]):
            assert found[name, epoch] == np.float32(number)


def test_histograms_are_those_of_weights_gradients_and_activations(trained, protocol):
    _, _, weights, folder = trained
    found = values(read(folder / "one", protocol), "histo")
    names = ["conv/W", "conv/b", "DenseLayer/W", "DenseLayer/b"]
    for epoch, arrays in enumerate(weights, 1):
        for name, array in zip(names, arrays, strict=True):
            histogram = found[f"weight/{name}", epoch]
            counts, edges = np.histogram(array.astype(np.float64), event_file.BUCKETS)
            assert list(histogram.bucket) == counts.tolist()
            np.testing.assert_allclose(histogram.bucket_limit, edges[1:])
            np.testing.assert_allclose(histogram.sum, array.sum(), rtol=1e-4)
            assert (histogram.min, histogram.max) == (array.min(), array.max())
            assert found[f"gradient/{name}", epoch].num == array.size
    for layer in ("in", "conv", "DenseLayer"):
        assert found[f"activation/{layer}", 3].num > 0


def test_gradients_are_those_of_the_loss_by_differences(trained):
    model, _, _, _ = trained
    random = np.random.default_rng(1)
    arrays = model.intake.arrays(
        random.normal(size=(6, 1, 5, 5)), [0, 1] * 3, None, None
    )
    gradient = model.functions.gradients(arrays.signature)(*arrays.all)[-1]
    kept, loss = model.get_weights(), []
    for sign in (1, -1):
        moved = [w.copy() for w in kept]
        moved[-1][0] += sign * 1e-2
        model.set_weights(moved)
        loss.append(model.evaluate(arrays.inputs[0], arrays.targets[0])["loss"])
    model.set_weights(kept)
    assert gradient[0] == pytest.approx((loss[0] - loss[1]) / 2e-2, rel=1e-2)


def test_pictures_come_back_pixel_by_pixel(trained, protocol):
    _, history, _, folder = trained
    found = values(read(folder / "one", protocol), "image")
    own = found["square", 2]
    assert (own.height, own.width, own.colorspace) == (4, 6, 3)
    pixels = np.asarray(Image.open(io.BytesIO(own.encoded_image_string)))
    np.testing.assert_array_equal(pixels, squares(None)["square"])
    matrix = found["validation_confusion_matrix", 3].encoded_image_string
    shown = np.asarray(Image.open(io.BytesIO(matrix)))[16::32, 16::32]
    counts = np.asarray(history["validation_confusion_matrix"][-1])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.testing.assert_array_equal(shown, np.round(255 * share))
    assert ("filters", 1) in found


def test_the_graph_names_layers_parameters_and_shapes(trained, protocol):
    from tensorboardX.proto import graph_pb2

    graphs = [e.graph_def for e in read(trained[3] / "one", protocol) if e.graph_def]
    assert len(graphs) == 1
    graph = graph_pb2.GraphDef.FromString(graphs[0])
    assert [(n.name, n.op, list(n.input)) for n in graph.node] == [
        ("in", "InputLayer", []),
        ("conv/W", "Parameter", []),
        ("conv/b", "Parameter", []),
        ("conv/Conv2DLayer", "Conv2DLayer", ["in", "conv/W", "conv/b"]),
        ("DenseLayer/W", "Parameter", []),
        ("DenseLayer/b", "Parameter", []),
        ("DenseLayer/DenseLayer", "DenseLayer",
         ["conv/Conv2DLayer", "DenseLayer/W", "DenseLayer/b"]),
    ]  # fmt: skip
    shapes = {
        n.name: [d.size for d in n.attr["_output_shapes"].list.shape[0].dim]
        for n in graph.node
    }
    assert shapes["in"] == [-1, 1, 5, 5]
    assert shapes["conv/Conv2DLayer"] == [-1, 3, 3, 3]
    assert shapes["conv/W"] == [3, 1, 3, 3]


def test_hyper_parameters_are_there(trained, protocol):
    _, plugin, _ = protocol
    found = {
        v.tag: plugin.HParamsPluginData.FromString(v.metadata.plugin_data.content)
        for event in read(trained[3] / "one", protocol)
        for v in event.summary.value
        if v.metadata.plugin_data.plugin_name == "hparams"
    }
    start = found["_hparams_/session_start_info"].session_start_info.hparams
    assert start["batch_size"].number_value == 8
    assert start["updates"].string_value == "adam"
    assert start["clip_norm"].number_value == 5
    assert start["kind"].string_value == "small"
    told = found["_hparams_/experiment"].experiment
    assert {info.name for info in told.hparam_infos} == set(start)
    assert "validation_accuracy" in {info.name.tag for info in told.metric_infos}
    assert found["_hparams_/session_end_info"].session_end_info.status == 1


@pytest.mark.skipif(
    not importlib.util.find_spec("tensorboard"), reason="needs tensorboard"
)
def test_tensorboards_own_reader_gives_everything_back(trained):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import (
            EventAccumulator,
        )

        _, history, weights, folder = trained
        reader = EventAccumulator(
            str(folder / "one"),
            {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0},
        )
        reader.Reload()
        kinds = reader.Tags()
        plain = [name for name in history if not np.ndim(history[name][0])]
        zeros = [f"zeros/{name}" for name in ("in", "conv", "DenseLayer")]
        assert sorted(kinds["scalars"]) == sorted([*plain, *zeros])
        for name in plain:
            events = reader.Scalars(name)
            assert [e.step for e in events] == history.epochs
            assert [e.value for e in events] == np.float32(history[name]).tolist()
        assert len(kinds["histograms"]) == 4 + 4 + 3
        for epoch, event in enumerate(reader.Histograms("weight/conv/W")):
            counts, _ = np.histogram(
                weights[epoch][0].astype(float), event_file.BUCKETS
            )
            assert event.histogram_value.bucket == counts.tolist()
        assert sorted(kinds["images"]) == [
            "confusion_matrix", "filters", "square", "validation_confusion_matrix"
        ]  # fmt: skip
        assert [e.width for e in reader.Images("square")] == [6, 6, 6]
        assert len(reader.Graph().node) == 7


def test_numbers_alone_are_told_later_and_cost_no_step(make, rows, tmp_path, protocol):
    told = TensorBoard(tmp_path, "run")
    assert told.deferrable
    history = make().fit(*rows, epochs=50, callbacks=[told])
    found = values(read(tmp_path / "run", protocol), "simple_value")
    assert found["loss", 50] == np.float32(history["loss"][-1])
    assert not values(read(tmp_path / "run", protocol), "histo")


def test_looking_inside_does_not_change_the_training(make, rows, tmp_path):
    plain = make().fit(*rows, epochs=3)
    looked = make().fit(
        *rows, epochs=3, callbacks=[TensorBoard(tmp_path, verbosity=3, every=2)]
    )
    assert plain["loss"] == looked["loss"]


def test_a_training_that_goes_on_replaces_later_steps(make, rows, tmp_path, protocol):
    for epochs in (2, 4):
        made = make()
        made.fit(
            *rows, epochs=epochs,
            callbacks=[TensorBoard(tmp_path / "runs", "a"), Resume(tmp_path / "resume")],
        )  # fmt: skip
    events = read(tmp_path / "runs" / "a", protocol)
    steps = [e.step for e in events for v in e.summary.value if v.tag == "loss"]
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"verbosity": 4}, "expected 0 to 3"),
        ({"every": 0}, "must be 1 or more"),
        ({"images": {}}, "expected a function of the model"),
    ],
)
def test_wrong_settings_are_told_at_once(tmp_path, settings, text):
    with pytest.raises(ArgumentError, match=text):
        TensorBoard(tmp_path, **settings)


def test_a_picture_of_floats_is_refused(make, rows, tmp_path):
    told = TensorBoard(tmp_path, images=lambda model: {"p": np.zeros((2, 2))})
    with pytest.raises(ArgumentError, match="'p' is float64"):
        make().fit(*rows, callbacks=[told])
