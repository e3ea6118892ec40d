"""Every example runs with few steps and prints what it is meant to print."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from symgraph.data import load_digits, write_idx

FOLDER = Path(__file__).parents[2] / "examples"


def _load(name):
    spec = importlib.util.spec_from_file_location(
        f"example_{name}", FOLDER / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lines(capsys, name, *arguments):
    _load(name).main([str(argument) for argument in arguments])
    return capsys.readouterr().out.splitlines()


def test_every_example_is_short_and_has_a_main_with_arguments():
    files = sorted(FOLDER.glob("*.py"))
    assert {"or_gate", "mlp_431", "moons", "theano_tour", "logistic_mnist"} <= {
        file.stem for file in files
    }
    for file in files:
        text = file.read_text()
        assert len(text.splitlines()) <= 130, file.name
        assert "def main(argv=None):" in text, file.name
        assert text.startswith('"""'), file.name


@pytest.mark.parametrize(
    ("gate", "truth"),
    [
        ("or", {"0 or 0": 0, "0 or 1": 1, "1 or 0": 1, "1 or 1": 1}),
        ("and", {"0 and 0": 0, "0 and 1": 0, "1 and 0": 0, "1 and 1": 1}),
        ("xor", {"0 xor 0": 0, "0 xor 1": 1, "1 xor 0": 1, "1 xor 1": 0}),
        ("not", {"not 0": 1, "not 1": 0}),
    ],
)
def test_gate_is_learned_in_two_thousand_steps(capsys, gate, truth):
    head, *rows = _lines(capsys, "or_gate", "--gates", gate)
    assert head == f"Testing {gate.upper()} operator"
    found = dict(re.fullmatch(r"(.*): \[\[(.*)\]\]", row).groups() for row in rows)
    assert list(found) == list(truth)
    for inputs, output in truth.items():
        assert abs(float(found[inputs]) - output) < 0.1, (inputs, found)


def test_or_gate_runs_all_gates_by_default(capsys):
    lines = _lines(capsys, "or_gate", "--steps", 1)
    heads = [line for line in lines if line.startswith("Testing")]
    assert heads == [f"Testing {name} operator" for name in ("OR", "AND", "NOT", "XOR")]


def test_mlp_431_lowers_the_cost_with_either_batch(capsys):
    lines = _lines(capsys, "mlp_431", "--steps", 3000)
    assert [line for line in lines if line.startswith("batch")] == [
        "batch of 1",
        "batch of 3",
    ]
    rows = [re.search(r"-> (\S+), wanted (\S+)", line) for line in lines]
    pairs = np.array([row.groups() for row in rows if row], float)
    assert pairs.shape == (6, 2)
    assert np.mean((pairs[:, 0] - pairs[:, 1]) ** 2) < 0.03  # the mean of Y gives 0.06


def test_moons_print_falling_losses_and_draw_the_boundaries(capsys, tmp_path):
    picture = tmp_path / "moons.png"
    lines = _lines(
        capsys, "moons", "--hidden", 1, 3, "--passes", 2000, "--plot", picture
    )
    losses = [float(line.split(": ")[1]) for line in lines if line.startswith("Loss")]
    assert [line for line in lines if line.startswith("hidden")] == [
        "hidden layer of 1",
        "hidden layer of 3",
    ]
    assert len(losses) == 10
    for run in (losses[:5], losses[5:]):
        assert run == sorted(run, reverse=True)
    accuracies = [float(line.split()[1]) for line in lines if "accuracy" in line]
    assert min(accuracies) > 0.8
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_theano_tour_prints_the_known_values(capsys):
    lines = _lines(capsys, "theano_tour")
    text = "\n".join(lines)
    assert "2 + 3 = 5.0" in text
    assert "matrices: [[11.0, 22.0], [33.0, 44.0]]" in text
    assert "logistic: [[0.5, 0.7311], [0.2689, 0.1192]]" in text
    assert "several: [[[1.0, -2.0]], [[1.0, 2.0]], [[1.0, 4.0]]]" in text
    assert "default value: 34.0 35.0" in text
    assert "d(x**2)/dx at 4: 8.0" in text
    assert "second derivative of x**3 at 2: 12.0" in text
    assert "logistic slope: [[0.25, 0.1966], [0.1966, 0.105]]" in text
    assert "accumulator: 0 1 then 301" in text
    assert "givens: 7 state is still 301" in text
    sums = [float(line.split()[-1]) for line in lines if line.startswith("x * W")]
    expected = [
        20 - 19.1 * 0.6**k for k in range(10)
    ]  # each step leaves 0.6 of the gap
    assert sums == pytest.approx(expected, rel=1e-5)
    assert sums[0] == 0.9


def test_logistic_mnist_learns_from_idx_files(capsys, tmp_path):
    digits = load_digits()
    images = np.rint(digits.x * 255).astype("uint8").reshape(-1, 8, 8)
    labels = digits.y.astype("uint8")
    for part, rows in (("train", slice(0, 1400)), ("t10k", slice(1400, None))):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images[rows])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels[rows])
    lines = _lines(
        capsys, "logistic_mnist", tmp_path, "--epochs", 8, "--learning-rate", 0.5
    )
    costs = [float(line.split()[-1]) for line in lines if line.startswith("Epoch")]
    assert len(costs) == 8
    assert costs == sorted(costs, reverse=True)
    assert lines[-2] == "Optimization Finished!"
    assert float(lines[-1].removeprefix("Accuracy: ")) > 0.85
