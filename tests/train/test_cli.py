"""The command line as a user meets it: output, files, exit codes."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from symgraph.core.cache import default_cache
from symgraph.data import load_digits
from symgraph.train.cli import main
from symgraph.train.model import Model
from symgraph.train.progress import Progress
from symgraph.version import VERSION

QUICK = ["--epochs", "3", "--hidden", "48"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "cli-cache"
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(folder))


def _run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert main(["train", "digits", *QUICK, "--output", str(folder)]) == 0
    return folder


def test_training_prints_epochs_accuracy_times_and_files(capsys, tmp_path):
    code, out, err = _run(
        capsys, "train", "digits", *QUICK, "--output", tmp_path / "new" / "run"
    )
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [line.split()[1] for line in lines[:3]] == ["1/3", "2/3", "3/3"]
    assert "validation accuracy" in lines[2]
    assert lines[3].startswith("test accuracy 0.")
    assert "of 359 images" in lines[3]
    assert lines[4].startswith("time: import ")
    assert " compile " in lines[4]
    assert " train " in lines[4]
    files = [line.removeprefix("saved ") for line in lines[5:]]
    assert sorted(files) == sorted(str(p) for p in (tmp_path / "new" / "run").iterdir())
    assert {file.rpartition("/")[2] for file in files} == {
        "model.safetensors",
        "model.json",
        "curve.png",
    }


def test_prediction_of_png_and_npy_names_class_and_probability(
    capsys, tmp_path, trained
):
    from PIL import Image

    images = load_digits().x.reshape(-1, 8, 8)
    np.save(tmp_path / "three.npy", images[:3])
    pixels = np.kron(255 - np.rint(images[0] * 255), np.ones((10, 10)))
    Image.fromarray(pixels.astype("uint8")).save(tmp_path / "zero.png")
    code, out, err = _run(
        capsys, "predict", trained, tmp_path / "three.npy", tmp_path / "zero.png"
    )
    rows = [line.rpartition("/")[2].split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    names = [row[0] for row in rows]
    assert names == ["three.npy[0]:", "three.npy[1]:", "three.npy[2]:", "zero.png:"]
    assert all(row[1] in "0123456789" for row in rows)
    assert all(0.1 <= float(row[2]) <= 1 for row in rows)
    assert rows[0][1] == rows[3][1]  # the same image, as array and as picture


def test_trained_model_predicts_its_own_kind_of_data(capsys, tmp_path, trained):
    digits = load_digits()
    np.save(tmp_path / "all.npy", digits.x)
    _, out, _ = _run(capsys, "predict", trained, tmp_path / "all.npy")
    labels = np.array([int(line.split()[-2]) for line in out.splitlines()])
    assert np.mean(labels == digits.y) > 0.7


def _idx_folder(folder, count=300):
    from symgraph.data import write_idx

    digits = load_digits()
    images = np.rint(digits.x * 255).astype("uint8").reshape(-1, 8, 8)
    for part, rows in (("train", slice(0, count)), ("t10k", slice(count, count + 60))):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images[rows])
        write_idx(folder / f"{part}-labels-idx1-ubyte", digits.y[rows].astype("uint8"))
    return folder


@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_mnist_files_are_learned_and_the_model_predicts(capsys, tmp_path, model):
    from PIL import Image

    folder = _idx_folder(tmp_path)
    output = tmp_path / "run"
    code, out, err = _run(
        capsys, "train", "mnist", "--model", model, "--data", folder, "--output", output,
        "--epochs", 3, "--batch-size", 20, "--learning-rate", 0.02,
        *([] if model == "softmax" else ["--hidden", "32"]),
    )  # fmt: skip
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("data: 300 training and 60 test images of 8x8 pixels")
    assert [line.split()[1] for line in lines[1:4]] == ["1/3", "2/3", "3/3"]
    assert lines[4].startswith("test accuracy 0.")
    assert float(lines[4].split()[2]) > 0.5
    assert {line.rpartition("/")[2] for line in lines[6:]} == {
        "model.safetensors", "model.json", "curve.png"
    }  # fmt: skip
    image = load_digits().x[0].reshape(8, 8)
    pixels = np.kron(255 - np.rint(image * 255), np.ones((4, 4)))
    Image.fromarray(pixels.astype("uint8")).save(tmp_path / "zero.png")
    test = folder / "t10k-images-idx3-ubyte.gz"
    code, out, err = _run(capsys, "predict", output, tmp_path / "zero.png", test)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 61


def _picture_folder(folder):
    from PIL import Image

    random = np.random.default_rng(0)
    for label, colour in (("red", 0), ("blue", 2)):
        (folder / label).mkdir(parents=True)
        for number in range(30):
            pixels = random.integers(0, 90, (10, 12, 3))
            pixels[..., colour] += 120
            picture = Image.fromarray(pixels.astype("uint8"))
            picture.save(folder / label / f"{number}.jpg", quality=90)
    return folder


def test_pictures_in_folders_are_learned_and_the_model_predicts(capsys, tmp_path):
    folder = _picture_folder(tmp_path / "flags")
    (folder / "red" / "30.jpg").write_bytes(b"no picture")
    words = ["train", folder, "--model", "mlp", "--size", 6, "--hidden", "16",
             "--epochs", 15, "--batch-size", 8, "--learning-rate", 0.05,
             "--output", tmp_path / "run"]  # fmt: skip
    code, out, err = _run(capsys, *words)
    assert (code, out) == (2, "")
    assert "red/30.jpg: not a picture; remove the file" in err
    code, out, err = _run(capsys, *words, "--skip-bad", "--flip")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"{folder / 'red' / '30.jpg'}: damaged, left out"
    assert lines[1].startswith("data: 48 training and 12 test images of 6x6 pixels, 3")
    assert float(lines[-5].split()[2]) >= 0.9
    files = [folder / "red" / "3.jpg", folder / "blue" / "4.jpg"]
    _, out, _ = _run(capsys, "predict", tmp_path / "run", *files)
    assert [line.split()[-2] for line in out.splitlines()] == ["red", "blue"]


def test_results_lie_in_a_folder_named_for_the_data(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _picture_folder(tmp_path / "flags")
    _run(capsys, "train", "flags", "--model", "softmax", "--epochs", 1, "--size", 4)
    assert (tmp_path / "flags-model" / "model.json").is_file()


def test_explain_shows_how_a_doubled_sum_becomes_one_product(capsys):
    code, out, err = _run(capsys, "explain", "(x+y)+(x+y)")
    assert (code, err) == (0, "")
    assert "->  2 * (x + y)" in out
    assert "1 kernel" in out


def test_explain_takes_types_of_names(capsys):
    code, out, _ = _run(capsys, "explain", "log(1 + a)", "a=fvector")
    assert code == 0
    assert "log1p(a)" in out
    assert "float32" in out


def test_doctor_prints_a_topic_per_line(capsys):
    code, out, _ = _run(capsys, "doctor")
    topics = [line.split()[0] for line in out.splitlines()]
    assert code == 0
    assert {"python", "numpy", "numba", "blas", "cache", "gpu"} <= set(topics)


def test_cache_info_counts_and_clear_removes(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path / "cache"))
    default_cache().put("b" * 64, {}, b"code")
    _, before, _ = _run(capsys, "cache", "info")
    code, cleared, _ = _run(capsys, "cache", "clear")
    assert "1 functions" in before
    assert code == 0
    assert cleared.startswith("removed 1 files\n")
    assert "0 functions" in cleared


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fly"], "fly"),
        (["train"], "DATA"),
        (["train", "cats"], "cats"),
        (["train", "digits", "--epochs", "many"], "--epochs"),
        (["train", "digits", "--epochs", "0"], "epochs = 0"),
        (["train", "digits", "--hidden", "4,,5"], "--hidden"),
        (
            ["train", "digits", "--hidden", "a"],
            "'a' is no list of whole numbers such as",
        ),
        (["predict", "m", "a.png", "--top", "0"], "top = 0, must be at least 1"),
        (["predict", "m", "a.png", "--format", "xml"], "xml"),
        (["train", "digits", "--hidden", "0"], "hidden = (0,)"),
        (["train", "digits", "--learning-rate", "-1"], "learning_rate = -1.0"),
        (["train", "digits", "--learning-rate", "nan"], "learning_rate = nan"),
        (["train", "digits", "--dropout", "1"], "dropout = 1.0"),
        (["train", "digits", "--seed", "-1"], "seed = -1"),
        (["train", "cats", "--model", "vgg"], "vgg"),
        (["train", "digits", "--model", "cnn"], "--model does not go with 'digits'"),
        (["train", "digits", "--optimizer", "sgd"], "--optimizer does not go with"),
        (["train", "digits", "--data", "d"], "--data does not go with 'digits'"),
        (["train", "digits", "--skip-bad"], "--skip-bad does not go with 'digits'"),
        (["train", "mnist", "--shift", "1"], "--shift does not go with 'mnist'"),
        (["train", "mnist", "--size", "8"], "--size does not go with 'mnist'"),
        (["train", "mnist", "--data", "no-such"], "no-such: no such folder"),
        (["train", "cifar10", "--data", "no-such"], "no-such: cannot be read"),
        (["train", ".", "--data", "x"], "--data goes with mnist and cifar10 only"),
        (["train", ".", "--size", "0"], "size = 0, use 1 to 4096"),
        (["predict"], "MODEL"),
        (["predict", "no-such-model", "a.png"], "no-such-model.json: cannot be read"),
        (["predict", "m", "a.png", "--invert", "perhaps"], "perhaps"),
        (["explain", "x +"], "not an expression"),
        (["explain", "x\n+*y"], "not an expression"),
        (["explain", "open('x')"], "no function 'open'"),
        (["explain", "x", "x=float"], "constructor"),
        (["explain", "x", "x"], "NAME=TYPE"),
        (["explain", "dot(x, y)", "x=dtensor3", "y=dscalar", "z=dvector"], "z"),
        (["cache", "burn"], "burn"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(capsys, arguments, text):
    code, out, err = _run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("symgraph: error: ")
    assert err.count("\n") == 1
    assert text in err


def test_image_that_is_none_is_one_line_and_exit_code_two(capsys, tmp_path, trained):
    (tmp_path / "note.txt").write_text("hello")
    code, _, err = _run(capsys, "predict", trained, tmp_path / "note.txt")
    assert code == 2
    assert err == (
        f"symgraph: error: {tmp_path / 'note.txt'}: not a picture, .npy or IDX file\n"
    )


def test_output_folder_that_cannot_be_made_is_told_before_training(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = _run(
        capsys, "train", "digits", *QUICK, "--output", tmp_path / "file" / "run"
    )
    assert (code, out) == (2, "")
    assert err.startswith("symgraph: error: ")
    assert err.count("\n") == 1


def test_interrupt_ends_with_one_line(capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("symgraph.train.digits.train_digits", interrupt)
    code, _, err = _run(capsys, "train", "digits")
    assert (code, err) == (130, "symgraph: interrupted\n")


def test_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "symgraph", "cache", "show"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("symgraph: error: ")
    assert done.stderr.count("\n") == 1


def test_reader_that_closes_the_pipe_early_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m symgraph doctor | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_bare_call_prints_help_and_version_is_told(capsys):
    assert "COMMAND" in _run(capsys)[1]
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"symgraph {VERSION}\n"


def test_prediction_takes_folders_and_ranks(capsys, tmp_path, trained):
    from PIL import Image

    images = load_digits().x[:3].reshape(-1, 8, 8)
    for number, image in enumerate(images):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray((image * 255).astype("uint8")).save(
            tmp_path / "in" / f"{number}.png"
        )
    (tmp_path / "in" / "note.txt").write_text("no picture")
    words = ("predict", trained, tmp_path / "in", "--top", "3", "--invert", "no")
    code, out, _ = _run(capsys, *words)
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 3
    assert all(line.count(",") == 2 for line in lines)
    found = json.loads(_run(capsys, *words, "--format", "json")[1])
    assert [len(f["ranked"]) for f in found] == [3, 3, 3]
    for line, entry in zip(lines, found, strict=True):
        assert line.startswith(f"{entry['file']}: {entry['class']} ")
    rows = list(csv.reader(io.StringIO(_run(capsys, *words, "--format", "csv")[1])))
    assert rows[0] == ["file", "number", "rank", "class", "probability"]
    assert [row[3] for row in rows[1::3]] == [f["class"] for f in found]
    (tmp_path / "empty").mkdir()
    code, _, err = _run(capsys, "predict", trained, tmp_path / "empty")
    assert code == 2
    assert "a folder without pictures" in err


def test_a_training_logs_for_tensorboard(capsys, tmp_path):
    code, _, err = _run(
        capsys, "train", "digits", *QUICK, "--output", tmp_path / "run",
        "--tensorboard", tmp_path / "logs",
    )  # fmt: skip
    assert (code, err) == (0, "")
    (run,) = (tmp_path / "logs").iterdir()
    (file,) = run.iterdir()
    assert b"weight/" in file.read_bytes()


def test_prediction_as_a_table_and_with_all_probabilities(capsys, tmp_path, trained):
    np.save(tmp_path / "x.npy", load_digits().x[:2])
    words = ("predict", trained, tmp_path / "x.npy")
    code, out, _ = _run(capsys, *words, "--probabilities")
    assert code == 0
    assert [line.count(",") for line in out.splitlines()] == [9, 9]
    total = sum(float(part.split()[-1]) for part in out.splitlines()[0].split(","))
    assert total == pytest.approx(1, abs=1e-3)
    _, out, _ = _run(capsys, *words, "--format", "table", "--top", 2)
    assert "probability" in out
    assert "class 2" in out
    assert "x.npy[1]" in out.replace("\n", "")


def test_an_interrupted_training_goes_on_to_the_same_weights(
    capsys, tmp_path, monkeypatch
):
    words = ["train", "digits", *QUICK, "--limit", 100, "--output"]
    assert _run(capsys, *words, tmp_path / "whole")[0] == 0
    assert not (tmp_path / "whole" / "resume.safetensors").exists()
    real = Progress.on_epoch_begin

    def interrupt(self, run):
        if run.epoch == 3:
            raise KeyboardInterrupt
        real(self, run)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "on_epoch_begin", interrupt)
        code, _, err = _run(capsys, *words, tmp_path / "cut")
    assert code == 130
    kept = tmp_path / "cut" / "resume.safetensors"
    assert f"{kept} holds the epochs that are done" in err
    code, out, err = _run(capsys, *words, tmp_path / "cut", "--resume")
    assert (code, err) == (0, "")
    assert "epoch 3/3" in out
    assert "epoch 2/3" not in out
    assert not kept.exists()
    whole, cut = (Model.load(tmp_path / name) for name in ("whole", "cut"))
    for a, b in zip(whole.get_weights(), cut.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
