"""Layered layout: edges go down, boxes do not overlap, simple graphs do not cross."""

import itertools
import random

import networkx
import pytest

from symgraph.viz.layout import GAP_X, arrange, crossings, layers, spread


def random_graph(seed, nodes=40):
    """Each node but the first few has one to three operands before it."""
    source = random.Random(seed)
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(nodes))
    for node in range(4, nodes):
        for operand in source.sample(range(node), source.randint(1, 3)):
            graph.add_edge(operand, node)
    return graph, {n: (source.uniform(20, 120), 30.0) for n in graph}


@pytest.mark.parametrize("seed", range(6))
def test_edges_go_down_and_end_at_the_boxes(seed):
    graph, sizes = random_graph(seed)
    made = arrange(graph, sizes)
    assert set(made.routes) == set(graph.edges)
    for (source, target), points in made.routes.items():
        heights = [y for _, y in points]
        assert heights == sorted(heights)
        assert points[0] == (made.centres[source][0], made.centres[source][1] + 15)
        assert points[-1] == (made.centres[target][0], made.centres[target][1] - 15)


@pytest.mark.parametrize("seed", range(6))
def test_boxes_of_a_row_do_not_overlap_and_stay_inside(seed):
    graph, sizes = random_graph(seed)
    made = arrange(graph, sizes)
    for a, b in itertools.combinations(graph, 2):
        if made.centres[a][1] == made.centres[b][1]:
            room = abs(made.centres[a][0] - made.centres[b][0])
            assert room >= (sizes[a][0] + sizes[b][0]) / 2 + GAP_X - 1e-6
    for node, (x, y) in made.centres.items():
        assert -1e-6 <= x - sizes[node][0] / 2
        assert x + sizes[node][0] / 2 <= made.width + 1e-6
        assert 15 <= y <= made.height - 15


def test_a_tree_has_no_crossings():
    graph = networkx.balanced_tree(2, 4, create_using=networkx.DiGraph).reverse()
    shuffled = networkx.DiGraph()
    nodes = list(graph)
    random.Random(3).shuffle(nodes)
    shuffled.add_nodes_from(nodes)
    shuffled.add_edges_from(graph.edges)
    made = arrange(shuffled, {n: (30.0, 20.0) for n in shuffled})
    rows = {}
    for node in shuffled:
        rows.setdefault(made.centres[node][1], []).append(node)
    ordered = [
        sorted(row, key=lambda n: made.centres[n][0]) for _, row in sorted(rows.items())
    ]
    below = {n: list(shuffled.successors(n)) for n in shuffled}
    assert sum(crossings(a, b, below) for a, b in itertools.pairwise(ordered)) == 0


def test_crossings_are_counted():
    below = {"a": ["y"], "b": ["x"], "c": ["x", "y"], "x": [], "y": []}
    assert crossings(["a", "b", "c"], ["x", "y"], below) == 2
    assert crossings(["b", "c", "a"], ["x", "y"], below) == 0


def test_leaves_stand_just_above_their_first_user():
    graph = networkx.DiGraph([("x", "a"), ("a", "b"), ("b", "c"), ("k", "c")])
    level = layers(graph)
    assert (level["k"], level["c"]) == (2, 3)


def test_a_middle_box_is_centred_under_its_operands():
    graph = networkx.DiGraph([("a", "sum"), ("b", "sum"), ("c", "sum")])
    made = arrange(graph, {n: (40.0, 20.0) for n in graph})
    assert made.centres["sum"][0] == pytest.approx(made.centres["b"][0])


def test_spread_keeps_wishes_that_do_not_collide():
    assert spread([0.0, 500.0], "ab", {"a": 20.0, "b": 20.0}) == [0.0, 500.0]


def test_an_empty_graph_has_no_size():
    made = arrange(networkx.DiGraph(), {})
    assert (made.width, made.height) == (0.0, 0.0)
