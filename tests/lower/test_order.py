"""Order: questions and merges on random graphs, against a search of the whole graph."""

import random

import pytest

from symgraph.lower import order as order_module
from symgraph.lower.order import Order


def random_order(seed: int, count: int = 14) -> tuple[Order, random.Random]:
    """Units that need some of those before them."""
    draw = random.Random(seed)
    order = Order(range(count))
    for unit in range(count):
        for needed in range(unit):
            if draw.random() < 0.15:
                order.link(unit, needed)
    order.settle({u: (u * 7) % count for u in range(count)})
    return order, draw


def depends_through_a_third(order: Order, start: int, goal: int) -> bool:
    stack = [u for u in order.after[start] if u != goal]
    seen = set(stack)
    while stack:
        for after in order.after[stack.pop()]:
            if after == goal:
                return True
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return False


def is_valid(order: Order) -> bool:
    place = order._place
    return len(set(place.values())) == len(place) and all(
        place[needed] < place[unit]
        for unit, before in order.before.items()
        for needed in before
    )


@pytest.mark.parametrize("seed", range(20))
def test_places_stay_valid_while_units_merge(seed):
    order, draw = random_order(seed)
    assert is_valid(order)
    for _ in range(40):
        if len(order.before) < 2:
            break
        one, other = draw.sample(sorted(order.before), 2)
        apart = [
            depends_through_a_third(order, *pair)
            for pair in ((one, other), (other, one))
        ]
        assert [order.reaches(one, other), order.reaches(other, one)] == apart
        if not any(apart):
            order.merge(one, other)
            assert is_valid(order)
            assert one not in order.before
            assert not any(one in before for before in order.before.values())


@pytest.mark.parametrize("seed", range(10))
def test_places_stay_valid_while_dependences_are_added(seed):
    order, draw = random_order(seed)
    for _ in range(30):
        unit, needed = draw.sample(sorted(order.before), 2)
        if not order.needs(needed, unit) and not depends_through_a_third(
            order, unit, needed
        ):
            order.follow(unit, needed)
            assert order.needs(unit, needed)
            assert is_valid(order)


def test_units_are_sorted_by_rank_where_dependences_leave_a_choice():
    order = Order(range(4))
    order.link(0, 3)
    assert order.sorted({0: 0, 1: 2, 2: 1, 3: 3}) == [2, 1, 3, 0]


def test_a_cycle_is_seen():
    order = Order(range(2))
    order.link(0, 1)
    order.link(1, 0)
    with pytest.raises(AssertionError, match="cycle"):
        order.sorted({0: 0, 1: 1})


def test_a_search_that_meets_too_many_units_is_given_up(monkeypatch):
    order = Order(range(40))
    for unit in range(1, 39):
        order.link(unit, 0)
        order.link(unit, unit - 1)
    order.settle({u: u for u in range(40)})
    assert not order.reaches(0, 39)
    monkeypatch.setattr(order_module, "SEARCH", 20)
    assert order.reaches(0, 39)
