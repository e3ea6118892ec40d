"""What this installation has: versions, processor, BLAS, threads, cache, GPU.

Out: pairs of a topic and one line of text.  Nothing heavy is imported (Numba's version
comes from its package metadata) and nothing is changed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from symgraph.backends.registry import backend_of
from symgraph.core.cache import default_cache

PACKAGES = ("numpy", "numba", "llvmlite", "networkx", "safetensors", "rich")
EXTRAS = ("matplotlib", "pillow", "scikit-learn", "mpi4py", "onnx", "numba-cuda")
FEATURES = ("sse4.2", "avx", "fma", "avx2", "avx512f", "avx512dq", "avx512vl", "neon")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "NUMBA_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def report() -> Iterator[tuple[str, str]]:
    """Give each topic with what was found, in the order of reading."""
    yield "symgraph", _version("symgraph") or "not installed as a package"
    yield "python", f"{platform.python_version()} on {platform.system()}"
    for package in PACKAGES:
        yield package, _version(package) or "MISSING"
    extras = [f"{name} {found}" for name in EXTRAS if (found := _version(name))]
    yield "extras", ", ".join(extras) or "none"
    yield "processor", _processor()
    yield "features", _features()
    yield "threads", _threads()
    yield from backend_of("cpu").describe()
    yield from cache_lines()
    yield "gpu", gpu()


def cache_lines() -> Iterator[tuple[str, str]]:
    """Give the folder and the state of the cache of compiled code."""
    found = default_cache().info()
    yield "cache", found["folder"]
    used, limit = found["bytes"] / 1024, found["limit"] / 1024
    text = f"{found['entries']} functions, {used:,.0f} of {limit:,.0f} KiB"
    yield "cached", text if found["enabled"] else f"not on disk: {found['reason']}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # no such file outside Linux; the machine's name stands
    return name


def _features() -> str:
    """Vector extensions that the code generator can use, and the target's name."""
    try:
        from llvmlite import binding
    except ImportError as error:
        return f"llvmlite cannot be loaded: {error}"
    features = binding.get_host_cpu_features()
    found = [name for name in FEATURES if features.get(name)]
    return f"{' '.join(found) or 'none known'} ({binding.get_host_cpu_name()})"


def _threads() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    text = f"{usable or os.cpu_count()} of {os.cpu_count()} processors usable"
    found = [f"{n}={os.environ[n]}" for n in THREAD_VARIABLES if n in os.environ]
    return ", ".join([text, *found])


def gpu() -> str:
    """Return the CUDA devices that the driver lists, or why there are none."""
    path = ctypes.util.find_library("cuda") or "libcuda.so.1"
    try:
        driver = ctypes.CDLL(path)
    except OSError:
        return "none (no CUDA driver)"
    if status := driver.cuInit(0):
        return f"none (CUDA driver error {status})"
    count, version = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    driver.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for number in range(count.value):
        device, text = ctypes.c_int(), ctypes.create_string_buffer(256)
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(text, len(text), device)
        names.append(text.value.decode(errors="replace"))
    major, minor = version.value // 1000, version.value % 1000 // 10
    return f"{', '.join(names) or 'none'} (CUDA driver {major}.{minor})"
