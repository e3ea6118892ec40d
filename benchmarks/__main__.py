"""``python -m benchmarks``: measure, write JSON, print tables; or write the page.

    python -m benchmarks --quick --out results.json
    python -m benchmarks --workloads small mnist_cnn --frameworks symgraph torch:eager
    python -m benchmarks --python tensorflow=/path/to/python --threads 2 1
    python -m benchmarks --write-docs results.json

Beside results.json come results.md and, where matplotlib is installed, results.svg.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import page, picture
from benchmarks.frameworks import FRAMEWORKS
from benchmarks.process import ROOT
from benchmarks.results import Results
from benchmarks.schedule import Run, Settings
from benchmarks.targets import reasons_from
from benchmarks.workloads import GROUPS, chosen

#: seconds of a burst, rounds, fewest timings: of a quick run and of a thorough one
QUICK, THOROUGH = (0.2, 3, 2), (1.0, 5, 3)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    ) or os.cpu_count()
    counts = sorted({1, usable or 1}, reverse=True)
    add = parser.add_argument
    add("--workloads", nargs="+", help=f"names or groups: {', '.join(GROUPS)}")
    add(
        "--frameworks",
        nargs="+",
        default=list(FRAMEWORKS),
        metavar="NAME[:VARIANT]",
        help=f"of {', '.join(FRAMEWORKS)}",
    )
    add(
        "--threads",
        nargs="+",
        type=int,
        default=counts,
        help=f"start times belong to the first count (default {counts})",
    )
    add(
        "--python",
        action="append",
        default=[],
        metavar="NAME=INTERPRETER",
        help="where a framework is installed, if not here; peers= for all but symgraph",
    )
    add("--seconds", type=float, help="of a burst")
    add("--rounds", type=int, help="bursts of each pair")
    add("--starts", type=int, default=1, help="cold and warm starts of each peer")
    add("--timeout", type=float, default=300.0, help="seconds an answer may take")
    add(
        "--mnist",
        default="",
        metavar="DIR",
        help="time an epoch on these IDX files too",
    )
    add("--quick", action="store_true", help="about ten minutes for the whole table")
    add("--out", type=Path, default=Path("results.json"), help="JSON to write")
    add(
        "--write-docs",
        type=Path,
        metavar="RESULTS",
        help="write docs/benchmarks.md and its picture from results; measure nothing",
    )
    add("--docs", type=Path, default=ROOT / "docs", help="where --write-docs writes")
    return parser


def interpreters(items: list[str]) -> dict[str, str]:
    """Framework -> interpreter, from NAME=INTERPRETER; "peers" means all but ours.

    Raises
    ------
    ValueError : an item has another form, or names no framework
    """
    found: dict[str, str] = {}
    pairs = [item.partition("=") for item in items]
    for name, equals, python in sorted(pairs, key=lambda pair: pair[0] != "peers"):
        if not equals or not python or name not in (*FRAMEWORKS, "peers"):
            raise ValueError(
                f"--python {name}{equals}{python}: expected NAME=INTERPRETER with a name "
                f"of {', '.join(FRAMEWORKS)}, or peers"
            )
        names = list(FRAMEWORKS)[1:] if name == "peers" else [name]
        found.update(dict.fromkeys(names, python))
    return found


def write_docs(source: Path, folder: Path) -> list[Path]:
    """Write benchmarks.md and, with matplotlib, benchmarks.svg; the files written."""
    results = Results.load(source)
    drawn = folder / "benchmarks.svg"
    written = []
    if picture.can_draw():
        picture.draw(results, drawn)
        written.append(drawn)
    text = folder / "benchmarks.md"
    name = drawn.name if drawn.exists() else None
    text.write_text(page.document(results, reasons_from(), name))
    return [*written, text]


def _checked(options: argparse.Namespace) -> Settings:
    names = options.workloads or (["quick"] if options.quick else ["all"])
    chosen(names)
    for spec in options.frameworks:
        name, colon, variant = spec.partition(":")
        known = FRAMEWORKS.get(name)
        if known is None:
            raise ValueError(
                f"no framework {name!r}; there are {', '.join(FRAMEWORKS)}"
            )
        variants = {v for k in ("step", "loop", "map") for v in known.variants(k, True)}
        if colon and variant not in variants:
            raise ValueError(
                f"{name} has no variant {variant!r}, only {sorted(variants)}"
            )
    if min(options.threads) < 1:
        raise ValueError(f"--threads {min(options.threads)}: expected 1 or more")
    seconds, rounds, least = QUICK if options.quick else THOROUGH
    return Settings(
        names,
        options.frameworks,
        options.threads,
        sys.executable,
        interpreters(options.python),
        options.seconds if options.seconds is not None else seconds,
        options.rounds if options.rounds is not None else rounds,
        least,
        options.starts,
        options.quick,
        options.timeout,
        os.path.abspath(options.mnist) if options.mnist else "",
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, or write the page, as the arguments say."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write_docs:
        for path in write_docs(options.write_docs, options.docs):
            print(f"wrote {path}")
        return
    try:
        settings = _checked(options)
    except ValueError as error:
        parser.error(str(error))
    out: Path = options.out
    run = Run(
        settings,
        report=lambda text: print(text, file=sys.stderr, flush=True),
        save=lambda results: results.save(out),
    )
    results = run.measure(chosen(settings.workloads))
    results.save(out)
    text = page.markdown(results)
    out.with_suffix(".md").write_text(text)
    print(text)
    try:
        if picture.can_draw():
            picture.draw(results, out.with_suffix(".svg"))
    except ValueError as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
