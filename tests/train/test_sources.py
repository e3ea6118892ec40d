"""Chunks of rows in memory and of batches that stream."""

import threading
import time

import numpy as np
import pytest

from symgraph.errors import DataError
from symgraph.train.sources import Arrays, Stream, Whole, ahead

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


def _whole(**settings):
    return Whole(Arrays([X], [Y]), 3, **{"shuffle": True, "seed": 0} | settings)


def _rows(chunks):
    return [int(n) for chunk in chunks for n in chunk.arrays.targets[0]]


def test_one_chunk_has_all_rows_and_the_seed_of_their_order():
    (chunk,) = _whole().chunks(1, None)
    assert chunk.batch_size == 3
    order = np.random.default_rng(chunk.shuffle).permutation(10)
    assert order.tolist() == _whole().order(1).tolist()


@pytest.mark.parametrize("every", [1, 2, 5])
def test_chunks_have_the_rows_in_the_same_order(every):
    chunks = list(_whole().chunks(2, every))
    assert _rows(chunks) == _whole().order(2).tolist()
    assert len(chunks) == -(-4 // every)
    assert _rows(_whole().chunks(2, every, done=2)) == _rows(chunks)[6:]


def test_each_epoch_and_seed_has_an_order_of_its_own():
    orders = {tuple(_whole(seed=s).order(e)) for s in (0, 1) for e in (1, 2)}
    assert len(orders) == 4
    assert _whole(shuffle=False).order(1).tolist() == list(range(10))


def test_a_change_that_gives_another_shape_is_refused():
    with pytest.raises(
        DataError, match=r"augmentation gave \(5, 2\) for rows \(10, 2\)"
    ):
        list(_whole(augmentation=[lambda x, random: x[:5]]).chunks(1, None))


def _stream(batches, steps=None):
    return Stream(
        lambda epoch: iter(batches), lambda b: Arrays([b[0]], [b[1]]), steps, 0
    )


def test_batches_of_one_size_are_joined():
    batches = [(X[i : i + 3], Y[i : i + 3]) for i in range(0, 10, 3)]
    chunks = list(_stream(batches).chunks(1, None))
    assert [len(c.arrays.targets[0]) for c in chunks] == [9, 1]
    assert [c.batch_size for c in chunks] == [3, 1]
    assert _rows(chunks) == list(range(10))
    assert _rows(_stream(batches).chunks(1, None, done=3)) == [9]


def test_steps_end_a_stream_without_an_end():
    def endless():
        while True:
            yield X, Y

    stream = Stream(lambda epoch: endless(), lambda b: Arrays([b[0]], [b[1]]), 3, 0)
    assert len(_rows(stream.chunks(1, 1))) == 30


def test_what_the_thread_raises_comes_where_its_item_would():
    def items():
        yield 1
        raise KeyError("gone")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(KeyError, match="gone"):
        next(found)


def test_the_thread_ends_with_its_reader():
    def endless():
        while True:
            yield 0

    before = threading.active_count()
    reader = ahead(endless())
    next(reader)
    reader.close()
    assert threading.active_count() == before


def test_reading_ahead_overlaps_with_the_work():
    def slow():
        for _ in range(5):
            time.sleep(0.02)
            yield 0

    start = time.perf_counter()
    for _ in ahead(slow()):
        time.sleep(0.02)
    assert time.perf_counter() - start < 0.19
