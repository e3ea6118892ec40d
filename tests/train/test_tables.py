"""Tables on the command line: trained, predicted, evaluated; networks of the user's."""

import json

import numpy as np
import pytest

from symgraph.train.cli import main

BUILD = """
from symgraph import nn

def build(inputs, outputs):
    layer = nn.layers.DenseLayer(inputs, 7, name="mine")
    last = nn.nonlinearities.softmax
    return nn.layers.DenseLayer(layer, outputs, nonlinearity=last)

def wrong(inputs, outputs):
    return nn.layers.DenseLayer(inputs, outputs + 1)

"""


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture
def table(tmp_path):
    """Points of two classes; their columns have very different scales."""
    random = np.random.default_rng(0)
    kind = np.arange(120) % 2
    x = random.normal(size=(120, 2)) * 0.3 + kind[:, None] * [2, -2]
    lines = [f"{a},{1000 * b},{'no yes'.split()[k]}" for (a, b), k in zip(x, kind)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,kind", *lines]))
    return tmp_path / "t.csv"


def test_classes_of_a_csv_are_learned_predicted_and_evaluated(capsys, table, tmp_path):
    model = tmp_path / "model"
    words = ["train", table, "--epochs", 20, "--hidden", "8", "--output", model,
             "--learning-rate", 0.05]  # fmt: skip
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.startswith(
        "data: 96 training and 24 test rows of 2 features, 'kind' is of 2"
    )
    assert "test accuracy 1.0000 (24 of 24 rows never seen in training)" in out
    (tmp_path / "new.csv").write_text("more,b,a\nx,-2000,2\ny,0,0\n")
    _, out, _ = run(capsys, "predict", model, tmp_path / "new.csv", "--format", "json")
    assert [row["class"] for row in json.loads(out)] == ["yes", "no"]
    _, out, err = run(capsys, "evaluate", model, table)
    assert "accuracy 1.0000 (24 of 24)" in out
    (tmp_path / "few.csv").write_text("a,b\n1,2\nred,3\n")
    code, _, err = run(capsys, "predict", model, tmp_path / "few.csv")
    assert code == 2
    assert "row 2, column 'a', is 'red'" in err


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
def test_rule_schedule_and_penalties_are_chosen(capsys, table, tmp_path, schedule):
    words = [
        "train",
        table,
        "--epochs",
        2,
        "--model",
        "softmax",
        "--output",
        tmp_path / "m",
        "--optimizer",
        "nesterov",
        "--schedule",
        schedule,
        "--l1",
        0.01,
        "--l2",
        0.02,
    ]
    code, _, err = run(capsys, *words)
    assert (code, err) == (0, "")
    saved = json.loads((tmp_path / "m" / "model.json").read_text())["training"]
    assert saved["regularization"] == {"l1": 0.01, "l2": 0.02}
    assert saved["updates"]["rule"] == "nesterov_momentum"
    rates = saved["history"]["columns"]["learning_rate"]
    # the rule's own rate, where no other was given
    assert (rates == [pytest.approx(0.01)] * 2) == (schedule == "constant")


def test_numbers_come_back_on_their_own_scale(capsys, tmp_path):
    x = np.linspace(-1, 1, 100)
    np.savez(tmp_path / "line.npz", x=x[:, None], y=5000 + 300 * x)
    words = ["train", tmp_path / "line.npz", "--model", "softmax", "--epochs", 60,
             "--learning-rate", 0.05, "--output", tmp_path / "m"]  # fmt: skip
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "test R2 0.9" in out or "test R2 1.0" in out
    (tmp_path / "new.csv").write_text("feature1\n0.5\n")
    _, out, _ = run(capsys, "predict", tmp_path / "m", tmp_path / "new.csv")
    assert float(out.split(": ")[1]) == pytest.approx(5150, abs=15)
    code, _, err = run(capsys, "evaluate", tmp_path / "m", tmp_path / "line.npz")
    assert code == 2
    assert "the model predicts numbers" in err


def test_a_network_of_a_file_is_trained(capsys, table, tmp_path):
    (tmp_path / "nets.py").write_text(BUILD)
    words = ["train", table, "--epochs", 1, "--output", tmp_path / "m", "--model"]
    code, out, err = run(capsys, *words, f"{tmp_path}/nets.py:build")
    assert (code, err) == (0, "")
    assert "mine" in run(capsys, "summary", tmp_path / "m")[1]
    np.savez(tmp_path / "i.npz", x=np.zeros((8, 4, 4), np.uint8), y=np.arange(8) % 2)
    words = ["train", tmp_path / "i.npz", "--epochs", 1, "--output", tmp_path / "i"]
    code, out, err = run(capsys, *words, "--model", f"{tmp_path}/nets.py:build")
    assert (code, err) == (0, "")
    assert "images of 4x4 pixels" in out


@pytest.mark.parametrize(
    "model, text",
    [
        ("nets.py:none", "nets.py has no none"),
        ("none.py:build", "no file"),
        ("nets.py:wrong", "expected a last layer of shape (None, 2)"),
        ("nets.py", "no FILE.py:function"),
    ],
)
def test_a_network_that_is_none_is_told(
    capsys, table, tmp_path, monkeypatch, model, text
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(BUILD)
    code, _, err = run(capsys, "train", table, "--model", model)
    assert code == 2
    assert text in err


@pytest.mark.parametrize(
    "words, text",
    [
        (["--flip"], "--flip does not go with"),
        (["--size", "8"], "--size does not go with"),
        (["--target", "c"], "no column 'c'; there are a, b, kind"),
        (["--model", "cnn"], "model = cnn is out of range"),
        (["--epochs", "0"], "epochs = 0"),
        (["--optimizer", "adamm"], "adamm"),
        (["--l1", "-1"], "l1 = -1.0"),
        (["--model", "n.py:f", "--hidden", "3"], "--hidden does not go with --model"),
    ],
)
def test_wrong_options_are_told_before_the_work(capsys, table, words, text):
    code, _, err = run(capsys, "train", table, *words)
    assert code == 2
    assert text in err
