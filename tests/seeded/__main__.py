"""`python -m tests.seeded`: plants each bug in a copy and runs the suite's quick part.

Prints which test catches it, and the table. Mirrored tests run first, then the rest of
the quick part; with ``--whole`` all other tests but the slowest folders after them.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).parents[1]))

from seeded import planting  # noqa: E402

REST = ("backends", "fuzz", "nn", "extend", "compat", "sparse", "errors", "train")


def parts_of(patch: planting.Patch, args: argparse.Namespace) -> list:
    parts = [("mirrored", planting.mirrored(patch))]
    if not args.mirrored:
        parts.append(("quick", planting.quick()))
    if args.whole:
        tests = planting.ROOT / "tests"
        found = [p for f in planting.FOLDERS for p in (tests / f).rglob("test_*.py")]
        found += [p for f in REST for p in sorted((tests / f).rglob("test_*.py"))]
        parts.append(("whole", [str(p.relative_to(tests)) for p in found]))
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.seeded")
    parser.add_argument("--only", action="append", help="name of a patch; may repeat")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--mirrored", action="store_true", help="mirrored tests alone")
    parser.add_argument("--whole", action="store_true", help="all tests, not the quick")
    parser.add_argument("--kept", type=Path, help="file of outcomes, read and added to")
    parser.add_argument("--survivors", action="store_true", help="those kept as such")
    parser.add_argument("--table", action="store_true", help="print what was kept")
    args = parser.parse_args()
    before = planting.load(args.kept) if args.kept else []
    if args.table:
        print(planting.table(before))
        return
    chosen = [p for p in planting.patches() if not args.only or p.name in args.only]
    if args.survivors:
        left = {outcome.name for outcome in before if not outcome.test}
        chosen = [p for p in chosen if p.name in left]
    elif args.kept and not args.only:
        known = {outcome.name for outcome in before}
        chosen = [p for p in chosen if p.name not in known]
    copies: SimpleQueue[planting.Copy] = SimpleQueue()
    outcomes = {outcome.name: outcome for outcome in before}

    def work(patch: planting.Patch) -> planting.Outcome:
        copy = copies.get()
        try:
            return copy.tried(patch, parts_of(patch, args))
        finally:
            copies.put(copy)

    with tempfile.TemporaryDirectory(prefix="symgraph-seeded-") as folder:
        for number in range(args.jobs):
            copies.put(planting.Copy(Path(folder) / str(number)))
        with ThreadPoolExecutor(args.jobs) as pool:
            for outcome in pool.map(work, chosen):
                outcomes[outcome.name] = outcome
                if args.kept:
                    planting.keep(args.kept, outcome)
                print(
                    outcome.name, outcome.test or "SURVIVED", outcome.part, flush=True
                )
    print(planting.table(list(outcomes.values())))


main()
