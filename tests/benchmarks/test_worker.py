"""The protocol between the harness and a worker, with symgraph and NumPy only."""

import dataclasses
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import symgraph as sg
from benchmarks import process, worker, workloads
from benchmarks.data import mnist
from benchmarks.frameworks import FRAMEWORKS, OURS
from benchmarks.process import ROOT, Process
from benchmarks.workloads import GROUPS, NETWORKS, Unavailable

SMALL = ["or_gate", "mlp431_b1", "moons_h50", "mnist_softmax", *GROUPS["recurrent"]]


@pytest.fixture(scope="module")
def ours():
    with pytest.MonkeyPatch.context() as patch, sg.config.override(floatX="float64"):
        patch.setenv("SYMGRAPH_NUM_THREADS", "1")
        yield {
            variant: worker.Worker(FRAMEWORKS[OURS], variant, 1)
            for variant in ("step", "loop", "call")
        }


@pytest.mark.parametrize("variant", ["step", "loop"])
@pytest.mark.parametrize("name", SMALL)
def test_our_first_losses_are_those_of_the_reference(ours, name, variant):
    found = ours[variant].answer({"do": "open", "workload": name})
    assert found["right"], found
    assert found["error"] < (1e-12 if NETWORKS[name].dtype == "float64" else 1e-5)
    assert found["ready_s"] > 0
    assert len(found["losses"]) == 3


@pytest.mark.parametrize("name", ["chain-1000-float64", "addxy-1000-float32"])
def test_our_functions_agree_with_the_reference(ours, name):
    assert ours["call"].answer({"do": "open", "workload": name})["right"]


def test_a_burst_times_calls_and_a_native_loop_is_told_per_step(ours):
    for variant, steps in (("step", 1), ("loop", 2000)):
        ours[variant].answer({"do": "open", "workload": "or_gate"})
        ask = {"do": "burst", "workload": "or_gate", "seconds": 0.0, "least": 2}
        found = ours[variant].answer(ask)
        assert 0 < found["min"] <= found["median"] <= found["p90"] < 1e-3
        assert ours[variant].opened["or_gate"].steps == steps
        assert found["calls"] >= 2


def test_another_batch_size_is_called_with_three_quarters_of_the_rows(ours):
    ours["step"].answer({"do": "open", "workload": "moons_h50"})
    opened, seen = ours["step"].opened["moons_h50"], []
    call = opened.call
    opened.call = lambda x, y: seen.append((len(x), len(y))) or call(x, y)
    found = ours["step"].answer({"do": "resize", "workload": "moons_h50"})
    assert seen == [(150, 150)] * 12
    assert found["first_s"] > 0
    assert found["later_s"] > 0


@pytest.mark.parametrize(
    ("name", "of_y"), [("lstm", (48,)), ("rnn_large", (50, 48, 1))]
)
def test_rows_of_sequences_lie_behind_the_time(ours, name, of_y):
    xs, ys = workloads.batches(NETWORKS[name])
    seen = []
    ours["step"].opened[name] = worker.Opened(
        lambda x, y: seen.append((x.shape[:2], y.shape)), [(xs[0], ys[0])]
    )
    ours["step"].answer({"do": "resize", "workload": name})
    assert seen == [((50, 48), of_y)] * 12


def test_a_variant_that_a_framework_lacks_is_unavailable(ours):
    with pytest.raises(Unavailable, match="no variant 'call' for or_gate"):
        ours["call"].answer({"do": "open", "workload": "or_gate"})


def test_short_calls_are_timed_many_at_a_time():
    calls = []
    found = worker.timed(lambda n: calls.append(n), [(1,), (2,)], 0.0, least=3)
    assert found["calls"] > 30
    assert len(calls) == found["calls"] + 3
    assert set(calls) == {1, 2}


