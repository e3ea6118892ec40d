"""Sweeps: which settings there are, what is trained again, what is shown."""

import csv
import threading
import time

import pytest

from symgraph.errors import ArgumentError
from symgraph.train import sweep
from symgraph.train.cli import main

KNOWN = ["learning-rate", "hidden", "seed", "l2", "flip"]


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture
def within(monkeypatch):
    """Trainings run in this process; those that ran are listed."""
    ran = []
    lock = threading.Lock()

    def train(self, words):
        with lock:
            ran.append(words)
            code = main(["train", *words])
        return "" if code == 0 else "it failed"

    monkeypatch.setattr(sweep.Runs, "train", train)
    return ran


def test_a_grid_is_every_combination_and_values_may_hold_commas():
    given = sweep.choices(["hidden=64;32,16", "seed=1,2,2"], KNOWN)
    assert sweep.grid(given) == [
        {"hidden": "64", "seed": "1"}, {"hidden": "64", "seed": "2"},
        {"hidden": "32,16", "seed": "1"}, {"hidden": "32,16", "seed": "2"},
    ]  # fmt: skip


def test_random_settings_repeat_and_lie_in_their_ranges():
    given = sweep.choices(["l2=1e-5..0.1", "seed=1..9", "flip=yes,no"], KNOWN)
    made = sweep.drawn(given, 40, seed=0)
    assert made == sweep.drawn(given, 40, seed=0)
    assert made[:10] == sweep.drawn(given, 10, seed=0)
    assert made != sweep.drawn(given, 40, seed=1)
    rates = [float(each["l2"]) for each in made]
    assert all(1e-5 <= rate <= 0.1 for rate in rates)
    # by the logarithm: half of the numbers lie below the geometric mean of the ends
    assert 10 <= sum(rate < 1e-3 for rate in rates) <= 30
    assert {each["seed"] for each in made} <= {str(n) for n in range(1, 10)}
    assert len(sweep.drawn({"flip": ["yes", "no"]}, 9, 0)) == 2


@pytest.mark.parametrize(
    "over, text",
    [
        (["rate=1"], "no option --rate"),
        (["seed"], "expected NAME=VALUE"),
        (["seed=1", "seed=2"], "there twice"),
        (["l2=a..b"], "a range of no numbers"),
        (["l2=2..1"], "an empty range"),
    ],
)
def test_wrong_choices_are_told(over, text):
    with pytest.raises(ArgumentError, match=text):
        sweep.choices(over, KNOWN)
    with pytest.raises(ArgumentError, match="needs --random"):
        sweep.grid(sweep.choices(["l2=1..2"], KNOWN))


def test_settings_of_paths_make_no_folders_elsewhere():
    name = sweep.folder_name({"model": "../../etc/x.py:build"})
    assert "/" not in name
    assert ".." not in name


def test_a_sweep_ranks_by_validation_and_goes_on_where_it_was(capsys, tmp_path, within):
    words = ["sweep", "digits", "--epochs", 1, "--limit", 200, "--output", tmp_path,
             "--hidden", 8, "--over", "learning-rate=0.02,0.0001"]  # fmt: skip
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert len(within) == 2
    rows = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert [row["learning-rate"] for row in rows] == ["0.02", "0.0001"]
    assert float(rows[0]["validation"]) > float(rows[1]["validation"])
    assert out.index("  learning-rate=0.02") < out.index("  learning-rate=0.0001")
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    # one more value: only that is trained
    code, _, _ = run(capsys, *words[:-1], "learning-rate=0.02,0.0001,-1")
    assert code == 0
    assert len(within) == 3
    rows = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert rows[2]["error"] == "it failed"
    code, _, err = run(capsys, *words, "--dropout", 0.5)
    assert code == 2
    assert "holds a sweep with other data or options" in err


def test_a_training_in_a_process_tells_its_error(capsys, tmp_path):
    code, out, err = run(
        capsys, "sweep", "digits", "--output", tmp_path, "--over", "epochs=0"
    )
    assert code == 2
    assert "epochs=0: failed: train digits: epochs = 0 is out of range" in out
    assert "every training failed" in err


def test_an_interrupt_ends_the_processes_and_says_how_to_go_on(
    capsys, tmp_path, monkeypatch
):
    runs = []

    def interrupted(waiting):
        deadline = time.monotonic() + 30
        while not runs[0]._running and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    real = sweep.Runs.__init__

    def remembered(self, *arguments):
        real(self, *arguments)
        runs.append(self)

    monkeypatch.setattr(sweep.Runs, "__init__", remembered)
    monkeypatch.setattr(sweep, "as_completed", interrupted)
    start = time.monotonic()
    code, _, err = run(
        capsys, "sweep", "digits", "--epochs", 10**6, "--output", tmp_path,
        "--over", "seed=1,2,3",
    )  # fmt: skip
    assert code == 130
    assert "the same command goes on" in err
    assert time.monotonic() - start < 60
    assert not runs[0]._running


def test_nothing_to_vary_is_told(capsys):
    code, _, err = run(capsys, "sweep", "digits")
    assert code == 2
    assert "nothing to vary" in err
    assert run(capsys, "sweep", "digits", "--over", "seed=1", "--jobs", 0)[0] == 2
