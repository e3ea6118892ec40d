"""Three thousand random programs, each compared with the oracles that were drawn for it.

A failure prints the program; ``python -m tests.fuzz --seed N --programs 1`` runs it again,
makes it smaller and keeps it in tests/fuzz/found.
"""

import collections
from pathlib import Path

import pytest
from fuzz import loops, positions  # noqa: F401  (register their statements)
from fuzz.grammar import generate
from fuzz.judge import check
from fuzz.oracles import Skip, Wrong, is_open

PROGRAMS = 3000
CHUNK = 50
#: seeds of programs that show faults which are known and not mended yet
PENDING = frozenset(
    int(line) for line in Path(__file__).with_name("pending.txt").read_text().split()
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, PROGRAMS, CHUNK))
def test_random_programs_agree_with_their_oracles(first: int) -> None:
    done = 0
    for seed in range(first, first + CHUNK):
        if seed in PENDING:
            continue
        program = generate(seed)
        try:
            done += len(check(program)) > 0
        except Skip:
            continue
        except Wrong as wrong:
            if is_open(wrong) is None:
                shown = f"seed {seed}: {wrong}\n{program.text()}"
                pytest.fail(f"{shown}\nwanted {wrong.want}\ngot {wrong.got}", False)
    assert done > 0.8 * CHUNK


def test_the_mix_has_loops_computed_positions_and_gradients() -> None:
    count = 300
    mix = collections.Counter(t for s in range(count) for t in generate(s).tags())
    assert mix["loop"] >= 0.2 * count
    assert mix["position"] >= 0.2 * count
    assert mix["gradient"] >= 0.5 * count


def test_a_seed_gives_the_same_program_again() -> None:
    assert generate(5).text() == generate(5).text()
