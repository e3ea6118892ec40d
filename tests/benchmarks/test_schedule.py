"""Who runs when: with workers that are made up, and once with real ones."""

import sys
from pathlib import Path

import pytest

from benchmarks import schedule
from benchmarks.__main__ import main
from benchmarks.results import Results
from benchmarks.schedule import Run, Settings, entries
from benchmarks.workloads import NETWORKS, chosen

PRESENT = ["symgraph", "numpy", "torch", "jax", "tensorflow"]


class Fake:
    """A worker that answers at once and notes what it is asked."""

    log: list[tuple[str, str, str]] = []

    def __init__(self, name, variant, python, threads, caches, timeout):
        self.label = f"{name} {variant}"
        self.caches = caches
        self.threads = threads

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def ask(self, do, **arguments):
        Fake.log.append((do, self.label, self.caches.name))
        if do == "burst":
            return {"median": 2.0 if "jax" in self.label else 1.0, "other_cores": 0.0}
        if do == "memory":
            return {"peak_bytes": 10}
        if do == "resize":
            return {"first_s": 3.0, "later_s": 1.0}
        if "torch" in self.label:
            return {"failed": "Traceback\nTypeError: bad"}
        return {"ready_s": 0.5, "losses": [1, 2, 3], "error": 0.0, "right": True}

    def close(self):
        Fake.log.append(("close", self.label, ""))


@pytest.fixture
def measured(monkeypatch):
    """Results of a run of moons_h50 with made-up workers, and what they were asked."""
    monkeypatch.setattr(schedule, "Process", Fake)
    versions = {"symgraph": "1", "jax": "2", "torch": "3"}
    monkeypatch.setattr(schedule, "probe", lambda name, python: versions.get(name))
    monkeypatch.setattr(schedule, "import_time", lambda name, python: 0.25)
    Fake.log = []

    def run(**changes):
        given = {
            "workloads": ["moons_h50"],
            "frameworks": ["jax", "torch:eager", "symgraph", "pytensor"],
            "threads": [2, 1],
            "default_python": "python",
            "rounds": 2,
        }
        settings = Settings(**{**given, **changes})
        return Run(settings).measure(chosen(settings.workloads))

    return run


def _asked(do):
    return [label for what, label, _ in Fake.log if what == do]


def test_bursts_of_a_peer_follow_bursts_of_ours(measured):
    results = measured()
    steps = ["symgraph step", "jax jit"] * 2
    loops = ["symgraph loop", "jax scan"] * 2
    assert _asked("burst") == [*steps, *loops] * 2
    jax = next(results.select(framework="jax", kind="step", threads=2))
    assert [r["ours"] for r in jax.rounds] == [1.0, 1.0]
    assert jax.ratio == (2.0, 2.0, 2.0)
    assert jax.new_size_seconds == 2.0


def test_starts_belong_to_the_first_thread_count_and_cold_ones_have_new_folders(
    measured,
):
    results = measured()
    ours = next(results.select(framework="symgraph", kind="step", threads=2))
    assert (len(ours.cold_s), len(ours.warm_s)) == (3, 3)
    jax = next(results.select(framework="jax", kind="step", threads=2))
    assert (len(jax.cold_s), len(jax.warm_s)) == (1, 1)
    later = next(results.select(framework="symgraph", kind="step", threads=1))
    assert later.cold_s == later.warm_s == []
    opened = [folder for do, label, folder in Fake.log if do == "open"]
    ours_opened = [
        folder for folder in opened if folder.startswith("moons_h50-symgraph-st")
    ]
    first = "moons_h50-symgraph-step"
    assert ours_opened[:6] == [first, first, f"{first}-1", first, f"{first}-2", first]


def test_a_missing_peer_is_absent_and_a_failing_one_is_told(measured):
    results = measured()
    assert results.frameworks["pytensor"] == {"absent": "python"}
    assert not list(results.select(framework="pytensor"))
    torch = next(results.select(framework="torch"))
    assert (torch.status, torch.reason) == ("failed", "TypeError: bad")
    assert results.imports == {
        name: [0.25] * 3 for name in ("jax", "torch", "symgraph")
    }


def test_peers_are_measured_without_ours(measured):
    results = measured(frameworks=["jax"])
    record = next(results.select(kind="step", threads=2))
    assert len(record.rounds) == 2
    assert record.ratio is None


def test_functions_share_a_process_for_each_dtype(measured):
    names = ["chain-1000-float32", "chain-1000000-float32", "chain-1000-float64"]
    results = measured(workloads=names, frameworks=["symgraph", "jax"], threads=[1])
    assert sorted(_asked("close")) == sorted(["symgraph call", "jax jit"] * 2)
    assert len(list(results.select(kind="map"))) == 6


def test_a_quick_run_leaves_out_what_starts_slowly():
    settings = Settings(["all"], PRESENT, [1], "python", quick=True)
    small, images = NETWORKS["moons_h50"], NETWORKS["mnist_cnn"]
    assert entries(settings, PRESENT, "step", small) == [
        ("symgraph", "step"),
        ("numpy", "hand"),
        ("torch", "eager"),
        ("jax", "jit"),
    ]
    found = entries(settings, PRESENT, "step", images)
    assert ("tensorflow", "function") in found
    assert ("torch", "channels_last") in found
    assert ("numpy", "hand") not in found
    settings.quick = False
    assert ("torch", "compile") in entries(settings, PRESENT, "step", small)
    assert ("torch", "channels_last") not in entries(settings, PRESENT, "step", small)


def test_a_real_run_writes_json_and_tables(tmp_path, capsys):
    out = tmp_path / "found.json"
    words = ["--workloads", "or_gate", "--frameworks", "numpy", "pytensor"]
    words += ["--python", f"pytensor={tmp_path / 'python'}", "--threads", "1"]
    main([*words, "--seconds", "0", "--rounds", "1", "--out", str(out)])
    results = Results.load(out)
    (record,) = results.records
    assert record.counts
    assert record.losses[0] == pytest.approx(0.342934891)
    assert "absent" in results.frameworks["pytensor"]
    assert results.settings["default_python"] == sys.executable
    printed = capsys.readouterr()
    assert "| or_gate, float32 | 1 | " in printed.out
    assert "pytensor: absent from" in printed.err
    assert Path(tmp_path / "found.md").read_text() in printed.out
