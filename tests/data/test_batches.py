"""Mini-batch iteration."""

import numpy as np
import pytest

from symgraph.data.batches import iterate_minibatches
from symgraph.errors import DataError


def test_batches_in_order_include_the_tail():
    x = np.arange(7)
    batches = [b.tolist() for (b,) in iterate_minibatches(x, batch_size=3)]
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_batches_without_tail_are_all_full():
    x = np.arange(7)
    got = [len(b) for (b,) in iterate_minibatches(x, batch_size=3, tail=False)]
    assert got == [3, 3]


def test_shuffled_batches_give_each_row_once_and_keep_pairs_together():
    x = np.arange(20).reshape(10, 2)
    y = x[:, 0] * 10
    pairs = list(iterate_minibatches(x, y, batch_size=4, shuffle=1))
    assert all((b[:, 0] * 10 == t).all() for b, t in pairs)
    seen = np.concatenate([b[:, 0] for b, _ in pairs])
    assert sorted(seen.tolist()) == x[:, 0].tolist()
    assert seen.tolist() != x[:, 0].tolist()


def test_shuffle_seed_fixes_the_order():
    x = np.arange(50)

    def order(seed):
        found = iterate_minibatches(x, batch_size=7, shuffle=seed)
        return np.concatenate([b for (b,) in found]).tolist()

    assert order(0) == order(0) != order(1)


def test_unshuffled_batches_are_views():
    x = np.arange(4)
    (first,) = next(iterate_minibatches(x, batch_size=2))
    assert np.shares_memory(first, x)


def test_batch_larger_than_the_data_is_one_short_batch():
    assert [len(b) for (b,) in iterate_minibatches(np.arange(3), batch_size=9)] == [3]


@pytest.mark.parametrize(
    ("arrays", "size", "text"),
    [
        ((np.zeros(3), np.zeros(4)), 2, r"differ in length: \(3,\), \(4,\)"),
        ((np.zeros(3),), 0, "batch_size = 0"),
        ((), 2, "at least one array"),
        ((np.float32(1),), 2, "at least one array"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(arrays, size, text):
    with pytest.raises(DataError, match=text):
        iterate_minibatches(*arrays, batch_size=size)
