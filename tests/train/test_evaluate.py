"""``evaluate``, ``summary`` and ``time``: what is told of a saved model."""

import csv
import json

import numpy as np
import pytest

import symgraph as sg
from symgraph import nn
from symgraph.data import load_digits, split
from symgraph.errors import ArgumentError
from symgraph.train import timing
from symgraph.train.cli import main
from symgraph.train.evaluate import PRINTED, Report
from symgraph.train.model import Model


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of the digits, whose parts were divided by another seed than 0."""
    folder = tmp_path_factory.mktemp("trained")
    words = ["train", "digits", "--epochs", "2", "--hidden", "24", "--seed", "3"]
    assert main([*words, "--output", str(folder)]) == 0
    return folder


def test_precision_recall_and_f1_are_those_of_the_counts():
    made = Report(("a", "b", "c"), np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]]))
    (_, p, r, f, n), second, none = made.by_class()
    assert (p, r, n) == (3 / 5, 3 / 4, 4)
    assert f == pytest.approx(2 * p * r / (p + r))
    assert second[1:] == (4 / 5, 4 / 6, 8 / 11, 6)
    assert none[1:] == (0, 0, 0, 0)
    assert made.accuracy == 7 / 10


def test_a_wide_matrix_is_not_printed():
    count = PRINTED + 1
    made = Report(tuple(map(str, range(count))), np.eye(count, dtype=np.int64))
    assert len(made.lines()) == count + 2


def test_evaluate_measures_the_test_part_of_the_models_own_seed(
    capsys, trained, tmp_path
):
    code, out, err = run(
        capsys, "evaluate", trained, "digits", "--output", tmp_path / "report"
    )
    assert (code, err) == (0, "")
    model = Model.load(trained)
    x, y = split(*load_digits(), seed=3).test
    right = int((model.predict(x) == y).sum())
    assert f"({right} of {len(y)})" in out
    assert f"accuracy {model.metadata['test_accuracy']:.4f}" in out
    saved = json.loads((tmp_path / "report" / "report.json").read_text())
    counts = np.array(saved["confusion_matrix"])
    assert counts.trace() == right
    assert counts.sum(axis=1).tolist() == np.bincount(y).tolist()
    for row, line in zip(counts, out.split("right:\n")[1].splitlines()[1:11]):
        assert [0 if c == "." else int(c) for c in line.split()[1:]] == row.tolist()
    assert (tmp_path / "report" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_prints_json_and_csv(capsys, trained):
    _, out, _ = run(capsys, "evaluate", trained, "digits", "--format", "json")
    found = json.loads(out)
    assert found["rows"] == 359
    _, out, _ = run(capsys, "evaluate", trained, "digits", "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["class"] for row in rows] == [e["class"] for e in found["by_class"]]
    _, out, _ = run(
        capsys, "evaluate", trained, "digits", "--format", "json", "--part", "all"
    )
    assert json.loads(out)["rows"] == 1797


def test_data_of_other_classes_or_sizes_is_refused(capsys, trained, tmp_path):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (8, 8), number).save(
                tmp_path / "pets" / name / f"{number}.png"
            )
    code, _, err = run(capsys, "evaluate", trained, tmp_path / "pets")
    assert code == 2
    assert "the class 'cat' is none of the model's" in err
    code, _, err = run(capsys, "evaluate", trained, tmp_path / "none")
    assert code == 2
    assert "no such folder" in err


def test_summary_tells_layers_classes_and_the_last_epoch(capsys, trained):
    code, out, err = run(capsys, "summary", trained)
    assert (code, err) == (0, "")
    assert "hidden1" in out
    assert "classes       0, 1, 2" in out
    assert "last epoch    loss " in out


def test_time_tells_each_layer_and_the_network(capsys, trained):
    code, out, err = run(capsys, "time", trained, "--batch-size", 8)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].split()[:5] == ["hidden1", "DenseLayer", "8", "x", "24"]
    assert any(line.startswith("network: training step") for line in lines)
    assert lines[-1].startswith("8 rows: ")
    assert run(capsys, "time", trained, "--batch-size", 0)[0] == 2


def test_every_kind_of_layer_is_timed_with_its_shape_and_work():
    L = nn.layers
    with sg.config.override(floatX="float32"):
        words = L.InputLayer((None, 4), sg.tensor.imatrix("words"), name="words")
        layer = L.EmbeddingLayer(words, 5, 6)
        layer = L.ConcatLayer([layer, layer], axis=2)
        layer = L.DenseLayer(layer, 3, nonlinearity=nn.nonlinearities.softmax)
        model = nn.Model(layer)
    found = timing.layer_times(model, 2)
    assert [(t.kind, t.shape, t.work) for t in found] == [
        ("EmbeddingLayer", (2, 4, 6), 0),
        ("ConcatLayer", (2, 4, 12), 0),
        ("DenseLayer", (2, 3), 2 * 48 * 3),
    ]
    assert all(t.forward > 0 for t in found)
    assert all(t.backward is not None for t in found)


def test_layers_without_parameters_are_timed_in_the_networks_dtype(monkeypatch):
    assert sg.config.floatX == "float64"
    with sg.config.override(floatX="float32"):
        layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 4)), 2)
        model = nn.Model(nn.layers.DropoutLayer(layer), loss="squared_error")
    dtypes = []
    real = timing._values
    monkeypatch.setattr(
        timing, "_values", lambda x, *rest: dtypes.append(x.dtype) or real(x, *rest)
    )
    timing.layer_times(model, 2)
    assert dtypes == ["float32", "float32"]


def test_timing_steps_leaves_the_weights_alone():
    layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 4)), 2)
    model = nn.Model(layer)
    before = model.get_weights()
    assert min(timing.model_times(model, 2)) > 0
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_network_of_a_fixed_number_of_rows_says_which():
    layer = nn.layers.DenseLayer(nn.layers.InputLayer((3, 4)), 2)
    with pytest.raises(ArgumentError, match="--batch-size 3"):
        timing.layer_times(nn.Model(layer), 2)