def test_wrong_losses_are_noticed():
    want = [1.0, 2.0, 3.0]
    assert worker.agreement(want, want, "float64") == {"error": 0.0, "right": True}
    assert not worker.agreement([1.0, 2.0, 3.1], want, "float32")["right"]
    assert not worker.agreement([1.0, 2.0], want, "float32")["right"]
    assert not worker.agreement([1.0, 2.0, np.nan], want, "float32")["right"]


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """Four IDX files of images whose class is the row that is bright."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 600), ("t10k", 100)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 100, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), labels] = 255
        for what, header, data in (
            ("images-idx3", 16, images),
            ("labels-idx1", 8, labels),
        ):
            text = bytes(header) + data.tobytes()
            (tmp_path / f"{part}-{what}-ubyte.gz").write_bytes(gzip.compress(text))
    layers = (workloads.Flatten(), workloads.Dense(10))
    dense = dataclasses.replace(workloads.MNIST, layers=layers)
    monkeypatch.setattr(workloads, "MNIST", dense)
    return tmp_path


def test_an_epoch_trains_on_all_rows_and_tells_the_accuracy(ours, tiny_mnist):
    x, y, test_x, test_y = mnist(tiny_mnist)
    assert (x.shape, x.dtype, y.dtype) == ((600, 1, 28, 28), np.float32, np.int64)
    assert (len(test_x), len(test_y), x.max()) == (100, 100, 1.0)
    found = ours["loop"].answer({"do": "epoch", "folder": str(tiny_mnist)})
    assert 0.3 < found["accuracy"] <= 1
    assert found["seconds"] > 0
    with pytest.raises(Unavailable, match="trains no epoch"):
        ours["step"].answer({"do": "epoch", "folder": str(tiny_mnist)})


def test_a_served_worker_answers_opens_bursts_and_memory(tmp_path):
    with Process("numpy", "hand", sys.executable, 1, tmp_path, 60.0) as served:
        opened = served.ask("open", workload="or_gate")
        assert opened["right"], opened
        burst = served.ask("burst", workload="or_gate", seconds=0.0)
        assert 0 < burst["median"] < 0.1
        assert 1e7 < served.ask("memory")["peak_bytes"] < 1e9
        assert _state(served) in ("T", None)  # between answers it is stopped
        assert "KeyError" in served.ask("burst", workload="mlp431", seconds=0)["failed"]
        assert served.alive
    assert not served.alive


def _state(served):
    """Letter of a process's state; waits a little for the signal to arrive."""
    stat = Path(f"/proc/{served._child.pid}/stat")
    for _ in range(200 if stat.exists() else 0):
        if (state := stat.read_text().rpartition(")")[2].split()[0]) == "T":
            return state
        time.sleep(0.01)
    return state if stat.exists() else None


def test_a_worker_that_dies_or_hangs_is_told(tmp_path):
    with Process("numpy", "hand", sys.executable, 1, tmp_path, 60.0) as served:
        served._child.kill()
        served._child.wait()
        assert served.ask("memory")["failed"] == "exit code -9"
    with Process("numpy", "hand", sys.executable, 1, tmp_path, 0.0) as served:
        assert served.ask("memory")["failed"] == "no answer in 0 s"


def test_one_workload_by_hand_prints_json():
    command = [sys.executable, "-m", "benchmarks.worker", "numpy", "hand", "or_gate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["right"]
    assert found["losses"][0] == pytest.approx(0.342934891)


def test_a_peer_that_is_not_installed_has_no_version(tmp_path):
    assert process.probe("numpy") == np.__version__
    assert process.probe("numpy", str(tmp_path / "python")) is None


def test_the_environment_gives_threads_and_caches_and_no_core_type(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    made = process.environment(FRAMEWORKS["pytensor"], 2, tmp_path)
    assert "OPENBLAS_CORETYPE" not in made
    assert {made[name] for name in process.THREAD_VARIABLES} == {"2"}
    assert made["PYTENSOR_FLAGS"].startswith(f"base_compiledir={tmp_path}")
    ours = process.environment(FRAMEWORKS[OURS], 1, tmp_path)
    assert ours["SYMGRAPH_CACHE_DIR"].startswith(str(tmp_path))
