"""What the figures were measured on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

FEATURES = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _value(path: str, *names: str) -> str:
    for line in _lines(path):
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def description() -> dict[str, str]:
    """Processor, its vector extensions, memory, system, load."""
    flags = _value("/proc/cpuinfo", "flags", "Features").split()
    kibibytes = _value("/proc/meminfo", "MemTotal").split()
    usable = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    return {
        "processor": _value("/proc/cpuinfo", "model name")
        or platform.processor()
        or platform.machine(),
        "processors usable": str(usable),
        "vector extensions": " ".join(f for f in FEATURES if f in flags) or "unknown",
        "memory": f"{int(kibibytes[0]) / 2**20:.0f} GiB" if kibibytes else "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }
