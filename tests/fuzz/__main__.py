"""``python -m tests.fuzz --seconds 3600 --seed 0``: the farm, outside of CI.

Prints counts, the mix and the oracles asked; failures are made smaller and written to
``tests/fuzz/found`` (``--found FOLDER``), where they run as tests from then on.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> int:
    """Run the farm; 1 if a program failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="the first program")
    parser.add_argument("--programs", type=int, default=10**9)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--found", type=Path, default=Path(__file__).parent / "found")
    parser.add_argument("--no-shrink", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    from fuzz.job import Report, farm

    import symgraph as sg
    from symgraph.rewrite import engine

    engine.strict = True  # as in tests/conftest.py
    sg.config.verify = "on"

    log = given.log.open("a") if given.log else sys.stdout
    start, report = time.monotonic(), Report()
    children = []
    for k in range(1, given.jobs):  # each job its own seeds and log
        pid = os.fork()
        if pid == 0:
            own = given.log.with_suffix(f".{k}.log").open("a") if given.log else log
            given.seed, log = given.seed + k * 10**7, own
            children = []
            break
        children.append(pid)
    seeds = range(given.seed, given.seed + given.programs)
    folder = None if given.no_shrink else given.found
    try:
        farm(seeds, given.seconds, folder, log, report)
    except KeyboardInterrupt:
        pass
    lines = "\n".join(report.lines(time.monotonic() - start))
    print(lines, file=log, flush=True)
    if given.log:
        print(lines)
    bad = bool(report.status["wrong"])
    for pid in children:
        _, status = os.waitpid(pid, 0)
        bad |= status != 0
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
