"""``symgraph bench``: the short list with losses that are right, its table, bad input."""

import importlib
import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from symgraph.errors import ArgumentError
from symgraph.train import bench
from symgraph.train.bench import Row
from symgraph.train.bench_cases import CASES, parameters, turns
from symgraph.train.bench_peers import PEERS
from symgraph.train.cli import main

ROOT = Path(__file__).parents[2]
LOSSES = json.loads((ROOT / "benchmarks" / "reference_losses.json").read_text())


def _peers():
    return [name for name in PEERS if importlib.util.find_spec(name)]


@pytest.mark.parametrize("framework", ["symgraph", *_peers()])
@pytest.mark.parametrize("name", ["or_gate", "moons_h50", "mnist_mlp"])
def test_first_losses_are_those_of_the_reference(name, framework, monkeypatch):
    monkeypatch.setenv("SYMGRAPH_NUM_THREADS", "1")
    if framework == "numpy":
        assert PEERS[framework](CASES[name]) is None
        return
    builder = bench.ours if framework == "symgraph" else PEERS[framework]
    call, given = builder(CASES[name]), turns(CASES[name])
    found = [call(*given[i % len(given)]) for i in range(3)]
    assert found == pytest.approx(LOSSES[name], rel=1e-5)


def test_the_convolution_network_has_the_definition_of_the_benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    workloads = importlib.import_module("benchmarks.workloads")
    for name in ("mnist_cnn", "mnist_mlp"):
        case, network = CASES[name], workloads.NETWORKS[name]
        ours = [value for own in parameters(case) for value in own]
        theirs = [value for own in workloads.parameters(network) for value in own]
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)
        x, y = workloads.batches(network)
        for (mine_x, mine_y), other_x, other_y in zip(turns(case), x, y, strict=True):
            np.testing.assert_array_equal(mine_x, other_x)
            np.testing.assert_array_equal(mine_y, other_y)
        assert (case.rule[0], case.rule[1]) == (network.rule.name, network.rule.rate)


def test_the_chain_agrees_with_numpy():
    chain, (values,) = CASES["chain"], turns(CASES["chain"])[0][:1]
    small = values[:1000]
    want = PEERS["numpy"](chain)(small.astype("float64"))
    np.testing.assert_allclose(bench.ours(chain)(small), want, atol=1e-6)


def test_rows_come_from_processes_with_cold_and_warm_starts():
    (row,) = bench.measure(["or_gate"], [], threads=1, seconds=0.01)
    assert row.failed == ""
    assert (row.case, row.framework) == ("or_gate", "symgraph")
    assert row.losses == pytest.approx(LOSSES["or_gate"], rel=1e-5)
    assert 0 < row.step < 1e-3
    assert row.cold > 0
    assert row.warm > 0
    assert row.peak > 2**20


def test_the_table_has_times_ratios_and_failures():
    rows = [
        Row(
            case="chain",
            framework="symgraph",
            step=0.002,
            cold=1.5,
            warm=0.02,
            peak=2**27,
        ),
        Row(case="chain", framework="jax", step=0.003, cold=2.0, warm=0.2, peak=2**28),
        Row(case="or_gate", framework="torch", failed="it broke"),
    ]
    out = io.StringIO()
    bench.show(rows, Console(file=out, width=120))
    text = out.getvalue()
    for part in ("2 ms", "1.50x", "1.50 s", "20 ms", "128 MiB", "failed: it broke"):
        assert part in text
    assert "Install torch" not in text


def test_bad_input_is_told_in_one_line(capsys):
    assert main(["bench", "lstm"]) == 2
    assert "no case 'lstm'; there are or_gate" in capsys.readouterr().err
    for given, text in (
        ({"peers": ["theano"]}, "no peer 'theano'"),
        ({"threads": 0}, "threads=0"),
        ({"seconds": -1.0}, "seconds=-1.0"),
    ):
        with pytest.raises(ArgumentError, match=text):
            bench.measure(["or_gate"], **given)


def test_a_process_that_fails_gives_its_last_line(monkeypatch):
    monkeypatch.setattr(bench, "TIMEOUT", 20.0)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (row,) = bench.measure(["or_gate"], [], threads=1, seconds=0.0)
    assert row.failed == "no output"
