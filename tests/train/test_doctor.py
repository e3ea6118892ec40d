"""What the doctor reports about this machine."""

import sys

import numpy as np
import pytest

from symgraph.core.cache import default_cache
from symgraph.train import doctor


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path / "cache"))


def test_report_has_every_topic_once_each_in_one_line():
    report = list(doctor.report())
    topics = [topic for topic, _ in report]
    assert len(set(topics)) == len(topics)
    wanted = {
        "symgraph",
        "python",
        "numpy",
        "numba",
        "llvmlite",
        "processor",
        "features",
    }
    assert wanted | {"threads", "blas", "cache", "cached", "gpu"} <= set(topics)
    assert all(text and "\n" not in text for _, text in report)


def test_report_gives_the_versions_that_are_loaded():
    report = dict(doctor.report())
    assert report["numpy"] == np.__version__
    assert report["python"].split()[0] == sys.version.split()[0]


def test_missing_package_is_reported_as_missing(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package-at-all",))
    assert dict(doctor.report())["no-such-package-at-all"] == "MISSING"


def test_cache_lines_count_what_is_stored(tmp_path):
    default_cache().put("a" * 64, {}, b"x" * 5000)
    lines = dict(doctor.cache_lines())
    assert lines["cache"] == str(tmp_path / "cache")
    assert lines["cached"].startswith("1 functions, 5 of ")


def test_blas_names_what_numpy_was_built_with():
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    assert dict(doctor.report())["blas"].startswith(built)


def test_thread_settings_of_the_environment_are_shown(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE=Haswell" in dict(doctor.report())["threads"]


def test_gpu_line_without_a_driver_says_so(monkeypatch):
    monkeypatch.setattr(doctor.ctypes.util, "find_library", lambda name: "no-such.so")
    assert doctor.gpu() == "none (no CUDA driver)"


def test_gpu_devices_of_a_driver_are_named(monkeypatch):
    class Driver:
        @staticmethod
        def cuInit(flags):
            return 0

        @staticmethod
        def cuDeviceGetCount(count):
            count._obj.value = 1

        @staticmethod
        def cuDriverGetVersion(version):
            version._obj.value = 12080

        @staticmethod
        def cuDeviceGet(device, number):
            device._obj.value = number

        @staticmethod
        def cuDeviceGetName(text, size, device):
            text.value = b"Test Device"

    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda path: Driver)
    assert doctor.gpu() == "Test Device (CUDA driver 12.8)"
