"""``python -m benchmarks.compile_time``: how the time to compile grows with a graph.

Measures seconds to compile, and seconds per node, of chains, wide sums and equal layers
of 10 to 10,000 nodes, and writes a table. Each is compiled once in a process that has
compiled something small before, with nothing cached; the clock is that of the process,
so that others at work on the machine count little. In: the families below. Out: text.

    python -m benchmarks.compile_time --most 10000 --write docs/compile-time.md
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import symgraph as sg
import symgraph.tensor as T

SIZES = (10, 100, 1000, 2000, 3000, 10_000)

Case = tuple[list[Any], Any]


class Row(NamedTuple):
    """What compiling one graph took."""

    family: str
    nodes: int
    build_s: float
    compile_s: float

    @property
    def per_node_ms(self) -> float:
        """Milliseconds to compile, for each node."""
        return 1e3 * self.compile_s / self.nodes


def _chained(x: Any, count: int) -> Any:
    steps = (T.tanh, lambda v: v * x, T.sin, lambda v: v + 1.5)
    y = x
    for k in range(count):
        y = steps[k % 4](y)
    return y


def chain(count: int) -> Case:
    """tanh, product, sin, sum, and again, of a vector."""
    x = T.dvector("x")
    return [x], _chained(x, count)


def scalar_chain(count: int) -> Case:
    """The same of a 0-d variable."""
    x = T.dscalar("x")
    return [x], _chained(x, count)


def chain_gradient(count: int) -> Case:
    """A chain with its gradient; the nodes of the chain are counted."""
    x = T.dvector("x")
    y = _chained(x, count)
    return [x], [y, sg.grad(y.sum(), x)]


def read_twice(count: int) -> Case:
    """y = y * x + y / 3, again and again, of 0-d variables; steps are counted."""
    x, y = T.dscalars("x", "y")
    z = y
    for _ in range(count):
        z = z * x + z / 3
    return [x, y], z


def wide_sum(count: int) -> Case:
    """The sum of so many vectors."""
    parts = [T.dvector() for _ in range(count)]
    return parts, T.add(*parts)


def wide_join(count: int) -> Case:
    """The concatenation of so many vectors."""
    parts = [T.dvector() for _ in range(count)]
    return parts, T.concatenate(parts)


def layers(count: int) -> Case:
    """tanh(h @ W + b) with so many pairs of W and b; layers are counted."""
    h = x = T.dmatrix("x")
    for _ in range(count):
        h = T.tanh(T.dot(h, sg.shared(np.eye(4))) + sg.shared(np.ones(4)))
    return [x], h


FAMILIES: dict[str, Callable[[int], Case]] = {
    make.__name__: make
    for make in (
        chain, scalar_chain, chain_gradient, read_twice, wide_sum, wide_join, layers,
    )
}  # fmt: skip
#: what takes more memory or time than it tells at the largest size
LARGEST = {"wide_join": 3000, "wide_sum": 3000, "layers": 3000, "read_twice": 3000}


def measured(family: str, count: int) -> Row:
    """Seconds of this process to build and to compile one graph."""
    sg.config.cache = False
    x = T.dvector()
    sg.function([x], T.exp(x))  # imports are not counted
    start = time.process_time()
    inputs, outputs = FAMILIES[family](count)
    built = time.process_time()
    sg.function(inputs, outputs)
    return Row(family, count, built - start, time.process_time() - built)


def rows(most: int) -> Iterator[Row]:
    """All families at all sizes up to `most`, each in a process of its own."""
    for family in FAMILIES:
        for count in SIZES:
            if count <= min(most, LARGEST.get(family, most)):
                command = [sys.executable, "-m", __spec__.name, "--one", family]
                done = subprocess.run(
                    [*command, str(count)], capture_output=True, text=True, check=True
                )
                built, compiled = map(float, done.stdout.split())
                yield Row(family, count, built, compiled)


def table(found: list[Row]) -> str:
    """Markdown: a line for each graph, and what its family is."""
    lines = [
        "# Time to compile",
        "",
        "Processor seconds to build and to compile one function, nothing cached, in a",
        "process that has compiled before; made by `python -m benchmarks.compile_time`.",
        "A chain's node is an elementwise op; of layers and steps, layers and steps are",
        "counted. Kernels that are equal but for names are compiled once.",
        "",
    ]
    for family in dict.fromkeys(row.family for row in found):
        lines += [
            f"## {family.replace('_', ' ')}", "", FAMILIES[family].__doc__ or "", "",
            "| nodes | build | compile | per node |", "| ---: | ---: | ---: | ---: |",
        ]  # fmt: skip
        lines += [
            f"| {row.nodes:,} | {row.build_s:.2f} s | {row.compile_s:.2f} s "
            f"| {row.per_node_ms:.2f} ms |"
            for row in found
            if row.family == family
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure and print, or write, the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.compile_time")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="nodes")
    parser.add_argument("--write", type=Path, help="file for the table")
    parser.add_argument("--one", nargs=2, metavar=("FAMILY", "NODES"))
    options = parser.parse_args()
    if options.one:
        row = measured(options.one[0], int(options.one[1]))
        print(row.build_s, row.compile_s)
        return
    found = []
    for row in rows(options.most):
        found.append(row)
        print(f"{row.family} {row.nodes}: {row.compile_s:.2f} s", flush=True)
    if options.write is None:
        print(table(found))
    else:
        options.write.write_text(table(found))


if __name__ == "__main__":
    main()
