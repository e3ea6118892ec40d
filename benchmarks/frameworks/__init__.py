"""The frameworks: their variants, packages and environment; one module for each.

A module ``on_NAME.py`` offers

    LABELS                     dtype of class numbers that the framework likes
    set_threads(count)         for those with a knob; called before anything is computed
    step(network, variant)     -> f(x, y) -> float: one training step
    loop(network, variant)     -> f(xs, ys) -> losses: many steps in one call
    function(name, variant, arrays)  -> f(*arrays) -> array
    epoch(network, variant, x, y)    optional -> train(), classes(x): one pass over all
                               rows in mini-batches drawn anew; the classes it finds then

and raises `workloads.Unavailable` for what cannot be done. This file imports none of
them, so that the harness runs without any peer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Framework:
    """What the harness knows about a framework.

    `steps`, `loops`, `maps` are the variants for training steps, native loops and
    functions. `caches` are environment variables that hold folders for compiled code,
    `environment` are others.
    """

    name: str
    package: str  # what is imported
    distribution: str  # what is installed
    module: str
    steps: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    epochs: tuple[str, ...] = ()
    convolutions: tuple[str, ...] = ()  # variants that only networks with images have
    cached: tuple[str, ...] = ()  # variants whose second start finds compiled code
    caches: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def variants(self, kind: str, convolutional: bool = False) -> tuple[str, ...]:
        """Variants for "step", "loop", "map" or "epoch"."""
        found: tuple[str, ...] = getattr(self, f"{kind}s")
        if convolutional and kind == "step":
            return (*found, *self.convolutions)
        return found


OURS = "symgraph"
FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework(
            OURS,
            "symgraph",
            "symgraph",
            "benchmarks.frameworks.on_symgraph",
            steps=("step",),
            loops=("loop",),
            maps=("call",),
            epochs=("loop",),
            cached=("step", "loop", "call"),
            caches=("SYMGRAPH_CACHE_DIR",),
        ),
        Framework(
            "numpy",
            "numpy",
            "numpy",
            "benchmarks.frameworks.by_hand",
            steps=("hand",),
            maps=("hand",),
        ),
        Framework(
            "torch",
            "torch",
            "torch",
            "benchmarks.frameworks.on_torch",
            steps=("eager", "compile"),
            convolutions=("channels_last",),
            epochs=("channels_last",),
            maps=("eager", "compile"),
            cached=("compile",),
            caches=("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"),
        ),
        Framework(
            "jax",
            "jax",
            "jax",
            "benchmarks.frameworks.on_jax",
            steps=("jit",),
            loops=("scan",),
            maps=("jit",),
            cached=("jit", "scan"),
            caches=("JAX_COMPILATION_CACHE_DIR",),
            environment={
                "JAX_PLATFORMS": "cpu",
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            },
        ),
        Framework(
            "pytensor",
            "pytensor",
            "pytensor",
            "benchmarks.frameworks.on_pytensor",
            steps=("numba",),
            loops=("numba_scan",),
            maps=("numba",),
            cached=("numba", "numba_scan"),
            caches=("NUMBA_CACHE_DIR", "PYTENSOR_FLAGS"),
        ),
        Framework(
            "tensorflow",
            "tensorflow",
            "tensorflow",
            "benchmarks.frameworks.on_tensorflow",
            steps=("function",),
            maps=("function",),
            environment={"TF_CPP_MIN_LOG_LEVEL": "2"},
        ),
    )
}
