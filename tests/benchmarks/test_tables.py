"""From a stored run to ratios, targets, tables, picture and page."""

import json
from pathlib import Path

import pytest

from benchmarks import page, picture, targets
from benchmarks.__main__ import interpreters, main, write_docs
from benchmarks.results import Record, Results, Spread, spread

STORED = Path(__file__).with_name("small_run.json")


@pytest.fixture
def results():
    return Results.load(STORED)


def _rows(table):
    lines = [line[2:-2].split(" | ") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in lines]


def test_a_ratio_is_the_median_over_rounds_with_its_ends():
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert spread([1.0, 3.0]).median == 2.0
    assert spread([]) is None


def test_ratios_divide_each_burst_by_ours_just_before_it(results):
    jax = next(results.select(workload="mnist_mlp", framework="jax", threads=2))
    assert jax.ratio == pytest.approx((1.5, 1.2, 2.0))
    assert jax.seconds == pytest.approx(3e-3)
    assert (
        next(results.select(workload="mnist_mlp", framework="symgraph")).ratio is None
    )


def test_the_fastest_peer_is_the_one_with_right_values_and_the_least_ratio(results):
    found = [p.label for p in results.peers("mnist_mlp", "step", 2)]
    assert found == ["jax jit", "torch eager"]  # numpy is faster, but its losses differ
    assert results.peers("mnist_mlp", "step", 3) == []


def test_the_group_table_has_ours_the_fastest_peer_and_all_others(results):
    head, _, gate, mlp, cnn = _rows(page.group(results, "step"))
    assert head[:6] == [
        "workload",
        "threads",
        "symgraph",
        "GFLOP/s",
        "fastest peer",
        "ratio",
    ]
    assert head[6:] == ["numpy hand", "torch eager", "jax jit"]
    names = [row[0] for row in (gate, mlp, cnn)]
    assert names == ["or_gate, float32", "mnist_mlp, float32", "mnist_cnn, float32"]
    assert cnn[2:6] == ["failed", "-", "-", "-"]
    assert mlp[2:6] == ["2.00 ms", "205", "jax jit", "1.50x (1.20..2.00)"]
    assert mlp[6] == "1.00 ms, 0.50x (wrong values)"
    assert mlp[7] == "4.00 ms, 2.00x°"  # measured beside other work


def test_a_table_tells_what_is_not_available_and_what_failed(results):
    rows = {row[0]: row for row in _rows(page.group(results, "step"))}
    assert rows["or_gate, float32"][6:] == ["failed", "", "n/a"]
    text = page.document(results, {}, None)
    assert "- jax jit (or_gate): no such thing" in text
    assert "- numpy hand (or_gate): ZeroDivisionError" in text
    assert "- pytensor: not installed" in text


def test_start_times_memory_and_new_sizes_are_tabled(results):
    head, _, gate, mlp = _rows(page.starts(results))
    assert head == ["workload", "symgraph step", "numpy hand", "torch eager", "jax jit"]
    assert gate == ["or_gate", "450 ms / 15.0 ms", "", "", ""]
    assert mlp[1:] == ["500 ms / 18.0 ms", "-", "1.40 s", "900 ms / 240 ms"]
    assert _rows(page.memory(results))[2][:2] == ["mnist_mlp", "100"]
    assert _rows(page.sizes(results))[2][:2] == ["mnist_mlp", "500 µs"]
    assert _rows(page.imports(results))[2] == ["import", "50.0 ms", "1.00 s"]


def test_an_epoch_is_tabled_with_its_accuracy(results):
    assert "An epoch" not in page.markdown(results)
    what = {"label": "torch channels_last", "threads": 2}
    results.epochs = [{**what, "seconds": 31.0, "accuracy": 0.98765}]
    row = _rows(page.epochs(results))[2]
    assert row == ["torch channels_last", "2", "31.0 s", "0.9877"]
    assert "## An epoch of MNIST" in page.markdown(results)


def _verdict(results, name, measure, threads=2, reasons=None):
    found = targets.judged(results, reasons or {})
    return next(
        v
        for v in found
        if (v.target.workload, v.target.measure, v.threads) == (name, measure, threads)
    )


def test_targets_are_reached_or_missed_with_a_reason(results):
    assert (
        _verdict(results, "mnist_mlp", "step ratio").outcome
        == "reached, the second too"
    )
    assert _verdict(results, "mnist_mlp", "cold").outcome == "reached"
    assert _verdict(results, "mnist_mlp", "new batch size").value == pytest.approx(0.5)
    assert _verdict(results, "symgraph", "import", None).outcome == "reached"
    missed = _verdict(results, "or_gate", "step", reasons={"or_gate step": "a reason"})
    assert (missed.outcome, missed.reason) == ("missed", "a reason")
    assert _verdict(results, "or_gate", "step").reason == targets.NOT_EXPLAINED
    absent = _verdict(results, "mnist_cnn", "step ratio")
    assert (absent.outcome, absent.reason) == (
        "not measured",
        "NotImplementedError: conv",
    )
    assert _verdict(results, "moons_h50", "loop ratio").reason == "not in this run"


def test_the_table_of_targets_shows_goals_and_the_best_peer(results):
    rows = {
        row[0]: row for row in _rows(page.targets(results, {"or_gate step": "why"}))
    }
    assert rows["mnist_mlp, step ratio"][1:6] == [
        "2",
        "1.5x (jax jit)",
        ">= 1.2x",
        ">= 1.5x",
        "reached, the second too",
    ]
    assert rows["or_gate, step"][2:] == [
        "3 us",
        "<= 2 us",
        "<= 0.5 us",
        "missed",
        "why",
    ]
    assert rows["mnist_mlp, cold"][2] == "0.5 s (jax jit 0.90 s)"


def test_reasons_are_sentences_about_targets(tmp_path):
    for key, text in targets.reasons_from().items():
        assert key
        assert len(text) > 10
    wrong = tmp_path / "reasons.toml"
    wrong.write_text('[reasons]\n"vgg step" = "too long"\n')
    with pytest.raises(ValueError, match="'vgg step' is not a target"):
        targets.reasons_from(wrong)


def test_results_are_saved_and_read_again(results, tmp_path):
    results.save(tmp_path / "r.json")
    assert Results.load(tmp_path / "r.json") == results
    (tmp_path / "old.json").write_text(json.dumps({"format": 0}))
    with pytest.raises(ValueError, match="format 0, expected 1"):
        Results.load(tmp_path / "old.json")


def test_the_page_and_its_picture_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    main(["--write-docs", str(STORED), "--docs", str(tmp_path)])
    text = (tmp_path / "benchmarks.md").read_text()
    for part in (
        "# Benchmarks",
        "![Time of the fastest peer over ours](benchmarks.svg)",
        "## Targets",
        "## Training steps",
        "## Memory",
        "1.50x (1.20..2.00)",
        "- processor: Test processor",
        "`OPENBLAS_CORETYPE` is\nunset",
    ):
        assert part in text
    drawn = (tmp_path / "benchmarks.svg").read_text()
    assert drawn.startswith("<?xml")
    first = drawn
    write_docs(STORED, tmp_path)
    assert len((tmp_path / "benchmarks.svg").read_text()) == len(first)


def test_nothing_to_draw_is_an_error(tmp_path):
    pytest.importorskip("matplotlib")
    bare = Results(
        settings={"threads": [1]}, records=[Record("or_gate", "step", "a", "b", 1)]
    )
    with pytest.raises(ValueError, match="no ratio to draw"):
        picture.draw(bare, tmp_path / "x.svg")


def test_interpreters_of_peers_are_read(capsys):
    found = interpreters(["tensorflow=/t/python", "peers=/p/python"])
    assert found["tensorflow"] == "/t/python"
    assert found["torch"] == "/p/python"
    assert "symgraph" not in found
    with pytest.raises(ValueError, match="expected NAME=INTERPRETER"):
        interpreters(["theano=/x"])
    for wrong, text in (
        (["--workloads", "vgg"], "no workload or group 'vgg'"),
        (["--frameworks", "torch:fast"], "torch has no variant 'fast'"),
        (["--frameworks", "theano"], "no framework 'theano'"),
        (["--threads", "0"], "expected 1 or more"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert text in capsys.readouterr().err
