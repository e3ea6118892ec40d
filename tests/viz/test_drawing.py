"""SVG pictures and the HTML page: well formed, complete, and self-contained."""

import html.parser
from xml.etree import ElementTree

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import viz
from symgraph.errors import ArgumentError
from symgraph.viz.network import network

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def step():
    """A training step with all kinds of nodes."""
    x, w = T.dmatrix("x"), sg.shared(np.ones(3), name="w")
    loss = T.sqr(T.dot(x, w) - 2 * T.dot(x, w)).mean()
    return sg.function(
        [x], loss, updates=[(w, w - 0.5 * sg.grad(loss, w))], name="step"
    )


def labels(text):
    """Texts of the boxes of an SVG document."""
    root = ElementTree.fromstring(text)
    return [
        found.text
        for group in root.iter(f"{SPACE}g")
        for found in group.findall(f"{SPACE}text")
        if found.get("class") != "type"
    ]


def test_a_picture_has_a_box_for_each_node_and_a_curve_for_each_edge(step):
    graph = network(step)
    root = ElementTree.fromstring(viz.svg(step))
    assert len(root.findall(f"{SPACE}g")) == graph.number_of_nodes()
    assert len(root.findall(f"{SPACE}path")) == graph.number_of_edges()
    kinds = {group.get("class") for group in root.findall(f"{SPACE}g")}
    assert kinds == {"input", "shared", "constant", "operation", "output", "update"}


def test_the_optimized_stage_is_another_picture():
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], (x + y) + (x + y))
    assert labels(viz.svg(f)) == ["x", "y", "+", "+", "output"]
    assert sorted(labels(viz.svg(f, "optimized"))) == [
        "*",
        "+",
        "2",
        "output",
        "x",
        "y",
    ]


def test_expressions_can_be_drawn_before_compiling():
    x = T.dscalar("x")
    assert labels(viz.svg([x + 1, x])) == ["x", "1", "+", "output", "x"]


def test_names_are_escaped_and_long_ones_cut():
    x = T.dscalar("<a & b>")
    y = T.dscalar("n" * 100)
    found = labels(viz.svg(x * y))
    assert found[0] == "<a & b>"
    assert found[1] == "n" * 33 + "..."


def test_equal_graphs_give_equal_pictures():
    x = T.dscalar("x")
    made = T.exp(x) + x
    assert viz.svg(made) == viz.svg(made)


def test_what_cannot_be_drawn_is_refused():
    for wrong in (3, [], ["x"]):
        with pytest.raises(ArgumentError, match="viz"):
            viz.svg(wrong)
    with pytest.raises(ArgumentError, match="stage"):
        viz.svg(T.dscalar("x"), "kernels")


def test_pictures_and_pages_are_saved(step, tmp_path):
    assert viz.save_svg(step, tmp_path / "a.svg").read_text() == viz.svg(step)
    assert viz.save_history(step, tmp_path / "a.html").read_text() == viz.history(step)


def test_the_history_lists_every_rewrite_and_loads_nothing(step):
    class Page(html.parser.HTMLParser):
        rows = 0
        links = 0

        def handle_starttag(self, tag, attrs):
            self.rows += tag == "tr"
            self.links += any(name in ("src", "href") for name, _ in attrs)

    page = Page()
    page.feed(viz.history(step))
    assert page.rows == 1 + len(step.rewritten.firings)
    assert page.links == 0
    for firing in step.rewritten.firings:
        assert firing.rule in viz.history(step)
