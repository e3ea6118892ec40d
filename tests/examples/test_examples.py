"""Every example runs with few steps and prints what it is meant to print."""

import importlib.util
import itertools
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
    assert {
        "or_gate", "mlp_431", "moons", "theano_tour", "logistic_mnist", "mnist_cnn",
        "lasagne_cnn", "cifar_cnn", "image_folder_mlp", "binary_addition_rnn",
        "lstm_sequence",
    } <= {file.stem for file in files}  # fmt: skip
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


def _write_digits(folder, count=1400):
    digits = load_digits()
    images = np.rint(digits.x * 255).astype("uint8").reshape(-1, 8, 8)
    labels = digits.y.astype("uint8")
    for part, rows in (("train", slice(0, count)), ("t10k", slice(1400, None))):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images[rows])
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels[rows])


def test_logistic_mnist_learns_from_idx_files(capsys, tmp_path):
    _write_digits(tmp_path)
    lines = _lines(
        capsys, "logistic_mnist", tmp_path, "--epochs", 8, "--learning-rate", 0.5
    )
    costs = [float(line.split()[-1]) for line in lines if line.startswith("Epoch")]
    assert len(costs) == 8
    assert costs == sorted(costs, reverse=True)
    assert lines[-2] == "Optimization Finished!"
    assert float(lines[-1].removeprefix("Accuracy: ")) > 0.85


def test_mnist_cnn_learns_from_idx_files(capsys, tmp_path):
    _write_digits(tmp_path, 1200)
    words = ["--epochs", 3, "--units", 32, "--batch-size", 30]
    lines = _lines(capsys, "mnist_cnn", tmp_path, *words, "--learning-rate", 0.002)
    assert re.fullmatch(r"\d+ parameters, compiled in .* s", lines[0])
    losses = [float(re.search(r"loss (\S+),", line)[1]) for line in lines[1:4]]
    assert losses == sorted(losses, reverse=True)
    assert float(lines[4].removeprefix("test accuracy ")) > 0.85


def _write_pictures(folder, count=30, size=32):
    """Pictures whose upper or lower half is bright, in colours at random."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label, rows in (
        ("ceiling", slice(0, size // 2)),
        ("floor", slice(size // 2, size)),
    ):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 90, (size, size, 3))
            pixels[rows] += random.integers(60, 150, 3)
            picture = Image.fromarray(pixels.astype("uint8"))
            picture.save(folder / label / f"{number}.jpg", quality=90)
    return folder


def test_lasagne_cnn_prints_what_the_tutorial_prints(capsys, tmp_path):
    folder = _write_pictures(tmp_path / "a")
    words = ["--size", 12, "--batch-size", 16, "--epochs", 4, "--learning-rate", 0.02]
    for more in ([], ["--batch-norm"]):
        lines = _lines(capsys, "lasagne_cnn", folder, *words, *more)
        assert re.fullmatch(r"Epoch 1 of 4 took .*s", lines[0])
        losses = [float(x.split()[-1]) for x in lines if "training loss" in x]
        assert len(losses) == 4
        assert losses[-1] < losses[0]
        assert lines[-3] == "Final results:"
        assert float(lines[-1].split()[-1].rstrip("%")) > 70


def test_cifar_cnn_prints_a_table_of_experiments(capsys, tmp_path):
    folder = _write_pictures(tmp_path / "a", 20)
    words = ["--epochs", 2, "--batch-size", 8, "--depth", 1, 2, "--flip", "--l2", 1e-4]
    lines = _lines(capsys, "cifar_cnn", folder, *words)
    assert lines[0] == (
        "depth 1, dropout 0.5, l2 0.0001, batch_size 8, learning_rate 0.001"
    )
    assert len([line for line in lines if line.startswith("  epoch")]) == 4
    assert lines[-4].split()[:3] == ["validation", "seconds", "depth"]
    assert [line.split()[2] for line in lines[-3:-1]] == ["1", "2"]
    assert float(lines[-1].removeprefix("test accuracy of the best: ")) >= 0.5


def test_image_folder_mlp_reports_each_class(capsys, tmp_path):
    folder = _write_pictures(tmp_path / "a")
    words = ["--size", 8, "--hidden", 24, 12, "--epochs", 30, "--batch-size", 9]
    lines = _lines(capsys, "image_folder_mlp", folder, *words, "--learning-rate", 0.2)
    assert lines[0] == "44 training and 16 test pictures"
    losses = [float(line.split()[-1]) for line in lines if line.startswith("epoch")]
    assert losses[-1] < 0.5 * losses[0]
    assert lines[-4].split() == ["precision", "recall", "f1-score", "images"]
    assert [line.split()[0] for line in lines[-3:-1]] == ["ceiling", "floor"]
    assert [line.split()[-1] for line in lines[-3:-1]] == ["8", "8"]
    assert float(lines[-1].removeprefix("accuracy ")) > 0.8


def test_binary_addition_is_exact_on_pairs_that_were_never_shown(capsys):
    lines = _lines(capsys, "binary_addition_rnn", "--seed", 1)
    errors = [float(line.split()[-1]) for line in lines if line.startswith("after")]
    assert len(errors) == 10
    assert errors[-1] < 0.25
    assert all(b < 1.1 * a for a, b in itertools.pairwise(errors))
    sums = [re.fullmatch(r"(\d+) \+ (\d+) = (\d+)", line) for line in lines[10:15]]
    for a, b, total in (map(int, found.groups()) for found in sums):
        assert a + b == total
    assert lines[15] == "right: 100.00% of 2000 unseen pairs"


def test_numbers_become_bits_and_back():
    example = _load("binary_addition_rnn")
    numbers = np.array([0, 1, 6, 200])
    bits = example.bits_of(numbers, 8)
    assert bits[2].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert example.numbers_of(bits).tolist() == numbers.tolist()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_lstm_tells_the_order_of_signals(capsys, cell):
    words = ["--cell", cell, "--epochs", 5, "--sequences", 1500]
    lines = _lines(capsys, "lstm_sequence", *words)
    losses = [float(re.search(r"loss (\S+),", line)[1]) for line in lines[:5]]
    assert losses[-1] < 0.2 * losses[0]
    assert float(lines[4].split()[-1]) > 0.95
    for line in lines[5:]:
        letters, found = line.split(" -> ")
        assert [letter for letter in letters if letter in "XY"] == list(found)
