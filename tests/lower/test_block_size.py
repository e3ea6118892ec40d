"""Sizes of blocks of work: aligned, few, worth sharing."""

import pytest

from symgraph.lower.block_size import (
    BLOCK,
    LEAST,
    MOST_BLOCKS,
    SCRATCH_BYTES,
    SERIAL,
    block_size,
)


@pytest.mark.parametrize("align", [1, 2, 16, 64, 1000])
@pytest.mark.parametrize("units", [1, 63, 64, 65, 777, 4096, 100_003])
def test_blocks_begin_at_multiples_and_are_worth_their_while(
    units: int, align: int
) -> None:
    for work in (LEAST, LEAST + 1, 3 * LEAST, 100 * LEAST, 10**4 * LEAST):
        block = block_size(units, work, align)
        if block == SERIAL:
            continue
        assert block % align == 0
        assert 0 < block < units
        blocks = -(-units // block)
        assert 2 <= blocks <= MOST_BLOCKS
        assert block * work >= units * BLOCK or block == align


@pytest.mark.parametrize("align", [1, 3, 16, 48])
def test_a_block_is_the_least_multiple_that_holds_its_share(align: int) -> None:
    for units in (100, 999, 5000):
        for shares in (5, 7, 40, 256):
            block = block_size(units, shares * BLOCK, align)
            wanted = next(
                b for b in range(align, 2 * units, align) if b * shares >= units
            )
            assert block == (wanted if wanted < units else SERIAL)


def test_little_work_much_scratch_and_one_block_stay_in_the_caller() -> None:
    assert block_size(1000, LEAST - 1) == SERIAL
    assert block_size(1000, LEAST) < 1000
    assert block_size(1000, 100 * LEAST, scratch=SCRATCH_BYTES) < 1000
    assert block_size(1000, 100 * LEAST, scratch=SCRATCH_BYTES + 1) == SERIAL
    assert block_size(1000, 100 * LEAST, align=1000) == SERIAL
    assert block_size(0, 0) == SERIAL
